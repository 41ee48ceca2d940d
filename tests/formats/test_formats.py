"""Every tool's file is read right at the first try, by cleaning and by training, or refused with the right message."""

from pathlib import Path

import pytest

from tests.formats import delimited, json_files, other_files
from tests.formats.comparison import faults
from tests.formats.invented import TOOLS

MODULES = (delimited, json_files, other_files)


@pytest.mark.parametrize("name", TOOLS)
def test_the_file_of_every_tool_is_read_right_without_an_option(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    assert faults(TOOLS[name](folder), tmp_path) == []


def test_every_maker_names_its_source() -> None:
    assert [name for name, maker in TOOLS.items() if "https://" not in (maker.__doc__ or "")] == []
    assert {maker.__module__ for maker in TOOLS.values()} == {module.__name__ for module in MODULES}
