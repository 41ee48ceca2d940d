"""Samples on a terminal and in a pipe, with a clock that only sleeping moves."""

import io
from collections.abc import Iterator

import pytest

from grucli.ui.terminal.status_line import Waiting
from grucli.ui.views.sample_writer import StreamView
from tests.ui.fake_streams import Pipe, Screen, Terminals


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def view_of(both: Terminals, pace: float, clock: Clock) -> StreamView:
    return StreamView(both.terminal, pace, clock, clock.sleep)


def test_on_a_terminal_a_sample_takes_as_long_as_it_takes_to_read() -> None:
    both, clock = Terminals(Screen(), Pipe(), width=400), Clock()
    with view_of(both, 150.0, clock) as view:
        view.stream(["x" * 100, "y" * 200])
    assert both.out == "x" * 100 + "y" * 200 + "\n"
    assert clock.now - 100 == pytest.approx(300 / 150, abs=3 / 150)
    assert max(clock.waits) < 0.05


def test_a_slow_model_is_not_waited_for_twice() -> None:
    both, clock = Terminals(Screen(), Pipe()), Clock()

    def slices() -> Iterator[str]:
        for _ in range(3):
            clock.now += 5
            yield "a" * 15

    with view_of(both, 150.0, clock) as view:
        view.stream(slices())
    assert clock.now - 100 == pytest.approx(15 + 3 * 0.1, abs=0.3)


def test_a_pace_of_zero_and_a_pipe_never_sleep() -> None:
    for screen, pace in ((Screen, 0.0), (Pipe, 150.0)):
        both, clock = Terminals(screen(), Pipe()), Clock()
        with view_of(both, pace, clock) as view:
            view.stream(["abc", "def"])
            view.show("second")
        assert both.out == "abcdef\n--\nsecond\n"
        assert clock.waits == []


def test_the_prompt_stands_before_every_sample() -> None:
    both = Terminals(Pipe(), Pipe())
    with StreamView(both.terminal) as view:
        view.show(" one", prompt="[b]I")
        view.show(" two\n", prompt="[b]I")
    assert both.out == "[b]I one\n--\n[b]I two\n\n"
    shown = Terminals(Screen(), Pipe())
    with StreamView(shown.terminal) as view:
        view.stream([" one"], prompt="[b]I\x1b[2J")
    assert shown.out == "\x1b[1m[b]I[2J\x1b[0m one\n"


def test_hostile_text_is_harmless_in_every_form() -> None:
    both, clock = Terminals(Screen(), Pipe()), Clock()
    with view_of(both, 150.0, clock) as view:
        view.stream(["\x1b", "[2Ja\x9b", "31m\u202e"])
        view.show("\x1b]0;x\x07")
        view.show_json({"text": "\x1b[2J\x9b"})
    assert both.out == '[2Ja31m\n--\n]0;x\n{"text": "\\u001b[2J\\u009b"}\n'


def test_a_sample_that_is_cut_short_ends_its_line() -> None:
    both = Terminals(Screen(), Pipe())

    def slices() -> Iterator[str]:
        yield "half a "
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), StreamView(both.terminal) as view:
        view.stream(slices())
    assert both.out == "half a \n"


def test_until_the_first_sample_the_terminal_says_that_work_goes_on() -> None:
    both = Terminals(Pipe(), Screen())
    with StreamView(both.terminal) as view:
        assert "getting ready" in both.err
        view.show("here")
        assert both.err.endswith(("\x1b[2K", "\x1b[?25h"))
        erased = len(both.err)
    assert len(both.err) == erased


def test_who_waits_long_waits_for_the_compiler() -> None:
    both, clock = Terminals(Pipe(), Screen()), Clock()
    with Waiting(both.terminal, clock) as waiting:
        clock.now += 7
        assert [line.plain for line in waiting._draw()] == ["compiling for this processor (7 s)"]


@pytest.mark.parametrize("both", [Terminals(Pipe(), Pipe()), Terminals(Screen(), Screen(), quiet=1)])
def test_nobody_is_told_who_cannot_see_or_does_not_want_to(both: Terminals) -> None:
    with Waiting(both.terminal):
        pass
    assert both.err == ""


def test_a_reader_that_left_is_noticed() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        StreamView(Terminals(Gone(), Pipe()).terminal).show("text")
