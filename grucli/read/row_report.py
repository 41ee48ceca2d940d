"""What became of the rows of a corpus: how many were met, and why some of them were left out."""

from collections import Counter
from dataclasses import dataclass, field

CORRUPT = "damaged compressed data"
INVALID_UTF8 = "bytes that are not UTF-8"
"""The reasons that leave out more, or less, than a row."""

_MAX_LINES_PER_REASON = 5


@dataclass(slots=True)
class RowReport:
    """What became of the rows: `read` of them were met, and `skipped` says why some were left out.

    `lines` holds the first few line numbers of each reason. Of a running text, lines are counted in place of rows.
    `remarks`: what should be known about a source besides, as its name and the rest of the sentence.
    """

    read: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    lines: dict[str, list[int]] = field(default_factory=dict)
    warnings: list[tuple[str, str]] = field(default_factory=list)

    def skip(self, reason: str, line: int) -> None:
        """Count one bad row."""
        self.skipped[reason] += 1
        recorded = self.lines.setdefault(reason, [])
        if len(recorded) < _MAX_LINES_PER_REASON:
            recorded.append(line)

    def merge(self, other: "RowReport") -> None:
        """Take in what became of rows that follow, as another process found it."""
        self.read += other.read
        self.skipped.update(other.skipped)
        for reason, lines in other.lines.items():
            recorded = self.lines.setdefault(reason, [])
            recorded += lines[: _MAX_LINES_PER_REASON - len(recorded)]
        self.warnings += other.warnings

    def mark_truncated(self, name: str, line: int) -> None:
        """Count the row in which the compressed data of a source are damaged, behind `line` whole lines."""
        self.skip(CORRUPT, line + 1)
        location = f"after line {line:,}" if line else "after what could be read of its first line"
        self.warnings.append((name, f"is damaged: everything {location} is missing"))

    def messages(self) -> list[str]:
        """All of it in sentences for the user, what weighs most first."""
        messages = [f"'{name}' {what}" for name, what in self.warnings]
        for reason, count in self.skipped.most_common():
            if reason == INVALID_UTF8:
                messages.append(f"{INVALID_UTF8} were removed in {count:,} place{'' if count == 1 else 's'}")
            elif reason != CORRUPT:
                messages.append(f"{count:,} row{'' if count == 1 else 's'} skipped: {reason}")
        return messages
