"""What became of the rows of a corpus: how many were met, and why some of them were left out."""

from collections import Counter
from dataclasses import dataclass, field

DAMAGED = "damaged compressed data"
BYTES = "bytes that are not UTF-8"
"""The reasons that leave out more, or less, than a row."""

_LINES_KEPT = 5


@dataclass(slots=True)
class RowReport:
    """What became of the rows: `read` of them were met, and `skipped` says why some were left out.

    `lines` holds the first few line numbers of each reason. Of a running text, lines are counted in place of rows.
    `remarks`: what should be known about a source besides, as its name and the rest of the sentence.
    """

    read: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    lines: dict[str, list[int]] = field(default_factory=dict)
    remarks: list[tuple[str, str]] = field(default_factory=list)

    def skip(self, reason: str, line: int) -> None:
        """Count one bad row."""
        self.skipped[reason] += 1
        kept = self.lines.setdefault(reason, [])
        if len(kept) < _LINES_KEPT:
            kept.append(line)

    def add(self, later: "RowReport") -> None:
        """Take in what became of rows that follow, as another process found it."""
        self.read += later.read
        self.skipped.update(later.skipped)
        for reason, lines in later.lines.items():
            kept = self.lines.setdefault(reason, [])
            kept += lines[: _LINES_KEPT - len(kept)]
        self.remarks += later.remarks

    def cut(self, name: str, line: int) -> None:
        """Count the row in which the compressed data of a source are damaged, behind `line` whole lines."""
        self.skip(DAMAGED, line + 1)
        place = f"after line {line:,}" if line else "after what could be read of its first line"
        self.remarks.append((name, f"is damaged: everything {place} is missing"))

    def notes(self) -> list[str]:
        """All of it in sentences for the user, what weighs most first."""
        notes = [f"'{name}' {what}" for name, what in self.remarks]
        for reason, n in self.skipped.most_common():
            if reason == BYTES:
                notes.append(f"{BYTES} were removed in {n:,} place{'' if n == 1 else 's'}")
            elif reason != DAMAGED:
                notes.append(f"{n:,} row{'' if n == 1 else 's'} skipped: {reason}")
        return notes
