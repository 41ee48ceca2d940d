"""Samples on a terminal and in a pipe, with a clock that only `sleep` advances."""

import io
from collections.abc import Iterator

import pytest

from grucli.ui.terminal.live_display import StatusLine
from grucli.ui.terminal.live_text import MAX_FPS
from grucli.ui.views.sample_view import SampleWriter
from tests.ui.emulator import TerminalEmulator
from tests.ui.fake_streams import CapturedTerminal, PipeStream, TtyStream


class FakeClock:
    """A clock that only `sleep` advances."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture(autouse=True)
def _color_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def make_view(captured: CapturedTerminal, pace: float, clock: FakeClock) -> SampleWriter:
    return SampleWriter(captured.terminal, pace, clock, clock.sleep)


def test_on_a_terminal_a_sample_takes_as_long_as_it_takes_to_read() -> None:
    screen, clock = TerminalEmulator(400), FakeClock()
    with make_view(CapturedTerminal(screen, PipeStream(), width=400), 150.0, clock) as view:
        view.stream(["x" * 100, "y" * 200])
    assert screen.rows == ["x" * 100 + "y" * 200]
    assert screen.screen.cursor.y == 1
    assert screen.cursor_visible()
    assert clock.now - 100 == pytest.approx(300 / 150, abs=1 / MAX_FPS)
    assert max(clock.waits) < 1.01 / MAX_FPS


def test_a_slow_model_is_not_waited_for_twice() -> None:
    captured, clock = CapturedTerminal(TtyStream(), PipeStream()), FakeClock()

    def slices() -> Iterator[str]:
        for _ in range(3):
            clock.now += 5
            yield "a" * 15

    with make_view(captured, 150.0, clock) as view:
        view.stream(slices())
    assert clock.now - 100 == pytest.approx(15, abs=2 / MAX_FPS)


def test_a_pace_of_zero_and_a_pipe_never_sleep() -> None:
    for stream, pace in ((TerminalEmulator(), 0.0), (PipeStream(), 150.0)):
        clock = FakeClock()
        with make_view(CapturedTerminal(stream, PipeStream(), width=80), pace, clock) as view:
            view.stream(["abc", "def"])
            view.write("second")
        lines = stream.rows if isinstance(stream, TerminalEmulator) else stream.getvalue().splitlines()
        assert lines == ["abcdef", "--", "second"]
        assert clock.waits == []


def test_the_prompt_stands_before_every_sample() -> None:
    captured = CapturedTerminal(PipeStream(), PipeStream())
    with SampleWriter(captured.terminal) as view:
        view.write(" one", prompt="[b]I")
        view.write(" two\n", prompt="[b]I")
    assert captured.out == "[b]I one\n--\n[b]I two\n\n"
    screen = TerminalEmulator()
    with SampleWriter(CapturedTerminal(screen, PipeStream(), width=80).terminal) as view:
        view.stream([" one"], prompt="[b]I\x1b[2J")
    assert screen.styled_rows == ["⟨bold⟩[b]I[2J⟨⟩ one"]


def test_hostile_text_is_harmless_in_every_form() -> None:
    screen, clock = TerminalEmulator(), FakeClock()
    with make_view(CapturedTerminal(screen, PipeStream(), width=80), 150.0, clock) as view:
        view.stream(["\x1b", "[2Ja\x9b", "31m\u202e"])
        view.write("\x1b]0;x\x07")
        view.write_json({"text": "\x1b[2J\x9b"})
    assert screen.rows == ["[2Ja31m", "--", "]0;x", '{"text": "\\u001b[2J\\u009b"}']
    assert not set("\x07\x9b\u202e") & set(screen.written)


def test_a_sample_that_is_cut_short_ends_its_line() -> None:
    def slices() -> Iterator[str]:
        yield "half a "
        raise KeyboardInterrupt

    for stream in (TerminalEmulator(), PipeStream()):
        captured = CapturedTerminal(stream, PipeStream(), width=80)
        with pytest.raises(KeyboardInterrupt), SampleWriter(captured.terminal) as view:
            view.stream(slices())
        if isinstance(stream, TerminalEmulator):
            assert stream.rows == ["half a"]
            assert (stream.screen.cursor.x, stream.screen.cursor.y) == (0, 1)
            assert stream.cursor_visible()
        else:
            assert stream.getvalue() == "half a \n"


@pytest.mark.parametrize("pace", [0.0, 150.0])
@pytest.mark.parametrize("chunk", [1, 3, 16, 100])
def test_words_stay_whole_whatever_chunks_they_come_in(chunk: int, pace: float) -> None:
    screen, clock = TerminalEmulator(20), FakeClock()
    text = "It was a bright cold day in April, 漢字 漢字 漢字漢 and the clocks\n\n  were\tstriking thirteen."
    with make_view(CapturedTerminal(screen, PipeStream(), width=20), pace, clock) as view:
        view.stream(text[start : start + chunk] for start in range(0, len(text), chunk))
        view.write("")
    assert screen.rows == [
        "It was a bright",
        "cold day in April,",
        "漢字 漢字 漢字漢",
        "and the clocks",
        "",
        "  were    striking",
        "thirteen.",
        "--",
    ]


def test_on_a_dumb_terminal_text_comes_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    captured, clock = CapturedTerminal(TtyStream(), PipeStream(), width=20), FakeClock()
    with make_view(captured, 150.0, clock) as view:
        view.stream(["It was a bright cold ", "day\x1b[2J"])
    assert captured.out == "It was a bright cold day[2J\n"


def test_until_the_first_sample_the_terminal_says_that_work_goes_on() -> None:
    captured = CapturedTerminal(PipeStream(), TtyStream())
    with SampleWriter(captured.terminal) as view:
        assert "loading..." in captured.err
        view.write("here")
        assert captured.err.endswith(("\x1b[2K", "\x1b[?25h"))
        erased = len(captured.err)
    assert len(captured.err) == erased


def test_who_waits_long_waits_for_the_compiler() -> None:
    captured, clock = CapturedTerminal(PipeStream(), TtyStream()), FakeClock()
    with StatusLine(captured.terminal, clock) as waiting:
        clock.now += 7
        assert [line.plain for line in waiting._render()] == ["compiling for this processor (7 s)"]


@pytest.mark.parametrize(
    "both", [CapturedTerminal(PipeStream(), PipeStream()), CapturedTerminal(TtyStream(), TtyStream(), quiet=1)]
)
def test_nobody_is_told_who_cannot_see_or_does_not_want_to(both: CapturedTerminal) -> None:
    with StatusLine(both.terminal):
        pass
    assert both.err == ""


def test_a_reader_that_left_is_noticed() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        SampleWriter(CapturedTerminal(Gone(), PipeStream()).terminal).write("text")
