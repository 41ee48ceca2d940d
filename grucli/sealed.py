"""Sealed documents: JSON content with its format number and digest, as the files of this project contain it.

    {"format": 1, "sha256": "<of the bytes of content>", "content": {...}}

The outer layer is the same in every format, so that a file of a later version is recognized as one.
"""

import hashlib
from typing import TypeVar

import msgspec

Content = TypeVar("Content")

MAX_VALUES = 1 << 21
"""JSON values in a document: twice those of the largest tokenizer. A value of 3 bytes takes over 60 in memory."""


class UnknownFormatError(Exception):
    """The format number of a document is not the expected one; the argument is the number found."""


class _Envelope(msgspec.Struct):
    format: int
    sha256: str = ""
    content: msgspec.Raw = msgspec.Raw(b"null")


def check_values(document: bytes) -> None:
    """Check that a JSON document has so few values that it can be decoded in little memory.

    Raises:
        ValueError: it may have more than MAX_VALUES.
    """
    if document.count(b",") > MAX_VALUES or document.count(b"[") + document.count(b"{") > MAX_VALUES:
        raise ValueError("too many values")


def seal(file_format: int, content: msgspec.Struct) -> bytes:
    """Return the content as a sealed document."""
    data = msgspec.json.encode(content)
    return msgspec.json.encode(_Envelope(file_format, hashlib.sha256(data).hexdigest(), msgspec.Raw(data)))


def unseal(document: bytes, file_format: int, content_type: type[Content]) -> Content:
    """Return the content of a sealed document; nothing in it is trusted.

    Raises:
        UnknownFormatError: the document has another format.
        ValueError: the content is not the one that was sealed, or has too many values.
        msgspec.MsgspecError: the document or its content is not valid.
        RecursionError: the document is nested too deeply.
    """
    check_values(document)
    envelope = msgspec.json.decode(document, type=_Envelope)
    if envelope.format != file_format:
        raise UnknownFormatError(envelope.format)
    data = bytes(envelope.content)
    if hashlib.sha256(data).hexdigest() != envelope.sha256:
        raise ValueError("checksum mismatch")
    return msgspec.json.decode(data, type=content_type)
