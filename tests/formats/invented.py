"""Invented comments, what is right for a file of them, the table of makers, and writers of the usual shapes."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

SUBREDDIT = "breadtalk"
POST_ID = "t3_loaf01"
_NOON = 1_673_784_000  # 2023-01-15 12:00:00 UTC
_HOUR = 3600


class InventedComment(NamedTuple):
    """A comment, with the ids of Reddit. A field is None where a file does not have it."""

    body: str
    id: str | None = None
    author: str | None = None
    subreddit: str | None = None
    score: int | None = None
    created_utc: int | None = None
    link_id: str | None = None
    parent_id: str | None = None

    @property
    def user(self) -> str:
        return f"u/{self.author}"

    @property
    def name(self) -> str:
        return f"t1_{self.id}"

    @property
    def link(self) -> str:
        return (self.link_id or "").removeprefix("t3_")

    @property
    def parent(self) -> str | None:
        """The bare id of the comment that this one replies to."""
        parent = self.parent_id or ""
        return parent.removeprefix("t1_") if parent.startswith("t1_") else None

    @property
    def permalink(self) -> str:
        return f"/r/{SUBREDDIT}/comments/{self.link}/why_did_my_loaf_collapse/{self.id}/"

    @property
    def url(self) -> str:
        return f"https://www.reddit.com{self.permalink}"

    @property
    def date(self) -> datetime:
        return datetime.fromtimestamp(self.created_utc or 0, UTC)

    @property
    def clock(self) -> str:
        return f"{self.date:%Y-%m-%d %H:%M:%S}"

    @property
    def iso(self) -> str:
        return f"{self.date:%Y-%m-%dT%H:%M:%S}.000Z"


def _comment(number: int, author: str, score: int, parent_id: str, body: str) -> InventedComment:
    return InventedComment(body, f"k1aa0{number}", author, SUBREDDIT, score, _NOON + number * _HOUR, POST_ID, parent_id)


COMMENTS = (
    _comment(1, "crumb_counter", 12, POST_ID, "The dough rose twice, then it fell; I blame the oven."),
    _comment(2, "RyeAndShine", -3, "t1_k1aa01", 'Mine did that too. "Room temperature" means nothing in January.'),
    _comment(3, "crumb_counter", 0, "t1_k1aa02", "So I should move it\nnext to the radiator?"),
    _comment(4, "oven-watcher", 7, POST_ID, "Für Roggen nehme ich Sauerteig, im Café um die Ecke gekauft."),
    _comment(5, "Levain_Lady", 1, "t1_k1aa04", "No oven, no problem: a pan with a lid works as well."),
)
"""Two threads: 1, 2, 3 and 4, 5. No rule of cleaning changes a text."""

ONE_LINE = tuple(comment._replace(body=comment.body.replace("\n", " ")) for comment in COMMENTS)
"""The same without line breaks, for tools that cannot write them."""

ALL = ("id", "author", "subreddit", "score", "created_utc", "link_id", "parent_id")


@dataclass(frozen=True)
class Export:
    """A file, and what is right: the comments it holds, or `refusal`, a pattern that the message of the error matches.

    With both, either is right. `unsure`: fields that could also be refused, as the file names two columns for them.
    `is_running_text`: training reads the texts, and cleaning says that there are no comments.
    """

    path: Path
    comments: tuple[InventedComment, ...] = ()
    refusal: str | None = None
    unsure: frozenset[str] = frozenset()
    is_running_text: bool = False

    def or_refused(self, refusal: str) -> "Export":
        return replace(self, refusal=refusal)


Maker = Callable[[Path], Export]
TOOLS: dict[str, Maker] = {}
"""The table of makers, by name: each writes into a folder."""


def tool(maker: Maker) -> Maker:
    """Add a maker to the table."""
    TOOLS[maker.__name__] = maker
    return maker


def known(*fields: str, of: Sequence[InventedComment] = COMMENTS) -> tuple[InventedComment, ...]:
    """Return the comments with the body and these fields only."""
    return tuple(InventedComment(**{name: getattr(comment, name) for name in ("body", *fields)}) for comment in of)


Cell = str | Callable[[InventedComment], object]
"""A column: an attribute of the comment, or a function of it."""


def always(value: object) -> Cell:
    return lambda comment: value


def number(comment: InventedComment) -> int:
    """Return the row of a comment, from 0."""
    return int((comment.id or "")[-1]) - 1


def cell(comment: InventedComment, column: Cell) -> object:
    return getattr(comment, column) if isinstance(column, str) else column(comment)


def row(comment: InventedComment, columns: Mapping[str, Cell]) -> dict[str, object]:
    return {name: cell(comment, column) for name, column in columns.items()}


def write_table(
    path: Path,
    columns: Mapping[str, Cell],
    of: Iterable[InventedComment] = COMMENTS,
    *,
    header: bool = True,
    delimiter: str = ",",
    quoting: Literal[0, 1, 2, 3] = csv.QUOTE_MINIMAL,
    line_end: str = "\n",
    encoding: str = "utf-8",
    before: str = "",
    after: str = "",
) -> Path:
    """Write a delimited file. `before` and `after` are lines around it."""
    text = io.StringIO(newline="")
    quote = None if quoting == csv.QUOTE_NONE else '"'
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, quotechar=quote, lineterminator=line_end)
    if header:
        writer.writerow(columns)
    writer.writerows([cell(comment, column) for column in columns.values()] for comment in of)
    path.write_bytes(f"{before}{text.getvalue()}{after}".encode(encoding))
    return path


def write_lines(path: Path, rows: Iterable[object], *, ascii_only: bool = True) -> Path:
    """Write JSON lines."""
    path.write_text("".join(json.dumps(one, ensure_ascii=ascii_only) + "\n" for one in rows), "utf-8")
    return path


def write_json(path: Path, document: object, indent: int | None = None, *, encoding: str = "utf-8") -> Path:
    """Write one JSON document."""
    path.write_bytes(json.dumps(document, indent=indent, ensure_ascii=False).encode(encoding))
    return path


REDDIT: dict[str, Cell] = {
    "author": "author",
    "author_flair_text": always(None),
    "author_fullname": always("t2_9zzz"),
    "body": "body",
    "controversiality": always(0),
    "created_utc": "created_utc",
    "distinguished": always(None),
    "edited": always(False),
    "gilded": always(0),
    "id": "id",
    "is_submitter": always(False),
    "link_id": "link_id",
    "parent_id": "parent_id",
    "permalink": "permalink",
    "retrieved_on": always(1_680_000_000),
    "score": "score",
    "stickied": always(False),
    "subreddit": "subreddit",
    "subreddit_id": always("t5_2b4d1"),
}
"""The fields of a comment in dumps and answers of Reddit."""

POST: dict[str, object] = {
    "author": "first_loaf",
    "created_utc": _NOON,
    "id": POST_ID.removeprefix("t3_"),
    "name": POST_ID,
    "num_comments": len(COMMENTS),
    "permalink": f"/r/{SUBREDDIT}/comments/loaf01/why_did_my_loaf_collapse/",
    "score": 41,
    "selftext": "It looked fine until I opened the door.",
    "subreddit": SUBREDDIT,
    "title": "Why did my loaf collapse?",
    "url": "https://www.reddit.com/r/breadtalk/comments/loaf01/why_did_my_loaf_collapse/",
}
"""The post that the comments reply to."""


def reddit(comment: InventedComment) -> dict[str, object]:
    return row(comment, REDDIT)


def tree(
    make: Callable[[InventedComment], dict[str, object]], key: str, parent_id: str = POST_ID
) -> list[dict[str, object]]:
    """Return the comments as objects, each with its replies in a list `key`."""
    return [
        make(comment) | {key: tree(make, key, comment.name)} for comment in COMMENTS if comment.parent_id == parent_id
    ]
