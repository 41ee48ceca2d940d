"""A chat of thousands of replies, and how much memory it takes: `python -m tests.end_to_end.soak [REPLIES]`.

The whole of it in one process, as `gru chat` is: a model, a session that is kept in a file, a screen that is drawn.
Prints the memory after every so many replies, as figures and as a curve.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console

from grucli.chat.session import Session
from grucli.chat.session_store import Archive
from grucli.generation.sampler import Draw, Sampler
from grucli.model.config import Sizes, parameter_shapes
from grucli.model.weights import Card, Weights
from grucli.text.tokenizers import learn
from grucli.ui.chat.screen import ChatScreen

LOOKS = 20
LINES = (
    "hello",
    "what do you think of it",
    "/regen",
    "a longer line, so that there is something to read",
    "/undo",
    "so",
)
WHILES = (
    "/spread 0.5 1.0",
    "/best 3",
    "/peek",
    "/score what is that",
    "/gates",
    "/tree",
    "/history",
    "/cmd",
    "/temp 0.9",
)


class _Nowhere:
    """A terminal that remembers nothing."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        return

    def isatty(self) -> bool:
        return True


class _Shelf:
    """One model."""

    def __init__(self) -> None:
        tokenizer = learn("char", iter(["abcdefghijklmnopqrstuvwxyz ,'" * 2]))
        sizes = Sizes("gru", tokenizer.size, 16, 64, 1)
        random = np.random.default_rng(0)
        shapes = parameter_shapes(sizes)
        arrays = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
        self._sampler = Sampler(Weights(sizes, tokenizer, arrays, Card(conversations=True)))

    def names(self) -> list[str]:
        return ["soak"]

    def open(self, name: str | None) -> tuple[str, Sampler]:
        return "soak", self._sampler

    def to_come(self, name: str) -> bool:
        return False

    def newer(self, name: str) -> None:
        return None

    def sha256(self, name: str) -> str:
        return self._sampler.sha256


def memory() -> float:
    """What this process has in memory now, in MB; where that is not told, the most that it had."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most / 1e3


def soak(replies: int, folder: Path) -> Iterator[tuple[int, float]]:
    """Talk until so many replies were drawn; from time to time how many there are, and the memory in MB."""
    session = Session(_Shelf(), None, Draw(max_chars=60, seed=1), 0, archive=Archive(folder))
    screen = ChatScreen(session, Console(file=_Nowhere(), force_terminal=True, width=80, height=24))  # type: ignore[arg-type]
    with session:
        for number in range(1, replies + 1):
            screen.answer(LINES[number % len(LINES)] if session.turns else LINES[0])
            if number % 25 == 0:
                screen.answer(WHILES[number // 25 % len(WHILES)])
            if number % 1000 == 0:
                screen.answer("/fork")
            if number % max(replies // LOOKS, 1) == 0:
                yield number, memory()


def main() -> None:
    """Print the curve."""
    replies = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        for number, now in soak(replies, Path(folder)):
            sys.stdout.write(f"{number:>8,} replies  {now:7.1f} MB  {'#' * round(now / 4)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
