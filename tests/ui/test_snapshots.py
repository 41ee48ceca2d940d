"""Every screen compared with its snapshot: at 80 columns in color, at three widths where the layout depends on them.

`pytest tests/ui/test_snapshots.py --rewrite-snapshots` rewrites the snapshots; review the diff before committing it.
"""

import re
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.ui.snapshot_cases import CASES, render

SNAPSHOT_DIR = Path(__file__).parent / "snapshots"
WIDTH = 80
WIDTHS_BY_NAME = dict.fromkeys(
    ("train", "reply", "spread", "clean, report", "models show", "compare"), (40, WIDTH, 200)
)
"""Screens whose layout depends on the width; the others have a snapshot of one width."""

DRAWN_IN_COLOR = ("score", "gates", "compare", "compare, learning rates", "compare, over")
"""Screens that say with color what they say with other characters without it."""

_STYLED_RUN = re.compile("⟨(.*?)⟩")


def snapshot_path(name: str) -> Path:
    """Return the file of the snapshot of a screen."""
    return SNAPSHOT_DIR / f"{name.replace(',', '').replace(' ', '-')}.txt"


def render_snapshot(name: str) -> str:
    """Render a screen in color at each of its widths, with the style of each run before it."""
    parts = []
    for width in WIDTHS_BY_NAME.get(name, (WIDTH,)):
        parts += [f"== {width} columns", *render(name, width, color=True).styled_rows]
    return "\n".join(parts) + "\n"


@pytest.mark.parametrize("name", CASES)
def test_the_screen_is_as_it_was(name: str, pytestconfig: pytest.Config) -> None:
    path = snapshot_path(name)
    rendered = render_snapshot(name)
    if pytestconfig.getoption("rewrite_snapshots"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(rendered, "utf-8", newline="\n")
    assert rendered == path.read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("width", [20, 33, 61, 120])
def test_nothing_is_wider_than_its_terminal(name: str, width: int) -> None:
    shot = render(name, width, color=True)
    assert all(cell_len(row) <= width for row in shot.rows)
    assert shot.rows == render(name, width, color=False).rows or name in DRAWN_IN_COLOR


@pytest.mark.parametrize("name", CASES)
def test_without_color_there_is_none(name: str) -> None:
    styles = {
        word
        for row in render(name, 80, color=False).styled_rows
        for run in _STYLED_RUN.findall(row)
        for word in run.split()
    }
    assert styles <= {"bold", "dim"}


def test_every_picture_is_of_a_screen() -> None:
    assert {path.stem for path in SNAPSHOT_DIR.glob("*.txt")} == {snapshot_path(name).stem for name in CASES}
