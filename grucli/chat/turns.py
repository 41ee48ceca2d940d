"""One exchange of a dialogue, and what a session needs of a model to have one.

A recurrent network's whole memory is its state, so a turn keeps the state before and after the reply: going back to it
is a matter of taking it up again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from grucli.chat.misread import Encoder
from grucli.model.sampler import Draw, Piece, Sample, State


class Utterance(Protocol):
    """A reply while it is drawn: its pieces, and at any moment the state after, and an account of, those given."""

    def __iter__(self) -> Iterator[Piece]: ...

    @property
    def state(self) -> State:
        """The state after the last piece that was given."""

    @property
    def sample(self) -> Sample:
        """What was said so far; `stopped` is "interrupted" while that is not all."""


class Voice(Protocol):
    """A model that can be talked with; `grucli.model.sampler.Sampler` is one."""

    @property
    def tokenizer(self) -> Encoder:
        """What turns text into the ids that the model reads."""

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


@dataclass(frozen=True, slots=True)
class Turn:
    """What the user wrote and what the model made of it.

    `lead` is the text that the reply goes on from, empty where it is a turn of its own. `before` is the state from
    which the reply was drawn, `after` the one at its end, with the word not yet handed over: a reply that was cut short
    can so be gone on with. `stopped` is as in `Sample`, `bits_per_char` None for an empty reply.
    """

    line: str
    lead: str
    reply: str
    seed: int
    stopped: str
    bits_per_char: float | None
    before: State
    after: State

    @property
    def cut(self) -> bool:
        """Whether the reply was ended from outside, by its limit or by the user, and not by the model."""
        return self.stopped in ("length", "interrupted")
