"""Telling at a glance what the rules would make of a text: most hold nothing to mend, and most of the time is saved."""

import re
import string

_LETTERS = (string.ascii_letters + " \n,.?!;:'\"()%$-").encode()
"""No mark-up, entity, address or personal thing is made of these alone, but for what is looked for below."""

_DIGITS = string.digits.encode()
_NUMBER = re.compile(r"[0-9][0-9 .()-]{5}")


def glance(text: str, straighten: bool) -> str | None:
    r"""What all menders would make of a text, where that is certain at a glance; None where they have to see.

    `straighten`: whether the rule on characters is at work, which straightens quotes.

    >>> glance("Well, it’s plain (isn't it?)\nIn 2005 it was.", True), glance("*not* plain", True), glance(" nor", True)
    ("Well, it's plain (isn't it?)\nIn 2005 it was.", None, None)
    """
    if not text.isascii():
        if not straighten:
            return None
        text = text.replace("’", "'").replace("“", '"').replace("”", '"').replace("‘", "'")
        if not text.isascii():
            return None
    rest = text.encode().translate(None, _LETTERS)
    if rest and (rest.translate(None, _DIGITS) or text.count(":") > 1 or _NUMBER.search(text)):
        return None
    # Runs of spaces, rules, web addresses, and mail addresses that are spelt (me at example dot com).
    if "  " in text or "--" in text or "ww." in text or "WW." in text or "dot" in text:
        return None
    if "\n" in text and ("\n " in text or " \n" in text or "\n\n\n" in text):
        return None
    return text if text and not text[0].isspace() and not text[-1].isspace() else None
