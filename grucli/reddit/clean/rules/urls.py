"""The rule on addresses of the web: nobody can read them, and a model that learns them invents others."""

import re

PLACEHOLDER = "[URL]"

_REST = r"[^\s\x00-\x1f\x7f<>\"“”`\[\]{}|\\^]*+"
# One pattern for each kind: those that begin with a fixed word are found at the speed of a plain search.
_WEB = re.compile(rf"https?://{_REST}")
_WWW = re.compile(rf"www\.(?<![\w@/.-]www\.)(?=\w){_REST}")
_ANY = re.compile(rf"(?<![\w@])(?:[a-z][a-z0-9+.-]{{1,14}}://|www\.(?=\w)){_REST}", re.IGNORECASE)
_BARE = re.compile(r"\.[a-zA-Z]{2,4}/")
_SITE = re.compile(
    r"(?<![\w@./-])(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,5}"
    r"(?:com|org|net|edu|gov|info|co|io|me|tv|gg|be|ly|it|gd|uk|de|fr|nl|ca|au|us|eu|ru|jp|in)/"
    rf"(?=[a-z0-9]){_REST}",
    re.IGNORECASE,
)
# The beginning of a line first: it is what most places fail by.
_ALONE = re.compile(
    r"^(?<!:\n)(?<!:\n\n)(?<!:\r\n)(?<!:\r\n\r\n)[ \t]*+[-(]?[ \t]*+(?:\[URL\][ \t,;)]*+)+(?:\r?\n|\Z)", re.MULTILINE
)
"""A line of addresses that no line before it announces with a colon."""

_TAIL = ".,:;!?'*_~…’)"


def urls(text: str) -> str:
    """Put a placeholder in the place of web addresses. A line of nothing else goes, unless a colon announces it.

    >>> urls("See (http://a.b/c?d=e_(f)) or www.g.h, imgur.com/i.\\nhttps://j.k/\\nI like google.com and/or 1.5/2")
    'See ([URL]) or [URL], [URL].\\nI like google.com and/or 1.5/2'
    """
    short = text
    if ":" in short and "://" in short:
        short = _WEB.sub(_placed, short)
    if "ww." in short:
        short = _WWW.sub(_placed, short)
    if (":" in short and "://" in short) or "ww." in short or ("W" in short and "WW." in short):
        short = _ANY.sub(_placed, short)
    if "/" in short and _BARE.search(short):
        short = _SITE.sub(_placed, short)
    return text if short is text else _ALONE.sub("", short)


def _placed(found: re.Match[str]) -> str:
    """A placeholder, and what belongs to the sentence: its punctuation, and a bracket that nothing in the URL opens."""
    url = found.group()
    end = len(url)
    unopened = url.count(")") - url.count("(")
    while end and url[end - 1] in _TAIL:
        if url[end - 1] == ")":
            if unopened <= 0:
                break
            unopened -= 1
        end -= 1
    return PLACEHOLDER + url[end:]
