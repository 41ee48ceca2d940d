"""Every screen as it stands on terminals of three widths, with colours and without, held against pictures kept as text.

`pytest tests/ui/test_snapshots.py --rewrite-snapshots` takes the pictures anew; look at what changed before keeping it.
"""

import re
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.ui.snapshot_cases import SCREENS, take

PICTURES = Path(__file__).parent / "snapshots"
WIDTHS = (40, 80, 200)
_run = re.compile("⟨(.*?)⟩")


def kept_picture(name: str) -> Path:
    """Where the picture of a screen is kept."""
    return PICTURES / f"{name.replace(',', '').replace(' ', '-')}.txt"


def picture(name: str) -> str:
    """The screen at every width, first without colours, then with them; each run of a style has it in front."""
    parts = []
    for width in WIDTHS:
        parts += [f"== {width} columns", *take(name, width, colour=False).rows]
    for width in WIDTHS:
        parts += [f"== {width} columns, in colour", *take(name, width, colour=True).styled_rows]
    return "\n".join(parts) + "\n"


@pytest.mark.parametrize("name", SCREENS)
def test_the_screen_is_as_it_was(name: str, pytestconfig: pytest.Config) -> None:
    kept = kept_picture(name)
    drawn = picture(name)
    if pytestconfig.getoption("rewrite_snapshots"):
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(drawn, "utf-8", newline="\n")
    assert drawn == kept.read_text("utf-8")


@pytest.mark.parametrize("name", SCREENS)
@pytest.mark.parametrize("width", [20, 33, 61, 120])
def test_nothing_is_wider_than_its_terminal(name: str, width: int) -> None:
    shot = take(name, width, colour=True)
    assert all(cell_len(row) <= width for row in shot.rows)
    assert shot.rows == take(name, width, colour=False).rows or name in ("score", "gates")


@pytest.mark.parametrize("name", SCREENS)
def test_without_colours_there_are_none(name: str) -> None:
    styles = {
        word for row in take(name, 80, colour=False).styled_rows for run in _run.findall(row) for word in run.split()
    }
    assert styles <= {"bold", "dim"}


def test_every_picture_is_of_a_screen() -> None:
    assert {path.stem for path in PICTURES.glob("*.txt")} == {kept_picture(name).stem for name in SCREENS}
