"""Comments nested in JSON of any shape: each is read once, with its parent, and no post is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.errors import UsageError
from grucli.read import json_documents
from grucli.read.blocks import Block, RowReport
from grucli.read.json_documents import DocumentReader
from grucli.read.json_lines import JsonLinesDecoder
from grucli.read.json_tree import CommentFinder
from grucli.read.records import open_records
from grucli.read.rows import read_rows
from grucli.read.schema import ReadOptions
from grucli.read.sources import resolve_source

Fields = dict[str, Any]


class Node(NamedTuple):
    """A made comment: its id, which is in its text as well, and its replies."""

    id: str
    replies: "list[Node]"

    @property
    def text(self) -> str:
        return f"A comment: {self.id}!"


def number(shape: list[Any], prefix: str = "c") -> list[Node]:
    return [Node(f"{prefix}{place}", number(inner, f"{prefix}{place}x")) for place, inner in enumerate(shape)]


forests = st.recursive(st.just([]), lambda inner: st.lists(inner, max_size=3), max_leaves=12).map(number)


def plain(node: Node, key: str = "replies") -> Fields:
    return {
        "author": {"name": "someone"},
        "id": node.id,
        "body": node.text,
        key: [plain(one, key) for one in node.replies],
    }


def listing(nodes: list[Node]) -> Fields:
    return {"kind": "Listing", "data": {"after": None, "children": list(map(thing, nodes))}}


def thing(node: Node) -> Fields:
    return {
        "kind": "t1",
        "data": {"id": node.id, "body": node.text, "replies": listing(node.replies) if node.replies else ""},
    }


def keyed(nodes: list[Node]) -> Fields:
    return {node.id: {"text": node.text, "ups": 3, "replies": keyed(node.replies)} for node in nodes}


def anonymous(node: Node) -> Fields:
    return {"comment_body": node.text, "replies": list(map(anonymous, node.replies))}


FORESTS: dict[str, Callable[[list[Node]], Any]] = {
    "replies": lambda nodes: [plain(node) for node in nodes],
    "children": lambda nodes: [plain(node, "children") for node in nodes],
    "child_comments": lambda nodes: [plain(node, "child_comments") for node in nodes],
    "listing": listing,
    "keyed": keyed,
    "anonymous": lambda nodes: [anonymous(node) for node in nodes],
}
POST: Fields = {
    "title": "A post, no comment",
    "selftext": "Text of a post",
    "id": "p",
    "name": "t3_p",
    "num_comments": 4,
}
POSTS: dict[str, Callable[[Any], Any]] = {
    "a post": lambda comments: {**POST, "comments": comments},
    "a list of posts": lambda comments: [{**POST, "comments": comments}],
    "posts": lambda comments: {
        "posts": [{"title": "A post", "url": "https://reddit.com/r/x/comments/p/", "comments": comments}]
    },
    "its text is called body": lambda comments: [
        {"title": "A post", "body": "No comment", "id": "p", "comments": comments}
    ],
    "a subreddit": lambda comments: {"r/x": {"post": {**POST, "comments": comments}}},
    "beside its comments": lambda comments: {"comments": comments, "submission": POST},
    "its id only": lambda comments: {"post_id": "p", "comments": comments},
}


def read_values(document: object) -> list[Fields]:
    """Return the comments of a document on one line, and check that one of several lines gives the same."""
    one_line, report = json.dumps(document).encode(), RowReport()
    rows = JsonLinesDecoder(dict[str, object], None).decode(Block(1, one_line), report).values
    assert report.read == len(rows) + report.skipped.total()
    pretty = json.dumps(document, indent=1).encode()
    found = DocumentReader("x.json", None, RowReport()).read(iter([Block(1, pretty)]))
    assert [fields for _, fields in found] == rows
    return rows


def check_parents(rows: list[Fields], nodes: list[Node], parent: str | None, post: str | None) -> None:
    """Check that the first rows are these comments with their replies, and remove them."""
    for node in nodes:
        fields = rows.pop(0)
        assert node.text in fields.values()
        assert (fields.get("parent_id"), fields.get("link_id")) == (parent, post)
        if node.replies:
            name = f"t1_{fields['id']}"
            check_parents(rows, node.replies, name, post or name)


@pytest.mark.parametrize("shape", FORESTS)
@pytest.mark.parametrize("place", POSTS)
@given(nodes=forests.filter(bool))
def test_every_comment_of_a_post_is_read_once_with_its_parent(place: str, shape: str, nodes: list[Node]) -> None:
    rows = read_values(POSTS[place](FORESTS[shape](nodes)))

    check_parents(rows, nodes, "t3_p", "t3_p")
    assert rows == []


@pytest.mark.parametrize("shape", FORESTS)
@given(nodes=forests.filter(bool))
def test_every_comment_without_a_post_is_read_once_with_its_parent(shape: str, nodes: list[Node]) -> None:
    rows = read_values({"data": FORESTS[shape](nodes)})
    check_parents(rows, nodes, None, None)

    assert rows == []
