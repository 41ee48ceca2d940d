"""The progress bar and the report of gru clean."""

import pytest

from grucli.reddit.clean.report import CleanReport
from grucli.ui.terminal.console import Terminal
from grucli.ui.views.clean_view import CleanView, show_report
from tests.ui.emulator import TerminalEmulator
from tests.ui.fake_streams import CapturedTerminal, PipeStream, TtyStream
from tests.ui.views.test_sample_writer import FakeClock


@pytest.fixture(autouse=True)
def _no_color_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")


def make_report(kept: int = 60, *, conversations: int | None = None) -> CleanReport:
    result = CleanReport(read=kept + 1240, kept=kept, characters=kept * 10, conversations=conversations)
    result.drop("score: too low", 30, [("a/x.zst", line) for line in range(1001, 1006)])
    result.drop("score: no score", 1208, [("a/x.zst", 9)])
    result.drop("duplicate", 2, [("a/x.zst", 11), ("a/x.zst", 12)])
    return result


def report_lines(clean_report: CleanReport) -> list[str]:
    captured = CapturedTerminal(PipeStream(), PipeStream())
    show_report(captured.terminal, clean_report)
    return captured.err.splitlines()


def test_the_table_says_what_went_where_and_why() -> None:
    assert report_lines(make_report()) == [
        "read         1,300",
        "kept            60  600 characters",
        "dropped      1,240",
        "  score      1,238  no score 1,208 (lines 9 …); too low 30 (lines 1,001, 1,002, 1,003 …)",
        "  duplicate      2  (lines 11, 12)",
    ]
    assert report_lines(make_report(conversations=7))[1] == "kept            60  in 7 conversations, 600 characters"


def test_places_in_several_files_name_them() -> None:
    result = make_report()
    result.drop("duplicate", 1, [("b/y\x1b[1m.zst", 5)])

    assert report_lines(result)[-1] == "  duplicate      3  (x.zst:11, x.zst:12, y[1m.zst:5)"


def test_many_reasons_are_cut_short() -> None:
    result = CleanReport()
    for number in range(9):
        result.drop(f"schema: reason {number}", 9 - number, [])

    assert report_lines(result)[-1] == "  schema  45  reason 0 9; reason 1 8; reason 2 7; reason 3 6; …"


def render_bar(total: int | None, done: int, seconds: float = 10.0) -> str:
    captured, clock = CapturedTerminal(PipeStream(), TtyStream()), FakeClock()
    view = CleanView(captured.terminal, clock)
    view.start(make_report())
    clock.sleep(seconds)
    view.progress("cleaning", done, total)
    return "\n".join(line.plain for line in view._render())


def test_the_bar_goes_by_bytes() -> None:
    assert render_bar(4000, 1000) == f"{'━' * 8}{'─' * 22}  25% ·  0:30 left · 1,300 read · 60 kept · 130/s"
    assert render_bar(4000, 1000, 1.0) == f"{'━' * 7}{'─' * 22}  25% ·  -:-- left · 1,300 read · 60 kept · 1.3k/s"
    assert render_bar(4000, 4000) == f"{'━' * 33} 100% · writing · 1,300 read · 60 kept · 130/s"
    assert render_bar(None, 5_000_000) == "1,300 read · 60 kept · 5.0MB · 130/s"


def test_it_is_drawn_on_a_terminal_and_taken_back() -> None:
    screen = TerminalEmulator()
    with CleanView(Terminal(PipeStream(), screen, width=80)) as view:
        view.start(make_report())
        view.progress("cleaning", 5, 10)
        assert screen.rows == ["loading..."]
    assert screen.rows == []


def test_a_pipe_sees_nothing() -> None:
    captured = CapturedTerminal(TtyStream(), PipeStream())
    with CleanView(captured.terminal) as view:
        view.start(make_report())
        view.progress("cleaning", 5, 10)
    assert (captured.out, captured.err) == ("", "")
