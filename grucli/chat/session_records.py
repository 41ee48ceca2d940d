"""What is written of a session, an entry a line, and how a session comes out of its entries again."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec

from grucli.chat.turn_tree import TurnTree
from grucli.chat.turns import ROOT, Provenance, ReplyContext, Turn
from grucli.errors import GruError
from grucli.generation.sampler import GenerationConfig

VERSION = 2

_Number = Annotated[int, msgspec.Meta(ge=ROOT, le=1 << 53)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class HeaderRecord(msgspec.Struct, frozen=True, tag="session", tag_field="is"):
    """The first record of a session."""

    model: str
    conversations: bool
    preamble: str = ""
    version: int = VERSION
    started_at: str = ""


class TurnRecord(msgspec.Struct, frozen=True, tag="turn", tag_field="is", omit_defaults=True):
    """A turn; `draw` has what is not as `Draw` has it by default, and `model`, `sha256` and `texts` are its origin. The
    session stands there afterwards."""

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
    model: str = ""
    sha256: str = ""
    context_digest: str = ""


class PositionRecord(msgspec.Struct, frozen=True, tag="at", tag_field="is"):
    """The session went to a turn, on a branch, which ends there from then on."""

    number: _Number
    branch: _Name


class ModelRecord(msgspec.Struct, frozen=True, tag="model", tag_field="is"):
    """Another model took over."""

    model: str


SessionRecord = HeaderRecord | TurnRecord | PositionRecord | ModelRecord


@dataclass(slots=True)
class SavedSession:
    """A session as it was left. `left_out` counts the lines that could not be understood.

    Such a line may have been a turn: what was said after it is said after the turn before it then. `_instead` has
    where the session stood when a turn of that number should have come.
    """

    model: str
    conversations: bool
    preamble: str
    tree: TurnTree = field(default_factory=TurnTree)
    skipped: int = 0
    _fallback_parent: dict[int, int] = field(default_factory=dict)

    def skip_record(self) -> None:
        """Count a line that could not be understood. It may have been the next turn."""
        self.skipped += 1
        self._fallback_parent.setdefault(self.tree.newest_number + 1, self.tree.head)

    def resolve(self, number: int) -> int:
        """The turn `number`, or, where it is lost, the nearest one before it that there is."""
        turns = self.tree.turns
        if number in turns or number == ROOT:
            return number
        if number > self.tree.newest_number:
            self._fallback_parent.setdefault(number, self.tree.head)
        return fallback if (fallback := self._fallback_parent.get(number, ROOT)) in turns else ROOT


def turn_record(turn: Turn) -> TurnRecord:
    """What is written of a turn."""
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
        model=turn.provenance.model_ref,
        sha256=turn.provenance.sha256,
        context_digest=turn.provenance.context_digest,
    )


def apply_record(saved: SavedSession, record: SessionRecord) -> bool:
    """Do to a session what an entry tells of; False where it tells nothing that can be done."""
    tree = saved.tree
    match record:
        case TurnRecord():
            turn = _restore_turn(saved, record)
            if turn is None:
                return False
            tree.add(turn)
        case PositionRecord(number, branch):
            if number != ROOT and number not in tree.turns and not saved.skipped:
                return False
            number = saved.resolve(number)
            if branch != tree.branch:
                tree.fork(branch)
            tree.move_to(number)
        case ModelRecord(model):
            saved.model = model
        case HeaderRecord():
            return False
    return True


def _restore_turn(saved: SavedSession, record: TurnRecord) -> Turn | None:
    if record.number <= saved.tree.newest_number or record.parent >= record.number:
        return None
    continued = saved.tree.turns.get(record.parent) if record.is_continuation else None
    # What was forgotten stays so: only the first turn of a file can have come after that.
    pruned = not saved.tree.turns and not saved.skipped
    parent = record.parent if pruned else saved.resolve(record.parent)
    try:
        config = msgspec.convert(record.config, GenerationConfig)
    except (msgspec.ValidationError, GruError, ValueError, OverflowError):
        return None
    prefix = "" if saved.conversations else saved.preamble + record.line
    return Turn(
        ReplyContext(parent, record.line, continued.full_text if continued else prefix, continued is not None),
        record.reply,
        config,
        record.stopped,
        record.bits_per_char,
        record.tokens,
        record.picked,
        record.number,
        Provenance(record.model, record.sha256, record.context_digest),
    )


def tree_records(tree: TurnTree) -> Iterator[SessionRecord]:
    """Everything there is to write of a tree, so that replaying it gives the same one."""
    for turn in tree.turns.values():
        yield turn_record(turn)
    for branch, number in tree.branches.items():
        if branch != tree.branch:
            yield PositionRecord(number, branch)
    yield PositionRecord(tree.head, tree.branch)
