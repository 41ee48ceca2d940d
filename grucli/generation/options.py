"""Options of text generation: one row per option, the source of every other description.

A field of `GenerationConfig` and its row give the check of its values, the option of `gru sample` and `gru chat`, the
setting of a chat (`/temp`, `/set`, `/help`), the arguments of `/cmd`, and what conflicts with --beam. To add an
option, add one row here and the code that obeys it. This module loads neither NumPy nor Numba.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from grucli.errors import UsageError
from grucli.generation.dials import change_dials, check_dials, typed_removals
from grucli.generation.phrases import check_blocked, check_stops
from grucli.json_record import JsonRecord

if TYPE_CHECKING:
    from grucli.kernels.arrays import Float32

MAX_INT32 = (1 << 31) - 1
MAX_SEED = (1 << 63) - 1
RANDOM_SEED_RANGE = 10_000
"""Random seeds are below this: short enough to remember and type."""

TAIL_CHARS = 256
"""Characters of generated text that a `State` keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationOption:
    """One option: what it accepts, and how help describes it.

    `name`, `kind` (int, float or tuple, for a list of texts) and `default` are those of its field in
    `GenerationConfig`. The range is `minimum` to `maximum`, without `minimum` where `above_minimum`.
    """

    help: str
    chat_help: str = ""
    """Help of the chat setting; that of the option by default."""
    chat_name: str = ""
    """Name of the chat setting; that of the option by default."""
    chat_details: str = ""
    """What `/help NAME` adds to the help of the chat setting."""
    chat_example: str = ""
    """A value to try, which `/help NAME` shows."""
    examples: tuple[str, ...] = ()
    """Values that Tab offers in a chat."""

    minimum: float = 0
    maximum: float = MAX_INT32
    above_minimum: bool = False
    off: float | None = None
    """The value that disables the option."""
    in_replies: float | None = None
    """The default of replies by a model of conversations that reads whole words, if it is another one."""
    unused_by_beam: bool = False

    # Lists of texts
    item_help: str = ""
    """Where given, --NAME takes a file with one text per line, and --NAME-word, with this help, one text."""
    check_texts: Callable[[Sequence[str]], None] | None = None
    when_set: str = ""
    """How a chat confirms a list of texts, before the texts."""
    when_empty: str = ""
    """How a chat confirms an empty list."""
    metavar: str = ""
    """What stands for one text in help."""
    chat_metavar: str = "TEXT"
    """The same in a chat."""
    show_text: Callable[[str], str] = repr
    """How a chat shows one text."""
    typed_removals: Callable[[Sequence[str]], tuple[str, ...]] = lambda texts: ()
    """What may be typed in a chat to remove one text."""
    change_texts: Callable[[Sequence[str], str], tuple[str, ...]] = lambda texts, text: (*texts, text)
    """The list after a text is typed in a chat."""

    name: str = ""
    kind: type = float
    default: Any = None

    @property
    def flag(self) -> str:
        """The option of the command line, without dashes."""
        return self.name.replace("_", "-")

    @property
    def item_flag(self) -> str:
        """The option that takes one text of a list, without dashes."""
        return f"{self.flag}-word" if self.item_help else self.flag

    @property
    def type_name(self) -> str:
        """What a value is called: "a number"."""
        return "a whole number" if self.kind is int else "a number"

    def check(self, value: Any) -> None:
        """Validate one value.

        Raises:
            UsageError: the value is out of range; the option is named.
        """
        if self.check_texts is not None:
            self.check_texts(value)
        elif not (self.minimum <= value <= self.maximum) or (self.above_minimum and value == self.minimum):
            hint = f"{{{self.name}}} takes {self.type_name} {self._range()}"
            raise UsageError(f"{{{self.name}}} is {value}", hint, [self.name])

    def _range(self) -> str:
        low, high = (f"{limit}{' (off)' if limit == self.off else ''}" for limit in (self.minimum, self.maximum))
        return f"above {low}, up to {high}" if self.above_minimum else f"from {low} to {high}"


def _option(default: Any, help: str, **row: Any) -> Any:  # noqa: A002 - the name that argparse, Click and Typer use
    return field(default=default, metadata={"row": GenerationOption(help=help, **row)})


@dataclass(frozen=True, slots=True)
class GenerationConfig:
    """How text is generated.

    Top-k, top-p and min-p apply after the temperature. Mirostat is version 2 (Basu 2021, arXiv:2007.14966).
    `relevance` is classifier-free guidance (Sanchez 2023, arXiv:2306.17806) with scale 1 / (1 - relevance): it
    penalizes tokens that are as likely without the turn before (Li 2016, arXiv:1510.03055). `stop` ends a sample and is
    not a part of it. `block` holds phrases in any case; `word*` blocks all words with a prefix.

    Raises:
        UsageError: a value is out of range; the option is named.
    """

    temp: float = _option(
        0.8, "Sampling temperature; 0 is greedy.",
        chat_help="temperature (0.2 conservative, 1.5 wild)",
        chat_details="Below 1 it sharpens the distribution, above 1 it flattens it; 0 takes the likeliest token.",
        chat_example="0.5",
        examples=("0.2", "0.5", "0.8", "1", "1.5"), maximum=100, in_replies=0.6, unused_by_beam=True,
    )  # fmt: skip
    top_k: int = _option(
        0, "Sample from the K most likely tokens; 0 disables.",
        examples=("0", "10", "40", "100"), off=0, unused_by_beam=True,
    )  # fmt: skip
    top_p: float = _option(
        1.0, "Nucleus sampling threshold; 1 disables.",
        examples=("0.5", "0.9", "0.95", "1"), above_minimum=True, maximum=1, off=1, unused_by_beam=True,
    )  # fmt: skip
    min_p: float = _option(
        0.0, "Minimum probability relative to the most likely token; 0 disables.",
        examples=("0", "0.02", "0.05", "0.1"), maximum=1, off=0, unused_by_beam=True,
    )  # fmt: skip
    repeat_penalty: float = _option(
        1.0, "Penalty for the last 64 tokens; 1 disables.",
        examples=("1", "1.1", "1.3"), above_minimum=True, maximum=100, off=1, in_replies=1.2,
    )  # fmt: skip
    max_chars: int = _option(
        500, "Maximum length in characters.",
        chat_name="max", examples=("100", "200", "500", "1000", "2000"), minimum=1,
    )  # fmt: skip
    min_chars: int = _option(
        1, "Minimum length in characters.", chat_name="min", examples=("1", "20", "50", "100")
    )  # fmt: skip
    seed: int = _option(
        0, "Random seed; increased by one per sample or reply.",
        chat_help="random seed of the next reply", chat_details="Each reply increases it by one.", chat_example="42",
        maximum=MAX_SEED, unused_by_beam=True,
    )  # fmt: skip
    mirostat: float = _option(
        0.0, "Mirostat 2.0 target (bits per token); 0 disables.",
        chat_details="It adjusts a bound on the surprisal of each token so that the mean stays at N bits.",
        chat_example="3",
        examples=("0", "1", "2", "3"), maximum=100, off=0, unused_by_beam=True,
    )  # fmt: skip
    relevance: float = _option(
        0.0, "Penalty of generic replies; 0 disables.",
        chat_details="It subtracts N times the log probability that a token has without your last line. Replies that "
        "fit any line, such as 'I don't know', become rarer; a high value makes replies odd.", chat_example="0.3",
        examples=("0", "0.2", "0.3", "0.5"), maximum=0.99, off=0, in_replies=0.3,
    )  # fmt: skip
    best_of: int = _option(
        1, "Generate N and keep the best; 1 disables.",
        chat_details="Of N replies it shows the one that /best ranks first, when all are complete. 1 streams a reply "
        "as it is generated.",
        chat_example="8", examples=("1", "4", "8", "16"), minimum=1, maximum=100, off=1, in_replies=16,
        unused_by_beam=True,
    )  # fmt: skip
    stop: tuple[str, ...] = _option(
        (), r"Stop string; \n is a newline, \t a tab, \\ a backslash; repeatable.",
        chat_help=r"add a stop string (\n is a newline); /stop off removes all",
        chat_details=r"It is not a part of the reply. \n is a newline, \\ a backslash.", chat_example=r"\n",
        check_texts=check_stops, when_set="ends at", when_empty="no stop strings",
    )  # fmt: skip
    block: tuple[str, ...] = _option(
        (), "File of words and phrases to block, one per line.",
        item_help="Word or phrase to block; word* blocks a prefix; repeatable.",
        chat_help="block a word or phrase (word*: a prefix); /block off removes all",
        chat_details="Upper and lower case are the same; word* blocks all words that begin so.", chat_example="damn*",
        check_texts=check_blocked, when_set="never says", when_empty="nothing is blocked",
    )  # fmt: skip
    dial: tuple[str, ...] = _option(
        (), "Hold unit N of layer L at a value from -1 to 1; repeatable.",
        metavar="L:N=VALUE", chat_metavar="L:N VALUE",
        chat_help="hold unit N of layer L at a value; /dial L:N off, /dial off",
        chat_details="While the model writes, the unit's output has that value, from -1 to 1, after each token. Layers "
        "count from 1, units from 0. Of an LSTM the output is held, not the cell. Texts are read without it.",
        chat_example="1:20 0.9",
        check_texts=check_dials, when_set="holds", when_empty="no unit is held",
        show_text=str, typed_removals=typed_removals, change_texts=change_dials,
    )  # fmt: skip
    beam: int = _option(
        0, "Beam width; 0 disables beam search.",
        chat_details="It finds the most likely reply; temperature, cut-offs, mirostat and seed have no effect.",
        chat_example="8", examples=("0", "4", "16"), maximum=256, off=0,
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Check every value."""
        for option in OPTIONS:
            option.check(getattr(self, option.name))
        if self.min_chars > self.max_chars:
            hint = "{min_chars} takes a whole number up to {max_chars}"
            raise UsageError(f"{{min_chars}} is {self.min_chars}", hint, ["min_chars", "max_chars"])


OPTIONS: tuple[GenerationOption, ...] = tuple(
    replace(
        each.metadata["row"],
        name=each.name,
        kind=each.type if each.type in (int, float) else tuple,
        default=each.default,
    )
    for each in fields(GenerationConfig)
)
"""The table of generation options, in the order in which help lists them."""


def default_config(*, conversations: bool, tokenizer: str) -> GenerationConfig:
    """Return how a model replies unless told otherwise; tokenizer: its kind.

    The defaults of replies were chosen by reading what a model of subwords replies. Characters are so often repeated
    that their repetition must not be penalized.
    """
    if not conversations or tokenizer == "char":
        return GenerationConfig()
    values: dict[str, Any] = {each.name: each.in_replies for each in OPTIONS if each.in_replies is not None}
    return GenerationConfig(**values)


def replace_defaults(config: GenerationConfig, before: GenerationConfig, now: GenerationConfig) -> GenerationConfig:
    """Return a config that has the value of `now` for every option that has that of `before`; the seed stays."""
    unset = (each.name for each in OPTIONS if getattr(config, each.name) == getattr(before, each.name))
    return replace(config, **{name: getattr(now, name) for name in unset if name != "seed"})


def random_seed() -> int:
    """Choose a seed where the user gave none."""
    return int.from_bytes(os.urandom(8)) % RANDOM_SEED_RANGE


def later_seed(seed: int, count: int) -> int:
    """Return the seed `count` after another one; the one after MAX_SEED is 0."""
    return (seed + count) % (MAX_SEED + 1)


@dataclass(frozen=True, slots=True)
class State:
    """The memory of a model, immutable: hidden state float32 [L, S·H] and the next input token.

    What the network does not need: tail, the last TAIL_CHARS characters of the turn, in which a blocked phrase may
    begin; turn_start, the state at the beginning of the turn; without_turn, the one that this would be if the turn
    before had not been said, None if there is none. Guidance compares with a reply that begins there.
    """

    hidden: "Float32"
    last_token: int
    tail: str = ""
    turn_start: "State | None" = None
    without_turn: "State | None" = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A text to learn from: the state before it, and the token that ends it, None if there is none."""

    state: State
    text: str
    end: int | None = None


@dataclass(frozen=True, slots=True)
class TextChunk(JsonRecord):
    """One chunk of a stream: text, number of tokens, and their negative log-likelihood at temperature 1 in nats."""

    text: str
    tokens: int
    nats: float


@dataclass(frozen=True, slots=True)
class Sample(JsonRecord):
    """A generated text. stopped: "end", "turn", "length", "stop", or "interrupted" before its end.

    bits_per_char: of all generated text, end token and stop string included, under the model at temperature 1.
    """

    text: str
    prompt: str
    seed: int
    tokens: int
    bits_per_char: float
    stopped: str


@dataclass(frozen=True, slots=True)
class TokenProb(JsonRecord):
    """A candidate for the next token: its text ("" for the end of a text or turn), probability and id."""

    text: str
    probability: float
    token: int


@dataclass(frozen=True, slots=True)
class TokenSurprisal(JsonRecord):
    """A part of a text, and -log2 of its probability at temperature 1 after the text before it."""

    text: str
    bits: float


@dataclass(frozen=True, slots=True)
class GateActivations(JsonRecord):
    """A part of a text, and the mean of each layer's gates when it was read, first layer first.

    means: by the names of `Cell.gate_labels`, the most informative gate first; empty for a cell without gates.
    """

    text: str
    means: Mapping[str, tuple[float, ...]]
