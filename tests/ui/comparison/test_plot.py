"""Curves in one plot: dots, letters, and what is clipped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.ui.comparison.plot import PlotRange, range_of, render_plot

FALLING = [(0.0, 4.0), (50.0, 2.0), (100.0, 1.0)]


def test_letters_where_there_is_no_color() -> None:
    curves = {"gru": [FALLING], "rnn": [[(0.0, 3.0), (100.0, 3.0)]]}
    plot = render_plot(curves, PlotRange(100, 1.0, 4.0), 11, 4, in_color=False)
    assert [line.plain for line in plot] == ["aa         ", "bbbbbbbbbbb", "    aaaa   ", "        aaa"]


def test_dots_have_the_color_of_their_curve() -> None:
    curves = {"gru": [[(0.0, 1.0), (100.0, 1.0)]], "rnn": [[(0.0, 3.0), (100.0, 3.0)]]}
    top, bottom = render_plot(curves, PlotRange(100, 1.0, 3.0), 4, 2, in_color=True)
    assert (top.plain, bottom.plain) == ("⠉⠉⠉⠉", "⣀⣀⣀⣀")
    assert {span.style for span in top.spans} == {"cyan"}
    assert {span.style for span in bottom.spans} == {"magenta"}


def test_the_steep_beginning_is_clipped() -> None:
    steep = [(1.0, 90.0), (10.0, 5.0), (100.0, 1.0)]
    shown = range_of({"gru": [steep]}, 200)
    assert shown == PlotRange(200, 1.0, 5.0)


def test_without_points_there_is_no_scale() -> None:
    assert range_of({"gru": [[]], "rnn": []}, 100) is None


points = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1e6)), max_size=6).map(sorted)


@pytest.mark.slow
@given(
    st.dictionaries(st.text(max_size=2), st.lists(points, max_size=3), max_size=9),
    st.integers(1, 60),
    st.integers(2, 9),
)
def test_any_curves_fit_into_the_plot(
    curves: dict[str, list[list[tuple[float, float]]]], width: int, rows: int
) -> None:
    shown = range_of(curves, 100)
    if shown is None:
        return
    for in_color in (True, False):
        plot = render_plot(curves, shown, width, rows, in_color=in_color)
        assert [line.cell_len for line in plot] == [width] * rows
        assert any(line.plain.strip() for line in plot)
