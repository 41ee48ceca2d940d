"""Weights files: one safetensors file is a complete model. Reading needs no kernels.

The metadata of the file holds, under the key `gru`, a sealed document (`grucli.sealed`) with the sizes, the
tokenizer, the card, and the SHA-256 of the parameters. So every damaged bit is detected.

Parameters are float32, or quantized: then matrices are int8, each with a tensor of float32 scales, and `NAME *
NAME.scales` is the matrix. Loading gives float32 arrays.

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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from grucli.errors import GruError, ModelFileError, UsageError, quote
from grucli.files import atomic_write
from grucli.model.config import ModelConfig, num_parameters, parameter_shapes
from grucli.model.figures import Count, Figures, TextFigures
from grucli.model.quantization import quantize
from grucli.sealed import UnknownFormatError, check_values, seal, unseal
from grucli.text.tokenizers import KINDS, Tokenizer, from_json

FORMAT = 1
MAX_HEADER_BYTES = 32 << 20
"""A tokenizer of a million words fits."""

_METADATA_KEY = "gru"
_LENGTH_PREFIX_BYTES = 8
_Size = Annotated[int, msgspec.Meta(ge=1, lt=1 << 31)]
_MAX_LABEL_CHARS = 1000
_Label = Annotated[str, msgspec.Meta(max_length=_MAX_LABEL_CHARS)]
_Description = Annotated[
    dict[Annotated[str, msgspec.Meta(min_length=1, max_length=11)], _Label], msgspec.Meta(max_length=20)
]
"""Subjects are short: they stand before what is said."""

_Float32 = NDArray[np.float32]
_NUMPY_DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "I8": np.dtype("i1")}
_SCALES = ".scales"
_MATRIX = 2


@dataclass(frozen=True)
class ModelOrigin:
    """The model that another was adapted from: its name then, the SHA-256 of its parameters, and its corpus.

    `data`, `license`: what its maker says of its text, and of those it was adapted from itself.
    """

    model: _Label
    parameters_sha256: _Label
    fingerprint: _Label
    data: _Label = ""
    license: _Label = ""


@dataclass(frozen=True, kw_only=True)
class ModelCard(TextFigures, Figures):
    """What is known about a model besides its parameters. Fields may be added: readers skip those they do not know.

    `fingerprint` is that of the corpus. `steps` and the figures describe the training of the weights in this file;
    `diverged` as in the summary of a run. `origin` is None for a model trained from scratch.
    `created` is an ISO 8601 time with its zone. `description`: what its maker says about it, by subject, such as its
    data, their license and its limits.
    """

    created: _Label = ""
    program: _Label = ""
    fingerprint: _Label = ""
    running_text: bool = False
    conversations: bool = False
    steps: Count = 0
    diverged: bool = False
    origin: ModelOrigin | None = None
    note: _Label = ""
    description: _Description = field(default_factory=dict)


def make_origin(model: str, parameters_sha256: str, card: ModelCard) -> ModelOrigin:
    """Return the origin of what is adapted from the model `model`; card: its card."""

    def said(subject: str) -> str:
        earlier = "" if card.origin is None else getattr(card.origin, subject)
        return "; ".join(filter(None, [card.description.get(subject, ""), earlier]))[:_MAX_LABEL_CHARS]

    return ModelOrigin(model, parameters_sha256, card.fingerprint, said("data"), said("license"))


@dataclass(frozen=True)
class SavedModel:
    """Content of a weights file. `arrays`: name → float32 array, in the shapes of `parameter_shapes(sizes)`."""

    sizes: ModelConfig
    tokenizer: Tokenizer
    arrays: Mapping[str, _Float32]
    card: ModelCard


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Content of the header of a weights file, without its arrays. `bytes`: size of the file.

    `parameters_sha256` is that of the float32 arrays that loading gives.
    """

    sizes: ModelConfig
    tokenizer: str
    card: ModelCard
    parameters_sha256: str
    bytes: int
    quantized: bool

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


class _HeaderContent(msgspec.Struct, omit_defaults=True):
    sizes: _Sizes
    tokenizer: dict[str, object]
    card: ModelCard
    parameters_sha256: _Label
    quantized: bool = False


class _Tensor(msgspec.Struct):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Header:
    """A validated header. `offsets`: first byte of each tensor, after the header. `bytes`: size of the file."""

    sizes: ModelConfig
    content: _HeaderContent
    offsets: dict[str, int]
    bytes: int


def parameters_sha256(arrays: Mapping[str, _Float32]) -> str:
    """Return the SHA-256 of float32 arrays of any shapes, in hexadecimal; the order of the mapping has no effect."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].shape}\n".encode())
        digest.update(np.ascontiguousarray(arrays[name], dtype="<f4").data)
    return digest.hexdigest()


def save_weights(path: Path, weights: SavedModel, *, quantized: bool = False, mode: int = 0o666) -> str:
    """Write a model to `path`, atomically, and return the SHA-256 of its parameters as they are loaded.

    With `quantized` matrices are stored as int8, which changes them a little the first time. A new file gets `mode`,
    less the umask.

    Raises:
        ValueError: the arrays do not have the names, shapes and dtype of `weights.sizes`, or cannot be quantized
            because they are not finite.
        GruError: the tokenizer is too large for the header.
        OSError: the file cannot be written; an existing one is unchanged.
    """
    expected = parameter_shapes(weights.sizes)
    actual = {name: array.shape for name, array in weights.arrays.items()}
    if actual != expected or any(array.dtype != np.float32 for array in weights.arrays.values()):
        raise ValueError(f"expected float32 arrays {expected}, got {actual}")
    sizes = weights.sizes
    tensors, loaded = _quantize(weights.arrays) if quantized else (weights.arrays, weights.arrays)
    sha256 = parameters_sha256(loaded)
    content = _HeaderContent(
        sizes=_Sizes(sizes.cell, sizes.V, sizes.E, sizes.H, sizes.L, sizes.tied),
        tokenizer=weights.tokenizer.to_json(),
        card=weights.card,
        parameters_sha256=sha256,
        quantized=quantized,
    )
    metadata = {_METADATA_KEY: seal(FORMAT, content).decode()}
    data = safetensors.numpy.save(
        {name: np.ascontiguousarray(tensor, tensor.dtype.newbyteorder("<")) for name, tensor in tensors.items()},
        metadata,
    )
    if int.from_bytes(data[:_LENGTH_PREFIX_BYTES], "little") > MAX_HEADER_BYTES:
        raise GruError(f"the tokenizer does not fit into '{path}'", "train with a smaller --vocab")
    atomic_write(path, data, follow_symlinks=False, mode=mode)
    return sha256


def _quantize(arrays: Mapping[str, _Float32]) -> tuple[dict[str, NDArray[Any]], dict[str, _Float32]]:
    """Return the tensors to store, and the arrays that loading will give."""
    tensors, loaded = dict[str, NDArray[Any]](), dict[str, _Float32]()
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"parameter '{name}' has values that are not finite")
        tensors[name] = loaded[name] = array
        if array.ndim == _MATRIX:
            values, scales = quantize(array, _scale_axis(name))
            tensors |= {name: values, name + _SCALES: scales}
            loaded[name] = values * scales
    return tensors, loaded


def _stored_tensors(sizes: ModelConfig, quantized: bool) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return the dtype, as safetensors names it, and the shape of each tensor of a file."""
    tensors: dict[str, tuple[str, tuple[int, ...]]] = {}
    for name, shape in parameter_shapes(sizes).items():
        tensors[name] = "F32", shape
        if quantized and len(shape) == _MATRIX:
            scales = (1, shape[1]) if _scale_axis(name) == 0 else (shape[0], 1)
            tensors |= {name: ("I8", shape), name + _SCALES: ("F32", scales)}
    return tensors


def _scale_axis(name: str) -> int:
    """The axis along which the values of a matrix share a scale: a token's embedding has its own, as has a unit."""
    return 1 if name == "embedding" else 0


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
    return ModelInfo(
        header.sizes,
        tokenizer,
        header.content.card,
        header.content.parameters_sha256,
        header.bytes,
        header.content.quantized,
    )


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
    available = size - _LENGTH_PREFIX_BYTES - length
    return _Header(sizes, content, _check_layout(sizes, content.quantized, tensors, available), size)


def _check_layout(sizes: ModelConfig, quantized: bool, tensors: dict[str, _Tensor], available: int) -> dict[str, int]:
    """Compare the tensors with `sizes` and the available bytes, and return the offset of each."""
    # Checked first: a billion claimed layers would give a billion names.
    if len(tensors) < sizes.L:
        raise _CorruptFileError("it has fewer parameters than layers")
    expected = _stored_tensors(sizes, quantized)
    if tensors.keys() != expected.keys():
        mismatched = sorted(tensors.keys() ^ expected.keys())[0]
        raise _CorruptFileError(
            f"parameter {quote(mismatched)} is {'missing' if mismatched in expected else 'not one of its cell'}"
        )
    end = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1].data_offsets):
        dtype, shape = expected[name]
        if tensor.dtype != dtype or tuple(tensor.shape) != shape:
            actual = quote(f"{tensor.dtype} {tensor.shape}")
            raise _CorruptFileError(f"parameter '{name}' is {actual}, not '{dtype} {list(shape)}'")
        if tensor.data_offsets != (end, end + _NUMPY_DTYPES[dtype].itemsize * math.prod(shape)):
            raise _CorruptFileError(f"parameter '{name}' is at the wrong offset")
        end = tensor.data_offsets[1]
    if end != available:
        raise _CorruptFileError(f"it has {available} bytes of parameters instead of {end}")
    return {name: tensors[name].data_offsets[0] for name in expected}


def _read_arrays(file: io.BufferedReader, header: _Header) -> dict[str, _Float32]:
    data_start, arrays = file.tell(), dict[str, _Float32]()
    tensors = _stored_tensors(header.sizes, header.content.quantized)

    def read(name: str) -> NDArray[Any]:
        dtype, shape = tensors[name]
        file.seek(data_start + header.offsets[name])
        tensor: NDArray[Any] = np.empty(shape, _NUMPY_DTYPES[dtype])
        if file.readinto(tensor.data.cast("B")) != tensor.nbytes:
            raise _CorruptFileError("it is truncated")
        return tensor

    for name in parameter_shapes(header.sizes):
        array = read(name)
        if tensors[name][0] == "I8":
            scales = read(name + _SCALES)
            # Any scale of zeros would do, but then a damaged one would not be noticed.
            if (scales[~array.any(axis=_scale_axis(name), keepdims=True)] != 1).any():
                raise _CorruptFileError(f"parameter '{name}' has scales of zeros that are not 1")
            with np.errstate(invalid="ignore", over="ignore"):
                array = array * scales
        if not np.isfinite(array).all():
            raise _CorruptFileError(f"parameter '{name}' has values that are not finite")
        arrays[name] = array.astype(np.float32, copy=False)
    return arrays


def _read_exactly(file: io.BufferedReader, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise _CorruptFileError("it is truncated or not a safetensors file")
    return data
