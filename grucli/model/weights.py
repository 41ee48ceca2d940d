"""Weights files: one safetensors file is a whole model. Bytes into plain arrays and back, with no kernel.

The metadata of the file holds, under the key `gru`, a JSON document of two layers. The outer one is never changed:

    {"format": 1, "sha256": "<of the bytes of content>", "content": {...}}

and the inner one is what `format` says: the sizes, the tokenizer, the card, and the SHA-256 of the parameters. So a
damaged bit anywhere is found, and a file of a later version is refused by name.

A file may come from a stranger. Nothing is allocated before the sizes that it claims have been held against the bytes
that are there, nothing in it is executed, and whatever is wrong with it leaves as `ModelFileError`.
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

from grucli.errors import GruError, ModelFileError, UsageError
from grucli.files import atomic_write
from grucli.model.config import ModelConfig, num_parameters, parameter_shapes
from grucli.model.figures import Figures
from grucli.model.sealed import UnknownFormatError, seal, unseal
from grucli.text.tokenizers import Tokenizer, from_json

FORMAT = 1
MAX_HEADER_BYTES = 64 << 20
"""Bytes. A tokenizer of a million words fits; JSON of this size can be read in memory that any laptop has."""

_METADATA_KEY = "gru"
_LENGTH_PREFIX_BYTES = 8
_Size = Annotated[int, msgspec.Meta(ge=1, lt=1 << 31)]


@dataclass(frozen=True, kw_only=True)
class ModelCard(Figures):
    """What is known about a model besides its parameters. Fields may be added: readers skip those they do not know.

    `fingerprint` is that of the corpus. `steps` and the figures describe the training of the weights in this file.
    `created` is an ISO 8601 time with its zone.
    """

    created: str = ""
    program: str = ""
    fingerprint: str = ""
    running_text: bool = False
    conversations: bool = False
    steps: Annotated[int, msgspec.Meta(ge=0)] = 0
    note: str = ""


@dataclass(frozen=True)
class SavedModel:
    """A model as it lies in a file. `arrays`: name → float32 array of the shape `parameter_shapes(sizes)` gives."""

    sizes: ModelConfig
    tokenizer: Tokenizer
    arrays: Mapping[str, NDArray[np.float32]]
    card: ModelCard


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the head of a weights file says, read without its numbers. `bytes` is the size of the file."""

    sizes: ModelConfig
    tokenizer: str
    card: ModelCard
    parameters_sha256: str
    bytes: int

    @property
    def parameters(self) -> int:
        """How many numbers the model has learnt."""
        return num_parameters(self.sizes)


class _Sizes(msgspec.Struct):
    cell: str
    vocab: _Size
    embed: _Size
    hidden: _Size
    layers: _Size


class _HeaderContent(msgspec.Struct):
    sizes: _Sizes
    tokenizer: dict[str, object]
    card: ModelCard
    parameters_sha256: str


class _Tensor(msgspec.Struct):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Header:
    """The checked head of a file: its content, and where each parameter's bytes begin."""

    sizes: ModelConfig
    content: _HeaderContent
    offsets: dict[str, int]
    bytes: int


def parameters_sha256(arrays: Mapping[str, NDArray[np.float32]]) -> str:
    """Sum up parameters (float32, any shapes) in 64 hexadecimal digits that do not depend on the mapping's order."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].shape}\n".encode())
        digest.update(np.ascontiguousarray(arrays[name], dtype="<f4").data)
    return digest.hexdigest()


def save_weights(path: Path, weights: SavedModel) -> str:
    """Write a model as the whole of `path`, atomically, and give the SHA-256 of its parameters.

    Raises:
        ValueError: the arrays are not those that `weights.sizes` asks for; a mistake of the caller.
        GruError: the tokenizer is too large for a head that readers accept.
        OSError: the file could not be written; what was there before is still there.
    """
    expected = parameter_shapes(weights.sizes)
    actual = {name: array.shape for name, array in weights.arrays.items()}
    if actual != expected or any(array.dtype != np.float32 for array in weights.arrays.values()):
        raise ValueError(f"these sizes ask for float32 arrays of {expected}, not of {actual}")
    sizes = weights.sizes
    sha256 = parameters_sha256(weights.arrays)
    content = _HeaderContent(
        sizes=_Sizes(sizes.cell, sizes.V, sizes.E, sizes.H, sizes.L),
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
    atomic_write(path, data)
    return sha256


def load_weights(path: Path) -> SavedModel:
    """Read a model, its arrays new, writable and laid out row by row.

    Raises:
        UsageError: there is no such file.
        ModelFileError: it is damaged, of an unknown version, or not a model.
        OSError: the disk failed.
    """
    with _open_model(path) as file:
        header = _read_header(file)
        arrays = _read_arrays(file, header)
        if parameters_sha256(arrays) != header.content.parameters_sha256:
            raise _CorruptFileError("its numbers are not those that were saved")
        tokenizer = from_json(header.content.tokenizer)
        if tokenizer.vocab_size != header.sizes.V:
            raise _CorruptFileError(
                f"its tokenizer has {tokenizer.vocab_size} symbols and its network {header.sizes.V}"
            )
    return SavedModel(header.sizes, tokenizer, arrays, header.content.card)


def read_model_info(path: Path) -> ModelInfo:
    """Read what a model is, without its numbers: quick however large the file.

    Raises:
        UsageError: there is no such file.
        ModelFileError: its head is damaged, of an unknown version, or not that of a model.
        OSError: the disk failed.
    """
    with _open_model(path) as file:
        header = _read_header(file)
    kind = header.content.tokenizer.get("kind")
    tokenizer = kind if isinstance(kind, str) else ""
    return ModelInfo(header.sizes, tokenizer, header.content.card, header.content.parameters_sha256, header.bytes)


class _CorruptFileError(Exception):
    """What is wrong with a file, in a phrase about "it"."""


@contextmanager
def _open_model(path: Path) -> Iterator[io.BufferedReader]:
    """Open a model and let everything that is wrong with its content leave as `ModelFileError` with its name."""
    message = f"'{path}' is not a model that can be read"
    hint = "take another copy of it, or train it again"
    try:
        with _open_regular_file(path) as file:
            yield file
    except _CorruptFileError as error:
        raise ModelFileError(f"{message}: {error}", hint) from None
    except UnknownFormatError as error:
        raise ModelFileError(
            f"'{path}' has format {error}, and this version of gru knows format {FORMAT}",
            "update gru: python -m pip install --upgrade grucli",
        ) from None
    except ModelFileError as error:
        raise ModelFileError(f"{message}: {error.message}", error.hint) from None
    except MemoryError:
        raise ModelFileError(f"'{path}' does not fit into memory", "close programs, or take a smaller model") from None


def _open_regular_file(path: Path) -> io.BufferedReader:
    """Open what has bytes to read at once; a pipe or a device might never end."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"there is no file '{path}'", "see which models there are: {models}", ["models"]) from None
    except ValueError:
        raise UsageError(
            f"'{path}' cannot be the name of a file", "see which models there are: {models}", ["models"]
        ) from None
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"'{path}' is not a file", "name a weights file, *.safetensors")
    return path.open("rb")


def _read_header(file: io.BufferedReader) -> _Header:
    """Read and check everything before the numbers."""
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(_read_exactly(file, _LENGTH_PREFIX_BYTES), "little")
    if length > size - _LENGTH_PREFIX_BYTES:
        raise _CorruptFileError("it is cut short, or no safetensors file")
    if length > MAX_HEADER_BYTES:
        raise _CorruptFileError(f"its head of {length} bytes is larger than any model's")
    try:
        entries = msgspec.json.decode(_read_exactly(file, length), type=dict[str, msgspec.Raw])
        metadata = msgspec.json.decode(entries.pop("__metadata__", b"{}"), type=dict[str, str])
        if _METADATA_KEY not in metadata:
            raise _CorruptFileError("it is a safetensors file, but not one of gru")
        content = unseal(metadata[_METADATA_KEY].encode(), FORMAT, _HeaderContent)
        tensors = {name: msgspec.json.decode(entry, type=_Tensor) for name, entry in entries.items()}
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise _CorruptFileError(f"its head does not parse ({error})") from None
    try:
        sizes = ModelConfig(
            content.sizes.cell, content.sizes.vocab, content.sizes.embed, content.sizes.hidden, content.sizes.layers
        )
    except UsageError as error:
        raise _CorruptFileError(error.message) from None
    return _Header(sizes, content, _check_layout(sizes, tensors, size - _LENGTH_PREFIX_BYTES - length), size)


def _check_layout(sizes: ModelConfig, tensors: dict[str, _Tensor], available: int) -> dict[str, int]:
    """Hold the tensors against what `sizes` asks for and against the bytes there; give where each one begins."""
    # A claim of a billion layers must not become a table of a billion names.
    if len(tensors) < sizes.L:
        raise _CorruptFileError("it has fewer parameters than its layers need")
    expected = parameter_shapes(sizes)
    if tensors.keys() != expected.keys():
        mismatched = sorted(tensors.keys() ^ expected.keys())[0]
        raise _CorruptFileError(
            f"parameter '{mismatched}' is {'missing' if mismatched in expected else 'not one of its cell'}"
        )
    end = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1].data_offsets):
        if tensor.dtype != "F32" or tuple(tensor.shape) != expected[name]:
            raise _CorruptFileError(
                f"parameter '{name}' is {tensor.dtype} {tensor.shape}, not F32 {list(expected[name])}"
            )
        if tensor.data_offsets != (end, end + 4 * math.prod(tensor.shape)):
            raise _CorruptFileError(f"parameter '{name}' is not where it should be")
        end = tensor.data_offsets[1]
    if end != available:
        raise _CorruptFileError(f"it should hold {end} bytes of numbers and holds {available}")
    return {name: tensors[name].data_offsets[0] for name in expected}


def _read_arrays(file: io.BufferedReader, header: _Header) -> dict[str, NDArray[np.float32]]:
    """Read the numbers, in the order of `parameter_shapes`."""
    data_start = file.tell()
    arrays = {}
    for name, shape in parameter_shapes(header.sizes).items():
        file.seek(data_start + header.offsets[name])
        array = np.empty(shape, "<f4")
        if file.readinto(array.data.cast("B")) != array.nbytes:
            raise _CorruptFileError("it is cut short")
        if not np.isfinite(array).all():
            raise _CorruptFileError(f"parameter '{name}' holds numbers that are not finite")
        arrays[name] = array.astype(np.float32, copy=False)
    return arrays


def _read_exactly(file: io.BufferedReader, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise _CorruptFileError("it is cut short, or no safetensors file")
    return data
