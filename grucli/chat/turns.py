"""One exchange of a dialogue, and the interface of a model that a session needs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from grucli.chat.inputs import Encoder
from grucli.generation.options import (
    GateActivations,
    GenerationConfig,
    Passage,
    Sample,
    State,
    TextChunk,
    TokenProb,
    TokenSurprisal,
)

if TYPE_CHECKING:
    from grucli.model.weights import SavedModel

ROOT = 0
"""The beginning of every dialogue: a number that no turn has."""

PREVIEW_CHARS = 60


class ReplyStream(Protocol):
    """A reply while it is generated."""

    def __iter__(self) -> Iterator[TextChunk]: ...

    @property
    def sample(self) -> Sample:
        """The text generated so far; `stopped` is "interrupted" until the reply ends."""


class ChatModel(Protocol):
    """A model to chat with; `grucli.generation.sampler.Sampler` is one."""

    @property
    def tokenizer(self) -> Encoder:
        """The tokenizer of the model."""

    @property
    def sha256(self) -> str:
        """SHA-256 of the parameters, in hexadecimal."""

    @property
    def conversations(self) -> bool:
        """True if the model was trained on conversations and takes turns."""

    @property
    def gate_labels(self) -> Mapping[str, str]:
        """Labels of the gates that `gate_activations` reports, by gate, the most telling first."""

    def check_config(self, config: GenerationConfig) -> None:
        """Validate what depends on the model.

        Raises:
            UsageError: the model has no such unit.
        """

    def initial_state(self) -> State:
        """Return the state before any text."""

    def read(self, state: State, text: str) -> State:
        """Return the state after `text`."""

    def end_turn(self, state: State) -> State:
        """Return the state after the end-of-turn token."""

    def stream(self, state: State, config: GenerationConfig) -> ReplyStream:
        """Generate a reply from `state`."""

    def generate(self, state: State, prompt: str, n: int, config: GenerationConfig) -> Iterator[Sample]:
        """Generate `n` replies, the i-th equal to that of `stream` with the seed config.seed + i."""

    def top_next_tokens(self, state: State, n: int, config: GenerationConfig) -> Sequence[TokenProb]:
        """Return the `n` likeliest next tokens of a reply that begins here, the likeliest first."""

    def surprisals(self, state: State, text: str) -> Sequence[TokenSurprisal]:
        """Return the surprisal of each part of `text`."""

    def mmi_scores(self, state: State, texts: Sequence[str]) -> Sequence[float]:
        """Return the score of each of some replies that begin here, higher is better; none of them is empty."""

    def gate_activations(self, state: State, text: str) -> Sequence[GateActivations]:
        """Return the gate activations at each part of `text`."""

    def learn(self, passages: Sequence[Passage]) -> Self:
        """Return the model after it has learned passages; it has the same states and the same `sha256`."""

    def gained_bits(self, passage: Passage) -> float:
        """Return by how many bits a passage is less surprising than before the model learned anything."""

    @property
    def weights(self) -> "SavedModel":
        """The parameters with what was learned."""


@dataclass(frozen=True, slots=True)
class ReplyContext:
    """Where in a dialogue a reply is generated: after the turn `parent`, in answer to `line`, continuing `prefix`.

    `prefix` is the part of the reply's turn that is already there; for a model that continues texts, the whole text so
    far. `is_continuation`: the turn `parent` was cut short, this is more of it, and there is no line.
    """

    parent: int
    line: str
    prefix: str
    is_continuation: bool = False


@dataclass(frozen=True, slots=True)
class LearningMode:
    """Whether a session learns from its turns, those up to number `after` excepted."""

    on: bool = False
    after: int = ROOT


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a reply was generated from: the name or path of the model, the SHA-256 of its parameters, the digest of the
    texts it had read, and whether it had learned from them. Each is empty where it was not recorded."""

    model_ref: str = ""
    sha256: str = ""
    context_digest: str = ""
    learning: LearningMode = LearningMode()


@dataclass(frozen=True, slots=True)
class Turn:
    """What the user wrote and what the model replied in `context` by `config`.

    `number` is unique in a session and greater than those of all earlier turns; a candidate has the number ROOT and no
    provenance yet. `stopped` is as in `Sample`, `bits_per_char` None for an empty reply. `picked`: the reply was chosen
    among tokens or the results of a beam search, so its seed and config alone do not reproduce it.
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
        """The text that the reply continues."""
        return self.context.prefix

    @property
    def parent(self) -> int:
        """The number of the turn before."""
        return self.context.parent

    @property
    def seed(self) -> int:
        """The seed of the reply."""
        return self.config.seed

    @property
    def full_text(self) -> str:
        """The reply after the text that it continues."""
        return self.context.prefix + self.reply

    @property
    def truncated(self) -> bool:
        """True if the length limit or the user ended the reply, not the model."""
        return self.stopped in ("length", "interrupted")


def preview(text: str) -> str:
    """Return the first characters of `text` on one line."""
    line = " ".join(text.split())
    return line if len(line) <= PREVIEW_CHARS else f"{line[: PREVIEW_CHARS - 1]}…"
