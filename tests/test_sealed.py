"""Sealed documents: what was sealed comes back, and nothing else does."""

import tracemalloc

import msgspec
import pytest

from grucli.sealed import MAX_VALUES, UnknownFormatError, seal, unseal


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


def test_a_document_that_would_fill_the_memory_is_not_decoded() -> None:
    for values in (b"[]," * (MAX_VALUES + 1), b"[" * (MAX_VALUES + 1), b'"a":{},' * (MAX_VALUES + 1)):
        document = b'{"format":3,"content":{"name":"a","more":[' + values + b"]}}"
        tracemalloc.start()
        with pytest.raises(ValueError, match="too many values"):
            unseal(document, 3, Content)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < len(document)
