"""A comparison on a terminal and in a pipe, its table and its end."""

from dataclasses import replace

import pytest

from grucli.comparison.events import CompareEvent, ComparisonFinished, PhaseStarted, RunDiverged, RunEvent
from grucli.errors import DivergedError
from grucli.model.store import Metrics
from grucli.training.events import Compiled, Compiling, SetupProgress
from grucli.ui.comparison.compare_view import CompareView
from grucli.ui.comparison.dashboard import CompareDashboard
from grucli.ui.terminal.console import Terminal
from grucli.ui.views.comparison_view import print_comparison_end, show_comparison
from tests.comparison.small_comparisons import fake_comparison
from tests.ui.emulator import TerminalEmulator
from tests.ui.fake_comparison import CELLS, comparison_run, comparison_started, search_run
from tests.ui.fake_events import run_started, step_completed
from tests.ui.fake_streams import CapturedTerminal, PipeStream, TtyStream
from tests.ui.snapshot_cases import make_console

TABLE = """\
cell      bits/char   against rnn        in 0:20  tokens/s  hidden  parameters  memory
rnn   2.020 ± 0.025             -  2.030 ± 0.025       41k     256     312,345    38MB
gru   1.940 ± 0.025  -4.0 % ± 1.2  1.950 ± 0.025       41k     256     312,345    38MB
lstm  1.940 ± 0.025  -4.0 % ± 2.4  1.950 ± 0.025       41k     256     312,345    38MB
"""


def show_all(captured: CapturedTerminal, events: list[CompareEvent]) -> None:
    with CompareView(captured.terminal) as view:
        for event in events:
            view.show(event)


def dashboard_rows(events: list[CompareEvent], width: int = 80, height: int = 24, color: bool = True) -> list[str]:
    dashboard = CompareDashboard(clock=lambda: 0.0)
    for event in events:
        dashboard.update(event)
    return [line.plain for line in dashboard.render(make_console(TerminalEmulator(width, height), color))]


def test_in_a_pipe_it_is_rows_on_stderr() -> None:
    captured = CapturedTerminal(PipeStream(), PipeStream())
    show_all(captured, list(comparison_run(1, 100)))
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert lines[:3] == ["loading...", "comparing rnn, gru and lstm", "gru: 1 layer of 256 units"]
    assert lines[3].split() == ["run", "step", "time", "train", "bits/char", "tokens/s"]
    assert lines[4].split() == ["talk-rnn-0", "50", "0:05", "1.500", "3.030", "10000"]
    assert len(lines) == 4 + 2 * 3


def test_quiet_says_nothing() -> None:
    captured = CapturedTerminal(PipeStream(), TtyStream(), quiet=1)
    show_all(captured, list(comparison_run(1)))
    assert (captured.out, captured.err) == ("", "")


def test_rates_and_what_diverged_are_told() -> None:
    captured = CapturedTerminal(PipeStream(), PipeStream())
    diverged = RunDiverged("rnn", 1, "talk-rnn-1", DivergedError("training diverged at step 3\x1b[2J", "hint"))
    show_all(captured, [*search_run(), diverged])
    assert (
        "learning rate of rnn: 0.004 (bits per character with 0.002: 2.912, 0.004: 2.885, 0.008: diverged)"
        in captured.err
    )
    assert captured.err.count("at the edge of the search") == 1
    assert "gru: talk-rnn-1: training diverged at step 3[2J\n" in captured.err


def test_bars_and_steps_are_those_of_all_seeds() -> None:
    rows = dashboard_rows(list(comparison_run(2, 200)))
    assert rows[0] == "talk  comparison, 3 seeds, 400 steps each"
    bars = {row.split()[0]: row for row in rows if row.split()[:1] and row.split()[0] in (*CELLS, "all")}
    assert [("50%" in bars[name]) for name in (*CELLS, "all")] == [True] * 4
    assert "bits/char · 10k tokens/s" in bars["gru"]
    assert rows[-1] == "Ctrl-C saves and stops"


def test_the_time_left_is_estimated_from_this_session() -> None:
    now = 0.0
    dashboard = CompareDashboard(clock=lambda: now)
    lines = (Metrics(step=400, val_bits_per_char=2.0),)
    events = [comparison_started(tuple((cell, f"talk-{cell}-0", lines) for cell in CELLS))]
    for event in [*events, *list(comparison_run(1, 50))[2:3]]:
        dashboard.update(event)
    for step in (10, 20, 30):
        dashboard.update(RunEvent("gru", 1, "talk-gru-1", step_completed(step)))
        now += 1.0
    # 20 steps in 3 seconds, and 3 * 1200 - 1230 are left.
    total = [line.plain for line in dashboard.render(make_console(TerminalEmulator(80, 24)))][-3]
    assert total.endswith("34% · 5:56 left")


def test_compiling_is_said_and_is_no_part_of_the_time_left() -> None:
    now = 0.0
    dashboard = CompareDashboard(clock=lambda: now)
    for event in list(comparison_run(1, 50))[:3]:
        dashboard.update(event)

    def rows() -> list[str]:
        return [line.plain for line in dashboard.render(make_console(TerminalEmulator(80, 24)))]

    dashboard.update(RunEvent("gru", 0, "talk-gru-0", step_completed(10)))
    dashboard.update(RunEvent("lstm", 0, "talk-lstm-0", Compiling(cached_for_next_run=True)))
    assert rows()[-1] == "compiling for this processor, once"
    now += 31.0
    dashboard.update(RunEvent("lstm", 0, "talk-lstm-0", Compiled(30.0, cached=False)))
    dashboard.update(RunEvent("lstm", 0, "talk-lstm-0", step_completed(100)))
    assert rows()[-1] == "Ctrl-C saves and stops"
    assert rows()[-3].endswith("3% · 0:35 left")


def test_a_resumed_run_begins_where_it_was_saved() -> None:
    events = list(comparison_run(1, 50))[:3]
    events += [RunEvent("gru", 0, "talk-gru-0", replace(run_started(), step=240))]
    assert any(row.startswith("gru") and " 20%" in row for row in dashboard_rows(events))


@pytest.mark.parametrize("color", [True, False])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 24), (20, 10), (200, 50), (9, 4), (1, 1)])
def test_the_screen_fits(width: int, height: int, color: bool) -> None:
    screens: list[list[CompareEvent]] = [
        list(comparison_run()), list(search_run()), [SetupProgress("x" * 300)], [Compiling(True)],
    ]  # fmt: skip
    for events in screens:
        rows = dashboard_rows(events, width, height, color)
        assert len(rows) <= max(height - 1, 1)
        assert all(len(row) <= max(width - 1, 1) for row in rows)


def test_nothing_moves_when_the_first_evaluation_arrives() -> None:
    before = dashboard_rows(list(comparison_run(1, 50))[:7])
    after = dashboard_rows(list(comparison_run(1, 50)))
    assert len(before) == len(after)
    assert [row.startswith("all") for row in before] == [row.startswith("all") for row in after]


def test_the_table_in_a_pipe() -> None:
    captured = CapturedTerminal(PipeStream(), PipeStream(), width=20)
    show_comparison(captured.terminal, fake_comparison())
    assert captured.out == (
        TABLE + "gru is better than rnn by 4.0 % ± 1.2; between gru and lstm no difference beyond noise\n"
    )
    assert "after 200 steps; in 0:20: when the fastest cell has finished" in captured.err


def test_a_narrow_terminal_leaves_columns_out() -> None:
    screen = TerminalEmulator(40)
    show_comparison(Terminal(screen, screen, width=40), fake_comparison())
    assert screen.rows[0] == "cell      bits/char   against rnn"


def test_what_is_not_known_is_a_dash() -> None:
    captured = CapturedTerminal(PipeStream(), PipeStream())
    cells = tuple(
        replace(
            cell,
            seeds=0,
            val_bits_per_char=None,
            interval=None,
            tokens_per_second=None,
            val_bits_per_char_at_equal_time=None,
            interval_at_equal_time=None,
            difference=None,
            difference_interval=None,
        )
        for cell in fake_comparison().cells
    )
    show_comparison(captured.terminal, replace(fake_comparison(), cells=cells, equal_seconds=None, verdict="none"))
    assert captured.out.splitlines()[1].split() == ["rnn", "-", "-", "-", "-", "256", "312,345", "38MB"]
    assert captured.out.endswith("none\n")
    assert captured.err == ""


@pytest.mark.parametrize(
    ("reason", "said"), [("limit", "try:  gru sample talk-rnn-0\n"), ("interrupted", "resume with:  gru compare x\n")]
)
def test_the_end_says_what_to_do_next(reason: str, said: str) -> None:
    captured = CapturedTerminal(PipeStream(), PipeStream())
    print_comparison_end(captured.terminal, ComparisonFinished(reason, fake_comparison()), "gru compare x")
    assert captured.err.endswith(said)


def test_the_next_task_of_a_suite_begins_anew() -> None:
    events = [*comparison_run(3), replace(comparison_started(), name="xml, task 2 of 3"), SetupProgress("measuring")]
    assert dashboard_rows(events)[:2] == ["xml, task 2 of 3", "measuring"]
    rows = dashboard_rows([*events, PhaseStarted("learning rates", 80, 3, 1200)])
    assert rows[0].startswith("xml, task 2 of 3  learning rates, 3 learning rates")
    assert not any("left" in row or "100%" in row for row in rows)
