"""Replies that stream together: what every column shows, at which pace, and how often the screen is drawn."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from grucli.chat.events import ChatEvent, SpreadDelta, SpreadStarted
from grucli.ui.chat.spread_view import SpreadView
from grucli.ui.terminal.live_text import FramePacer
from tests.chat.fakes import conversation_session
from tests.ui.emulator import TerminalEmulator
from tests.ui.snapshot_cases import (
    MULTILINE_REPLY,
    PLAIN_REPLY,
    UNICODE_REPLY,
    ChatHarness,
    FakeClock,
    make_console,
    spread_events,
)

# Of characters that no title and no footer has.
REPLIES = st.lists(st.text("xy w\n漢", max_size=120), min_size=1, max_size=6)


def words(text: str) -> list[str]:
    return text.split()


class CountingEmulator(TerminalEmulator):
    """A terminal that notes when it is drawn over."""

    def __init__(self, clock: FakeClock, width: int) -> None:
        super().__init__(width)
        self.clock = clock
        self.redraw_times: list[float] = []

    def write(self, text: str) -> int:
        self.redraw_times += [self.clock.now] * text.count("\x1b[J")
        return super().write(text)


@pytest.mark.slow
@settings(max_examples=60)
@given(REPLIES, st.integers(20, 130), st.integers(4, 12), st.sampled_from([0, 50]))
def test_every_reply_arrives_whatever_the_terminal(replies: list[str], width: int, height: int, pace: int) -> None:
    harness = ChatHarness(width, height, session=conversation_session(pace=pace))
    rows = harness.render_events(spread_events(*replies))
    assert all(cell_len(row) <= width for row in rows)
    for char in "xyw漢":
        assert "".join(rows).count(char) == "".join(replies).count(char)


@pytest.mark.parametrize(("width", "columns"), [(120, 3), (80, 3), (60, 2), (59, 0), (80, 0)])
def test_columns_stand_beside_each_other_where_there_is_room(width: int, columns: int) -> None:
    replies = (
        (PLAIN_REPLY, MULTILINE_REPLY, UNICODE_REPLY)[:columns]
        if columns
        else (PLAIN_REPLY,) * (6 if width == 80 else 2)
    )
    titles = ChatHarness(width).render_events(spread_events(*replies))[0].count("temp")
    assert titles == max(columns, 1)


def test_a_column_has_the_lines_that_it_would_have_alone() -> None:
    width = (80 - 1 - 2 * 3) // 3
    rows = ChatHarness(80).render_events(spread_events(PLAIN_REPLY, MULTILINE_REPLY, PLAIN_REPLY))
    left = [row[:width].rstrip() for row in rows[1:]]
    right = [row[2 * (width + 3) :].rstrip() for row in rows[1:]]
    assert left[:4] == right[:4]
    assert " ".join(left[:4]) == PLAIN_REPLY


def test_a_reply_longer_than_the_screen_is_whole_in_the_end() -> None:
    replies = ["\n".join(f"{column}{line}" for line in range(40)) for column in "ab"]
    rows = ChatHarness(80, 10).render_events(spread_events(*replies, limit=1000))
    assert [words(row) for row in rows[1:41]] == [[f"a{line}", f"b{line}"] for line in range(40)]
    stacked = ChatHarness(40, 10).render_events(spread_events(*replies, limit=1000))
    assert [row for row in stacked if row.startswith("b")] == [f"b{line}" for line in range(40)]


def test_all_columns_keep_the_pace_together() -> None:
    harness = ChatHarness(80, session=conversation_session(pace=100))
    harness.render_events(spread_events("x" * 200, "y" * 200, "z" * 100))
    assert harness.clock.now - 100 == pytest.approx(2, abs=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("pace", [0, 1, 30, 10_000])
@pytest.mark.parametrize("width", [40, 100])
def test_there_are_few_redraws(pace: float, width: int) -> None:
    clock = FakeClock()
    emulator = CountingEmulator(clock, width)
    with SpreadView(make_console(emulator), FramePacer(pace, lambda: False, clock, clock.sleep)) as view:
        view.start(["a", "b"], "", 7, 1000)
        for _ in range(30):
            for column in (0, 1):
                clock.now += 0.004
                view.write(column, "ab", 1.0)
    times = emulator.redraw_times
    # The line of titles is a drawing of its own.
    assert max(sum(start <= time < start + 1 for time in times) for start in times) <= 12 + 1


def test_the_first_characters_do_not_wait() -> None:
    clock = FakeClock()
    emulator = TerminalEmulator(80)
    with SpreadView(make_console(emulator), FramePacer(10, lambda: False, clock, clock.sleep)) as view:
        view.start(["a", "b"], "", 7, 100)
        view.write(0, "h", 1.0)
        view.write(1, "i", 1.0)
        assert clock.now == 100
        assert words(emulator.rows[1]) == ["h", "i"]


@pytest.mark.parametrize("width", [40, 100])
def test_who_has_had_enough_sees_all_that_was_drawn_at_once(width: int) -> None:
    harness = ChatHarness(width, session=conversation_session(pace=5))

    def events() -> Iterator[ChatEvent]:
        for index, event in enumerate(spread_events(PLAIN_REPLY, MULTILINE_REPLY, stopped="interrupted")):
            if index == 9:
                harness.session.stop()
                before.append(harness.clock.now)
            yield event

    before: list[float] = []
    rows = harness.render_events(events())
    assert harness.clock.now - before[0] < 1
    assert "stopped" in rows[-1]
    assert "honestly." in " ".join(rows)


@pytest.mark.parametrize("width", [40, 100])
def test_a_failure_leaves_what_was_said_and_the_cursor(width: int) -> None:
    harness = ChatHarness(width)

    def events() -> Iterator[ChatEvent]:
        yield SpreadStarted(("a", "b"), "", 7, 100)
        yield SpreadDelta(0, "one word", 1.0)
        yield SpreadDelta(1, "another", 1.0)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        harness.render_events(events())
    assert "one word" in " ".join(harness.emulator.rows)
    assert "another" in " ".join(harness.emulator.rows)
    assert harness.emulator.cursor_visible()


def test_a_terminal_that_is_resized_meanwhile_loses_nothing() -> None:
    harness = ChatHarness(100)

    def events() -> Iterator[ChatEvent]:
        for index, event in enumerate(spread_events(PLAIN_REPLY, MULTILINE_REPLY)):
            harness.clock.now += 0.2
            if index == 12:
                harness.console.width = 60
                harness.emulator.screen.resize(columns=60)
            yield event

    text = " ".join(harness.render_events(events()))
    for word in words(PLAIN_REPLY) + words(MULTILINE_REPLY):
        assert word in text


@pytest.mark.parametrize(("narrowest", "width"), [(90, 90), (64, 64), (40, 40), (64, 100), (40, 120)])
def test_in_a_terminal_that_became_narrower_all_stands_anew_in_the_end(narrowest: int, width: int) -> None:
    harness = ChatHarness(100)
    reply = "\n".join(f"line {number} of some words" for number in range(12))

    def events() -> Iterator[ChatEvent]:
        for index, event in enumerate(spread_events(reply, PLAIN_REPLY, prefix="before ", limit=400)):
            harness.clock.now += 0.2
            if index in (60, 70):
                harness.console.width = narrowest if index == 60 else width
                harness.emulator.screen.resize(columns=harness.console.width)
            yield event

    rows = harness.render_events(events())
    alone = ChatHarness(width).render_events(spread_events(reply, PLAIN_REPLY, prefix="before ", limit=400))
    assert rows[-len(alone) :] == alone


def test_in_a_terminal_that_stays_as_it_is_nothing_is_said_twice() -> None:
    rows = ChatHarness(100).render_events(spread_events(PLAIN_REPLY, MULTILINE_REPLY))
    assert sum("temp 0.3" in row for row in rows) == 1


def test_where_nothing_can_be_drawn_over_one_follows_the_other() -> None:
    harness = ChatHarness(80, TERM="dumb")
    rows = harness.render_events(spread_events(PLAIN_REPLY, MULTILINE_REPLY))
    assert "\x1b" not in harness.emulator.written
    assert rows[:2] == ["1 · temp 0.3", PLAIN_REPLY]
    assert rows[4:6] == ["2 · temp 0.8", "Oh no! I love it."]


def test_a_reply_without_a_character_has_a_footer_all_the_same() -> None:
    for width in (40, 100):
        assert "0 chars" in " ".join(ChatHarness(width).render_events(spread_events("", PLAIN_REPLY)))
