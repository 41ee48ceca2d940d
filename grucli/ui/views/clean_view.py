"""What `gru clean` shows: how far it is, what went and why, the rules, and one comment on its way through them."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.formatting import count_of, short_count, time_left
from grucli.ui.terminal.progress import fitting, progress_bar
from grucli.ui.terminal.sanitize import safe, safe_line
from grucli.ui.terminal.startup_message import FIRST_WORD
from grucli.ui.terminal.transient_bar import TransientBar
from grucli.ui.terminal.wrapping import Growing

if TYPE_CHECKING:
    from grucli.reddit.clean.explain import Explained
    from grucli.reddit.clean.report import CleanReport, Drops
    from grucli.reddit.clean.rules.registry import Rule

_HANGING = 2
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

    def _draw(self) -> list[Text]:
        if self._report is None:
            return [Text(FIRST_WORD)]
        done = self._report.kept + self._report.dropped.total()
        seconds = self._clock() - self._began
        counts = [f"{done:,} read", f"{self._report.kept:,} kept"]
        rate = f"{short_count(done / seconds)}/s" if seconds > 0 else ""
        if not self._total:
            return [Text(" · ".join(fitting([*counts, f"{short_count(self._bytes)}B", rate], self._width)))]
        share = min(self._bytes / self._total, 1.0)
        settled = seconds > _SETTLED_SECONDS and share > 0
        left = time_left(seconds / share - seconds if settled else None) if share < 1 else "writing the rest"
        return [progress_bar(self._terminal.messages, share, [f"{share:4.0%}", left, *counts, rate])]


def show_report(terminal: Terminal, report: "CleanReport", *, on_stdout: bool = False) -> None:
    """Say what was counted, and what each rule dropped and why, with the first few lines of each reason."""
    dropped = report.dropped
    width = max([7, *(len(rule) + 2 for rule in dropped)])
    places = len(f"{report.read:,}")
    several = len({name for by in report.reasons.values() for drops in by.values() for name, _ in drops.first}) > 1
    turns = f"in {count_of(report.conversations, 'conversation')}, " if report.conversations is not None else ""
    lines = [
        ("read", report.read, ""),
        ("kept", report.kept, f"  {turns}{count_of(report.characters, 'character')}"),
        ("dropped", dropped.total(), ""),
        *((f"  {rule}", n, f"  {_reasons(report.reasons[rule], several)}") for rule, n in dropped.most_common()),
    ]
    for name, count, rest in lines:
        line, indent = f"{name:<{width}}  {count:>{places},}{rest}".rstrip(), width + places + 4
        if on_stdout:
            terminal.show(line, indent)
        else:
            terminal.say(line, indent=indent)


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


def show_rules(terminal: Terminal, rules: "Sequence[Rule]") -> None:
    """Print the table of rules on stdout, in their order: what each does, and the options that it listens to."""
    width = max(len(rule.name) for rule in rules) + 2
    for rule in rules:
        options = f"  {', '.join(rule.options)}" if rule.options else ""
        terminal.show(Text.assemble((f"{rule.name:<{width}}", "bold"), rule.does, (options, "cyan")), width)


def show_steps(terminal: Terminal, explained: "Explained") -> None:
    """Print a comment as it was read, and again after each rule that changed it, on stdout."""
    raw = explained.raw
    about = [f"{raw.author or 'nobody'} in {raw.subreddit or 'no subreddit'}", f"score {raw.score}"]
    place = f"{explained.source}, line {explained.line:,}"
    terminal.show(safe_line(f"{raw.id}: {', '.join(about)}; {place}"), _HANGING)
    _show_text(terminal, raw.body if isinstance(raw.body, str) else "(no text)")
    idle: list[str] = []
    for step in explained.steps:
        if step.dropped is not None:
            _show_idle(terminal, idle)
            why = f" ({safe_line(step.dropped)})" if step.dropped else ""
            terminal.show(Text.assemble((step.rule, "bold"), ": ", ("DROPPED", "bold red"), why), _HANGING)
        elif step.before == step.after:
            idle.append(step.rule)
        else:
            _show_idle(terminal, idle)
            if _to_be_seen(step.before) == _to_be_seen(step.after):
                gone = [ascii(sign)[1:-1] for sign in dict.fromkeys(step.before) if sign not in step.after]
                which = f" ({', '.join(gone[:_REASONS])}{', …' if len(gone) > _REASONS else ''})" if gone else ""
                terminal.show(Text.assemble((step.rule, "bold"), f": unseen characters{which}"), _HANGING)
            else:
                terminal.show(Text.assemble((step.rule, "bold"), ":"))
                _show_text(terminal, step.after)
    _show_idle(terminal, idle)
    if explained.kept:
        place = f", turn {explained.turn:,} of {explained.turns:,}" if explained.turns else ""
        terminal.show(Text.assemble(("kept", "bold green"), place))


def _to_be_seen(text: str) -> list[str]:
    """The lines of a text as they look: blanks are alike, and not seen at an end."""
    lines = safe(text).splitlines()
    return [
        "".join(" " if sign.isspace() else sign for sign in line if sign.isspace() or sign.isprintable()).rstrip()
        for line in lines
    ]


def _show_idle(terminal: Terminal, idle: list[str]) -> None:
    if idle:
        terminal.show(Text(f"{', '.join(idle)}: nothing to do", "dim"), _HANGING)
        idle.clear()


def _show_text(terminal: Terminal, text: str) -> None:
    """Print a text beside a rule; on a terminal its lines are broken where the rule would not go on otherwise."""
    lines = safe(text).splitlines() or [""]
    if terminal.data.is_terminal:
        growing = Growing()
        growing.add("\n".join(lines))
        lines = [str(line) for line in growing.lines(max(terminal.data.width - 5, 1))]
    mark = "|" if terminal.data.options.ascii_only else "│"
    for line in lines:
        terminal.print(f"  {mark} {line}")


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
