import pytest
from rich.cells import cell_len
from rich.console import Console

from grucli.ui.chat.reply_view import ReplyView
from grucli.ui.terminal.frame_pacer import REDRAWS, Rhythm
from grucli.ui.terminal.progress import fitting, progress_bar
from tests.ui.emulator import Emulator


class Clock:
    """Time passes only for those who sleep."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


class Watched(Emulator):
    """A terminal that notes when it is drawn over."""

    def __init__(self, clock: Clock, width: int) -> None:
        super().__init__(width)
        self.clock = clock
        self.drawings: list[float] = []

    def write(self, text: str) -> int:
        self.drawings += [self.clock.now] * text.count("\x1b[J")
        return super().write(text)


class Stage:
    """A reply view on an emulated terminal with a clock of its own."""

    def __init__(self, pace: float, width: int = 80) -> None:
        self.clock = Clock()
        self.emulator = Watched(self.clock, width)
        self.stopping = False
        console = Console(file=self.emulator, force_terminal=True, width=width, height=30, _environ={"TERM": "xterm"})
        self.view = ReplyView(console, Rhythm(pace, lambda: self.stopping, self.clock, self.clock.sleep))

    def busiest_second(self) -> int:
        times = self.emulator.drawings
        return max(sum(start <= time < start + 1 for time in times) for start in times)


def test_text_appears_at_the_pace() -> None:
    stage = Stage(pace=100)
    with stage.view:
        stage.view.begin(seed=3, limit=1000)
        for _ in range(50):
            stage.view.say("0123456789", 2.0)
    assert stage.clock.now - 100 == pytest.approx(5, abs=1 / REDRAWS)
    assert "".join(stage.emulator.rows) == "0123456789" * 50


def test_without_a_pace_nobody_waits() -> None:
    stage = Stage(pace=0)
    with stage.view:
        stage.view.begin(seed=3, limit=1000)
        for _ in range(50):
            stage.view.say("0123456789", 2.0)
    assert stage.clock.now == 100
    assert len(stage.emulator.drawings) <= 3
    assert "".join(stage.emulator.rows) == "0123456789" * 50


@pytest.mark.parametrize("pace", [1, 7, 150, 10_000])
def test_there_are_few_redraws(pace: float) -> None:
    stage = Stage(pace)
    with stage.view:
        stage.view.begin(seed=3, limit=10_000)
        for _ in range(300):
            stage.view.say("ab", 2.0)
    assert stage.busiest_second() <= 12


def test_pieces_that_come_one_by_one_without_a_pace_are_drawn_together() -> None:
    stage = Stage(pace=0)
    with stage.view:
        stage.view.begin(seed=3, limit=100_000)
        for _ in range(1000):
            stage.clock.now += 0.001
            stage.view.say("abc ", 2.0)
    assert REDRAWS - 2 <= stage.busiest_second() <= 12


def test_the_first_character_does_not_wait() -> None:
    stage = Stage(pace=10)
    with stage.view:
        stage.view.begin(seed=3, limit=100)
        stage.view.say("h", 2.0)
        assert stage.clock.now == 100
        assert stage.emulator.rows[0] == "h"


def test_stopping_shows_what_was_drawn_at_once() -> None:
    stage = Stage(pace=10)
    with stage.view:
        stage.view.begin(seed=3, limit=1000)
        stage.view.say("a" * 10, 2.0)
        before = stage.clock.now
        stage.stopping = True
        stage.view.say("b" * 40, 2.0)
    assert stage.clock.now == before
    assert stage.emulator.rows == ["a" * 10 + "b" * 40]


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
    stage = Stage(pace=0, width=width)
    with stage.view:
        stage.view.begin(seed=42, limit=100)
        stage.clock.now += 0.85
        stage.view.say("x" * 10 + "\n" + "y" * 10 + "\n" + "z" * 28, 1.9)
        rows = stage.emulator.rows
    assert [row for row in rows if "/100" in row] == [bar]


@pytest.mark.parametrize("width", range(8, 120, 7))
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0, 1.7])
def test_a_bar_is_narrower_than_its_console(width: int, share: float) -> None:
    bar = progress_bar(Console(width=width), share, ["  7/500", "1.90 bits/char", "150 chars/s", "seed 42"])
    assert cell_len(bar.plain) < width


def test_a_plain_terminal_gets_a_plain_bar() -> None:
    class Ascii(Emulator):
        encoding = "ascii"

    bar = progress_bar(Console(file=Ascii(), width=40), 0.5, ["5/10"])
    assert bar.plain == "=================----------------- 5/10"


def test_reading_shows_how_far() -> None:
    stage = Stage(pace=0)
    with stage.view:
        stage.view.read(250_000, 1_000_000)
        assert "reading  25% · 1,000,000 characters" in stage.emulator.rows[-1]
        stage.view.begin(seed=1, limit=10)
        stage.view.say("ok", 1.0)
    assert stage.emulator.rows == ["ok"]


def test_a_lead_is_its_last_line_and_not_too_long() -> None:
    stage = Stage(pace=0, width=40)
    with stage.view:
        stage.view.begin(seed=1, limit=10)
        stage.view.lead("a first line\n" + "the cat sat " * 5)
        stage.view.say("on", 1.0)
    assert stage.emulator.rows == ["…cat sat the cat sat on"]


def test_only_what_fits_is_said() -> None:
    assert fitting(["ab", "", "cd", "ef"], 7) == ["ab", "cd"]
    assert fitting(["abc"], 2) == []
