"""Replies that stream together: what every column shows, at which pace, and how often the screen is drawn."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from grucli.chat.events import Event, Spreading, SpreadSaid
from grucli.ui.chat.spread_view import SpreadView
from grucli.ui.terminal.frame_pacer import Rhythm
from tests.chat.fakes import talker
from tests.ui.emulator import Emulator
from tests.ui.snapshot_cases import CAREFUL, LIVELY, WILD, Clock, Room, console, spread

# Of characters that no title and no footer has.
REPLIES = st.lists(st.text("xy w\n漢", max_size=120), min_size=1, max_size=6)


def words(text: str) -> list[str]:
    return text.split()


class Counting(Emulator):
    """A terminal that notes when it is drawn over."""

    def __init__(self, clock: Clock, width: int) -> None:
        super().__init__(width)
        self.clock = clock
        self.drawings: list[float] = []

    def write(self, text: str) -> int:
        self.drawings += [self.clock.now] * text.count("\x1b[J")
        return super().write(text)


@settings(max_examples=60)
@given(REPLIES, st.integers(20, 130), st.integers(4, 12), st.sampled_from([0, 50]))
def test_every_reply_arrives_whatever_the_terminal(replies: list[str], width: int, height: int, pace: int) -> None:
    room = Room(width, height, session=talker(pace=pace))
    rows = room.draw(spread(*replies))
    assert all(cell_len(row) <= width for row in rows)
    for sign in "xyw漢":
        assert "".join(rows).count(sign) == "".join(replies).count(sign)


@pytest.mark.parametrize(("width", "columns"), [(120, 3), (80, 3), (60, 2), (59, 0), (80, 0)])
def test_columns_stand_beside_each_other_where_there_is_room(width: int, columns: int) -> None:
    replies = (CAREFUL, LIVELY, WILD)[:columns] if columns else (CAREFUL,) * (6 if width == 80 else 2)
    titles = Room(width).draw(spread(*replies))[0].count("temp")
    assert titles == max(columns, 1)


def test_a_column_has_the_lines_that_it_would_have_alone() -> None:
    width = (80 - 1 - 2 * 3) // 3
    rows = Room(80).draw(spread(CAREFUL, LIVELY, CAREFUL))
    left = [row[:width].rstrip() for row in rows[1:]]
    right = [row[2 * (width + 3) :].rstrip() for row in rows[1:]]
    assert left[:4] == right[:4]
    assert " ".join(left[:4]) == CAREFUL


def test_a_reply_longer_than_the_screen_is_whole_in_the_end() -> None:
    replies = ["\n".join(f"{column}{line}" for line in range(40)) for column in "ab"]
    rows = Room(80, 10).draw(spread(*replies, limit=1000))
    assert [words(row) for row in rows[1:41]] == [[f"a{line}", f"b{line}"] for line in range(40)]
    stacked = Room(40, 10).draw(spread(*replies, limit=1000))
    assert [row for row in stacked if row.startswith("b")] == [f"b{line}" for line in range(40)]


def test_all_columns_keep_the_pace_together() -> None:
    room = Room(80, session=talker(pace=100))
    room.draw(spread("x" * 200, "y" * 200, "z" * 100))
    assert room.clock.now - 100 == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize("pace", [0, 1, 30, 10_000])
@pytest.mark.parametrize("width", [40, 100])
def test_there_are_few_redraws(pace: float, width: int) -> None:
    clock = Clock()
    emulator = Counting(clock, width)
    with SpreadView(console(emulator), Rhythm(pace, lambda: False, clock, clock.sleep)) as view:
        view.begin(["a", "b"], "", 7, 1000)
        for _ in range(30):
            for column in (0, 1):
                clock.now += 0.004
                view.say(column, "ab", 1.0)
    times = emulator.drawings
    # The line of titles is a drawing of its own.
    assert max(sum(start <= time < start + 1 for time in times) for start in times) <= 12 + 1


def test_the_first_characters_do_not_wait() -> None:
    clock = Clock()
    emulator = Emulator(80)
    with SpreadView(console(emulator), Rhythm(10, lambda: False, clock, clock.sleep)) as view:
        view.begin(["a", "b"], "", 7, 100)
        view.say(0, "h", 1.0)
        view.say(1, "i", 1.0)
        assert clock.now == 100
        assert words(emulator.rows[1]) == ["h", "i"]


@pytest.mark.parametrize("width", [40, 100])
def test_who_has_had_enough_sees_all_that_was_drawn_at_once(width: int) -> None:
    room = Room(width, session=talker(pace=5))

    def events() -> Iterator[Event]:
        for index, event in enumerate(spread(CAREFUL, LIVELY, stopped="interrupted")):
            if index == 9:
                room.session.stop()
                before.append(room.clock.now)
            yield event

    before: list[float] = []
    rows = room.draw(events())
    assert room.clock.now - before[0] < 1
    assert "stopped" in rows[-1]
    assert "honestly." in " ".join(rows)


@pytest.mark.parametrize("width", [40, 100])
def test_a_failure_leaves_what_was_said_and_the_cursor(width: int) -> None:
    room = Room(width)

    def events() -> Iterator[Event]:
        yield Spreading(("a", "b"), "", 7, 100)
        yield SpreadSaid(0, "one word", 1.0)
        yield SpreadSaid(1, "another", 1.0)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        room.draw(events())
    assert "one word" in " ".join(room.emulator.rows)
    assert "another" in " ".join(room.emulator.rows)
    assert room.emulator.cursor_visible()


def test_a_terminal_that_is_resized_meanwhile_loses_nothing() -> None:
    room = Room(100)

    def events() -> Iterator[Event]:
        for index, event in enumerate(spread(CAREFUL, LIVELY)):
            room.clock.now += 0.2
            if index == 12:
                room.console.width = 60
                room.emulator.screen.resize(columns=60)
            yield event

    text = " ".join(room.draw(events()))
    for word in words(CAREFUL) + words(LIVELY):
        assert word in text


@pytest.mark.parametrize(("narrowest", "width"), [(90, 90), (64, 64), (40, 40), (64, 100), (40, 120)])
def test_in_a_terminal_that_became_narrower_all_stands_anew_in_the_end(narrowest: int, width: int) -> None:
    room = Room(100)
    reply = "\n".join(f"line {number} of some words" for number in range(12))

    def events() -> Iterator[Event]:
        for index, event in enumerate(spread(reply, CAREFUL, lead="before ", limit=400)):
            room.clock.now += 0.2
            if index in (60, 70):
                room.console.width = narrowest if index == 60 else width
                room.emulator.screen.resize(columns=room.console.width)
            yield event

    rows = room.draw(events())
    alone = Room(width).draw(spread(reply, CAREFUL, lead="before ", limit=400))
    assert rows[-len(alone) :] == alone


def test_in_a_terminal_that_stays_as_it_is_nothing_is_said_twice() -> None:
    rows = Room(100).draw(spread(CAREFUL, LIVELY))
    assert sum("temp 0.3" in row for row in rows) == 1


def test_where_nothing_can_be_drawn_over_one_follows_the_other() -> None:
    room = Room(80, TERM="dumb")
    rows = room.draw(spread(CAREFUL, LIVELY))
    assert "\x1b" not in room.emulator.written
    assert rows[:2] == ["1 · temp 0.3", CAREFUL]
    assert rows[4:6] == ["2 · temp 0.8", "Oh no! I love it."]


def test_a_reply_without_a_character_has_a_footer_all_the_same() -> None:
    for width in (40, 100):
        assert "0 chars" in " ".join(Room(width).draw(spread("", CAREFUL)))
