"""Weights files: one safetensors file is a complete model. Reading needs no kernels.

The metadata of the file holds, under the key `gru`, a sealed document (`grucli.sealed`) with the sizes, the
tokenizer, the card, and the SHA-256 of the parameters. So every damaged bit is detected.

A file may be untrusted. Nothing is allocated before its sizes have been compared with the bytes that it has, nothing
in it is executed, and any defect of it raises `ModelFileError`.
"""

import hashlib
import io
import math
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from grucli.errors import GruError, ModelFileError, UsageError, quote
from grucli.files import atomic_write
from grucli.model.config import ModelConfig, num_parameters, parameter_shapes
from grucli.model.figures import Figures, TextFigures
from grucli.sealed import UnknownFormatError, check_values, seal, unseal
from grucli.text.tokenizers import KINDS, Tokenizer, from_json

FORMAT = 1
MAX_HEADER_BYTES = 32 << 20
"""A tokenizer of a million words fits."""

_METADATA_KEY = "gru"
_LENGTH_PREFIX_BYTES = 8
_Size = Annotated[int, msgspec.Meta(ge=1, lt=1 << 31)]
_Label = Annotated[str, msgspec.Meta(max_length=1000)]


@dataclass(frozen=True)
class Origin:
    """The model that another was adapted from: its name then, the SHA-256 of its parameters, and its corpus."""

    model: _Label
    parameters_sha256: _Label
    fingerprint: _Label


@dataclass(frozen=True, kw_only=True)
class ModelCard(TextFigures, Figures):
    """What is known about a model besides its parameters. Fields may be added: readers skip those they do not know.

    `fingerprint` is that of the corpus. `steps` and the figures describe the training of the weights in this file;
    `diverged` as in the summary of a run. `origin` is None for a model trained from scratch.
    `created` is an ISO 8601 time with its zone.
    """

    created: _Label = ""
    program: _Label = ""
    fingerprint: _Label = ""
    running_text: bool = False
    conversations: bool = False
    steps: Annotated[int, msgspec.Meta(ge=0)] = 0
    diverged: bool = False
    origin: Origin | None = None
    note: _Label = ""


@dataclass(frozen=True)
class SavedModel:
    """Content of a weights file. `arrays`: name → float32 array, in the shapes of `parameter_shapes(sizes)`."""

    sizes: ModelConfig
    tokenizer: Tokenizer
    arrays: Mapping[str, NDArray[np.float32]]
    card: ModelCard


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Content of the header of a weights file, without its arrays. `bytes`: size of the file."""

    sizes: ModelConfig
    tokenizer: str
    card: ModelCard
    parameters_sha256: str
    bytes: int

    @property
    def parameters(self) -> int:
        """Number of parameters of the model."""
        return num_parameters(self.sizes)


class _Sizes(msgspec.Struct):
    cell: str
    vocab: _Size
    embed: _Size
    hidden: _Size
    layers: _Size
    tied: bool = False


class _HeaderContent(msgspec.Struct):
    sizes: _Sizes
    tokenizer: dict[str, object]
    card: ModelCard
    parameters_sha256: _Label


class _Tensor(msgspec.Struct):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Header:
    """A validated header. `offsets`: first byte of each parameter, after the header. `bytes`: size of the file."""

    sizes: ModelConfig
    content: _HeaderContent
    offsets: dict[str, int]
    bytes: int


def parameters_sha256(arrays: Mapping[str, NDArray[np.float32]]) -> str:
    """Return the SHA-256 of float32 arrays of any shapes, in hexadecimal; the order of the mapping has no effect."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].shape}\n".encode())
        digest.update(np.ascontiguousarray(arrays[name], dtype="<f4").data)
    return digest.hexdigest()


def save_weights(path: Path, weights: SavedModel) -> str:
    """Write a model to `path`, atomically, and return the SHA-256 of its parameters.

    Raises:
        ValueError: the arrays do not have the names, shapes and dtype of `weights.sizes`.
        GruError: the tokenizer is too large for the header.
        OSError: the file cannot be written; an existing one is unchanged.
    """
    expected = parameter_shapes(weights.sizes)
    actual = {name: array.shape for name, array in weights.arrays.items()}
    if actual != expected or any(array.dtype != np.float32 for array in weights.arrays.values()):
        raise ValueError(f"expected float32 arrays {expected}, got {actual}")
    sizes = weights.sizes
    sha256 = parameters_sha256(weights.arrays)
    content = _HeaderContent(
        sizes=_Sizes(sizes.cell, sizes.V, sizes.E, sizes.H, sizes.L, sizes.tied),
        tokenizer=weights.tokenizer.to_json(),
        card=weights.card,
        parameters_sha256=sha256,
    )
    metadata = {_METADATA_KEY: seal(FORMAT, content).decode()}
    data = safetensors.numpy.save(
        {name: np.ascontiguousarray(array, dtype="<f4") for name, array in weights.arrays.items()}, metadata
    )
    if int.from_bytes(data[:_LENGTH_PREFIX_BYTES], "little") > MAX_HEADER_BYTES:
        raise GruError(f"the tokenizer does not fit into '{path}'", "train with a smaller --vocab")
    atomic_write(path, data, follow_symlinks=False)
    return sha256


def load_weights(path: Path) -> SavedModel:
    """Read a model; its arrays are new, writable and C-contiguous.

    Raises:
        UsageError: there is no such file.
        ModelFileError: the file is corrupt, of an unknown format, or not a model.
        OSError: the file cannot be read.
    """
    with _open_model(path) as file:
        header = _read_header(file)
        arrays = _read_arrays(file, header)
        if parameters_sha256(arrays) != header.content.parameters_sha256:
            raise _CorruptFileError("checksum mismatch")
        tokenizer = from_json(header.content.tokenizer)
        if tokenizer.vocab_size != header.sizes.V:
            raise _CorruptFileError(f"its tokenizer has {tokenizer.vocab_size} symbols, its network {header.sizes.V}")
    return SavedModel(header.sizes, tokenizer, arrays, header.content.card)


def read_model_info(path: Path) -> ModelInfo:
    """Read the header of a weights file; the time does not depend on the size of the file.

    Raises:
        UsageError: there is no such file.
        ModelFileError: the header is corrupt, of an unknown format, or not that of a model.
        OSError: the file cannot be read.
    """
    with _open_model(path) as file:
        header = _read_header(file)
    kind = header.content.tokenizer.get("kind")
    tokenizer = kind if kind in KINDS else ""
    return ModelInfo(header.sizes, tokenizer, header.content.card, header.content.parameters_sha256, header.bytes)


class _CorruptFileError(Exception):
    """The defect of a file, for the end of a message."""


@contextmanager
def _open_model(path: Path) -> Iterator[io.BufferedReader]:
    """Open a model; errors in its content become `ModelFileError` with its path."""
    message = f"cannot read the model '{path}'"
    hint = "use another copy, or train it again"
    try:
        with _open_regular_file(path) as file:
            yield file
    except _CorruptFileError as error:
        raise ModelFileError(f"{message}: {error}", hint) from None
    except UnknownFormatError as error:
        raise ModelFileError(
            f"'{path}' has format {error}, this version of gru reads format {FORMAT}",
            "update gru: python -m pip install --upgrade grucli",
        ) from None
    except ModelFileError as error:
        raise ModelFileError(f"{message}: {error.message}", error.hint) from None
    except MemoryError:
        raise ModelFileError(
            f"'{path}' does not fit into memory", "close other programs, or use a smaller model"
        ) from None


def _open_regular_file(path: Path) -> io.BufferedReader:
    # A pipe or device could block forever.
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"no such file: '{path}'", "see which models there are: {models}", ["models"]) from None
    except ValueError:
        raise UsageError(
            f"'{path}' is not a valid file name", "see which models there are: {models}", ["models"]
        ) from None
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"'{path}' is not a file", "name a weights file, *.safetensors")
    return path.open("rb")


def _read_header(file: io.BufferedReader) -> _Header:
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(_read_exactly(file, _LENGTH_PREFIX_BYTES), "little")
    if length > size - _LENGTH_PREFIX_BYTES:
        raise _CorruptFileError("it is truncated or not a safetensors file")
    if length > MAX_HEADER_BYTES:
        raise _CorruptFileError(f"its header of {length} bytes is too large")
    try:
        header = _read_exactly(file, length)
        check_values(header)
        entries = msgspec.json.decode(header, type=dict[str, msgspec.Raw])
        metadata = msgspec.json.decode(entries.pop("__metadata__", b"{}"), type=dict[str, str])
        if _METADATA_KEY not in metadata:
            raise _CorruptFileError("it is a safetensors file of another program")
        content = unseal(metadata[_METADATA_KEY].encode(), FORMAT, _HeaderContent)
        tensors = {name: msgspec.json.decode(entry, type=_Tensor) for name, entry in entries.items()}
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise _CorruptFileError(f"its header is not valid ({error})") from None
    try:
        claimed = content.sizes
        sizes = ModelConfig(claimed.cell, claimed.vocab, claimed.embed, claimed.hidden, claimed.layers, claimed.tied)
    except UsageError as error:
        raise _CorruptFileError(error.message) from None
    return _Header(sizes, content, _check_layout(sizes, tensors, size - _LENGTH_PREFIX_BYTES - length), size)


def _check_layout(sizes: ModelConfig, tensors: dict[str, _Tensor], available: int) -> dict[str, int]:
    """Compare the tensors with `sizes` and the available bytes, and return the offset of each."""
    # Checked first: a billion claimed layers would give a billion names.
    if len(tensors) < sizes.L:
        raise _CorruptFileError("it has fewer parameters than layers")
    expected = parameter_shapes(sizes)
    if tensors.keys() != expected.keys():
        mismatched = sorted(tensors.keys() ^ expected.keys())[0]
        raise _CorruptFileError(
            f"parameter {quote(mismatched)} is {'missing' if mismatched in expected else 'not one of its cell'}"
        )
    end = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1].data_offsets):
        if tensor.dtype != "F32" or tuple(tensor.shape) != expected[name]:
            actual = quote(f"{tensor.dtype} {tensor.shape}")
            raise _CorruptFileError(f"parameter '{name}' is {actual}, not 'F32 {list(expected[name])}'")
        if tensor.data_offsets != (end, end + 4 * math.prod(tensor.shape)):
            raise _CorruptFileError(f"parameter '{name}' is at the wrong offset")
        end = tensor.data_offsets[1]
    if end != available:
        raise _CorruptFileError(f"it has {available} bytes of parameters instead of {end}")
    return {name: tensors[name].data_offsets[0] for name in expected}


def _read_arrays(file: io.BufferedReader, header: _Header) -> dict[str, NDArray[np.float32]]:
    data_start = file.tell()
    arrays = {}
    for name, shape in parameter_shapes(header.sizes).items():
        file.seek(data_start + header.offsets[name])
        array = np.empty(shape, "<f4")
        if file.readinto(array.data.cast("B")) != array.nbytes:
            raise _CorruptFileError("it is truncated")
        if not np.isfinite(array).all():
            raise _CorruptFileError(f"parameter '{name}' has values that are not finite")
        arrays[name] = array.astype(np.float32, copy=False)
    return arrays


def _read_exactly(file: io.BufferedReader, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise _CorruptFileError("it is truncated or not a safetensors file")
    return data
