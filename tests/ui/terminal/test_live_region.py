"""Lines redrawn in place: the screen before, between and after frames, and the bytes written."""

import signal
import sys
import threading
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.live_display import LiveDisplay
from grucli.ui.terminal.live_region import LiveRegion
from tests.ui.emulator import TerminalEmulator
from tests.ui.fake_streams import PipeStream
from tests.ui.snapshot_cases import make_console

LINE_LISTS = st.lists(st.text("ab 漢", max_size=9), max_size=5)


def make_lines(*lines: str) -> list[Text]:
    return [Text(line) for line in lines]


def make_terminal(emulator: TerminalEmulator) -> Terminal:
    return Terminal(PipeStream(), emulator, width=emulator.screen.columns, height=emulator.screen.lines)


def test_finished_lines_stay_and_live_ones_go() -> None:
    emulator = TerminalEmulator(20)
    with LiveRegion(make_console(emulator)) as region:
        region.render(make_lines("one"), make_lines("two", "---"))
        assert emulator.rows == ["one", "two", "---"]
        assert not emulator.cursor_visible()
        region.render(make_lines("two and more"), make_lines("3", "------"))
        assert emulator.rows == ["one", "two and more", "3", "------"]
        region.render([], [])
    assert emulator.rows == ["one", "two and more"]
    assert emulator.cursor_visible()


@given(st.lists(st.tuples(LINE_LISTS, LINE_LISTS), max_size=6))
def test_what_was_finished_is_there_in_order_and_the_last_live_lines_are(
    drawings: list[tuple[list[str], list[str]]],
) -> None:
    emulator = TerminalEmulator(20, 6)
    finished: list[str] = []
    with LiveRegion(make_console(emulator)) as region:
        for done, live in drawings:
            finished += done
            region.render(make_lines(*done), make_lines(*live)[: region.max_lines])
            shown = [line.rstrip() for line in [*finished, *live]]
            while shown and not shown[-1]:
                shown.pop()
            assert [row.rstrip() for row in emulator.rows] == shown


def test_a_terminal_that_was_resized_forgets_the_rows_that_it_broke() -> None:
    emulator = TerminalEmulator(30)
    drawn = make_console(emulator)
    with LiveRegion(drawn) as region:
        region.render([], make_lines("a row", "----"))
        drawn.width = 20
        before = len(emulator.written)
        region.render(make_lines("a row"), make_lines("and more", "----"))
        assert emulator.written[before:].index("\x1b[J") < emulator.written[before:].index("a row")
        assert emulator.rows == ["a row", "and more", "----"]
        before = len(emulator.written)
        region.render([], make_lines("and more!", "----"))
        assert emulator.written[before:].index("\x1b[J") > emulator.written[before:].index("----")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows stops no programs")
@pytest.mark.parametrize("amid", [False, True])
def test_ctrl_z_takes_away_what_is_live_and_only_that(amid: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator = TerminalEmulator(30)
    seen: list[list[str]] = []
    monkeypatch.setattr("grucli.ui.terminal.tty_control.os.kill", lambda process, number: seen.append(emulator.rows))
    drawn = make_console(emulator)
    with LiveRegion(drawn) as region:
        region.render(make_lines("done"), make_lines("a row", "----"))
        if amid:
            write = emulator.write

            def interrupted(text: str) -> int:
                monkeypatch.setattr(emulator, "write", write)
                signal.raise_signal(signal.SIGTSTP)
                return write(text)

            monkeypatch.setattr(emulator, "write", interrupted)
            region.render([], make_lines("a row", "----"))
        else:
            signal.raise_signal(signal.SIGTSTP)
        assert seen == [["done"]]
        assert emulator.rows == ["done", "a row", "----"]
        assert not emulator.cursor_visible()
        region.render([], [])
    assert signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL


@pytest.mark.skipif(sys.platform == "win32", reason="Windows stops no programs")
def test_ctrl_z_takes_a_picture_away_that_another_thread_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    emulator = TerminalEmulator(30)
    asked = threading.Semaphore(0)
    frames = iter(range(1_000_000))

    def lines() -> list[Text]:
        asked.release()
        return make_lines(f"frame {next(frames)}", "steady")

    def stopped(process: int, number: int) -> None:
        before = emulator.written
        while asked.acquire(blocking=False):
            pass
        assert asked.acquire(timeout=60)
        assert emulator.rows == []
        assert emulator.cursor_visible()
        assert emulator.written == before
        stops.append(number)

    stops: list[int] = []
    monkeypatch.setattr("grucli.ui.terminal.tty_control.os.kill", stopped)
    picture = LiveDisplay(make_terminal(emulator), lines, refresh_per_second=1000)
    picture.start()
    for _ in range(20):
        assert asked.acquire(timeout=60)
        signal.raise_signal(signal.SIGTSTP)
    picture.stop(keep=True)
    assert stops == [signal.SIGTSTP] * 20
    assert emulator.rows[1:] == ["steady"]
    assert signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL


@pytest.mark.skipif(sys.platform == "win32", reason="Windows stops no programs")
def test_in_the_background_nothing_is_drawn_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    emulator = TerminalEmulator(30)
    behind = make_terminal(emulator)
    picture = LiveDisplay(behind, lambda: make_lines("one", "two"))
    picture.start()
    monkeypatch.setattr("grucli.ui.terminal.tty_control.os.kill", lambda process, number: None)
    monkeypatch.setattr(emulator, "fileno", lambda: 0)
    monkeypatch.setattr("grucli.ui.terminal.tty_control.os.tcgetpgrp", lambda terminal: -1)
    signal.raise_signal(signal.SIGTSTP)
    behind.info("a message")
    assert emulator.rows == ["a message"]
    assert emulator.cursor_visible()
    picture.stop(keep=True)
    assert emulator.rows == ["a message", "one", "two"]


def test_what_did_not_change_is_never_gone_for_a_moment() -> None:
    emulator = TerminalEmulator(30)
    region = LiveRegion(make_console(emulator))
    steady, bar = "the same as before", "━━━━━━━━━━────"
    region.render([], make_lines(steady, "1", bar))
    before = len(emulator.written)
    region.render([], make_lines(steady, "2", bar))
    for prefix in accumulate(emulator.written[before:]):
        amid = TerminalEmulator(30)
        amid.write(emulator.written[:before] + prefix)
        assert (amid.rows[0], amid.rows[2]) == (steady, bar)


def test_a_picture_is_drawn_when_it_changes_and_then_alone() -> None:
    emulator = TerminalEmulator(30)
    asked = threading.Semaphore(0)
    frame = "first"

    def lines() -> list[Text]:
        asked.release()
        return make_lines(frame, "steady")

    picture = LiveDisplay(make_terminal(emulator), lines, refresh_per_second=200)
    picture.start()
    for _ in range(5):
        assert asked.acquire(timeout=60)
    once = emulator.written
    assert emulator.rows == ["first", "steady"]
    assert once.count("first") == 1
    frame = "second"
    for _ in range(3):
        assert asked.acquire(timeout=60)
    picture.stop(keep=True)
    picture.stop(keep=True)
    assert emulator.rows == ["second", "steady"]
    assert emulator.cursor_visible()
    assert (emulator.screen.cursor.x, emulator.screen.cursor.y) == (0, 2)


def test_a_picture_that_is_not_kept_leaves_nothing() -> None:
    emulator = TerminalEmulator(30)
    picture = LiveDisplay(make_terminal(emulator), lambda: make_lines("one", "two"))
    picture.start()
    picture.stop(keep=False)
    assert emulator.rows == []
    assert (emulator.screen.cursor.x, emulator.screen.cursor.y) == (0, 0)


def test_messages_go_above_the_picture() -> None:
    emulator = TerminalEmulator(20)
    above = make_terminal(emulator)
    picture = LiveDisplay(above, lambda: make_lines("a line of the bar", "and another one"))
    picture.start()
    above.info("a message that has more words than fit")
    above.warn("x" * 35)
    above.info("short")
    bar = ["a line of the bar", "and another one"]
    messages = ["a message that has", "more words than fit", "gru: " + "x" * 15, "x" * 20, "short"]
    assert emulator.rows == [*messages, *bar]
    picture.stop(keep=False)
    above.info("the last one")
    assert emulator.rows == [*messages, "the last one"]
