"""The report of a cleaning run: every comment read is either kept, or dropped by exactly one rule."""

from collections import Counter
from dataclasses import dataclass, field

import msgspec

from grucli.json_record import JsonRecord
from grucli.read.blocks import CORRUPT, RowReport
from grucli.read.fields import FIELDS
from grucli.read.schema import Schema, quote_source
from grucli.reddit.clean.rules.registry import SCHEMA
from grucli.reddit.comments import Comment

MAX_EXAMPLES = 5
"""Locations recorded per reason."""


@dataclass(slots=True)
class DropStats:
    """Comments dropped for one reason, or values not read: their number, and the source and line of the first few."""

    count: int = 0
    examples: list[tuple[str, int]] = field(default_factory=list)

    def add(self, count: int, examples: list[tuple[str, int]]) -> None:
        """Add to the number, and keep the first locations."""
        self.count += count
        self.examples += examples[: MAX_EXAMPLES - len(self.examples)]

    def to_json(self) -> dict[str, object]:
        """Return the number and the locations."""
        return {"count": self.count, "first": [f"{name}:{line}" for name, line in self.examples]}


@dataclass(frozen=True, slots=True)
class ExampleComment(JsonRecord):
    """A comment as read from a line of a source, and its cleaned text; `dropped`: the rule that drops it, or None."""

    source: str
    line: int
    comment: Comment
    text: str
    dropped: str | None

    def to_json(self) -> dict[str, object]:
        """Return the fields, those of the comment in an object."""
        return JsonRecord.to_json(self) | {"comment": msgspec.to_builtins(self.comment)}


@dataclass(slots=True)
class CleanReport(JsonRecord):
    """Counts of a cleaning run. At its end, `read == kept + sum(dropped.values())`.

    `reasons`: by rule, then by reason ("" if the rule has only one). `characters`: length of the kept text.
    `conversations`: number of those written, None unless they are built. `notes`: sentences for the user. `rules`:
    names of the active rules that may drop a comment, in order. `unread`: by source and field, values of comments that
    could not be read; the comments are treated as if these were missing. `inputs`: what was decided about the sources.
    `examples`: their first comments, if asked for.
    """

    read: int = 0
    kept: int = 0
    characters: int = 0
    seconds: float = 0.0
    conversations: int | None = None
    reasons: dict[str, dict[str, DropStats]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    unread: dict[str, dict[str, DropStats]] = field(default_factory=dict)
    inputs: list[Schema] = field(default_factory=list)
    examples: list[ExampleComment] = field(default_factory=list)

    @property
    def dropped(self) -> Counter[str]:
        """Number of comments dropped by each rule."""
        return Counter({rule: sum(stats.count for stats in by.values()) for rule, by in self.reasons.items()})

    def drop(self, drop_reason: str, count: int, examples: list[tuple[str, int]]) -> None:
        """Count dropped comments; `drop_reason` is "rule" or "rule: reason"."""
        rule, _, reason = drop_reason.partition(": ")
        self.reasons.setdefault(rule, {}).setdefault(reason, DropStats()).add(count, examples)

    def add_dropped(self, rows: RowReport, source: str, prefix: str = "") -> None:
        """Add dropped comments by reason, each with `prefix`."""
        for reason, count in rows.skipped.items():
            self.drop(f"{prefix}{reason}", count, [(source, line) for line in rows.lines[reason]])

    def add_rows(self, rows: RowReport, source: str) -> None:
        """Add the counts of decoded rows; bad rows are dropped by the rule "schema"."""
        self.read += rows.read
        self.add_dropped(rows, source, f"{SCHEMA}: ")
        self.notes += [f"'{name}' {warning}" for name, warning in rows.warnings]

    def add_unread(self, values: RowReport, source: str) -> None:
        """Add counts of values that could not be read, by field."""
        for name, count in values.skipped.items():
            self.unread.setdefault(source, {}).setdefault(name, DropStats()).add(
                count, [(source, line) for line in values.lines[name]]
            )

    def unread_notes(self) -> list[str]:
        """Return sentences about the values that could not be read."""
        return [
            f"{stats.count:,} {FIELDS[name].plural} in {quote_source(source)} cannot be read, the first "
            f"in line {stats.examples[0][1]:,}: they count as missing"
            for source, by_field in self.unread.items()
            for name, stats in by_field.items()
        ]

    def to_json(self) -> dict[str, object]:
        """Return the counts. Each rule of `rules` has one, even if it is 0; `complete`: all of the input was read."""
        conversations = {} if self.conversations is None else {"conversations": self.conversations}
        return {
            "read": self.read,
            "kept": self.kept,
            "complete": CORRUPT not in self.reasons.get(SCHEMA, {}),
            "dropped": dict.fromkeys(self.rules, 0) | self.dropped,
            "characters": self.characters,
            **conversations,
            "seconds": round(self.seconds, 3),
            "reasons": {
                rule: {reason or rule: drops.to_json() for reason, drops in by.items()}
                for rule, by in self.reasons.items()
            },
            "unread": {
                source: {name: stats.to_json() for name, stats in by_field.items()}
                for source, by_field in self.unread.items()
            },
            "inputs": [schema.to_json() for schema in self.inputs],
            **({"examples": [example.to_json() for example in self.examples]} if self.examples else {}),
        }
