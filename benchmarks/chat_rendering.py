"""`python -m benchmarks.chat_rendering`: what the chat's screen costs.

Which share of the time goes into drawing when nothing holds the text back, how often the terminal is redrawn, and how
long it is from Enter to the first character of a reply. On a real pseudo-terminal, whose other end is read by a process
of its own. Needs pexpect, which the extra `dev` installs.
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
from grucli.chat.events import Event
from grucli.chat.session import Session
from grucli.generation.sampler import Draw, Sampler
from grucli.model.config import Sizes
from grucli.model.parameters import fresh_parameters
from grucli.model.weights import Card, Weights, save_weights
from grucli.text.tokenizers import END, TURN
from grucli.text.tokenizers.char import CharTokenizer
from grucli.ui.chat import screen as chat_screen

SEEN = "█"
"""What the model for the latency says and nobody types."""
WIDTH, HEIGHT = 80, 24
CHARACTERS, ROUNDS, ENTERS = 200_000, 5, 30


def model(hidden: int, says: str) -> Weights:
    """A model of one layer that has learnt nothing, never ends, and where `says` is given says nothing else."""
    tokenizer = CharTokenizer(string.ascii_letters + string.digits + " .,'\n" + SEEN)
    parameters = fresh_parameters(Sizes("gru", tokenizer.size, 64, hidden, 1), 0)
    parameters.views["out.b"][[END, TURN]] = -50.0
    if says:
        parameters.views["out.b"][tokenizer.encode(says)] = 50.0
    return Weights(parameters.sizes, tokenizer, parameters.views, Card(conversations=True))


class Shelf:
    """One model."""

    def __init__(self, weights: Weights) -> None:
        self._sampler = Sampler(weights)

    def names(self) -> list[str]:
        """Its name."""
        return ["model"]

    def open(self, name: str | None) -> tuple[str, Sampler]:
        """The model."""
        return "model", self._sampler

    def newer(self, name: str) -> None:
        """It never changes."""


class Stopwatch:
    """Times what happens between two events of a session: there the model works, everything else is drawing.

    In seconds of this thread, which a busy machine does not stretch.
    """

    def __init__(self) -> None:
        self.seconds = 0.0

    def hear(self, session: Session, line: str) -> Iterator[Event]:
        """As `grucli.chat.commands.hear`."""
        events = commands.hear(session, line)
        while True:
            began = time.thread_time()
            event = next(events, None)
            self.seconds += time.thread_time() - began
            if event is None:
                return
            yield event


class Terminal:
    """One end of a pseudo-terminal; what is written there is counted, and read by another process."""

    encoding = "utf-8"

    def __init__(self) -> None:
        ours, theirs = os.openpty()
        self.reader = subprocess.Popen(["cat"], stdin=ours, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(ours)
        self._file = open(theirs, "w", encoding="utf-8")  # noqa: PTH123, SIM115
        self.redraws = self.written = 0

    def write(self, text: str) -> int:
        """Hand it on."""
        self.redraws += text.count("\x1b[J")
        self.written += len(text)
        return self._file.write(text)

    def flush(self) -> None:
        """Hand it on now."""
        self._file.flush()

    def isatty(self) -> bool:
        """It is one."""
        return True

    def close(self) -> None:
        """Let the other process end."""
        self._file.close()
        self.reader.wait()


def share(hidden: int, line: str) -> dict[str, float]:
    """Draw a reply of many characters without a pace; for `/spread`, that many in each column."""
    terminal, watch = Terminal(), Stopwatch()
    session = Session(Shelf(model(hidden, "")), None, Draw(max_chars=CHARACTERS), 0)
    console = Console(file=terminal, force_terminal=True, width=WIDTH, height=HEIGHT)  # type: ignore[arg-type]
    screen = chat_screen.ChatScreen(session, console)
    session.draw = Draw(max_chars=1000)
    screen.answer("hi")
    screen.answer(line)
    session.draw = Draw(max_chars=CHARACTERS)
    chat_screen.hear = watch.hear  # type: ignore[attr-defined]
    redraws, began, worked = terminal.redraws, time.perf_counter(), time.thread_time()
    screen.answer(line)
    whole, worked = time.perf_counter() - began, time.thread_time() - worked
    chat_screen.hear = commands.hear  # type: ignore[attr-defined]
    terminal.close()
    columns = line.count(" ") or 1
    return {
        "characters/s": columns * CHARACTERS / whole,
        "share of drawing": 1 - watch.seconds / worked,
        "redraws/s": (terminal.redraws - redraws) / whole,
    }


def latency(hidden: int) -> list[float]:
    """Seconds from Enter to the first character of the reply, each time, in `gru chat` itself."""
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "small.safetensors"
        save_weights(path, model(hidden, SEEN))
        environment = {**os.environ, "TERM": "xterm-256color"}
        chat = pexpect.spawn(
            sys.executable, ["-m", "grucli", "chat", str(path), "--max-chars", "40", "--pace", "0"],
            env=environment, dimensions=(HEIGHT, WIDTH), encoding="utf-8", timeout=120,
        )  # fmt: skip
        chat.delaybeforesend = None
        chat.expect("/help")
        taken = []
        for _ in range(ENTERS):
            time.sleep(0.3)
            chat.send("how are you")
            time.sleep(0.2)
            began = time.perf_counter()
            chat.send("\r")
            chat.expect(SEEN)
            taken.append(time.perf_counter() - began)
            chat.expect("temp 0.8")
        chat.sendeof()
        chat.expect(pexpect.EOF)
    return taken


def main() -> None:
    """Measure, and print a table."""
    print("| what | median | least | most |\n| --- | --- | --- | --- |")
    for name, line in (("a reply", "hi"), ("three columns", "/spread 0.5 0.8 1.1")):
        rounds: list[dict[str, Any]] = [share(256, line) for _ in range(ROUNDS)]
        for figure, form in (("characters/s", ",.0f"), ("share of drawing", ".1%"), ("redraws/s", ".1f")):
            values = [each[figure] for each in rounds]
            print(f"| {name}: {figure} | {_row(values, form)} |", flush=True)
    print(f"| from Enter to the first character, ms | {_row([1000 * each for each in latency(256)], '.1f')} |")


def _row(values: list[float], form: str) -> str:
    return " | ".join(format(value, form) for value in (statistics.median(values), min(values), max(values)))


if __name__ == "__main__":
    main()
