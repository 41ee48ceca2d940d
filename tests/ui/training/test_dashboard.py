"""The dashboard at usual widths, with and without color, and at random sizes."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.training.events import Compiled, Compiling, SetupProgress, TrainEvent, TrainFinished
from grucli.ui.terminal.sanitize import sanitize
from grucli.ui.terminal.startup_message import COMPILING_MESSAGE
from grucli.ui.training.dashboard import TrainDashboard
from tests.ui.fake_events import (
    CONTEXT_GAIN,
    evaluation,
    make_summary,
    resumed_run,
    run_started,
    step_completed,
    training_run,
)
from tests.ui.fake_streams import CapturedTerminal, PipeStream, TtyStream

NARROW = """\
emo  1.2M parameters, 98 symbols

train 1.530 nats/token
 3.15 ███▄▂
      ██████▅▃▁
 1.53 ███████████▆▅▄▄▄▃▃▂▂▂▂▂▁▁▁▁▁
val 1.900  best so far
 3.15
                 ▃▂▂▁▁▁
 1.53            █████████▇▇▇▆

━━━━━━━━━━━━━──────────  57%  0:17 left
2.741 bits/char   step 230 of 400
10,000 tokens/s   0:23 trained

sample after 200 steps
  I think [b]this[/b] is  the best
  thing [31mI have ever seen.

  No really, you should see it 😂.


Ctrl-C saves and stops"""

USUAL = """\
emo  1.2M parameters, 98 symbols, 900k validation tokens

train 1.530 nats/token                   val 1.900  best so far
 3.15 ███                                 3.15
      ███▇▄
      ██████▂
      ███████▆▂                                           ▄▄▃▂▂▁
      ██████████▇▄▂                                       ███████▇▇▆▅▄▄
 1.53 ██████████████▇▇▅▄▄▃▃▃▂▂▂▁▁▁        1.53            █████████████

━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━───────────────────────────  57%  0:17 left
2.741 bits/char   step 230 of 400   10,000 tokens/s   0:23 trained

sample after 200 steps
  I think [b]this[/b] is  the best thing [31mI have ever seen.

  No really, you should see it 😂.





Ctrl-C saves and stops"""

WIDE_FINISHED = """\
train 1.501 nats/token                                       val 1.750  best so far
 2.73 █████▃                                                  2.73
      ██████▄
      ███████▅▃                                                               ▄▃▂▁▁
      ██████████▄▁                                                            ██████▇▆▅▄▄▃▂▁
"""


def make_dashboard(events: Iterable[TrainEvent]) -> TrainDashboard:
    dashboard = TrainDashboard()
    for event in events:
        dashboard.update(event)
    return dashboard


def render_dashboard(events: Iterable[TrainEvent], width: int = 80, height: int = 24) -> str:
    """Return the dashboard as text, without trailing spaces."""
    console = CapturedTerminal(TtyStream(), TtyStream(), width=width, height=height).terminal.messages
    return "\n".join(line.plain.rstrip() for line in make_dashboard(events).render(console))


@pytest.mark.parametrize(("width", "expected"), [(40, NARROW), (80, USUAL)])
def test_the_picture_while_it_learns(width: int, expected: str) -> None:
    assert render_dashboard(training_run(last_step=230), width) == expected


def test_a_run_that_is_over_fills_its_charts_and_lets_go_of_the_screen() -> None:
    over = render_dashboard(training_run(reason="limit"), width=200)
    assert WIDE_FINISHED in over
    assert "100%\n" in over
    assert "left" not in over
    assert over.endswith("No really, you should see it 😂.")


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_low_screen_has_the_sample_too(width: int) -> None:
    lines = render_dashboard(training_run(last_step=230), width, 15).split("\n")
    assert len(lines) <= 14
    assert lines[0].startswith("emo  1.2M parameters, 98 symbols")
    written = lines.index("sample after 200 steps")
    assert "I think [b]this[/b]" in lines[written + 1]
    assert lines[-1] == "Ctrl-C saves and stops"


def test_a_sample_after_one_step() -> None:
    assert "sample after 1 step\n" in render_dashboard([run_started(), step_completed(1), evaluation(1, 3.0)])


def test_the_last_picture_counts_every_step() -> None:
    over = render_dashboard([*training_run(last_step=170), TrainFinished("interrupted", make_summary(184))])
    assert "step 184 of 400" in over
    assert "0:18 trained" in over


def test_a_run_that_is_gone_on_with_shows_where_it_was() -> None:
    shown = render_dashboard(resumed_run())
    assert "val 1.900  best 2.200 at step 100" in shown
    assert "2.741 bits/char" in shown
    assert "no sample yet" in shown
    curves = shown[shown.index("nats/token") : shown.index("bits/char")]
    assert sum(char in "▁▂▃▄▅▆▇█" for char in curves) > 20
    again = render_dashboard([*resumed_run(), evaluation(300, 1.8)])
    assert "val 1.800  best so far" in again
    assert "sample after 300 steps" in again


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_run_on_conversations_shows_what_the_context_gains(width: int) -> None:
    said = "context gains 1.52 bits/reply"
    assert said not in render_dashboard(training_run(last_step=230), width)
    listening = [*training_run(last_step=230), replace(evaluation(230, 1.8), **CONTEXT_GAIN)]
    assert said in render_dashboard(listening, width)


def test_before_the_first_step_it_says_what_happens() -> None:
    assert render_dashboard([]) == "loading..."
    assert render_dashboard([SetupProgress("reading [b]x[/b]\x1b[2J\n.csv")]) == "reading [b]x[/b][2J .csv"
    reading = render_dashboard([SetupProgress("reading the corpus", 30, 120)], width=40)
    assert reading == f"reading the corpus\n{'━' * 8}{'─' * 26}  25%"
    said: list[tuple[str, list[TrainEvent]]] = [
        ("starting training...", []),
        ("compiling for this processor, once", [Compiling(cached_for_next_run=True)]),
        ("compiling for this processor, as on every run", [Compiling(cached_for_next_run=False)]),
        ("starting training...", [Compiling(cached_for_next_run=True), Compiled(9.0, cached=False)]),
    ]
    for words, more in said:
        assert render_dashboard([SetupProgress("reading"), run_started(), *more]).split("\n")[-3:] == [
            words,
            "",
            "Ctrl-C saves and stops",
        ]
    assert COMPILING_MESSAGE not in render_dashboard([run_started(), step_completed(10)])


def test_who_waits_for_the_compiler_sees_that_time_passes() -> None:
    now = 50.0
    dashboard = TrainDashboard(clock=lambda: now)
    dashboard.update(run_started())
    now += 5
    dashboard.update(Compiling(cached_for_next_run=True))
    console = CapturedTerminal(TtyStream(), TtyStream()).terminal.messages
    assert f"{COMPILING_MESSAGE}, once" in [line.plain for line in dashboard.render(console)]
    now += 7
    assert f"{COMPILING_MESSAGE}, once (7 s)" in [line.plain for line in dashboard.render(console)]


def test_everything_has_its_place_before_the_first_evaluation() -> None:
    before, after = (render_dashboard(training_run(last_step=until)).split("\n") for until in (90, 100))
    assert len(before) == len(after)
    for words in ("train ", "tokens/s", "sample", "Ctrl-C"):
        assert [words in line for line in before] == [words in line for line in after]
    assert "val no evaluation yet" in before[2]
    assert before[-10] == "no sample yet"


def test_without_held_out_text_there_is_one_chart() -> None:
    alone = render_dashboard(training_run(last_step=230, has_val=False))
    assert "val " not in alone
    assert "bits/char" not in alone
    assert "sample after 200 steps" in alone


def test_a_worse_evaluation_names_the_best_one() -> None:
    assert "val 1.800  best 1.900 at step 200" in render_dashboard(training_run(last_step=330))


def test_a_figure_that_does_not_fit_is_left_out_whole() -> None:
    late = [evaluation(123_450, 1.8), evaluation(123_460, 1.9, best=False)]
    assert "val 1.900  best 1.800\n" in render_dashboard([*training_run(last_step=230), *late], 36)
    assert "val 1.900  best 1.800 at step 123,450\n" in render_dashboard([*training_run(last_step=230), *late], 120)


def test_a_run_that_was_asked_to_stop_says_so() -> None:
    asked = False
    dashboard = TrainDashboard(lambda: asked)
    dashboard.update(run_started())
    console = CapturedTerminal(TtyStream(), TtyStream()).terminal.messages
    assert dashboard.render(console)[-1].plain.endswith("Ctrl-C saves and stops")
    asked = True
    assert dashboard.render(console)[-1].plain.endswith("saving and stopping")


def test_time_left_counts_training_alone() -> None:
    # Forty steps in four seconds, however late the first step came; the figure needs two looks to be known.
    first = step_completed(10)
    assert "left" not in render_dashboard([run_started(), first])
    assert " 10%  0:36 left" in render_dashboard([run_started(), first, step_completed(40)])
    assert "left" not in render_dashboard([run_started(), step_completed(10, None), step_completed(20, None)])


def test_a_resumed_run_is_timed_by_its_own_steps() -> None:
    assert " 78%  0:09 left" in render_dashboard([run_started(), step_completed(300), step_completed(310)])


def test_a_console_without_block_characters_gets_plain_ones() -> None:
    class Ascii(PipeStream):
        encoding = "ascii"

    console = CapturedTerminal(PipeStream(), Ascii(), width=80, height=24).terminal.messages
    lines = make_dashboard([*training_run(last_step=200), evaluation(210, 1.5, sample="x" * 2000)]).render(console)
    text = "\n".join(line.plain for line in lines)
    assert text.isascii()
    assert "###" in text
    assert "..." in text


def test_color_is_decoration_only() -> None:
    colored = CapturedTerminal(TtyStream(), TtyStream(), width=80, height=24)
    colored.terminal.messages.print(
        *make_dashboard(training_run(last_step=230)).render(colored.terminal.messages), sep="\n"
    )
    plain = CapturedTerminal(PipeStream(), PipeStream(), width=80, height=24)
    plain.terminal.messages.print(
        *make_dashboard(training_run(last_step=230)).render(plain.terminal.messages), sep="\n"
    )
    assert "\x1b[1;36m1.530" in colored.err
    assert "\x1b" not in plain.err
    assert "\n".join(line.rstrip() for line in plain.err.split("\n")) == USUAL + "\n"


@given(
    st.integers(20, 220),
    st.integers(4, 70),
    st.integers(0, 400),
    st.booleans(),
    st.text(st.one_of(st.characters(), st.sampled_from("\n\t\x1b\u202e漢🙂")), max_size=400),
)
@settings(max_examples=60)
def test_the_picture_fits_every_terminal(width: int, height: int, until: int, held_out: bool, sample: str) -> None:
    console = CapturedTerminal(TtyStream(), TtyStream(), width=width, height=height).terminal.messages
    events = [*training_run(until, held_out), evaluation(until, 1.5 if held_out else None, sample=sample)]
    lines = make_dashboard(events).render(console)
    assert len(lines) <= height - 1
    assert all(line.cell_len < width for line in lines)
    assert all(line.plain == sanitize(line.plain) and "\n" not in line.plain for line in lines)
