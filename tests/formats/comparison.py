"""Reads an export as people do, with no option, by cleaning and by training, and compares with what is right."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import grucli
from grucli.errors import GruError
from grucli.read.blocks import RowReport
from grucli.read.rows import read_rows, read_running_text
from grucli.read.schema import ReadOptions
from grucli.read.sources import InputSource, resolve_source
from tests.formats.invented import Export

_PLACEHOLDERS = ("[deleted]", "NULL", "NA")
"""Texts that stand for none: cleaning drops them, and training may count and keep them."""

_PREFIXES = {"id": "t1_", "subreddit": "r/"}
"""What may stand before a value, as in the file."""

Row = dict[str, object]


def faults(export: Export, folder: Path) -> list[str]:
    """Return what is wrong with how an export is read, nothing if all is right."""
    return [*_cleaning_faults(export, folder / "corpus.jsonl"), *_training_faults(export)]


def _cleaning_faults(export: Export, output: Path) -> list[str]:
    try:
        rows = _clean(export, output)
    except GruError as error:
        return _refusal_faults(export, error)
    if not export.comments or export.is_running_text:
        return [f"should be refused, but is read as {[row['body'] for row in rows]}"]
    by_text = {row["body"]: row for row in rows}
    if len(by_text) != len(rows) or by_text.keys() != {comment.body for comment in export.comments}:
        return [f"texts: {list(by_text)}"]
    found = _field_faults(export, by_text)
    checks: tuple[Callable[[Export, Path], str | None], ...] = (_author_fault, _reply_fault)
    return found + [fault for check in checks if (fault := check(export, output))]


def _clean(export: Export, output: Path, *, replies: bool = False, not_author: str | None = None) -> list[Row]:
    """Return the rows of the corpus; no row kept is no error here."""
    output.unlink(missing_ok=True)
    rules = grucli.RuleConfig(not_authors=frozenset({not_author} if not_author else ()))
    grucli.clean(export.path, output, rules=rules, replies=replies, workers=1)
    return [json.loads(line) for line in output.read_text("utf-8").splitlines()] if output.exists() else []


def _refusal_faults(export: Export, error: GruError) -> list[str]:
    message = f"{error.message}\n{error.hint}"
    return [] if export.refusal and re.search(export.refusal, message) else [f"refused: {message}"]


def _field_faults(export: Export, by_text: dict[object, Row]) -> list[str]:
    """Compare ids, subreddits, scores and times, and which authors are missing; not what the file does not have."""
    found = []
    for name in ("id", "subreddit", "score", "created_utc"):
        right = {comment.body: getattr(comment, name) for comment in export.comments}
        read = {text: row[name] for text, row in by_text.items()}
        if name in _PREFIXES:
            read = {text: value and str(value).removeprefix(_PREFIXES[name]) for text, value in read.items()}
        is_left_out = name in export.unsure and not any(value is not None for value in read.values())
        if _knows(export, name) and read != right and not is_left_out:
            found.append(f"{name}: {list(read.values())}")
    if _knows(export, "author"):
        anonymous = {comment.body for comment in export.comments if comment.author is None}
        if anonymous != {text for text, row in by_text.items() if not row["author"]}:
            found.append("author: a missing name is read as a name, or a name is missed")
    return found


def _knows(export: Export, name: str) -> bool:
    return any(getattr(comment, name) is not None for comment in export.comments)


def _author_fault(export: Export, output: Path) -> str | None:
    """`--not-author` drops the author's comments only; where the file has no authors it is refused."""
    author = export.comments[-1].author
    right = {comment.body for comment in export.comments if comment.author != author}
    try:
        rows = _clean(export, output, not_author=author or "somebody")
    except GruError as error:
        return None if not author or "author" in export.unsure else f"--not-author refused: {error.message}"
    if not author and "author" not in export.unsure:
        return "--not-author is ignored, though the file has no authors"
    kept = {row["body"] for row in rows}
    return None if not author or kept == right else f"--not-author {author} keeps {sorted(map(str, kept - right))}"


def _reply_fault(export: Export, output: Path) -> str | None:
    """`--replies` makes the two threads; where the file has no parents it is refused. Without posts either is right."""
    parents, posts = _knows(export, "parent_id"), _knows(export, "link_id")
    may_refuse = not (parents and posts) or "parent_id" in export.unsure
    try:
        rows = _clean(export, output, replies=True)
    except GruError as error:
        return None if may_refuse else f"--replies refused: {error.message}"
    if not parents:
        return None if "parent_id" in export.unsure else "--replies is not refused, though the file has no parents"
    threads: dict[object, list[object]] = {}
    for row in rows:
        threads.setdefault(row["thread"], []).append(row["body"])
    texts = [comment.body for comment in export.comments]
    read = sorted(threads.values(), key=str)
    return None if read == sorted([texts[:3], texts[3:]], key=str) else f"--replies: {read}"


def _training_faults(export: Export) -> list[str]:
    try:
        source = resolve_source(str(export.path))
        read = read_running_text if source.file_format == "txt" else _read_rows
        texts = list(read(source, ReadOptions(), RowReport()))
    except GruError as error:
        return _refusal_faults(export, error)
    right = [comment.body for comment in export.comments]
    if not right:
        return [f"training: should be refused, but reads {texts}"]
    if export.is_running_text:
        is_right = source.file_format == "txt" and all(text in "".join(texts) for text in right)
    else:
        is_right = sorted(text for text in texts if text not in _PLACEHOLDERS) == sorted(right)
    return [] if is_right else [f"training: {texts}"]


def _read_rows(source: InputSource, options: ReadOptions, report: RowReport) -> Iterator[str]:
    return (row.body for row in read_rows(source, options, report))
