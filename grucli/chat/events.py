"""What happens in a session, as plain values: whoever draws them needs to know nothing else about it."""

from dataclasses import dataclass

from grucli.chat.turns import ROOT, Turn, preview
from grucli.chat.unknown_symbols import unknown_symbols_message


@dataclass(frozen=True, slots=True)
class PromptProgress:
    """The model reads a long line: `done` of `total` characters so far."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class UnknownSymbols:
    """The model does not know this many `symbols` of the line it has read; `which` has each of them once."""

    count: int
    distinct: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """The same, in words."""
        return unknown_symbols_message(self.count, self.distinct)


@dataclass(frozen=True, slots=True)
class ReplyStarted:
    """A reply begins. `lead` is the text it goes on from, empty where the reply is a turn of its own; `limit` is in
    characters."""

    prefix: str
    seed: int
    max_chars: int


@dataclass(frozen=True, slots=True)
class ReplyDelta:
    """The next few characters of the reply, and how surprising all of it was so far to the model itself (None while
    it has no character yet)."""

    text: str
    bits_per_char: float | None


@dataclass(frozen=True, slots=True)
class ReplyFinished:
    """The reply is over, and is the session's last turn."""

    turn: Turn


@dataclass(frozen=True, slots=True)
class SpreadStarted:
    """Several replies to the same words begin, each drawn in its own way, which `titles` name; they stream together.

    `lead`, `seed` and `limit` are as in `Began`, and the same for all.
    """

    titles: tuple[str, ...]
    prefix: str
    seed: int
    max_chars: int


@dataclass(frozen=True, slots=True)
class SpreadDelta:
    """The next few characters of one of the replies that stream together, counted from 0; else as `Said`."""

    column: int
    text: str
    bits_per_char: float | None


@dataclass(frozen=True, slots=True)
class SpreadFinished:
    """One of the replies that stream together is over. It is not a turn of the session until it is picked."""

    column: int
    turn: Turn


@dataclass(frozen=True, slots=True)
class Candidate:
    """A reply that can be picked, as the turn that it would be. `score`: what it was ranked by, in bits per character,
    the more the better; an empty reply has none."""

    turn: Turn
    score: float | None


@dataclass(frozen=True, slots=True)
class Candidates:
    """Several replies to the same words, the best first. `/pick N` takes the N-th, counted from 1."""

    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class NextTokens:
    """The likeliest next tokens, the likeliest first, each as (text, probability); the end of the reply has no text.

    `lead` is the text that they would go on from, empty where they would begin a reply.
    """

    prefix: str
    tokens: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class TextSurprisal:
    """How surprising a text is to the model, piece by piece as (text, bits); `bits_per_char` is that of all of it."""

    pieces: tuple[tuple[str, float], ...]
    bits_per_char: float


@dataclass(frozen=True, slots=True)
class GateValues:
    """What a gate does while a text is read, piece by piece as (text, mean of the gate, from 0 to 1).

    `of` says in words which gate it is, and what its ends mean.
    """

    pieces: tuple[tuple[str, float], ...]
    label: str


@dataclass(frozen=True, slots=True)
class TreeRow:
    """A turn as one row of a tree.

    `depth` counts the forks above, not the turns: a dialogue that never forked has depth 0 throughout. `names` are
    the branches that end here. `now`: the session stands here; `kept`: the way to there passes here.
    """

    turn: Turn
    depth: int
    names: tuple[str, ...]
    is_head: bool
    on_path: bool

    @property
    def number(self) -> int:
        """What `/rewind` takes."""
        return self.turn.number

    @property
    def parent(self) -> int:
        """The number of the turn before."""
        return self.turn.parent

    @property
    def line(self) -> str:
        """What reminds of the user's line."""
        return preview(self.turn.line)

    @property
    def reply(self) -> str:
        """What reminds of the reply."""
        return preview(self.turn.reply)


@dataclass(frozen=True, slots=True)
class TurnTreeView:
    """Every turn there is, each fork's branches one after the other, in the order in which they began.

    `beginning` are the branches that end before all of them: where the session stands, unless a row is `now`.
    """

    rows: tuple[TreeRow, ...]
    root_branches: tuple[str, ...] = ()

    @property
    def head(self) -> int:
        """The number of the turn where the session stands."""
        return next((branch.number for branch in self.rows if branch.is_head), ROOT)


@dataclass(frozen=True, slots=True)
class Message:
    """The session answers a command in a sentence."""

    text: str


@dataclass(frozen=True, slots=True)
class SampleCommand:
    """The session answers a command with a line to be copied: shown to the letter, never broken where it is long.

    `flat` is the same without a line break in it; empty where there is no such line.
    """

    text: str
    one_line: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """The session answers a command with rows of (name, value, description), each of which may be empty."""

    rows: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class History(Listing):
    """The turns that led here, the oldest first; the rows are for whoever reads."""

    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Help:
    """What can be typed: commands as (group, what is typed, what it does), a group's one after the other, and each
    setting with its value."""

    commands: tuple[tuple[str, str, str], ...]
    settings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CommandError:
    """What was asked cannot be done: what is wrong, and what to do about it. The session goes on."""

    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Quit:
    """The user asked to leave."""


StreamEvent = PromptProgress | ReplyStarted | ReplyDelta | SpreadStarted | SpreadDelta | SpreadFinished
"""What comes while a reply, or several, are on their way."""

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
"""What a command is answered with."""

ChatEvent = StreamEvent | CommandResult | UnknownSymbols | ReplyFinished | Quit
