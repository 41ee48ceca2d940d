"""Weights files: a model comes back as it was, and nothing that a stranger does to a file gets far."""

import json
import os
import struct
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from grucli.errors import GruError, ModelFileError, UsageError
from grucli.kernels.quantized import dequantized
from grucli.model import weights as room
from grucli.model.config import ModelConfig, parameter_shapes
from grucli.model.quantization import quantize
from grucli.model.weights import ModelCard, SavedModel, load_weights, parameters_sha256, read_model_info, save_weights
from grucli.text.tokenizers import Tokenizer, train

CARD = ModelCard(
    created="2026-01-02T03:04:05+00:00", fingerprint="f" * 64, steps=7, tokens=900, train_nats=1.25, note="hi ☃"
)


def make_tokenizer() -> Tokenizer:
    return train("char", iter(["hello there, hello ☃☃"]))


def make_weights(E: int = 3, H: int = 4, L: int = 2, seed: int = 0) -> SavedModel:
    tokenizer = make_tokenizer()
    config = ModelConfig("gru", tokenizer.vocab_size, E, H, L)
    rng = np.random.default_rng(seed)
    arrays = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in parameter_shapes(config).items()}
    return SavedModel(config, tokenizer, arrays, CARD)


@pytest.fixture(scope="module", params=[False, True], ids=["float32", "int8"])
def saved_model(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> bytes:
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    weights = make_weights(E=1, H=2, L=1)
    weights.arrays["out.W"][:, 0] = 0
    save_weights(path, weights, quantized=request.param)
    return path.read_bytes()


def split_file(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The header of a safetensors file, and what follows it."""
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def join_file(header: object, body: bytes) -> bytes:
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + body


def reseal_content(data: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The same file with another content whose seal is right: what a stranger who read this code would send."""
    import hashlib

    header, body = split_file(data)
    content = json.loads(header["__metadata__"]["gru"])["content"]
    change(content)
    encoded = json.dumps(content)
    new_digest = hashlib.sha256(encoded.encode()).hexdigest()
    header["__metadata__"]["gru"] = f'{{"format": 1, "sha256": "{new_digest}", "content": {encoded}}}'
    return join_file(header, body)


def assert_rejected(tmp_path: Path, data: bytes, pattern: str = ".") -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=pattern) as caught:
        load_weights(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 3), st.integers(0, 99))
def test_a_model_comes_back(tmp_path_factory: pytest.TempPathFactory, E: int, H: int, L: int, seed: int) -> None:
    path = tmp_path_factory.getbasetemp() / "model.safetensors"
    weights = make_weights(E, H, L, seed)
    digest = save_weights(path, weights)
    result = load_weights(path)
    assert result.sizes == weights.sizes
    assert result.card == CARD
    assert result.tokenizer.to_json() == weights.tokenizer.to_json()
    assert list(result.arrays) == list(parameter_shapes(weights.sizes))
    for name, array in result.arrays.items():
        np.testing.assert_array_equal(array, weights.arrays[name])
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        assert array.flags.aligned
        assert array.flags.writeable
    about = read_model_info(path)
    assert (about.sizes, about.card, about.tokenizer) == (weights.sizes, CARD, "char")
    assert about.parameters == sum(array.size for array in weights.arrays.values())
    assert about.bytes == path.stat().st_size
    assert about.parameters_sha256 == digest == parameters_sha256(result.arrays)


FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(FLOATS, FLOATS, FLOATS), min_size=1, max_size=6), st.sampled_from([0, 1]))
def test_a_quantized_matrix_is_quantized_to_the_same_again(rows: list[tuple[float, ...]], axis: int) -> None:
    matrix = np.array(rows, np.float32)
    values, scales = quantize(matrix, axis)
    assert values.dtype == np.int8
    assert scales.dtype == np.float32
    assert np.abs(values.astype(int)).max() <= 127
    error = np.abs(matrix - values * scales.astype(float))
    assert (error <= 0.502 * scales).all()
    again, same_scales = quantize(values * scales, axis)
    np.testing.assert_array_equal(again, values)
    np.testing.assert_array_equal(same_scales, scales)


def test_the_decoder_reads_the_integers_of_a_quantized_file() -> None:
    matrix = np.random.default_rng(0).standard_normal((64, 48)).astype(np.float32)
    values, scales = quantize(matrix, 0)
    np.testing.assert_array_equal(dequantized(values * scales, quantized=True), values * scales)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 3), st.integers(0, 99))
def test_a_quantized_model_comes_back(
    tmp_path_factory: pytest.TempPathFactory, E: int, H: int, L: int, seed: int
) -> None:
    path, copy = (tmp_path_factory.getbasetemp() / name for name in ("model.safetensors", "copy.safetensors"))
    weights = make_weights(E, H, L, seed)
    digest = save_weights(path, weights, quantized=True)
    result = load_weights(path)
    for name, array in result.arrays.items():
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        assert array.flags.writeable
        original = weights.arrays[name]
        if original.ndim == 1:
            np.testing.assert_array_equal(array, original)
        else:
            assert np.abs(array - original).max() <= np.abs(original).max() / 250
    about = read_model_info(path)
    assert about.quantized
    assert about.parameters_sha256 == digest == parameters_sha256(result.arrays)
    assert save_weights(copy, result, quantized=True) == digest
    assert copy.read_bytes() == path.read_bytes()


def test_a_quantized_file_has_a_quarter_of_the_size(tmp_path: Path) -> None:
    weights = make_weights(E=64, H=256, L=1)
    save_weights(tmp_path / "whole", weights)
    save_weights(tmp_path / "int8", weights, quantized=True)
    assert (tmp_path / "int8").stat().st_size < 0.27 * (tmp_path / "whole").stat().st_size


def test_a_diverged_model_is_not_quantized(tmp_path: Path) -> None:
    weights = make_weights()
    weights.arrays["out.W"][0, 0] = np.inf
    with pytest.raises(ValueError, match=r"'out\.W' has values that are not finite"):
        save_weights(tmp_path / "x", weights, quantized=True)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("scale", [2.0, 0.0, -1.0, np.nan, np.inf])
def test_the_scale_of_zeros_is_one(tmp_path: Path, scale: float) -> None:
    weights = make_weights(E=1, H=2, L=1)
    weights.arrays["out.W"][:, 0] = 0
    save_weights(tmp_path / "x", weights, quantized=True)
    header, body = split_file((tmp_path / "x").read_bytes())
    begin = header["out.W.scales"]["data_offsets"][0]
    assert_rejected(
        tmp_path,
        join_file(header, body[:begin] + struct.pack("<f", scale) + body[begin + 4 :]),
        "'out.W' has scales of zeros",
    )


def test_the_same_model_is_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        save_weights(tmp_path / name, make_weights())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_it_is_a_safetensors_file_in_any_order_of_its_tensors(tmp_path: Path) -> None:
    weights, path = make_weights(), tmp_path / "model.safetensors"
    save_weights(path, weights)
    plain = safetensors.numpy.load_file(path)
    assert plain.keys() == weights.arrays.keys()
    header, body = split_file(path.read_bytes())
    metadata = header.pop("__metadata__")
    parts, end = {}, 0
    for name in sorted(header, reverse=True):
        begin, stop = header[name]["data_offsets"]
        parts[name] = body[begin:stop]
        header[name]["data_offsets"] = [end, end + stop - begin]
        end += stop - begin
    # No padding either, so that the numbers begin at an odd address.
    path.write_bytes(join_file({"__metadata__": metadata} | header, b"".join(parts.values())))
    for name, array in load_weights(path).arrays.items():
        np.testing.assert_array_equal(array, plain[name])


def test_the_digest_knows_names_shapes_and_every_bit() -> None:
    arrays = make_weights().arrays
    digest = parameters_sha256(arrays)
    assert parameters_sha256(dict(sorted(arrays.items(), reverse=True))) == digest
    name = next(iter(arrays))
    changed = arrays[name].copy()
    changed.flat[0] = np.nextafter(changed.flat[0], np.float32(9))
    for other in (changed, arrays[name].reshape(-1)):
        assert parameters_sha256({**arrays, name: other}) != digest
    assert parameters_sha256({"x" if key == name else key: array for key, array in arrays.items()}) != digest


def test_only_the_arrays_that_belong_together_are_saved(tmp_path: Path) -> None:
    weights = make_weights()
    name = next(iter(weights.arrays))
    malformed: list[dict[str, NDArray[Any]]] = [
        {},
        {**weights.arrays, "more": np.zeros(1, np.float32)},
        {**weights.arrays, name: weights.arrays[name][:1]},
        {**weights.arrays, name: weights.arrays[name].astype(np.float64)},
    ]
    for arrays in malformed:
        with pytest.raises(ValueError, match="expected float32"):
            save_weights(tmp_path / "x", SavedModel(weights.sizes, weights.tokenizer, arrays, CARD))
    assert not (tmp_path / "x").exists()


def test_a_head_that_no_reader_takes_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_HEADER_BYTES", 100)
    with pytest.raises(GruError, match="does not fit"):
        save_weights(tmp_path / "x", make_weights())


@pytest.mark.parametrize("header", [b'{"a":[' + b"[]," * 3_000_000 + b"0]}", b"{%s}" % (b'"a":0,' * 3_000_000)])
def test_a_header_that_would_fill_the_memory_is_not_decoded(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    tracemalloc.start()
    with pytest.raises(ModelFileError, match="too many values"):
        load_weights(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * len(header)


def test_a_card_without_some_figures_and_with_some_unknown_ones(tmp_path: Path, saved_model: bytes) -> None:
    path = tmp_path / "model.safetensors"

    def later(content: dict[str, Any]) -> None:
        content["card"] = {"steps": 3, "later": [1]}
        content["later"] = True

    path.write_bytes(reseal_content(saved_model, later))
    assert load_weights(path).card == ModelCard(steps=3)


def test_figures_that_are_no_numbers_come_back_as_none(tmp_path: Path) -> None:
    weights, path = make_weights(), tmp_path / "model.safetensors"
    card = ModelCard(train_nats=float("nan"), val_nats=float("inf"))
    save_weights(path, SavedModel(weights.sizes, weights.tokenizer, weights.arrays, card))
    assert load_weights(path).card == ModelCard()


@pytest.mark.parametrize(
    "claimed", [{"seconds": 1e300}, {"tokens_per_second": 1e300}, {"tokens": 1 << 62}, {"steps": 10**400}]
)
def test_figures_that_no_run_reaches_are_refused(tmp_path: Path, saved_model: bytes, claimed: dict[str, Any]) -> None:
    def claim(content: dict[str, Any]) -> None:
        content["card"] |= claimed

    assert_rejected(tmp_path, reseal_content(saved_model, claim), "header is not valid")


@pytest.mark.parametrize("read", [load_weights, read_model_info])
def test_no_such_file(tmp_path: Path, read: Callable[[Path], object]) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "none", tmp_path / "file" / "below", Path("a\0b")):
        with pytest.raises(UsageError, match=r"no such file|not a valid file name"):
            read(path)
    with pytest.raises(UsageError, match="is not a file"):
        read(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes of POSIX")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is not a file"):
        load_weights(tmp_path / "pipe")


@pytest.mark.slow
def test_truncation_at_every_length(tmp_path: Path, saved_model: bytes) -> None:
    for length in range(len(saved_model)):
        assert_rejected(tmp_path, saved_model[:length])
    assert_rejected(tmp_path, saved_model + b"\0", "bytes of parameters")


@given(st.data())
def test_a_flipped_bit_anywhere_is_found(
    tmp_path_factory: pytest.TempPathFactory, saved_model: bytes, data: st.DataObject
) -> None:
    place, bit = data.draw(st.integers(0, len(saved_model) - 1)), data.draw(st.integers(0, 7))
    flipped = bytearray(saved_model)
    flipped[place] ^= 1 << bit
    path = tmp_path_factory.getbasetemp() / "flipped"
    path.write_bytes(flipped)
    try:
        result = load_weights(path)
    except ModelFileError:
        return
    # Between the metadata and the numbers stand spaces, and one white space is as good as another there.
    header, _ = split_file(saved_model)
    assert parameters_sha256(result.arrays) == json.loads(header["__metadata__"]["gru"])["content"]["parameters_sha256"]
    assert result.card == CARD


@given(st.data())
def test_any_damage_is_a_model_file_error(
    tmp_path_factory: pytest.TempPathFactory, saved_model: bytes, data: st.DataObject
) -> None:
    corrupt = bytearray(saved_model)
    for _ in range(data.draw(st.integers(1, 5))):
        start = data.draw(st.integers(0, len(corrupt)))
        stop = data.draw(st.integers(start, min(len(corrupt), start + 40)))
        corrupt[start:stop] = data.draw(st.binary(max_size=40))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(corrupt)
    for read in (load_weights, read_model_info):
        try:
            read(path)
        except ModelFileError:
            continue


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["__metadata__", "embedding", "x"]), JSON), st.binary(max_size=50))
def test_hostile_headers(tmp_path_factory: pytest.TempPathFactory, header: dict[str, object], body: bytes) -> None:
    path = tmp_path_factory.getbasetemp()
    assert_rejected(path, join_file(header, body))


@given(st.sampled_from(["sizes", "tokenizer", "card", "parameters_sha256", "quantized"]), JSON)
def test_hostile_contents_with_a_right_seal(
    tmp_path_factory: pytest.TempPathFactory, saved_model: bytes, key: str, value: object
) -> None:
    path = tmp_path_factory.getbasetemp()
    if (key == "card" and isinstance(value, dict)) or (key == "quantized" and isinstance(value, bool)):
        return
    assert_rejected(path, reseal_content(saved_model, lambda content: content.update({key: value})))


def set_size(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["sizes"].update({name: value})


def swap_format(content: dict[str, Any]) -> None:
    content["quantized"] = not content.get("quantized", False)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (set_size("layers", 2_000_000_000), "fewer parameters than layers"),
        (set_size("layers", 2), "is missing"),
        (set_size("hidden", 2_000_000_000), r"is '(F32|I8)"),
        (set_size("hidden", 10**30), "header is not valid"),
        (set_size("vocab", 3), r"is '(F32|I8)"),
        (set_size("embed", 0), "header is not valid"),
        (set_size("embed", -1), "header is not valid"),
        (set_size("cell", "perceptron"), "unknown cell"),
        (lambda content: content.update(quantized="F16"), "header is not valid"),
        (swap_format, "is '(F32|I8)|is not one of its cell|is missing"),
        (lambda content: content.update(parameters_sha256="0" * 64), "checksum mismatch"),
        (lambda content: content["tokenizer"].update(kind="runes"), "tokenizer"),
        (lambda content: content.update(tokenizer=train("char", iter(["aabb"])).to_json()), "symbols, its network"),
    ],
)
def test_contents_that_contradict_the_bytes(
    tmp_path: Path, saved_model: bytes, change: Callable[[dict[str, Any]], None], says: str
) -> None:
    assert_rejected(tmp_path, reseal_content(saved_model, change), says)


LONG = "x" * 200_000


@pytest.mark.parametrize(
    "change",
    [
        set_size("cell", LONG),
        set_size(LONG, LONG),
        lambda content: content["tokenizer"].update(kind=LONG),
        lambda content: content["card"].update(note=LONG),
        lambda content: content["card"].update(created=LONG),
        lambda content: content["card"].update(description={LONG: "x"}),
        lambda content: content["card"].update(description={"x": LONG}),
        lambda content: content["card"].update(description={str(n): "x" for n in range(100_000)}),
        lambda content: content.update(quantized=LONG),
        lambda content: content.update(parameters_sha256=LONG),
        lambda content: content.update({LONG: 1}),
    ],
)
def test_nothing_long_in_a_header_is_shown(
    tmp_path: Path, saved_model: bytes, change: Callable[[dict[str, Any]], None]
) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(reseal_content(saved_model, change))
    try:
        shown = repr(read_model_info(path))
    except ModelFileError as error:
        shown = error.message
    assert len(shown) < 1000


@pytest.mark.parametrize("entry", [{LONG: {}}, {"dtype": LONG}, {"shape": [1] * 100_000}, {"shape": {LONG: 1}}])
def test_nothing_long_in_a_tensor_is_shown(tmp_path: Path, saved_model: bytes, entry: dict[str, Any]) -> None:
    header, body = split_file(saved_model)
    tensor = header["embedding"]
    change = entry if LONG in entry else {"embedding": {**tensor, **entry}}
    change = {name: {**tensor, **value} for name, value in change.items()}
    path = tmp_path / "model.safetensors"
    path.write_bytes(join_file({**header, **change}, body))
    with pytest.raises(ModelFileError) as caught:
        read_model_info(path)
    assert len(caught.value.message) < 1000


def test_headers_that_contradict_the_bytes(tmp_path: Path, saved_model: bytes) -> None:
    def changed(key: str, value: object) -> bytes:
        header, body = split_file(saved_model)
        header["embedding"][key] = value
        return join_file(header, body)

    header, body = split_file(saved_model)
    embedding = header["embedding"]
    begin, end = embedding["data_offsets"]
    assert_rejected(tmp_path, changed("dtype", "F16"), "is 'F16")
    assert_rejected(tmp_path, changed("dtype", ["F32"]), "header is not valid")
    assert_rejected(tmp_path, changed("shape", embedding["shape"][::-1]), f"is '{embedding['dtype']}")
    assert_rejected(tmp_path, changed("shape", [-1, -1]), f"is '{embedding['dtype']}")
    assert_rejected(tmp_path, changed("data_offsets", [begin, end + 4]), "at the wrong offset")
    assert_rejected(tmp_path, changed("data_offsets", [begin - 4, end]), "at the wrong offset")
    assert_rejected(tmp_path, changed("data_offsets", [begin, 1 << 63]), "at the wrong offset")
    assert_rejected(tmp_path, changed("data_offsets", [begin]), "header is not valid")
    assert_rejected(tmp_path, join_file({**header, "more": embedding}, body), "'more' is not one of its cell")
    del header["embedding"]
    assert_rejected(tmp_path, join_file(header, body), "'embedding' is missing")


def test_numbers_that_are_not_finite(tmp_path: Path) -> None:
    weights = make_weights()
    weights.arrays["out.b"][0] = np.nan
    save_weights(tmp_path / "x", weights)
    assert_rejected(tmp_path, (tmp_path / "x").read_bytes(), "'out.b' has values that are not finite")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "truncated"),
        (b"PK\x03\x04" + bytes(100), "truncated|too large"),
        (struct.pack("<Q", 1 << 62) + b"{}", "truncated"),
        (join_file(b"[" * 10_000, b""), "header is not valid"),
        (join_file(b'{"a": ' * 10_000, b""), "header is not valid"),
        (join_file(b'{"__metadata__": ' + b"[" * 10_000, b""), "header is not valid"),
        (join_file(b'{"\xff": 1}', b""), "header is not valid"),
        (join_file(b'{"__metadata__": {"gru": "\\ud800"}}', b""), "header is not valid"),
        (join_file(b'{"__metadata__": {"gru": 9}}', b""), "header is not valid"),
        (join_file({"__metadata__": {"format": "pt"}}, b""), "of another program"),
        (join_file({}, b""), "of another program"),
        (
            join_file({"__metadata__": {"gru": '{"format": 1, "sha256": "", "content": {}}'}}, b""),
            "checksum mismatch",
        ),
        (join_file({"__metadata__": {"gru": '{"format": 1}'}}, b""), "checksum mismatch"),
    ],
    ids=range(13),
)
def test_what_is_no_model(tmp_path: Path, data: bytes, says: str) -> None:
    assert_rejected(tmp_path, data, says)


def test_a_later_format_is_refused_by_name(tmp_path: Path) -> None:
    assert_rejected(
        tmp_path,
        join_file({"__metadata__": {"gru": '{"format": 12, "new": [1]}'}}, b""),
        "has format 12, this .* 1",
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs sparse files")
def test_a_head_of_many_bytes_is_not_read(tmp_path: Path) -> None:
    """The size of a file costs its sender nothing; memory must not follow it."""
    path = tmp_path / "model.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 1 << 40))
        file.truncate(1 << 41)
    with pytest.raises(ModelFileError, match="too large"):
        load_weights(path)
