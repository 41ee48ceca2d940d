"""How text is drawn, and the values that go in and out of it: states, pieces, samples, and what is told of tokens."""

from dataclasses import dataclass

from grucli.errors import UsageError
from grucli.generation.phrase_matcher import check_blocked, check_stops
from grucli.json_record import JsonRecord
from grucli.kernels.arrays import Float32

MAX_BEAMS = 256
TAIL_CHARS = 256
"""Characters of a text that a state keeps."""


@dataclass(frozen=True, slots=True)
class GenerationConfig:
    """How text is drawn. The cut-offs see the distribution after the temperature; 0, 1 and 0 switch them off.

    `mirostat`: the surprise to aim at, in bits a token at temperature 1, by leaving out what surprises too much (Basu
    2021, version 2); 0: off. `relevance`: from 0 (off) to below 1, how much of what would be said to anything is taken
    off (Li 2016). `stop`: texts that end a sample and are no part of it. `block`: words and phrases that are never
    said, in any case; `word*` is all that begins so. `beam`: search for the likeliest text among so many at a time,
    instead of drawing one; temperature, cut-offs, mirostat and seed then mean nothing.

    Raises:
        UsageError: a value out of its range, by the name of its flag.
    """

    temp: float = 0.8
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    max_chars: int = 500
    min_chars: int = 1
    seed: int = 0
    mirostat: float = 0.0
    relevance: float = 0.0
    stop: tuple[str, ...] = ()
    block: tuple[str, ...] = ()
    beam: int = 0

    def __post_init__(self) -> None:
        """Check every value."""
        for flag, value, is_valid, allowed in (
            ("temp", self.temp, 0 <= self.temp <= 100, "a number from 0 to 100"),
            ("top-k", self.top_k, 0 <= self.top_k < 1 << 31, "a whole number from 0 (off) to 2147483647"),
            ("top-p", self.top_p, 0 < self.top_p <= 1, "a number above 0 and up to 1 (off)"),
            ("min-p", self.min_p, 0 <= self.min_p <= 1, "a number from 0 (off) to 1"),
            ("repeat-penalty", self.repeat_penalty, 0 < self.repeat_penalty <= 100, "a number above 0, up to 100"),
            ("max-chars", self.max_chars, 1 <= self.max_chars < 1 << 31, "a whole number from 1 to 2147483647"),
            ("min-chars", self.min_chars, 0 <= self.min_chars <= self.max_chars, "a whole number up to --max-chars"),
            ("seed", self.seed, 0 <= self.seed < 1 << 63, "a whole number from 0 to 9223372036854775807"),
            ("mirostat", self.mirostat, 0 <= self.mirostat <= 100, "a number of bits from 0 (off) to 100"),
            ("relevance", self.relevance, 0 <= self.relevance <= 0.99, "a number from 0 (off) to 0.99"),
            ("beam", self.beam, 0 <= self.beam <= MAX_BEAMS, f"a whole number from 0 (off) to {MAX_BEAMS}"),
        ):
            if not is_valid:
                raise UsageError(f"--{flag} is {value}", f"--{flag} takes {allowed}")
        check_stops(self.stop)
        check_blocked(self.block)


@dataclass(frozen=True, slots=True)
class State:
    """Everything a model remembers: `layers` [L, H], and the token it reads next. Never changed once made.

    `tail`, the last TAIL characters of this turn, is no part of what the network knows: a word that is blocked may have
    begun there, and `relevance` asks what the network would say after them alone.
    """

    hidden: Float32
    last_token: int
    tail: str = ""


@dataclass(frozen=True, slots=True)
class TextChunk(JsonRecord):
    """What one slice of a stream added: its text, its tokens, and -ln of their probability at temperature 1."""

    text: str
    tokens: int
    nats: float


@dataclass(frozen=True, slots=True)
class Sample(JsonRecord):
    """A text that was drawn. `stopped`: "end", "turn", "length", "stop", or "interrupted" while it was not over.

    `bits_per_char` is of all that was drawn, end token and stop included, under the model at temperature 1.
    """

    text: str
    prompt: str
    seed: int
    tokens: int
    bits_per_char: float
    stopped: str


@dataclass(frozen=True, slots=True)
class TokenProb(JsonRecord):
    """A token that may come next: the text it adds (none for the end of a text or turn), and how likely it is drawn."""

    text: str
    probability: float
    token: int


@dataclass(frozen=True, slots=True)
class TokenSurprisal(JsonRecord):
    """A part of a text, and -log2 of its probability at temperature 1, after what stands before it."""

    text: str
    bits: float


@dataclass(frozen=True, slots=True)
class GateActivations(JsonRecord):
    """A part of a text, and the mean of each layer's gates, the lowest first, when it was read.

    `update` is how much of the old state stayed, `reset` how much of it the new one was made from; each is empty where
    the cell has no such gate.
    """

    text: str
    update: tuple[float, ...]
    reset: tuple[float, ...]
