"""One exchange of a dialogue, and what a session needs of a model to have one."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from grucli.chat.unknown_symbols import Encoder
from grucli.generation.sampler import Draw, Gates, Likely, Piece, Sample, State, Surprise

BEGINNING = 0
"""The number that no turn has: where every dialogue begins."""

REMINDED = 60
"""Characters of a text that only reminds of it."""

_surrogates = re.compile("[\ud800-\udfff]")


class Utterance(Protocol):
    """A reply while it is drawn: its pieces, and at any moment an account of those that were given."""

    def __iter__(self) -> Iterator[Piece]: ...

    @property
    def sample(self) -> Sample:
        """What was said so far; `stopped` is "interrupted" while that is not all."""


class Voice(Protocol):
    """A model that can be talked with; `grucli.generation.sampler.Sampler` is one."""

    @property
    def tokenizer(self) -> Encoder:
        """What turns text into the ids that the model reads."""

    @property
    def sha256(self) -> str:
        """What the parameters of the model are known by."""

    @property
    def conversations(self) -> bool:
        """Whether the model learned from conversations, and takes turns."""

    def begin(self) -> State:
        """Give the state before anything was read."""

    def read(self, state: State, text: str) -> State:
        """Give the state after `text` was read."""

    def end_turn(self, state: State) -> State:
        """Give the state after the token that hands the word to the other side."""

    def stream(self, state: State, draw: Draw) -> Utterance:
        """Draw a reply from `state`."""

    def write(self, state: State, prompt: str, n: int, draw: Draw) -> Iterator[Sample]:
        """Draw `n` replies, the i-th of which is the one that `stream` gives for the seed draw.seed + i."""

    def peek(self, state: State, n: int, draw: Draw) -> Sequence[Likely]:
        """Give the `n` likeliest next tokens of a reply that begins here, the likeliest first."""

    def score(self, state: State, text: str) -> Sequence[Surprise]:
        """Tell how surprising each part of `text` is."""

    def gates(self, state: State, text: str) -> Sequence[Gates]:
        """Tell what the gates do at each part of `text`."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a dialogue a reply is drawn: after the turn `parent`, in answer to `line`, going on from `lead`.

    `lead` is text of the reply's own turn that stands already, or, with a model that continues texts, all of the text
    so far. `goes_on`: the turn before was cut short, and this is more of it; then there is no line.
    """

    parent: int
    line: str
    lead: str
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class Origin:
    """What a reply was drawn from: the address of the model, the SHA-256 of its parameters, and what the texts are
    known by that it had read. Each is empty where nobody noted it."""

    model: str = ""
    sha256: str = ""
    texts: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """What the user wrote and what the model made of it, as `place` and `draw` had it.

    `number` is unique in a session and greater than those of all turns before; a reply that was only offered has the
    number 0, and no origin yet. `stopped` is as in `Sample`, `bits_per_char` None for an empty reply. `picked`: the
    reply was chosen from a list, of tokens or of what a beam found, and its seed and rules alone do not give it.
    """

    place: Place
    reply: str
    draw: Draw
    stopped: str
    bits_per_char: float | None
    tokens: int = 0
    picked: bool = False
    number: int = BEGINNING
    origin: Origin = Origin()

    @property
    def line(self) -> str:
        """What the user wrote."""
        return self.place.line

    @property
    def lead(self) -> str:
        """The text that the reply goes on from."""
        return self.place.lead

    @property
    def parent(self) -> int:
        """The number of the turn before."""
        return self.place.parent

    @property
    def seed(self) -> int:
        """What the reply was drawn by."""
        return self.draw.seed

    @property
    def whole(self) -> str:
        """The reply with what it went on from."""
        return self.place.lead + self.reply

    @property
    def cut(self) -> bool:
        """Whether the reply was ended from outside, by its limit or by the user, and not by the model."""
        return self.stopped in ("length", "interrupted")


def reminder(text: str) -> str:
    """The beginning of a text, on one line, for those who know what it was."""
    line = " ".join(text.split())
    return line if len(line) <= REMINDED else f"{line[: REMINDED - 1]}…"


def legible(text: str) -> str:
    """Give `text` without the halves of characters that some keyboards and pipes give, which no file can hold."""
    return _surrogates.sub("\ufffd", text)
