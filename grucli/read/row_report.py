"""Counts of the rows that were read, and of those that were skipped, by reason."""

from collections import Counter
from dataclasses import dataclass, field

CORRUPT = "corrupt compressed data"
INVALID_UTF8 = "bytes that are not UTF-8"
"""The two reasons that stand for more, or less, than one row."""

_MAX_LINES_PER_REASON = 5


@dataclass(slots=True)
class RowReport:
    """Counts of rows: `read` in total, of which `skipped` by reason. Of a running text, lines are counted.

    `lines`: the first line numbers of each reason. `warnings`: pairs of a source's name and what the user should know
    about it, as the rest of a sentence.
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

    def mark_truncated(self, name: str, line: int) -> None:
        """Count the row in which the compressed data of a source are corrupt, after `line` complete lines."""
        self.skip(CORRUPT, line + 1)
        location = f"after line {line:,}" if line else "after the readable part of line 1"
        self.warnings.append((name, f"is corrupt: everything {location} is missing"))

    def messages(self) -> list[str]:
        """Return all of it as sentences for the user: the warnings, then the reasons, most frequent first."""
        messages = [f"'{name}' {warning}" for name, warning in self.warnings]
        for reason, count in self.skipped.most_common():
            if reason == INVALID_UTF8:
                messages.append(f"removed {INVALID_UTF8} in {count:,} place{'' if count == 1 else 's'}")
            elif reason != CORRUPT:
                messages.append(f"{count:,} row{'' if count == 1 else 's'} skipped: {reason}")
        return messages
