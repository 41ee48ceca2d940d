"""A run on a terminal and in a pipe: dashboard or rows, and the frame rate."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pyte
import pytest

from grucli.training.events import SetupProgress, TrainEvent, TrainFinished
from grucli.ui.terminal.console import Terminal
from grucli.ui.training.train_view import TrainView, print_train_result
from tests.ui.emulator import TerminalEmulator
from tests.ui.fake_events import (
    CONTEXT_GAIN,
    evaluation,
    make_summary,
    resumed_run,
    run_started,
    step_completed,
    training_run,
)
from tests.ui.fake_streams import CapturedTerminal, PipeStream, TtyStream

PIPE_ROWS = """\
    step       tokens     time   train       val  bits/char  tokens/s
     100       100000     0:10   1.500     2.200      3.174     10000 *
     200       200000     0:20   1.500     1.900      2.741     10000 *
     300       300000     0:30   1.500     1.800      2.597     10000
     400       400000     0:40   1.500     1.750      2.525     10000 *
"""
CONTEXT_ROWS = """\
    step       tokens     time   train       val  bits/char  tokens/s  context
     100       100000     0:10   1.500     1.625      2.344     10000     1.52 *
     200       200000     0:20   1.500     1.750      2.525     10000     1.52
"""
STARTUP_TEXT = "loading...\ntrains two minutes\ncompiling for this processor, once\n* = best so far\n"


def run_view(captured: CapturedTerminal, events: list[TrainEvent], json: bool = False) -> TrainFinished:
    with TrainView(captured.terminal, json) as view:
        return view.follow(events)


def events_then_error(events: Iterable[TrainEvent], error: BaseException) -> Iterator[TrainEvent]:
    yield from events
    raise error


def emulate(captured: CapturedTerminal) -> "pyte.Screen":
    """Return the terminal after all output of stderr."""
    emulated = pyte.Screen(80, 30)
    pyte.Stream(emulated).feed(captured.err.replace("\n", "\r\n"))
    return emulated


def screen_text(captured: CapturedTerminal) -> str:
    return "\n".join(line.rstrip() for line in emulate(captured).display).rstrip()


def cursor_hidden(captured: CapturedTerminal) -> bool:
    return bool(emulate(captured).cursor.hidden)


@pytest.fixture
def color_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_in_a_pipe_a_run_is_rows_on_stdout_and_words_on_stderr() -> None:
    captured = CapturedTerminal(PipeStream(), PipeStream(), width=40)
    finished = run_view(captured, list(training_run(reason="limit")))
    assert finished.reason == "limit"
    assert captured.out == PIPE_ROWS
    assert captured.err == STARTUP_TEXT


def test_in_a_pipe_a_stage_has_a_line_when_it_lasts() -> None:
    captured, now = CapturedTerminal(PipeStream(), PipeStream()), 0.0
    with TrainView(captured.terminal, clock=lambda: now) as view:
        for stage, seconds in (("reading the corpus", 1.9), ("learning tokens", 7.0), ("writing tokens", 0.5)):
            for done in range(10):
                view.show(SetupProgress(stage, done, 10))
                now += seconds / 9
        view.show(run_started())
    assert captured.err == "loading...\nlearning tokens\ntrains two minutes\n"


def test_in_a_pipe_nothing_is_said_of_compiling_where_nothing_is_compiled() -> None:
    captured = CapturedTerminal(PipeStream(), PipeStream())
    with TrainView(captured.terminal) as view:
        for event in resumed_run():
            view.show(event)
    assert captured.err == "loading...\ngoes on from step 240\n"


def test_quiet_rows_are_data_all_the_same() -> None:
    captured = CapturedTerminal(PipeStream(), TtyStream(), quiet=1)
    run_view(captured, list(training_run(reason="limit")))
    assert (captured.out, captured.err) == (PIPE_ROWS, "")


def test_json_leaves_stdout_alone() -> None:
    captured = CapturedTerminal(PipeStream(), PipeStream())
    run_view(captured, list(training_run(reason="limit")), json=True)
    assert captured.out == ""
    assert captured.err == STARTUP_TEXT + PIPE_ROWS


def test_rows_without_held_out_text_have_dashes() -> None:
    captured = CapturedTerminal(PipeStream(), PipeStream())
    run_view(captured, list(training_run(100, has_val=False, reason="limit")))
    assert captured.out.splitlines()[1] == "     100       100000     0:10   1.500         -          -     10000 *"


def test_a_run_on_conversations_has_a_column_for_the_context() -> None:
    captured = CapturedTerminal(PipeStream(), PipeStream())
    evaluations = [
        replace(evaluation(100, 1.625), **CONTEXT_GAIN),
        replace(evaluation(200, 1.75, False), **CONTEXT_GAIN),
    ]
    run_view(captured, [run_started(), *evaluations, TrainFinished("limit", make_summary())])
    assert captured.out == CONTEXT_ROWS


def test_notes_are_warnings_in_a_pipe() -> None:
    captured = CapturedTerminal(PipeStream(), PipeStream())
    run_view(captured, [run_started(notes=("small\x1b[2J",)), TrainFinished("limit", make_summary())])
    assert "gru: small[2J\n" in captured.err


@pytest.mark.usefixtures("color_terminal")
@pytest.mark.parametrize("width", [40, 80, 100])
def test_on_a_terminal_what_is_trained_and_why_can_be_read_in_full(width: int) -> None:
    screen = TerminalEmulator(width)
    description, decision = "trains " + "for a very long time " * 20, "a small corpus [b], " * 12 + "hence 64 units"
    started = replace(run_started(notes=("slow " * 30 + "disk",)), description=description, decisions=(decision,))
    with TrainView(Terminal(screen, screen, width=width, height=24)) as view:
        view.follow([started, step_completed(10), TrainFinished("limit", make_summary())])
    text = " ".join(" ".join(screen.rows).split())
    assert text.index(description.strip()) < text.index(decision) < text.index("disk") < text.index("98 symbols")


@pytest.mark.usefixtures("color_terminal")
@pytest.mark.parametrize(
    ("out", "err", "json", "live"),
    [
        (TtyStream, TtyStream, False, True),
        (TtyStream, TtyStream, True, True),
        (PipeStream, TtyStream, True, True),
        (PipeStream, TtyStream, False, False),  # `gru train corpus.csv | tee log`: rows, and no picture between them
        (TtyStream, PipeStream, False, False),
        (PipeStream, PipeStream, True, False),
    ],
)
def test_the_picture_is_drawn_where_it_disturbs_nothing(
    out: type[PipeStream], err: type[PipeStream], json: bool, live: bool
) -> None:
    captured = CapturedTerminal(out(), err())
    run_view(captured, list(training_run(reason="limit")), json)
    assert ("\x1b[" in captured.err) == live
    assert ("bits/char" in captured.err) == (live or json)
    assert captured.out == ("" if live or json else PIPE_ROWS)


@pytest.mark.usefixtures("color_terminal")
def test_the_first_words_come_before_the_first_event() -> None:
    for captured in (CapturedTerminal(TtyStream(), TtyStream()), CapturedTerminal(PipeStream(), PipeStream())):
        with TrainView(captured.terminal):
            assert "loading..." in captured.err


@pytest.mark.usefixtures("color_terminal")
def test_the_screen_is_drawn_at_most_twelve_times_a_second() -> None:
    captured = CapturedTerminal(TtyStream(), TtyStream())
    begun = time.monotonic()
    with TrainView(captured.terminal) as view:
        view.show(run_started())
        for step in range(1, 5000):
            view.show(step_completed(step, 5000))
    took = time.monotonic() - begun
    frames = captured.err.count("parameters, 98 symbols")
    assert 1 <= frames <= 2 + 12 * took
    assert "step 4,999 of 5,000" in captured.err


@pytest.mark.usefixtures("color_terminal")
def test_a_run_that_fails_before_it_began_leaves_nothing_on_the_screen() -> None:
    captured = CapturedTerminal(TtyStream(), TtyStream())
    with pytest.raises(ValueError, match="no such file"), TrainView(captured.terminal) as view:
        view.follow(events_then_error([SetupProgress("reading the corpus")], ValueError("no such file")))
    assert screen_text(captured) == ""
    assert not cursor_hidden(captured)


@pytest.mark.usefixtures("color_terminal")
def test_a_run_that_fails_later_leaves_its_last_picture_and_the_cursor() -> None:
    captured = CapturedTerminal(TtyStream(), TtyStream())
    with pytest.raises(KeyboardInterrupt), TrainView(captured.terminal) as view:
        view.follow(events_then_error(training_run(last_step=230), KeyboardInterrupt()))
    assert "step 230 of 400" in screen_text(captured)
    assert screen_text(captured).count("parameters") == 1
    assert not cursor_hidden(captured)


def test_a_run_without_an_end_is_a_mistake() -> None:
    with pytest.raises(RuntimeError, match="without TrainFinished"):
        run_view(CapturedTerminal(PipeStream(), PipeStream()), list(training_run()))


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("limit", "emo is ready"),
        ("early_stopping", "stopped improving; emo is ready"),
        ("already finished", "already fully trained"),
        ("interrupted", "stopped after step 400; saved in /models/emo"),
        ("terminated", "gru train x.csv --name emo --resume"),
    ],
)
def test_the_end_says_what_to_do_next(reason: str, said: str) -> None:
    captured = CapturedTerminal(PipeStream(), PipeStream())
    print_train_result(captured.terminal, TrainFinished(reason, make_summary()), "gru train x.csv --name emo --resume")
    assert said in captured.err
    assert ("gru sample emo" in captured.err) == (reason in ("limit", "early_stopping", "already finished"))
    assert captured.out == ""


@pytest.mark.parametrize("best_step", [None, 1600])
def test_the_end_says_from_which_step_the_best_weights_are(best_step: int | None) -> None:
    captured = CapturedTerminal(PipeStream(), PipeStream())
    print_train_result(captured.terminal, TrainFinished("limit", make_summary(), best_step=best_step), "")
    said = "validation has not improved since step 1,600: the best weights are from there\n"
    assert (said in captured.err) == (best_step is not None)


def test_the_last_words_break_between_words_alone() -> None:
    screen = TerminalEmulator(20)
    print_train_result(
        Terminal(PipeStream(), screen, width=20),
        TrainFinished("interrupted", make_summary(184)),
        "gru train long-name.csv --resume",
    )
    assert screen.rows[1:4] == ["stopped after step", "184; saved in", "/models/emo"]
    assert screen.rows[4:] == ["resume with:  gru", "train long-name.csv", "--resume"]
    assert screen.written.count("\n") == 3
