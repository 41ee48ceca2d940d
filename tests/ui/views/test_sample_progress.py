"""Many samples: counting and timing, the bar, and the summary."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from grucli.ui.views.sample_view import SampleProgress
from tests.ui.fake_streams import CapturedTerminal, PipeStream, TtyStream


@dataclass(frozen=True)
class FakeSample:
    text: str


class FakeClock:
    """A clock advanced by generating and by printing samples."""

    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _color_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def generate(clock: FakeClock, n: int) -> Iterator[FakeSample]:
    for _ in range(n):
        clock.now += 0.5
        yield FakeSample("x" * 100)


def test_the_time_is_that_of_drawing_alone() -> None:
    captured, clock = CapturedTerminal(PipeStream(), PipeStream()), FakeClock()
    batch = SampleProgress(captured.terminal, 13, clock)
    for _ in batch.timed([clock]):
        clock.now += 60  # somebody reads it
    batch.count("y" * 400)
    for _ in batch.track(generate(clock, 12)):
        clock.now += 60
    batch.finish()
    assert captured.err == "13 samples, 1,600 characters, 267 characters/s\n"
    assert captured.out == ""


def test_one_sample_is_not_counted_aloud() -> None:
    captured, clock = CapturedTerminal(PipeStream(), PipeStream()), FakeClock()
    batch = SampleProgress(captured.terminal, 1, clock)
    assert len(list(batch.track(generate(clock, 1)))) == 1
    batch.finish()
    assert captured.err == ""


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
    captured, clock = CapturedTerminal(PipeStream(), TtyStream(), width=width), FakeClock()
    batch = SampleProgress(captured.terminal, 2000, clock)
    samples = batch.track(generate(clock, 2000))
    for _ in range(500):
        next(samples)
    assert [line.plain for line in batch._render()] == [shown]
    samples.close()  # type: ignore[attr-defined]
    assert captured.err.endswith("\x1b[?25h") or "\x1b[2K" in captured.err[-20:]


def test_there_is_no_bar_where_the_samples_are_seen_or_nobody_looks() -> None:
    for out, err, quiet in ((TtyStream, TtyStream, 0), (PipeStream, PipeStream, 0), (PipeStream, TtyStream, 1)):
        captured, clock = CapturedTerminal(out(), err(), quiet=quiet), FakeClock()
        for _ in SampleProgress(captured.terminal, 5, clock).track(generate(clock, 5)):
            assert captured.err == ""
    captured, clock = CapturedTerminal(PipeStream(), TtyStream()), FakeClock()
    for _ in SampleProgress(captured.terminal, 5, clock).track(generate(clock, 5)):
        pass
    assert "of 5 samples" in captured.err


def test_a_reader_that_left_takes_the_bar_along() -> None:
    captured, clock = CapturedTerminal(PipeStream(), TtyStream()), FakeClock()

    def write() -> None:
        for count, _ in enumerate(SampleProgress(captured.terminal, 9, clock).track(generate(clock, 9))):
            if count == 4:
                raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        write()
    assert "\x1b[?25h" in captured.err
