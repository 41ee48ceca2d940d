"""Comments in JSON of any shape: responses of services, posts with their comments, replies inside of comments, tables.

An object with a text is a comment, unless it looks like a post. Any other object only holds values.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import msgspec

from grucli.read.columns import (
    COMMENT_KINDS,
    KIND_NAMES,
    POST_FIELDS,
    POST_TEXT_NAMES,
    field_ranks,
    is_same_name,
    normalize_name,
)
from grucli.read.fields import FIELDS, TEXT

POST, NOT_A_COMMENT, NOT_AN_OBJECT = "a post, not a comment", "not a comment", "not a JSON object"
"""Why a value among comments is none."""

CHILD_KEYS = ("replies", "children", "comments")
"""The keys that services use for the comments that reply to one."""

Fields = dict[str, object]
_Pending = list[tuple[object, "_Place"]]

_CHILDREN = re.compile(
    r".*(?:comments|replies|children|responses|answers|messages)(?:v?\d+)?"
    r"|reply|(?:comment|reply)s?(?:list|tree|forest|data|thread|item)s?"
)
_POST_KINDS = {"t3", "post", "submission", "story", "article"}
_POST_LISTS = {"posts", "submissions", "stories", "articles"}
_KNOWN_NAMES = {normalize_name(name) for field in FIELDS for name in (field, *FIELDS[field].usual_names)}
_COMMENT_SIGNS = {*FIELDS["parent_id"].usual_names, "linkid"}
_OBJECT_NAMES = ("name", "username", "display_name", "displayName", "screen_name", "login", "nickname", "id", "value")
"""The keys of what an object is called, the best first."""

_POST_URL = re.compile(r"/comments/([A-Za-z0-9]{2,13})(?:/|$)")
_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SHORT_ID = re.compile(r"(?:t1_)?[A-Za-z0-9]{2,12}")
_SPACE = re.compile(r"\s")
_NAME = re.compile(r"(?:.*\.)?(?:comment)?[^a-z]*name", re.IGNORECASE)
"""A key that is no id here, since anything may have a name."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value stands.

    `post`, `parent`: full names of what comments here belong to and reply to. `id`: for a comment here without one.
    `among_comments`: only comments are expected here. `holds_texts`: a list of strings is one of comments. `is_post`:
    what is here is called a post. `among_posts`: it is in a list of what is called posts, which may be comments.
    """

    post: str | None = None
    parent: str | None = None
    id: str | None = None
    among_comments: bool = False
    holds_texts: bool = False
    is_post: bool = False
    among_posts: bool = False


@dataclass(frozen=True, slots=True)
class CommentFinder:
    """Finds comments: objects with the field `column`; if it is None, with a text under one of its usual names."""

    column: str | None = None

    def find(self, value: object) -> Iterator[Fields | str]:
        """Yield each comment in a value, before its replies; of a post, or what else is none among them, only the word.

        A comment is given without the comments nested in it, with names and numbers instead of objects, and with its
        parent and its post as far as its place tells them.

        >>> replies = [{"body": "Yes."}]
        >>> post = {"title": "A post", "id": "p", "comments": [{"body": "No.", "id": "c", "replies": replies}]}
        >>> for comment in CommentFinder().find(post):
        ...     print(comment)
        a post, not a comment
        {'body': 'No.', 'id': 'c', 'parent_id': 't3_p', 'link_id': 't3_p'}
        {'body': 'Yes.', 'parent_id': 't1_c', 'link_id': 't3_p'}
        """
        pending: _Pending = [(value, _Place(among_comments=isinstance(value, list)))]
        while pending:
            one, place = pending.pop()
            nested: _Pending = []
            if isinstance(one, list):
                yield from self._visit_list(one, place, nested)
            elif isinstance(one, dict):
                yield from self._visit_object(one, place, nested)
            elif place.among_comments:
                yield NOT_AN_OBJECT
            pending += reversed(nested)

    def text_key(self, fields: Mapping[str, object]) -> str | None:
        """Return the key of an object's text, or None if it has none."""
        if self.column is None:
            keys = () if "error" in fields else _shape_of(fields).texts
        else:
            keys = (self.column,) if self.column in fields else _same_names(tuple(fields), self.column)
        for key in keys:
            value = fields[key]
            if isinstance(value, str) or (_is_text(key, value) and (value is not None or key in (TEXT, self.column))):
                return key
        return None

    def is_comment(self, value: object) -> bool:
        """Return True for an object that is a comment itself, whatever it holds."""
        if not isinstance(value, dict):
            return False
        text_key = self.text_key(value)
        return text_key is not None and not _is_post(value, text_key, _Place())

    def _visit_list(self, values: list[object], place: _Place, nested: _Pending) -> Iterator[Fields | str]:
        texts = [value for value in values if isinstance(value, str)]
        if not place.holds_texts or len(texts) < len(values):
            nested += [(value, place) for value in values]
        elif not _are_ids(texts):
            yield from (_with_place({self.column or TEXT: text}, place) for text in texts)

    def _visit_object(self, fields: Fields, place: _Place, nested: _Pending) -> Iterator[Fields | str]:
        kind, data = fields.get("kind"), fields.get("data")
        if isinstance(data, dict) and kind in ("t1", "t3"):
            fields = data
        text_key = self.text_key(fields)
        if kind == "more" or (text_key is None and "count" in fields and "children" in fields):
            yield NOT_A_COMMENT  # the ids of comments that were not loaded
        elif text_key is None and (rows := self._table_rows(fields)) is not None:
            nested += [(row, _Place(place.post, place.parent, among_comments=True)) for row in rows]
        elif kind == "t3" or _is_post(fields, text_key, place):
            yield _flatten(fields) if self._reads_posts and text_key is not None else POST
            name = _post_name(fields) or (f"t3_{place.id}" if place.id else f"t3_{_digest(fields)}")
            if not self._reads_posts:
                nested += [(value, _Place(name, among_comments=True, holds_texts=True)) for value in _children(fields)]
        elif text_key is not None:
            yield self._visit_comment(fields, text_key, place, nested)
        else:
            yield from self._visit_container(fields, place, nested)

    def _visit_comment(self, fields: Fields, text_key: str, place: _Place, nested: _Pending) -> Fields:
        row = _with_place(_flatten(fields), place)
        row[text_key] = _join_text(row[text_key])
        children = _children(fields)
        if children:
            id_ = _id_of(row, _shape_of(row).ids) or _digest(row)
            row.setdefault("id", id_)
            parent = f"t1_{id_.removeprefix('t1_')}"
            inside = _Place(
                _full_name(_id_of(row, _shape_of(row).links)) or place.post or parent, parent, None, True, True
            )
            nested += [(value, inside) for value in children]
        return row

    def _visit_container(self, fields: Fields, place: _Place, nested: _Pending) -> Iterator[str]:
        values = {key: value for key, value in fields.items() if isinstance(value, dict | list)}
        if not values:
            yield from [NOT_A_COMMENT] * (place.among_comments and bool(fields))
            return
        objects = [value for value in values.values() if isinstance(value, dict)]
        posts = (_post_name(value) for value in objects if _is_post(value, self.text_key(value), place))
        post = next(posts, None) or _full_name(_id_of(fields, _shape_of(fields).links)) or place.post
        are_ids, are_texts = len(values) == len(fields) and _are_keys_ids(fields), _is_texts_by_name(fields)
        is_keyed = are_ids and all(isinstance(value, dict) and self.text_key(value) for value in values.values())
        own_id = _id_of(fields, _shape_of(fields).ids) or place.id
        for key, value in values.items():
            id_ = (key if is_keyed else own_id) if isinstance(value, dict) else None
            holds_texts = are_texts or key in _shape_of(fields).children
            is_post = isinstance(value, dict) and normalize_name(key) in _POST_KINDS
            among_posts = isinstance(value, list) and normalize_name(key) in _POST_LISTS
            among_comments = holds_texts or key == "data" or among_posts
            inside = f"t3_{key}" if post is None and are_ids and isinstance(value, list) else post
            nested.append((value, _Place(inside, place.parent, id_, among_comments, holds_texts, is_post, among_posts)))

    def _table_rows(self, fields: Fields) -> list[Fields] | None:
        """Return the rows of a table that is written column by column, as pandas does, or None."""
        names, columns, data = list(fields), fields.get("columns"), fields.get("data")
        if isinstance(columns, list) and isinstance(data, list) and all(isinstance(row, list) for row in data):
            names = [str(name) for name in columns]
            rows = [dict(zip(names, row, strict=False)) for row in data]
        elif (cells := _columns(list(fields.values()))) is not None:
            rows = [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]
        else:
            return None
        shape = _shape(tuple(names))
        return rows if self.column in names or shape.texts or shape.is_post else None

    @property
    def _reads_posts(self) -> bool:
        return self.column is not None and normalize_name(self.column) in POST_TEXT_NAMES


def _is_post(fields: Fields, text_key: str | None, place: _Place) -> bool:
    shape = _shape_of(fields)
    kinds = {kind.lower() for key in shape.kinds if isinstance(kind := fields[key], str)}
    prefixes = {name[:3] for key in shape.full_names if isinstance(name := fields[key], str)}
    if kinds & COMMENT_KINDS or "t1_" in prefixes:
        return False
    if kinds & _POST_KINDS or "t3_" in prefixes:
        return True
    if any(fields[key] is not None for key in shape.comment_signs):
        return False
    if place.is_post or (shape.is_post and text_key is None) or (place.among_posts and shape.has_title):
        return True
    comments = [value for key in shape.comments if isinstance(value := fields[key], dict | list)]
    if not comments:
        return False
    if shape.has_title or text_key is None:
        return shape.has_title or _post_name(fields) is not None
    # Comments hold others as their replies do; a post and its comments differ.
    values = chain.from_iterable(value.values() if isinstance(value, dict) else value for value in comments)
    inner = [one for one in values if isinstance(one, dict)]
    return not place.holds_texts and bool(inner) and not any(_shape_of(one).comments for one in inner)


def _columns(values: list[object]) -> list[list[object]] | None:
    """Return the cells of columns that are all lists, or all objects with the same keys."""
    if not values or (len(values) == 1 and isinstance(values[0], list)):
        return None
    columns: list[list[object]] = []
    for value in values:
        if type(value) is not type(values[0]) or not isinstance(value, dict | list):
            return None
        if isinstance(value, dict) and isinstance(values[0], dict) and value.keys() != values[0].keys():
            return None
        columns.append(list(value.values()) if isinstance(value, dict) else value)
    is_table = len({len(column) for column in columns}) == 1 and not any(
        isinstance(cell, dict | list) for column in columns for cell in column
    )
    return columns if is_table else None


def plain_value(value: object) -> object:
    """Return what an object in a field stands for: its name, or the number or date that MongoDB writes as an object.

    >>> plain_value({"name": "someone", "karma": 5}), plain_value({"$numberInt": "3"}), plain_value({"$date": 5000})
    ('someone', 3, 5)
    """
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((key, inner),) = value.items()
        if key in ("$numberInt", "$numberLong"):
            return int(inner) if isinstance(inner, str) and re.fullmatch(r"-?[0-9]{1,19}", inner) else None
        if key == "$date":
            inner = plain_value(inner)
            return inner // 1000 if isinstance(inner, int) else inner
        if key.startswith("$"):
            return inner
    return next((value[key] for key in _OBJECT_NAMES if isinstance(value.get(key), str | int)), value)


def _flatten(fields: Fields) -> Fields:
    children = _shape_of(fields).children
    return {
        key: value if not isinstance(value, dict | list) else plain_value(value)
        for key, value in fields.items()
        if key not in children or not value or not isinstance(value, dict | list)
    }


def _children(fields: Fields) -> list[object]:
    return [value for key in _shape_of(fields).children if isinstance(value := fields[key], dict | list) and value]


def _with_place(row: Fields, place: _Place) -> Fields:
    """Add to a comment what its place tells: of its parent, the place knows more than the comment."""
    shape = _shape_of(row)
    for key, keys, name in (
        ("id", shape.ids, place.id),
        ("parent_id", () if place.parent is not None else shape.parents, place.parent or place.post),
        ("link_id", shape.links, place.post),
    ):
        if name is not None and _id_of(row, keys) is None:
            row[key] = name
    return row


def _is_text(key: str, value: object) -> bool:
    """Return True for what may be a text: a list holds its parts if some of them are objects."""
    if isinstance(value, list):
        return (
            not _shape((key,)).children
            and any(isinstance(one, dict) for one in value)
            and all(isinstance(_part(one), str) for one in value)
        )
    return not isinstance(value, dict)


def _join_text(value: object) -> object:
    return "".join(str(_part(one)) for one in value) if isinstance(value, list) else value


def _part(value: object) -> object:
    return value.get("text") if isinstance(value, dict) else value


def _is_texts_by_name(fields: Fields) -> bool:
    """Return True for lists of texts by the names of what they belong to."""
    lists = [value for value in fields.values() if isinstance(value, list)]
    texts = [one for value in lists for one in value if isinstance(one, str)]
    is_strings = len(lists) == len(fields) and len(texts) == sum(map(len, lists))
    return is_strings and any(map(_SPACE.search, texts)) and not _shape_of(fields).has_known_name


def _are_keys_ids(fields: Fields) -> bool:
    keys = "".join(fields)
    return any(map(str.isdigit, keys)) and not keys.isdigit() and all(map(_ID.fullmatch, fields))


def _are_ids(texts: list[str]) -> bool:
    return all(map(_SHORT_ID.fullmatch, texts)) and any(map(str.isdigit, "".join(texts)))


def _post_name(fields: Fields) -> str | None:
    names = (value for key in ("name", "id") if isinstance(value := fields.get(key), str) and value.startswith("t3_"))
    links = (
        match[1]
        for key in ("permalink", "url", "link", "full_link")
        if isinstance(url := fields.get(key), str) and (match := _POST_URL.search(url))
    )
    return _full_name(
        next(names, None)
        or _id_of(fields, _shape_of(fields).ids)
        or _id_of(fields, _shape_of(fields).links)
        or next(links, None)
    )


def _full_name(name: str | None) -> str | None:
    return name if name is None or re.match(r"t[13]_", name) else f"t3_{name}"


def _id_of(fields: Mapping[str, object], keys: tuple[str, ...]) -> str | None:
    """Return the first of these fields that is an id."""
    for key in keys:
        value = plain_value(fields[key])
        if isinstance(value, str | int) and not isinstance(value, bool) and _ID.fullmatch(str(value)):
            return str(value)
    return None


def _digest(fields: Fields) -> str:
    """Return an id for an object without one, always the same."""
    plain = {key: value for key, value in fields.items() if not isinstance(value, dict | list)}
    return hashlib.blake2b(msgspec.json.encode(plain), digest_size=5).hexdigest()


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the keys of an object say: those of each kind, the most usual first."""

    texts: tuple[str, ...]
    ids: tuple[str, ...]
    parents: tuple[str, ...]
    links: tuple[str, ...]
    kinds: tuple[str, ...]
    full_names: tuple[str, ...]
    children: tuple[str, ...]
    comments: tuple[str, ...]
    comment_signs: tuple[str, ...]
    has_title: bool
    is_post: bool
    has_known_name: bool


def _shape_of(fields: Mapping[str, object]) -> _Shape:
    return _shape(tuple(fields))


@lru_cache(1 << 12)
def _shape(keys: tuple[str, ...]) -> _Shape:
    names = {key: normalize_name(key) for key in keys}
    children = tuple(key for key, name in names.items() if _CHILDREN.fullmatch(name))
    ranks = [(key, found) for key in keys if not _NAME.fullmatch(key) and (found := field_ranks(key))]

    def ranked(field: str) -> tuple[str, ...]:
        return tuple(key for _, key in sorted((found[field], key) for key, found in ranks if field in found))

    return _Shape(
        texts=ranked(TEXT),
        ids=ranked("id"),
        parents=ranked("parent_id"),
        links=ranked("link_id"),
        kinds=tuple(key for key, name in names.items() if name in KIND_NAMES),
        full_names=tuple(key for key in keys if key in ("name", "id")),
        children=children,
        comments=tuple(key for key in children if "comment" in names[key]),
        comment_signs=tuple(key for key, name in names.items() if name in _COMMENT_SIGNS),
        has_title="title" in names.values(),
        is_post=not POST_FIELDS.isdisjoint(names.values()),
        has_known_name=not (_KNOWN_NAMES | POST_FIELDS).isdisjoint(names.values()),
    )


@lru_cache(1 << 10)
def _same_names(keys: tuple[str, ...], wanted: str) -> tuple[str, ...]:
    return tuple(key for key in keys if is_same_name(key, wanted))
