"""The view of a fetch: a bar on a terminal, a line now and then in a pipe, no control characters in either."""

from collections.abc import Callable

import pytest

from grucli.reddit.fetch.comment_source import Notice, RetryWait, TimeRange
from grucli.reddit.fetch.events import FetchFinished, FetchStarted, FetchSummary, PageFetched, TargetFinished
from grucli.ui.terminal.console import Terminal
from grucli.ui.views.fetch_view import FetchView, show_fetch_result
from tests.ui.emulator import TerminalEmulator
from tests.ui.fake_streams import CapturedTerminal, PipeStream, TtyStream

DAY = 1_700_006_400
HOSTILE_TEXT = "\x1b[2J\u202e\n[bold]"


class FakeClock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def make_started(fetched: int = 0, start_time: int = DAY) -> FetchStarted:
    return FetchStarted(("r/a", "u/b"), "Arctic Shift", TimeRange(start_time, DAY + 86_400), 2.0, "a.jsonl", fetched)


def make_page(progress: float, fetched: int) -> PageFetched:
    return PageFetched("r/a", 100, fetched, fetched // 100, DAY + 5000, progress)


def make_finished(
    incomplete_reason: str = "", num_unsettled: int = 0, was_complete: bool = False, output: str = "my a.jsonl.zst"
) -> FetchFinished:
    summary = FetchSummary(1234, 13, 0, DAY, DAY + 3601, not incomplete_reason)
    return FetchFinished(summary, ("r/a",), output, incomplete_reason, num_unsettled, was_complete)


@pytest.fixture
def captured() -> CapturedTerminal:
    return CapturedTerminal(PipeStream(), PipeStream())


def render_bar(view: FetchView) -> str:
    return "\n".join(line.plain for line in view._render())


def test_a_fetch_begins_by_saying_what_it_does_and_how_fast(captured: CapturedTerminal) -> None:
    with FetchView(captured.terminal) as view:
        view.show(make_started(fetched=5000))
    assert captured.err == (
        "fetching r/a u/b from Arctic Shift, from 2023-11-15 to 2023-11-16 UTC, into a.jsonl, resuming after 5,000 "
        "comments; at most 2 requests per second; Ctrl-C stops, --resume continues\n"
    )
    assert captured.out == ""


def test_a_pipe_gets_a_line_for_each_tenth_and_each_minute(captured: CapturedTerminal) -> None:
    clock = FakeClock()
    with FetchView(captured.terminal, clock) as view:
        view.show(make_started())
        for step in range(1, 101):
            clock.now += 0.5
            view.show(make_page(step / 100, 100 * step))
        lines = captured.err.splitlines()[1:]
        assert len(lines) == 10
        assert lines[-1] == "100%  10,000 comments  r/a 2023-11-15  200/s  0:00 left"
        clock.now += 61
        view.show(make_page(1.0, 10_100))
    assert len(captured.err.splitlines()) == 12


def test_a_pipe_is_told_of_long_waits(captured: CapturedTerminal) -> None:
    with FetchView(captured.terminal) as view:
        view.show(RetryWait(1.0, "a short one"))
        view.show(RetryWait(61.0, f"the archive says {HOSTILE_TEXT}"))
    assert captured.err == "waiting 1:01: the archive says [2J [bold]\n"


def test_a_pipe_gets_a_line_each_minute_of_years_without_comments(captured: CapturedTerminal) -> None:
    clock = FakeClock()
    with FetchView(captured.terminal, clock) as view:
        view.show(make_started())
        for _ in range(50):
            clock.now += 1.5
            view.show(RetryWait(1.0, "the archive found the question too hard"))
        for day in range(100):
            clock.now += 1.5
            view.show(RetryWait(1.0, "an answer is empty"))
            view.show(PageFetched("r/a", 0, 0, 0, DAY + day * 86_400, 0.0))
    assert captured.err.splitlines()[1:] == [
        "waiting 0:01: the archive found the question too hard",
        "  0%  0 comments  r/a 2023-12-14",
        "  0%  0 comments  r/a 2024-01-23",
    ]


def test_the_bar_knows_the_range_the_rate_and_the_time_that_is_left() -> None:
    clock = FakeClock()
    view = FetchView(CapturedTerminal(PipeStream(), TtyStream()).terminal, clock)
    view.show(make_started())
    assert render_bar(view) == "loading..."
    view.show(make_page(0.25, 1000))
    clock.now = 30.0
    view.show(make_page(0.5, 4000))
    assert render_bar(view) == f"{'━' * 10}{'─' * 9}  50% ·  1:00 left · 4,000 comments · r/a 2023-11-15 · 100/s"


def test_a_wait_is_counted_down_below_the_bar() -> None:
    clock = FakeClock()
    view = FetchView(CapturedTerminal(PipeStream(), TtyStream()).terminal, clock)
    view.show(RetryWait(30.0, "the archive asks to slow down (429)"))
    assert render_bar(view) == "waiting 0:30: the archive asks to slow down (429)"
    view.show(make_page(0.5, 4000))
    view.show(RetryWait(30.0, f"it says {HOSTILE_TEXT}"))
    clock.now += 31
    bar, wait = render_bar(view).splitlines()
    assert "─  50% · " in bar
    assert wait == "retrying: it says [2J [bold]"
    view.show(make_page(0.6, 4100))
    assert len(render_bar(view).splitlines()) == 1


@pytest.mark.parametrize("width", [20, 40, 80])
def test_the_bar_fits_the_screen(width: int) -> None:
    view = FetchView(CapturedTerminal(PipeStream(), TtyStream(), width=width).terminal)
    view.show(make_page(0.5, 4_000_000))
    view.show(RetryWait(30.0, "the archive asks to slow down (429)"))
    assert all(line.cell_len < width for line in view._render())


def test_the_bar_is_gone_when_it_is_over() -> None:
    screen = TerminalEmulator(200)
    with FetchView(Terminal(PipeStream(), screen, width=200)) as view:
        view.show(make_started())
        view.show(make_page(0.5, 100))
        assert screen.rows[1:] == ["loading..."]
    assert [row.split()[0] for row in screen.rows] == ["fetching"]


def test_control_characters_are_removed(captured: CapturedTerminal) -> None:
    with FetchView(captured.terminal) as view:
        view.show(Notice(HOSTILE_TEXT))
        view.show(TargetFinished(HOSTILE_TEXT, 0, True))
        view.show(FetchStarted((HOSTILE_TEXT,), HOSTILE_TEXT, TimeRange(0, DAY), 2.0, HOSTILE_TEXT, 0))
    show_fetch_result(captured.terminal, make_finished(incomplete_reason=HOSTILE_TEXT, output=HOSTILE_TEXT))
    assert not {"\x1b", "\u202e"} & set(captured.err)
    assert "[bold]" in captured.err


def test_a_name_without_comments_is_warned_of(captured: CapturedTerminal) -> None:
    with FetchView(captured.terminal) as view:
        view.show(make_started())
        view.show(TargetFinished("r/a", 5, True))
        view.show(TargetFinished("r/typo", 0, True))
    said = "no comments found for r/typo; check the name and the date range"
    assert captured.err.splitlines()[1:] == [f"gru: {said}"]


def test_a_single_name_without_comments_is_left_to_the_error(captured: CapturedTerminal) -> None:
    with FetchView(captured.terminal) as view:
        view.show(FetchStarted(("r/typo",), "Arctic Shift", TimeRange(0, DAY), 2.0, "a.jsonl", 0))
        view.show(TargetFinished("r/typo", 0, True))
    assert len(captured.err.splitlines()) == 1


def test_one_is_not_many(captured: CapturedTerminal) -> None:
    summary = FetchSummary(1, 1, 0, DAY, DAY, True)
    with FetchView(captured.terminal) as view:
        view.show(make_started(fetched=1))
        view.show(make_page(1.0, 1))
    show_fetch_result(captured.terminal, FetchFinished(summary, ("r/a",), "a.jsonl", "", 1, False))
    assert "after 1 comment;" in captured.err
    assert "100%  1 comment  r/a 2023-11-15\n" in captured.err
    assert "contains 1 comment from" in captured.err
    assert "1 comment was less than 36 hours old: scores may still change" in captured.err


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (make_finished, "the range is complete"),
        (lambda: make_finished(incomplete_reason="too few"), "gru: incomplete: too few"),
        (lambda: make_finished(num_unsettled=7), "7 comments were less than 36 hours old: scores may still change"),
        (
            lambda: make_finished(was_complete=True),
            "already complete: my a.jsonl.zst contains 1,234 comments from r/a",
        ),
        (make_finished, "2023-11-15 to 2023-11-15 01:00:01 UTC"),
        (make_finished, "try:  gru clean 'my a.jsonl.zst' -o 'my a.csv'"),
    ],
)
def test_the_end_says_what_there_is_what_is_missing_and_what_to_do_next(
    captured: CapturedTerminal, event: Callable[[], FetchFinished], said: str
) -> None:
    show_fetch_result(captured.terminal, event())
    assert said in captured.err
    assert captured.out == ""
