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

from grucli.errors import BusyError, GruError, NothingToDoError, UsageError
from grucli.files import OutputLock
from grucli.read.blocks import read_blocks
from grucli.read.records import Records, open_records
from grucli.read.row_report import DAMAGED, RowReport
from grucli.read.rows import DEFAULT_COLUMN
from grucli.read.sources import COMPRESSIONS, STDIN, Source, locate
from grucli.reddit.corpus.pseudonyms import NOBODY, AuthorHash, existing_key, key_file
from grucli.reddit.corpus.writer import CorpusWriter, Output, line_encoder
from grucli.text.dataset import OnProgress, post_of

Fields = dict[str, object]

PURGED_FORMS = ("csv", "tsv", "jsonl")
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_GENERATIONS = 4
_STAGE = "looking for the comments"
_hash = re.compile(r"[0-9a-f]{16}")
_id = re.compile(r"(?!t[0-9]_)[0-9A-Za-z_-]{1,32}")


@dataclass(frozen=True)
class Wanted:
    """Whose comments, or which ones, are to be taken out.

    `ids`: without `t1_`. `names`: in small letters. `hashes`: the name behind each hash that a corpus may have in place
    of it; None where the key is not here, and corpora with hashes cannot be searched for names.
    """

    ids: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    hashes: Mapping[str, str] | None = None


def wanted_by(id_files: Sequence[str], authors: Sequence[str]) -> Wanted:
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
        raise NothingToDoError(f"there is no id in {', '.join(map(repr, id_files))}", "write one id a line: t1_c0abcde")
    names = frozenset(map(_author, authors))
    key = existing_key() if names else None
    return Wanted(ids, names, None if key is None else dict(_hashes(names, AuthorHash(key))))


def _hashes(names: Iterable[str], hashed: AuthorHash) -> Iterator[tuple[str, str]]:
    """What may stand for each name: its hash, or, in a corpus that was made of a corpus, a hash of that one."""
    for name in names:
        seen = name
        for _ in range(_GENERATIONS):
            seen = hashed(seen)
            yield seen, name


def _author(name: str) -> str:
    bare = re.sub(r"^/?u/", "", name.strip()).lower()
    if bare in NOBODY:
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
    for block in read_blocks(Source(name, path, "txt", suffix if suffix in COMPRESSIONS else ""), report):
        for number, line in block.lines():
            text = "…" if line is None else line.decode("utf-8", "replace").strip()
            if not text or text.startswith("#"):
                continue
            id_ = text.removeprefix("t1_")
            if not _id.fullmatch(id_):
                raise UsageError(
                    f"line {number} of '{name}' is not the id of a comment: '{text[:40]}'",
                    "write one id a line, as in: t1_c0abcde",
                )
            yield id_
    if report.skipped:
        raise GruError(f"'{name}' is damaged: a part of the ids is missing", "fetch or copy the file again")


@dataclass
class Purge:
    """What was done, or would be.

    `removed`, `kept`: comments. `removed_characters`, `characters`: of their texts. `cut`: conversations that go on
    under a name of their own behind what was taken out. `found`: those of the ids and names wanted of which there was
    something. `report`: what became of rows that could not be read.
    """

    removed: int = 0
    kept: int = 0
    removed_characters: int = 0
    characters: int = 0
    cut: int = 0
    found: set[str] = field(default_factory=set)
    report: RowReport = field(default_factory=RowReport)


def purge(
    name: str, wanted: Wanted, *, dry_run: bool, before_writing: Callable[[], object], on_progress: OnProgress
) -> Purge:
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
    source = corpus_to_purge(name, dry_run=dry_run)
    path = source.path
    assert path is not None
    before = _state(path)
    done = Purge()
    records = open_records(source, "id" if wanted.ids else "author", done.report, _counter(path, on_progress))
    form = "jsonl" if records.columns is None else source.form
    if form is None:
        raise UsageError(
            f"'{name}' does not say by its name what it is", f"rename it: {_suffixes()}, compressed or not"
        )
    rows = _remaining(name, records, wanted, done)
    if dry_run:
        for _ in rows:
            pass
        return _checked(done, name)
    with (
        OutputLock(path),
        suppress(_NothingRemovedError),
        CorpusWriter(Output(path, form, source.compression), records.columns or ()) as file,
    ):
        encode = line_encoder(form)
        for row in rows:
            file.write(encode(row))
        if not _checked(done, name).removed:
            raise _NothingRemovedError
        if _state(path) != before:
            raise BusyError(f"'{name}' has changed while it was read", "nothing was written; run it again")
        before_writing()
    return done


class _NothingRemovedError(Exception):
    """Gives up the new file, which is as the old one."""


def corpus_to_purge(name: str, *, dry_run: bool) -> Source:
    """The corpus a user named; it is a file.

    Raises:
        UsageError: there is none, it is of a form from which nothing can be taken out, or, unless nothing is to be
            written, it is read-only.
    """
    source = locate(name)
    if source.path is None:
        raise UsageError("standard input ('-') cannot be purged", "name the file that is to be without the comments")
    if source.form == "txt":
        raise UsageError(
            f"'{name}' is a .txt, which has lost who wrote what",
            "make it anew from its source: gru clean … --not-author NAME, into a .csv if you like to purge it",
        )
    if source.form not in (*PURGED_FORMS, None):
        raise UsageError(f"a .{source.form} cannot be purged", f"make a corpus of it first: gru clean '{name}' -o …")
    if not dry_run and _is_read_only(source.path):
        raise UsageError(f"'{name}' is read-only", "chmod u+w it first, or purge a copy")
    return source


def _is_read_only(path: Path) -> bool:
    """Whether a file is marked so, which holds for root, too; and a new file in its place asks nobody."""
    return not path.stat().st_mode & _WRITABLE or not os.access(path, os.W_OK)


def _suffixes() -> str:
    return ", ".join(f".{form}" for form in PURGED_FORMS)


def _state(path: Path) -> tuple[int, int, int]:
    """What changes when somebody writes to a file, or puts another one in its place."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _counter(path: Path, on_progress: OnProgress) -> Callable[[int], None]:
    total, done = path.stat().st_size, 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        on_progress(_STAGE, done, total)

    return on_bytes


def _checked(done: Purge, name: str) -> Purge:
    """See that all of the corpus was read.

    Raises:
        NothingToDoError: there is nothing in it.
        GruError: a part of it is missing.
    """
    if DAMAGED in done.report.skipped:
        raise GruError(
            f"'{name}' is damaged: a part of it cannot be read", "nothing was changed; fetch or copy it again"
        )
    if not done.removed + done.kept:
        why = "; ".join(done.report.notes())
        raise NothingToDoError(f"there is no comment in '{name}'" + (f" ({why})" if why else ""), "name another corpus")
    return done


def _remaining(name: str, records: Records, wanted: Wanted, done: Purge) -> Iterator[Fields]:
    """The rows that stay, with the threads and turns that they have then.

    Raises:
        UsageError: the corpus does not say what is asked for.
        GruError: its authors are hashed, and the key is not here.
    """
    needed = [column for column, values in (("id", wanted.ids), ("author", wanted.names)) if values]
    missing = set(needed)
    first: Sequence[str] = records.columns or ()
    if records.columns:
        _refuse_missing(name, missing - set(first), first)
    threads = _Threads()
    for record in records.rows:
        fields = record.fields
        first = first or tuple(fields)
        missing -= fields.keys()
        what = _match(fields, wanted, name)
        body = fields.get(DEFAULT_COLUMN)
        size = len(body) if isinstance(body, str) else 0
        done.cut += threads.see(fields, what is not None)
        if what is None:
            done.kept += 1
            done.characters += size
            yield fields
        else:
            done.found.add(what)
            done.removed += 1
            done.removed_characters += size
    if done.kept:
        _refuse_missing(name, missing, first)


def _refuse_missing(name: str, missing: set[str], there: Iterable[str]) -> None:
    if missing:
        raise UsageError(
            f"'{name}' has no column '{min(missing)}', and so does not say which comments are meant",
            f"it has: {', '.join(there)}",
        )


def _match(fields: Fields, wanted: Wanted, name: str) -> str | None:
    """The id or author for which a row is to be taken out, None where it stays.

    Raises:
        GruError: the author is a hash, and there is no key to compare names with.
    """
    id_, author = fields.get("id"), fields.get("author")
    if wanted.ids and isinstance(id_, str | int) and (bare := str(id_).removeprefix("t1_")) in wanted.ids:
        return bare
    if not wanted.names or not isinstance(author, str):
        return None
    small = author.lower()
    if small in wanted.names:
        return small
    if wanted.hashes is not None:
        return wanted.hashes.get(author)
    if _hash.fullmatch(author):
        raise GruError(
            f"'{name}' has hashes in place of names, and the key to them is not here ('{key_file()}')",
            "run it where the corpus was made, or name the comments with --ids",
        )
    return None


class _Threads:
    """Gives what is left of conversations names and turns, so that nothing is joined over a gap.

    What stands before a gap keeps the thread's name. What comes behind gets one of its own, with the post's part as it
    was: that decides which side of the split into training and validation it is on.
    """

    def __init__(self) -> None:
        self._source: str | None = None
        self._name = ""
        self._turn = 0
        self._gap = False
        self._moved = False
        self._written: str | None = None

    def see(self, fields: Fields, removed: bool) -> bool:
        """Take the next row, and change what it says of its place if need be; whether a new conversation begins so."""
        thread = _thread(fields)
        if thread is None:
            self._source = None
            self._written = self._written if removed else None
            return False
        if thread != self._source:
            # The same name again, now that what stood between is gone, would be read as one conversation.
            self._gap = self._moved = thread == self._written
            self._source, self._name, self._turn = thread, thread, 0
        if removed:
            self._gap = self._gap or self._turn > 0
            self._moved = True
            return False
        begins = self._gap
        if begins:
            self._name, self._turn, self._gap = _new_name(self._name, fields), 0, False
        self._turn += 1
        self._written = self._name
        if self._moved:
            fields["thread"] = self._name
            if "turn" in fields:
                fields["turn"] = str(self._turn) if isinstance(fields["turn"], str) else self._turn
        return begins


def _thread(fields: Fields) -> str | None:
    """The thread of a row, as a reader of corpora understands it."""
    thread = fields.get("thread")
    if isinstance(thread, int):
        return str(thread)
    return thread if isinstance(thread, str) and thread else None


def _new_name(name: str, fields: Fields) -> str:
    """A name for the rest of a thread, behind a gap: the post, and a number that no other path has.

    Paths are counted without a leading zero; this is one, with a number made of what the rest begins with, which begins
    no other.
    """
    key = f"{name} {fields.get('id') or fields.get(DEFAULT_COLUMN)}"
    digest = hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=5).digest()
    return f"{post_of(name)}.0{int.from_bytes(digest)}"
