"""Comments nested in JSON of any shape: each is read once, with its parent, and no post is."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.read.blocks import Block, RowReport
from grucli.read.json_documents import DocumentReader
from grucli.read.json_lines import JsonLinesDecoder
from grucli.read.json_tree import CommentFinder

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
    "id": "pq1",
    "name": "t3_pq1",
    "num_comments": 4,
}
POSTS: dict[str, Callable[[Any], Any]] = {
    "a post": lambda comments: {**POST, "comments": comments},
    "a list of posts": lambda comments: [{**POST, "comments": comments}],
    "posts": lambda comments: {
        "posts": [{"title": "A post", "url": "https://reddit.com/r/x/comments/pq1/", "comments": comments}]
    },
    "its text is called body": lambda comments: [
        {"title": "A post", "body": "No comment", "id": "pq1", "comments": comments}
    ],
    "a subreddit": lambda comments: {"r/x": {"post": {**POST, "comments": comments}}},
    "beside its comments": lambda comments: {"comments": comments, "submission": POST},
    "without comments of its own": lambda comments: [
        {"post": {**POST, "comments": []}},
        {"post_id": "pq1", "replies": comments},
    ],
    "its id only": lambda comments: {"post_id": "pq1", "comments": comments},
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


NO_POSTS: dict[str, Callable[[Any], Any]] = {
    "a response": lambda comments: {"data": comments, "error": None},
    "an object": lambda comments: {"meta": {"count": 3, "tags": ["a b"]}, "result": {"items": comments}},
}


def check(place: str, shape: str, nodes: list[Node]) -> None:
    post = "t3_pq1" if place in POSTS else None
    rows = read_values((POSTS | NO_POSTS)[place](FORESTS[shape](nodes)))

    check_parents(rows, nodes, post, post)
    assert rows == []


NESTED: list[list[Any]] = [[[[], [[[]]]], []], [[]], [[[]]]]


@pytest.mark.parametrize("place", [*POSTS, *NO_POSTS])
def test_every_comment_is_read_once_with_its_parent(place: str) -> None:
    for shape in FORESTS:
        for nested in NESTED:
            check(place, shape, number(nested))


@pytest.mark.slow
@given(st.sampled_from([*POSTS, *NO_POSTS]), st.sampled_from([*FORESTS]), forests.filter(bool))
@settings(max_examples=500, deadline=None)
def test_every_comment_of_any_tree_is_read_once_with_its_parent(place: str, shape: str, nodes: list[Node]) -> None:
    check(place, shape, nodes)


def read_texts(document: object, column: str | None = None) -> tuple[list[object], dict[str, int]]:
    report = RowReport()
    rows = JsonLinesDecoder(dict[str, object], column).decode(Block(1, json.dumps(document).encode()), report).values
    finder = CommentFinder(column)
    return [fields[finder.text_key(fields) or ""] for fields in rows], dict(report.skipped)


POST_REASON, OTHER_REASON = "a post, not a comment", "not a comment"
YOUTUBE = {
    "items": [
        {
            "id": "Ugx1",
            "snippet": {
                "videoId": "v1",
                "topLevelComment": {"snippet": {"textDisplay": "one", "authorDisplayName": "a"}},
            },
            "replies": {"comments": [{"id": "Ugx1.2", "snippet": {"textDisplay": "two", "parentId": "Ugx1"}}]},
        }
    ]
}
DISCORD = {
    "guild": {"id": "1", "name": "A server"},
    "channel": {"id": "2", "topic": "A topic of words"},
    "messages": [
        {
            "id": "3",
            "content": "one",
            "author": {"id": "4", "name": "a", "roles": [{"name": "b"}]},
            "embeds": [{"description": "not this", "content": "nor this"}],
            "mentions": [{"name": "c"}],
        }
    ],
}
TELEGRAM = {
    "name": "A group",
    "messages": [
        {"id": 1, "from": "a", "text": "one", "text_entities": [{"type": "plain", "text": "one"}]},
        {"id": 2, "from": "a", "text": ["t", {"type": "bold", "text": "wo"}], "text_entities": []},
    ],
}
APIFY = [
    {"id": "t3_a", "title": "A post", "body": "no", "numberOfComments": 2, "dataType": "post"},
    {"id": "t1_b", "parentId": "t3_a", "username": "u", "body": "one", "dataType": "comment"},
    {"id": "t1_c", "parentId": "t1_b", "username": "u", "body": "two", "dataType": "comment"},
]
LISTINGS = [
    {"kind": "Listing", "data": {"children": [{"kind": "t3", "data": {"selftext": "no", "body": "no"}}]}},
    {
        "kind": "Listing",
        "data": {
            "children": [
                {"kind": "t1", "data": {"body": "one", "replies": ""}},
                {"kind": "t1", "data": {"body": "two", "author_flair_richtext": [{"e": "text", "text": "no"}]}},
                {"kind": "more", "data": {"children": ["x", "y"], "body": "no"}},
            ]
        },
    },
]
PRAW = {
    **POST,
    "link_flair_richtext": [{"e": "text", "text": "no"}],
    "poll_data": {"options": [{"text": "no"}]},
    "_comments": [
        {"body": "one", "author": "u", "_replies": [{"body": "two", "id": "b"}]},
        {"count": 5, "name": "t1_x", "children": ["x"]},
    ],
}
SHAPES: dict[str, tuple[object, dict[str, int]]] = {
    "YouTube": (YOUTUBE, {}),
    "Discord": (DISCORD, {}),
    "Telegram": (TELEGRAM, {}),
    "Apify": (APIFY, {POST_REASON: 1}),
    "listings": (LISTINGS, {POST_REASON: 1, OTHER_REASON: 1}),
    "PRAW": (PRAW, {POST_REASON: 1, OTHER_REASON: 1}),
    "edges": ({"data": {"comments": {"edges": [{"node": {"body": "one"}}, {"node": {"body": "two"}}]}}}, {}),
    "hits": (
        {"hits": {"total": 2, "hits": [{"_id": "a", "_source": {"body": "one"}}, {"_source": {"body": "two"}}]}},
        {},
    ),
    "rows": (
        {"features": [{"name": "text"}], "rows": [{"row_idx": 0, "row": {"text": "one"}}, {"row": {"text": "two"}}]},
        {},
    ),
    "pandas, columns": ({"body": {"0": "one", "1": "two"}, "score": {"0": 1, "1": 2}}, {}),
    "pandas, index": ({"0": {"body": "one", "score": 1}, "1": {"body": "two", "score": 2}}, {}),
    "pandas, split": ({"columns": ["id", "text"], "index": [0, 1], "data": [["a", "one"], ["b", "two"]]}, {}),
    "pandas, table": (
        {"schema": {"fields": [{"name": "body", "type": "string"}]}, "data": [{"body": "one"}, {"body": "two"}]},
        {},
    ),
    "lists by column": ({"topic": ["t", "t"], "body": ["one", "two"], "comm_id": ["a", "b"]}, {}),
    "strings": ({"posts": [{"title": "t", "comments": ["one", "two"]}]}, {POST_REASON: 1}),
    "strings by title": ({"A title": ["one of them"], "Another title": ["two"]}, {}),
    "ids of replies": ({"c1": {"body": "one", "replies": ["c2"]}, "c2": {"body": "two", "replies": []}}, {}),
    "flattened": ([{"data.body": "one", "data.id": "a"}, {"data.body": "two", "data.id": "b"}], {}),
    "Lemmy": (
        {
            "comments": [
                {"comment": {"id": 1, "content": text}, "creator": {"name": "u"}, "post": {"id": 2, "body": "no"}}
                for text in ("one", "two")
            ]
        },
        {POST_REASON: 2},
    ),
    "posts and comments": (
        {"posts": [{"title": "t", "body": "no", "num_comments": 2}], "comments": [{"body": "one"}, {"body": "two"}]},
        {POST_REASON: 1},
    ),
    "posts of a forum": ({"posts": [{"text": "one", "user": "u"}, {"text": "two", "user": "u"}]}, {}),
    "Hacker News": (
        {
            "type": "story",
            "title": "t",
            "text": "no",
            "children": [{"id": 1, "type": "comment", "text": "one", "children": [{"text": "two", "children": []}]}],
        },
        {POST_REASON: 1},
    ),
    "scalars": ([{"body": "one"}, 5, {"body": "two"}, None, "x"], {"not a JSON object": 3}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_documents_of_tools_are_read(shape: str) -> None:
    document, skipped = SHAPES[shape]
    texts, counts = read_texts(document)

    assert [str(text).split()[0] for text in texts] == ["one", "two"] if shape != "Discord" else ["one"]
    assert counts == skipped


def test_the_author_of_an_object_is_its_name() -> None:
    rows = [fields for fields in CommentFinder().find([DISCORD, YOUTUBE]) if isinstance(fields, dict)]

    assert [(fields.get("author"), fields["id"]) for fields in rows] == [("a", "3"), (None, "Ugx1"), (None, "Ugx1.2")]
    assert rows[2]["parentId"] == "Ugx1"
    assert "parent_id" not in rows[2]


KEYS = ("body", "text", "title", "selftext", "comments", "replies", "children", "data", "kind", "id", "name", "author")
MORE_KEYS = ("parent_id", "columns", "count", "error", "$date", "$numberLong", "permalink", "type", "c1", "c2", "")
SCALARS = (
    st.none() | st.booleans() | st.integers(-1, 1 << 40) | st.sampled_from(["t1", "t3", "more", "t3_x", "a b", "1"])
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*KEYS, *MORE_KEYS]), inner, max_size=5)
    ),
    max_leaves=20,
)


@pytest.mark.slow
@given(ANYTHING, st.sampled_from([None, "body", "selftext", "comments"]))
@settings(max_examples=1000, deadline=None)
def test_whatever_the_shape_is_each_row_is_flat_and_the_value_unchanged(value: object, column: str | None) -> None:
    before = json.dumps(value)
    finder = CommentFinder(column)
    for found in finder.find(value):
        if isinstance(found, dict):
            assert not isinstance(found[finder.text_key(found) or "body"], dict | list)
            json.dumps(found)
    assert json.dumps(value) == before


def test_a_list_under_the_id_of_a_post_belongs_to_it() -> None:
    rows = list(CommentFinder().find({"p1": [{"body": "one"}], "p2": [{"body": "two"}]}))

    assert rows == [
        {"body": "one", "parent_id": "t3_p1", "link_id": "t3_p1"},
        {"body": "two", "parent_id": "t3_p2", "link_id": "t3_p2"},
    ]
