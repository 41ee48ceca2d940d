"""Names of users and subreddits, as people and their tools write them.

Ids are those of comments and posts, with or without Reddit's prefixes `t1_` and `t3_`, or in a permalink. Options and
data are compared by `user_key`, `subreddit_key` and `comment_key`, so that a name is found in any of its spellings.
"""

import re

from grucli.read.missing import is_missing

_PYTHON_OBJECT = re.compile(r"(?:Redditor|Subreddit)\((?:name|display_name|fullname)=(['\"])(.*)\1\)")
"""What PRAW prints for an object, as in files written with `json.dump(..., default=repr)`."""

_SITE = r"(?:https?://)?(?:[\w-]+\.)*reddit\.com"
_USER = re.compile(rf"(?:(?:{_SITE})?/*(?:u|user)/+|@)([^\s/?#]*)(?:[/?#].*)?", re.IGNORECASE | re.DOTALL)
_SUBREDDIT = re.compile(rf"(?:{_SITE})?/*r/+([^\s/?#]*)(?:[/?#].*)?", re.IGNORECASE | re.DOTALL)

_PERMALINK = re.compile(
    r"/comments/(?P<post>[a-z0-9]+)(?:/[^/\s]*(?:/(?P<comment>[a-z0-9]+))?)?/?(?:[?#]|$)", re.IGNORECASE
)
_ID = re.compile(r"[a-z0-9]{1,10}")


def bare_user_name(text: str) -> str:
    """Return the name of a user without what people write around it.

    >>> [bare_user_name(text) for text in (" u/Ann", "/user/Ann/", "@Ann", "https://old.reddit.com/u/Ann?a=b")]
    ['Ann', 'Ann', 'Ann', 'Ann']
    >>> bare_user_name("Redditor(name='Ann')")
    'Ann'
    """
    return _bare_name(_USER, text)


def user_key(text: str) -> str:
    """Return what all spellings of a user's name have in common: the name alone, in lower case.

    >>> user_key("u/Ann") == user_key("ANN "), user_key("u_Ann")
    (True, 'u_ann')
    """
    return bare_user_name(text).lower()


def bare_subreddit_name(text: str) -> str:
    """Return the name of a subreddit without what people write around it; that of a profile begins with `u_`.

    >>> [bare_subreddit_name(text) for text in ("r/Pics ", "https://www.reddit.com/r/Pics/top/", "/user/Ann")]
    ['Pics', 'Pics', 'u_Ann']
    """
    name = _bare_name(_SUBREDDIT, text)
    user = _USER.fullmatch(name) if "/" in name else None
    return f"u_{user[1]}" if user is not None and user[1] else name


def subreddit_key(text: str) -> str:
    """Return what all spellings of a subreddit's name have in common.

    >>> subreddit_key("/r/Pics") == subreddit_key("pics")
    True
    """
    return bare_subreddit_name(text).lower()


def bare_id(text: str) -> str:
    """Return the id of a comment as it stands in a field or at the end of a permalink.

    >>> bare_id(" t1_c2 "), bare_id("https://www.reddit.com/r/pics/comments/abc/a_title/c2/")
    ('t1_c2', 'c2')
    """
    match = _permalink(text)
    return text.strip() if match is None else match["comment"] or match["post"]


def comment_key(text: str) -> str:
    """Return what all spellings of a comment's id have in common: the id without `t1_`.

    >>> comment_key("t1_c2") == comment_key("/r/pics/comments/abc/a_title/c2") == "c2"
    True
    """
    return bare_id(text).removeprefix("t1_")


def id_text(value: object) -> str | None:
    """Return the id in a field, which other tools may write as a number; None if there is none.

    >>> id_text("t1_c2"), id_text(5), id_text("5.0"), id_text(5.0), id_text("nan"), id_text([])
    ('t1_c2', '5', '5', '5', None, None)
    """
    if is_missing(value) or isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, float):  # pandas makes floats of all ids where some are missing
        return str(int(value)) if value.is_integer() else None
    text = str(value)
    return text[:-2] if text.endswith(".0") and text[:-2].isdecimal() else text


def post_name(text: str) -> str:
    """Return the name of a post, `t3_…`, from its name, its id or a permalink; anything else as it is.

    >>> post_name("abc"), post_name("/r/pics/comments/abc/a_title/"), post_name("A title")
    ('t3_abc', 't3_abc', 'A title')
    """
    match = _permalink(text)
    name = text.strip() if match is None else match["post"]
    return f"t3_{name}" if _ID.fullmatch(name) else name


def full_name(text: str) -> str:
    """Return the name, `t1_…` or `t3_…`, of what a permalink leads to; anything else as it is.

    >>> full_name("t1_c2"), full_name("/r/pics/comments/abc/a_title/c2"), full_name("/r/pics/comments/abc/")
    ('t1_c2', 't1_c2', 't3_abc')
    """
    match = _permalink(text)
    if match is None:
        return text.strip()
    return f"t1_{match['comment']}" if match["comment"] else f"t3_{match['post']}"


def _permalink(text: str) -> re.Match[str] | None:
    return _PERMALINK.search(text) if "/" in text else None


def _bare_name(pattern: re.Pattern[str], text: str) -> str:
    name = text.strip()
    printed = _PYTHON_OBJECT.fullmatch(name) if name.endswith(")") else None
    if printed is not None:
        return printed[2]
    match = pattern.fullmatch(name) if "/" in name or "@" in name else None
    return name if match is None else match[1]
