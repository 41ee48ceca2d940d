"""Many samples: what is counted and timed, where there is a bar, and what is said at the end."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from grucli.ui.views.sample_progress import BatchView
from tests.ui.fake_streams import Pipe, Screen, Terminals


@dataclass(frozen=True)
class Text:
    text: str


class Clock:
    """Time that passes when samples are drawn, and when they are shown."""

    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def drawn(clock: Clock, n: int) -> Iterator[Text]:
    for _ in range(n):
        clock.now += 0.5
        yield Text("x" * 100)


def test_the_time_is_that_of_drawing_alone() -> None:
    both, clock = Terminals(Pipe(), Pipe()), Clock()
    batch = BatchView(both.terminal, 13, clock)
    for _ in batch.timed([clock]):
        clock.now += 60  # somebody reads it
    batch.count("y" * 400)
    for _ in batch.follow(drawn(clock, 12)):
        clock.now += 60
    batch.finish()
    assert both.err == "13 samples, 1,600 characters, 267 characters/s\n"
    assert both.out == ""


def test_one_sample_is_not_counted_aloud() -> None:
    both, clock = Terminals(Pipe(), Pipe()), Clock()
    batch = BatchView(both.terminal, 1, clock)
    assert len(list(batch.follow(drawn(clock, 1)))) == 1
    batch.finish()
    assert both.err == ""


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (100, f"{9 * '━'}{27 * '─'}  25% · 12:30 left ·   500 of 2,000 samples ·  200 characters/s"),
        (80, f"{4 * '━'}{12 * '─'}  25% · 12:30 left ·   500 of 2,000 samples ·  200 characters/s"),
        (60, f"{4 * '━'}{12 * '─'}  25% · 12:30 left ·   500 of 2,000 samples"),
        (40, f"{5 * '━'}{16 * '─'}  25% · 12:30 left"),
        (20, f"{4 * '━'}{10 * '─'}  25%"),
    ],
)
def test_the_bar_tells_how_far_it_is(width: int, shown: str) -> None:
    both, clock = Terminals(Pipe(), Screen(), width=width), Clock()
    batch = BatchView(both.terminal, 2000, clock)
    samples = batch.follow(drawn(clock, 2000))
    for _ in range(500):
        next(samples)
    assert [line.plain for line in batch._draw()] == [shown]
    samples.close()  # type: ignore[attr-defined]
    assert both.err.endswith("\x1b[?25h") or "\x1b[2K" in both.err[-20:]


def test_there_is_no_bar_where_the_samples_are_seen_or_nobody_looks() -> None:
    for out, err, quiet in ((Screen, Screen, 0), (Pipe, Pipe, 0), (Pipe, Screen, 1)):
        both, clock = Terminals(out(), err(), quiet=quiet), Clock()
        for _ in BatchView(both.terminal, 5, clock).follow(drawn(clock, 5)):
            assert both.err == ""
    both, clock = Terminals(Pipe(), Screen()), Clock()
    for _ in BatchView(both.terminal, 5, clock).follow(drawn(clock, 5)):
        pass
    assert "of 5 samples" in both.err


def test_a_reader_that_left_takes_the_bar_along() -> None:
    both, clock = Terminals(Pipe(), Screen()), Clock()

    def write() -> None:
        for count, _ in enumerate(BatchView(both.terminal, 9, clock).follow(drawn(clock, 9))):
            if count == 4:
                raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        write()
    assert "\x1b[?25h" in both.err
