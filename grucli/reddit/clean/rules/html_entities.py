"""The rule on HTML entities. Dumps escape `&`, `<` and `>`, so entities that people typed are escaped twice."""

import html
import re
from html.entities import html5

_AMP = re.compile("&(?:amp;)+")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")


def unescape_entities(text: str) -> str:
    """Decode HTML entities, twice. Unknown and incomplete ones are kept.

    >>> unescape_entities("&lt;3 &amp;amp; &amp;#39;tis AT&T, R&D; x&copy=1 &nosuch;")
    "<3 & 'tis AT&T, R&D; x&copy=1 &nosuch;"
    """
    if "&" not in text or ";" not in text:
        return text
    # Most texts have no others.
    text = _AMP.sub("&", text).replace("&lt;", "<").replace("&gt;", ">")
    for _ in range(2):
        if "&" not in text or ";" not in text:
            break
        text = _ENTITY.sub(_unescape_entity, text)
    return text


def _unescape_entity(match: re.Match[str]) -> str:
    entity = match.group()
    # html.unescape would also decode the "&not" in "&notit;".
    return html.unescape(entity) if entity[1] == "#" else html5.get(entity[1:], entity)
