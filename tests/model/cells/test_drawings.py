"""The drawings of the cells show their equations."""

import runpy
from pathlib import Path

import pytest

from grucli.model.cells import CELLS

DOCS_DIR = Path(__file__).parents[3] / "docs"
DRAWING = runpy.run_path(str(DOCS_DIR / "make_cells.py"))


@pytest.mark.parametrize("name", CELLS)
def test_the_drawings_are_up_to_date(name: str) -> None:
    """When this fails: python docs/make_cells.py."""
    assert (DOCS_DIR / "cells" / f"{name}.svg").read_text("utf-8") == DRAWING["draw_cell"](name)


def test_a_drawing_has_what_the_equations_read() -> None:
    nodes = DRAWING["Graph"](
        "    z_t = σ(x_t U_z + b_z)      update\n    s_t = (1 - z_t) ∘ tanh(x_t U) + z_t ∘ s_{t-1}\n"
    ).nodes
    assert [edge.source for edge in nodes["z_t"].inputs] == ["x_t"]
    assert nodes["z_t"].function == "σ"
    left, right = (nodes[edge.source] for edge in nodes["s_t"].inputs)
    assert (left.function, right.function, nodes["s_t"].function) == ("×", "×", "+")
    assert (left.inputs[0].source, left.inputs[0].complement) == ("z_t", True)
    assert [edge.source for edge in right.inputs] == ["z_t", "s_{t-1}"]
