"""`python -m benchmarks.chat_rendering`: the cost of the chat screen.

The fraction of the time spent on rendering without a pace, redraws per second, and the latency from Enter to the first
character of a reply. It uses a real pseudo-terminal, whose other end another process reads. Needs pexpect, which the
extra `dev` installs.
"""

import os
import statistics
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
from rich.console import Console

from grucli.chat import commands
from grucli.chat.events import ChatEvent
from grucli.chat.session import Session
from grucli.generation.options import GenerationConfig
from grucli.generation.sampler import Sampler
from grucli.model.config import ModelConfig
from grucli.model.parameters import init_parameters
from grucli.model.weights import ModelCard, SavedModel, save_weights
from grucli.text.tokenizers import EOS, EOT
from grucli.text.tokenizers.char import CharTokenizer
from grucli.ui.chat import screen as chat_screen

REPLY_MARKER = "█"
"""The only text of the latency model, which is not in the prompt."""
WIDTH, HEIGHT = 80, 24
NUM_CHARS, NUM_ROUNDS, NUM_ENTERS = 200_000, 5, 30


def make_model(hidden: int, only_text: str) -> SavedModel:
    """Return an untrained model of one layer that never ends a reply and, if given, generates only `only_text`."""
    tokenizer = CharTokenizer(string.ascii_letters + string.digits + " .,'\n" + REPLY_MARKER)
    parameters = init_parameters(ModelConfig("gru", tokenizer.vocab_size, 64, hidden, 1), 0)
    parameters.views["out.b"][[EOS, EOT]] = -50.0
    if only_text:
        parameters.views["out.b"][tokenizer.encode(only_text)] = 50.0
    return SavedModel(parameters.sizes, tokenizer, parameters.views, ModelCard(conversations=True))


class SingleModelProvider:
    """One model."""

    def __init__(self, weights: SavedModel) -> None:
        self._sampler = Sampler(weights)

    def names(self) -> list[str]:
        """Its name."""
        return ["model"]

    def open(self, name: str | None) -> tuple[str, Sampler]:
        """The model."""
        return "model", self._sampler

    def reload_if_changed(self, name: str) -> None:
        """It never changes."""


class ModelTimer:
    """Times the model: what happens between two events of a session. Everything else is rendering.

    In CPU seconds of this thread, which do not depend on the load of the machine.
    """

    def __init__(self) -> None:
        self.model_seconds = 0.0

    def timed_handle_line(self, session: Session, line: str) -> Iterator[ChatEvent]:
        """Like `grucli.chat.commands.handle_line`."""
        events = commands.handle_line(session, line)
        while True:
            started_at = time.thread_time()
            event = next(events, None)
            self.model_seconds += time.thread_time() - started_at
            if event is None:
                return
            yield event


class CountingTerminal:
    """One end of a pseudo-terminal, which counts what is written; another process reads it."""

    encoding = "utf-8"

    def __init__(self) -> None:
        controller_fd, terminal_fd = os.openpty()
        self.reader = subprocess.Popen(
            ["cat"], stdin=controller_fd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(controller_fd)
        self._file = open(terminal_fd, "w", encoding="utf-8")  # noqa: PTH123, SIM115
        self.redraws = self.num_chars = 0

    def write(self, text: str) -> int:
        """Write and count."""
        self.redraws += text.count("\x1b[J")
        self.num_chars += len(text)
        return self._file.write(text)

    def flush(self) -> None:
        """Flush the terminal."""
        self._file.flush()

    def isatty(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Close the terminal, which ends the other process."""
        self._file.close()
        self.reader.wait()


def measure_rendering(hidden: int, line: str) -> dict[str, float]:
    """Render a reply of NUM_CHARS characters without a pace; for `/spread`, one in each column."""
    terminal, timer = CountingTerminal(), ModelTimer()
    session = Session(SingleModelProvider(make_model(hidden, "")), None, GenerationConfig(max_chars=NUM_CHARS), 0)
    console = Console(file=terminal, force_terminal=True, width=WIDTH, height=HEIGHT)  # type: ignore[arg-type]
    screen = chat_screen.ChatScreen(session, console)
    session.config = GenerationConfig(max_chars=1000)
    screen.handle("hi")
    screen.handle(line)
    session.config = GenerationConfig(max_chars=NUM_CHARS)
    chat_screen.handle_line = timer.timed_handle_line  # type: ignore[attr-defined]
    redraws, started_at, cpu_seconds = terminal.redraws, time.perf_counter(), time.thread_time()
    screen.handle(line)
    elapsed, cpu_seconds = time.perf_counter() - started_at, time.thread_time() - cpu_seconds
    chat_screen.handle_line = commands.handle_line  # type: ignore[attr-defined]
    terminal.close()
    columns = line.count(" ") or 1
    return {
        "characters/s": columns * NUM_CHARS / elapsed,
        "rendering fraction": 1 - timer.model_seconds / cpu_seconds,
        "redraws/s": (terminal.redraws - redraws) / elapsed,
    }


def measure_latency(hidden: int) -> list[float]:
    """Return the seconds from Enter to the first character of each reply, in `gru chat` itself."""
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "small.safetensors"
        save_weights(path, make_model(hidden, REPLY_MARKER))
        environment = {**os.environ, "TERM": "xterm-256color"}
        chat = pexpect.spawn(
            sys.executable, ["-m", "grucli", "chat", str(path), "--max-chars", "40", "--pace", "0"],
            env=environment, dimensions=(HEIGHT, WIDTH), encoding="utf-8", timeout=120,
        )  # fmt: skip
        chat.delaybeforesend = None
        chat.expect("/help")
        latencies = []
        for _ in range(NUM_ENTERS):
            time.sleep(0.3)
            chat.send("how are you")
            time.sleep(0.2)
            started_at = time.perf_counter()
            chat.send("\r")
            chat.expect(REPLY_MARKER)
            latencies.append(time.perf_counter() - started_at)
            chat.expect("temp 0.8")
        chat.sendeof()
        chat.expect(pexpect.EOF)
    return latencies


def main() -> None:
    """Measure and print a table."""
    print("| what | median | min | max |\n| --- | --- | --- | --- |")
    for name, line in (("a reply", "hi"), ("three columns", "/spread 0.5 0.8 1.1")):
        rounds: list[dict[str, Any]] = [measure_rendering(256, line) for _ in range(NUM_ROUNDS)]
        for metric, number_format in (("characters/s", ",.0f"), ("rendering fraction", ".1%"), ("redraws/s", ".1f")):
            values = [each[metric] for each in rounds]
            print(f"| {name}: {metric} | {_format_row(values, number_format)} |", flush=True)
    latencies = _format_row([1000 * seconds for seconds in measure_latency(256)], ".1f")
    print(f"| from Enter to the first character, ms | {latencies} |")


def _format_row(values: list[float], number_format: str) -> str:
    return " | ".join(format(value, number_format) for value in (statistics.median(values), min(values), max(values)))


if __name__ == "__main__":
    main()
