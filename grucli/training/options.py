"""The options of `gru train`, each described once: name, type, range and help. Imports nothing heavy.

`TrainOptions` is what was given; `Hyperparameters` and `Budget` are what it resolves to, and are saved in checkpoints.
"""

from collections.abc import Sequence
from dataclasses import MISSING, InitVar, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_args

from grucli.errors import UsageError, pluralize
from grucli.model.cells import CELLS
from grucli.read.schema import ReadOptions

MAX_MINUTES = 10.0
"""Minutes of training after which a run without a budget ends."""

PATIENCE = 5
"""Evaluations without a better validation loss after which a run without a budget stops early."""

DEFAULT_NUM_EVALS = 20
"""Evaluations per run unless --eval-every is given."""

_MAX_NAME_CHARS = 48
_CHOSEN = "by text and time"


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`; an open end excludes the bound itself."""

    low: int
    high: int
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        """Return True if `value` is within both bounds."""
        is_above = self.low < value if self.open_low else self.low <= value
        return is_above and (value < self.high if self.open_high else value <= self.high)

    def __str__(self) -> str:
        """Describe the range in words."""
        if self.open_low or self.open_high:
            low, high = "above" if self.open_low else "from", "below" if self.open_high else "up to"
            return f"{low} {self.low}, {high} {self.high}"
        return f"from {self.low} to {self.high}"


@dataclass(frozen=True)
class OptionSpec:
    """How an option is declared and checked; `default` says what is used without it."""

    help: str
    within: Range | None = None
    choices: tuple[str, ...] = ()
    default: str | None = None
    flag: str = ""
    metavar: str | None = None


def option_field(help_text: str, within: Range | None = None, **details: Any) -> Any:
    """Return a field of `TrainOptions` or a subclass: an option with its description, None if not given."""
    return field(default=None, metadata={"spec": OptionSpec(help_text, within, **details)})


def switch_field(help_text: str) -> Any:
    """Return a field of `TrainOptions` or a subclass: an option without a value, False if not given."""
    return field(default=False, metadata={"spec": OptionSpec(help_text)})


_SIZE = Range(1, 1 << 14)
_STEPS = Range(1, (1 << 40) - 1)
_FRACTION = Range(0, 1, open_high=True)


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """The options of `gru train`; None is an option that was not given."""

    sources: Sequence[str]
    """Corpus files; a single one may stand alone."""
    name: str | None = option_field("Model name.", default="from the corpus file name")
    cell: str | None = option_field("Recurrent cell.", choices=tuple(CELLS))
    hidden: int | None = option_field("Units per layer.", Range(1, 1 << 13))
    layers: int | None = option_field("Number of layers.", Range(1, 64))
    embed: int | None = option_field("Embedding size.", _SIZE)
    tokenizer: str | None = option_field("Tokenizer.", choices=("char", "word", "subword"), default="by the text")
    vocab: int | None = option_field("Maximum vocabulary size.", Range(4, 1 << 20), default="chosen by the tokenizer")
    tied: bool | None = option_field(
        "Share the embedding and output weights.", flag="--tied/--no-tied", default="by the tokenizer"
    )
    batch: int | None = option_field("Batch size.", _SIZE, default="by the tokenizer")
    seq: int | None = option_field("Sequence length in tokens.", _SIZE)
    lr: float | None = option_field("Peak learning rate.", Range(0, 100, open_low=True), default="by the tokenizer")
    weight_decay: float | None = option_field("Weight decay.", Range(0, 10), default="by the text")
    dropout: float | None = option_field("Dropout probability.", _FRACTION, default="increases with the epochs")
    embed_dropout: float | None = option_field("Embedding dropout.", _FRACTION, default="increases with --dropout")
    steps: int | None = option_field("Number of steps.", _STEPS)
    epochs: float | None = option_field("Number of epochs.", Range(0, 10**9, open_low=True, open_high=True))
    minutes: float | None = option_field(
        "Minutes of training, without compiling.", Range(0, 10**7, open_low=True, open_high=True)
    )
    val: float | None = option_field("Validation fraction; 0 disables.", _FRACTION)
    val_file: str | None = option_field("Validation corpus, instead of a fraction.", metavar="FILE")
    eval_every: int | None = option_field("Evaluate every N steps.", _STEPS)
    seed: int | None = option_field("Random seed.", Range(0, (1 << 63) - 1))
    threads: int | None = option_field("Number of threads.", Range(1, (1 << 31) - 1), default="all cores")
    resume: bool = switch_field("Resume the last run.")
    force: bool = switch_field("Replace an existing model.")
    start_from: str | None = option_field(
        "Model to adapt, or 'nothing'.", flag="--from", metavar="MODEL", default="packaged for small corpora"
    )
    read: ReadOptions = field(default_factory=ReadOptions)
    """How to read the sources, and `val_file`."""
    column: InitVar[str | None] = None
    """The column of the text, in place of the one that `read` names."""

    def __post_init__(self, column: str | None) -> None:
        """Check every value.

        Raises:
            UsageError: a value is out of range, the flag is named; or there is no source.
        """
        if isinstance(self.sources, str):
            object.__setattr__(self, "sources", (self.sources,))
        if not self.sources:
            raise UsageError("no corpus given", "name at least one file")
        object.__setattr__(self, "read", self.read.with_column(column))
        check_options(self)

    def model_name(self) -> str:
        """Return the name that was given, or one made from the file name of the first corpus."""
        if self.name is not None:
            return self.name
        stem = Path(self.sources[0]).name.split(".")[0] if self.sources[0] != "-" else "stdin"
        sanitized = "".join(char if char.isascii() and (char.isalnum() or char in "_-") else "-" for char in stem)
        return sanitized.strip("-_")[:_MAX_NAME_CHARS] or "model"


def check_options(values: object) -> None:
    """Check every attribute of `values` that is named as an option.

    Raises:
        UsageError: a value is out of range, the flag is named.
    """
    options_type = type(values) if isinstance(values, TrainOptions) else TrainOptions
    types = {option.name: option.type for option in fields(options_type)}
    for name, spec in option_specs(options_type).items():
        value = getattr(values, name, None)
        if value is None:
            continue
        if spec.choices and value not in spec.choices:
            raise UsageError(f"{spec.flag} is {value}", f"{spec.flag} takes one of: {', '.join(spec.choices)}")
        if spec.within is not None and value not in spec.within:
            kind = "a whole number" if int in get_args(types[name]) else "a number"
            raise UsageError(f"{spec.flag} is {value}", f"{spec.flag} takes {kind} {spec.within}")


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """Everything that decides what a run computes, apart from its corpus and its budget.

    Unless it is given, what has no default is chosen by the model that the run starts from and
    `grucli.training.adaptation`, or from scratch by `grucli.training.recipe`, and the tokenizer by `grucli.text`.
    `vocab` None leaves the size to the tokenizer, `dropout` and `embed_dropout` None the probability to the length of
    the run.
    """

    cell: str = "gru"
    hidden: int
    layers: int = 1
    embed: int
    tokenizer: str
    vocab: int | None = None
    tied: bool
    batch: int
    seq: int = 64
    lr: float
    weight_decay: float
    dropout: float | None = None
    embed_dropout: float | None = None
    val: float = 0.1
    seed: int = 0
    optimizer: str = "adamw"


@dataclass(frozen=True, kw_only=True)
class Budget:
    """When a run ends: at most one is set. Without one it stops early, or after `MAX_MINUTES`."""

    steps: int | None = None
    epochs: float | None = None
    minutes: float | None = None

    @property
    def is_set(self) -> bool:
        """Return True if there is a limit."""
        return self != Budget()

    @property
    def is_timed(self) -> bool:
        """Return True if the run ends by the clock at the latest."""
        return self.steps is None and self.epochs is None

    @property
    def max_minutes(self) -> float:
        """Minutes after which a run ends that `is_timed`."""
        return MAX_MINUTES if self.minutes is None else self.minutes

    def describe(self, *, has_val: bool) -> str:
        """Describe the budget in a phrase; without validation text (`has_val`) no run stops early."""
        if self.steps is not None:
            return pluralize(self.steps, "step")
        if self.epochs is not None:
            return f"{self.epochs:g} epoch{'' if self.epochs == 1 else 's'}"
        if self.minutes is not None:
            # "about": the number of steps is fixed early, from the speed measured until then.
            return f"about {describe_minutes(self.minutes)} of training"
        if not has_val:
            return f"about {describe_minutes(MAX_MINUTES)} of training"
        at_most = f"at most about {describe_minutes(MAX_MINUTES)}"
        return f"until the validation loss has not improved for {PATIENCE} evaluations, {at_most}"


def option_specs(options_type: type[TrainOptions] = TrainOptions) -> dict[str, OptionSpec]:
    """Return the description of each option by its name, with flag and default filled in."""
    defaults = {
        each.name: _CHOSEN if each.default is MISSING else str(each.default)
        for each in fields(Hyperparameters)
        if each.default is not None
    }
    return {
        option.name: replace(
            spec,
            flag=spec.flag or "--" + option.name.replace("_", "-"),
            default=spec.default or defaults.get(option.name),
        )
        for option in fields(options_type)
        if (spec := option.metadata.get("spec")) is not None
    }


def describe_minutes(minutes: float) -> str:
    """Return a length of time in words: a minute, 2.5 minutes."""
    return "a minute" if minutes == 1 else f"{minutes:g} minutes"


def budget_from(options: TrainOptions) -> Budget:
    """Return the budget that was given.

    Raises:
        UsageError: more than one was given.
    """
    given = [name for name in asdict(Budget()) if getattr(options, name) is not None]
    if len(given) > 1:
        raise UsageError(f"--{given[0]} and --{given[1]} cannot be used together", "use one of them")
    return Budget(steps=options.steps, epochs=options.epochs, minutes=options.minutes)


def check_exclusive(options: TrainOptions) -> None:
    """Check that all given options can be used together.

    Raises:
        UsageError: two options cannot be used together.
    """
    if options.resume and options.force:
        raise UsageError("--resume and --force cannot be used together", "use --force to start again from step 0")
    if options.resume and options.start_from is not None:
        raise UsageError("--resume and --from cannot be used together", "use --from with another --name")
    if options.val and options.val_file is not None:
        raise UsageError("--val and --val-file cannot be used together", "use one of them")


def given_hparams(options: TrainOptions) -> dict[str, Any]:
    """Return the hyperparameters that were given, by name. The optimizer is no option: there is only one."""
    values = {each.name: getattr(options, each.name, None) for each in fields(Hyperparameters)}
    return {name: value for name, value in values.items() if value is not None}


def changed_options(options: TrainOptions, hparams: Hyperparameters) -> list[str]:
    """Describe the options that were given and differ from `hparams`."""
    given = given_hparams(options).items()
    saved = asdict(hparams)
    return [contrast(name, value, "was", saved[name]) for name, value in given if value != saved[name]]


def contrast(name: str, given: object, verb: str, other: object) -> str:
    """Return an option as on a command line, and in parentheses the value that it has elsewhere."""
    if isinstance(other, bool):
        return f"{as_typed(name, given)} ({verb} {as_typed(name, other)})"
    return f"{as_typed(name, given)} ({verb} {f'{other:,}' if isinstance(other, int) else other})"


def as_typed(name: str, value: object) -> str:
    """Return an option with its value, as on a command line."""
    flag = "--" + name.replace("_", "-")
    return f"{flag} {value}" if not isinstance(value, bool) else flag if value else flag.replace("--", "--no-")
