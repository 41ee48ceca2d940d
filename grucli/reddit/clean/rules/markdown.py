"""The rules on Reddit's Markdown: quotes are removed; of everything else the mark-up is removed and the text kept.

Dumps escape `&`, `<` and `>`, so HTML entities that people typed are escaped twice.

Not everything that looks like Markdown is: `2 * 3 * 4`, `snake_case`, `f**k`, `10^6`, `#1`, `>_>` and `¯\\_(ツ)_/¯`
are kept, even where a renderer changes them. Texts are untrusted, so every pattern takes linear time: a match attempt
ends at the next position where one could start.
"""

import html
import re
from html.entities import html5

_AMP = re.compile("&(?:amp;)+")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")

_EMOTICON = r"[._\-oO^]{1,2}[<>](?=\s|$)|[:;=]['\-]?[()\[\]DPpcCoO3/\\|](?=\s|$)"
_QUOTE = re.compile(rf"^[ \t]*+>(?!!|{_EMOTICON})[^\n]*\n?", re.MULTILINE)

_FENCE = re.compile(r"[ \t]*+(?:```++|~~~++)[ \t]*+[\w+#.-]*+[ \t]*+")
_HEADING = re.compile(r"[ \t]*+(?:#{1,6}[ \t]++|#{2,6}+(?=[^\s#]))")
_BULLET = re.compile(r"[ \t]*+[*•][ \t]++(?=\S)")

_BLOCK_MARKERS = "*#-_=`~•"
"""First characters of a line with block mark-up."""

_THEMATIC_BREAK = re.compile(r"[ \t]*+(?:(?:-[ \t]*+){3,}|(?:\*[ \t]*+){3,}|(?:_[ \t]*+){3,}|={3,}+[ \t]*+)")
_TABLE_DELIMITER_ROW = re.compile(r"[ \t]*+\|?[ \t]*+:?-++:?[ \t]*+(?:\|[ \t]*+:?-*+:?[ \t]*+)+")

_LINK_DEFINITION = re.compile(
    r"^[ \t]*+\[([^\[\]\n]{1,100})\]:[ \t]*+<?(?:https?:|www\.|[/#])[^\n]*\n?", re.MULTILINE | re.IGNORECASE
)
_REFERENCE_LINK = re.compile(r"(?<!\\)\[([^\[\]\n]*+)\][ ]?\[([^\[\]\n]{0,100})\]")
_AUTOLINK = re.compile(r"<((?:https?://|ftp://|mailto:|www\.)[^\s<>]++)>", re.IGNORECASE)
# A lookbehind follows the first character of a pattern: a search for that character is fast.
_TARGET = r"((?:[^\[\]\\]|\\.|\[[^\[\]]*+\])*)\](\((?:[^()\n\\]|\\.|\([^()\n]*+\))*\))"
_LINK = re.compile(rf"\[(?<!\\\[){_TARGET}", re.DOTALL)
_IMAGE = re.compile(rf"!\[{_TARGET}", re.DOTALL)
_TITLE_SPOILER = re.compile(r"\([/#]?(?:s|spoilers?)[ \t]++[\"'](.*)[\"'][ \t]*\)", re.IGNORECASE | re.DOTALL)
_IMAGE_PLACEHOLDERS = frozenset(("gif", "img"))
"""Alternative texts of images that Reddit itself writes."""

_SPOILER = re.compile(r">!((?:[^!>]|!(?!<)|>(?!!))*)!<")
_SUPERSCRIPT = re.compile(
    r"(?<![\w^)\]])\^+\(((?:[^()]|\([^()]*+\))*)\)|(?<![^\s(])\^++(?=[^\W_])|(?<=[^\W_])\^{2,}+(?=[^\W\d_])"
)
_STRIKETHROUGH = re.compile(r"~~(?![\s~])([^~]*+)(?<!\s)~~")
_CODE = re.compile(r"(?<!`)(`{1,3}+)([^`]++)\1(?!`)")
# First and last characters of an emphasized text, so that emoticons such as -_- or ^_^ do not match.
_EMPHASIS_START, _EMPHASIS_END = r"(?=[\w\"'“‘(\[~$#@&€£%:`])", r"(?<=[\w\"'”’)\].!?,;:~%…`])"
_ASTERISK_EMPHASIS = re.compile(
    r"(\*(?<![\w*\\].)\*{0,2}+)(?![\s*])((?:[^*\n]++|\n(?!\n))+)(?<![\s\\])(?:(?<=\w)\1(?!\*)|\1(?![\w*]))"
)
_UNDERSCORE_EMPHASIS = re.compile(
    rf"(_(?<![\w\\].)_{{0,2}}+){_EMPHASIS_START}((?:[^_\n]|\n(?!\n)|(?<=[^\W_])_(?=[^\W_]))+){_EMPHASIS_END}\1(?!\w)"
)
_DUNDER = re.compile(
    "all|call|class|del|dict|doc|enter|eq|exit|file|future|getattr|getitem|hash|init|iter|len|main|name|new|next|repr"
    "|setattr|setitem|slots|str"
)
"""Python names: between double underscores they are not emphasis."""

_SHRUG = re.compile(r"¯\\*+_+\(ツ\)\\*+_+/\\*+¯")
_ESCAPE = re.compile(r"(?<!¯)\\([\\`*_{}\[\]()#+\-.!|>~^<])")


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


def remove_quotes(text: str) -> str:
    r"""Remove quoted lines, which are the words of others. Spoilers and emoticons at the start of a line are kept.

    >>> remove_quotes("> Is it?\nYes.\n>_> no\n>!it is!<")
    'Yes.\n>_> no\n>!it is!<'
    """
    return _QUOTE.sub("", text) if ">" in text else text


def strip_markdown(text: str) -> str:
    r"""Remove the mark-up and keep the text of links, table cells, spoilers, code and headings.

    >>> strip_markdown("# So\n[it **is**](http://a.b/c_(d)): ~~no~~ *yes*, ^^tiny `code` >!dies!< \\#1")
    'So\nit is: no yes, tiny code dies #1'
    >>> strip_markdown("Cat|Age\n:--|--:\nTom|3")
    'Cat, Age\nTom, 3'
    >>> strip_markdown("2 * 3 * 4 = 4!, a_b_c, f**k, x^2, ^_^ and __init__")
    '2 * 3 * 4 = 4!, a_b_c, f**k, x^2, ^_^ and __init__'
    """
    if "ツ" in text:
        text = _SHRUG.sub(r"¯\\_(ツ)_/¯", text)  # first: it looks like emphasis
    if _may_have_blocks(text):
        text = _strip_blocks(text)
    if "[" in text:
        text = _strip_links(text)
    if "<" in text:
        text = _SPOILER.sub(r"\1", _AUTOLINK.sub(r"\1", text))
    if "^" in text:
        text = _SUPERSCRIPT.sub(_replace_superscript, text)
    if "`" in text:
        text = _CODE.sub(_replace_code_span, text)
    if "~~" in text:
        text = _STRIKETHROUGH.sub(r"\1", text)
    if "*" in text:
        text = _ASTERISK_EMPHASIS.sub(r"\2", text)
    if "*" in text:
        text = _ASTERISK_EMPHASIS.sub(r"\2", text)
    if "_" in text:
        text = _UNDERSCORE_EMPHASIS.sub(_replace_underscore_emphasis, text)
    return _ESCAPE.sub(r"\1", text) if "\\" in text else text


def _unescape_entity(match: re.Match[str]) -> str:
    entity = match.group()
    # html.unescape would also decode the "&not" in "&notit;".
    return html.unescape(entity) if entity[1] == "#" else html5.get(entity[1:], entity)


def _may_have_blocks(text: str) -> bool:
    if "\n" not in text and text.lstrip()[:1] not in _BLOCK_MARKERS:
        return False
    # Searching for one character is ten times as fast as for two.
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


def _strip_blocks(text: str) -> str:
    """Strip headings, bullets, code fences, tables, thematic breaks and underlines of headings."""
    lines: list[str] = []
    in_table = False
    for line in text.split("\n"):
        if in_table and "|" in line:
            lines.append(_join_cells(line))
            continue
        in_table = bool(lines) and "|" in lines[-1] and _TABLE_DELIMITER_ROW.fullmatch(line) is not None
        if in_table:
            lines[-1] = _join_cells(lines[-1])
        elif (marker := line.lstrip()[:1]) and marker in _BLOCK_MARKERS:
            if not _THEMATIC_BREAK.fullmatch(line) and not _FENCE.fullmatch(line):
                lines.append(_strip_line_marker(line))
        else:
            lines.append(line)
    return "\n".join(lines)


def _join_cells(line: str) -> str:
    return ", ".join(cell.strip() for cell in line.split("|") if cell and not cell.isspace())


def _strip_line_marker(line: str) -> str:
    """Strip the marker of a heading; any bullet becomes a dash."""
    if bullet := _BULLET.match(line):
        return "- " + line[bullet.end() :]
    heading = _HEADING.match(line)
    if not heading:
        return line
    words = line[heading.end() :].rstrip()
    open_end = words.rstrip("#")
    return open_end.rstrip() if not open_end or open_end[-1].isspace() else words


def _strip_links(text: str) -> str:
    if "](" in text:
        if "![" in text:
            text = _IMAGE.sub(_replace_link, text)
        text = _LINK.sub(_replace_link, text)
    if "]:" in text and _LINK_DEFINITION.search(text):
        text = _REFERENCE_LINK.sub(r"\1", _LINK_DEFINITION.sub("", text))
    return text


def _replace_link(match: re.Match[str]) -> str:
    """Return the text of a link, and the spoiler that some subreddits hide in its title."""
    words, target = match.group(1), match.group(2)
    if hidden := _TITLE_SPOILER.fullmatch(target):
        return f"{words} {hidden.group(1)}"
    return "" if words in _IMAGE_PLACEHOLDERS else words


def _replace_superscript(match: re.Match[str]) -> str:
    if match.group(1) is not None:
        return match.group(1)
    return " " if match.string[match.start() - 1 : match.start()].isalnum() else ""


def _replace_code_span(match: re.Match[str]) -> str:
    return match.group(2).strip()


def _replace_underscore_emphasis(match: re.Match[str]) -> str:
    words = match.group(2)
    return match.group() if _DUNDER.fullmatch(words) else words
