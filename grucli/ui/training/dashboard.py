"""Dashboard of a training run, from its events: both losses, progress, the latest sample."""

import time
from collections.abc import Callable
from dataclasses import replace

from rich.console import Console
from rich.text import Text

from grucli.errors import pluralize
from grucli.training.events import (
    CheckpointSaved,
    Compiled,
    Compiling,
    Evaluated,
    SetupProgress,
    StepCompleted,
    TrainEvent,
    TrainFinished,
    TrainStarted,
)
from grucli.ui.terminal.console import plain_text
from grucli.ui.terminal.formatting import bar, format_duration, format_float, format_si
from grucli.ui.terminal.sanitize import sanitize_line
from grucli.ui.terminal.startup_message import COMPILING_MESSAGE, STARTUP_MESSAGE
from grucli.ui.training.curve import ASCII_BLOCKS, BLOCKS, Curve, render_columns, y_range

_SHOW_ELAPSED_AFTER = 2.0  # seconds of compiling
_MAX_COLUMNS = 120
_MIN_SIDE_BY_SIDE_COLUMNS = 64
_LABEL_COLUMNS = 6
_MIN_SPACED_LINES = 20
"""Lines below which there are no blank lines, so that the sample fits."""
_TRAIN_STYLE = "cyan"
_VAL_STYLE = "magenta"
_GOOD_STYLE = "green"
_DIM_STYLE = "dim"


def compiling_message(event: Compiling) -> str:
    """Return the message shown while kernels are compiled."""
    return f"{COMPILING_MESSAGE}, {'once' if event.cached_for_next_run else 'as on every run'}"


class TrainDashboard:
    """The state of a run, rendered for any width and height."""

    def __init__(
        self, stop_requested: Callable[[], bool] = lambda: False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`stop_requested` returns True once the run was asked to stop, `clock` returns seconds."""
        self._stop_requested, self._clock = stop_requested, clock
        self._compiling: Compiling | None = None
        self._compiling_since = 0.0
        self._preparing: SetupProgress | None = SetupProgress(STARTUP_MESSAGE)
        self._started: TrainStarted | None = None
        self._first_step: StepCompleted | None = None
        self._step: StepCompleted | None = None
        self._evaluated: Evaluated | None = None
        self._last_sampled: Evaluated | None = None
        self._best: Evaluated | None = None
        self._finished: TrainFinished | None = None
        self._train_curve = Curve()
        self._val_curve = Curve()

    def update(self, event: TrainEvent) -> None:
        """Process one event."""
        match event:
            case SetupProgress():
                self._preparing = event
            case TrainStarted():
                self._started, self._preparing = event, None
                for evaluation in event.previous_evaluations:
                    if evaluation.train_nats is not None:
                        self._train_curve.add(evaluation.step, evaluation.train_nats)
                    self._update_evaluation(evaluation)
            case Compiling():
                self._compiling, self._compiling_since = event, self._clock()
            case Compiled():
                self._compiling = None
            case StepCompleted():
                self._update_step(event)
            case Evaluated():
                self._last_sampled = event
                self._update_evaluation(event)
            case TrainFinished():
                self._update_finished(event)
            case CheckpointSaved():
                pass

    def _update_step(self, event: StepCompleted) -> None:
        self._preparing = None
        self._first_step = self._first_step or event
        self._step = event
        self._train_curve.add(event.step, event.train_nats)

    def _update_finished(self, event: TrainFinished) -> None:
        # The last frame stays on the screen: it includes the steps since the last event.
        self._finished, self._preparing = event, None
        last, summary = self._step, event.summary
        if last is not None and summary.steps > last.step:
            self._step = replace(last, step=summary.steps, tokens=summary.tokens, seconds=summary.seconds)

    def _update_evaluation(self, event: Evaluated) -> None:
        self._evaluated = event
        if event.val_nats is not None:
            self._val_curve.add(event.step, event.val_nats)
        if event.is_best:
            self._best = event

    @property
    def _has_val(self) -> bool:
        # Known from the start, so that nothing moves when the first value arrives.
        return self._val_curve.first is not None or (self._started is not None and self._started.val_tokens > 0)

    def render(self, console: Console) -> list[Text]:
        """Return the lines of the dashboard, within the width and height of `console`."""
        width = max(min(console.width, _MAX_COLUMNS) - 1, 1)
        height = console.height - 1
        ascii_only = console.options.ascii_only
        tight = height < _MIN_SPACED_LINES and self._step is not None
        gap = [] if tight else [Text()]
        lines = self._heading(width)
        if self._step is None:
            lines += self._waiting(width, ascii_only)
        else:
            progress = self._progress(width, ascii_only)
            chart_lines = height - len(lines) - len(progress) - 4
            lines += [*gap, *self._charts(width, chart_lines, ascii_only), *gap, *progress]
        lines += self._sample(console, width, height - len(lines) - 1 - len(gap), gap, ascii_only)
        if self._started is not None and self._finished is None:
            lines += [
                *gap,
                Text("saving and stopping" if self._stop_requested() else "Ctrl-C saves and stops", _DIM_STYLE),
            ]
        for line in lines:
            line.rstrip()  # a terminal that becomes narrower would wrap trailing spaces
            line.truncate(width, overflow="crop")
        return lines[:height]

    def _heading(self, width: int) -> list[Text]:
        """Render the name, and the sizes that fit."""
        if self._started is None:
            return []
        started = self._started
        sizes = [f"{format_si(started.parameters)} parameters", f"{format_si(started.vocab)} symbols"]
        sizes += [f"{format_si(started.val_tokens)} validation tokens"] if started.val_tokens else []
        name = Text(sanitize_line(started.name), "bold")
        while sizes and name.cell_len + 2 + len(", ".join(sizes)) > width:
            sizes.pop()
        return [Text.assemble(name, ("  " + ", ".join(sizes), _DIM_STYLE)) if sizes else name]

    def _waiting(self, width: int, ascii_only: bool) -> list[Text]:
        space = [Text()] if self._started is not None else []
        if self._preparing is None:
            return [*space, Text(self._first_steps())]
        stage = Text(sanitize_line(self._preparing.stage))
        if not self._preparing.total:
            return [*space, stage]
        progress = min(self._preparing.done / self._preparing.total, 1.0)
        return [*space, stage, _bar(progress, f" {progress:4.0%}", width, ascii_only)]

    def _first_steps(self) -> str:
        if self._compiling is None:
            return "starting training..."
        waited = self._clock() - self._compiling_since
        return compiling_message(self._compiling) + (f" ({waited:.0f} s)" if waited >= _SHOW_ELAPSED_AFTER else "")

    def _charts(self, width: int, height: int, ascii_only: bool) -> list[Text]:
        has_val = self._has_val
        side_by_side = has_val and width >= _MIN_SIDE_BY_SIDE_COLUMNS
        chart_width = (width - 3) // 2 if side_by_side else width
        first, last = self._train_curve.first or 0, self._step.step if self._step else 0
        stretch = self._finished is not None
        train = self._train_curve.columns(chart_width - _LABEL_COLUMNS, first, last, stretch)
        val = self._val_curve.columns(chart_width - _LABEL_COLUMNS, first, last, stretch)
        low, high = y_range(train, val)
        rows = max(1, min(height * 2 // 5 // (1 if side_by_side or not has_val else 2), 8))

        def chart(title: Text, values: list[float | None], style: str) -> list[Text]:
            chart_lines = render_columns(values, low, high, rows, ASCII_BLOCKS if ascii_only else BLOCKS)
            labels = [format_float(high, 2), *[""] * (rows - 2), format_float(low, 2)] if rows > 1 else [""]
            return [title] + [
                Text.assemble((f"{label:>{_LABEL_COLUMNS - 1}} ", _DIM_STYLE), (line, style))
                for label, line in zip(labels, chart_lines, strict=True)
            ]

        left = chart(self._train_title(), train, _TRAIN_STYLE)
        if not has_val:
            return left
        right = chart(self._val_title(chart_width), val, _VAL_STYLE)
        return _side_by_side(left, right, chart_width + 3) if side_by_side else [*left, *right]

    def _train_title(self) -> Text:
        value = self._step.train_nats if self._step else None
        return Text.assemble("train ", (format_float(value), f"bold {_TRAIN_STYLE}"), (" nats/token", _DIM_STYLE))

    def _val_title(self, width: int) -> Text:
        newest, best = self._evaluated, self._best
        if newest is None:
            return Text.assemble("val ", ("no evaluation yet", _DIM_STYLE))
        title = Text.assemble("val ", (format_float(newest.val_nats), f"bold {_VAL_STYLE}"))
        if newest.is_best:
            return title.append("  best so far", _GOOD_STYLE)
        if best is not None:
            known, where = f"  best {format_float(best.val_nats)}", f" at step {best.step:,}"
            title.append(known + (where if title.cell_len + len(known + where) <= width else ""), _DIM_STYLE)
        return title

    def _progress(self, width: int, ascii_only: bool) -> list[Text]:
        step = self._step
        if step is None:
            return []
        lines: list[Text] = []
        if step.total_steps:
            progress = min(step.step / step.total_steps, 1.0)
            lines.append(_bar(progress, f" {progress:4.0%}{self._eta()}", width, ascii_only))
        count = f"step {step.step:,}" + (f" of {step.total_steps:,}" if step.total_steps else "")
        fields = [count, f"{step.tokens_per_second:,.0f} tokens/s", f"{format_duration(step.seconds)} trained"]
        if self._has_val:
            bits = None if self._evaluated is None else self._evaluated.val_bits_per_char
            fields.insert(0, f"{format_float(bits)} bits/char")
        if self._evaluated is not None and self._evaluated.context_gain_bits is not None:
            fields.insert(1, f"context gains {format_float(self._evaluated.context_gain_bits, 2)} bits/reply")
        return [*lines, *_wrap_fields(fields, width)]

    def _eta(self) -> str:
        """Estimate the time left from the steps of this session, which excludes compiling."""
        first, last = self._first_step, self._step
        if first is None or last is None or last.total_steps is None or self._finished is not None:
            return ""
        if last.step <= first.step:
            return ""
        seconds_per_step = (last.seconds - first.seconds) / (last.step - first.step)
        return f"  {format_duration((last.total_steps - last.step) * seconds_per_step)} left"

    def _sample(self, console: Console, width: int, height: int, gap: list[Text], ascii_only: bool) -> list[Text]:
        """Render the sample of the latest evaluation at a fixed height, so that nothing moves."""
        if self._step is None or height < 2 + len(gap):
            return []
        height = min(height - 1 - len(gap), 8)
        evaluation = self._last_sampled
        sample = evaluation.sample.strip() if evaluation is not None else ""
        lines = list(plain_text(sample).wrap(console, min(width, 100) - 2, overflow="fold", tab_size=4))
        lines = _head(lines, height, min(width, 100) - 2, ascii_only)
        padding = [Text()] * (height - len(lines) if self._finished is None else 0)
        when = f"sample after {pluralize(evaluation.step, 'step')}" if evaluation else "no sample yet"
        heading = Text(when, _DIM_STYLE)
        return [*gap, heading, *[Text("  ").append_text(line) for line in lines], *padding]


def _head(lines: list[Text], max_lines: int, width: int, ascii_only: bool) -> list[Text]:
    """Return the first lines of a text, with an ellipsis if there are more."""
    head = lines[:max_lines]
    if head and len(lines) > max_lines:
        ellipsis = "..." if ascii_only else "…"
        head[-1].rstrip()
        head[-1].truncate(max(width - len(ellipsis), 0))
        head[-1].append(ellipsis)
    return head


def _bar(progress: float, caption: str, width: int, ascii_only: bool) -> Text:
    return bar(progress, max(width - len(caption), 4), ascii_only, _GOOD_STYLE).append(caption)


def _side_by_side(left: list[Text], right: list[Text], start: int) -> list[Text]:
    for line, other in zip(left, right, strict=True):
        line.pad_right(max(start - line.cell_len, 1))
        line.append_text(other)
    return left


def _wrap_fields(fields: list[str], width: int) -> list[Text]:
    lines = [""]
    for field in fields:
        joined = f"{lines[-1]}   {field}" if lines[-1] else field
        if len(joined) <= width or not lines[-1]:
            lines[-1] = joined
        else:
            lines.append(field)
    return [Text(line) for line in lines]
