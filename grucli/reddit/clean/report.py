"""What a cleaning did, counted: every comment that was read is kept, or dropped under the name of one rule."""

from collections import Counter
from dataclasses import dataclass, field

from grucli.read.row_report import CORRUPT, RowReport

SCHEMA = "schema"
"""The rule under which a row counts that is no comment at all."""

MAX_EXAMPLES = 5
"""So many places of each reason are kept."""


@dataclass(slots=True)
class DropStats:
    """Comments that were dropped for one reason: how many, and the first few places, as the file and the line."""

    count: int = 0
    examples: list[tuple[str, int]] = field(default_factory=list)


@dataclass(slots=True)
class CleanReport:
    """The whole of a cleaning: `read == kept + sum(dropped.values())`, once it is over.

    `reasons`: by rule, then by reason ("" where the rule needs none). `characters`: of the text that was kept.
    `conversations`: how many were written, None where none were asked for. `notes`: sentences for the user.
    """

    read: int = 0
    kept: int = 0
    characters: int = 0
    seconds: float = 0.0
    conversations: int | None = None
    reasons: dict[str, dict[str, DropStats]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def dropped(self) -> Counter[str]:
        """How many comments each rule dropped."""
        return Counter({rule: sum(stats.count for stats in by.values()) for rule, by in self.reasons.items()})

    def drop(self, drop_reason: str, count: int, examples: list[tuple[str, int]]) -> None:
        """Count comments that were dropped under a verdict: a rule's name, or `rule: reason`."""
        rule, _, reason = drop_reason.partition(": ")
        stats = self.reasons.setdefault(rule, {}).setdefault(reason, DropStats())
        stats.count += count
        stats.examples += examples[: MAX_EXAMPLES - len(stats.examples)]

    def add_rows(self, rows: RowReport, source: str) -> None:
        """Take in what reading did: its bad rows are no comments."""
        self.read += rows.read
        for reason, count in rows.skipped.items():
            self.drop(f"{SCHEMA}: {reason}", count, [(source, line) for line in rows.lines[reason]])
        self.notes += [f"'{name}' {what}" for name, what in rows.warnings]

    @property
    def has_corrupt_input(self) -> bool:
        """Whether a part of the input could not be read for damage."""
        return CORRUPT in self.reasons.get(SCHEMA, {})
