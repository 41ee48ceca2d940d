"""Conversations: the comments of a post as paths from the top down, each comment in one path, in bounded memory.

Replies may lie anywhere behind, or before, what they reply to, so every comment is put aside first, with the comments
of its post: in temporary files that are divided by a hash of the post until one fits into memory. The files have no
name from the moment they are opened (on Windows they go when they are closed), so that nothing is left behind however
the process ends.

A path goes from a comment to the best of its replies, and on to the best of that one's; each reply that is not the best
begins a path of its own, without what it replies to, and so does a comment whose parent is not there.
"""

import hashlib
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from grucli.reddit.comments import Comment

LIMIT = 1 << 24
"""Bytes of comments, as they lie in a file, taken into memory at once, where they are about five times as big."""

TWICE, SHORT = "duplicate id", "short conversation"
"""The reasons for which a comment is in no path."""

_FAN_BITS = 5
_HASH_BITS = 64
_LEAD = _HASH_BITS // 4
_BUFFER = 1 << 15
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NEVER = 1 << 62


class Turn(msgspec.Struct, gc=False):
    """A comment at its place in a conversation; its fields are the columns of a corpus of conversations.

    `thread`: the post and the number of the path, `t3_abc.2`. `turn`: from 1.
    """

    thread: str
    turn: int
    id: str | None
    author: str | None
    subreddit: str | None
    score: int | None
    created_utc: int | None
    body: str | None


class _Kept(msgspec.Struct, array_like=True, gc=False):
    """A comment as it is put aside."""

    post: str
    id: str | None
    parent: str | None
    author: str | None
    subreddit: str | None
    score: int | None
    created_utc: int | None
    body: str | None

    @property
    def name(self) -> str | None:
        """What replies call this comment."""
        return self.id.removeprefix("t1_") if self.id else None

    @property
    def age(self) -> tuple[int, str, str]:
        """Sorts comments: the oldest first. One without a time is as new as can be."""
        return _NEVER if self.created_utc is None else self.created_utc, self.id or "", self.body or ""

    @property
    def order(self) -> tuple[int, tuple[int, str, str], bool, str, str]:
        """Sorts replies: the best-scored first, of those the oldest. A score that is not known counts as 0.

        What comes last only sees to it that the order they were read in makes no difference.
        """
        return -(self.score or 0), self.age, self.score is None, self.author or "", self.subreddit or ""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Kept)


def spool_record(comment: Comment) -> bytes:
    """A comment in the form in which it is put aside: a pure function, for other processes to call.

    The author is kept as it stands there, and so has to be a hash already.
    """
    kept = _Kept(
        _post(comment),
        comment.id,
        _parent(comment.parent_id),
        comment.author,
        comment.subreddit,
        _number(comment.score),
        _number(comment.created_utc),
        comment.body,
    )
    try:
        text = _encoder.encode(kept)
    except UnicodeEncodeError:  # half of a surrogate pair, which no file in UTF-8 can hold
        values = msgspec.structs.astuple(kept)
        text = _encoder.encode([v.encode("utf-8", "replace").decode() if isinstance(v, str) else v for v in values])
    return b"%s%s\n" % (hashlib.blake2b(kept.post.encode(), digest_size=_HASH_BITS // 8).hexdigest().encode(), text)


def is_of_one_post(record: bytes, other: bytes) -> bool:
    """Whether two comments, as they are put aside, are of the same post."""
    return record[:_LEAD] == other[:_LEAD]


def _post(comment: Comment) -> str:
    """The post a comment is of. One that does not say is of a post of its own, called by its id, or else its text."""
    parent = comment.parent_id or ""
    post = comment.link_id or (parent if parent.startswith("t3_") else "")
    if not post and comment.id:
        post = f"t1_{comment.id.removeprefix('t1_')}"
    if _NAME.fullmatch(post):
        return post
    return f"x_{hashlib.blake2b((post or comment.body or '').encode('utf-8', 'replace'), digest_size=8).hexdigest()}"


def _parent(name: str | None) -> str | None:
    """The comment that is replied to; None where that is the post."""
    return name.removeprefix("t1_") if name and not name.startswith("t3_") else None


def _number(value: int | float | str | None) -> int | None:
    """A whole number that a file of ours can hold."""
    return value if isinstance(value, int) and abs(value) < _NEVER else None


class _Part:
    """The comments of some posts: those whose hashes begin with the same bits, five for each level above this one."""

    def __init__(self, folder: Path, level: int) -> None:
        self.level = level
        self.size = 0
        self.lone = True
        self._lead = b""
        self._folder = folder
        self._file: IO[bytes] | None = None

    def add(self, record: bytes) -> None:
        with _room(self._folder):
            if self._file is None:
                self._lead = record[:_LEAD]
                self._folder.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=_BUFFER)  # noqa: SIM115 - kept open
            self._file.write(record)
        self.size += len(record)
        self.lone = self.lone and record.startswith(self._lead)

    def records(self) -> Iterator[bytes]:
        if self._file is not None:
            with _room(self._folder):
                self._file.seek(0)
            yield from self._file

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # of a full disk, on which the last of it could not be put
                self._file.close()
        self._file, self.size = None, 0


class _Parts:
    """Comments divided by the next few bits of the hashes of their posts."""

    def __init__(self, folder: Path, level: int) -> None:
        self.parts = [_Part(folder, level) for _ in range(1 << _FAN_BITS)]
        self._shift = _HASH_BITS - _FAN_BITS * (level + 1)

    def add(self, record: bytes) -> None:
        self.parts[int(record[:_LEAD], 16) >> self._shift & ((1 << _FAN_BITS) - 1)].add(record)


@contextmanager
def _room(folder: Path) -> Iterator[None]:
    """Let an error of the disk say where it was, since the files have no name."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(folder), None
        raise


class Threads:
    """Puts comments together into conversations.

    All of them are added first, then the paths are read, once. What comes out depends on the comments alone, and of two
    with one id, on which is first: not on the order of the rest, nor on `limit_bytes`.

        with Threads(folder) as threads:
            for comment in comments:
                threads.add(spool_record(comment))
            for path in threads.paths():
                ...

    `folder`: where there is room for all comments. `limit_bytes`: how many may be in memory at once; a post that has
    more is taken whole. `left_out`: how many comments are in no path, by reason, once the paths have been read.

    Raises:
        OSError: the file system refused, the disk is full; it names the folder.
    """

    def __init__(self, folder: Path, limit_bytes: int = LIMIT) -> None:
        """Prepare; nothing happens to the disk yet."""
        self.left_out: Counter[str] = Counter()
        self._folder = folder
        self._limit = limit_bytes
        self._top = _Parts(folder, 0)
        self._parts = self._top.parts[::-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for part in self._parts:
            part.close()

    def add(self, record: bytes) -> None:
        """Put a comment aside, as `spool_record` gave it."""
        self._top.add(record)

    def paths(self, min_turns: int = 1) -> Iterator[list[Turn]]:
        """The conversations of `min_turns` or more turns; the paths of one post stand together."""
        while self._parts:
            part = self._parts[-1]
            if part.size > self._limit and not part.lone and (part.level + 2) * _FAN_BITS <= _HASH_BITS:
                inner = _Parts(self._folder, part.level + 1)
                self._parts += inner.parts[::-1]
                for record in part.records():
                    inner.add(record)
            else:
                for post, comments in _posts(part.records(), self.left_out):
                    yield from self._paths(post, comments, min_turns)
                self._parts.pop()
            part.close()

    def _paths(self, post: str, comments: Sequence[_Kept], min_turns: int) -> Iterator[list[Turn]]:
        for number, path in enumerate(paths_through(comments), 1):
            if len(path) < min_turns:
                self.left_out[SHORT] += len(path)
                continue
            thread = f"{post}.{number}"
            yield [_turn(thread, turn, comments[place]) for turn, place in enumerate(path, 1)]


def _turn(thread: str, turn: int, kept: _Kept) -> Turn:
    return Turn(thread, turn, kept.id, kept.author, kept.subreddit, kept.score, kept.created_utc, kept.body)


def _posts(records: Iterator[bytes], left_out: Counter[str]) -> Iterator[tuple[str, list[_Kept]]]:
    """The comments of each post, in the order of the posts' hashes: how they were divided makes no difference."""
    posts: dict[tuple[bytes, str], dict[str | int, _Kept]] = {}
    for number, record in enumerate(records):
        kept = _decoder.decode(record[_LEAD:])
        comments = posts.setdefault((record[:_LEAD], kept.post), {})
        if comments.setdefault(number if kept.name is None else kept.name, kept) is not kept:
            left_out[TWICE] += 1
    for key in sorted(posts):
        yield key[1], list(posts.pop(key).values())


def paths_through(comments: Sequence[_Kept]) -> Iterator[list[int]]:
    """The places of `comments` in paths from the top down, as one meets them who reads the best reply first.

    Every place is in exactly one path, whatever the comments say of each other; nothing here calls itself, so that a
    chain of replies may be as long as it likes.
    """
    above = _above(comments)
    below: list[list[int]] = [[] for _ in comments]
    waiting: list[int] = []
    for place in sorted(range(len(comments)), key=lambda place: comments[place].order, reverse=True):
        (waiting if above[place] < 0 else below[above[place]]).append(place)
    while waiting:
        path = [waiting.pop()]
        while replies := below[path[-1]]:
            best = replies.pop()
            waiting += replies
            path.append(best)
        yield path


def _above(comments: Sequence[_Kept]) -> list[int]:
    """The place of what each comment replies to, or -1 where that is not here.

    Comments that reply to each other in a ring, which only a damaged or a made-up file can say, begin at the oldest.
    """
    places = {comment.name: place for place, comment in enumerate(comments) if comment.name is not None}
    above = [-1 if comment.parent is None else places.get(comment.parent, -1) for comment in comments]
    walks = [-1] * len(comments)
    for start in range(len(comments)):
        here = start
        while here >= 0 and walks[here] < 0:
            walks[here] = start
            here = above[here]
        if here >= 0 and walks[here] == start:
            ring = [here]
            while (here := above[here]) != ring[0]:
                ring.append(here)
            above[min(ring, key=lambda place: comments[place].age)] = -1
    return above
