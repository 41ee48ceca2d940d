from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from grucli.errors import GruError
from grucli.text import tokenizers
from grucli.text.token_file import TokenFile, TokenWriter, min_uint_dtype
from grucli.text.tokenizers import EOS, EOT, UNK, Tokenizer

TOKENIZER = tokenizers.train("char", ["abcé"])


def write_token_file(path: Path, tokenizer: Tokenizer = TOKENIZER) -> TokenFile:
    with TokenWriter(path, tokenizer, running_text=False) as writer:
        writer.write_texts(["ab", "c?€"], [EOS, EOT])
        writer.write_texts(["é"], [EOS])
        writer.append_text("ba")
    return TokenFile(path)


def test_documents_stand_end_to_end_behind_their_leads(tmp_path: Path) -> None:
    file = write_token_file(tmp_path / "a.tokens")
    a, b, c, e = TOKENIZER.encode("abcé")

    assert file.ids.tolist() == [EOS, a, b, EOT, c, UNK, UNK, EOS, e, b, a]
    assert file.ids.dtype == np.uint8
    assert not file.ids.flags.writeable
    assert (file.tokens, file.documents, file.characters, file.unknown_bytes) == (11, 2, 8, 4)
    assert (file.vocab, file.running_text, file.conversations) == (TOKENIZER.vocab_size, False, True)


def test_released_pages_are_read_again(tmp_path: Path) -> None:
    file = write_token_file(tmp_path / "a.tokens")
    before = file.ids.tolist()
    file.drop_page_cache()

    assert file.ids.tolist() == before


@pytest.mark.parametrize(
    ("vocab", "name"), [(4, "uint8"), (256, "uint8"), (257, "uint16"), (65536, "uint16"), (65537, "uint32")]
)
def test_the_smallest_type_that_holds_every_id(vocab: int, name: str) -> None:
    assert min_uint_dtype(vocab) == np.dtype(name)
    assert np.iinfo(min_uint_dtype(vocab)).max >= vocab - 1


def test_ids_above_one_byte_come_back(tmp_path: Path) -> None:
    many = tokenizers.train("char", [chr(point) for point in range(0x4E00, 0x4E00 + 400)], 500)
    with TokenWriter(tmp_path / "a.tokens", many, running_text=True) as writer:
        writer.write_texts([chr(0x4E00 + 399)], [EOS])
    file = TokenFile(tmp_path / "a.tokens")

    assert file.ids.dtype == np.uint16
    assert many.decode(file.ids.tolist()) == chr(0x4E00 + 399)
    assert file.running_text


def test_a_file_that_was_not_finished_cannot_be_opened(tmp_path: Path) -> None:
    def interrupted() -> None:
        with TokenWriter(tmp_path / "a.tokens", TOKENIZER, running_text=False) as writer:
            writer.write_texts(["ab"], [EOS])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with pytest.raises(GruError):
        TokenFile(tmp_path / "a.tokens")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:100],
        lambda data: data[:4096],
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: b"X" + data[1:],
        lambda data: data.replace(b'"vocab"', b'"vocal"'),
        lambda data: data.replace(b'"vocab":7', b'"vocab":0'),
        lambda data: data.replace(b'"tokens":11', b'"tokens":-1'),
    ],
)
def test_damage_is_told(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a.tokens"
    write_token_file(path)
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(GruError) as caught:
        TokenFile(path)
    assert "remove it" in caught.value.hint


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(GruError):
        TokenFile(tmp_path / "a.tokens")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 4200), st.integers(1, 255))
def test_any_flipped_byte_is_reported_or_changes_nothing(tmp_path: Path, place: int, mask: int) -> None:
    path = tmp_path / "a.tokens"
    written = write_token_file(path)
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= mask
    path.unlink()
    path.write_bytes(bytes(data))
    try:
        file = TokenFile(path)
    except GruError:
        return
    assert file.header == written.header
    assert file.ids.tolist() == written.ids.tolist()


def test_a_sealed_file_with_ids_beyond_the_vocabulary_is_refused(tmp_path: Path) -> None:
    class Wrong(type(TOKENIZER)):  # type: ignore[misc]
        def encode_with_unknown_count(self, text: str) -> tuple[NDArray[np.int32], int]:
            return np.full(len(text), self.vocab_size, np.int32), 0

    with TokenWriter(tmp_path / "a.tokens", Wrong("abc"), running_text=True) as writer:
        writer.append_text("abc")
    with pytest.raises(GruError, match="beyond the vocabulary"):
        TokenFile(tmp_path / "a.tokens")


@pytest.mark.parametrize(("kind", "unknown"), [("char", 6), ("word", 7), ("subword", 0)])
def test_unknown_characters_are_counted(tmp_path: Path, kind: str, unknown: int) -> None:
    tokenizer = tokenizers.train(kind, ["abc abc é é"])
    with TokenWriter(tmp_path / "a.tokens", tokenizer, running_text=False) as writer:
        writer.write_texts(["abc é", "кот"], [EOS, EOT])
        writer.append_text(" ёж😀abc")
    file = TokenFile(tmp_path / "a.tokens")

    assert file.header.unknown_characters == unknown
    assert file.unknown_share == unknown / 15
