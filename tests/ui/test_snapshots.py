"""Every screen as it stands on terminals of three widths, with colours and without, held against pictures kept as text.

`pytest tests/ui/test_snapshots.py --rewrite-snapshots` takes the pictures anew; look at what changed before keeping it.
"""

import re
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.ui.snapshot_cases import CASES, render

SNAPSHOT_DIR = Path(__file__).parent / "snapshots"
WIDTHS = (40, 80, 200)
_STYLED_RUN = re.compile("⟨(.*?)⟩")


def snapshot_path(name: str) -> Path:
    """Where the picture of a screen is kept."""
    return SNAPSHOT_DIR / f"{name.replace(',', '').replace(' ', '-')}.txt"


def render_snapshot(name: str) -> str:
    """The screen at every width, first without colours, then with them; each run of a style has it in front."""
    parts = []
    for width in WIDTHS:
        parts += [f"== {width} columns", *render(name, width, color=False).rows]
    for width in WIDTHS:
        parts += [f"== {width} columns, in colour", *render(name, width, color=True).styled_rows]
    return "\n".join(parts) + "\n"


@pytest.mark.parametrize("name", CASES)
def test_the_screen_is_as_it_was(name: str, pytestconfig: pytest.Config) -> None:
    kept = snapshot_path(name)
    drawn = render_snapshot(name)
    if pytestconfig.getoption("rewrite_snapshots"):
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(drawn, "utf-8", newline="\n")
    assert drawn == kept.read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("width", [20, 33, 61, 120])
def test_nothing_is_wider_than_its_terminal(name: str, width: int) -> None:
    shot = render(name, width, color=True)
    assert all(cell_len(row) <= width for row in shot.rows)
    assert shot.rows == render(name, width, color=False).rows or name in ("score", "gates")


@pytest.mark.parametrize("name", CASES)
def test_without_colours_there_are_none(name: str) -> None:
    styles = {
        word
        for row in render(name, 80, color=False).styled_rows
        for run in _STYLED_RUN.findall(row)
        for word in run.split()
    }
    assert styles <= {"bold", "dim"}


def test_every_picture_is_of_a_screen() -> None:
    assert {path.stem for path in SNAPSHOT_DIR.glob("*.txt")} == {snapshot_path(name).stem for name in CASES}
