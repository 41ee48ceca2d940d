"""One exchange of a dialogue, and what a session needs of a model to have one."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from grucli.chat.unknown_symbols import Encoder
from grucli.generation.sampler import (
    GateActivations,
    GenerationConfig,
    Sample,
    State,
    TextChunk,
    TokenProb,
    TokenSurprisal,
)

ROOT = 0
"""The number that no turn has: where every dialogue begins."""

PREVIEW_CHARS = 60
"""Characters of a text that only reminds of it."""

_surrogates = re.compile("[\ud800-\udfff]")


class ReplyStream(Protocol):
    """A reply while it is drawn: its pieces, and at any moment an account of those that were given."""

    def __iter__(self) -> Iterator[TextChunk]: ...

    @property
    def sample(self) -> Sample:
        """What was said so far; `stopped` is "interrupted" while that is not all."""


class ChatModel(Protocol):
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

    @property
    def gate_labels(self) -> Mapping[str, str]:
        """The gates that `gates` tells of, the most telling first, and what their values mean."""

    def initial_state(self) -> State:
        """Give the state before anything was read."""

    def read(self, state: State, text: str) -> State:
        """Give the state after `text` was read."""

    def end_turn(self, state: State) -> State:
        """Give the state after the token that hands the word to the other side."""

    def stream(self, state: State, config: GenerationConfig) -> ReplyStream:
        """Draw a reply from `state`."""

    def generate(self, state: State, prompt: str, n: int, config: GenerationConfig) -> Iterator[Sample]:
        """Draw `n` replies, the i-th of which is the one that `stream` gives for the seed draw.seed + i."""

    def top_next_tokens(self, state: State, n: int, config: GenerationConfig) -> Sequence[TokenProb]:
        """Give the `n` likeliest next tokens of a reply that begins here, the likeliest first."""

    def surprisals(self, state: State, text: str) -> Sequence[TokenSurprisal]:
        """Tell how surprising each part of `text` is."""

    def gate_activations(self, state: State, text: str) -> Sequence[GateActivations]:
        """Tell what the gates do at each part of `text`."""


@dataclass(frozen=True, slots=True)
class ReplyContext:
    """Where in a dialogue a reply is drawn: after the turn `parent`, in answer to `line`, going on from `lead`.

    `lead` is text of the reply's own turn that stands already, or, with a model that continues texts, all of the text
    so far. `goes_on`: the turn before was cut short, and this is more of it; then there is no line.
    """

    parent: int
    line: str
    prefix: str
    is_continuation: bool = False


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a reply was drawn from: the address of the model, the SHA-256 of its parameters, and what the texts are
    known by that it had read. Each is empty where nobody noted it."""

    model_ref: str = ""
    sha256: str = ""
    context_digest: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """What the user wrote and what the model made of it, as `place` and `draw` had it.

    `number` is unique in a session and greater than those of all turns before; a reply that was only offered has the
    number 0, and no origin yet. `stopped` is as in `Sample`, `bits_per_char` None for an empty reply. `picked`: the
    reply was chosen from a list, of tokens or of what a beam found, and its seed and rules alone do not give it.
    """

    context: ReplyContext
    reply: str
    config: GenerationConfig
    stopped: str
    bits_per_char: float | None
    tokens: int = 0
    picked: bool = False
    number: int = ROOT
    provenance: Provenance = Provenance()

    @property
    def line(self) -> str:
        """What the user wrote."""
        return self.context.line

    @property
    def prefix(self) -> str:
        """The text that the reply goes on from."""
        return self.context.prefix

    @property
    def parent(self) -> int:
        """The number of the turn before."""
        return self.context.parent

    @property
    def seed(self) -> int:
        """What the reply was drawn by."""
        return self.config.seed

    @property
    def full_text(self) -> str:
        """The reply with what it went on from."""
        return self.context.prefix + self.reply

    @property
    def truncated(self) -> bool:
        """Whether the reply was ended from outside, by its limit or by the user, and not by the model."""
        return self.stopped in ("length", "interrupted")


def preview(text: str) -> str:
    """The beginning of a text, on one line, for those who know what it was."""
    line = " ".join(text.split())
    return line if len(line) <= PREVIEW_CHARS else f"{line[: PREVIEW_CHARS - 1]}…"


def replace_surrogates(text: str) -> str:
    """Give `text` without the halves of characters that some keyboards and pipes give, which no file can hold."""
    return _surrogates.sub("\ufffd", text)
