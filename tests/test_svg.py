"""Line charts: well-formed, within their frame, whatever the points and names."""

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.svg import Chart, Series, render_charts

points = st.lists(st.tuples(st.floats(0, 1e9), st.floats(-1e6, 1e6)), max_size=8).map(sorted)


@pytest.mark.slow
@given(st.lists(st.tuples(st.text("a<&>\"'é ", max_size=5), points, st.lists(points, max_size=2)), max_size=9))
def test_any_lines_are_drawn_within_the_frame(
    rows: list[tuple[str, list[tuple[float, float]], list[list[tuple[float, float]]]]],
) -> None:
    series = [Series(label, mean, [line for line in lines if line]) for label, mean, lines in rows]
    root = ET.fromstring(render_charts([Chart("<title>", "steps & more", series)] * 2))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    drawn = root.findall(".//{*}polyline")
    assert len(drawn) == 2 * sum(1 + len(each.lines) for each in series if each.mean)
    for line in drawn:
        for pair in line.attrib["points"].split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height


def test_axes_have_round_numbers() -> None:
    chart = Chart("loss", "steps", [Series("gru", [(0, 5.0), (1000, 2.0), (5000, 1.5)])])
    texts = [text.text for text in ET.fromstring(render_charts([chart])).findall(".//{*}text")]
    assert {"1,000", "5,000", "1.6", "1.8", "2", "gru", "steps"} <= set(texts)


def test_labels_do_not_cover_each_other() -> None:
    series = [Series(name, [(0, 2.0), (10, 1.0)]) for name in "abc"]
    root = ET.fromstring(render_charts([Chart("", "", series)]))
    rows = sorted(float(text.attrib["y"]) for text in root.findall(".//{*}text") if text.text in ("a", "b", "c"))
    assert all(below - above >= 16 for above, below in pairwise(rows))
