"""Print the lowest version of each dependency that pyproject.toml admits, as constraints for pip."""

import re
import sys
import tomllib
from pathlib import Path


def constraints(project: dict[str, object]) -> list[str]:
    """Return `name==version; marker` for each requirement with a lower bound, extras included."""
    extras = project["optional-dependencies"]
    assert isinstance(extras, dict)
    requirements = [project["dependencies"], *extras.values()]
    lowest = (re.sub(r"^([\w.-]+)>=([\w.]+)(,[^;]+)?", r"\1==\2", line) for group in requirements for line in group)
    return sorted(line for line in lowest if "==" in line.partition(";")[0])


if __name__ == "__main__":
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8")
    sys.stdout.writelines(f"{line}\n" for line in constraints(tomllib.loads(text)["project"]))
