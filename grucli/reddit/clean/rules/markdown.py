"""The rules on Reddit's Markdown: quotes go; of everything else the mark-up goes and the words stay.

What people type is no clean Markdown: `2 * 3 * 4`, `snake_case`, `f**k`, `10^6`, `#1`, `>_>` and `¯\\_(ツ)_/¯` are no
mark-up, whatever a renderer makes of them. A stranger chooses the text, so every pattern is linear: from wherever it
starts, it ends at the next place where it could have started.
"""

import re

_FACE = r"[._\-oO^]{1,2}[<>](?=\s|$)|[:;=]['\-]?[()\[\]DPpcCoO3/\\|](?=\s|$)"
_QUOTE = re.compile(rf"^[ \t]*+>(?!!|{_FACE})[^\n]*\n?", re.MULTILINE)

_FENCE = re.compile(r"[ \t]*+(?:```++|~~~++)[ \t]*+[\w+#.-]*+[ \t]*+")
_HEADING = re.compile(r"[ \t]*+(?:#{1,6}[ \t]++|#{2,6}+(?=[^\s#]))")
_BULLET = re.compile(r"[ \t]*+[*•][ \t]++(?=\S)")

_MARKS = "*#-_=`~•"
"""What a line of mark-up begins with."""

_RULE = re.compile(r"[ \t]*+(?:(?:-[ \t]*+){3,}|(?:\*[ \t]*+){3,}|(?:_[ \t]*+){3,}|={3,}+[ \t]*+)")
_TABLE_RULE = re.compile(r"[ \t]*+\|?[ \t]*+:?-++:?[ \t]*+(?:\|[ \t]*+:?-*+:?[ \t]*+)+")

_DEFINITION = re.compile(
    r"^[ \t]*+\[([^\[\]\n]{1,100})\]:[ \t]*+<?(?:https?:|www\.|[/#])[^\n]*\n?", re.MULTILINE | re.IGNORECASE
)
_REFERENCE = re.compile(r"(?<!\\)\[([^\[\]\n]*+)\][ ]?\[([^\[\]\n]{0,100})\]")
_AUTOLINK = re.compile(r"<((?:https?://|ftp://|mailto:|www\.)[^\s<>]++)>", re.IGNORECASE)
# Where a pattern looks behind its first character and not before it, it is found at the speed of a search for that one.
_TARGET = r"((?:[^\[\]\\]|\\.|\[[^\[\]]*+\])*)\](\((?:[^()\n\\]|\\.|\([^()\n]*+\))*\))"
_LINK = re.compile(rf"\[(?<!\\\[){_TARGET}", re.DOTALL)
_IMAGE = re.compile(rf"!\[{_TARGET}", re.DOTALL)
_HIDDEN = re.compile(r"\([/#]?(?:s|spoilers?)[ \t]++[\"'](.*)[\"'][ \t]*\)", re.IGNORECASE | re.DOTALL)
_WORDLESS = frozenset(("gif", "img"))
"""What Reddit itself writes as the text of a picture."""

_SPOILER = re.compile(r">!((?:[^!>]|!(?!<)|>(?!!))*)!<")
_SUPERSCRIPT = re.compile(
    r"(?<![\w^)\]])\^+\(((?:[^()]|\([^()]*+\))*)\)|(?<![^\s(])\^++(?=[^\W_])|(?<=[^\W_])\^{2,}+(?=[^\W\d_])"
)
_STRUCK = re.compile(r"~~(?![\s~])([^~]*+)(?<!\s)~~")
_CODE = re.compile(r"(?<!`)(`{1,3}+)([^`]++)\1(?!`)")
# What emphasis may begin and end with: a face such as -_- or ^_^ has none of it.
_FIRST, _LAST = r"(?=[\w\"'“‘(\[~$#@&€£%:`])", r"(?<=[\w\"'”’)\].!?,;:~%…`])"
_STARS = re.compile(
    r"(\*(?<![\w*\\].)\*{0,2}+)(?![\s*])((?:[^*\n]++|\n(?!\n))+)(?<![\s\\])(?:(?<=\w)\1(?!\*)|\1(?![\w*]))"
)
_LOW_LINES = re.compile(
    rf"(_(?<![\w\\].)_{{0,2}}+){_FIRST}((?:[^_\n]|\n(?!\n)|(?<=[^\W_])_(?=[^\W_]))+){_LAST}\1(?!\w)"
)
_DUNDER = re.compile(
    "all|call|class|del|dict|doc|enter|eq|exit|file|future|getattr|getitem|hash|init|iter|len|main|name|new|next|repr"
    "|setattr|setitem|slots|str"
)
"""Between two pairs of underscores these are Python's names, and not loud."""

_SHRUG = re.compile(r"¯\\*+_+\(ツ\)\\*+_+/\\*+¯")
_ESCAPE = re.compile(r"(?<!¯)\\([\\`*_{}\[\]()#+\-.!|>~^<])")


def quotes(text: str) -> str:
    r"""Take out quoted lines: they are somebody else's words. Spoilers and angry faces at the start of a line stay.

    >>> quotes("> Is it?\nYes.\n>_> no\n>!it is!<")
    'Yes.\n>_> no\n>!it is!<'
    """
    return _QUOTE.sub("", text) if ">" in text else text


def markdown(text: str) -> str:
    r"""Take off the mark-up: links keep their text, tables their cells, and spoilers, code and headings their words.

    >>> markdown("# So\n[it **is**](http://a.b/c_(d)): ~~no~~ *yes*, ^^tiny `code` >!dies!< \\#1")
    'So\nit is: no yes, tiny code dies #1'
    >>> markdown("Cat|Age\n:--|--:\nTom|3")
    'Cat, Age\nTom, 3'
    >>> markdown("2 * 3 * 4 = 4!, a_b_c, f**k, x^2, ^_^ and __init__")
    '2 * 3 * 4 = 4!, a_b_c, f**k, x^2, ^_^ and __init__'
    """
    if "ツ" in text:
        text = _SHRUG.sub(r"¯\\_(ツ)_/¯", text)  # first: it looks emphasised
    if _may_have_blocks(text):
        text = _blocks(text)
    if "[" in text:
        text = _links(text)
    if "<" in text:
        text = _SPOILER.sub(r"\1", _AUTOLINK.sub(r"\1", text))
    if "^" in text:
        text = _SUPERSCRIPT.sub(_raised, text)
    if "`" in text:
        text = _CODE.sub(_unspaced, text)
    if "~~" in text:
        text = _STRUCK.sub(r"\1", text)
    if "*" in text:
        text = _STARS.sub(r"\2", text)
    if "*" in text:
        text = _STARS.sub(r"\2", text)
    if "_" in text:
        text = _LOW_LINES.sub(_unlined, text)
    return _ESCAPE.sub(r"\1", text) if "\\" in text else text


def _may_have_blocks(text: str) -> bool:
    if "\n" not in text and text.lstrip()[:1] not in _MARKS:
        return False
    # A search for one character is ten times as fast as one for two.
    return (
        "*" in text
        or "#" in text
        or ("-" in text and "--" in text)
        or ("|" in text and "\n" in text)
        or "•" in text
        or ("=" in text and "==" in text)
        or ("_" in text and "__" in text)
        or ("`" in text and "```" in text)
        or ("~" in text and "~~~" in text)
    )


def _blocks(text: str) -> str:
    """Line by line: headings, bullets, fences, tables, rules across the page and lines under headings."""
    lines: list[str] = []
    in_table = False
    for line in text.split("\n"):
        if in_table and "|" in line:
            lines.append(_cells(line))
            continue
        in_table = bool(lines) and "|" in lines[-1] and _TABLE_RULE.fullmatch(line) is not None
        if in_table:
            lines[-1] = _cells(lines[-1])
        elif (mark := line.lstrip()[:1]) and mark in _MARKS:
            if not _RULE.fullmatch(line) and not _FENCE.fullmatch(line):
                lines.append(_opening(line))
        else:
            lines.append(line)
    return "\n".join(lines)


def _cells(line: str) -> str:
    return ", ".join(cell.strip() for cell in line.split("|") if cell and not cell.isspace())


def _opening(line: str) -> str:
    """A line without the mark of a heading; every bullet becomes a dash, as people write them elsewhere."""
    if bullet := _BULLET.match(line):
        return "- " + line[bullet.end() :]
    heading = _HEADING.match(line)
    if not heading:
        return line
    words = line[heading.end() :].rstrip()
    open_end = words.rstrip("#")
    return open_end.rstrip() if not open_end or open_end[-1].isspace() else words


def _links(text: str) -> str:
    if "](" in text:
        if "![" in text:
            text = _IMAGE.sub(_linked, text)
        text = _LINK.sub(_linked, text)
    if "]:" in text and _DEFINITION.search(text):
        text = _REFERENCE.sub(r"\1", _DEFINITION.sub("", text))
    return text


def _linked(found: re.Match[str]) -> str:
    """The text of a link. Some subreddits hide a spoiler in its title."""
    words, target = found.group(1), found.group(2)
    if hidden := _HIDDEN.fullmatch(target):
        return f"{words} {hidden.group(1)}"
    return "" if words in _WORDLESS else words


def _raised(found: re.Match[str]) -> str:
    if found.group(1) is not None:
        return found.group(1)
    return " " if found.string[found.start() - 1 : found.start()].isalnum() else ""


def _unspaced(found: re.Match[str]) -> str:
    return found.group(2).strip()


def _unlined(found: re.Match[str]) -> str:
    words = found.group(2)
    return found.group() if _DUNDER.fullmatch(words) else words
