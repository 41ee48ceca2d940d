"""The options of `gru compare`: those of training, which all cells share, and a few of its own."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grucli.errors import UsageError, quote
from grucli.model.cells import CELLS
from grucli.training.options import (
    Budget,
    Range,
    TrainOptions,
    budget_from,
    check_exclusive,
    option_field,
    switch_field,
)

DEFAULT_CELLS = ("rnn", "gru", "lstm")
DEFAULT_SEEDS = 3
DEFAULT_MINUTES = 2.0

RATE_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Learning rates of a search, relative to that of the recipe."""

MAX_SEEDS = 100


@dataclass(frozen=True, kw_only=True)
class CompareOptions(TrainOptions):
    """The options of `gru compare`; None is an option that was not given.

    `hidden` is that of a gru: the other cells get as many parameters. `seed` is the first one. The names of the models
    begin with `name`.
    """

    cells: Sequence[str] | None = None
    """The cells, separated by commas or a sequence of names; the others are compared with the first."""
    seeds: int | None = option_field("Number of seeds.", Range(1, MAX_SEEDS), default=str(DEFAULT_SEEDS))
    tune: bool = switch_field("Search the learning rate of each cell first.")
    rate_factors: Sequence[float] = RATE_FACTORS
    """Learning rates of the search, relative to the one that is given or that of the recipe."""
    directory: Path | None = None
    """Where the comparison is kept with its runs; None keeps it in that of its name, and the runs as models."""

    def __post_init__(self, column: str | None) -> None:
        """Check every value.

        Raises:
            UsageError: a value is out of range, or two options cannot be used together.
        """
        super().__post_init__(column)
        if self.cell is not None or self.start_from is not None:
            flag = "--cell" if self.cell is not None else "--from"
            raise UsageError(f"{flag} cannot be used in a comparison", "name the cells with --cells")
        if self.val == 0:
            raise UsageError("--val is 0", "a comparison needs validation data: use a fraction above 0")
        if self.cells is not None:
            object.__setattr__(self, "cells", _parse_cells(self.cells))
        check_exclusive(self)
        budget_from(self)

    def model_name(self) -> str:
        """Return `TrainOptions.model_name()`, or the name of `directory` if it is given."""
        return super().model_name() if self.directory is None else self.directory.name

    def budget(self) -> Budget:
        """Return the budget of one run."""
        budget = budget_from(self)
        return budget if budget.is_set else Budget(minutes=DEFAULT_MINUTES)


def _parse_cells(cells: str | Sequence[str]) -> tuple[str, ...]:
    names = tuple(cell.strip() for cell in (cells.split(",") if isinstance(cells, str) else cells))
    for name in names:
        if name not in CELLS:
            closest = difflib.get_close_matches(name, CELLS, n=1)
            known = f"choose from: {', '.join(CELLS)}"
            hint = f"did you mean '{closest[0]}'? Or {known}" if closest else known
            raise UsageError(f"--cells: unknown cell {quote(name)}", hint)
        if names.count(name) > 1:
            raise UsageError(f"--cells names '{name}' twice", "name each cell once")
    if len(names) < 2:
        raise UsageError("--cells names only one cell", "name at least two, such as --cells gru,lstm")
    return names
