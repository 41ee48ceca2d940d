"""Progress and report of `gru clean`, the table of rules, and the trace of one comment."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from grucli.errors import pluralize
from grucli.read.fields import FIELDS
from grucli.read.schema import describe_inputs
from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.formatting import fit_fields, format_eta, format_si, progress_bar
from grucli.ui.terminal.live_display import TransientBar
from grucli.ui.terminal.sanitize import sanitize, sanitize_line
from grucli.ui.terminal.startup_message import STARTUP_MESSAGE
from grucli.ui.terminal.wrapping import IncrementalWrapper

if TYPE_CHECKING:
    from grucli.read.schema import Schema
    from grucli.reddit.clean.explain import Explanation
    from grucli.reddit.clean.report import CleanReport, DropStats, ExampleComment
    from grucli.reddit.clean.rules.registry import Rule

_INDENT = 2
_FIELD_WIDTH = 13
_MAX_REASONS = 4
_MAX_LINES = 3
_MIN_ETA_SECONDS = 2.0


class CleanView(TransientBar):
    """A progress bar on stderr's terminal, by bytes of the input, removed at the end."""

    def __init__(self, terminal: Terminal, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(terminal)
        self._clock = clock
        self._started_at = clock()
        self._total: int | None = None
        self._bytes = 0
        self._report: CleanReport | None = None
        self._said: set[str] = set()

    def start(self, report: "CleanReport") -> None:
        """Start the clock; `report` is the one that is filled meanwhile."""
        self._report = report
        self._started_at = self._clock()

    def progress(self, stage: str, done: int, total: int | None) -> None:
        """Show the bytes read, of `total` if that is known, and say what was decided about the inputs."""
        self._bytes, self._total = done, total
        if self._report is not None:
            self.show_inputs(self._report.inputs)

    def show_inputs(self, inputs: "Sequence[Schema]") -> None:
        """Print what was decided about the inputs, each decision once."""
        for line in describe_inputs(inputs):
            if line not in self._said:
                self._terminal.info(line)
                self._said.add(line)

    def _render(self) -> list[Text]:
        if self._report is None or not self._bytes:
            return [Text(STARTUP_MESSAGE)]
        done = self._report.kept + self._report.dropped.total()
        seconds = self._clock() - self._started_at
        counts = [f"{done:,} read", f"{self._report.kept:,} kept"]
        rate = f"{format_si(done / seconds)}/s" if seconds > 0 else ""
        if not self._total:
            return [Text(" · ".join(fit_fields([*counts, f"{format_si(self._bytes)}B", rate], self._width)))]
        progress = min(self._bytes / self._total, 1.0)
        has_estimate = seconds > _MIN_ETA_SECONDS and progress > 0
        eta = format_eta(seconds / progress - seconds if has_estimate else None) if progress < 1 else "writing"
        return [progress_bar(self._terminal.messages, progress, [f"{progress:4.0%}", eta, *counts, rate])]


def show_report(terminal: Terminal, report: "CleanReport", *, on_stdout: bool = False) -> None:
    """Print the counts, and what each rule dropped and why, with the first few lines of each reason."""
    dropped = report.dropped
    width = max([7, *(len(rule) + 2 for rule in dropped)])
    count_width = len(f"{report.read:,}")
    multiple_files = (
        len({name for by in report.reasons.values() for drops in by.values() for name, _ in drops.examples}) > 1
    )
    turns = f"in {pluralize(report.conversations, 'conversation')}, " if report.conversations is not None else ""
    lines = [
        ("read", report.read, ""),
        ("kept", report.kept, f"  {turns}{pluralize(report.characters, 'character')}"),
        ("dropped", dropped.total(), ""),
        *(
            (f"  {rule}", n, f"  {_format_reasons(report.reasons[rule], multiple_files)}")
            for rule, n in dropped.most_common()
        ),
    ]
    for name, count, rest in lines:
        line, indent = f"{name:<{width}}  {count:>{count_width},}{rest}".rstrip(), width + count_width + 4
        if on_stdout:
            terminal.print_line(line, indent)
        else:
            terminal.info(line, indent=indent)


def show_examples(terminal: Terminal, examples: "Sequence[ExampleComment]") -> None:
    """Print comments on stdout as they are read, with their fields, and as they are cleaned."""
    for example in examples:
        fields = {name: getattr(example.comment, name) for name in example.comment.__struct_fields__ if name != "body"}
        listed = [f"{name} {value}" for name, value in fields.items() if value not in (None, "")]
        terminal.print_line(sanitize_line(f"{example.source}, line {example.line:,}: {', '.join(listed)}"), _INDENT)
        body = example.comment.body
        _print_text(terminal, body if isinstance(body, str) else "(no text)")
        if example.dropped is not None:
            terminal.print_line(Text.assemble(("DROPPED", "bold red"), f": {sanitize_line(example.dropped)}"), _INDENT)
        elif example.text == body:
            terminal.print_line(Text("no change", "dim"))
        else:
            terminal.print_line(Text("cleaned:"))
            _print_text(terminal, example.text)


def show_columns(terminal: Terminal, schemas: "Sequence[Schema]") -> None:
    """Print for each source what was decided about it, and on stdout the usual names of each field."""
    for schema in schemas:
        terminal.print_line(schema.describe(), _INDENT)
        for name in FIELDS:
            column = schema.columns.get(name)
            terminal.print_line(f"  {name:<{_FIELD_WIDTH}}{'-' if column is None else sanitize_line(column)}")
    if not schemas:
        for name, field in FIELDS.items():
            usual = ", ".join(field.usual_names) or name
            terminal.print_line(
                Text.assemble((f"{name:<{_FIELD_WIDTH}}", "bold"), usual, (f"  {field.flag}", "cyan")), _FIELD_WIDTH
            )


def _format_reasons(reasons: "dict[str, DropStats]", multiple_files: bool) -> str:
    ordered = sorted(reasons.items(), key=lambda item: -item[1].count)
    entries = []
    for reason, drops in ordered[:_MAX_REASONS]:
        count = f" {drops.count:,}" if len(ordered) > 1 else ""
        location = _format_locations(drops, multiple_files)
        entries.append(f"{sanitize_line(reason)}{count}{f' ({location})' if location else ''}".strip())
    return "; ".join(entries) + ("; …" if len(ordered) > _MAX_REASONS else "")


def _format_locations(drops: "DropStats", multiple_files: bool) -> str:
    locations = [
        f"{sanitize_line(Path(name).name)}:{line}" if multiple_files else f"{line:,}"
        for name, line in drops.examples[:_MAX_LINES]
    ]
    if not locations:
        return ""
    label = "" if multiple_files else "line " if drops.count == 1 else "lines "
    return label + ", ".join(locations) + (" …" if drops.count > len(locations) else "")


def show_rules(terminal: Terminal, rules: "Sequence[Rule]") -> None:
    """Print the table of rules on stdout, in order: what each does, and its options."""
    width = max(len(rule.name) for rule in rules) + 2
    for rule in rules:
        options = f"  {', '.join(rule.options)}" if rule.options else ""
        terminal.print_line(
            Text.assemble((f"{rule.name:<{width}}", "bold"), rule.description, (options, "cyan")), width
        )


def show_rule_trace(terminal: Terminal, explained: "Explanation") -> None:
    """Print a comment on stdout as it was read, and again after each rule that changed it."""
    raw = explained.raw
    about = [f"{raw.author or 'unknown author'} in {raw.subreddit or 'unknown subreddit'}", f"score {raw.score}"]
    location = f"{explained.source}, line {explained.line:,}"
    terminal.print_line(sanitize_line(f"{raw.id}: {', '.join(about)}; {location}"), _INDENT)
    _print_text(terminal, raw.body if isinstance(raw.body, str) else "(no text)")
    unchanged: list[str] = []
    for step in explained.steps:
        if step.dropped is not None:
            _print_unchanged(terminal, unchanged)
            reason = f" ({sanitize_line(step.dropped)})" if step.dropped else ""
            terminal.print_line(Text.assemble((step.rule, "bold"), ": ", ("DROPPED", "bold red"), reason), _INDENT)
        elif step.before == step.after:
            unchanged.append(step.rule)
        else:
            _print_unchanged(terminal, unchanged)
            if _visible_lines(step.before) == _visible_lines(step.after):
                removed = [ascii(char)[1:-1] for char in dict.fromkeys(step.before) if char not in step.after]
                which = (
                    f" ({', '.join(removed[:_MAX_REASONS])}{', …' if len(removed) > _MAX_REASONS else ''})"
                    if removed
                    else ""
                )
                terminal.print_line(Text.assemble((step.rule, "bold"), f": invisible characters{which}"), _INDENT)
            else:
                terminal.print_line(Text.assemble((step.rule, "bold"), ":"))
                _print_text(terminal, step.after)
    _print_unchanged(terminal, unchanged)
    if explained.kept:
        location = f", turn {explained.turn:,} of {explained.turns:,}" if explained.turns else ""
        terminal.print_line(Text.assemble(("kept", "bold green"), location))


def _visible_lines(text: str) -> list[str]:
    """Return the lines as they look: all white space alike, none at the end."""
    lines = sanitize(text).splitlines()
    return [
        "".join(" " if char.isspace() else char for char in line if char.isspace() or char.isprintable()).rstrip()
        for line in lines
    ]


def _print_unchanged(terminal: Terminal, rules: list[str]) -> None:
    if rules:
        terminal.print_line(Text(f"{', '.join(rules)}: no change", "dim"), _INDENT)
        rules.clear()


def _print_text(terminal: Terminal, text: str) -> None:
    """Print a text with a border; wrap it on a terminal, so that every row has the border."""
    lines = sanitize(text).splitlines() or [""]
    if terminal.data.is_terminal:
        wrapper = IncrementalWrapper()
        wrapper.feed("\n".join(lines))
        lines = [str(line) for line in wrapper.lines(max(terminal.data.width - 5, 1))]
    border = "|" if terminal.data.options.ascii_only else "│"
    for line in lines:
        terminal.print_data(f"  {border} {line}")
