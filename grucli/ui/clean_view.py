"""What `gru clean` shows: how far it is, what went and why, the rules, and one comment on its way through them."""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from grucli.ui.console import Terminal
from grucli.ui.figures import count_of, duration, short_count
from grucli.ui.first_word import FIRST_WORD
from grucli.ui.safe import safe, safe_line
from grucli.ui.transient_bar import TransientBar

if TYPE_CHECKING:
    from grucli.reddit.explaining import Explained
    from grucli.reddit.report import CleanReport, Drops
    from grucli.reddit.rules.table import Rule

_BAR = 20
_REASONS = 4
_LINES = 3
_SETTLED_SECONDS = 2.0


class CleanView(TransientBar):
    """A bar on stderr's terminal, by bytes of the input; taken back at the end. Nothing where there is no terminal."""

    def __init__(self, terminal: Terminal, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(terminal)
        self._clock = clock
        self._began = clock()
        self._total: int | None = None
        self._bytes = 0
        self._report: CleanReport | None = None

    def begin(self, total: int | None) -> None:
        """Begin to count: there are so many bytes to read, or None where that is not known."""
        self._total = total
        self._began = self._clock()

    def progress(self, count: int, report: "CleanReport") -> None:
        """Take in that so many more bytes have been read, and what has become of them."""
        self._bytes += count
        self._report = report

    def _draw(self) -> Text:
        if self._report is None:
            return Text(FIRST_WORD)
        done = self._report.kept + self._report.dropped.total()
        seconds = self._clock() - self._began
        counts = f"{done:,} read, {self._report.kept:,} kept"
        rate = f"{short_count(done / seconds)}/s" if seconds > 0 else ""
        if not self._total:
            return Text(f"{counts}, {short_count(self._bytes)}B, {rate}")
        share = min(self._bytes / self._total, 1.0)
        if share == 1.0:
            return Text(f"{counts}, writing the rest")
        left = f", {duration(seconds / share - seconds)} left" if seconds > _SETTLED_SECONDS and share > 0 else ""
        bar = "━" * round(share * _BAR)
        return Text.assemble((bar, "green"), ("━" * (_BAR - len(bar)), "dim"), f" {share:.0%}  {counts}, {rate}{left}")


def show_report(put: Callable[[str], None], report: "CleanReport") -> None:
    """Put the counts, and what each rule dropped and why, with the first few lines of each reason."""
    dropped = report.dropped
    width = max([7, *(len(rule) + 2 for rule in dropped)])
    places = len(f"{report.read:,}")
    several = len({name for by in report.reasons.values() for drops in by.values() for name, _ in drops.first}) > 1
    put(f"{'read':<{width}}  {report.read:>{places},}")
    turns = f" in {count_of(report.conversations, 'conversation')}" if report.conversations is not None else ""
    put(f"{'kept':<{width}}  {report.kept:>{places},}{turns}, {count_of(report.characters, 'character')}")
    put(f"{'dropped':<{width}}  {dropped.total():>{places},}")
    for rule, count in dropped.most_common():
        put(f"{'  ' + rule:<{width}}  {count:>{places},}  {_reasons(report.reasons[rule], several)}".rstrip())


def _reasons(reasons: "dict[str, Drops]", several: bool) -> str:
    """What a rule said, most frequent first, and where."""
    ordered = sorted(reasons.items(), key=lambda item: -item[1].count)
    told = []
    for reason, drops in ordered[:_REASONS]:
        count = f" {drops.count:,}" if len(ordered) > 1 else ""
        where = _places(drops, several)
        told.append(f"{safe_line(reason)}{count}{f' ({where})' if where else ''}".strip())
    return "; ".join(told) + ("; …" if len(ordered) > _REASONS else "")


def _places(drops: "Drops", several: bool) -> str:
    named = [f"{safe_line(Path(name).name)}:{line}" if several else f"{line:,}" for name, line in drops.first[:_LINES]]
    if not named:
        return ""
    word = "" if several else "line " if drops.count == 1 else "lines "
    return word + ", ".join(named) + (" …" if drops.count > len(named) else "")


def show_rules(terminal: Terminal, rules: "Iterable[Rule]") -> None:
    """Print the table of rules on stdout, in their order."""
    rows = [(rule.name, rule.does, ", ".join(rule.options)) for rule in rules]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        terminal.print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def show_steps(terminal: Terminal, explained: "Explained") -> None:
    """Print a comment as it was read, and again after each rule that changed it, on stdout."""
    raw = explained.raw
    about = [f"{raw.author or 'nobody'} in {raw.subreddit or 'no subreddit'}", f"score {raw.score}"]
    place = f"{explained.source}, line {explained.line:,}"
    terminal.print(safe_line(f"{raw.id}: {', '.join(about)}; {place}"))
    _show_text(terminal, raw.body if isinstance(raw.body, str) else "(no text)")
    idle: list[str] = []
    for step in explained.steps:
        if step.dropped is not None:
            _show_idle(terminal, idle)
            terminal.print(safe_line(f"{step.rule}: DROPPED{f' ({step.dropped})' if step.dropped else ''}"))
        elif step.before == step.after:
            idle.append(step.rule)
        else:
            _show_idle(terminal, idle)
            terminal.print(f"{step.rule}:")
            _show_text(terminal, step.after)
    _show_idle(terminal, idle)
    if explained.kept:
        terminal.print("kept")


def _show_idle(terminal: Terminal, idle: list[str]) -> None:
    if idle:
        terminal.print(f"{', '.join(idle)}: nothing to do")
        idle.clear()


def _show_text(terminal: Terminal, text: str) -> None:
    for line in safe(text).splitlines() or [""]:
        terminal.print(f"  │ {line}")


def rules_json(rules: "Sequence[Rule]") -> list[dict[str, object]]:
    """The table of rules for scripts."""
    return [
        {"name": rule.name, "does": rule.does, "options": list(rule.options), "default": rule.always} for rule in rules
    ]


def report_json(report: "CleanReport", rules: Sequence[str]) -> dict[str, object]:
    """A report for scripts: every rule of `rules` has its count, be it 0.

    `complete`: whether all of the input could be read; what is damaged ends before its end.
    """
    conversations = {} if report.conversations is None else {"conversations": report.conversations}
    return {
        "read": report.read,
        "kept": report.kept,
        "complete": not report.damaged,
        "dropped": dict.fromkeys(rules, 0) | report.dropped,
        "characters": report.characters,
        **conversations,
        "seconds": round(report.seconds, 3),
        "reasons": {
            rule: {
                reason or rule: {"count": drops.count, "first": [f"{name}:{line}" for name, line in drops.first]}
                for reason, drops in by.items()
            }
            for rule, by in report.reasons.items()
        },
    }
