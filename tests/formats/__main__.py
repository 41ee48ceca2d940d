"""Prints how the file of every tool is read at the first try: what is said, what is wrong, and the counts."""

import sys
import tempfile
from collections import Counter
from pathlib import Path

import grucli
from grucli.errors import GruError
from tests.formats.comparison import faults
from tests.formats.invented import TOOLS
from tests.formats.test_formats import MODULES

_OUTCOMES = {
    (False, False): "read right",
    (True, False): "refused with the right message",
    (False, True): "read wrongly",
    (True, True): "refused with another message",
}
"""Outcomes by whether cleaning refuses, and whether anything is wrong."""


def _first_try(path: Path) -> tuple[bool, str]:
    """Return whether cleaning refuses, and the line that is said: the decision or the error."""
    try:
        report = grucli.clean(path, None, dry_run=True, workers=1)
    except GruError as error:
        return True, f"{error.message}; {error.hint}"
    return not report.kept, " ".join(schema.describe() for schema in report.inputs)


def main() -> None:
    lines, outcomes = ["| tool | first try | wrong |", "|---|---|---|"], Counter[str]()
    for name, maker in TOOLS.items():
        with tempfile.TemporaryDirectory() as folder:
            export = maker(Path(folder))
            is_refused, said = _first_try(export.path)
            found = "<br>".join(dict.fromkeys(faults(export, Path(folder))))
            line = f"| {name} | {said} | {found} |".replace(f"{folder}/", "").replace("\n", "; ")
        lines.append(line)
        outcomes[_OUTCOMES[is_refused, bool(found)]] += 1
    counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    sys.stdout.write("\n".join([*lines, "", f"{len(TOOLS)} tools in {len(MODULES)} modules: {counts}", ""]))


if __name__ == "__main__":
    main()
