"""Sealed documents: what was sealed comes back, and nothing else does."""

import msgspec
import pytest

from grucli.model.sealed import UnknownFormatError, seal, unseal


class Content(msgspec.Struct):
    name: str


def test_content_comes_back() -> None:
    assert unseal(seal(3, Content("é")), 3, Content) == Content("é")


def test_another_format_is_recognized_by_its_number() -> None:
    with pytest.raises(UnknownFormatError, match=r"^4$"):
        unseal(seal(4, Content("a")), 3, Content)


def test_every_changed_byte_is_detected() -> None:
    document = seal(3, Content("abc"))
    for index in range(len(document)):
        changed = document[:index] + bytes([document[index] ^ 1]) + document[index + 1 :]
        with pytest.raises((UnknownFormatError, ValueError, msgspec.MsgspecError)):
            unseal(changed, 3, Content)
