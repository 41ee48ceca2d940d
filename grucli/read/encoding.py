"""The encoding of a source: its bytes are decoded to UTF-8 while they stream.

The decision, in this order: a byte-order mark; the encoding that the user named; UTF-16 or UTF-32 without a mark, by
its NULs; UTF-8; Windows-1252, if the bytes are a text in it and hardly in anything else. Otherwise the text stays as it
is, and its readers count what is not UTF-8: nothing is guessed that could be wrong.
"""

import codecs
import difflib
import encodings.aliases
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from grucli.errors import UsageError, pluralize

if TYPE_CHECKING:
    from grucli.read.windows_1252 import Evidence

UTF8 = "utf-8"
WINDOWS_1252 = "cp1252"

HEAD_BYTES = 1 << 12
"""Bytes at the start of a source that tell what it is."""

_WINDOW_BYTES = 1 << 20
"""Bytes, from the first that is not ASCII, that decide between UTF-8 and Windows-1252."""

_MAX_UNDECODABLE = 8
_MAX_UNDECODABLE_FRACTION = 1 / 1000
"""More undecodable rows than both, and a corpus without them would differ from the source in what it says."""

MIN_BYTES_PER_ROW = 100
"""Bytes of a running text that count as a row, if its lines are longer."""

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"\x84\x31\x95\x33", "gb18030"),
    ("ï»¿".encode(), UTF8),  # a mark that was read as Windows-1252 and saved
)
_WIDE = {"utf-32-le": 4, "utf-32-be": 4, "utf-16-le": 2, "utf-16-be": 2}
"""Bytes of a code unit."""

_MARKABLE = {"utf-8-sig": UTF8, "utf-16": "utf-16-le", "utf-32": "utf-32-le"}
"""Codecs that expect a mark: the same without it, as on most machines."""

_SHIFTS = {"iso2022_jp": b"\x1b$B", "iso2022_kr": b"\x1b$)C"}

_SUGGESTED = ("shift_jis", "euc_jp", "euc_kr", "gb18030", "big5", "cp1251", "cp1250", "mac_roman", "cp1252")
_SUGGESTED_LATIN = ("cp1250", "mac_roman", "cp1252", "cp1251")
"""For texts of mostly ASCII letters: Western and Central Europe first."""

_NOT_OF_FILES = frozenset({"undefined", "idna", "punycode", "unicode-escape", "raw-unicode-escape"})
_ASCII_LETTERS = re.compile(b"[A-Za-z]")
_ESCAPED = re.compile("[\udc80-\udcff]+")
_MULTIBYTE = re.compile("[^\x00-\x7f\udc80-\udcff]")
_LATIN_MULTIBYTE = re.compile("[\x80-\xff\u2010-\u2026\u20ac\ufe0f\U0001f000-\U0001faff]")
"""What texts in Latin letters have. Two characters of Windows-1252 may be another one in UTF-8, as in `Spaß“`."""


def lookup_encoding(name: str) -> str:
    """Return the name that Python gives a text encoding.

    >>> lookup_encoding("Windows-1251"), lookup_encoding("UTF8")
    ('cp1251', 'utf-8')

    Raises:
        UsageError: there is no such encoding.
    """
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError, UnicodeError):  # ValueError: a NUL
        codec = None
    # Private, but what open() itself asks: rot13 and base64 are codecs, and not encodings of text.
    if codec is not None and codec._is_text_encoding and codec.name not in _NOT_OF_FILES:
        return _MARKABLE.get(codec.name, codec.name)
    known = sorted({*encodings.aliases.aliases, *encodings.aliases.aliases.values()})
    near = difflib.get_close_matches(re.sub("[^a-z0-9]+", "_", name.lower()), known, n=3)
    raise UsageError(
        f"unknown encoding: '{name[:40]}'",
        f"did you mean {' or '.join(near)}?" if near else f"use a name such as {', '.join(_SUGGESTED)}",
    )


def find_mark(head: bytes) -> tuple[bytes, str | None]:
    """Return the byte-order mark that a text begins with, and its encoding; or b"" and None."""
    return next(((mark, encoding) for mark, encoding in _MARKS if head.startswith(mark)), (b"", None))


def encoding_label(encoding: str) -> str:
    """Return what an encoding is called in messages.

    >>> encoding_label("cp1252"), encoding_label("utf-16-le"), encoding_label("shift_jis")
    ('Windows-1252', 'UTF-16', 'shift_jis')
    """
    if match := re.fullmatch("cp(125[0-8])", encoding):
        return f"Windows-{match[1]}"
    return encoding.upper().removesuffix("-LE").removesuffix("-BE") if encoding.startswith("utf-") else encoding


class NotUtf8Error(UsageError):
    """A text is not UTF-8, and it is not certain what it is."""


def unknown_encoding_error(name: str, sample: bytes) -> NotUtf8Error:
    """Return the error for a text; `sample`: bytes of it, which the suggested encodings can decode."""
    return NotUtf8Error(f"'{name}' is not UTF-8 text", f"name its encoding, such as: {_encoding_flag(sample)}")


def _mixed_error(name: str, places: str, sample: bytes = b"") -> NotUtf8Error:
    return NotUtf8Error(
        f"'{name}' is not UTF-8 text in {places}",
        f"convert them, or name the encoding of the whole file, such as: {_encoding_flag(sample)}",
    )


def _encoding_flag(sample: bytes) -> str:
    letters = len(_ASCII_LETTERS.findall(sample))
    suggested = _SUGGESTED_LATIN if 2 * letters > len(sample) else _SUGGESTED
    likely = [encoding for encoding in suggested if sample and _decodes(sample, encoding)][:3]
    return f"--encoding {' or '.join(likely) or 'cp1251'}"


def check_undecodable(name: str, undecodable: int, rows: int) -> None:
    """Check a source that was read to its end: how many of its `rows`, or places in them, were undecodable.

    Raises:
        UsageError: so many that a corpus without them would differ from the source.
    """
    if _matters(undecodable, rows):
        raise _mixed_error(name, f"{undecodable:,} of {rows:,} rows")


def _matters(undecodable: int, rows: float, fraction: float = _MAX_UNDECODABLE_FRACTION) -> bool:
    return undecodable > max(_MAX_UNDECODABLE, rows * fraction)


class TextDecoder:
    """Decodes one source, and holds what was decided about it.

    `encoding`: the name of a Python codec, by what has been read so far; pure ASCII counts as "utf-8". `replaced`:
    undecodable places that have become U+FFFD; always 0 for UTF-8, whose invalid bytes are left in.

    Args:
        name: of the source, for errors.
        encoding: a text encoding that the user named. A byte-order mark overrides it.

    Raises:
        UsageError: there is no such encoding.
    """

    def __init__(self, name: str, encoding: str | None = None) -> None:
        self._name = name
        self._given = None if encoding is None else lookup_encoding(encoding)
        self.encoding = self._given or UTF8
        self.replaced = 0
        self._rows = 0.0
        self._is_late = False
        self._is_empty = self._seems_utf8 = False

    def decode(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the text in UTF-8, without a byte-order mark. An error of `chunks` is raised after what precedes it.

        Raises:
            UsageError: the encoding is not certain, and the text not UTF-8; or too much of it is undecodable.
        """
        ahead = _Lookahead(chunks)
        head = ahead.peek(HEAD_BYTES)
        self._is_empty = not head
        mark, marked = find_mark(head)
        while mark and head.startswith(mark):  # programs write another one before the first
            head = ahead.skip(len(mark))
        self.encoding = marked or self._given or encoding_of_head(head) or UTF8
        if self.encoding != UTF8:
            yield from self._transcode(ahead)
        elif marked or self._given:
            yield from ahead
        else:
            yield from self._detect(ahead)

    def notes(self) -> list[str]:
        """Return what the user should know of the decoding once it has ended, as ends of sentences."""
        label, notes = encoding_label(self.encoding), []
        if self._is_empty:
            notes.append("is empty")
        if self._seems_utf8:
            notes.append(f"is valid UTF-8, but was read as {label} because of --encoding")
        if self._is_late:
            notes.append(f"is not UTF-8: it is read as {label} from its first such byte")
        if self.replaced:
            notes.append(f"is not {label} in {pluralize(self.replaced, 'place')}, which became U+FFFD")
        return notes

    def _detect(self, ahead: "_Lookahead") -> Iterator[bytes]:
        from grucli.read.windows_1252 import Evidence  # late: the help of commands loads this module

        position = 0
        for chunk in ahead:
            if not chunk.isascii():
                ahead.push_back(chunk)
                # One valid chunk is enough, and costs less than a look at more of them.
                encoding = (
                    UTF8 if _is_utf8(chunk) else _detect_encoding(self._name, ahead.peek(_WINDOW_BYTES), position)
                )
                if encoding == UTF8:
                    yield from ahead
                    return
                if encoding is not None:
                    self.encoding, self._is_late = encoding, position > 0
                    yield from self._transcode(ahead, Evidence())
                    return
                chunk = next(ahead)
            yield chunk
            position += len(chunk)

    def _transcode(self, ahead: "_Lookahead", evidence: "Evidence | None" = None) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder(self.encoding)("strict")
        since_check = 0
        is_ascii = True
        for chunk in ahead:
            if is_ascii and not chunk.isascii():
                is_ascii, self._seems_utf8 = False, self.encoding == self._given and _is_utf8(chunk)
            text = self._decode_chunk(decoder, chunk)
            self._rows += max(text.count("\n"), len(text) / MIN_BYTES_PER_ROW)
            since_check += len(chunk)
            if evidence is not None and since_check >= _WINDOW_BYTES:
                evidence.add(text)
                since_check = 0
            # A lone surrogate: UTF-16 can spell it, UTF-8 cannot.
            yield text.encode("utf-8", "replace")
        yield self._decode_chunk(decoder, b"", final=True).encode("utf-8", "replace")
        if evidence is not None and evidence.is_contradicted:
            raise NotUtf8Error(
                f"'{self._name}' is neither UTF-8 text nor Windows-1252",
                "name its encoding, such as: --encoding cp1250",
            )
        if _matters(self.replaced, self._rows):
            raise UsageError(
                f"'{self._name}' is not {encoding_label(self.encoding)} text ({self.replaced:,} undecodable places)",
                "name another --encoding",
            )

    def _decode_chunk(self, decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> str:
        state = decoder.getstate()
        try:
            return decoder.decode(chunk, final)
        except UnicodeDecodeError:
            decoder.setstate(state)
        decoder.errors = "replace"
        text = decoder.decode(chunk, final)
        decoder.errors = "strict"
        self.replaced += text.count("\ufffd")
        return text


class _Lookahead:
    """Chunks of bytes of which the next can be looked at. An error is raised after the bytes before it."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._held = b""
        self._error: Exception | None = None

    def __iter__(self) -> "_Lookahead":
        return self

    def __next__(self) -> bytes:
        if self._held:
            held, self._held = self._held, b""
            return held
        if self._error is not None:
            raise self._error
        return next(self._chunks)

    def peek(self, size: int) -> bytes:
        """Return the next `size` bytes or more, fewer at the end."""
        parts, total = [self._held], len(self._held)
        try:
            while total < size and self._error is None:
                parts.append(next(self._chunks))
                total += len(parts[-1])
        except StopIteration:
            pass
        except Exception as error:
            self._error = error
        self._held = b"".join(parts)
        return self._held

    def push_back(self, chunk: bytes) -> None:
        self._held = chunk

    def skip(self, count: int) -> bytes:
        self._held = self._held[count:]
        return self._held


def encoding_of_head(head: bytes) -> str | None:
    """Return the encoding of a text that has no mark and is not like ASCII, or None.

    It has escape sequences to shift to another alphabet, or wide code units: all NULs are on the same bytes of each.

    In a text of any alphabet these are at least its spaces and newlines. A block of NULs, as a crash leaves it, is
    on all bytes.
    """
    for encoding, shift in _SHIFTS.items():
        if shift in head and _decodes(head, encoding):
            return encoding
    if 0 not in head:
        return None
    for encoding, width in _WIDE.items():
        units = head[: len(head) - len(head) % width]
        significant = 0 if encoding.endswith("le") else width - 1
        nuls, others = units[width - 1 - significant :: width].count(0), units[significant::width].count(0)
        if nuls < max(2, others * 8, len(units) / width / 10):
            continue
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(units)
        except UnicodeDecodeError:
            continue
        if re.search(r"[\s,;{]", text) and not re.search("[\x00-\x08\x0e-\x1f\ufffe\uffff]", text):
            return encoding
    return None


def _is_utf8(chunk: bytes) -> bool:
    """Return True if a chunk is valid UTF-8 with a character of several bytes; the last one may be cut."""
    try:
        return not codecs.utf_8_decode(chunk, "strict", False)[0].isascii()
    except UnicodeDecodeError:
        return False


def _detect_encoding(name: str, window: bytes, position: int) -> str | None:
    """Return the encoding of bytes that are not ASCII, from `position` on; None if it is not certain.

    Raises:
        UsageError: it is not certain, and so much is undecodable that more of the source cannot change it.
    """
    from grucli.read.windows_1252 import MIN_TELLING, Evidence  # late: as above

    text = codecs.utf_8_decode(window, "surrogateescape", False)[0]
    places = _ESCAPED.findall(text)
    invalid = sum(map(len, places))
    is_mixed = len(_MULTIBYTE.findall(text)) > invalid or len(_LATIN_MULTIBYTE.findall(text)) * 1000 > invalid
    if invalid and not is_mixed:
        evidence = Evidence()
        evidence.add(window.decode(WINDOWS_1252, "replace"))
        if evidence.is_certain(MIN_TELLING if len(window) >= _WINDOW_BYTES else 1):
            return WINDOWS_1252
    rows = position / MIN_BYTES_PER_ROW + max(window.count(b"\n"), len(window) / MIN_BYTES_PER_ROW)
    if _matters(len(places), rows, 1 / 10):
        raise (
            _mixed_error(name, f"{len(places):,} places", window) if is_mixed else unknown_encoding_error(name, window)
        )
    return UTF8 if is_mixed else None


def _decodes(sample: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return False
    return True
