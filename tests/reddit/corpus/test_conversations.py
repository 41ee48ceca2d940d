"""Conversations: the paths of a naive implementation, whatever the input says about replies."""

import errno
import os
import random
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.reddit.comments import Comment
from grucli.reddit.corpus.conversations import (
    DUPLICATE_ID,
    TOO_SHORT,
    ConversationBuilder,
    ConversationRow,
    encode_spooled,
)


def build_conversations(
    comments: Iterable[Comment], directory: Path, limit: int = 1 << 20, min_turns: int = 1
) -> list[list[ConversationRow]]:
    with ConversationBuilder(directory, limit) as builder:
        for comment in comments:
            builder.add(encode_spooled(comment))
        result = list(builder.paths(min_turns))
    assert list(directory.iterdir()) == []
    return result


def make_comments(*links: tuple[str, str | None, int], post: str = "t3_p") -> list[Comment]:
    """Make comments of one post from (id, parent, score)."""
    return [
        Comment(f"says {id_}", id_, "a1b2", "cats", score, 100, post, f"t1_{parent}" if parent else post)
        for id_, parent, score in links
    ]


def path_names(paths: list[list[ConversationRow]]) -> dict[str, str]:
    assert all([turn.turn for turn in path] == list(range(1, len(path) + 1)) for path in paths)
    assert all(len({turn.thread for turn in path}) == 1 for path in paths)
    return {path[0].thread: " ".join(turn.id or "-" for turn in path) for path in paths}


def test_the_best_reply_is_followed_first(tmp_path: Path) -> None:
    comments = make_comments(
        ("a", None, 5), ("b", "a", 1), ("c", "a", 9), ("d", "c", -2), ("e", None, 7), ("f", "c", -1), ("g", "f", 0)
    )
    assert path_names(build_conversations(comments, tmp_path)) == {
        "t3_p.1": "e",
        "t3_p.2": "a c f g",
        "t3_p.3": "d",
        "t3_p.4": "b",
    }


def test_of_equal_scores_the_older_and_then_the_lower_id_is_first(tmp_path: Path) -> None:
    comments = make_comments(("a", None, 0), ("b", "a", 3), ("c", "a", 3), ("d", "a", 3))
    comments[1].created_utc = 300
    comments[3].created_utc = None
    assert list(path_names(build_conversations(comments, tmp_path)).values()) == ["a c", "b", "d"]
    comments[1].created_utc = 100
    assert list(path_names(build_conversations(comments, tmp_path)).values()) == ["a b", "c", "d"]
    comments[2].score = None  # not known: as good as 0
    comments[1].score = -1
    comments[3].score = -2
    assert list(path_names(build_conversations(comments, tmp_path)).values()) == ["a c", "b", "d"]


def test_everything_that_is_known_comes_along(tmp_path: Path) -> None:
    comment = Comment("hello\n\u2028there", "c1", "a1b2", "cats", -3, 1_130_000_000, "t3_p", "t3_p")
    [[turn]] = build_conversations([comment], tmp_path)
    assert turn == ConversationRow("t3_p.1", 1, "c1", "a1b2", "cats", -3, 1_130_000_000, "hello\n\u2028there")


def test_a_comment_whose_parent_is_not_there_begins_a_path(tmp_path: Path) -> None:
    comments = make_comments(("b", "gone", 1), ("c", "b", 1), ("a", None, 0))
    assert list(path_names(build_conversations(comments, tmp_path)).values()) == ["b c", "a"]


def test_replies_may_come_before_what_they_reply_to(tmp_path: Path) -> None:
    comments = make_comments(("a", None, 1), ("b", "a", 1), ("c", "b", 1), ("d", "a", 0))
    result = path_names(build_conversations(comments, tmp_path))
    for _ in range(5):
        random.Random(1).shuffle(comments)
        assert path_names(build_conversations(comments, tmp_path)) == result


@pytest.mark.parametrize(
    ("links", "paths"),
    [
        ([("a", "a", 1)], ["a"]),
        ([("a", "b", 1), ("b", "a", 9)], ["a b"]),
        ([("c", "b", 1), ("a", "c", 1), ("b", "a", 1), ("x", "b", 7), ("y", "x", 7)], ["a b x y", "c"]),
        ([("a", "b", 1), ("b", "c", 1), ("c", "b", 2)], ["b c", "a"]),
    ],
)
def test_cycles_are_cut_before_the_oldest(tmp_path: Path, links: list[tuple[str, str, int]], paths: list[str]) -> None:
    assert list(path_names(build_conversations(make_comments(*links), tmp_path)).values()) == paths


def test_of_two_comments_with_one_id_the_first_counts(tmp_path: Path) -> None:
    comments = make_comments(("a", None, 1), ("b", "a", 1), ("a", "b", 99), ("t1_b", None, 1))
    comments += make_comments(("a", None, 1), post="t3_q")
    with ConversationBuilder(tmp_path) as threads:
        for comment in comments:
            threads.add(encode_spooled(comment))
        assert sorted(path_names(list(threads.paths())).items()) == [("t3_p.1", "a b"), ("t3_q.1", "a")]
    assert threads.omitted == {DUPLICATE_ID: 2}


def test_short_ones_are_left_out_on_request_and_counted(tmp_path: Path) -> None:
    comments = make_comments(("a", None, 1), ("b", "a", 1), ("c", "a", 0), ("d", "b", 0), ("e", "c", 0))
    with ConversationBuilder(tmp_path) as threads:
        for comment in comments:
            threads.add(encode_spooled(comment))
        assert path_names(list(threads.paths(min_turns=3))) == {"t3_p.1": "a b d"}
    assert threads.omitted == {TOO_SHORT: 2}


@pytest.mark.parametrize(
    ("comment", "thread"),
    [
        (Comment("x", "c1", parent_id="t1_c0"), "t1_c0.1"),
        (Comment("x", "c1", parent_id="t3_p"), "t3_p.1"),
        (Comment("x", "t1_c1"), "t1_c1.1"),
        (Comment("x", "c1", link_id="t3_p", parent_id="c0"), "t3_p.1"),
    ],
)
def test_a_comment_that_does_not_name_its_post(tmp_path: Path, comment: Comment, thread: str) -> None:
    [[turn]] = build_conversations([comment], tmp_path)
    assert turn.thread == thread


@pytest.mark.parametrize("link", [None, "", "a b", "t3_a\nb", "t3_p.2", "../..", "x" * 65, "t3_\u202e"])
def test_a_post_of_any_name_has_a_plain_thread(tmp_path: Path, link: str | None) -> None:
    [[turn]] = build_conversations([Comment("x", None, link_id=link)], tmp_path)
    head, _, number = turn.thread.rpartition(".")
    assert head.startswith("x_")
    assert head[2:].isalnum()
    assert number == "1"


def test_numbers_that_no_file_holds_are_not_known(tmp_path: Path) -> None:
    comment = Comment("x", "a", score=10**30, created_utc=-(10**30), link_id="t3_p")
    [[turn]] = build_conversations([comment, Comment("y", "b", score="7", link_id="t3_q")], tmp_path)[:1]
    assert (turn.score, turn.created_utc) == (None, None)


@pytest.mark.slow
def test_a_chain_of_any_length_is_one_path(tmp_path: Path) -> None:
    depth = 100_000
    comments = make_comments(*((f"{n}", f"{n - 1}" if n else None, 0) for n in range(depth)))
    [path] = build_conversations(reversed(comments), tmp_path, limit=1000)
    assert [turn.id for turn in path] == [str(n) for n in range(depth)]


def test_a_single_large_post_is_not_partitioned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    original = tempfile.TemporaryFile

    def open_one(**options: Any) -> Any:
        opened.append(options)
        return original(**options)

    monkeypatch.setattr(tempfile, "TemporaryFile", open_one)
    [path] = build_conversations(
        make_comments(*((f"{n}", f"{n - 1}" if n else None, 0) for n in range(100))), tmp_path, limit=1
    )
    assert (len(path), len(opened)) == (100, 1)


ids = st.sampled_from([f"c{n}" for n in range(14)])
comments_ = st.lists(
    st.builds(
        Comment,
        body=st.sampled_from(["x", "y", "z"]),
        id=st.one_of(ids, ids.map("t1_{}".format), st.none()),
        score=st.one_of(st.none(), st.integers(-3, 3)),
        created_utc=st.one_of(st.none(), st.integers(0, 4)),
        link_id=st.one_of(st.sampled_from(["t3_p", "t3_q"]), st.none()),
        parent_id=st.one_of(ids.map("t1_{}".format), ids, st.sampled_from(["t3_p", "t3_q"]), st.none()),
    ),
    max_size=25,
)


def strip_kind(name: str | None) -> str | None:
    return name.removeprefix("t1_") if name else None


def reference_paths(comments: list[Comment]) -> set[tuple[str, ...]]:
    """Return the paths, by a naive implementation of the rules with dictionaries and sets."""
    posts: dict[str, dict[str, Comment]] = {}
    for number, comment in sorted(enumerate(comments), key=lambda item: not item[1].link_id):
        posts.setdefault(reference_post(comment, comments), {}).setdefault(
            strip_kind(comment.id) or f"#{number}", comment
        )
    return {path for result in posts.values() for path in reference_paths_of_post(result)}


def reference_post(comment: Comment, comments: list[Comment]) -> str:
    links: dict[str | None, str | None] = {}
    for other in comments:
        if other.id and not other.link_id:
            links.setdefault(strip_kind(other.id), strip_kind(other.parent_id))
    seen, name, parent = [strip_kind(comment.id)], strip_kind(comment.id), strip_kind(comment.parent_id)
    if comment.link_id:
        return comment.link_id
    while parent and not parent.startswith("t3_") and parent not in seen[1:]:
        seen.append(parent)
        name, parent = parent, links.get(parent)
    if parent in seen[1:]:
        return f"own {min(map(str, seen[seen.index(parent, 1) :]))}"
    return parent or f"own {name or 'text ' + str(comment.body)}"


def reference_paths_of_post(comments: dict[str, Comment]) -> set[tuple[str, ...]]:
    parents = {name: strip_kind(comment.parent_id) for name, comment in comments.items()}

    def ancestors(name: str) -> list[str]:
        result: list[str] = []
        above = parents[name]
        while above in comments and above not in result:
            result.append(above)
            above = parents[above]
        return result

    def age(name: str) -> tuple[Any, ...]:
        comment = comments[name]
        time = comment.created_utc
        return (time is None, time or 0, comment.id or "", comment.body)

    while rings := [name for name in comments if name in ancestors(name)]:
        ring = [name for name in ancestors(rings[0]) if rings[0] in ancestors(name)]
        parents[min(ring, key=age)] = None
    best = {
        parent: min(
            (name for name in comments if parents[name] == parent),
            key=lambda name: (-int(comments[name].score or 0), age(name)),
        )
        for parent in {ancestors_of for ancestors_of in parents.values() if ancestors_of in comments}
        if parent is not None
    }
    paths = set()
    for first in set(comments) - set(best.values()):
        path = [first]
        while path[-1] in best:
            path.append(best[path[-1]])
        paths.add(tuple(f"{comments[name].id} {comments[name].body} {comments[name].score}" for name in path))
    return paths


@pytest.mark.slow
@given(comments_, st.sampled_from([1, 200, 1 << 20]))
@settings(max_examples=300)
def test_the_paths_are_those_of_the_naive_implementation(
    tmp_path_factory: pytest.TempPathFactory, comments: list[Comment], limit: int
) -> None:
    result = build_conversations(comments, tmp_path_factory.mktemp("spool"), limit)
    assert {tuple(f"{turn.id} {turn.body} {turn.score}" for turn in path) for path in result} == reference_paths(
        comments
    )
    path_names(result)
    assert len({path[0].thread for path in result}) == len(result)


@given(comments_, st.randoms())
def test_neither_the_limit_nor_the_order_makes_a_difference(
    tmp_path_factory: pytest.TempPathFactory, comments: list[Comment], shuffler: random.Random
) -> None:
    seen: dict[str | None, Comment] = {}
    comments = [c for n, c in enumerate(comments) if seen.setdefault(strip_kind(c.id) or f"#{n}", c) is c]
    directory = tmp_path_factory.mktemp("spool")
    first = build_conversations(comments, directory, 1 << 20)
    shuffler.shuffle(comments)
    assert build_conversations(comments, directory, 1) == first


def test_many_posts_are_divided_until_they_fit(tmp_path: Path) -> None:
    comments = [
        Comment("x" * 50, f"c{post}_{n}", link_id=f"t3_{post}", parent_id=f"t1_c{post}_{n - 1}")
        for n in range(3)
        for post in range(3000)
    ]
    result = build_conversations(comments, tmp_path, limit=2000)
    assert len(result) == 3000
    assert all(len(path) == 3 for path in result)
    posts = [path[0].thread for path in result]
    assert posts == [path[0].thread for path in build_conversations(comments, tmp_path)]


@pytest.mark.slow
def test_memory_does_not_follow_the_comments(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        size = 0
        with ConversationBuilder(tmp_path, 100_000) as threads:
            for number in range(30_000):
                record = encode_spooled(Comment(f"{number}" * 100, f"c{number}", link_id=f"t3_{number % 5000}"))
                size += len(record)
                threads.add(record)
            assert sum(map(len, threads.paths())) == 30_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 15_000_000
    assert peak < 4_000_000


def test_files_are_closed_after_a_partial_read(tmp_path: Path) -> None:
    with ConversationBuilder(tmp_path, 1) as threads:
        for number in range(200):
            threads.add(encode_spooled(Comment("x", f"c{number}", link_id=f"t3_{number}")))
        next(threads.paths())
    assert list(tmp_path.iterdir()) == []


class _FullDiskFile:
    """A file on a full disk."""

    def write(self, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_an_error_that_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: _FullDiskFile())
    with pytest.raises(OSError, match="No space left") as caught, ConversationBuilder(tmp_path) as threads:
        threads.add(encode_spooled(Comment("x", "c1", link_id="t3_p")))
    assert caught.value.filename == str(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_killed_process_leaves_no_files(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from grucli.reddit.comments import Comment
from grucli.reddit.corpus.conversations import ConversationBuilder, encode_spooled
with ConversationBuilder(Path({str(tmp_path)!r})) as builder:
    for number in range(20_000):
        builder.add(encode_spooled(Comment("x" * 100, f"c{{number}}", link_id=f"t3_{{number}}")))
    print(os.fstat(builder._root.partitions[0]._file.fileno()).st_size, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == -9, ended.stderr
    assert int(ended.stdout) > 10_000
    assert list(tmp_path.iterdir()) == []


def replies_without_posts(*links: tuple[str, str | None]) -> list[Comment]:
    return [Comment(f"text of {name}", name, parent_id=parent) for name, parent in links]


@pytest.mark.parametrize("order", [1, -1])
def test_replies_join_where_no_post_is_named(tmp_path: Path, order: int) -> None:
    comments = replies_without_posts(
        *(("t1_a", "t3_p"), ("b", "t1_a"), ("c", "b"), ("d", ""), ("e", "t1_d")),
        *(("f", "gone"), ("g", "t1_gone"), ("x", "y"), ("y", "x"), ("z", "x")),
    )
    paths = path_names(build_conversations(comments[::order], tmp_path))
    assert paths["t3_p.1"] == "t1_a b c"
    assert paths["t1_d.1"] == "d e"
    assert {paths["t1_gone.1"], paths["t1_gone.2"]} == {"f", "g"}
    assert paths["t1_x.1"].split()[0] == "x"


@pytest.mark.parametrize(
    ("link", "parent"),
    [
        ("t3_p", "t3_p"),
        ("t3_p", "p"),
        ("p", "p"),
        ("p", "t3_p"),
        ("p", ""),
        ("t3_p", None),
        ("https://www.reddit.com/r/pics/comments/p/a_title/", "p"),
    ],
)
def test_a_post_is_the_same_with_and_without_its_prefix(tmp_path: Path, link: str, parent: str | None) -> None:
    comments = [
        Comment("Why?", "a", link_id=link, parent_id=parent),
        Comment("Because.", "t1_b", link_id="t3_p", parent_id="a"),
        Comment("Ah.", "c", link_id="p", parent_id="t1_b"),
    ]
    assert path_names(build_conversations(comments, tmp_path)) == {"t3_p.1": "a t1_b c"}


@pytest.mark.slow
def test_a_long_chain_without_a_post_is_followed_once(tmp_path: Path) -> None:
    chain = [(f"c{n}", f"c{n - 1}" if n else None) for n in range(20_000)]
    [path] = build_conversations(replies_without_posts(*chain[::-1]), tmp_path)
    assert len(path) == 20_000


def test_replies_to_missing_comments_are_counted(tmp_path: Path) -> None:
    with ConversationBuilder(tmp_path) as builder:
        for comment in replies_without_posts(("a", None), ("b", "a"), ("c", "gone")):
            builder.add(encode_spooled(comment))
        assert len(list(builder.paths())) == 2
    assert builder.orphans == 1
