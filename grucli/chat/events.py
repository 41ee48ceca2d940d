"""What happens in a session, as plain values for any user interface.

`to_json` of an event returns the objects that `gru chat --json` prints for it, one per line.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grucli.chat.inputs import unknown_symbols_message
from grucli.chat.turns import ROOT, Turn

JsonObjects = Sequence[dict[str, Any]]


class _Event:
    __slots__ = ()

    def to_json(self) -> JsonObjects:
        """Return the JSON objects of the event; none if it only tells of work under way."""
        return self._json()

    def _json(self) -> JsonObjects:
        return ()


@dataclass(frozen=True, slots=True)
class PromptProgress(_Event):
    """The model has read `done` of `total` characters of a long text."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class UnknownSymbols(_Event):
    """`count` symbols of the line are not in the model's vocabulary; `distinct` has each of them once."""

    count: int
    distinct: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """The warning in words."""
        return unknown_symbols_message(self.count, self.distinct)

    def _json(self) -> JsonObjects:
        return [{"type": "warning", "text": self.message, "count": self.count, "symbols": self.distinct}]


@dataclass(frozen=True, slots=True)
class ReplyStarted(_Event):
    """A reply begins. It continues the text `prefix`, empty for a new turn, by up to `max_chars` characters."""

    prefix: str
    seed: int
    max_chars: int


@dataclass(frozen=True, slots=True)
class ReplyDelta(_Event):
    """The next characters of the reply, and the bits per character of all of it so far (None while it is empty)."""

    text: str
    bits_per_char: float | None


@dataclass(frozen=True, slots=True)
class ReplyFinished(_Event):
    """The reply has ended and is the last turn of the session."""

    turn: Turn

    def _json(self) -> JsonObjects:
        return [{"type": "reply", "turn": self.turn.number, **_reply_json(self.turn)}]


@dataclass(frozen=True, slots=True)
class SpreadStarted(_Event):
    """Several replies in one context begin and stream together; `titles` has one for each, the rest is common to all
    and as in `ReplyStarted`."""

    titles: tuple[str, ...]
    prefix: str
    seed: int
    max_chars: int


@dataclass(frozen=True, slots=True)
class SpreadDelta(_Event):
    """The next characters of the reply in `column`, counted from 0, as in `ReplyDelta`."""

    column: int
    text: str
    bits_per_char: float | None


@dataclass(frozen=True, slots=True)
class SpreadFinished(_Event):
    """One of the replies that stream together has ended. It becomes a turn only when it is picked."""

    column: int
    turn: Turn
    title: str

    def _json(self) -> JsonObjects:
        return [{"type": "candidate", "pick": self.column + 1, "title": self.title, **_reply_json(self.turn)}]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A reply that can be picked, as the turn that it would be. `score`: its rank in bits per character, higher is
    better; None for an empty reply."""

    turn: Turn
    score: float | None


@dataclass(frozen=True, slots=True)
class Candidates(_Event):
    """Several replies in one context, the best first. `/pick N` takes the N-th, counted from 1."""

    candidates: tuple[Candidate, ...]

    def _json(self) -> JsonObjects:
        return [
            {"type": "candidate", "pick": number, "score": candidate.score, **_reply_json(candidate.turn)}
            for number, candidate in enumerate(self.candidates, 1)
        ]


@dataclass(frozen=True, slots=True)
class NextTokens(_Event):
    """The likeliest next tokens, the likeliest first, each as (text, probability); the end of the reply has no text.

    They would continue `prefix`, which is empty at the start of a reply.
    """

    prefix: str
    tokens: tuple[tuple[str, float], ...]

    def _json(self) -> JsonObjects:
        tokens = [
            {"pick": number, "text": text, "probability": probability}
            for number, (text, probability) in enumerate(self.tokens, 1)
        ]
        return [{"type": "peek", "prefix": self.prefix, "tokens": tokens}]


@dataclass(frozen=True, slots=True)
class TextSurprisal(_Event):
    """The surprisal of a text, piece by piece as (text, bits); `bits_per_char` is that of all of it."""

    pieces: tuple[tuple[str, float], ...]
    bits_per_char: float

    def _json(self) -> JsonObjects:
        pieces = [{"text": text, "bits": bits} for text, bits in self.pieces]
        return [{"type": "score", "bits_per_char": self.bits_per_char, "pieces": pieces}]


@dataclass(frozen=True, slots=True)
class GateValues(_Event):
    """A gate while a text is read, piece by piece as (text, mean of the gate, 0 to 1); `label` explains the values.

    gate: its name. layer: from 1, None for the mean of all.
    """

    pieces: tuple[tuple[str, float], ...]
    label: str
    gate: str = ""
    layer: int | None = None

    def _json(self) -> JsonObjects:
        pieces = [{"text": text, "mean": mean} for text, mean in self.pieces]
        return [{"type": "gates", "label": self.label, "gate": self.gate, "layer": self.layer, "pieces": pieces}]


@dataclass(frozen=True, slots=True)
class TreeRow:
    """A turn as one row of a tree.

    `depth` counts the forks above, not the turns: a dialogue without forks has depth 0 throughout. `names` are the
    branches that end here. `is_head`: the session is here; `on_path`: this turn leads to the head.
    """

    turn: Turn
    depth: int
    names: tuple[str, ...]
    is_head: bool
    on_path: bool

    def to_json(self) -> dict[str, Any]:
        """Return the turn with its place in the tree."""
        position = {"depth": self.depth, "branches": self.names, "is_head": self.is_head, "on_path": self.on_path}
        return {**_turn_json(self.turn), **position}


@dataclass(frozen=True, slots=True)
class TurnTreeView(_Event):
    """All turns, the branches of each fork one after the other, in the order in which they began.

    `root_branches` end before the first turn: the session is there, unless a row is the head.
    """

    rows: tuple[TreeRow, ...]
    root_branches: tuple[str, ...] = ()

    @property
    def head(self) -> int:
        """The number of the turn where the session is."""
        return next((row.turn.number for row in self.rows if row.is_head), ROOT)

    def _json(self) -> JsonObjects:
        turns = [row.to_json() for row in self.rows]
        return [{"type": "tree", "head": self.head, "root_branches": self.root_branches, "turns": turns}]


@dataclass(frozen=True, slots=True)
class Message(_Event):
    """A sentence in answer to a command."""

    text: str

    def _json(self) -> JsonObjects:
        return [{"type": "message", "text": self.text}]


@dataclass(frozen=True, slots=True)
class SampleCommand(_Event):
    """A shell command to copy, printed exactly, on one line."""

    text: str

    def _json(self) -> JsonObjects:
        return [{"type": "command", "text": self.text}]


@dataclass(frozen=True, slots=True)
class Listing(_Event):
    """Rows of (name, value, description), each of which may be empty."""

    rows: tuple[tuple[str, str, str], ...]

    def _json(self) -> JsonObjects:
        rows = [{"name": name, "value": value, "description": text} for name, value, text in self.rows]
        return [{"type": "list", "rows": rows}]


@dataclass(frozen=True, slots=True)
class History(Listing):
    """The turns up to the head, the oldest first, as rows to print and as they are."""

    turns: tuple[Turn, ...]

    def _json(self) -> JsonObjects:
        return [{"type": "history", "turns": [_turn_json(turn) for turn in self.turns]}]


@dataclass(frozen=True, slots=True)
class Help(_Event):
    """All commands as (group, usage, description), group by group, and each setting with its value."""

    commands: tuple[tuple[str, str, str], ...]
    settings: tuple[str, ...]

    def _json(self) -> JsonObjects:
        commands = [{"group": group, "usage": usage, "description": text} for group, usage, text in self.commands]
        return [{"type": "help", "commands": commands, "settings": self.settings}]


@dataclass(frozen=True, slots=True)
class CommandError(_Event):
    """What failed, and what to do about it. The session continues."""

    message: str
    hint: str

    def _json(self) -> JsonObjects:
        return [{"type": "error", "message": self.message, "hint": self.hint}]


@dataclass(frozen=True, slots=True)
class Quit(_Event):
    """The user asked to leave."""


StreamEvent = PromptProgress | ReplyStarted | ReplyDelta | SpreadStarted | SpreadDelta | SpreadFinished

CommandResult = (
    Candidates
    | NextTokens
    | TextSurprisal
    | GateValues
    | TurnTreeView
    | Message
    | SampleCommand
    | Listing
    | Help
    | CommandError
)

ChatEvent = StreamEvent | CommandResult | UnknownSymbols | ReplyFinished | Quit


def _turn_json(turn: Turn) -> dict[str, Any]:
    return {
        "turn": turn.number,
        "parent": turn.parent,
        "model": turn.provenance.model_ref,
        "picked": turn.picked,
        **_reply_json(turn),
    }


def _reply_json(turn: Turn) -> dict[str, Any]:
    return {
        "line": turn.line,
        "reply": turn.reply,
        "seed": turn.seed,
        "tokens": turn.tokens,
        "bits_per_char": turn.bits_per_char,
        "stopped": turn.stopped,
    }
