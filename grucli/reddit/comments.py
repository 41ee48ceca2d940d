"""A comment as the sources give it."""

import msgspec


class Comment(msgspec.Struct, gc=False):
    """The fields of a comment that are used here. In dumps numbers may be strings, and any field null or missing.

    `created_utc`: seconds since 1970. `link_id`: the post, `t3_…`; `parent_id`: the post or the comment (`t1_…`) that
    it replies to. After the rule `schema`, `body` is a string, and `score` and `created_utc` are integers or None.
    """

    body: str | None = None
    id: str | None = None
    author: str | None = None
    subreddit: str | None = None
    score: int | float | str | None = None
    created_utc: int | float | str | None = None
    link_id: str | None = None
    parent_id: str | None = None
