import pytest
from rich.cells import cell_len
from rich.console import Console

from grucli.ui.chat.reply_view import ReplyView
from grucli.ui.terminal.formatting import fit_fields, progress_bar
from grucli.ui.terminal.live_text import MAX_FPS, FramePacer
from tests.ui.emulator import TerminalEmulator


class FakeClock:
    """Time passes only for those who sleep."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


class CountingEmulator(TerminalEmulator):
    """A terminal that notes when it is drawn over."""

    def __init__(self, clock: FakeClock, width: int) -> None:
        super().__init__(width)
        self.clock = clock
        self.redraw_times: list[float] = []

    def write(self, text: str) -> int:
        self.redraw_times += [self.clock.now] * text.count("\x1b[J")
        return super().write(text)


class Harness:
    """A reply view on an emulated terminal with a clock of its own."""

    def __init__(self, pace: float, width: int = 80) -> None:
        self.clock = FakeClock()
        self.emulator = CountingEmulator(self.clock, width)
        self.stop_requested = False
        console = Console(file=self.emulator, force_terminal=True, width=width, height=30, _environ={"TERM": "xterm"})
        self.view = ReplyView(console, FramePacer(pace, lambda: self.stop_requested, self.clock, self.clock.sleep))

    def max_redraws_per_second(self) -> int:
        times = self.emulator.redraw_times
        return max(sum(start <= time < start + 1 for time in times) for start in times)


def test_text_appears_at_the_pace() -> None:
    harness = Harness(pace=100)
    with harness.view:
        harness.view.start("", seed=3, max_chars=1000)
        for _ in range(50):
            harness.view.write("0123456789", 2.0)
    assert harness.clock.now - 100 == pytest.approx(5, abs=1 / MAX_FPS)
    assert "".join(harness.emulator.rows) == "0123456789" * 50


def test_without_a_pace_nobody_waits() -> None:
    harness = Harness(pace=0)
    with harness.view:
        harness.view.start("", seed=3, max_chars=1000)
        for _ in range(50):
            harness.view.write("0123456789", 2.0)
    assert harness.clock.now == 100
    assert len(harness.emulator.redraw_times) <= 3
    assert "".join(harness.emulator.rows) == "0123456789" * 50


@pytest.mark.slow
@pytest.mark.parametrize("pace", [1, 7, 150, 10_000])
def test_there_are_few_redraws(pace: float) -> None:
    harness = Harness(pace)
    with harness.view:
        harness.view.start("", seed=3, max_chars=10_000)
        for _ in range(300):
            harness.view.write("ab", 2.0)
    assert harness.max_redraws_per_second() <= 12


def test_pieces_that_come_one_by_one_without_a_pace_are_drawn_together() -> None:
    harness = Harness(pace=0)
    with harness.view:
        harness.view.start("", seed=3, max_chars=100_000)
        for _ in range(1000):
            harness.clock.now += 0.001
            harness.view.write("abc ", 2.0)
    assert MAX_FPS - 2 <= harness.max_redraws_per_second() <= 12


def test_the_first_character_does_not_wait() -> None:
    harness = Harness(pace=10)
    with harness.view:
        harness.view.start("", seed=3, max_chars=100)
        harness.view.write("h", 2.0)
        assert harness.clock.now == 100
        assert harness.emulator.rows[0] == "h"


def test_stopping_shows_what_was_drawn_at_once() -> None:
    harness = Harness(pace=10)
    with harness.view:
        harness.view.start("", seed=3, max_chars=1000)
        harness.view.write("a" * 10, 2.0)
        before = harness.clock.now
        harness.stop_requested = True
        harness.view.write("b" * 40, 2.0)
    assert harness.clock.now == before
    assert harness.emulator.rows == ["a" * 10 + "b" * 40]


@pytest.mark.parametrize(
    ("width", "bar"),
    [
        (200, "━━━━━━━━━━━━━━━━━━━━────────────────────  50/100 · 1.90 bits/char ·  59 chars/s · seed 42"),
        (80, "━━━━━━━━━━━━━━━───────────────  50/100 · 1.90 bits/char ·  59 chars/s · seed 42"),
        (40, "━━━━━━━───────  50/100 · 1.90 bits/char"),
        (20, "━━━━━━─────  50/100"),
    ],
)
def test_the_bar_fits_its_terminal(width: int, bar: str) -> None:
    harness = Harness(pace=0, width=width)
    with harness.view:
        harness.view.start("", seed=42, max_chars=100)
        harness.clock.now += 0.85
        harness.view.write("x" * 10 + "\n" + "y" * 10 + "\n" + "z" * 28, 1.9)
        rows = harness.emulator.rows
    assert [row for row in rows if "/100" in row] == [bar]


@pytest.mark.parametrize("width", range(8, 120, 7))
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0, 1.7])
def test_a_bar_is_narrower_than_its_console(width: int, share: float) -> None:
    bar = progress_bar(Console(width=width), share, ["  7/500", "1.90 bits/char", "150 chars/s", "seed 42"])
    assert cell_len(bar.plain) < width


def test_a_plain_terminal_gets_a_plain_bar() -> None:
    class Ascii(TerminalEmulator):
        encoding = "ascii"

    bar = progress_bar(Console(file=Ascii(), width=40), 0.5, ["5/10"])
    assert bar.plain == "=================----------------- 5/10"


def test_reading_shows_how_far() -> None:
    harness = Harness(pace=0)
    with harness.view:
        harness.view.read(250_000, 1_000_000)
        assert "reading  25% · 1,000,000 characters" in harness.emulator.rows[-1]
        harness.view.start("", seed=1, max_chars=10)
        harness.view.write("ok", 1.0)
    assert harness.emulator.rows == ["ok"]


def test_a_lead_is_its_last_line_and_not_too_long() -> None:
    harness = Harness(pace=0, width=40)
    with harness.view:
        harness.view.start("a first line\n" + "the cat sat " * 5, seed=1, max_chars=10)
        harness.view.write("on", 1.0)
    assert harness.emulator.rows == ["…cat sat the cat sat on"]


def test_only_what_fits_is_said() -> None:
    assert fit_fields(["ab", "", "cd", "ef"], 7) == ["ab", "cd"]
    assert fit_fields(["abc"], 2) == []
