"""A training run drawn as one picture of text, from its events: sizes, both losses, progress, a fresh sample."""

import time
from collections.abc import Callable
from dataclasses import replace

from rich.console import Console
from rich.text import Text

from grucli.training.events import (
    Compiled,
    Compiling,
    Evaluated,
    Event,
    Finished,
    Preparing,
    Saved,
    Started,
    Stepped,
)
from grucli.ui.terminal.console import plain
from grucli.ui.terminal.formatting import decimal, duration, short_count
from grucli.ui.terminal.progress import bar
from grucli.ui.terminal.sanitize import safe_line
from grucli.ui.terminal.startup_message import FIRST_WORD
from grucli.ui.training.curve import ASCII_BLOCKS, BLOCKS, Curve, bars, span

COMPILING = "compiling for this processor"
_PATIENCE = 2.0  # seconds after which somebody wonders whether anything happens
_WIDEST = 120
_SIDE_BY_SIDE = 64
_LABEL = 6
_ROOMY = 20
"""Lines below which nothing is left blank, so that there is room for the sample."""
_TRAIN = "cyan"
_HELD_OUT = "magenta"
_GOOD = "green"
_FAINT = "dim"


def compiling(event: Compiling) -> str:
    """What is said while kernels are compiled."""
    return f"{COMPILING}, {'once' if event.kept else 'as at every start'}"


class Picture:
    """Everything known about the run so far, as something rich can draw at any width and height."""

    def __init__(
        self, stopping: Callable[[], bool] = lambda: False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with nothing known; `stopping` says whether the run has been asked to stop, `clock` gives seconds."""
        self._stopping, self._clock = stopping, clock
        self._compiling: Compiling | None = None
        self._compiling_since = 0.0
        self._preparing: Preparing | None = Preparing(FIRST_WORD)
        self._started: Started | None = None
        self._first_step: Stepped | None = None
        self._step: Stepped | None = None
        self._evaluated: Evaluated | None = None
        self._wrote: Evaluated | None = None
        self._best: Evaluated | None = None
        self._finished: Finished | None = None
        self._train = Curve()
        self._held_out = Curve()

    def show(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case Preparing():
                self._preparing = event
            case Started():
                self._started, self._preparing = event, None
                for evaluation in event.earlier:
                    self._train.add(evaluation.step, evaluation.train_nats)
                    self._take_evaluation(evaluation)
            case Compiling():
                self._compiling, self._compiling_since = event, self._clock()
            case Compiled():
                self._compiling = None
            case Stepped():
                self._take_step(event)
            case Evaluated():
                self._wrote = event
                self._take_evaluation(event)
            case Finished():
                self._take_end(event)
            case Saved():
                pass

    def _take_step(self, event: Stepped) -> None:
        self._preparing = None
        self._first_step = self._first_step or event
        self._step = event
        self._train.add(event.step, event.train_nats)

    def _take_end(self, event: Finished) -> None:
        """What was done since the last steps that were told of counts too: the last picture stands for good."""
        self._finished, self._preparing = event, None
        told, all_of_it = self._step, event.summary
        if told is not None and all_of_it.steps > told.step:
            self._step = replace(told, step=all_of_it.steps, tokens=all_of_it.tokens, seconds=all_of_it.seconds)

    def _take_evaluation(self, event: Evaluated) -> None:
        self._evaluated = event
        if event.val_nats is not None:
            self._held_out.add(event.step, event.val_nats)
        if event.best:
            self._best = event

    @property
    def _holds_out(self) -> bool:
        """Whether there is text that it is judged by: its chart has a place from the beginning, so nothing moves."""
        return self._held_out.first is not None or (self._started is not None and self._started.held_out_tokens > 0)

    def draw(self, console: Console) -> list[Text]:
        """Draw the run into the width and height that `console` has, a line for each."""
        width = max(min(console.width, _WIDEST) - 1, 1)
        height = console.height - 1
        plain_marks = console.options.ascii_only
        tight = height < _ROOMY and self._step is not None
        gap = [] if tight else [_blank()]
        lines = self._heading(console, width, tight, plain_marks)
        if self._step is None:
            lines += self._waiting(width, plain_marks)
        else:
            progress = self._progress(width, plain_marks)
            room = height - len(lines) - len(progress) - 4
            lines += [*gap, *self._charts(width, room, plain_marks), *gap, *progress]
        lines += self._sample(console, width, height - len(lines) - 1 - len(gap), gap, plain_marks)
        if self._started is not None and self._finished is None:
            lines += [*gap, Text("saving and stopping" if self._stopping() else "Ctrl-C saves and stops", _FAINT)]
        for line in lines:
            line.rstrip()  # a terminal that becomes narrower would break blanks into rows of their own
            line.truncate(width, overflow="crop")
        return lines[:height]

    def _heading(self, console: Console, width: int, tight: bool, plain_marks: bool) -> list[Text]:
        """Say what runs: in full before the first step, then in few lines, and in one on a low screen."""
        if self._started is None:
            return []
        started = self._started
        sizes = [f"{short_count(started.parameters)} parameters", f"{short_count(started.vocab)} symbols"]
        sizes += [f"{short_count(started.held_out_tokens)} tokens held out"] if started.held_out_tokens else []
        name = Text(safe_line(started.name), "bold")
        while self._step is not None and sizes and name.cell_len + 2 + len(", ".join(sizes)) > width:
            sizes.pop()
        first = Text.assemble(name, ("  " + ", ".join(sizes), _FAINT)) if sizes else name
        notes = [Text(safe_line(note), "yellow") for note in started.notes]
        wrapped = [list(text.wrap(console, width)) for text in (first, Text(safe_line(started.plan)), *notes)]
        if self._step is not None:
            # The words have been read; from here on the height belongs to the curve and the sample.
            most = (1, 0, *[0] * len(notes)) if tight else (1, 2, *[1] * len(notes))
            wrapped = [_first(lines, count, width, plain_marks) for lines, count in zip(wrapped, most, strict=True)]
        return [line for lines in wrapped for line in lines]

    def _waiting(self, width: int, plain_marks: bool) -> list[Text]:
        """Say what happens before the first step, with a bar where its end is known."""
        space = [_blank()] if self._started is not None else []
        if self._preparing is None:
            return [*space, Text(self._first_steps())]
        stage = Text(safe_line(self._preparing.stage))
        if not self._preparing.total:
            return [*space, stage]
        share = min(self._preparing.done / self._preparing.total, 1.0)
        return [*space, stage, _bar(share, f" {share:4.0%}", width, plain_marks)]

    def _first_steps(self) -> str:
        """Say what is in the way of the first steps, if anything is."""
        if self._compiling is None:
            return "making the first steps"
        waited = self._clock() - self._compiling_since
        return compiling(self._compiling) + (f" ({waited:.0f} s)" if waited >= _PATIENCE else "")

    def _charts(self, width: int, room: int, plain_marks: bool) -> list[Text]:
        """Draw both losses on one scale, beside each other where that fits."""
        both = self._holds_out
        beside = both and width >= _SIDE_BY_SIDE
        each = (width - 3) // 2 if beside else width
        first, last = self._train.first or 0, self._step.step if self._step else 0
        stretch = self._finished is not None
        train = self._train.columns(each - _LABEL, first, last, stretch)
        held_out = self._held_out.columns(each - _LABEL, first, last, stretch)
        low, high = span(train, held_out)
        rows = max(1, min(room * 2 // 5 // (1 if beside or not both else 2), 8))

        def chart(title: Text, values: list[float | None], style: str) -> list[Text]:
            drawn = bars(values, low, high, rows, ASCII_BLOCKS if plain_marks else BLOCKS)
            labels = [decimal(high, 2), *[""] * (rows - 2), decimal(low, 2)] if rows > 1 else [""]
            return [title] + [
                Text.assemble((f"{label:>{_LABEL - 1}} ", _FAINT), (line, style))
                for label, line in zip(labels, drawn, strict=True)
            ]

        left = chart(self._train_title(), train, _TRAIN)
        if not both:
            return left
        right = chart(self._held_out_title(each), held_out, _HELD_OUT)
        return _beside(left, right, each + 3) if beside else [*left, *right]

    def _train_title(self) -> Text:
        value = self._step.train_nats if self._step else None
        return Text.assemble("train ", (decimal(value), f"bold {_TRAIN}"), (" nats/token", _FAINT))

    def _held_out_title(self, width: int) -> Text:
        newest, best = self._evaluated, self._best
        if newest is None:
            return Text.assemble("held out ", ("no evaluation yet", _FAINT))
        title = Text.assemble("held out ", (decimal(newest.val_nats), f"bold {_HELD_OUT}"))
        if newest.best:
            return title.append("  the best so far", _GOOD)
        if best is not None:
            known, where = f"  best {decimal(best.val_nats)}", f" at step {best.step:,}"
            title.append(known + (where if title.cell_len + len(known + where) <= width else ""), _FAINT)
        return title

    def _progress(self, width: int, plain_marks: bool) -> list[Text]:
        step = self._step
        if step is None:
            return []
        lines: list[Text] = []
        if step.steps:
            share = min(step.step / step.steps, 1.0)
            lines.append(_bar(share, f" {share:4.0%}{self._time_left()}", width, plain_marks))
        count = f"step {step.step:,}" + (f" of {step.steps:,}" if step.steps else "")
        figures = [count, f"{step.tokens_per_second:,.0f} tokens/s", f"{duration(step.seconds)} trained"]
        if self._holds_out:
            bits = None if self._evaluated is None else self._evaluated.val_bits_per_char
            figures.insert(0, f"{decimal(bits)} bits/char")
        return [*lines, *_flow(figures, width)]

    def _time_left(self) -> str:
        """Say how long the rest takes at the pace since the first step of this session, so without compiling."""
        first, last = self._first_step, self._step
        if first is None or last is None or last.steps is None or self._finished is not None:
            return ""
        if last.step <= first.step:
            return ""
        pace = (last.seconds - first.seconds) / (last.step - first.step)
        return f"  {duration((last.steps - last.step) * pace)} left"

    def _sample(self, console: Console, width: int, room: int, gap: list[Text], plain_marks: bool) -> list[Text]:
        """Show what the network wrote after the newest evaluation, in a box of one height, so that nothing jumps."""
        if self._step is None or room < 2 + len(gap):
            return []
        room = min(room - 1 - len(gap), 8)
        told = self._wrote
        sample = told.sample.strip() if told is not None else ""
        lines = list(plain(sample).wrap(console, min(width, 100) - 2, overflow="fold", tab_size=4))
        lines = _first(lines, room, min(width, 100) - 2, plain_marks)
        padding = [_blank()] * (room - len(lines) if self._finished is None else 0)
        heading = Text(f"after {told.step:,} steps it writes" if told else "what it writes comes here soon", _FAINT)
        return [*gap, heading, *[Text("  ").append_text(line) for line in lines], *padding]


def _blank() -> Text:
    return Text("")


def _first(lines: list[Text], most: int, width: int, plain_marks: bool) -> list[Text]:
    """Give the first lines of a text, with a mark at their end where there are more."""
    kept = lines[:most]
    if kept and len(lines) > most:
        mark = "..." if plain_marks else "…"
        kept[-1].rstrip()
        kept[-1].truncate(max(width - len(mark), 0))
        kept[-1].append(mark)
    return kept


def _bar(share: float, caption: str, width: int, plain_marks: bool) -> Text:
    """Draw how much of a whole is done, over the whole width, with a caption at its end."""
    return bar(share, max(width - len(caption), 4), plain_marks, _GOOD).append(caption)


def _beside(left: list[Text], right: list[Text], start: int) -> list[Text]:
    """Put the lines of `right` at column `start`, beside those of `left`."""
    for line, other in zip(left, right, strict=True):
        line.pad_right(max(start - line.cell_len, 1))
        line.append_text(other)
    return left


def _flow(figures: list[str], width: int) -> list[Text]:
    """Set figures into as few lines as they fit, never broken."""
    lines = [""]
    for figure in figures:
        joined = f"{lines[-1]}   {figure}" if lines[-1] else figure
        if len(joined) <= width or not lines[-1]:
            lines[-1] = joined
        else:
            lines.append(figure)
    return [Text(line) for line in lines]
