"""Purging: comments are removed from a corpus, by id or author, when their authors ask for it.

The corpus is read as a stream and rewritten in the same form (delimiter, header, encoding), atomically. Unreadable
rows, which training skips as well, are left out. A conversation is split where a turn was removed: no turn becomes a
reply to one that its author never saw.
"""

import csv
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from grucli.errors import EmptyInputError, GruError, LockedError, UsageError
from grucli.files import OutputLock
from grucli.progress import Progress, report_sum
from grucli.read.blocks import CORRUPT, NOT_UTF8, RowReport
from grucli.read.columns import names_text, normalize_name
from grucli.read.encoding import UTF8, check_undecodable
from grucli.read.fields import TEXT
from grucli.read.json_tree import POST, plain_value
from grucli.read.missing import is_missing
from grucli.read.records import Records, open_records
from grucli.read.schema import ReadOptions, Schema, missing_field_error
from grucli.read.sources import InputSource, resolve_source
from grucli.read.text_files import read_text_file
from grucli.reddit.corpus.pseudonyms import DELETED_AUTHORS, AuthorHasher, existing_key, key_file
from grucli.reddit.corpus.writer import OutputSpec, json_line, make_table_encoder, open_corpus
from grucli.reddit.names import comment_key, full_name, id_text, user_key
from grucli.text.dataset import post_of

Fields = dict[str, object]

_PURGEABLE_FORMATS = ("csv", "tsv", "jsonl")
_PURGEABLE_SUFFIXES = ", ".join(f".{file_format}" for file_format in _PURGEABLE_FORMATS)
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_MAX_HASH_GENERATIONS = 4
_BYTE_ORDER_MARK = "\ufeff"
_HASH_PATTERN = re.compile(r"[0-9a-f]{16}")
_MAX_IDS_BYTES = 1 << 26
"""Bytes of about 6 million ids."""

_MAX_LINE_CHARS = 1 << 12
_ID_COLUMNS = ("id", "ids", "commentid", "name")
_ID_PATTERN = re.compile(r"(?!t[0-9]_)[0-9A-Za-z_-]{1,32}")


@dataclass(frozen=True)
class PurgeCriteria:
    """Which comments to remove.

    `ids`: without `t1_`. `names`: of authors, as `user_key` returns them. `hashes`: the name of each hash that a corpus
    may contain instead of it; None without the author key, when hashed corpora cannot be searched for names.
    """

    ids: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    hashes: Mapping[str, str] | None = None


def build_criteria(id_files: Sequence[str], authors: Sequence[str]) -> PurgeCriteria:
    """Build the criteria from files of ids, see `read_ids`, and names of authors.

    Raises:
        UsageError: neither is given, a file is missing or contains something else, or a name is invalid.
        EmptyInputError: the files contain no ids.
        GruError: a file or the author key is corrupt.
    """
    if not id_files and not authors:
        raise UsageError("missing --ids or --author", "use --ids FILE or --author NAME")
    ids = frozenset(id_ for name in id_files for id_ in read_ids(name))
    if id_files and not ids and not authors:
        raise EmptyInputError(f"no ids in {', '.join(map(repr, id_files))}", "write one id per line: t1_c0abcde")
    names = frozenset(map(_parse_author, authors))
    key = existing_key() if names else None
    return PurgeCriteria(ids, names, None if key is None else dict(_hash_candidates(names, AuthorHasher(key))))


def _hash_candidates(names: Iterable[str], hasher: AuthorHasher) -> Iterator[tuple[str, str]]:
    """Yield the hashes of each name: a corpus cleaned from another corpus contains the hash of a hash.

    Corpora of earlier versions have other hashes for other spellings.
    """
    for name in names:
        for prefix in ("", "u/", "/u/", "@"):
            digest = f"{prefix}{name}"
            for _ in range(_MAX_HASH_GENERATIONS):
                digest = hasher.hash_exactly(digest)
                yield digest, name


def _parse_author(name: str) -> str:
    bare = user_key(name)
    if bare in DELETED_AUTHORS:
        raise UsageError(f"--author: invalid user name '{name}'", "use the name as Reddit shows it, with or without u/")
    return bare


def read_ids(name: str) -> Iterator[str]:
    """Yield the ids in a file ("-": standard input), without `t1_`: one per line, except empty ones and # comments.

    An id may be quoted, or be the link to a comment. If the first line names a column of ids, the file is a table.

    Raises:
        UsageError: the file is missing or contains something else.
        GruError: the file is corrupt.
    """
    for number, cell in _id_cells(read_text_file(name, _MAX_IDS_BYTES).split("\n")):
        id_ = full_name(cell).removeprefix("t1_")  # the link to a post has `t3_`, and is refused
        if not _ID_PATTERN.fullmatch(id_):
            raise UsageError(
                f"line {number} of '{name}' is not a comment id: '{cell[:40]}'",
                "write one id per line, as in: t1_c0abcde",
            )
        yield id_


def _id_cells(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield line number and text of each line, or of the cells in the column of ids if the first line names one.

    A table of comments is not taken for a list of those to remove.
    """
    first = next((line for line in lines if line.strip()), "")
    delimiter = next((delimiter for delimiter in "\t;,|" if delimiter in first), ",")
    header = next(csv.reader([first[:_MAX_LINE_CHARS]], delimiter=delimiter), [])
    names = list(map(normalize_name, header))
    column = next((names.index(name) for name in _ID_COLUMNS if name in names and not names_text(header)), None)
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#") or (column is not None and line is first):
            continue
        cells = [text] if column is None else next(csv.reader([text[:_MAX_LINE_CHARS]], delimiter=delimiter))
        yield number, cells[column or 0].strip("\"' ") if len(cells) > (column or 0) else text


@dataclass
class PurgeResult:
    """What was removed, or would be.

    `removed`, `kept`: comments. `removed_characters`, `characters`: of their texts. `split_conversations`: new
    conversations after a removed comment. `matched`: the ids and names of the criteria that were found. `report`:
    unreadable rows. `authors_hashed`: whether the corpus names authors by hashes.
    """

    removed: int = 0
    kept: int = 0
    removed_characters: int = 0
    characters: int = 0
    split_conversations: int = 0
    matched: set[str] = field(default_factory=set)
    report: RowReport = field(default_factory=RowReport)
    authors_hashed: bool = False


def purge(
    name: str,
    criteria: PurgeCriteria,
    *,
    read: ReadOptions,
    dry_run: bool,
    before_writing: Callable[[], object],
    on_progress: Progress,
) -> PurgeResult:
    """Remove the matching comments from the corpus `name`; with `dry_run` only count them.

    If nothing matches, the file is not touched. `before_writing` is called right before the file is replaced, once it
    is certain that it will be: to delete what is derived from the old content.

    Raises:
        UsageError: the file is missing or read-only, or its format or columns do not say who wrote what.
        EmptyInputError: there are no comments in it.
        LockedError: another process writes the file, or has changed it meanwhile.
        GruError: it is corrupt, or the author key is required and missing.
        OSError: the file system failed; the corpus is unchanged.
    """
    source = resolve_corpus(name, dry_run=dry_run)
    path = source.path
    assert path is not None
    signature_before = _file_signature(path)
    result = PurgeResult()
    on_bytes = report_sum(on_progress, "searching for the comments", path.stat().st_size)
    records = open_records(source, read, result.report, on_bytes, needs_text=False)
    schema = records.schema
    if not schema.is_json and source.file_format is None:
        raise UsageError(f"no suffix for the format of the table: '{name}'", f"rename it: {_PURGEABLE_SUFFIXES}")
    rows = _kept_rows(records, criteria, result)
    if dry_run:
        for _ in rows:
            pass
        return _check_complete(result, name)
    with (
        OutputLock(path),
        suppress(_NothingRemovedError),
        open_corpus(OutputSpec(path, "jsonl", source.compression)) as corpus,
    ):
        for line in _encoded_lines(schema, rows, has_mark=_has_byte_order_mark(path, schema.encoding)):
            corpus.write(line)
        if not _check_complete(result, name).removed:
            raise _NothingRemovedError
        if _file_signature(path) != signature_before:
            raise LockedError(f"file changed while it was read: '{name}'", "nothing was written; run it again")
        before_writing()
    return result


def _encoded_lines(schema: Schema, rows: Iterator[Fields], *, has_mark: bool) -> Iterator[bytes]:
    """Yield the lines of a corpus in the form that its schema describes."""
    encode_row = make_table_encoder(schema.delimiter or ",", quoted=schema.quoted)
    header = encode_row(schema.names) if schema.has_header and not schema.is_json else b""
    lines = (json_line(row) if schema.is_json else encode_row(list(row.values())) for row in rows)
    for line in chain([_BYTE_ORDER_MARK.encode() if has_mark else b"", header], lines):
        try:
            yield line if schema.encoding == UTF8 else line.decode().encode(schema.encoding)
        except UnicodeEncodeError as error:
            raise GruError(
                f"cannot write '{schema.name}' in {schema.encoding}: part of it was not {schema.encoding}",
                "nothing was changed; convert it to UTF-8 first",
            ) from error


def _has_byte_order_mark(path: Path, encoding: str) -> bool:
    """Return whether a file that is not compressed begins with the mark of its encoding."""
    try:
        mark = _BYTE_ORDER_MARK.encode(encoding)
    except UnicodeEncodeError:
        return False
    with path.open("rb") as file:
        return file.read(len(mark)) == mark


class _NothingRemovedError(Exception):
    """Discards the new file, which is equal to the old one."""


def resolve_corpus(name: str, *, dry_run: bool) -> InputSource:
    """Return the corpus `name`, which is a file.

    Raises:
        UsageError: it is missing, its format does not say who wrote what, or it is read-only and not for a `dry_run`.
    """
    source = resolve_source(name)
    if source.path is None:
        raise UsageError("cannot purge standard input", "name the file of the corpus")
    if source.file_format == "txt":
        raise UsageError(
            f"a .txt does not record who wrote what: '{name}'",
            "rebuild it from its source: gru clean ... --not-author NAME, into a .csv to be able to purge it",
        )
    if source.file_format not in (*_PURGEABLE_FORMATS, None):
        raise UsageError(
            f"cannot purge a .{source.file_format}", f"make a corpus of it first: gru clean '{name}' -o ..."
        )
    if not dry_run and _is_read_only(source.path):
        raise UsageError(f"'{name}' is read-only", "chmod u+w it first, or purge a copy")
    return source


def _is_read_only(path: Path) -> bool:
    # The mode is checked for root as well: replacing a read-only file needs no permission.
    return not path.stat().st_mode & _WRITABLE or not os.access(path, os.W_OK)


def _file_signature(path: Path) -> tuple[int, int, int]:
    """Return what changes when the file is written to or replaced."""
    file_stat = path.stat()
    return file_stat.st_mtime_ns, file_stat.st_size, file_stat.st_ino


def _check_complete(result: PurgeResult, name: str) -> PurgeResult:
    if CORRUPT in result.report.skipped:
        raise GruError(f"corrupt file: '{name}': part of it is unreadable", "nothing was changed; copy it again")
    check_undecodable(name, result.report.skipped[NOT_UTF8], result.report.read)
    if result.report.nested or POST in result.report.skipped:
        raise UsageError(
            f"'{name}' is no corpus: it has posts, or comments inside of other objects",
            f"make a corpus of it first: gru clean '{name}' -o ...",
        )
    if not result.removed + result.kept:
        notes = "; ".join(result.report.messages())
        raise EmptyInputError(f"no comments in '{name}'" + (f" ({notes})" if notes else ""), "name another corpus")
    return result


def _kept_rows(records: Records, criteria: PurgeCriteria, result: PurgeResult) -> Iterator[Fields]:
    """Yield the remaining rows, their threads and turns updated, and count all of them in `result`.

    Raises:
        UsageError: the source does not have what the criteria look for.
    """
    schema = records.schema
    options = (("id", "--ids", criteria.ids), ("author", "--author", criteria.names))
    missing = {name: option for name, option, values in options if values}
    for name, option in missing.items():
        if schema.names and name not in schema.columns:
            raise missing_field_error(schema, option, name)
    columns = {name: schema.columns.get(name, name) for name in ("id", "author", TEXT, "thread", "turn")}
    renamer = _ThreadRenamer(columns)
    for _, fields in records.rows:
        missing = {name: option for name, option in missing.items() if is_missing(fields.get(columns[name]))}
        id_, author = (plain_value(fields.get(columns[name])) for name in ("id", "author"))
        criterion = _matching_criterion(id_, author, criteria, result)
        body = fields.get(columns[TEXT])
        size = len(body) if isinstance(body, str) else 0
        result.split_conversations += renamer.update(fields, criterion is not None)
        if criterion is None:
            result.kept += 1
            result.characters += size
            yield fields
        else:
            result.matched.add(criterion)
            result.removed += 1
            result.removed_characters += size
    if result.kept and missing:
        name, option = missing.popitem()
        raise missing_field_error(schema, option, name)


def _matching_criterion(id_: object, author: object, criteria: PurgeCriteria, result: PurgeResult) -> str | None:
    """Return the id or name for which to remove a row, or None.

    Raises:
        GruError: the author is a hash, and the author key is missing.
    """
    if criteria.ids and (text := id_text(id_)) is not None:
        key = comment_key(text)
        if key in criteria.ids:
            return key
    if not criteria.names or not isinstance(author, str):
        return None
    key = user_key(author)
    if key in criteria.names:
        return key
    result.authors_hashed = result.authors_hashed or _HASH_PATTERN.fullmatch(author) is not None
    if criteria.hashes is not None:
        return criteria.hashes.get(author)
    if result.authors_hashed:
        raise GruError(
            f"authors are hashed in the corpus, and the author key is missing: '{key_file()}'",
            "run it where the corpus was made, or use --ids",
        )
    return None


class _ThreadRenamer:
    """Renames the threads and turns of remaining rows, so that no conversation continues across a gap.

    Rows before a gap keep the name of the thread. Those after it get a new one with the same post, which decides
    between training and validation.
    """

    def __init__(self, columns: Mapping[str, str]) -> None:
        self._columns = columns
        self._source: str | None = None
        self._name = ""
        self._turn = 0
        self._gap = False
        self._renumbered = False
        self._last_written_name: str | None = None

    def update(self, fields: Fields, removed: bool) -> bool:
        """Update the thread and turn of the next row; return True if it starts a new conversation after a gap."""
        thread = self._get_thread(fields)
        if thread is None:
            self._source = None
            self._last_written_name = self._last_written_name if removed else None
            return False
        if thread != self._source:
            # With the rows in between removed, two threads of the same name would be read as one.
            self._gap = self._renumbered = thread == self._last_written_name
            self._source, self._name, self._turn = thread, thread, 0
        if removed:
            self._gap = self._gap or self._turn > 0
            self._renumbered = True
            return False
        is_new = self._gap
        if is_new:
            self._name, self._turn, self._gap = self._new_name(fields), 0, False
        self._turn += 1
        self._last_written_name = self._name
        if self._renumbered:
            turn = self._columns["turn"]
            fields[self._columns["thread"]] = self._name
            if turn in fields:
                fields[turn] = str(self._turn) if isinstance(fields[turn], str) else self._turn
        return is_new

    def _get_thread(self, fields: Fields) -> str | None:
        thread = fields.get(self._columns["thread"])
        if isinstance(thread, int):
            return str(thread)
        return thread if isinstance(thread, str) and thread else None

    def _new_name(self, fields: Fields) -> str:
        id_, text = (fields.get(self._columns[name]) for name in ("id", TEXT))
        return _unique_thread_name(self._name, str(id_ or text))


def _unique_thread_name(name: str, comment: str) -> str:
    """Return a name for the rest of a thread after a gap: the post, and a number that no other path has.

    The number is a hash of the thread and its next comment, with a leading zero, which numbers of paths do not have.
    """
    key = f"{name} {comment}"
    digest = hashlib.blake2b(key.encode(), digest_size=5).digest()
    return f"{post_of(name)}.0{int.from_bytes(digest)}"
