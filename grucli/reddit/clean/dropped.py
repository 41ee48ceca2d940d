"""The file of dropped comments: each with the rule that dropped it, and with its fields as they were read.

Authors are hashed as in the corpus, under whatever name a field gives one.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import msgspec

from grucli.errors import UsageError
from grucli.read.columns import may_be_field, normalize_name
from grucli.read.sources import COMPRESSIONS
from grucli.reddit.corpus.pseudonyms import AuthorHasher
from grucli.reddit.corpus.writer import CorpusWriter, OutputSpec, json_line, parse_output

_MAX_DEPTH = 32
_AMBIGUOUS_NAMES = frozenset({"name", "from", "handle"})
_ID_NAMES = frozenset({"authorfullname", "authorid", "userid"})


class DroppedRow(NamedTuple):
    """A dropped comment: its line, "rule" or "rule: reason", and the JSON of its fields or of its bad line."""

    line: int
    drop_reason: str
    content: bytes


def resolve_dropped(name: str | None, *, dry_run: bool) -> OutputSpec | None:
    """Return the file of dropped comments that the user named, if any.

    Raises:
        UsageError: its format is not JSON lines, or nothing is to be written.
    """
    if name is None:
        return None
    if dry_run:
        raise UsageError("--dropped conflicts with --dry-run, which writes nothing", "remove one of them")
    output = parse_output(Path(name))
    if output.file_format != "jsonl":
        raise UsageError(
            f"--dropped: not a file of JSON lines: '{name}'",
            f"name it NAME.jsonl, compressed or not ({', '.join(COMPRESSIONS)})",
        )
    return output


class RecordEncoder:
    """Encodes the fields of a record as JSON, its author hashed: `RecordEncoder(hasher)(fields, author_column)`.

    Without a hasher authors are left out.
    """

    def __init__(self, author_hasher: AuthorHasher | None) -> None:
        self._hasher = author_hasher

    def __call__(self, fields: dict[str, object], author_column: str | None) -> bytes:
        """Return the JSON of a record."""
        values = {key: self._value(key, value, key == author_column, 0) for key, value in fields.items()}
        return msgspec.json.encode({"record": values})[1:-1]

    def _value(self, key: str, value: object, is_author: bool, depth: int) -> object:
        if is_author or _is_author(key):
            return self._hasher(value) if self._hasher is not None and isinstance(value, str) else None
        if isinstance(value, str):
            if self._hasher is not None and _is_subreddit(key):
                return self._hasher.hash_profile_subreddit(value)
            return value
        if not isinstance(value, dict | list):
            return value
        if depth == _MAX_DEPTH:
            return None
        if isinstance(value, list):
            return [self._value("", each, False, depth + 1) for each in value]
        return {name: self._value(str(name), each, False, depth + 1) for name, each in value.items()}


@lru_cache(1 << 10)
def _is_author(key: str) -> bool:
    name = normalize_name(key)
    return name in _ID_NAMES or (name not in _AMBIGUOUS_NAMES and may_be_field(key, "author"))


@lru_cache(1 << 10)
def _is_subreddit(key: str) -> bool:
    return may_be_field(key, "subreddit")


def encode_bad_line(text: str) -> bytes:
    """Return the JSON of a line that is not a comment."""
    return msgspec.json.encode({"raw": text})[1:-1]


class DroppedWriter:
    """Writes dropped comments to an open file."""

    def __init__(self, file: CorpusWriter, source_names: Sequence[str]) -> None:
        self._file = file
        self._source_names = source_names

    def write(self, source_index: int, rows: Iterable[DroppedRow]) -> None:
        """Write the dropped comments of a batch, by line."""
        for row in sorted(rows, key=lambda row: row.line):
            rule, _, reason = row.drop_reason.partition(": ")
            head = {"source": self._source_names[source_index], "line": row.line, "rule": rule, "reason": reason}
            self._file.write(b"%s,%s}\n" % (json_line(head)[:-2], row.content))
