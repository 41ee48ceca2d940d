"""Prints how the file of every tool is read at the first try: a table, and the counts of each outcome."""

import sys
import tempfile
from collections import Counter
from pathlib import Path

import grucli
from grucli.errors import GruError
from tests.formats.comparison import faults
from tests.formats.invented import TOOLS, Export
from tests.formats.test_formats import MODULES

_OUTCOMES = {"refused:": "refused with another message", "texts: []": "nothing read"}
"""Outcomes by the start of the first fault; any other is read, but wrongly."""


def _outcome(export: Export, found: list[str]) -> str:
    if found:
        return next((outcome for start, outcome in _OUTCOMES.items() if found[0].startswith(start)), "read wrongly")
    try:
        grucli.clean(export.path, None, dry_run=True, workers=1)
    except GruError:
        return "refused with the right message"
    return "read right"


def main() -> None:
    lines, outcomes = ["| tool | what is wrong |", "|---|---|"], Counter[str]()
    for name, maker in TOOLS.items():
        with tempfile.TemporaryDirectory() as folder:
            export = maker(Path(folder))
            found = [fault.replace(f"{folder}/", "").replace("\n", "; ") for fault in faults(export, Path(folder))]
            outcomes[_outcome(export, found)] += 1
        lines.append(f"| {name} | {'<br>'.join(dict.fromkeys(found)) or 'nothing'} |")
    counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    sys.stdout.write("\n".join([*lines, "", f"{len(TOOLS)} tools in {len(MODULES)} modules: {counts}", ""]))


if __name__ == "__main__":
    main()
