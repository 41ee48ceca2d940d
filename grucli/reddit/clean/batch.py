"""Cleans one batch of comments: decodes it, applies the rules, hashes the authors, encodes the rows.

The result depends on the batch and the job alone, so any process can do this. What needs more than one batch
(duplicates, order, output) is done with the results.
"""

import hashlib
import sys
from collections import Counter
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
from grucli.read.fields import TEXT
from grucli.read.json_lines import WRONG_TYPE, JsonLinesDecoder, json_error_reason
from grucli.read.json_tree import plain_value
from grucli.read.missing import MISSING_VALUES, is_missing
from grucli.reddit.clean.dropped import DroppedRow, RecordEncoder, encode_bad_line
from grucli.reddit.clean.fast_path import make_batch_cleaner
from grucli.reddit.clean.number_fields import parse_number_fields
from grucli.reddit.clean.reader import RawBatch
from grucli.reddit.clean.required_fields import RequiredField, count_fields
from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.clean.rules.registry import DUPLICATE, SCHEMA
from grucli.reddit.comments import Comment
from grucli.reddit.corpus.conversations import Origin, encode_spooled
from grucli.reddit.corpus.pseudonyms import AuthorHasher, is_profile
from grucli.reddit.corpus.writer import make_batch_encoder
from grucli.reddit.names import id_text

if TYPE_CHECKING:
    from grucli.reddit.clean.dedup import Keys

_FIELDS = tuple(Comment.__struct_fields__)
_NUMBER_FIELDS = ("score", "created_utc")
_comment_decoder = JsonLinesDecoder(Comment, TEXT)
_text_hash = partial(hashlib.blake2b, digest_size=8)
_HASH_IS_64_BIT = sys.hash_info.width == 64
_HASH_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""2^64 divided by the golden ratio: its small multiples are far apart (Knuth, TAOCP 3, 6.4)."""


@dataclass(frozen=True, slots=True)
class CleanJob:
    """What to do with every batch. Picklable.

    `file_format`: of the rows. `author_hasher`: None to leave authors out. `replies`: encode rows for the conversation
    builder instead. `single_process`: all batches are cleaned in this process. `required`: fields to count.
    `keep_records`: also return every comment as it was read.
    """

    rule_config: RuleConfig
    file_format: str
    author_hasher: AuthorHasher | None
    replies: bool = False
    single_process: bool = False
    use_fast_path: bool = True
    required: tuple[RequiredField, ...] = ()
    keep_records: bool = False

    @property
    def dedup_exact(self) -> bool:
        """Whether duplicates are dropped."""
        return DUPLICATE not in self.rule_config.skip_rules


@dataclass(slots=True)
class CleanedBatch:
    """The result of one batch.

    Of the n comments kept: `rows`, encoded; `line_numbers`; `text_lengths` in characters; `dedup_keys`, n * 8 bytes;
    `near_hashes` [n, BANDS]. `report`: counts of the rows decoded here. `dropped`: counts of the comments dropped, by
    "rule" or "rule: reason". `unread`: counts of the values that could not be read, by field. `num_comments`: how many
    were decoded. `found`: how many of them have each required field. With `keep_records`, `records` are the comments
    kept, and `dropped_rows` the others and the bad rows.
    """

    source_index: int
    rows: list[bytes] = field(default_factory=list)
    line_numbers: list[int] = field(default_factory=list)
    text_lengths: list[int] = field(default_factory=list)
    dedup_keys: bytes = b""
    near_hashes: "Keys | None" = None
    report: RowReport = field(default_factory=RowReport)
    dropped: RowReport = field(default_factory=RowReport)
    unread: RowReport = field(default_factory=RowReport)
    num_comments: int = 0
    found: Counter[str] = field(default_factory=Counter)
    records: list[bytes] = field(default_factory=list)
    dropped_rows: list[DroppedRow] = field(default_factory=list)


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
        encode_record = RecordEncoder(job.author_hasher) if job.keep_records else None
        line_numbers, comments = decode_comments(batch, result, encode_record)
        if job.required:
            result.num_comments, result.found = len(comments), count_fields(comments, job.required)
        reasons = clean_comments(comments)
        if any(reasons):
            line_numbers, comments = _without_dropped(line_numbers, comments, reasons, result)
        texts = [comment.body or "" for comment in comments]
        if job.dedup_exact:
            result.dedup_keys = make_keys(comments, job.replies)
        if signatures is not None:
            result.near_hashes = signatures(texts)
        _pseudonymize(comments, job.author_hasher)
        result.rows = _spooled_rows(comments, line_numbers, result) if job.replies else encode(comments)
        result.line_numbers = list(line_numbers)
        result.text_lengths = list(map(len, texts))
        return result

    return clean_batch


def _spooled_rows(comments: list[Comment], line_numbers: Sequence[int], result: CleanedBatch) -> list[bytes]:
    if not result.records:
        return list(map(encode_spooled, comments))
    rows = zip(comments, line_numbers, result.records, strict=True)
    return [encode_spooled(each, Origin(result.source_index, line, record.decode())) for each, line, record in rows]


def _without_dropped(
    line_numbers: Sequence[int], comments: list[Comment], reasons: list[str | None], result: CleanedBatch
) -> tuple[list[int], list[Comment]]:
    """Return the comments for whose dropping there is no reason; `result` gets the others."""
    for line_number, reason in zip(line_numbers, reasons, strict=True):
        if reason is not None:
            result.dropped.skip(reason, line_number)
    is_kept = [reason is None for reason in reasons]
    if result.records:
        rows = zip(line_numbers, reasons, result.records, strict=True)
        result.dropped_rows += [DroppedRow(line, reason, record) for line, reason, record in rows if reason is not None]
        result.records = list(compress(result.records, is_kept))
    return list(compress(line_numbers, is_kept)), list(compress(comments, is_kept))


def load_minhash() -> ModuleType:
    """Import `minhash`, which needs an optional library.

    Raises:
        UsageError: the library is not installed.
    """
    return optional_imports.import_optional("grucli.reddit.clean.minhash", "near", "--near-duplicates")


def decode_comments(
    batch: RawBatch, result: CleanedBatch, encode_record: RecordEncoder | None = None
) -> tuple[Sequence[int], list[Comment]]:
    """Return the comments of a batch, their times and scores as integers, with their line numbers.

    `result` gets the counts of rows and values that cannot be read and, with `encode_record`, the records.
    """
    line_numbers, comments = _decode_batch(batch, result, encode_record)
    parse_number_fields(line_numbers, comments, batch.date_order, result.unread)
    return line_numbers, comments


def _decode_batch(
    batch: RawBatch, result: CleanedBatch, encode_record: RecordEncoder | None
) -> tuple[Sequence[int], list[Comment]]:
    has_usual_names = all(name == column for name, column in batch.columns.items())
    if batch.block is not None and has_usual_names and encode_record is None:
        rows = _comment_decoder.decode(batch.block, result.report)
        if not any(reason.endswith(WRONG_TYPE) for reason in result.report.skipped):
            return rows
        result.report = RowReport()  # other tools write ids as numbers: each field is looked at
    report = result.report
    report.bad_rows = None if encode_record is None else [*batch.bad_rows]
    records = batch.records
    if batch.block is not None:
        decoded = JsonLinesDecoder(dict[str, object], batch.columns[TEXT]).decode(batch.block, report)
        records = list(map(Record, decoded.line_numbers, decoded.values))
    result.dropped_rows = [
        DroppedRow(line, f"{SCHEMA}: {reason}", encode_bad_line(raw)) for line, reason, raw in report.bad_rows or ()
    ]
    report.bad_rows = None
    # The same rows as above give the same comments.
    convert = _convert_record if batch.block is not None and has_usual_names else comment_from_record
    line_numbers: list[int] = []
    comments: list[Comment] = []
    for line_number, fields in records:
        encoded = b"" if encode_record is None else encode_record(fields, batch.columns.get("author"))
        try:
            comments.append(convert(fields, batch.columns))
        except msgspec.ValidationError as error:
            drop_reason = f"{SCHEMA}: {json_error_reason(error)}"
            result.dropped.skip(drop_reason, line_number)
            if encode_record is not None:
                result.dropped_rows.append(DroppedRow(line_number, drop_reason, encoded))
            continue
        line_numbers.append(line_number)
        if encode_record is not None:
            result.records.append(encoded)
    return line_numbers, comments


def _convert_record(fields: dict[str, object], columns: Mapping[str, str]) -> Comment:
    try:
        return msgspec.convert(fields, Comment)
    except msgspec.ValidationError:
        return comment_from_record(fields, columns)


def comment_from_record(fields: Mapping[str, object], columns: Mapping[str, str]) -> Comment:
    """Return the comment in a record, its fields in these columns, else in those of their names.

    Fields without a value, or with one that they cannot have, are missing ones.

    >>> comment_from_record({"text": "Well, yes.", "id": 5.0, "score": "3", "author": "NaN"}, {"body": "text"})
    Comment(body='Well, yes.', id='5', author=None, subreddit=None, score='3', created_utc=None, link_id=None, \
parent_id=None)

    Raises:
        msgspec.ValidationError: the text is not one.
    """
    values = {
        name: value
        if type(value) is str and value not in MISSING_VALUES and value[-2:] != ".0"
        else _coerce(name, plain_value(value))
        for name in _FIELDS
        if (value := fields.get(columns.get(name, name))) is not None
    }
    values[TEXT] = fields.get(columns.get(TEXT, TEXT))
    return msgspec.convert(values, Comment)


def _coerce(name: str, value: object) -> object:
    """Return a value of the type of a field, or None."""
    if name not in _NUMBER_FIELDS:
        return id_text(value)
    return value if type(value) in (str, int, float) and not is_missing(value) else None


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
