"""The options of `gru compare --suite`."""

import difflib
from dataclasses import dataclass

from grucli.comparison.options import DEFAULT_SEEDS, MAX_SEEDS
from grucli.errors import UsageError, quote
from grucli.training.options import Range

PAPERS = "papers"
DEFAULT_SUITE_MINUTES = 40.0


@dataclass(frozen=True, kw_only=True)
class SuiteOptions:
    """The options of `gru compare --suite`; None is an option that was not given.

    `minutes`: of all tasks together. `words_file`: a text for the tasks with words, which are skipped without one.
    `name`: that of the directory in which it is kept.
    """

    suite: str = PAPERS
    words_file: str | None = None
    name: str = PAPERS
    seeds: int | None = None
    minutes: float | None = None
    threads: int | None = None
    resume: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            UsageError: a value is out of range, or two options cannot be used together.
        """
        if self.suite != PAPERS:
            close = difflib.get_close_matches(self.suite, [PAPERS], n=1, cutoff=0.3)
            hint = f"did you mean '{PAPERS}'?" if close else f"use --suite {PAPERS}, the only one"
            raise UsageError(f"--suite: unknown suite {quote(self.suite)}", hint)
        if self.resume and self.force:
            raise UsageError("--resume and --force cannot be used together", "use --force to start again")
        for flag, value, kind, within in (
            ("--seeds", self.seeds, "a whole number", Range(1, MAX_SEEDS)),
            ("--minutes", self.minutes, "a number", Range(0, 10**7, open_low=True, open_high=True)),
            ("--threads", self.threads, "a whole number", Range(1, (1 << 31) - 1)),
        ):
            if value is not None and value not in within:
                raise UsageError(f"{flag} is {value}", f"{flag} takes {kind} {within}")

    @property
    def num_seeds(self) -> int:
        """The number of seeds of a new run."""
        return DEFAULT_SEEDS if self.seeds is None else self.seeds

    @property
    def total_minutes(self) -> float:
        """The minutes of a new run."""
        return DEFAULT_SUITE_MINUTES if self.minutes is None else self.minutes
