"""Purging: comments are taken out of a corpus, by id or author, because whoever wrote them wants it so.

The corpus is read as a stream and written anew in the same form, and takes its name in one step. What could not be read
has nothing to say in training either, and is left out of the new file. A conversation is cut where a turn was taken
out: nobody seems to answer what they never saw.
"""

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from grucli.errors import EmptyInputError, GruError, LockedError, UsageError
from grucli.files import OutputLock
from grucli.read.blocks import read_blocks
from grucli.read.records import Records, open_records
from grucli.read.row_report import CORRUPT, RowReport
from grucli.read.rows import DEFAULT_COLUMN
from grucli.read.sources import COMPRESSIONS, STDIN, InputSource, resolve_source
from grucli.reddit.corpus.pseudonyms import DELETED_AUTHORS, AuthorHasher, existing_key, key_file
from grucli.reddit.corpus.writer import CorpusWriter, OutputSpec, make_record_encoder
from grucli.text.dataset import StageProgress, post_of

Fields = dict[str, object]

PURGEABLE_FORMATS = ("csv", "tsv", "jsonl")
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_MAX_HASH_GENERATIONS = 4
_STAGE = "looking for the comments"
_HASH_PATTERN = re.compile(r"[0-9a-f]{16}")
_ID_PATTERN = re.compile(r"(?!t[0-9]_)[0-9A-Za-z_-]{1,32}")


@dataclass(frozen=True)
class PurgeCriteria:
    """Whose comments, or which ones, are to be taken out.

    `ids`: without `t1_`. `names`: in small letters. `hashes`: the name behind each hash that a corpus may have in place
    of it; None where the key is not here, and corpora with hashes cannot be searched for names.
    """

    ids: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    hashes: Mapping[str, str] | None = None


def build_criteria(id_files: Sequence[str], authors: Sequence[str]) -> PurgeCriteria:
    """What some files of ids (one a line, with or without `t1_`; `-`: standard input) and some names ask for.

    Raises:
        UsageError: neither is given, a file cannot be read or has something else in it, or a name is nobody's.
        NothingToDoError: the files have no ids.
        GruError: a file, or the key of the author names, is damaged.
    """
    if not id_files and not authors:
        raise UsageError(
            "nothing says what to take out", "name a file with --ids FILE, or an author with --author NAME"
        )
    ids = frozenset(id_ for name in id_files for id_ in read_ids(name))
    if id_files and not ids and not authors:
        raise EmptyInputError(f"there is no id in {', '.join(map(repr, id_files))}", "write one id a line: t1_c0abcde")
    names = frozenset(map(_parse_author, authors))
    key = existing_key() if names else None
    return PurgeCriteria(ids, names, None if key is None else dict(_hash_candidates(names, AuthorHasher(key))))


def _hash_candidates(names: Iterable[str], hasher: AuthorHasher) -> Iterator[tuple[str, str]]:
    """What may stand for each name: its hash, or, in a corpus that was made of a corpus, a hash of that one."""
    for name in names:
        digest = name
        for _ in range(_MAX_HASH_GENERATIONS):
            digest = hasher(digest)
            yield digest, name


def _parse_author(name: str) -> str:
    bare = re.sub(r"^/?u/", "", name.strip()).lower()
    if bare in DELETED_AUTHORS:
        raise UsageError(f"--author: '{name}' is nobody's name", "give a name as Reddit shows it, with or without u/")
    return bare


def read_ids(name: str) -> Iterator[str]:
    """The ids of comments in a file, one a line, without `t1_`. Empty lines, and what begins with `#`, are none.

    Raises:
        UsageError: it cannot be read, or has something else in it.
        GruError: it is damaged.
    """
    path = None if name == STDIN else Path(name)
    if path is not None and (path.is_dir() or not path.exists()):  # a pipe is as good as a file
        raise UsageError(f"there is no file '{name}'", "give --ids a file with one id a line, or - for standard input")
    suffix = "" if path is None else path.suffix.lower()
    report = RowReport()
    for block in read_blocks(InputSource(name, path, "txt", suffix if suffix in COMPRESSIONS else ""), report):
        for number, line in block.lines():
            text = "…" if line is None else line.decode("utf-8", "replace").strip()
            if not text or text.startswith("#"):
                continue
            id_ = text.removeprefix("t1_")
            if not _ID_PATTERN.fullmatch(id_):
                raise UsageError(
                    f"line {number} of '{name}' is not the id of a comment: '{text[:40]}'",
                    "write one id a line, as in: t1_c0abcde",
                )
            yield id_
    if report.skipped:
        raise GruError(f"'{name}' is damaged: a part of the ids is missing", "fetch or copy the file again")


@dataclass
class PurgeResult:
    """What was done, or would be.

    `removed`, `kept`: comments. `removed_characters`, `characters`: of their texts. `cut`: conversations that go on
    under a name of their own behind what was taken out. `found`: those of the ids and names wanted of which there was
    something. `report`: what became of rows that could not be read.
    """

    removed: int = 0
    kept: int = 0
    removed_characters: int = 0
    characters: int = 0
    split_conversations: int = 0
    matched: set[str] = field(default_factory=set)
    report: RowReport = field(default_factory=RowReport)


def purge(
    name: str,
    criteria: PurgeCriteria,
    *,
    dry_run: bool,
    before_writing: Callable[[], object],
    on_progress: StageProgress,
) -> PurgeResult:
    """Take what is wanted out of the corpus `name`, or with `dry_run` only say what that would be.

    Where nothing is to be taken out the file is not touched. `before_writing` is called once it is certain that the
    new file takes the name of the old one, and right before.

    Raises:
        UsageError: no such file, one that is read-only, a form that does not say who wrote what, or no such columns.
        NothingToDoError: there is no comment in it.
        BusyError: somebody else writes the file, or has changed it meanwhile.
        GruError: it is damaged; or needs a key of author names that is not here.
        OSError: the file system refused, the disk is full; the corpus is as it was.
    """
    source = resolve_corpus(name, dry_run=dry_run)
    path = source.path
    assert path is not None
    signature_before = _file_signature(path)
    result = PurgeResult()
    records = open_records(source, "id" if criteria.ids else "author", result.report, _byte_counter(path, on_progress))
    file_format = "jsonl" if records.columns is None else source.file_format
    if file_format is None:
        raise UsageError(
            f"'{name}' does not say by its name what it is", f"rename it: {_suffixes()}, compressed or not"
        )
    rows = _kept_rows(name, records, criteria, result)
    if dry_run:
        for _ in rows:
            pass
        return _verify_complete(result, name)
    with (
        OutputLock(path),
        suppress(_NothingRemovedError),
        CorpusWriter(OutputSpec(path, file_format, source.compression), records.columns or ()) as writer,
    ):
        encode = make_record_encoder(file_format)
        for row in rows:
            writer.write(encode(row))
        if not _verify_complete(result, name).removed:
            raise _NothingRemovedError
        if _file_signature(path) != signature_before:
            raise LockedError(f"'{name}' has changed while it was read", "nothing was written; run it again")
        before_writing()
    return result


class _NothingRemovedError(Exception):
    """Gives up the new file, which is as the old one."""


def resolve_corpus(name: str, *, dry_run: bool) -> InputSource:
    """The corpus a user named; it is a file.

    Raises:
        UsageError: there is none, it is of a form from which nothing can be taken out, or, unless nothing is to be
            written, it is read-only.
    """
    source = resolve_source(name)
    if source.path is None:
        raise UsageError("standard input ('-') cannot be purged", "name the file that is to be without the comments")
    if source.file_format == "txt":
        raise UsageError(
            f"'{name}' is a .txt, which has lost who wrote what",
            "make it anew from its source: gru clean … --not-author NAME, into a .csv if you like to purge it",
        )
    if source.file_format not in (*PURGEABLE_FORMATS, None):
        raise UsageError(
            f"a .{source.file_format} cannot be purged", f"make a corpus of it first: gru clean '{name}' -o …"
        )
    if not dry_run and _is_read_only(source.path):
        raise UsageError(f"'{name}' is read-only", "chmod u+w it first, or purge a copy")
    return source


def _is_read_only(path: Path) -> bool:
    """Whether a file is marked so, which holds for root, too; and a new file in its place asks nobody."""
    return not path.stat().st_mode & _WRITABLE or not os.access(path, os.W_OK)


def _suffixes() -> str:
    return ", ".join(f".{form}" for form in PURGEABLE_FORMATS)


def _file_signature(path: Path) -> tuple[int, int, int]:
    """What changes when somebody writes to a file, or puts another one in its place."""
    file_stat = path.stat()
    return file_stat.st_mtime_ns, file_stat.st_size, file_stat.st_ino


def _byte_counter(path: Path, on_progress: StageProgress) -> Callable[[int], None]:
    total, done = path.stat().st_size, 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        on_progress(_STAGE, done, total)

    return on_bytes


def _verify_complete(result: PurgeResult, name: str) -> PurgeResult:
    """See that all of the corpus was read.

    Raises:
        NothingToDoError: there is nothing in it.
        GruError: a part of it is missing.
    """
    if CORRUPT in result.report.skipped:
        raise GruError(
            f"'{name}' is damaged: a part of it cannot be read", "nothing was changed; fetch or copy it again"
        )
    if not result.removed + result.kept:
        notes = "; ".join(result.report.messages())
        raise EmptyInputError(
            f"there is no comment in '{name}'" + (f" ({notes})" if notes else ""), "name another corpus"
        )
    return result


def _kept_rows(name: str, records: Records, criteria: PurgeCriteria, result: PurgeResult) -> Iterator[Fields]:
    """The rows that stay, with the threads and turns that they have then.

    Raises:
        UsageError: the corpus does not say what is asked for.
        GruError: its authors are hashed, and the key is not here.
    """
    required = [column for column, values in (("id", criteria.ids), ("author", criteria.names)) if values]
    missing = set(required)
    first: Sequence[str] = records.columns or ()
    if records.columns:
        _require_columns(name, missing - set(first), first)
    renamer = _ThreadRenamer()
    for record in records.rows:
        fields = record.fields
        first = first or tuple(fields)
        missing -= fields.keys()
        criterion = _matching_criterion(fields, criteria, name)
        body = fields.get(DEFAULT_COLUMN)
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
    if result.kept:
        _require_columns(name, missing, first)


def _require_columns(name: str, missing: set[str], available: Iterable[str]) -> None:
    if missing:
        raise UsageError(
            f"'{name}' has no column '{min(missing)}', and so does not say which comments are meant",
            f"it has: {', '.join(available)}",
        )


def _matching_criterion(fields: Fields, criteria: PurgeCriteria, name: str) -> str | None:
    """The id or author for which a row is to be taken out, None where it stays.

    Raises:
        GruError: the author is a hash, and there is no key to compare names with.
    """
    id_, author = fields.get("id"), fields.get("author")
    if criteria.ids and isinstance(id_, str | int) and (bare := str(id_).removeprefix("t1_")) in criteria.ids:
        return bare
    if not criteria.names or not isinstance(author, str):
        return None
    lowercase = author.lower()
    if lowercase in criteria.names:
        return lowercase
    if criteria.hashes is not None:
        return criteria.hashes.get(author)
    if _HASH_PATTERN.fullmatch(author):
        raise GruError(
            f"'{name}' has hashes in place of names, and the key to them is not here ('{key_file()}')",
            "run it where the corpus was made, or name the comments with --ids",
        )
    return None


class _ThreadRenamer:
    """Gives what is left of conversations names and turns, so that nothing is joined over a gap.

    What stands before a gap keeps the thread's name. What comes behind gets one of its own, with the post's part as it
    was: that decides which side of the split into training and validation it is on.
    """

    def __init__(self) -> None:
        self._source: str | None = None
        self._name = ""
        self._turn = 0
        self._gap = False
        self._renumbered = False
        self._last_written_name: str | None = None

    def update(self, fields: Fields, removed: bool) -> bool:
        """Take the next row, and change what it says of its place if need be; whether a new conversation begins so."""
        thread = _get_thread(fields)
        if thread is None:
            self._source = None
            self._last_written_name = self._last_written_name if removed else None
            return False
        if thread != self._source:
            # The same name again, now that what stood between is gone, would be read as one conversation.
            self._gap = self._renumbered = thread == self._last_written_name
            self._source, self._name, self._turn = thread, thread, 0
        if removed:
            self._gap = self._gap or self._turn > 0
            self._renumbered = True
            return False
        is_new = self._gap
        if is_new:
            self._name, self._turn, self._gap = _unique_thread_name(self._name, fields), 0, False
        self._turn += 1
        self._last_written_name = self._name
        if self._renumbered:
            fields["thread"] = self._name
            if "turn" in fields:
                fields["turn"] = str(self._turn) if isinstance(fields["turn"], str) else self._turn
        return is_new


def _get_thread(fields: Fields) -> str | None:
    """The thread of a row, as a reader of corpora understands it."""
    thread = fields.get("thread")
    if isinstance(thread, int):
        return str(thread)
    return thread if isinstance(thread, str) and thread else None


def _unique_thread_name(name: str, fields: Fields) -> str:
    """A name for the rest of a thread, behind a gap: the post, and a number that no other path has.

    Paths are counted without a leading zero; this is one, with a number made of what the rest begins with, which begins
    no other.
    """
    key = f"{name} {fields.get('id') or fields.get(DEFAULT_COLUMN)}"
    digest = hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=5).digest()
    return f"{post_of(name)}.0{int.from_bytes(digest)}"
