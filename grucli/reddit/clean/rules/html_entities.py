"""The rule on HTML's way to write characters. Dumps escape `&`, `<` and `>`: what people escape is escaped twice."""

import html
import re
from html.entities import html5

_AMP = re.compile("&(?:amp;)+")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")


def unescape_entities(text: str) -> str:
    """Turn HTML entities into what they stand for, twice. What only looks like one stays.

    >>> unescape_entities("&lt;3 &amp;amp; &amp;#39;tis AT&T, R&D; x&copy=1 &nosuch;")
    "<3 & 'tis AT&T, R&D; x&copy=1 &nosuch;"
    """
    if "&" not in text or ";" not in text:
        return text
    # Of most texts these are all.
    text = _AMP.sub("&", text).replace("&lt;", "<").replace("&gt;", ">")
    for _ in range(2):
        if "&" not in text or ";" not in text:
            break
        text = _ENTITY.sub(_unescape_entity, text)
    return text


def _unescape_entity(match: re.Match[str]) -> str:
    entity = match.group()
    # html.unescape would also take "&notit;" for a "&not" and more.
    return html.unescape(entity) if entity[1] == "#" else html5.get(entity[1:], entity)
