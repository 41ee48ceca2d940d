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

MAX_IN_MEMORY_BYTES = 1 << 24
"""Bytes of comments, as they lie in a file, taken into memory at once, where they are about five times as big."""

DUPLICATE_ID, TOO_SHORT = "duplicate id", "short conversation"
"""The reasons for which a comment is in no path."""

_FANOUT_BITS = 5
_HASH_BITS = 64
_HASH_HEX_DIGITS = _HASH_BITS // 4
_BUFFER_BYTES = 1 << 15
_ID_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NO_TIMESTAMP = 1 << 62


class ConversationRow(msgspec.Struct, gc=False):
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


class _SpooledComment(msgspec.Struct, array_like=True, gc=False):
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
    def bare_id(self) -> str | None:
        """What replies call this comment."""
        return self.id.removeprefix("t1_") if self.id else None

    @property
    def age_key(self) -> tuple[int, str, str]:
        """Sorts comments: the oldest first. One without a time is as new as can be."""
        return _NO_TIMESTAMP if self.created_utc is None else self.created_utc, self.id or "", self.body or ""

    @property
    def rank_key(self) -> tuple[int, tuple[int, str, str], bool, str, str]:
        """Sorts replies: the best-scored first, of those the oldest. A score that is not known counts as 0.

        What comes last only sees to it that the order they were read in makes no difference.
        """
        return -(self.score or 0), self.age_key, self.score is None, self.author or "", self.subreddit or ""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_SpooledComment)


def encode_spooled(comment: Comment) -> bytes:
    """A comment in the form in which it is put aside: a pure function, for other processes to call.

    The author is kept as it stands there, and so has to be a hash already.
    """
    spooled = _SpooledComment(
        _post_id(comment),
        comment.id,
        _parent_id(comment.parent_id),
        comment.author,
        comment.subreddit,
        _storable_int(comment.score),
        _storable_int(comment.created_utc),
        comment.body,
    )
    try:
        text = _encoder.encode(spooled)
    except UnicodeEncodeError:  # half of a surrogate pair, which no file in UTF-8 can hold
        values = msgspec.structs.astuple(spooled)
        text = _encoder.encode([v.encode("utf-8", "replace").decode() if isinstance(v, str) else v for v in values])
    return b"%s%s\n" % (hashlib.blake2b(spooled.post.encode(), digest_size=_HASH_BITS // 8).hexdigest().encode(), text)


def same_post(record: bytes, other: bytes) -> bool:
    """Whether two comments, as they are put aside, are of the same post."""
    return record[:_HASH_HEX_DIGITS] == other[:_HASH_HEX_DIGITS]


def _post_id(comment: Comment) -> str:
    """The post a comment is of. One that does not say is of a post of its own, called by its id, or else its text."""
    parent = comment.parent_id or ""
    post = comment.link_id or (parent if parent.startswith("t3_") else "")
    if not post and comment.id:
        post = f"t1_{comment.id.removeprefix('t1_')}"
    if _ID_PATTERN.fullmatch(post):
        return post
    return f"x_{hashlib.blake2b((post or comment.body or '').encode('utf-8', 'replace'), digest_size=8).hexdigest()}"


def _parent_id(name: str | None) -> str | None:
    """The comment that is replied to; None where that is the post."""
    return name.removeprefix("t1_") if name and not name.startswith("t3_") else None


def _storable_int(value: int | float | str | None) -> int | None:
    """A whole number that a file of ours can hold."""
    return value if isinstance(value, int) and abs(value) < _NO_TIMESTAMP else None


class _Partition:
    """The comments of some posts: those whose hashes begin with the same bits, five for each level above this one."""

    def __init__(self, directory: Path, level: int) -> None:
        self.level = level
        self.size = 0
        self.single_post = True
        self._hash_prefix = b""
        self._directory = directory
        self._file: IO[bytes] | None = None

    def add(self, record: bytes) -> None:
        with _oserror_at(self._directory):
            if self._file is None:
                self._hash_prefix = record[:_HASH_HEX_DIGITS]
                self._directory.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=self._directory, buffering=_BUFFER_BYTES)  # noqa: SIM115 - kept open
            self._file.write(record)
        self.size += len(record)
        self.single_post = self.single_post and record.startswith(self._hash_prefix)

    def records(self) -> Iterator[bytes]:
        if self._file is not None:
            with _oserror_at(self._directory):
                self._file.seek(0)
            yield from self._file

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # of a full disk, on which the last of it could not be put
                self._file.close()
        self._file, self.size = None, 0


class _Partitions:
    """Comments divided by the next few bits of the hashes of their posts."""

    def __init__(self, directory: Path, level: int) -> None:
        self.partitions = [_Partition(directory, level) for _ in range(1 << _FANOUT_BITS)]
        self._shift = _HASH_BITS - _FANOUT_BITS * (level + 1)

    def add(self, record: bytes) -> None:
        self.partitions[int(record[:_HASH_HEX_DIGITS], 16) >> self._shift & ((1 << _FANOUT_BITS) - 1)].add(record)


@contextmanager
def _oserror_at(directory: Path) -> Iterator[None]:
    """Let an error of the disk say where it was, since the files have no name."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(directory), None
        raise


class ConversationBuilder:
    """Puts comments together into conversations.

    All of them are added first, then the paths are read, once. What comes out depends on the comments alone, and of two
    with one id, on which is first: not on the order of the rest, nor on `limit_bytes`.

        with ConversationBuilder(folder) as threads:
            for comment in comments:
                threads.add(encode_spooled(comment))
            for path in threads.paths():
                ...

    `folder`: where there is room for all comments. `limit_bytes`: how many may be in memory at once; a post that has
    more is taken whole. `left_out`: how many comments are in no path, by reason, once the paths have been read.

    Raises:
        OSError: the file system refused, the disk is full; it names the folder.
    """

    def __init__(self, directory: Path, max_in_memory_bytes: int = MAX_IN_MEMORY_BYTES) -> None:
        """Prepare; nothing happens to the disk yet."""
        self.omitted: Counter[str] = Counter()
        self._directory = directory
        self._max_in_memory_bytes = max_in_memory_bytes
        self._root = _Partitions(directory, 0)
        self._pending = self._root.partitions[::-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        for partition in self._pending:
            partition.close()

    def add(self, record: bytes) -> None:
        """Put a comment aside, as `spool_record` gave it."""
        self._root.add(record)

    def paths(self, min_turns: int = 1) -> Iterator[list[ConversationRow]]:
        """The conversations of `min_turns` or more turns; the paths of one post stand together."""
        while self._pending:
            partition = self._pending[-1]
            if (
                partition.size > self._max_in_memory_bytes
                and not partition.single_post
                and (partition.level + 2) * _FANOUT_BITS <= _HASH_BITS
            ):
                subpartitions = _Partitions(self._directory, partition.level + 1)
                self._pending += subpartitions.partitions[::-1]
                for record in partition.records():
                    subpartitions.add(record)
            else:
                for post, comments in _posts(partition.records(), self.omitted):
                    yield from self._paths(post, comments, min_turns)
                self._pending.pop()
            partition.close()

    def _paths(self, post: str, comments: Sequence[_SpooledComment], min_turns: int) -> Iterator[list[ConversationRow]]:
        for path_number, path in enumerate(reply_paths(comments), 1):
            if len(path) < min_turns:
                self.omitted[TOO_SHORT] += len(path)
                continue
            thread = f"{post}.{path_number}"
            yield [_make_row(thread, turn, comments[index]) for turn, index in enumerate(path, 1)]


def _make_row(thread: str, turn: int, comment: _SpooledComment) -> ConversationRow:
    return ConversationRow(
        thread, turn, comment.id, comment.author, comment.subreddit, comment.score, comment.created_utc, comment.body
    )


def _posts(records: Iterator[bytes], omitted: Counter[str]) -> Iterator[tuple[str, list[_SpooledComment]]]:
    """The comments of each post, in the order of the posts' hashes: how they were divided makes no difference."""
    posts: dict[tuple[bytes, str], dict[str | int, _SpooledComment]] = {}
    for record_index, record in enumerate(records):
        comment = _decoder.decode(record[_HASH_HEX_DIGITS:])
        comments = posts.setdefault((record[:_HASH_HEX_DIGITS], comment.post), {})
        if comments.setdefault(record_index if comment.bare_id is None else comment.bare_id, comment) is not comment:
            omitted[DUPLICATE_ID] += 1
    for key in sorted(posts):
        yield key[1], list(posts.pop(key).values())


def reply_paths(comments: Sequence[_SpooledComment]) -> Iterator[list[int]]:
    """The places of `comments` in paths from the top down, as one meets them who reads the best reply first.

    Every place is in exactly one path, whatever the comments say of each other; nothing here calls itself, so that a
    chain of replies may be as long as it likes.
    """
    parents = _parent_indices(comments)
    children: list[list[int]] = [[] for _ in comments]
    pending: list[int] = []
    for index in sorted(range(len(comments)), key=lambda place: comments[place].rank_key, reverse=True):
        (pending if parents[index] < 0 else children[parents[index]]).append(index)
    while pending:
        path = [pending.pop()]
        while replies := children[path[-1]]:
            best = replies.pop()
            pending += replies
            path.append(best)
        yield path


def _parent_indices(comments: Sequence[_SpooledComment]) -> list[int]:
    """The place of what each comment replies to, or -1 where that is not here.

    Comments that reply to each other in a ring, which only a damaged or a made-up file can say, begin at the oldest.
    """
    indices = {comment.bare_id: index for index, comment in enumerate(comments) if comment.bare_id is not None}
    parents = [-1 if comment.parent is None else indices.get(comment.parent, -1) for comment in comments]
    visited_from = [-1] * len(comments)
    for start in range(len(comments)):
        current = start
        while current >= 0 and visited_from[current] < 0:
            visited_from[current] = start
            current = parents[current]
        if current >= 0 and visited_from[current] == start:
            cycle = [current]
            while (current := parents[current]) != cycle[0]:
                cycle.append(current)
            parents[min(cycle, key=lambda place: comments[place].age_key)] = -1
    return parents
