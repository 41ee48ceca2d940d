"""Conversations: the comments of a post as reply paths, each comment in exactly one, in bounded memory.

Replies may come anywhere before or after their parents, so all comments are spooled first: into temporary files,
partitioned by a hash of the post until each fits into memory. The files have no name once opened (on Windows they are
deleted on closing), so that nothing remains however the process ends.

A path follows from each comment its best reply; every other reply starts a new path, and so does a comment whose
parent is missing.

Where the input does not name the post, it is the one that the chain of parents leads to, else that of their first
comment. For this the ids of such comments are held in memory.
"""

import hashlib
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple, Self

import msgspec

from grucli.reddit.comments import Comment
from grucli.reddit.names import post_name

MAX_IN_MEMORY_BYTES = 1 << 24
"""Spooled bytes that are loaded at once; in memory they take about five times as much."""

DUPLICATE_ID, TOO_SHORT = "duplicate id", "short conversation"
"""Reasons for omitting a comment."""

_FANOUT_BITS = 5
_HASH_BITS = 64
_HASH_HEX_DIGITS = _HASH_BITS // 4
_UNPLACED = b" " * _HASH_HEX_DIGITS
"""Instead of the hash of a post that is not known before all comments are."""

_BUFFER_BYTES = 1 << 15
_ID_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NO_TIMESTAMP = 1 << 62
_COMMENT_PREFIX, _POST_PREFIX = "t1_", "t3_"


class ConversationRow(msgspec.Struct, gc=False):
    """A row of a corpus of conversations.

    `thread`: the post and the number of the path, such as `t3_abc.2`. `turn`: from 1.
    """

    thread: str
    turn: int
    id: str | None
    author: str | None
    subreddit: str | None
    score: int | None
    created_utc: int | None
    body: str | None


class Origin(NamedTuple):
    """Where a comment was read: the number of its source, its line, and what the caller keeps of it."""

    source_index: int
    line: int
    content: str


class _SpooledComment(msgspec.Struct, array_like=True, gc=False):
    """A comment without prefixes in its `id` and `parent`; `post` is "" if the input does not name it."""

    post: str
    id: str | None
    parent: str | None
    author: str | None
    subreddit: str | None
    score: int | None
    created_utc: int | None
    body: str | None
    origin: Origin | None = None

    @property
    def bare_id(self) -> str | None:
        return self.id.removeprefix(_COMMENT_PREFIX) if self.id else None

    @property
    def age_key(self) -> tuple[int, str, str]:
        """Sort key, the oldest first; a comment without a time is the newest."""
        return _NO_TIMESTAMP if self.created_utc is None else self.created_utc, self.id or "", self.body or ""

    @property
    def rank_key(self) -> tuple[int, tuple[int, str, str], bool, str, str]:
        """Sort key of replies: the highest score first (0 if unknown), then the oldest.

        The last three make the result independent of the order of the input.
        """
        return -(self.score or 0), self.age_key, self.score is None, self.author or "", self.subreddit or ""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_SpooledComment)


def encode_spooled(comment: Comment, origin: Origin | None = None) -> bytes:
    """Encode a comment for `ConversationBuilder.add`: the hash of its post in hexadecimal, then its fields.

    The author is stored as it is, and so must be hashed before.
    """
    post, parent = _post_and_parent(comment)
    is_placed = bool(comment.link_id) or not (comment.id or parent)
    spooled = _SpooledComment(
        post,
        comment.id,
        parent,
        comment.author,
        comment.subreddit,
        _storable_int(comment.score),
        _storable_int(comment.created_utc),
        comment.body,
        origin,
    )
    return b"%s%s\n" % (_post_hash(post) if is_placed else _UNPLACED, _encoder.encode(spooled))


def _post_hash(post: str) -> bytes:
    return hashlib.blake2b(post.encode(), digest_size=_HASH_BITS // 8).hexdigest().encode()


def same_post(record: bytes, other: bytes) -> bool:
    """Return True if two encoded comments belong to the same post, or may do so."""
    return record[:_HASH_HEX_DIGITS] == other[:_HASH_HEX_DIGITS]


def _post_and_parent(comment: Comment) -> tuple[str, str | None]:
    """Return the post of a comment, "" if it is not named, and the id of the comment that it replies to.

    A comment without a post, an id and a parent is its own post, named after its text.
    """
    post, parent = comment.link_id or "", comment.parent_id or ""
    if not post.startswith(_POST_PREFIX):
        post = post_name(post)
    if parent.startswith(_POST_PREFIX) or parent in ("", post.removeprefix(_POST_PREFIX)):
        post, parent = post or parent, ""
    parent = parent.removeprefix(_COMMENT_PREFIX)
    is_unknown = not post and (comment.id or parent)
    return "" if is_unknown else _valid_post(post, comment.body or ""), parent or None


def _valid_post(post: str, body: str = "") -> str:
    if _ID_PATTERN.fullmatch(post):
        return post
    return f"x_{hashlib.blake2b((post or body).encode(), digest_size=8).hexdigest()}"


def _storable_int(value: int | float | str | None) -> int | None:
    return value if isinstance(value, int) and abs(value) < _NO_TIMESTAMP else None


class _Partition:
    """The comments of the posts whose hashes share a prefix, of five bits per level."""

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
            with suppress(OSError):  # a full disk cannot take the buffered bytes
                self._file.close()
        self._file, self.size = None, 0


class _Partitions:
    def __init__(self, directory: Path, level: int) -> None:
        self.partitions = [_Partition(directory, level) for _ in range(1 << _FANOUT_BITS)]
        self._shift = _HASH_BITS - _FANOUT_BITS * (level + 1)

    def add(self, record: bytes) -> None:
        self.partitions[int(record[:_HASH_HEX_DIGITS], 16) >> self._shift & ((1 << _FANOUT_BITS) - 1)].add(record)


class _PostFinder:
    """Finds the posts of comments that do not name them, by following their parents."""

    def __init__(self) -> None:
        self._links: dict[str, tuple[str | None, str]] = {}
        self._posts: dict[str, str] = {}

    def add(self, comment: _SpooledComment) -> None:
        """Note the parent and the post of a comment; the first with an id counts."""
        if comment.bare_id is not None:
            self._links.setdefault(comment.bare_id, (comment.parent, comment.post))

    def find(self, comment: _SpooledComment) -> str:
        """Return the post of a comment: the one at the end of its chain of parents, or the end of the chain itself."""
        chain: dict[str, None] = {}
        current, parent, post = comment.bare_id, comment.parent, comment.post
        while not post and parent is not None and parent not in chain:
            chain[parent] = None
            current = parent
            post = self._posts.get(parent, "")
            parent, named = self._links.get(parent, (None, ""))
            post = post or named
        if not post and parent is not None:  # a cycle, which is named after its first id
            cycle = list(chain)
            current = min(cycle[cycle.index(parent) :])
        post = post or _valid_post(f"{_COMMENT_PREFIX}{current}")
        self._posts |= dict.fromkeys(chain, post)
        return post


@contextmanager
def _oserror_at(directory: Path) -> Iterator[None]:
    """Name the directory in OSErrors of the block: the files have no name."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(directory), None
        raise


class ConversationBuilder:
    """Builds conversations from comments, in any order.

        with ConversationBuilder(directory) as builder:
            for comment in comments:
                builder.add(encode_spooled(comment))
            for path in builder.paths():
                ...

    The result does not depend on the order of the comments, except that the first of two with the same id counts (one
    that names its post before one that does not), nor on `max_in_memory_bytes`; a single post that is larger is loaded
    whole. `directory` needs space for all comments.
    `omitted`: comments in no path, by reason; `orphans`: replies to comments that are missing; both complete once the
    paths have been read. `on_omitted` is called with the reason and the origin of each comment in no path that has one.

    Raises:
        OSError: the file system failed; it names the directory.
    """

    def __init__(
        self,
        directory: Path,
        max_in_memory_bytes: int = MAX_IN_MEMORY_BYTES,
        on_omitted: Callable[[str, Origin], None] | None = None,
    ) -> None:
        self.omitted: Counter[str] = Counter()
        self.orphans = 0
        self._on_omitted = on_omitted
        self._directory = directory
        self._max_in_memory_bytes = max_in_memory_bytes
        self._root = _Partitions(directory, 0)
        self._unplaced = _Partition(directory, 0)
        self._posts = _PostFinder()
        self._pending = self._root.partitions[::-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for partition in [*self._pending, self._unplaced]:
            partition.close()

    def add(self, record: bytes) -> None:
        """Spool a comment, as `encode_spooled` returned it."""
        if record.startswith(_UNPLACED):
            self._unplaced.add(record)
            self._posts.add(_decoder.decode(record[_HASH_HEX_DIGITS:]))
        else:
            self._root.add(record)

    def paths(self, min_turns: int = 1) -> Iterator[list[ConversationRow]]:
        """Yield the conversations of at least `min_turns` turns, once; those of a post are consecutive."""
        for record in self._unplaced.records():
            comment = _decoder.decode(record[_HASH_HEX_DIGITS:])
            comment.post = self._posts.find(comment)
            self._root.add(b"%s%s\n" % (_post_hash(comment.post), _encoder.encode(comment)))
        self._unplaced.close()
        while self._pending:
            partition = self._pending[-1]
            is_divisible = not partition.single_post and (partition.level + 2) * _FANOUT_BITS <= _HASH_BITS
            if partition.size > self._max_in_memory_bytes and is_divisible:
                subpartitions = _Partitions(self._directory, partition.level + 1)
                self._pending += subpartitions.partitions[::-1]
                for record in partition.records():
                    subpartitions.add(record)
            else:
                for post, comments in self._read_posts(partition.records()):
                    yield from self._paths(post, comments, min_turns)
                self._pending.pop()
            partition.close()

    def _paths(self, post: str, comments: Sequence[_SpooledComment], min_turns: int) -> Iterator[list[ConversationRow]]:
        parents = _parent_indices(comments)
        self.orphans += sum(index < 0 and comments[row].parent is not None for row, index in enumerate(parents))
        for path_number, path in enumerate(reply_paths(comments, parents), 1):
            if len(path) < min_turns:
                for index in path:
                    self._omit(TOO_SHORT, comments[index])
                continue
            thread = f"{post}.{path_number}"
            yield [
                ConversationRow(thread, turn, one.id, one.author, one.subreddit, one.score, one.created_utc, one.body)
                for turn, one in enumerate((comments[index] for index in path), 1)
            ]

    def _read_posts(self, records: Iterator[bytes]) -> Iterator[tuple[str, list[_SpooledComment]]]:
        """Yield the comments of each post, by hash: the order does not depend on the partitions."""
        posts: dict[tuple[bytes, str], dict[str | int, _SpooledComment]] = {}
        for record_index, record in enumerate(records):
            comment = _decoder.decode(record[_HASH_HEX_DIGITS:])
            comments = posts.setdefault((record[:_HASH_HEX_DIGITS], comment.post), {})
            if (
                comments.setdefault(record_index if comment.bare_id is None else comment.bare_id, comment)
                is not comment
            ):
                self._omit(DUPLICATE_ID, comment)
        for key in sorted(posts):
            yield key[1], list(posts.pop(key).values())

    def _omit(self, reason: str, comment: _SpooledComment) -> None:
        self.omitted[reason] += 1
        if self._on_omitted is not None and comment.origin is not None:
            self._on_omitted(reason, comment.origin)


def reply_paths(comments: Sequence[_SpooledComment], parents: Sequence[int]) -> Iterator[list[int]]:
    """Yield paths as indices into `comments`, depth first, the best reply first; `parents`: see `_parent_indices`.

    Each index is in exactly one path, even if parents form a cycle. Not recursive: a chain of replies may be long.
    """
    children: list[list[int]] = [[] for _ in comments]
    pending: list[int] = []
    for index in sorted(range(len(comments)), key=lambda position: comments[position].rank_key, reverse=True):
        (pending if parents[index] < 0 else children[parents[index]]).append(index)
    while pending:
        path = [pending.pop()]
        while replies := children[path[-1]]:
            best = replies.pop()
            pending += replies
            path.append(best)
        yield path


def _parent_indices(comments: Sequence[_SpooledComment]) -> list[int]:
    """Return the index of each comment's parent, or -1 if it is missing.

    A cycle, which only a corrupt or crafted file contains, is cut before its oldest comment.
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
            parents[min(cycle, key=lambda position: comments[position].age_key)] = -1
    return parents
