"""The results: files of JSON lines to which runs and speeds are appended."""

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from grucli.errors import GruError

RESULTS = Path(__file__).parents[1] / "results"


class RunKey(NamedTuple):
    """What tells runs apart; of several with the same key, the last counts."""

    recipe: str
    text: str
    minutes: float
    seed: int
    processor: str
    wall_clock: bool


class RunFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did.

    seconds: of training, without compiling and evaluating. nats_per_char: held out, at the end; best_nats_per_char: at
    the best evaluation. context_gain_bits: bits that a reply gains from the turns before it, where that is measured.
    """

    steps: int
    tokens: int
    parameters: int
    seconds: float
    nats_per_char: float
    best_nats_per_char: float
    context_gain_bits: float | None = None


class RecipeRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A finished run: its figures, or the `error` that ended it.

    options: those that it was trained with, the chosen ones included. processor: where its speed was measured. commit:
    of the code. bits_per_char, best_bits_per_char: the figures for readers of the file.
    """

    recipe: str
    text: str
    minutes: float
    seed: int
    processor: str
    options: dict[str, Any]
    commit: str
    date: str
    wall_clock: bool = False
    figures: RunFigures | None = None
    bits_per_char: float | None = None
    best_bits_per_char: float | None = None
    error: str | None = None

    @property
    def key(self) -> RunKey:
        """What tells it apart."""
        return RunKey(self.recipe, self.text, self.minutes, self.seed, self.processor, self.wall_clock)


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """The speed of a recipe on an idle machine, with all cores.

    given: the options of the recipe. options: those, and what the program chose for this text and these minutes. load:
    the load average before the measurement, None where the system does not tell.
    """

    recipe: str
    text: str
    minutes: float
    processor: str
    given: dict[str, Any]
    options: dict[str, Any]
    seconds_per_step: float
    load: float | None
    commit: str
    date: str

    @property
    def key(self) -> tuple[str, str, float, str]:
        """What tells it apart."""
        return self.recipe, self.text, self.minutes, self.processor


Line = TypeVar("Line", RecipeRun, Speed)


_LINE_NAMES = {RecipeRun: "run", Speed: "speed"}


def bits(nats: float) -> float:
    """Return an amount of information in bits."""
    return nats / math.log(2)


def read_lines(path: Path, kind: type[Line]) -> list[Line]:
    """Return the lines of a file, none if there is no file. What a killed process left of a last line does not count.

    Raises:
        GruError: a line is not of this kind.
    """
    data = path.read_bytes() if path.exists() else b""
    decoder, lines = msgspec.json.Decoder(kind), []
    for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), 1):
        try:
            lines.append(decoder.decode(line))
        except msgspec.MsgspecError as error:
            hint = "remove the line, or restore the file"
            raise GruError(f"'{path}', line {number}: not a {_LINE_NAMES[kind]}: {error}", hint) from error
    return lines


def append_line(path: Path, line: RecipeRun | Speed) -> None:
    """Append a line, and flush it to the disk. What a killed process left of a last line is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write(msgspec.json.encode(line) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def last_by_key(lines: Iterable[Line]) -> dict[Any, Line]:
    """Return the last line of each key."""
    return {line.key: line for line in lines}
