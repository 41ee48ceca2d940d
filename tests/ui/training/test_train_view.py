"""A run on a terminal and in a pipe: who gets the picture, who gets rows, and how often the screen is drawn."""

import time
from collections.abc import Iterable, Iterator

import pyte
import pytest

from grucli.training.events import Event, Finished, Preparing
from grucli.ui.terminal.console import Terminal
from grucli.ui.training.train_view import TrainView, show_end
from tests.ui.emulator import Emulator
from tests.ui.fake_events import gone_on_with, run, started, stepped, summary
from tests.ui.fake_streams import Pipe, Screen, Terminals

ROWS = """\
    step       tokens     time   train  held out  bits/char  tokens/s
     100       100000     0:10   1.500     2.200      3.174     10000 *
     200       200000     0:20   1.500     1.900      2.741     10000 *
     300       300000     0:30   1.500     1.800      2.597     10000
     400       400000     0:40   1.500     1.750      2.525     10000 *
"""
WORDS = "getting ready\ntrains two minutes\ncompiling for this processor, once\n* marks the best so far\n"


def follow(both: Terminals, events: list[Event], json: bool = False) -> Finished:
    with TrainView(both.terminal, json) as view:
        return view.follow(events)


def breaking(events: Iterable[Event], error: BaseException) -> Iterator[Event]:
    yield from events
    raise error


def screen(both: Terminals) -> "pyte.Screen":
    """Give the terminal as somebody sees it who watched stderr from the beginning."""
    shown = pyte.Screen(80, 30)
    pyte.Stream(shown).feed(both.err.replace("\n", "\r\n"))
    return shown


def seen(both: Terminals) -> str:
    return "\n".join(line.rstrip() for line in screen(both).display).rstrip()


def cursor_hidden(both: Terminals) -> bool:
    return bool(screen(both).cursor.hidden)


@pytest.fixture
def colourful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_in_a_pipe_a_run_is_rows_on_stdout_and_words_on_stderr() -> None:
    both = Terminals(Pipe(), Pipe(), width=40)
    finished = follow(both, list(run(reason="limit")))
    assert finished.reason == "limit"
    assert both.out == ROWS
    assert both.err == WORDS


def test_in_a_pipe_a_stage_has_a_line_when_it_lasts() -> None:
    both, now = Terminals(Pipe(), Pipe()), 0.0
    with TrainView(both.terminal, clock=lambda: now) as view:
        for stage, seconds in (("reading the corpus", 1.9), ("learning tokens", 7.0), ("writing tokens", 0.5)):
            for done in range(10):
                view.show(Preparing(stage, done, 10))
                now += seconds / 9
        view.show(started())
    assert both.err == "getting ready\nlearning tokens\ntrains two minutes\n"


def test_in_a_pipe_nothing_is_said_of_compiling_where_nothing_is_compiled() -> None:
    both = Terminals(Pipe(), Pipe())
    with TrainView(both.terminal) as view:
        for event in gone_on_with():
            view.show(event)
    assert both.err == "getting ready\ngoes on from step 240\n"


def test_quiet_rows_are_data_all_the_same() -> None:
    both = Terminals(Pipe(), Screen(), quiet=1)
    follow(both, list(run(reason="limit")))
    assert (both.out, both.err) == (ROWS, "")


def test_json_leaves_stdout_alone() -> None:
    both = Terminals(Pipe(), Pipe())
    follow(both, list(run(reason="limit")), json=True)
    assert both.out == ""
    assert both.err == WORDS + ROWS


def test_rows_without_held_out_text_have_dashes() -> None:
    both = Terminals(Pipe(), Pipe())
    follow(both, list(run(100, held_out=False, reason="limit")))
    assert both.out.splitlines()[1] == "     100       100000     0:10   1.500         -          -     10000 *"


def test_notes_are_warnings_in_a_pipe() -> None:
    both = Terminals(Pipe(), Pipe())
    follow(both, [started(notes=("small\x1b[2J",)), Finished("limit", summary())])
    assert "gru: small[2J\n" in both.err


@pytest.mark.usefixtures("colourful")
@pytest.mark.parametrize(
    ("out", "err", "json", "live"),
    [
        (Screen, Screen, False, True),
        (Screen, Screen, True, True),
        (Pipe, Screen, True, True),
        (Pipe, Screen, False, False),  # `gru train corpus.csv | tee log`: rows, and no picture between them
        (Screen, Pipe, False, False),
        (Pipe, Pipe, True, False),
    ],
)
def test_the_picture_is_drawn_where_it_disturbs_nothing(
    out: type[Pipe], err: type[Pipe], json: bool, live: bool
) -> None:
    both = Terminals(out(), err())
    follow(both, list(run(reason="limit")), json)
    assert ("\x1b[" in both.err) == live
    assert ("held out" in both.err) == (live or json)
    assert both.out == ("" if live or json else ROWS)


@pytest.mark.usefixtures("colourful")
def test_the_first_words_come_before_the_first_event() -> None:
    for both in (Terminals(Screen(), Screen()), Terminals(Pipe(), Pipe())):
        with TrainView(both.terminal):
            assert "getting ready" in both.err


@pytest.mark.usefixtures("colourful")
def test_the_screen_is_drawn_at_most_twelve_times_a_second() -> None:
    both = Terminals(Screen(), Screen())
    begun = time.monotonic()
    with TrainView(both.terminal) as view:
        view.show(started())
        for step in range(1, 5000):
            view.show(stepped(step, 5000))
    took = time.monotonic() - begun
    frames = both.err.count("parameters, 98 symbols")
    assert 1 <= frames <= 2 + 12 * took
    assert "step 4,999 of 5,000" in both.err


@pytest.mark.usefixtures("colourful")
def test_a_run_that_fails_before_it_began_leaves_nothing_on_the_screen() -> None:
    both = Terminals(Screen(), Screen())
    with pytest.raises(ValueError, match="no such file"), TrainView(both.terminal) as view:
        view.follow(breaking([Preparing("reading the corpus")], ValueError("no such file")))
    assert seen(both) == ""
    assert not cursor_hidden(both)


@pytest.mark.usefixtures("colourful")
def test_a_run_that_fails_later_leaves_its_last_picture_and_the_cursor() -> None:
    both = Terminals(Screen(), Screen())
    with pytest.raises(KeyboardInterrupt), TrainView(both.terminal) as view:
        view.follow(breaking(run(until=230), KeyboardInterrupt()))
    assert "step 230 of 400" in seen(both)
    assert seen(both).count("parameters") == 1
    assert not cursor_hidden(both)


def test_a_run_without_an_end_is_a_mistake() -> None:
    with pytest.raises(RuntimeError, match="without saying so"):
        follow(Terminals(Pipe(), Pipe()), list(run()))


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("limit", "emo is ready"),
        ("settled", "stopped improving; emo is ready"),
        ("already finished", "to its end before"),
        ("interrupted", "stopped after step 400; all of it is saved in /models/emo"),
        ("terminated", "gru train x.csv --name emo --resume"),
    ],
)
def test_the_end_says_what_to_do_next(reason: str, said: str) -> None:
    both = Terminals(Pipe(), Pipe())
    show_end(both.terminal, Finished(reason, summary()), "gru train x.csv --name emo --resume")
    assert said in both.err
    assert ("gru sample emo" in both.err) == (reason in ("limit", "settled", "already finished"))
    assert both.out == ""


def test_the_last_words_break_between_words_alone() -> None:
    screen = Emulator(20)
    show_end(
        Terminal(Pipe(), screen, width=20), Finished("interrupted", summary(184)), "gru train long-name.csv --resume"
    )
    assert screen.rows[1:5] == ["stopped after step", "184; all of it is", "saved in", "/models/emo"]
    assert screen.rows[5:] == ["go on exactly here:", "gru train", "long-name.csv", "--resume"]
    assert screen.written.count("\n") == 3
