"""The rule on characters: what a wrong decoding broke, what cannot be seen or steers a terminal, and white space."""

import re
import unicodedata
from functools import lru_cache

import ftfy
from ftfy.badness import is_bad
from ftfy.chardata import UTF8_DETECTOR_RE

_MOJIBAKE = re.compile(
    "[\u00c2-\u00f4][\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]"
)
"""Two characters that may stand for one, as UTF-8 looks that was read in a Western encoding; ftfy then judges."""

_OTHER_MOJIBAKE = ("вЂ", "тА", "‚Ä", "√©")
"""The same in Russian encodings, and on an old Macintosh."""

_MAX_MOJIBAKE_CHARS = 1 << 16
"""Characters of a text that is looked at; a comment of Reddit's has far fewer."""

_WORK_BUDGET = 3 << 16
"""Characters that ftfy is given for the sake of one text, over and over; each time costs as much as so many more:"""
_FIXED_COST = 24
_MAX_LAYERS = 8
"""Of parts within what was a part; people's have one or two."""

_WHOLE_CONFIG = ftfy.TextFixerConfig(decode_inconsistent_utf8=False, fix_c1_controls=False)
_PART_CONFIG = ftfy.TextFixerConfig(decode_inconsistent_utf8=False)
_DECODE_WINDOWS_1252 = ("decode", "windows-1252")
"""What ftfy takes unseen controls for; but first it looks for parts that are broken, which they may belong to."""

_ANSI_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*+[ -/]*+[@-~]|\][^\x07\x1b\n]*+(?:\x07|\x1b\\))")
"""What steers a terminal: colours and the cursor (CSI), titles and links (OSC). Of one without an end only ESC goes."""

_LINE_END = re.compile("\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")
_SPACE = re.compile("[^\\S\n]|[\u115f\u1160\u2800\u3164\uffa0]")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x9f\xad\u034f\u061c\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\ud800-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0d\ufeff\ufff0-\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U0010ffff]"
)
"""Controls, bidirectional marks, zero-width characters, surrogates, private and unassigned ones, hidden tags."""

_JOINER_CONTEXT = "[^\x00-\u024f\u2000-\u206f]"
_LOOSE_JOINER = re.compile(f"(?<!{_JOINER_CONTEXT})[\u200c\u200d]|[\u200c\u200d](?!{_JOINER_CONTEXT})")
"""Joiners make one emoji of several, and shape the letters of many scripts: anywhere else they are unseen."""

_COMBINING_MARKS = "[\u0300-\u036f\u0483-\u0489]"
_STACKED_MARKS = re.compile(f"{_COMBINING_MARKS}(?<={_COMBINING_MARKS * 3})")
_LIGATURE = re.compile("[\ufb00-\ufb06]")
_RARE_CHARS = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufb00-\ufb06\ufe00-\ufe0d\uffa0"
    "\U000e0100-\U000e01ef]"
)
"""What counts as printable, and is to be seen to nevertheless."""

_QUOTE_MAP = (("’", "'"), ("‘", "'"), ("“", '"'), ("”", '"'), ("„", '"'), ("‚", "'"), ("‛", "'"), ("‟", '"'))
_COMMON_REPLACEMENTS = (*_QUOTE_MAP[:4], ("\u200b", ""))
"""Of most comments that are not ASCII, all that is not."""


def clean_unicode(text: str) -> str:
    r"""Mend broken characters, straighten quotes, remove what cannot be seen, and tidy white space.

    Paragraphs stay apart by one empty line. Emoji, and letters of every script, stay as they are.

    >>> clean_unicode("It\u2019s  a cafÃ©\u200b,\x1b[2J\r\n\r\n\r\n\u202eok\ud800 ")
    "It's a café,\n\nok"
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    if "\t" in text:
        text = text.replace("\t", " ")
    if not text.isascii():
        replaced = _replace_pairs(text, _COMMON_REPLACEMENTS)
        text = replaced if replaced.isascii() else _clean_non_ascii(text)
    if text.isascii() and not text.isprintable() and not text.replace("\n", "").isprintable():
        text = _remove_invisible(text)
    return normalize_whitespace(text)


def normalize_whitespace(text: str) -> str:
    r"""A text of no other white space than spaces and newlines, without what is too much of it.

    >>> normalize_whitespace(" a  b \n\n\nc")
    'a b\n\nc'
    """
    # In this order: each step leaves nothing for those before it. Halving a run each time is linear all the same.
    while "  " in text:
        text = text.replace("  ", " ")
    if "\n" in text:
        text = text.replace(" \n", "\n").replace("\n ", "\n")
        while "\n\n\n" in text:
            text = text.replace("\n\n\n", "\n\n")
    return text.strip()


def _remove_invisible(text: str) -> str:
    if "\x1b" in text:
        text = _ANSI_ESCAPE.sub("", text)
    return _INVISIBLE.sub("", _SPACE.sub(" ", _LINE_END.sub("\n", text)))


def _clean_non_ascii(text: str) -> str:
    if len(text) <= _MAX_MOJIBAKE_CHARS and (_MOJIBAKE.search(text) or any(pair in text for pair in _OTHER_MOJIBAKE)):
        text = _fix_mojibake(text)
    rare = _RARE_CHARS.search(text)
    if rare or not text.replace("\n", "").isprintable():
        text = _LOOSE_JOINER.sub("", _remove_invisible(text))
    text = _replace_pairs(text, _QUOTE_MAP)
    if rare:
        text = _LIGATURE.sub(_expand_ligature, text)
    text = unicodedata.normalize("NFC", text)
    return _STACKED_MARKS.sub("", text) if rare else text


@lru_cache(maxsize=1)  # what stays is asked about again, with the other rules' last look at a text
def _fix_mojibake(text: str) -> str:
    """What `ftfy.fix_encoding` makes of a text; a text that takes too much work was broken to do harm, and stays.

    ftfy goes on as long as it finds something in parts of a text, which may be one character each time: so the parts
    are seen to here. What decodes as a whole has half its broken characters then, and is left to ftfy.
    """
    cache: dict[str, str] = {}
    budget = _WORK_BUDGET

    def fix_part(match: re.Match[str]) -> str:
        nonlocal budget
        broken = match.group()
        if broken not in cache:
            budget -= len(broken) + _FIXED_COST
            cache[broken] = ftfy.fix_encoding(broken, _PART_CONFIG) if budget > 0 and is_bad(broken) else broken
        return cache[broken]

    current = text
    for _ in range(_MAX_LAYERS):
        budget -= len(current) + _FIXED_COST
        if budget <= 0:
            break
        decoded, steps = ftfy.fix_encoding_and_explain(current, _WHOLE_CONFIG)
        previous, current = (
            current,
            UTF8_DETECTOR_RE.sub(fix_part, current if steps and _DECODE_WINDOWS_1252 in steps else decoded),
        )
        if current == previous and (current := ftfy.fix_encoding(previous, _PART_CONFIG)) == previous and budget > 0:
            return current
    return text


def _replace_pairs(text: str, pairs: tuple[tuple[str, str], ...]) -> str:
    for old, new in pairs:
        text = text.replace(old, new)
    return text


def _expand_ligature(match: re.Match[str]) -> str:
    return unicodedata.normalize("NFKC", match.group())
