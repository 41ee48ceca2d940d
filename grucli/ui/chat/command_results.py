"""What a session answers a command with, as lines to print: lists, candidates, tokens, the tree of turns."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from grucli.chat.events import (
    Answer,
    Branch,
    Branched,
    Candidate,
    Copyable,
    Gated,
    Helped,
    Listed,
    Peeked,
    Ranked,
    Refused,
    Scored,
    Told,
)
from grucli.chat.turns import BEGINNING
from grucli.ui.chat.heatmap import draw_gated, draw_scored
from grucli.ui.chat.reply_view import last_words
from grucli.ui.terminal.progress import fitting
from grucli.ui.terminal.sanitize import safe, safe_line
from grucli.ui.terminal.token_display import quoted
from grucli.ui.terminal.wrapping import Growing, clipped

NARROW = 60  # columns: below, each description has a line of its own
_ROOM_FOR_A_LINE = 8  # columns: below, a turn is the beginning of its reply
_LONGEST_TOKEN = 16
_BAR = 32
_IN_FULL = 5
"""Candidates that are shown whole; each of the others has one line, however many there are."""


def print_answer(console: Console, answer: Answer) -> None:
    """Print an answer, and an empty line after it."""
    match answer:
        case Told(text):
            console.print(Text(safe_line(text), "dim"))
        case Copyable(text):
            # Whoever copies it wants no line ends in it but its own: where it is long, the terminal breaks it.
            console.print(Text(safe(text)), soft_wrap=True)
        case Refused(what, todo):
            console.print(Text(safe_line(what), "bold red"))
            console.print(Text(safe_line(todo), "dim"))
        case Listed(rows):
            _print_list(console, rows)
        case Helped(commands, settings):
            _print_help(console, commands, settings)
        case _:
            for line in _draw(console, answer):
                console.print(line)
    console.print()


def _draw(console: Console, answer: Ranked | Peeked | Scored | Gated | Branched) -> Iterator[Text]:
    match answer:
        case Ranked(candidates):
            return _draw_ranked(console, candidates)
        case Peeked(lead, tokens):
            return _draw_peeked(console, lead, tokens)
        case Scored():
            return draw_scored(console, answer)
        case Gated():
            return draw_gated(console, answer)
        case Branched():
            return _draw_tree(console, answer)


def _print_list(console: Console, rows: Sequence[tuple[str, str, str]]) -> None:
    narrow = console.width < NARROW
    table = Table.grid(padding=(0, 2, 0, 0))
    valued = any(value for _, value, _ in rows)
    for name, value, text in rows:
        head = (Text(safe_line(name), "cyan"), Text(safe_line(value), "bold"))
        if narrow:
            console.print(Text(" ").join(part for part in head if part))
            if text:
                console.print(Padding(Text(safe_line(text), "dim"), (0, 0, 0, 2)))
        else:
            table.add_row(*(head if valued else head[:1]), Text(safe_line(text), "dim"))
    if not narrow:
        console.print(table)


def _print_help(console: Console, commands: Sequence[tuple[str, str, str]], settings: Sequence[str]) -> None:
    """Commands under their groups, or beside them where there is room; then the settings, as many to a line as fit."""
    narrow = console.width < NARROW
    table = Table.grid(padding=(0, 2, 0, 0))
    values = Text(" · ", "dim").join(Text(safe_line(setting).replace(" ", "\u00a0")) for setting in settings)
    before = ""
    for group, usage, does in commands:
        title = Text(group if group != before else "", "bold")
        before = group
        if narrow:
            if title:
                console.print(title)
            console.print(Text(f"  {usage}", "cyan"))
            console.print(Padding(Text(does, "dim"), (0, 0, 0, 4)))
        else:
            table.add_row(title, Text(usage, "cyan"), Text(does, "dim"))
    if narrow:
        console.print(Text("settings", "bold"))
        console.print(Padding(values, (0, 0, 0, 2)))
    else:
        console.print(table)
        block = Table.grid(padding=(0, 2, 0, 0))
        block.add_row(Text("settings", "bold"), values)
        console.print(block)


def _draw_ranked(console: Console, candidates: Sequence[Candidate]) -> Iterator[Text]:
    """Each candidate with the number that picks it: the best with figures under them, of others how they begin."""
    indent = len(str(len(candidates))) + 2
    for number, candidate in enumerate(candidates, 1):
        if number > _IN_FULL:
            yield _candidate_row(number, candidate, indent, console)
            continue
        turn, text = candidate.turn, Growing()
        text.add(turn.reply)
        lines = text.lines(max(console.width - 1 - indent, 1)) if turn.reply else [Text("(nothing)", "dim")]
        for index, line in enumerate(lines):
            head = (f"{number:<{indent}}", "bold cyan") if index == 0 else " " * indent
            yield Text.assemble(head, line)
        yield Text(" " * indent + _figures(candidate, console.width - 1 - indent), "dim")


def _figures(candidate: Candidate, room: int) -> str:
    """What a candidate can be drawn again by, and what it was ranked by; how likely it was, where there is room."""
    bits = candidate.turn.bits_per_char
    seed, score = f"seed {candidate.turn.seed}", "" if candidate.score is None else f"score {candidate.score:.2f}"
    for likely in () if bits is None else (f"{bits:.2f} bits/char", f"{bits:.2f} bits"):
        figures = [field for field in (seed, likely, score) if field]
        if fitting(figures, room) == figures:
            return " · ".join(figures)
    return " · ".join(fitting([seed, score], room))


def _candidate_row(number: int, candidate: Candidate, indent: int, console: Console) -> Text:
    """A candidate in a line: its score, and as much of it as there is room for."""
    score = "" if candidate.score is None else f"{candidate.score:.2f}  "
    room = max(console.width - 1 - indent - len(score), 1)
    text = clipped(safe_line(candidate.turn.reply), room, console.options.ascii_only)
    return Text.assemble((f"{number:<{indent}}", "bold cyan"), (score, "dim"), text or ("(nothing)", "dim"))


def _draw_peeked(console: Console, lead: str, tokens: Sequence[tuple[str, float]]) -> Iterator[Text]:
    """Each token with the number that picks it, and a bar that is full for the likeliest."""
    plain = console.options.ascii_only
    if lead:
        yield Text(safe_line(last_words(lead, console.width // 2)), "dim")
    names = [clipped(quoted(text, plain), _LONGEST_TOKEN, plain) for text, _ in tokens]
    most = max((chance for _, chance in tokens), default=0) or 1
    digits, widest = len(str(len(tokens))), max(map(cell_len, names), default=0)
    bar = max(4, min(_BAR, console.width - 1 - digits - widest - 12))
    for number, (name, (text, chance)) in enumerate(zip(names, tokens, strict=True), 1):
        filled = round(bar * chance / most)
        yield Text.assemble(
            (f"{number:>{digits}}  ", "bold cyan"),
            (name + " " * (widest - cell_len(name)), "" if text else "dim"),
            f"  {f'{chance:.1%}' if chance >= 0.001 else '<0.1%':>6}  ",
            (("=" if plain else "━") * filled, "cyan"),
        )


def _draw_tree(console: Console, tree: Branched) -> Iterator[Text]:
    """A turn a line; what was said after the same turn stands under it, one branch after the other.

    The beginning has a line where a branch ends there.
    """
    plain, branches = console.options.ascii_only, tree.rows
    fork, end, pass_by, here = ("|- ", "`- ", "|  ", "*") if plain else ("├─ ", "└─ ", "│  ", "●")
    known = {branch.number for branch in branches}
    after: dict[int | None, list[int]] = defaultdict(list)
    for branch in branches:
        after[branch.parent if branch.parent in known else None].append(branch.number)
    guides: dict[int | None, str] = {None: ""}
    digits = max((len(str(branch.number)) for branch in branches), default=1)
    if tree.beginning:
        marker = (f"{here} " if tree.now == BEGINNING else "", "bold green")
        names = " ".join(f"[{safe_line(name)}]" for name in tree.beginning)
        row = Text.assemble((f"{BEGINNING:>{digits}} ", "cyan"), marker, ("the beginning ", "dim"), (names, "green"))
        row.truncate(console.width - 1)
        yield row
    for branch in branches:
        parent = branch.parent if branch.parent in known else None
        guide, sides = guides[parent], after[parent]
        last = sides[-1] == branch.number
        guides[branch.number] = guide + ("" if len(sides) == 1 else "   " if last else pass_by)
        head = guide + ("" if len(sides) == 1 else end if last else fork)
        # However often the dialogue was forked, there is room for what was said.
        head = head[-max(console.width // 3 // 3 * 3, 3) :] if head else head
        marker = (f"{here} " if branch.now else "", "bold green")
        number = Text.assemble((head, "dim"), (f"{branch.number:>{digits}} ", "cyan"), marker)
        yield _tree_row(number, branch, console.width - 1, plain)


def _tree_row(head: Text, branch: Branch, width: int, plain: bool) -> Text:
    """What was said in a turn: the line, an arrow, the reply; then the branches that end there."""
    names = clipped(safe_line(" ".join(f"[{name}]" for name in branch.names)), width // 3, plain)
    room = width - head.cell_len - (cell_len(names) + 1 if names else 0)
    arrow = " -> " if plain else " → "
    line, reply = safe_line(branch.line), safe_line(branch.reply)
    if room < _ROOM_FOR_A_LINE:
        line = ""
    else:
        share = max(room - len(arrow) - cell_len(reply), (room - len(arrow)) // 2)
        line = clipped(line, share, plain) + arrow if line else arrow.lstrip()
    reply = clipped(reply, max(room - cell_len(line), 1), plain)
    on_way = branch.kept or branch.now
    row = Text.assemble(head, (line, "dim"), (reply, "" if on_way else "dim"))
    if names:
        row.append(f" {names}", "bold green" if branch.now else "green")
    row.truncate(width)
    return row
