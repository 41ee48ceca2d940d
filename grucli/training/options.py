"""What a run is asked to be: the options as they were given, and the recipe they become with the defaults filled in."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from grucli.errors import UsageError
from grucli.model.cells import CELLS
from grucli.text.tokenizers import KINDS

MAX_MINUTES = 10.0
"""The length of a run that was given no limit and does not settle earlier."""

PATIENCE = 5
"""Evaluations without a better held-out loss after which such a run has settled."""

DEFAULT_NUM_EVALS = 20
"""How often a run is evaluated where nothing else was asked for."""


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """The options of `gru train`; None is an option that was not given."""

    sources: Sequence[str]
    name: str | None = None
    cell: str | None = None
    hidden: int | None = None
    layers: int | None = None
    embed: int | None = None
    tokenizer: str | None = None
    vocab: int | None = None
    batch: int | None = None
    seq: int | None = None
    lr: float | None = None
    dropout: float | None = None
    steps: int | None = None
    epochs: float | None = None
    minutes: float | None = None
    val: float | None = None
    val_file: str | None = None
    eval_every: int | None = None
    seed: int | None = None
    threads: int | None = None
    column: str | None = None
    resume: bool = False
    force: bool = False
    start_from: str | None = None

    def model_name(self) -> str:
        """The name that was given, or one made of the first corpus' file name."""
        if self.name is not None:
            return self.name
        stem = Path(self.sources[0]).name.split(".")[0] if self.sources[0] != "-" else "stdin"
        sanitized = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "_-") else "-" for sign in stem)
        return sanitized.strip("-_")[:48] or "model"


class Hyperparameters(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides what a run computes, apart from its corpus and its limit. Kept in the checkpoint.

    `vocab` and `dropout` are None where they are left to the tokenizer and to the length of the run.
    """

    cell: str = "gru"
    hidden: int = 512
    layers: int = 1
    embed: int = 64
    tokenizer: str = "char"
    vocab: int | None = None
    batch: int = 64
    seq: int = 64
    lr: float = 4e-3
    dropout: float | None = None
    val: float = 0.1
    seed: int = 0


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """When a run ends; at most one is not None, and with none it ends when it has settled, or after `MOST_MINUTES`."""

    steps: int | None = None
    epochs: float | None = None
    minutes: float | None = None

    @property
    def is_set(self) -> bool:
        """Whether there is one."""
        return self != Budget()

    def describe(self, *, has_val: bool) -> str:
        """The limit in a phrase. `measured`: there is held-out text, without which no run can settle."""
        if self.steps is not None:
            return f"{self.steps:,} steps"
        if self.epochs is not None:
            return f"{self.epochs:g} epoch{'' if self.epochs == 1 else 's'}"
        if self.minutes is not None:
            # The number of steps is settled early, at the speed that was measured then.
            return f"about {'a minute' if self.minutes == 1 else f'{self.minutes:g} minutes'} of training"
        if not has_val:
            return f"about {MAX_MINUTES:g} minutes of training"
        at_most = f"at most about {MAX_MINUTES:g} minutes"
        return f"until the held-out loss has not improved for {PATIENCE} evaluations, {at_most}"


def _check_ranges(options: TrainOptions) -> None:
    max_vocab = 1 << 20
    for flag, value, fits, allowed in (
        ("cell", options.cell, lambda v: v in CELLS, f"one of: {', '.join(CELLS)}"),
        ("tokenizer", options.tokenizer, lambda v: v in KINDS, f"one of: {', '.join(KINDS)}"),
        ("hidden", options.hidden, lambda v: 1 <= v <= 1 << 13, "a whole number from 1 to 8192"),
        ("layers", options.layers, lambda v: 1 <= v <= 64, "a whole number from 1 to 64"),
        ("embed", options.embed, lambda v: 1 <= v <= 1 << 14, "a whole number from 1 to 16384"),
        ("vocab", options.vocab, lambda v: 4 <= v <= max_vocab, f"a whole number from 4 to {max_vocab}"),
        ("batch", options.batch, lambda v: 1 <= v <= 1 << 14, "a whole number from 1 to 16384"),
        ("seq", options.seq, lambda v: 1 <= v <= 1 << 14, "a whole number from 1 to 16384"),
        ("lr", options.lr, lambda v: 0 < v <= 100, "a number above 0 and up to 100, such as 0.004"),
        ("dropout", options.dropout, lambda v: 0 <= v < 1, "a number from 0 up, below 1"),
        ("steps", options.steps, lambda v: 1 <= v < 1 << 40, "a whole number from 1 to 1099511627775"),
        ("epochs", options.epochs, lambda v: 0 < v < 1e9, "a number above 0 and below 1000000000"),
        ("minutes", options.minutes, lambda v: 0 < v < 1e7, "a number above 0 and below 10000000"),
        ("val", options.val, lambda v: 0 <= v < 1, "a share from 0 (hold nothing out) up, below 1"),
        (
            "eval-every",
            options.eval_every,
            lambda v: 1 <= v < 1 << 40,
            "a whole number of steps from 1 to 1099511627775",
        ),
        ("seed", options.seed, lambda v: 0 <= v < 1 << 63, "a whole number from 0 to 9223372036854775807"),
    ):
        if value is not None and not fits(value):
            raise UsageError(f"--{flag} is {value}", f"--{flag} takes {allowed}")


def budget_from(options: TrainOptions) -> Budget:
    """The limit that was asked for.

    Raises:
        UsageError: two were.
    """
    given = [flag for flag in ("steps", "epochs", "minutes") if getattr(options, flag) is not None]
    if len(given) > 1:
        raise UsageError(f"--{given[0]} and --{given[1]} were both given", "give one limit")
    return Budget(steps=options.steps, epochs=options.epochs, minutes=options.minutes)


def hparams_from(options: TrainOptions) -> Hyperparameters:
    """The recipe of a new run.

    Raises:
        UsageError: a value out of range, or options that exclude each other.
    """
    _check_ranges(options)
    if options.resume and options.force:
        raise UsageError("--resume and --force were both given", "--resume goes on, --force begins anew: choose one")
    if options.resume and options.start_from is not None:
        raise UsageError("--resume and --from were both given", "--from begins a new model: give it another --name")
    if options.val and options.val_file is not None:
        raise UsageError("--val and --val-file were both given", "choose one")
    given = {
        field: getattr(options, field)
        for field in Hyperparameters.__struct_fields__
        if getattr(options, field) is not None
    }
    return Hyperparameters(**given)


def changed_options(options: TrainOptions, hparams: Hyperparameters) -> list[str]:
    """Options that were given and are not those of `recipe`, in words."""
    return [
        f"--{field} {getattr(options, field)} (it has {getattr(hparams, field)})"
        for field in Hyperparameters.__struct_fields__
        if getattr(options, field) is not None and getattr(options, field) != getattr(hparams, field)
    ]
