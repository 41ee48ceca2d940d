"""The memory of a chat of thousands of replies: `python -m tests.end_to_end.soak [REPLIES]`.

One process with a model, a saved session and a screen, as `gru chat` is. Prints the memory at regular intervals, as
figures and as a curve.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console

from grucli.chat.session import Session
from grucli.chat.session_store import SessionStore
from grucli.chat.turns import ChatModel
from grucli.generation.options import GenerationConfig
from grucli.generation.sampler import Sampler
from grucli.model.config import ModelConfig, parameter_shapes
from grucli.model.weights import ModelCard, SavedModel
from grucli.text.tokenizers import train
from grucli.ui.chat.screen import ChatScreen

NUM_REPORTS = 20
USER_LINES = (
    "hello",
    "what do you think of it",
    "/regen",
    "a longer line, so that there is something to read",
    "/undo",
    "so",
)
OCCASIONAL_COMMANDS = (
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


class _NullTerminal:
    """A terminal that discards everything."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        return

    def isatty(self) -> bool:
        return True


class _SingleModelProvider:
    """One model."""

    def __init__(self) -> None:
        tokenizer = train("char", iter(["abcdefghijklmnopqrstuvwxyz ,'" * 2]))
        config = ModelConfig("gru", tokenizer.vocab_size, 16, 64, 1)
        rng = np.random.default_rng(0)
        shapes = parameter_shapes(config)
        arrays = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
        self._sampler = Sampler(SavedModel(config, tokenizer, arrays, ModelCard(conversations=True)))

    def names(self) -> list[str]:
        return ["soak"]

    def open(self, name: str | None) -> tuple[str, Sampler]:
        return "soak", self._sampler

    def is_pending(self, name: str) -> bool:
        return False

    def reload_if_changed(self, name: str) -> None:
        return None

    def save_as(self, name: str, model: ChatModel, source: str) -> None:
        raise NotImplementedError

    def sha256(self, name: str) -> str:
        return self._sampler.sha256


def memory_mb() -> float:
    """Return the resident memory of this process in MB, or where it is unknown the maximum so far."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    import resource

    max_rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return max_rss / 1e6 if sys.platform == "darwin" else max_rss / 1e3


def run_soak(replies: int, directory: Path) -> Iterator[tuple[int, float]]:
    """Yield the number of replies and the memory in MB, NUM_REPORTS times, until there are `replies`."""
    session = Session(
        _SingleModelProvider(), None, GenerationConfig(max_chars=60, seed=1), 0, store=SessionStore(directory)
    )
    screen = ChatScreen(session, Console(file=_NullTerminal(), force_terminal=True, width=80, height=24))  # type: ignore[arg-type]
    with session:
        for reply_count in range(1, replies + 1):
            screen.handle(USER_LINES[reply_count % len(USER_LINES)] if session.turns else USER_LINES[0])
            if reply_count % 25 == 0:
                screen.handle(OCCASIONAL_COMMANDS[reply_count // 25 % len(OCCASIONAL_COMMANDS)])
            if reply_count % 1000 == 0:
                screen.handle("/fork")
            if reply_count % max(replies // NUM_REPORTS, 1) == 0:
                yield reply_count, memory_mb()


def main() -> None:
    """Print the curve."""
    replies = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as directory:
        for reply_count, megabytes in run_soak(replies, Path(directory)):
            sys.stdout.write(f"{reply_count:>8,} replies  {megabytes:7.1f} MB  {'#' * round(megabytes / 4)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
