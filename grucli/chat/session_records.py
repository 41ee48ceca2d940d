"""The records of a session file, one per line, and the session that they describe."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec

from grucli.chat.turn_tree import TurnTree
from grucli.chat.turns import ROOT, LearningMode, Provenance, ReplyContext, Turn
from grucli.errors import GruError
from grucli.generation.options import GenerationConfig

VERSION = 2

_Number = Annotated[int, msgspec.Meta(ge=ROOT, le=1 << 53)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class HeaderRecord(msgspec.Struct, frozen=True, tag="session"):
    """The first record."""

    model: str
    conversations: bool
    preamble: str = ""
    version: int = VERSION
    started_at: str = ""


class TurnRecord(msgspec.Struct, frozen=True, tag="turn", omit_defaults=True):
    """A turn, which becomes the head. `config` has the fields that differ from the default."""

    number: _Number
    parent: _Number
    line: str
    reply: str
    stopped: str
    config: dict[str, Any]
    bits_per_char: float | None = None
    tokens: int = 0
    is_continuation: bool = False
    picked: bool = False
    provenance: Provenance = Provenance()


class PositionRecord(msgspec.Struct, frozen=True, tag="position", omit_defaults=True):
    """The session moved to a turn, on a branch that ends there from then on, and learns or not."""

    number: _Number
    branch: _Name
    learning: LearningMode = LearningMode()


class ModelRecord(msgspec.Struct, frozen=True, tag="model"):
    """The session changed to another model."""

    model: str


SessionRecord = HeaderRecord | TurnRecord | PositionRecord | ModelRecord


@dataclass(slots=True)
class SavedSession:
    """A session as its file describes it. `problem` says what is wrong with it, empty for nothing. If `is_corrupt`
    the rest was not read; otherwise only an incomplete last line was not, which begins after `valid_bytes`."""

    model: str
    conversations: bool
    preamble: str
    started_at: str = ""
    valid_bytes: int = 0
    problem: str = ""
    is_corrupt: bool = False
    tree: TurnTree = field(default_factory=TurnTree)
    learning: LearningMode = field(default_factory=LearningMode)

    def apply(self, record: SessionRecord | None) -> None:
        """Replay a record.

        Raises:
            ValueError: it is None, does not fit the records before it, or has an invalid value.
        """
        match record:
            case TurnRecord():
                self.tree.add(self._restore_turn(record))
                self.learning = record.provenance.learning
            case PositionRecord(number, branch, learning):
                self.learning = learning
                if number != ROOT and number not in self.tree.turns:
                    raise ValueError(f"there is no turn {number}")
                if branch != self.tree.branch:
                    self.tree.fork(branch)
                self.tree.move_to(number)
            case ModelRecord(model):
                self.model = model
            case _:
                raise ValueError("not a record that can follow the header")

    def _restore_turn(self, record: TurnRecord) -> Turn:
        # A parent that is missing was dropped from the tree, for its limits, before this turn.
        if not record.parent < record.number > self.tree.newest_number:
            raise ValueError(f"turn {record.number} is out of order")
        try:
            config = msgspec.convert(record.config, GenerationConfig)
        except (GruError, OverflowError) as error:
            raise ValueError(str(error)) from None
        continued = self.tree.turns.get(record.parent) if record.is_continuation else None
        prefix = "" if self.conversations else self.preamble + record.line
        return Turn(
            ReplyContext(record.parent, record.line, continued.full_text if continued else prefix, bool(continued)),
            record.reply,
            config,
            record.stopped,
            record.bits_per_char,
            record.tokens,
            record.picked,
            record.number,
            record.provenance,
        )


def turn_record(turn: Turn) -> TurnRecord:
    """Return the record of a turn."""
    defaults = msgspec.to_builtins(GenerationConfig())
    config = {name: value for name, value in msgspec.to_builtins(turn.config).items() if value != defaults[name]}
    return TurnRecord(
        number=turn.number,
        parent=turn.parent,
        line=turn.line,
        reply=turn.reply,
        stopped=turn.stopped,
        config=config,
        bits_per_char=turn.bits_per_char,
        tokens=turn.tokens,
        is_continuation=turn.context.is_continuation,
        picked=turn.picked,
        provenance=turn.provenance,
    )


def tree_records(tree: TurnTree, learning: LearningMode) -> Iterator[SessionRecord]:
    """Yield the records whose replay gives `tree` and `learning`."""
    yield from map(turn_record, tree.turns.values())
    for branch, number in tree.branches.items():
        if branch != tree.branch:
            yield PositionRecord(number, branch)
    yield PositionRecord(tree.head, tree.branch, learning)
