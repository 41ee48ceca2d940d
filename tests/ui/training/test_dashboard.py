"""The picture of a run at the widths people have, with and without colour, and at every other size."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.training.events import Compiled, Compiling, Event, Finished, Preparing
from grucli.ui.terminal.sanitize import safe
from grucli.ui.training.dashboard import COMPILING, Picture
from tests.ui.fake_events import evaluated, gone_on_with, run, started, stepped, summary
from tests.ui.fake_streams import Pipe, Screen, Terminals

NARROW = """\
emo  1.2M parameters, 98 symbols
trains two minutes

train 1.530 nats/token
 3.15 ███▅▄▃▁
 1.53 ████████▆▆▅▄▄▃▃▃▂▂▂▂▂▁▁▁▁▁▁▁
held out 1.900  the best so far
 3.15
 1.53            ▇▇▇▇▆▆▆▆▅▅▅▅▄

━━━━━━━━━━━━━──────────  57%  0:17 left
2.741 bits/char   step 230 of 400
10,000 tokens/s   0:23 trained

after 200 steps it writes
  I think [b]this[/b] is  the best
  thing [31mI have ever seen.

  No really, you should see it 😂.



Ctrl-C saves and stops"""

USUAL = """\
emo  1.2M parameters, 98 symbols, 900k tokens held out
trains two minutes

train 1.530 nats/token                   held out 1.900  the best so far
 3.15 ███                                 3.15
      ███▇▄
      ██████▂
      ███████▆▂                                           ▄▄▃▂▂▁
      ██████████▇▄▂                                       ███████▇▇▆▅▄▄
 1.53 ██████████████▇▇▅▄▄▃▃▃▂▂▂▁▁▁        1.53            █████████████

━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━───────────────────────────  57%  0:17 left
2.741 bits/char   step 230 of 400   10,000 tokens/s   0:23 trained

after 200 steps it writes
  I think [b]this[/b] is  the best thing [31mI have ever seen.

  No really, you should see it 😂.




Ctrl-C saves and stops"""

WIDE_AND_OVER = """\
train 1.501 nats/token                                       held out 1.750  the best so far
 2.73 █████▃                                                  2.73
      ██████▄
      ███████▅▃                                                               ▄▃▂▁▁
      ██████████▄▁                                                            ██████▇▆▅▄▄▃▂▁
"""


def picture_of(events: Iterable[Event]) -> Picture:
    picture = Picture()
    for event in events:
        picture.show(event)
    return picture


def drawn(events: Iterable[Event], width: int = 80, height: int = 24) -> str:
    """Give the picture as text, without the blanks at line ends."""
    console = Terminals(Screen(), Screen(), width=width, height=height).terminal.messages
    return "\n".join(line.plain.rstrip() for line in picture_of(events).draw(console))


@pytest.mark.parametrize(("width", "expected"), [(40, NARROW), (80, USUAL)])
def test_the_picture_while_it_learns(width: int, expected: str) -> None:
    assert drawn(run(until=230), width) == expected


def test_a_run_that_is_over_fills_its_charts_and_lets_go_of_the_screen() -> None:
    over = drawn(run(reason="limit"), width=200)
    assert WIDE_AND_OVER in over
    assert "100%\n" in over
    assert "left" not in over
    assert over.endswith("No really, you should see it 😂.")


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_low_screen_has_the_sample_too(width: int) -> None:
    lines = drawn(run(until=230), width, 15).split("\n")
    assert len(lines) <= 14
    assert lines[0].startswith("emo  1.2M parameters, 98 symbols")
    written = lines.index("after 200 steps it writes")
    assert "I think [b]this[/b]" in lines[written + 1]
    assert lines[-1] == "Ctrl-C saves and stops"


def test_a_long_plan_is_cut_with_a_mark_once_steps_are_made() -> None:
    long = replace(started(), plan="trains " + "for a very long time " * 20)
    assert long.plan.split()[-1] in drawn([long], 40, 60).split("\n")[-5]
    lines = drawn([long, stepped(10)], 40, 30).split("\n")
    assert lines[2].endswith("…")
    assert lines[3] == ""


def test_the_last_picture_counts_every_step() -> None:
    over = drawn([*run(until=170), Finished("interrupted", summary(184))])
    assert "step 184 of 400" in over
    assert "0:18 trained" in over


def test_a_run_that_is_gone_on_with_shows_where_it_was() -> None:
    shown = drawn(gone_on_with())
    assert "held out 1.900  best 2.200 at step 100" in shown
    assert "2.741 bits/char" in shown
    assert "what it writes comes here soon" in shown
    curves = shown[shown.index("nats/token") : shown.index("bits/char")]
    assert sum(sign in "▁▂▃▄▅▆▇█" for sign in curves) > 20
    again = drawn([*gone_on_with(), evaluated(300, 1.8)])
    assert "held out 1.800  the best so far" in again
    assert "after 300 steps it writes" in again


def test_before_the_first_step_it_says_what_happens() -> None:
    assert drawn([]) == "getting ready"
    assert drawn([Preparing("reading [b]x[/b]\x1b[2J\n.csv")]) == "reading [b]x[/b][2J .csv"
    reading = drawn([Preparing("reading the corpus", 30, 120)], width=40)
    assert reading == f"reading the corpus\n{'━' * 8}{'─' * 26}  25%"
    said: list[tuple[str, list[Event]]] = [
        ("making the first steps", []),
        ("compiling for this processor, once", [Compiling(kept=True)]),
        ("compiling for this processor, as at every start", [Compiling(kept=False)]),
        ("making the first steps", [Compiling(kept=True), Compiled(9.0, cached=False)]),
    ]
    for words, more in said:
        assert drawn([Preparing("reading"), started(), *more]).split("\n")[-3:] == [words, "", "Ctrl-C saves and stops"]
    assert COMPILING not in drawn([started(), stepped(10)])


def test_who_waits_for_the_compiler_sees_that_time_passes() -> None:
    now = 50.0
    picture = Picture(clock=lambda: now)
    picture.show(started())
    now += 5
    picture.show(Compiling(kept=True))
    console = Terminals(Screen(), Screen()).terminal.messages
    assert f"{COMPILING}, once" in [line.plain for line in picture.draw(console)]
    now += 7
    assert f"{COMPILING}, once (7 s)" in [line.plain for line in picture.draw(console)]


def test_everything_has_its_place_before_the_first_evaluation() -> None:
    before, after = (drawn(run(until=until)).split("\n") for until in (90, 100))
    assert len(before) == len(after)
    for words in ("train ", "tokens/s", "it writes", "Ctrl-C"):
        assert [words in line for line in before] == [words in line for line in after]
    assert "held out no evaluation yet" in before[3]
    assert before[-9] == "what it writes comes here soon"


def test_notes_are_shown() -> None:
    assert "\na small corpus [b]\n" in drawn([started(notes=("a small\n corpus [b]",)), stepped(10)])


def test_without_held_out_text_there_is_one_chart() -> None:
    alone = drawn(run(until=230, held_out=False))
    assert "held out" not in alone
    assert "bits/char" not in alone
    assert "after 200 steps it writes" in alone


def test_a_worse_evaluation_names_the_best_one() -> None:
    assert "held out 1.800  best 1.900 at step 200" in drawn(run(until=330))


def test_a_figure_that_does_not_fit_is_left_out_whole() -> None:
    late = [evaluated(123_450, 1.8), evaluated(123_460, 1.9, best=False)]
    assert "held out 1.900  best 1.800\n" in drawn([*run(until=230), *late], 40)
    assert "held out 1.900  best 1.800 at step 123,450\n" in drawn([*run(until=230), *late], 120)


def test_a_run_that_was_asked_to_stop_says_so() -> None:
    asked = False
    picture = Picture(lambda: asked)
    picture.show(started())
    console = Terminals(Screen(), Screen()).terminal.messages
    assert picture.draw(console)[-1].plain.endswith("Ctrl-C saves and stops")
    asked = True
    assert picture.draw(console)[-1].plain.endswith("saving and stopping")


def test_time_left_counts_training_alone() -> None:
    # Forty steps in four seconds, however late the first step came; the figure needs two looks to be known.
    first = stepped(10)
    assert "left" not in drawn([started(), first])
    assert " 10%  0:36 left" in drawn([started(), first, stepped(40)])
    assert "left" not in drawn([started(), stepped(10, None), stepped(20, None)])


def test_a_resumed_run_is_timed_by_its_own_steps() -> None:
    assert " 78%  0:09 left" in drawn([started(), stepped(300), stepped(310)])


def test_a_console_without_block_characters_gets_plain_ones() -> None:
    class Ascii(Pipe):
        encoding = "ascii"

    console = Terminals(Pipe(), Ascii(), width=80, height=24).terminal.messages
    lines = picture_of([*run(until=200), evaluated(210, 1.5, sample="x" * 2000)]).draw(console)
    text = "\n".join(line.plain for line in lines)
    assert text.isascii()
    assert "###" in text
    assert "..." in text


def test_colour_is_decoration_only() -> None:
    coloured = Terminals(Screen(), Screen(), width=80, height=24)
    coloured.terminal.messages.print(*picture_of(run(until=230)).draw(coloured.terminal.messages), sep="\n")
    plain = Terminals(Pipe(), Pipe(), width=80, height=24)
    plain.terminal.messages.print(*picture_of(run(until=230)).draw(plain.terminal.messages), sep="\n")
    assert "\x1b[1;36m1.530" in coloured.err
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
    console = Terminals(Screen(), Screen(), width=width, height=height).terminal.messages
    events = [*run(until, held_out), evaluated(until, 1.5 if held_out else None, sample=sample)]
    lines = picture_of(events).draw(console)
    assert len(lines) <= height - 1
    assert all(line.cell_len < width for line in lines)
    assert all(line.plain == safe(line.plain) and "\n" not in line.plain for line in lines)
