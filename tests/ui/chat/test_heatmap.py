"""A text with what a model makes of it: which part is marked how, with colors and without."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from grucli.chat.events import GateValues, TextSurprisal
from grucli.ui.chat.heatmap import Scale, render_gates, render_surprisal
from grucli.ui.terminal.sanitize import sanitize
from tests.ui.emulator import TerminalEmulator
from tests.ui.snapshot_cases import make_console

SCORED_PIECES = st.lists(
    st.tuples(st.text(st.one_of(st.characters(), st.sampled_from(" \n\x1b\u202e漢")), max_size=6), st.floats(0, 30)),
    max_size=30,
)


def render_scored(pieces: list[tuple[str, float]], width: int = 80, color: bool = True) -> list[str]:
    event = TextSurprisal(tuple(pieces), 2.5)
    return [line.plain for line in render_surprisal(make_console(TerminalEmulator(width), color), event)]


def test_a_level_is_what_its_edge_says() -> None:
    scale = Scale((1, 2, 3, 4), ("",) * 5, ("",) * 5)
    assert [scale.level(value) for value in (0, 0.99, 1, 2.5, 3, 100, math.inf, math.nan)] == [0, 0, 1, 2, 3, 4, 4, 4]


@pytest.mark.parametrize(
    ("bits", "style"),
    [
        (0.5, "dim"),
        (2.0, ""),
        (5.0, "black on yellow"),
        (8.0, "white on red"),
        (12.0, "bold white on magenta"),
    ],
)
def test_the_more_surprising_the_louder(bits: float, style: str) -> None:
    line = next(render_surprisal(make_console(TerminalEmulator()), TextSurprisal((("x", bits),), bits)))
    assert [str(span.style) for span in line.spans] == ([style] if style else [])


def test_without_colors_the_marks_stand_under_their_characters() -> None:
    lines = render_scored([("漢", 12.0), ("a", 0.1), ("\n", 5.0), ("b", 8.0)], color=False)
    assert lines[:4] == ["漢a↵", "██ ▄", "b", "▆"]


def test_the_hardest_words_are_named_and_few_words_are_not() -> None:
    words = [("so ", 1.0), ("ve", 9.0), ("ry ", 8.0), ("odd", 30.0), (" is", 2.0)]
    assert '"odd" 30, "very" 17, "is" 2 bits' in " ".join(render_scored(words))
    assert "hardest" not in " ".join(render_scored(words[:3]))
    assert f'"{"漢" * 9}…" 30' in " ".join(render_scored([*words, (" " + "漢" * 40, 30.0)]))


@pytest.mark.parametrize("color", [True, False])
@pytest.mark.parametrize("width", [20, 30, 40, 60, 80])
def test_a_legend_breaks_between_its_entries_and_hangs(width: int, color: bool) -> None:
    lines = render_scored([("a", 1.5)], width, color)
    first, *further = lines[lines.index(next(line for line in lines if "likelier" in line)) :]
    assert all(line.startswith("  ") and line[2] != " " for line in further)
    assert all(cell_len(line) <= width for line in (first, *further))
    entries = [entry for line in (first, *further) for entry in line.removeprefix("  ").split(" · ")]
    marks = ("", "", "", "", "") if color else ("", "▂ ", "▄ ", "▆ ", "█ ")
    words = ("1 in 2 or likelier", "1 in 10", "1 in 100", "1 in 1,000", "rarer")
    assert entries == [mark + word for mark, word in zip(marks, words, strict=True)]


def test_gates_are_spread_over_the_values_there_are() -> None:
    terminal = make_console(TerminalEmulator())
    lines = list(render_gates(terminal, GateValues((("a", 0.2), ("b", 0.45), ("c", 0.7)), "the gate")))
    assert [str(span.style) for span in lines[0].spans] == ["black on yellow", "white on blue"]
    assert "the gate; here 0.45 on average" in lines[2].plain
    assert "0.20–0.30" in lines[3].plain
    assert "0.60–0.70" in lines[3].plain


def test_gates_that_hardly_differ_are_not_made_to() -> None:
    lines = list(render_gates(make_console(TerminalEmulator()), GateValues((("a", 0.500), ("b", 0.501)), "the gate")))
    assert lines[0].spans == []


def test_a_plain_terminal_gets_plain_marks() -> None:
    class Ascii(TerminalEmulator):
        encoding = "ascii"

    drawn = list(render_surprisal(make_console(Ascii(), color=False), TextSurprisal((("a\n", 12.0), ("b", 5.0)), 2.0)))
    assert [line.plain for line in drawn[:4]] == ["a\\n", "###", "b", "-"]
    assert all(line.plain.isascii() for line in drawn)


@given(SCORED_PIECES, st.integers(20, 100), st.booleans())
def test_whatever_the_text_is_nothing_steers(pieces: list[tuple[str, float]], width: int, color: bool) -> None:
    drawn = make_console(TerminalEmulator(width), color)
    for lines in (
        render_surprisal(drawn, TextSurprisal(tuple(pieces), 1.0)),
        render_gates(drawn, GateValues(tuple(pieces), "words")),
    ):
        text = [line.plain for line in lines]
        assert text == [sanitize(line) for line in text]
        assert not any("\n" in line for line in text)
        assert all(cell_len(line) < width for line in text[: text.index("")])
