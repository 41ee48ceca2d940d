"""The rule on characters: mojibake, invisible characters, terminal escape sequences, quotes and white space."""

import re
import unicodedata
from functools import lru_cache

import ftfy
from ftfy.badness import is_bad
from ftfy.chardata import UTF8_DETECTOR_RE

_MOJIBAKE = re.compile(
    "[\u00c2-\u00f4][\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]"
)
"""Two characters that may be one in UTF-8 decoded as Windows-1252; ftfy then decides."""

_OTHER_MOJIBAKE = ("вЂ", "тА", "‚Ä", "√©")
"""The same for Russian encodings and Mac OS Roman."""

_MAX_MOJIBAKE_CHARS = 1 << 16
"""Longer texts are not checked for mojibake; Reddit's comments have up to 10,000 characters."""

_WORK_BUDGET = 3 << 16
"""Total characters given to ftfy per text. `ftfy.fix_encoding` alone takes 20 s for 4,000 characters of "Â"."""

_FIXED_COST = 24
"""Overhead of one call of ftfy, in characters."""

_MAX_LAYERS = 8
"""Times that a text was decoded wrongly; real texts have one or two."""

_WHOLE_CONFIG = ftfy.TextFixerConfig(decode_inconsistent_utf8=False, fix_c1_controls=False)
_PART_CONFIG = ftfy.TextFixerConfig(decode_inconsistent_utf8=False)
_DECODE_WINDOWS_1252 = ("decode", "windows-1252")
"""ftfy's step for C1 controls. It has to come after the repair of the parts, which may contain them."""

_ANSI_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*+[ -/]*+[@-~]|\][^\x07\x1b\n]*+(?:\x07|\x1b\\))")
"""Colors and cursor (CSI), titles and links (OSC), per ECMA-48. Of an incomplete one only ESC is removed."""

_LINE_END = re.compile("\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")
_SPACE = re.compile("[^\\S\n]|[\u115f\u1160\u2800\u3164\uffa0]")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x9f\xad\u034f\u061c\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\ud800-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0d\ufeff\ufff0-\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U0010ffff]"
)
"""Controls, bidirectional marks, zero-width characters, surrogates, private use, unassigned, and tag characters."""

_JOINER_CONTEXT = "[^\x00-\u024f\u2000-\u206f]"
_LOOSE_JOINER = re.compile(f"(?<!{_JOINER_CONTEXT})[\u200c\u200d]|[\u200c\u200d](?!{_JOINER_CONTEXT})")
"""Joiners combine emoji and shape the letters of many scripts; anywhere else they are invisible."""

_COMBINING_MARKS = "[\u0300-\u036f\u0483-\u0489]"
_STACKED_MARKS = re.compile(f"{_COMBINING_MARKS}(?<={_COMBINING_MARKS * 3})")
_LIGATURE = re.compile("[\ufb00-\ufb06]")
_RARE_CHARS = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufb00-\ufb06\ufe00-\ufe0d\uffa0"
    "\U000e0100-\U000e01ef]"
)
"""Characters that `str.isprintable` accepts and that are removed or replaced nevertheless."""

_QUOTE_MAP = (("’", "'"), ("‘", "'"), ("“", '"'), ("”", '"'), ("„", '"'), ("‚", "'"), ("‛", "'"), ("‟", '"'))
_COMMON_REPLACEMENTS = (*_QUOTE_MAP[:4], ("\u200b", ""))
"""Most comments have no other characters outside ASCII."""


def clean_unicode(text: str) -> str:
    r"""Repair mojibake, straighten quotes, remove invisible characters, and normalize white space.

    Paragraphs are separated by one empty line. Emoji and the letters of all scripts are kept.

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
    r"""Remove excess white space from a text that has only spaces and newlines.

    >>> normalize_whitespace(" a  b \n\n\nc")
    'a b\n\nc'
    """
    # In this order no step creates work for an earlier one. Halving a run in each pass is linear in total.
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


@lru_cache(maxsize=1)  # a text that is not changed is checked again in the last pass of the rules
def _fix_mojibake(text: str) -> str:
    """Do `ftfy.fix_encoding` within a budget; a text that exceeds it is hostile, and returned unchanged.

    ftfy restarts on the whole text for each part that it repairs, and so takes quadratic time. Here the parts are
    repaired one by one, and only texts that decode as a whole, which halves their broken characters, are left to ftfy.
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
