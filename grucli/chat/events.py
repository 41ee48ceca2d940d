"""What happens in a session, as plain values: whoever draws them needs to know nothing else about it."""

from dataclasses import dataclass

from grucli.chat.misread import misread
from grucli.chat.turns import Turn


@dataclass(frozen=True, slots=True)
class Reading:
    """The model reads a long line: `done` of `total` characters so far."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Misread:
    """The model does not know this many `symbols` of the line it has read."""

    symbols: int

    @property
    def words(self) -> str:
        """The same, in words."""
        return misread(self.symbols)


@dataclass(frozen=True, slots=True)
class Began:
    """A reply begins. `lead` is the text it goes on from, empty where the reply is a turn of its own; `limit` is in
    characters."""

    lead: str
    seed: int
    limit: int


@dataclass(frozen=True, slots=True)
class Said:
    """The next few characters of the reply, and how surprising all of it was so far to the model itself (None while
    it has no character yet)."""

    text: str
    bits_per_char: float | None


@dataclass(frozen=True, slots=True)
class Ended:
    """The reply is over, and is the session's last turn."""

    turn: Turn


@dataclass(frozen=True, slots=True)
class Told:
    """The session answers a command in a sentence."""

    text: str


@dataclass(frozen=True, slots=True)
class Listed:
    """The session answers a command with rows of (name, value, description), each of which may be empty."""

    rows: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """What was asked cannot be done: what is wrong, and what to do about it. The session goes on."""

    what: str
    todo: str


@dataclass(frozen=True, slots=True)
class Left:
    """The user asked to leave."""


Event = Reading | Misread | Began | Said | Ended | Told | Listed | Refused | Left
