"""A batch of comments, cleaned: decoded, put through the rules, its authors hashed, its rows encoded.

What is done here depends on the batch and the job alone, so that any process can do it: no memory of other comments, no
files, no output. What is kept elsewhere (duplicates, the order, the corpus) gets all it needs from the result.
"""

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from grucli import optional_imports
from grucli.read.blocks import Block
from grucli.read.json_lines import JsonLines, fault
from grucli.read.records import Record
from grucli.read.row_report import RowReport
from grucli.read.rows import DEFAULT_COLUMN
from grucli.reddit.clean.report import FIRST, SCHEMA
from grucli.reddit.clean.rule_engine import sweeper
from grucli.reddit.clean.rules.config import Settings
from grucli.reddit.comments import Comment
from grucli.reddit.corpus.conversations import spool_record
from grucli.reddit.corpus.pseudonyms import AuthorHash, is_profile
from grucli.reddit.corpus.writer import rows_encoder

if TYPE_CHECKING:
    from grucli.reddit.clean.dedup import Keys

_FIELDS = tuple(Comment.__struct_fields__)
_key = partial(hashlib.blake2b, digest_size=8)
_IS_WIDE = sys.hash_info.width == 64
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
"""An odd number whose small multiples are far apart."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done with every batch. It can be sent to another process.

    `form`: of the corpus. `hashed`: how authors are named in it, None where they are left out. `replies`: whether rows
    are put aside for conversations. `exact`, `near`: which duplicates will be looked for. `alone`: whether all of it is
    done in one process.
    """

    settings: Settings
    form: str
    hashed: AuthorHash | None
    replies: bool = False
    exact: bool = True
    near: bool = False
    alone: bool = False


class Batch(NamedTuple):
    """Comments to clean: a block of JSON lines, or records of any other form.

    `source`: the number of the file they come from. `column`: the field of the text.
    """

    source: int
    column: str
    block: Block | None
    rows: list[Record]


@dataclass(slots=True)
class Cleaned:
    """What became of a batch.

    `rows`: of the comments kept, encoded; `lines`: where each stood; `characters`: how long each text is. `keys`:
    8 bytes of hash of each text, one after the other; `near`: the hashes of near duplicates, [n, bands]. `answers`:
    whether any of these comments says what it replies to, where that matters. `report`: of the rows that were read
    here; `dropped`: by verdict, how many and the first few lines.
    """

    source: int
    rows: list[bytes] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    characters: list[int] = field(default_factory=list)
    keys: bytes = b""
    near: "Keys | None" = None
    answers: bool = False
    report: RowReport = field(default_factory=RowReport)
    dropped: dict[str, tuple[int, list[int]]] = field(default_factory=dict)

    def drop(self, verdict: str, line: int) -> None:
        """Count a comment that was dropped."""
        count, lines = self.dropped.get(verdict, (0, []))
        if count < FIRST:
            lines.append(line)
        self.dropped[verdict] = count + 1, lines


def text_keys(comments: list[Comment], replies: bool) -> bytes:
    """The hashes by which comments are known again: of the text, for conversations also of what it replies to.

    "Thanks!" in two places is one comment too many, or two turns of two conversations.
    """
    return b"".join([_key(text.encode("utf-8", "surrogatepass")).digest() for text in _known_by(comments, replies)])


def quick_keys(comments: list[Comment], replies: bool) -> bytes:
    """The same in a fraction of the time, by hashes that no other process has: Python's own, of 64 bits and a secret.

    Texts of characters of one and of two bytes have the same hash if they are the same in memory: not the same length.
    """
    texts = _known_by(comments, replies)
    hashes = np.fromiter(map(hash, texts), np.int64, len(texts)).view(np.uint64)
    lengths = np.fromiter(map(len, texts), np.uint64, len(texts))
    return (hashes ^ lengths * _SPREAD).tobytes()


def _known_by(comments: list[Comment], replies: bool) -> list[str]:
    if replies:
        return [f"{comment.parent_id}\n{comment.body}" for comment in comments]
    return [comment.body or "" for comment in comments]


def _spool_records(comments: list[Comment]) -> list[bytes]:
    return list(map(spool_record, comments))


def batch_cleaner(job: Job) -> Callable[[Batch], Cleaned]:
    """The function that does a job, one batch after the other.

    Raises:
        UsageError: what the settings ask for cannot be had.
    """
    sweep = sweeper(job.settings)
    encode: Callable[[list[Comment]], list[bytes]] = _spool_records if job.replies else rows_encoder(job.form)
    hashed = job.hashed
    signatures = (
        optional_imports.load("grucli.reddit.clean.minhash", "near", "--near-duplicates").signatures
        if job.near
        else None
    )
    decode = JsonLines(Comment, DEFAULT_COLUMN).decode
    exact, replies, keys = job.exact, job.replies, quick_keys if job.alone and _IS_WIDE else text_keys

    def clean_batch(batch: Batch) -> Cleaned:
        done = Cleaned(batch.source)
        if batch.block is not None and batch.column == DEFAULT_COLUMN:
            numbers, comments = decode(batch.block, done.report)
        else:
            numbers, comments = _converted(batch, done)
        verdicts = sweep(comments)
        if any(verdicts):
            for number, verdict in zip(numbers, verdicts, strict=True):
                if verdict is not None:
                    done.drop(verdict, number)
            kept = [verdict is None for verdict in verdicts]
            numbers, comments = list(compress(numbers, kept)), list(compress(comments, kept))
        texts = [comment.body or "" for comment in comments]
        if exact:
            done.keys = keys(comments, replies)
        done.answers = replies and any(comment.parent_id for comment in comments)
        _hide(comments, hashed)
        done.rows, done.lines, done.characters = encode(comments), list(numbers), list(map(len, texts))
        done.near = signatures(texts) if signatures is not None else None
        return done

    return clean_batch


def _hide(comments: list[Comment], hashed: AuthorHash | None) -> None:
    """Put hashes in the place of names: of the author's, and of the person's whose page a comment stands on."""
    if hashed is None:
        for comment in comments:
            comment.author = ""
        return
    for comment, author in zip(comments, hashed.all([comment.author for comment in comments]), strict=True):
        comment.author = author
    if any(map(is_profile, {comment.subreddit for comment in comments})):
        for comment in comments:
            comment.subreddit = hashed.place(comment.subreddit)


def read_comments(batch: Batch, done: Cleaned) -> list[tuple[int, Comment]]:
    """The comments of a batch as they are, with their lines; what is none counts in `done`."""
    if batch.block is not None and batch.column == DEFAULT_COLUMN:
        rows = JsonLines(Comment, DEFAULT_COLUMN).decode(batch.block, done.report)
        return list(zip(rows.numbers, rows.values, strict=True))
    return list(zip(*_converted(batch, done), strict=True))


def _converted(batch: Batch, done: Cleaned) -> tuple[list[int], list[Comment]]:
    """The comments of records whose fields have any names and types."""
    records = batch.rows
    if batch.block is not None:
        rows = JsonLines(dict[str, object], batch.column).decode(batch.block, done.report)
        records = [Record(number, fields) for number, fields in zip(rows.numbers, rows.values, strict=True)]
    numbers: list[int] = []
    comments: list[Comment] = []
    for number, fields in records:
        try:
            comments.append(comment_of(fields, batch.column))
            numbers.append(number)
        except msgspec.ValidationError as error:
            done.drop(f"{SCHEMA}: {fault(error)}", number)
    return numbers, comments


def comment_of(fields: dict[str, object], column: str) -> Comment:
    """The comment that a record holds, its text in the field `column`; an empty field is a missing one.

    >>> comment_of({"text": "Well, yes.", "id": "c1", "score": "3", "author": ""}, "text")
    Comment(body='Well, yes.', id='c1', author=None, subreddit=None, score='3', created_utc=None, link_id=None, \
parent_id=None)

    Raises:
        msgspec.ValidationError: a field has a type that it cannot have.
    """
    values = {name: value for name in _FIELDS if (value := fields.get(name)) != ""}
    values["body"] = fields.get(column)
    return msgspec.convert(values, Comment)
