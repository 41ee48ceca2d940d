"""What a person sees of a fetch: a bar on a terminal, a line now and then in a pipe, nothing that steers either."""

from collections.abc import Callable

import pytest

from grucli.reddit.fetch.comment_source import Notice, Span, Waiting
from grucli.reddit.fetch.events import Done, Ended, Paged, Started, Summary
from grucli.ui.terminal.console import Terminal
from grucli.ui.views.fetch_view import FetchView, show_fetched
from tests.ui.emulator import Emulator
from tests.ui.fake_streams import Pipe, Screen, Terminals

DAY = 1_700_006_400
EVIL = "\x1b[2J\u202e\n[bold]"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def started(fetched: int = 0, after: int = DAY) -> Started:
    return Started(("r/a", "u/b"), "Arctic Shift", Span(after, DAY + 86_400), 2.0, "a.jsonl", fetched)


def page(share: float, fetched: int) -> Paged:
    return Paged("r/a", 100, fetched, fetched // 100, DAY + 5000, share)


def done(shortfall: str = "", unsettled: int = 0, before: bool = False, output: str = "my a.jsonl.zst") -> Done:
    summary = Summary(1234, 13, 0, DAY, DAY + 3601, not shortfall)
    return Done(summary, ("r/a",), output, shortfall, unsettled, before)


@pytest.fixture
def pipe() -> Terminals:
    return Terminals(Pipe(), Pipe())


def drawn(view: FetchView) -> str:
    return "\n".join(line.plain for line in view._draw())


def test_a_fetch_begins_by_saying_what_it_does_and_how_fast(pipe: Terminals) -> None:
    with FetchView(pipe.terminal) as view:
        view.show(started(fetched=5000))
    assert pipe.err == (
        "fetching r/a u/b from Arctic Shift, from 2023-11-15 to 2023-11-16 UTC, into a.jsonl, going on after 5,000 "
        "comments; 2 requests a second at most; Ctrl-C stops, --resume goes on\n"
    )
    assert pipe.out == ""


def test_a_pipe_gets_a_line_for_each_tenth_and_each_minute(pipe: Terminals) -> None:
    clock = Clock()
    with FetchView(pipe.terminal, clock) as view:
        view.show(started())
        for step in range(1, 101):
            clock.now += 0.5
            view.show(page(step / 100, 100 * step))
        lines = pipe.err.splitlines()[1:]
        assert len(lines) == 10
        assert lines[-1] == "100%  10,000 comments  r/a 2023-11-15  200/s  0:00 left"
        clock.now += 61
        view.show(page(1.0, 10_100))
    assert len(pipe.err.splitlines()) == 12


def test_a_pipe_is_told_of_long_waits(pipe: Terminals) -> None:
    with FetchView(pipe.terminal) as view:
        view.show(Waiting(1.0, "a short one"))
        view.show(Waiting(61.0, f"the archive says {EVIL}"))
    assert pipe.err == "waiting 1:01: the archive says [2J [bold]\n"


def test_a_pipe_hears_each_minute_of_years_without_comments(pipe: Terminals) -> None:
    clock = Clock()
    with FetchView(pipe.terminal, clock) as view:
        view.show(started())
        for _ in range(50):
            clock.now += 1.5
            view.show(Waiting(1.0, "the archive found the question too hard"))
        for day in range(100):
            clock.now += 1.5
            view.show(Waiting(1.0, "an answer is empty"))
            view.show(Paged("r/a", 0, 0, 0, DAY + day * 86_400, 0.0))
    assert pipe.err.splitlines()[1:] == [
        "waiting 0:01: the archive found the question too hard",
        "  0%  0 comments  r/a 2023-12-14",
        "  0%  0 comments  r/a 2024-01-23",
    ]


def test_the_bar_knows_the_range_the_rate_and_the_time_that_is_left() -> None:
    clock = Clock()
    view = FetchView(Terminals(Pipe(), Screen()).terminal, clock)
    view.show(started())
    assert drawn(view) == "getting ready"
    view.show(page(0.25, 1000))
    clock.now = 30.0
    view.show(page(0.5, 4000))
    assert drawn(view) == f"{'━' * 10}{'─' * 9}  50% ·  1:00 left · 4,000 comments · r/a 2023-11-15 · 100/s"


def test_a_wait_is_counted_down_below_the_bar() -> None:
    clock = Clock()
    view = FetchView(Terminals(Pipe(), Screen()).terminal, clock)
    view.show(Waiting(30.0, "the archive asks to slow down (429)"))
    assert drawn(view) == "waiting 0:30: the archive asks to slow down (429)"
    view.show(page(0.5, 4000))
    view.show(Waiting(30.0, f"it says {EVIL}"))
    clock.now += 31
    bar, wait = drawn(view).splitlines()
    assert "─  50% · " in bar
    assert wait == "asking again: it says [2J [bold]"
    view.show(page(0.6, 4100))
    assert len(drawn(view).splitlines()) == 1


@pytest.mark.parametrize("width", [20, 40, 80])
def test_the_bar_fits_the_screen(width: int) -> None:
    view = FetchView(Terminals(Pipe(), Screen(), width=width).terminal)
    view.show(page(0.5, 4_000_000))
    view.show(Waiting(30.0, "the archive asks to slow down (429)"))
    assert all(line.cell_len < width for line in view._draw())


def test_the_bar_is_gone_when_it_is_over() -> None:
    screen = Emulator(200)
    with FetchView(Terminal(Pipe(), screen, width=200)) as view:
        view.show(started())
        view.show(page(0.5, 100))
        assert screen.rows[1:] == ["getting ready"]
    assert [row.split()[0] for row in screen.rows] == ["fetching"]


def test_a_stranger_says_nothing_that_is_obeyed(pipe: Terminals) -> None:
    with FetchView(pipe.terminal) as view:
        view.show(Notice(EVIL))
        view.show(Ended(EVIL, 0, True))
        view.show(Started((EVIL,), EVIL, Span(0, DAY), 2.0, EVIL, 0))
    show_fetched(pipe.terminal, done(shortfall=EVIL, output=EVIL))
    assert not {"\x1b", "\u202e"} & set(pipe.err)
    assert "[bold]" in pipe.err


def test_a_name_without_comments_is_warned_of(pipe: Terminals) -> None:
    with FetchView(pipe.terminal) as view:
        view.show(started())
        view.show(Ended("r/a", 5, True))
        view.show(Ended("r/typo", 0, True))
    said = "there are no comments of r/typo in this range; check how the name is spelt"
    assert pipe.err.splitlines()[1:] == [f"gru: {said}"]


def test_of_a_single_name_without_comments_the_error_alone_tells(pipe: Terminals) -> None:
    with FetchView(pipe.terminal) as view:
        view.show(Started(("r/typo",), "Arctic Shift", Span(0, DAY), 2.0, "a.jsonl", 0))
        view.show(Ended("r/typo", 0, True))
    assert len(pipe.err.splitlines()) == 1


def test_one_is_not_many(pipe: Terminals) -> None:
    summary = Summary(1, 1, 0, DAY, DAY, True)
    with FetchView(pipe.terminal) as view:
        view.show(started(fetched=1))
        view.show(page(1.0, 1))
    show_fetched(pipe.terminal, Done(summary, ("r/a",), "a.jsonl", "", 1, False))
    assert "after 1 comment;" in pipe.err
    assert "100%  1 comment  r/a 2023-11-15\n" in pipe.err
    assert "holds 1 comment of" in pipe.err
    assert "1 of them was younger than 36 hours: its score may" in pipe.err


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (done, "the range is complete"),
        (lambda: done(shortfall="too few"), "gru: not complete: too few"),
        (lambda: done(unsettled=7), "7 of them were younger than 36 hours: their scores may still change"),
        (lambda: done(before=True), "was fetched to its end before: my a.jsonl.zst holds 1,234 comments of r/a"),
        (done, "from 2023-11-15 to 2023-11-15 01:00:01 UTC"),
        (done, "try:  gru clean 'my a.jsonl.zst' -o 'my a.csv'"),
    ],
)
def test_the_end_says_what_there_is_what_is_missing_and_what_to_do_next(
    pipe: Terminals, event: Callable[[], Done], said: str
) -> None:
    show_fetched(pipe.terminal, event())
    assert said in pipe.err
    assert pipe.out == ""
