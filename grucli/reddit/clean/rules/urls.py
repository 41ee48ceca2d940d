"""The rule on web addresses: a model that learns them invents others."""

import re

_URL_REST = r"[^\s\x00-\x1f\x7f<>\"“”`\[\]{}|\\^]*+"
# One pattern per kind: those that start with a fixed string are found at the speed of a plain search.
_HTTP_URL = re.compile(rf"https?://{_URL_REST}")
_WWW_URL = re.compile(rf"www\.(?<![\w@/.-]www\.)(?=\w){_URL_REST}")
_ANY_URL = re.compile(rf"(?<![\w@])(?:[a-z][a-z0-9+.-]{{1,14}}://|www\.(?=\w)){_URL_REST}", re.IGNORECASE)
_DOMAIN_HINT = re.compile(r"\.[a-zA-Z]{2,4}/")
_BARE_DOMAIN_URL = re.compile(
    r"(?<![\w@./-])(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,5}"
    r"(?:com|org|net|edu|gov|info|co|io|me|tv|gg|be|ly|it|gd|uk|de|fr|nl|ca|au|us|eu|ru|jp|in)/"
    rf"(?=[a-z0-9]){_URL_REST}",
    re.IGNORECASE,
)
# The start of a line comes first: most positions fail there.
_URL_ONLY_LINE = re.compile(
    r"^(?<!:\n)(?<!:\n\n)(?<!:\r\n)(?<!:\r\n\r\n)[ \t]*+[-(]?[ \t]*+(?:\[URL\][ \t,;)]*+)+(?:\r?\n|\Z)", re.MULTILINE
)
"""A line of addresses only, unless the line before ends in a colon."""

_TRAILING_PUNCTUATION = ".,:;!?'*_~…’)"


def replace_urls(text: str) -> str:
    """Replace web addresses by [URL]. Remove lines of nothing else, unless a colon announces them.

    >>> replace_urls("See (http://a.b/c?d=e_(f)) or www.g.h, imgur.com/i.\\nhttps://j.k/\\nI like a.com and/or 1/2")
    'See ([URL]) or [URL], [URL].\\nI like a.com and/or 1/2'
    """
    result = text
    if ":" in result and "://" in result:
        result = _HTTP_URL.sub(_replace_url, result)
    if "ww." in result:
        result = _WWW_URL.sub(_replace_url, result)
    if (":" in result and "://" in result) or "ww." in result or ("W" in result and "WW." in result):
        result = _ANY_URL.sub(_replace_url, result)
    if "/" in result and _DOMAIN_HINT.search(result):
        result = _BARE_DOMAIN_URL.sub(_replace_url, result)
    return text if result is text else _URL_ONLY_LINE.sub("", result)


def _replace_url(match: re.Match[str]) -> str:
    """Keep what belongs to the sentence: trailing punctuation, and a bracket that is not opened in the URL."""
    url = match.group()
    end = len(url)
    unopened = url.count(")") - url.count("(")
    while end and url[end - 1] in _TRAILING_PUNCTUATION:
        if url[end - 1] == ")":
            if unopened <= 0:
                break
            unopened -= 1
        end -= 1
    return "[URL]" + url[end:]
