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
from grucli.read.json_lines import JsonLinesDecoder, json_error_reason
from grucli.read.records import Record
from grucli.read.row_report import RowReport
from grucli.read.rows import DEFAULT_COLUMN
from grucli.reddit.clean.report import MAX_EXAMPLES, SCHEMA
from grucli.reddit.clean.rule_engine import make_batch_cleaner
from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.comments import Comment
from grucli.reddit.corpus.conversations import encode_spooled
from grucli.reddit.corpus.pseudonyms import AuthorHasher, is_profile
from grucli.reddit.corpus.writer import make_batch_encoder

if TYPE_CHECKING:
    from grucli.reddit.clean.dedup import Keys

_FIELDS = tuple(Comment.__struct_fields__)
_text_hash = partial(hashlib.blake2b, digest_size=8)
_HASH_IS_64_BIT = sys.hash_info.width == 64
_HASH_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""An odd number whose small multiples are far apart."""


@dataclass(frozen=True, slots=True)
class CleanJob:
    """What is to be done with every batch. It can be sent to another process.

    `form`: of the corpus. `hashed`: how authors are named in it, None where they are left out. `replies`: whether rows
    are put aside for conversations. `exact`, `near`: which duplicates will be looked for. `alone`: whether all of it is
    done in one process.
    """

    rule_config: RuleConfig
    file_format: str
    author_hasher: AuthorHasher | None
    replies: bool = False
    dedup_exact: bool = True
    dedup_near: bool = False
    single_process: bool = False


class RawBatch(NamedTuple):
    """Comments to clean: a block of JSON lines, or records of any other form.

    `source`: the number of the file they come from. `column`: the field of the text.
    """

    source_index: int
    column: str
    block: Block | None
    records: list[Record]


@dataclass(slots=True)
class CleanedBatch:
    """What became of a batch.

    `rows`: of the comments kept, encoded; `lines`: where each stood; `characters`: how long each text is. `keys`:
    8 bytes of hash of each text, one after the other; `near`: the hashes of near duplicates, [n, bands]. `answers`:
    whether any of these comments says what it replies to, where that matters. `report`: of the rows that were read
    here; `dropped`: by verdict, how many and the first few lines.
    """

    source_index: int
    rows: list[bytes] = field(default_factory=list)
    line_numbers: list[int] = field(default_factory=list)
    text_lengths: list[int] = field(default_factory=list)
    dedup_keys: bytes = b""
    near_hashes: "Keys | None" = None
    has_parents: bool = False
    report: RowReport = field(default_factory=RowReport)
    dropped: dict[str, tuple[int, list[int]]] = field(default_factory=dict)

    def drop(self, drop_reason: str, line_number: int) -> None:
        """Count a comment that was dropped."""
        count, line_numbers = self.dropped.get(drop_reason, (0, []))
        if count < MAX_EXAMPLES:
            line_numbers.append(line_number)
        self.dropped[drop_reason] = count + 1, line_numbers


def text_keys(comments: list[Comment], replies: bool) -> bytes:
    """The hashes by which comments are known again: of the text, for conversations also of what it replies to.

    "Thanks!" in two places is one comment too many, or two turns of two conversations.
    """
    return b"".join(
        [_text_hash(text.encode("utf-8", "surrogatepass")).digest() for text in _dedup_texts(comments, replies)]
    )


def process_local_keys(comments: list[Comment], replies: bool) -> bytes:
    """The same in a fraction of the time, by hashes that no other process has: Python's own, of 64 bits and a secret.

    Texts of characters of one and of two bytes have the same hash if they are the same in memory: not the same length.
    """
    texts = _dedup_texts(comments, replies)
    hashes = np.fromiter(map(hash, texts), np.int64, len(texts)).view(np.uint64)
    lengths = np.fromiter(map(len, texts), np.uint64, len(texts))
    return (hashes ^ lengths * _HASH_MULTIPLIER).tobytes()


def _dedup_texts(comments: list[Comment], replies: bool) -> list[str]:
    if replies:
        return [f"{comment.parent_id}\n{comment.body}" for comment in comments]
    return [comment.body or "" for comment in comments]


def _encode_spooled_batch(comments: list[Comment]) -> list[bytes]:
    return list(map(encode_spooled, comments))


def make_job_cleaner(job: CleanJob) -> Callable[[RawBatch], CleanedBatch]:
    """The function that does a job, one batch after the other.

    Raises:
        UsageError: what the settings ask for cannot be had.
    """
    clean_comments = make_batch_cleaner(job.rule_config)
    encode: Callable[[list[Comment]], list[bytes]] = (
        _encode_spooled_batch if job.replies else make_batch_encoder(job.file_format)
    )
    author_hasher = job.author_hasher
    signatures = (
        optional_imports.import_optional("grucli.reddit.clean.minhash", "near", "--near-duplicates").signatures
        if job.dedup_near
        else None
    )
    decode = JsonLinesDecoder(Comment, DEFAULT_COLUMN).decode
    dedup_exact, replies, make_keys = (
        job.dedup_exact,
        job.replies,
        process_local_keys if job.single_process and _HASH_IS_64_BIT else text_keys,
    )

    def clean_batch(batch: RawBatch) -> CleanedBatch:
        result = CleanedBatch(batch.source_index)
        if batch.block is not None and batch.column == DEFAULT_COLUMN:
            line_numbers, comments = decode(batch.block, result.report)
        else:
            line_numbers, comments = _convert_records(batch, result)
        drop_reasons = clean_comments(comments)
        if any(drop_reasons):
            for line_number, drop_reason in zip(line_numbers, drop_reasons, strict=True):
                if drop_reason is not None:
                    result.drop(drop_reason, line_number)
            is_kept = [verdict is None for verdict in drop_reasons]
            line_numbers, comments = list(compress(line_numbers, is_kept)), list(compress(comments, is_kept))
        texts = [comment.body or "" for comment in comments]
        if dedup_exact:
            result.dedup_keys = make_keys(comments, replies)
        result.has_parents = replies and any(comment.parent_id for comment in comments)
        _pseudonymize(comments, author_hasher)
        result.rows, result.line_numbers, result.text_lengths = (
            encode(comments),
            list(line_numbers),
            list(map(len, texts)),
        )
        result.near_hashes = signatures(texts) if signatures is not None else None
        return result

    return clean_batch


def _pseudonymize(comments: list[Comment], author_hasher: AuthorHasher | None) -> None:
    """Put hashes in the place of names: of the author's, and of the person's whose page a comment stands on."""
    if author_hasher is None:
        for comment in comments:
            comment.author = ""
        return
    for comment, author in zip(
        comments, author_hasher.hash_many([comment.author for comment in comments]), strict=True
    ):
        comment.author = author
    if any(map(is_profile, {comment.subreddit for comment in comments})):
        for comment in comments:
            comment.subreddit = author_hasher.hash_profile_subreddit(comment.subreddit)


def read_comments(batch: RawBatch, result: CleanedBatch) -> list[tuple[int, Comment]]:
    """The comments of a batch as they are, with their lines; what is none counts in `done`."""
    if batch.block is not None and batch.column == DEFAULT_COLUMN:
        rows = JsonLinesDecoder(Comment, DEFAULT_COLUMN).decode(batch.block, result.report)
        return list(zip(rows.line_numbers, rows.values, strict=True))
    return list(zip(*_convert_records(batch, result), strict=True))


def _convert_records(batch: RawBatch, result: CleanedBatch) -> tuple[list[int], list[Comment]]:
    """The comments of records whose fields have any names and types."""
    records = batch.records
    if batch.block is not None:
        rows = JsonLinesDecoder(dict[str, object], batch.column).decode(batch.block, result.report)
        records = [
            Record(line_number, fields) for line_number, fields in zip(rows.line_numbers, rows.values, strict=True)
        ]
    line_numbers: list[int] = []
    comments: list[Comment] = []
    for number, fields in records:
        try:
            comments.append(comment_from_record(fields, batch.column))
            line_numbers.append(number)
        except msgspec.ValidationError as error:
            result.drop(f"{SCHEMA}: {json_error_reason(error)}", number)
    return line_numbers, comments


def comment_from_record(fields: dict[str, object], column: str) -> Comment:
    """The comment that a record holds, its text in the field `column`; an empty field is a missing one.

    >>> comment_from_record({"text": "Well, yes.", "id": "c1", "score": "3", "author": ""}, "text")
    Comment(body='Well, yes.', id='c1', author=None, subreddit=None, score='3', created_utc=None, link_id=None, \
parent_id=None)

    Raises:
        msgspec.ValidationError: a field has a type that it cannot have.
    """
    values = {name: value for name in _FIELDS if (value := fields.get(name)) != ""}
    values["body"] = fields.get(column)
    return msgspec.convert(values, Comment)
