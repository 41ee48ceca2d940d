"""What is written of a session, an entry a line, and how a session comes out of its entries again."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec

from grucli.chat.turn_tree import Tree
from grucli.chat.turns import BEGINNING, Origin, Place, Turn
from grucli.errors import GruError
from grucli.generation.sampler import Draw

VERSION = 1

_Number = Annotated[int, msgspec.Meta(ge=BEGINNING, le=1 << 53)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class SessionEntry(msgspec.Struct, frozen=True, tag="session", tag_field="is"):
    """The first record of a session."""

    model: str
    conversations: bool
    scene: str = ""
    version: int = VERSION
    began: str = ""


class TurnEntry(msgspec.Struct, frozen=True, tag="turn", tag_field="is", omit_defaults=True):
    """A turn; `draw` has what is not as `Draw` has it by default, and `model`, `sha256` and `texts` are its origin. The
    session stands there afterwards."""

    number: _Number
    parent: _Number
    line: str
    reply: str
    stopped: str
    draw: dict[str, Any]
    bits_per_char: float | None = None
    tokens: int = 0
    goes_on: bool = False
    picked: bool = False
    model: str = ""
    sha256: str = ""
    texts: str = ""


class PlaceEntry(msgspec.Struct, frozen=True, tag="at", tag_field="is"):
    """The session went to a turn, on a branch, which ends there from then on."""

    number: _Number
    branch: _Name


class ModelEntry(msgspec.Struct, frozen=True, tag="model", tag_field="is"):
    """Another model took over."""

    model: str


Entry = SessionEntry | TurnEntry | PlaceEntry | ModelEntry


@dataclass(slots=True)
class Kept:
    """A session as it was left. `left_out` counts the lines that could not be understood.

    Such a line may have been a turn: what was said after it is said after the turn before it then. `_instead` has
    where the session stood when a turn of that number should have come.
    """

    model: str
    conversations: bool
    scene: str
    tree: Tree = field(default_factory=Tree)
    left_out: int = 0
    _instead: dict[int, int] = field(default_factory=dict)

    def lose(self) -> None:
        """Count a line that could not be understood. It may have been the next turn."""
        self.left_out += 1
        self._instead.setdefault(self.tree.newest + 1, self.tree.now)

    def nearest(self, number: int) -> int:
        """The turn `number`, or, where it is lost, the nearest one before it that there is."""
        turns = self.tree.turns
        if number in turns or number == BEGINNING:
            return number
        if number > self.tree.newest:
            self._instead.setdefault(number, self.tree.now)
        return before if (before := self._instead.get(number, BEGINNING)) in turns else BEGINNING


def turn_entry(turn: Turn) -> TurnEntry:
    """What is written of a turn."""
    usual = msgspec.to_builtins(Draw())
    draw = {name: value for name, value in msgspec.to_builtins(turn.draw).items() if value != usual[name]}
    return TurnEntry(
        number=turn.number,
        parent=turn.parent,
        line=turn.line,
        reply=turn.reply,
        stopped=turn.stopped,
        draw=draw,
        bits_per_char=turn.bits_per_char,
        tokens=turn.tokens,
        goes_on=turn.place.goes_on,
        picked=turn.picked,
        model=turn.origin.model,
        sha256=turn.origin.sha256,
        texts=turn.origin.texts,
    )


def replay(kept: Kept, entry: Entry) -> bool:
    """Do to a session what an entry tells of; False where it tells nothing that can be done."""
    tree = kept.tree
    match entry:
        case TurnEntry():
            turn = _turn(kept, entry)
            if turn is None:
                return False
            tree.add(turn)
        case PlaceEntry(number, branch):
            if number != BEGINNING and number not in tree.turns and not kept.left_out:
                return False
            number = kept.nearest(number)
            if branch != tree.branch:
                tree.fork(branch)
            tree.go(number)
        case ModelEntry(model):
            kept.model = model
        case SessionEntry():
            return False
    return True


def _turn(kept: Kept, entry: TurnEntry) -> Turn | None:
    if entry.number <= kept.tree.newest or entry.parent >= entry.number:
        return None
    goes_on = kept.tree.turns.get(entry.parent) if entry.goes_on else None
    # What was forgotten stays so: only the first turn of a file can have come after that.
    forgotten = not kept.tree.turns and not kept.left_out
    parent = entry.parent if forgotten else kept.nearest(entry.parent)
    try:
        draw = msgspec.convert(entry.draw, Draw)
    except (msgspec.ValidationError, GruError, ValueError, OverflowError):
        return None
    beginning = "" if kept.conversations else kept.scene + entry.line
    return Turn(
        Place(parent, entry.line, goes_on.whole if goes_on else beginning, goes_on is not None),
        entry.reply,
        draw,
        entry.stopped,
        entry.bits_per_char,
        entry.tokens,
        entry.picked,
        entry.number,
        Origin(entry.model, entry.sha256, entry.texts),
    )


def tree_entries(tree: Tree) -> Iterator[Entry]:
    """Everything there is to write of a tree, so that replaying it gives the same one."""
    for turn in tree.turns.values():
        yield turn_entry(turn)
    for branch, number in tree.branches.items():
        if branch != tree.branch:
            yield PlaceEntry(number, branch)
    yield PlaceEntry(tree.now, tree.branch)
