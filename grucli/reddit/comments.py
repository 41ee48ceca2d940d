"""A comment as the sources give it, in the fields that matter here."""

import msgspec


class Comment(msgspec.Struct, gc=False):
    """One comment. Dumps have drifted over the years: numbers come as strings, and any field may be null or missing.

    `created_utc`: seconds since 1970. `link_id`: the post, `t3_…`; `parent_id`: what is replied to, the post or a
    comment `t1_…`. The rule `schema` sees to it that afterwards `body` is a text, and `score` and `created_utc` are
    whole numbers or None.
    """

    body: str | None = None
    id: str | None = None
    author: str | None = None
    subreddit: str | None = None
    score: int | float | str | None = None
    created_utc: int | float | str | None = None
    link_id: str | None = None
    parent_id: str | None = None
