"""Cleans one batch of comments: decodes it, applies the rules, hashes the authors, encodes the rows.

The result depends on the batch and the job alone, so any process can do this. What needs more than one batch
(duplicates, order, output) is done with the results.
"""

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import compress
from types import ModuleType
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from grucli import optional_imports
from grucli.read.blocks import Record, RowReport
from grucli.read.json_lines import JsonLinesDecoder, json_error_reason
from grucli.read.json_tree import plain_value
from grucli.read.schema import TEXT
from grucli.reddit.clean.fast_path import make_batch_cleaner
from grucli.reddit.clean.reader import RawBatch
from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.clean.rules.registry import DUPLICATE, SCHEMA
from grucli.reddit.comments import Comment
from grucli.reddit.corpus.conversations import encode_spooled
from grucli.reddit.corpus.pseudonyms import AuthorHasher, is_profile
from grucli.reddit.corpus.writer import make_batch_encoder

if TYPE_CHECKING:
    from grucli.reddit.clean.dedup import Keys

_FIELDS = tuple(Comment.__struct_fields__)
_comment_decoder = JsonLinesDecoder(Comment, TEXT)
_text_hash = partial(hashlib.blake2b, digest_size=8)
_HASH_IS_64_BIT = sys.hash_info.width == 64
_HASH_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""2^64 divided by the golden ratio: its small multiples are far apart (Knuth, TAOCP 3, 6.4)."""


@dataclass(frozen=True, slots=True)
class CleanJob:
    """What to do with every batch. Picklable.

    `file_format`: of the rows. `author_hasher`: None to leave authors out. `replies`: encode rows for the conversation
    builder instead. `single_process`: all batches are cleaned in this process.
    """

    rule_config: RuleConfig
    file_format: str
    author_hasher: AuthorHasher | None
    replies: bool = False
    single_process: bool = False
    use_fast_path: bool = True

    @property
    def dedup_exact(self) -> bool:
        """Whether duplicates are dropped."""
        return DUPLICATE not in self.rule_config.skip_rules


@dataclass(slots=True)
class CleanedBatch:
    """The result of one batch.

    Of the n comments kept: `rows`, encoded; `line_numbers`; `text_lengths` in characters; `dedup_keys`, n * 8 bytes;
    `near_hashes` [n, BANDS]. `has_parents`: whether any comment names its parent; only set for conversations. `report`:
    counts of the rows decoded here. `dropped`: counts of the comments dropped, by "rule" or "rule: reason".
    """

    source_index: int
    rows: list[bytes] = field(default_factory=list)
    line_numbers: list[int] = field(default_factory=list)
    text_lengths: list[int] = field(default_factory=list)
    dedup_keys: bytes = b""
    near_hashes: "Keys | None" = None
    has_parents: bool = False
    report: RowReport = field(default_factory=RowReport)
    dropped: RowReport = field(default_factory=RowReport)


def make_job_cleaner(job: CleanJob) -> Callable[[RawBatch], CleanedBatch]:
    """Return the function that cleans a batch.

    Raises:
        UsageError: as `RuleEngine`; or near-duplicates are to be dropped and the library is not installed.
    """
    clean_comments = make_batch_cleaner(job.rule_config, use_fast_path=job.use_fast_path)
    encode = make_batch_encoder(job.file_format)
    signatures = load_minhash().signatures if job.rule_config.near_duplicates else None
    make_keys = process_local_keys if job.single_process and _HASH_IS_64_BIT else text_keys

    def clean_batch(batch: RawBatch) -> CleanedBatch:
        result = CleanedBatch(batch.source_index)
        line_numbers, comments = decode_comments(batch, result)
        reasons = clean_comments(comments)
        if any(reasons):
            for line_number, reason in zip(line_numbers, reasons, strict=True):
                if reason is not None:
                    result.dropped.skip(reason, line_number)
            is_kept = [reason is None for reason in reasons]
            line_numbers, comments = list(compress(line_numbers, is_kept)), list(compress(comments, is_kept))
        texts = [comment.body or "" for comment in comments]
        if job.dedup_exact:
            result.dedup_keys = make_keys(comments, job.replies)
        if signatures is not None:
            result.near_hashes = signatures(texts)
        result.has_parents = job.replies and any(comment.parent_id for comment in comments)
        _pseudonymize(comments, job.author_hasher)
        result.rows = list(map(encode_spooled, comments)) if job.replies else encode(comments)
        result.line_numbers = list(line_numbers)
        result.text_lengths = list(map(len, texts))
        return result

    return clean_batch


def load_minhash() -> ModuleType:
    """Import `minhash`, which needs an optional library.

    Raises:
        UsageError: the library is not installed.
    """
    return optional_imports.import_optional("grucli.reddit.clean.minhash", "near", "--near-duplicates")


def decode_comments(batch: RawBatch, result: CleanedBatch) -> tuple[Sequence[int], list[Comment]]:
    """Return the comments of a batch with their line numbers; `result` counts the rows that are not comments."""
    columns = batch.columns
    if batch.block is not None and all(name == column for name, column in columns.items()):
        return _comment_decoder.decode(batch.block, result.report)
    records = batch.records
    if batch.block is not None:
        rows = JsonLinesDecoder(dict[str, object], columns[TEXT]).decode(batch.block, result.report)
        records = list(map(Record, rows.line_numbers, rows.values))
    line_numbers: list[int] = []
    comments: list[Comment] = []
    for line_number, fields in records:
        try:
            comments.append(comment_from_record(fields, columns))
            line_numbers.append(line_number)
        except msgspec.ValidationError as error:
            result.dropped.skip(f"{SCHEMA}: {json_error_reason(error)}", line_number)
    return line_numbers, comments


def comment_from_record(fields: Mapping[str, object], columns: Mapping[str, str]) -> Comment:
    """Return the comment in a record, its fields in these columns, else in those of their names.

    Empty fields are missing ones.

    >>> comment_from_record({"text": "Well, yes.", "id": "c1", "score": "3", "author": ""}, {"body": "text"})
    Comment(body='Well, yes.', id='c1', author=None, subreddit=None, score='3', created_utc=None, link_id=None, \
parent_id=None)

    Raises:
        msgspec.ValidationError: a field has the wrong type.
    """
    found = {name: fields.get(columns.get(name, name)) for name in _FIELDS}
    values = {name: plain_value(value) for name, value in found.items() if value != ""}
    values[TEXT] = fields.get(columns.get(TEXT, TEXT))
    return msgspec.convert(values, Comment)


def text_keys(comments: list[Comment], replies: bool) -> bytes:
    """Return 8 bytes of hash per comment: of its text, for conversations also of its parent.

    "Thanks!" in two places is a repeated comment, but a turn of two conversations.
    """
    return b"".join([_text_hash(text.encode()).digest() for text in _dedup_texts(comments, replies)])


def process_local_keys(comments: list[Comment], replies: bool) -> bytes:
    """Return the same from Python's own hash, in a fraction of the time. It differs in every process."""
    texts = _dedup_texts(comments, replies)
    hashes = np.fromiter(map(hash, texts), np.int64, len(texts)).view(np.uint64)
    # Python hashes the memory: texts of one and of two bytes per character may be equal there, but not in length.
    lengths = np.fromiter(map(len, texts), np.uint64, len(texts))
    return (hashes ^ lengths * _HASH_MULTIPLIER).tobytes()


def _dedup_texts(comments: list[Comment], replies: bool) -> list[str]:
    if replies:
        return [f"{comment.parent_id}\n{comment.body}" for comment in comments]
    return [comment.body or "" for comment in comments]


def _pseudonymize(comments: list[Comment], author_hasher: AuthorHasher | None) -> None:
    """Replace the names of authors, also in the names of their profiles, by hashes."""
    if author_hasher is None:
        for comment in comments:
            comment.author = ""
        return
    authors = author_hasher.hash_many([comment.author for comment in comments])
    for comment, author in zip(comments, authors, strict=True):
        comment.author = author
    if any(map(is_profile, {comment.subreddit for comment in comments})):
        for comment in comments:
            comment.subreddit = author_hasher.hash_profile_subreddit(comment.subreddit)
