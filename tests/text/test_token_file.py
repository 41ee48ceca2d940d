from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grucli.errors import GruError
from grucli.text import tokenizers
from grucli.text.token_file import TokenFile, TokenWriter, smallest_type
from grucli.text.tokenizers import END, TURN, UNKNOWN, Tokenizer

ABC = tokenizers.learn("char", ["abcé"])


def write(path: Path, tokenizer: Tokenizer = ABC) -> TokenFile:
    with TokenWriter(path, tokenizer, running_text=False) as writer:
        writer.write_texts(["ab", "c?€"], [END, TURN])
        writer.write_texts(["é"], [END])
        writer.write_more("ba")
    return TokenFile(path)


def test_documents_stand_end_to_end_behind_their_leads(tmp_path: Path) -> None:
    file = write(tmp_path / "a.tokens")
    a, b, c, e = ABC.encode("abcé")

    assert file.ids.tolist() == [END, a, b, TURN, c, UNKNOWN, UNKNOWN, END, e, b, a]
    assert file.ids.dtype == np.uint8
    assert not file.ids.flags.writeable
    assert (file.tokens, file.documents, file.characters, file.unknown_bytes) == (11, 2, 8, 4)
    assert (file.vocab, file.running_text, file.conversations) == (ABC.size, False, True)


def test_released_pages_are_read_again(tmp_path: Path) -> None:
    file = write(tmp_path / "a.tokens")
    before = file.ids.tolist()
    file.release()

    assert file.ids.tolist() == before


@pytest.mark.parametrize(
    ("vocab", "name"), [(4, "uint8"), (256, "uint8"), (257, "uint16"), (65536, "uint16"), (65537, "uint32")]
)
def test_the_smallest_type_that_holds_every_id(vocab: int, name: str) -> None:
    assert smallest_type(vocab) == np.dtype(name)
    assert np.iinfo(smallest_type(vocab)).max >= vocab - 1


def test_ids_above_one_byte_come_back(tmp_path: Path) -> None:
    many = tokenizers.learn("char", [chr(point) for point in range(0x4E00, 0x4E00 + 400)], 500)
    with TokenWriter(tmp_path / "a.tokens", many, running_text=True) as writer:
        writer.write_texts([chr(0x4E00 + 399)], [END])
    file = TokenFile(tmp_path / "a.tokens")

    assert file.ids.dtype == np.uint16
    assert many.decode(file.ids.tolist()) == chr(0x4E00 + 399)
    assert file.running_text


def test_a_file_that_was_not_finished_cannot_be_opened(tmp_path: Path) -> None:
    def interrupted() -> None:
        with TokenWriter(tmp_path / "a.tokens", ABC, running_text=False) as writer:
            writer.write_texts(["ab"], [END])
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
    write(path)
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(GruError) as caught:
        TokenFile(path)
    assert "remove it" in caught.value.todo


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(GruError):
        TokenFile(tmp_path / "a.tokens")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 4200), st.integers(1, 255))
def test_any_flipped_byte_is_told_or_leaves_a_readable_file(tmp_path: Path, place: int, mask: int) -> None:
    path = tmp_path / "a.tokens"
    write(path)
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= mask
    path.unlink()
    path.write_bytes(bytes(data))
    try:
        file = TokenFile(path)
    except GruError:
        return
    assert len(file.ids) == 11
