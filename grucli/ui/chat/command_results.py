"""Prints the results of commands: lists, candidates, tokens, the tree of turns."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from grucli.chat.events import (
    Candidate,
    Candidates,
    CommandError,
    CommandResult,
    GateValues,
    Help,
    Listing,
    Message,
    NextTokens,
    SampleCommand,
    TextSurprisal,
    TreeRow,
    TurnTreeView,
)
from grucli.chat.turns import ROOT, preview
from grucli.ui.chat.heatmap import render_gates, render_surprisal
from grucli.ui.chat.reply_view import tail
from grucli.ui.terminal.formatting import fit_fields, repr_token
from grucli.ui.terminal.sanitize import mark_line_breaks, sanitize, sanitize_line
from grucli.ui.terminal.wrapping import IncrementalWrapper, truncate

MIN_TABLE_COLUMNS = 60  # in a narrower terminal each description has its own line
_MIN_LINE_COLUMNS = 8  # with less, a turn is shown without the user's line
_MAX_TOKEN_COLUMNS = 16
_MAX_BAR_COLUMNS = 32
_MAX_FULL_CANDIDATES = 5  # the others have one line each


def print_command_result(console: Console, result: CommandResult) -> None:
    """Print a result and an empty line, but none in /help, which fits a screen of 24 rows with its last line."""
    lines: Iterable[Text] = ()
    match result:
        case Message(text):
            console.print(Text(sanitize_line(text), "dim"))
        case SampleCommand(text):
            # The terminal wraps a long line: it can be copied without extra line breaks.
            console.print(Text(sanitize(text)), soft_wrap=True)
        case CommandError(message, hint):
            console.print(Text(sanitize_line(message), "bold red"))
            console.print(Text(sanitize_line(hint), "dim"))
        case Listing(rows):
            _print_list(console, rows)
        case Help(commands, settings):
            _print_help(console, commands, settings)
            return
        case Candidates(candidates):
            lines = _render_candidates(console, candidates)
        case NextTokens(prefix, tokens):
            lines = _render_next_tokens(console, prefix, tokens)
        case TextSurprisal():
            lines = render_surprisal(console, result)
        case GateValues():
            lines = render_gates(console, result)
        case TurnTreeView():
            lines = _render_tree(console, result)
    for line in lines:
        console.print(line)
    console.print()


def _print_list(console: Console, rows: Sequence[tuple[str, str, str]]) -> None:
    narrow = console.width < MIN_TABLE_COLUMNS
    table = Table.grid(padding=(0, 2, 0, 0))
    valued = any(value for _, value, _ in rows)
    for name, value, text in rows:
        head = (Text(sanitize_line(name), "cyan"), Text(sanitize_line(value), "bold"))
        if narrow:
            console.print(Text(" ").join(part for part in head if part))
            if text:
                console.print(Padding(Text(sanitize_line(text), "dim"), (0, 0, 0, 2)))
        else:
            table.add_row(*(head if valued else head[:1]), Text(sanitize_line(text), "dim"))
    if not narrow:
        console.print(table)


def _print_help(console: Console, commands: Sequence[tuple[str, str, str]], settings: Sequence[str]) -> None:
    narrow = console.width < MIN_TABLE_COLUMNS
    table = Table.grid(padding=(0, 2, 0, 0))
    values = Text(" · ", "dim").join(Text(sanitize_line(setting).replace(" ", "\u00a0")) for setting in settings)
    previous_group = ""
    for group, usage, description in commands:
        title = Text(group if group != previous_group else "", "bold")
        previous_group = group
        if narrow:
            if title:
                console.print(title)
            console.print(Text(f"  {usage}", "cyan"))
            console.print(Padding(Text(description, "dim"), (0, 0, 0, 4)))
        else:
            table.add_row(title, Text(usage, "cyan"), Text(description, "dim"))
    if narrow:
        console.print(Text("settings", "bold"))
        console.print(Padding(values, (0, 0, 0, 2)))
    else:
        console.print(table)
        block = Table.grid(padding=(0, 2, 0, 0))
        block.add_row(Text("settings", "bold"), values)
        console.print(block)


def _render_candidates(console: Console, candidates: Sequence[Candidate]) -> Iterator[Text]:
    """Yield each candidate after its number, with its figures below: the best ones whole, the start of the others."""
    indent = len(str(len(candidates))) + 2
    for number, candidate in enumerate(candidates, 1):
        text, width, reply = IncrementalWrapper(), max(console.width - 1 - indent, 1), candidate.turn.reply
        if number > _MAX_FULL_CANDIDATES:
            reply = truncate(mark_line_breaks(reply), width, console.options.ascii_only)
        text.feed(reply)
        for index, line in enumerate(text.lines(width) if reply else [Text("(nothing)", "dim")]):
            head = (f"{number:<{indent}}", "bold cyan") if index == 0 else " " * indent
            yield Text.assemble(head, line)
        yield Text(" " * indent + _stats_line(candidate, width), "dim")


def _stats_line(candidate: Candidate, width: int) -> str:
    bits = candidate.turn.bits_per_char
    seed, score = f"seed {candidate.turn.seed}", "" if candidate.score is None else f"score {candidate.score:.2f}"
    for likely in () if bits is None else (f"{bits:.2f} bits/char", f"{bits:.2f} bits"):
        figures = [field for field in (seed, likely, score) if field]
        if fit_fields(figures, width) == figures:
            return " · ".join(figures)
    return " · ".join(fit_fields([seed, score], width))


def _render_next_tokens(console: Console, prefix: str, tokens: Sequence[tuple[str, float]]) -> Iterator[Text]:
    """Yield each token after its number, with a bar that is full for the likeliest."""
    ascii_only = console.options.ascii_only
    if prefix:
        yield Text(sanitize_line(tail(prefix, console.width // 2)), "dim")
    names = [truncate(repr_token(text, ascii_only), _MAX_TOKEN_COLUMNS, ascii_only) for text, _ in tokens]
    max_probability = max((chance for _, chance in tokens), default=0) or 1
    digits, widest = len(str(len(tokens))), max(map(cell_len, names), default=0)
    bar = max(4, min(_MAX_BAR_COLUMNS, console.width - 1 - digits - widest - 12))
    for number, (name, (text, chance)) in enumerate(zip(names, tokens, strict=True), 1):
        filled = round(bar * chance / max_probability)
        yield Text.assemble(
            (f"{number:>{digits}}  ", "bold cyan"),
            (name + " " * (widest - cell_len(name)), "" if text else "dim"),
            f"  {f'{chance:.1%}' if chance >= 0.001 else '<0.1%':>6}  ",
            (("=" if ascii_only else "━") * filled, "cyan"),
        )


def _render_tree(console: Console, tree: TurnTreeView) -> Iterator[Text]:
    ascii_only, rows = console.options.ascii_only, tree.rows
    fork, end, pass_by, here = ("|- ", "`- ", "|  ", "*") if ascii_only else ("├─ ", "└─ ", "│  ", "●")
    known = {row.turn.number for row in rows}
    children: dict[int | None, list[int]] = defaultdict(list)
    for row in rows:
        children[row.turn.parent if row.turn.parent in known else None].append(row.turn.number)
    guides: dict[int | None, str] = {None: ""}
    digits = max((len(str(row.turn.number)) for row in rows), default=1)
    if tree.root_branches:
        marker = (f"{here} " if tree.head == ROOT else "", "bold green")
        names = " ".join(f"[{sanitize_line(name)}]" for name in tree.root_branches)
        beginning = Text.assemble((f"{ROOT:>{digits}} ", "cyan"), marker, ("the beginning ", "dim"), (names, "green"))
        beginning.truncate(console.width - 1)
        yield beginning
    for row in rows:
        parent = row.turn.parent if row.turn.parent in known else None
        guide, siblings = guides[parent], children[parent]
        last = siblings[-1] == row.turn.number
        guides[row.turn.number] = guide + ("" if len(siblings) == 1 else "   " if last else pass_by)
        head = guide + ("" if len(siblings) == 1 else end if last else fork)
        # However many forks there are, the text has room.
        head = head[-max(console.width // 3 // 3 * 3, 3) :] if head else head
        marker = (f"{here} " if row.is_head else "", "bold green")
        number = Text.assemble((head, "dim"), (f"{row.turn.number:>{digits}} ", "cyan"), marker)
        yield _tree_row(number, row, console.width - 1, ascii_only)


def _tree_row(head: Text, row: TreeRow, width: int, ascii_only: bool) -> Text:
    names = truncate(sanitize_line(" ".join(f"[{name}]" for name in row.names)), width // 3, ascii_only)
    columns = width - head.cell_len - (cell_len(names) + 1 if names else 0)
    arrow = " -> " if ascii_only else " → "
    line, reply = sanitize_line(preview(row.turn.line)), sanitize_line(preview(row.turn.reply))
    if columns < _MIN_LINE_COLUMNS:
        line = ""
    else:
        line_columns = max(columns - len(arrow) - cell_len(reply), (columns - len(arrow)) // 2)
        line = truncate(line, line_columns, ascii_only) + arrow if line else arrow.lstrip()
    reply = truncate(reply, max(columns - cell_len(line), 1), ascii_only)
    on_path = row.on_path or row.is_head
    text = Text.assemble(head, (line, "dim"), (reply, "" if on_path else "dim"))
    if names:
        text.append(f" {names}", "bold green" if row.is_head else "green")
    text.truncate(width)
    return text
