"""Takes the README's pictures: runs `gru` in a real pseudo-terminal and turns its screen into SVG with rich.

    python docs/pictures.py

trains for a minute on the conversations of chitchat-dataset, in a temporary home, and writes docs/train.svg and
docs/chat.svg.
"""

import os
import re
import sys
import tempfile
import time
from pathlib import Path

import chitchat_dataset
import pexpect
import pyte
from rich.console import Console
from rich.text import Text

from grucli.text.chitchat import write_corpus

HERE = Path(__file__).parent
COLUMNS, LINES = 92, 26


def screen_of(screen: pyte.Screen) -> Text:
    """The screen as rich text, in its colours, without the empty lines at its end."""
    picture = Text()
    last = max((y for y, line in enumerate(screen.display) if line.strip()), default=0)
    for y in range(last + 1):
        for x in range(screen.columns):
            cell = screen.buffer[y][x]
            colours = [f"#{c}" if re.fullmatch("[0-9a-f]{6}", c) else c for c in (cell.fg, cell.bg)]
            colours = [colour.replace("bright", "bright_").replace("brown", "yellow") for colour in colours]
            style = " on ".join(colours) + (" bold" if cell.bold else "")
            picture.append(cell.data, style.replace("default on default", "none"))
        picture.append("\n")
    return picture


def save(screen: pyte.Screen, title: str, name: str) -> None:
    """Write the screen to docs/NAME.svg."""
    console = Console(record=True, width=COLUMNS, file=Path(os.devnull).open("w"), force_terminal=True)  # noqa: SIM115
    console.print(screen_of(screen), end="")
    console.save_svg(str(HERE / f"{name}.svg"), title=title, unique_id=name)


class Session:
    """A command in a pseudo-terminal, and its screen."""

    def __init__(self, arguments: list[str], home: str) -> None:
        environment = os.environ | {"GRU_HOME": home, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self.child = pexpect.spawn(
            sys.executable, ["-m", "grucli", *arguments], env=environment, dimensions=(LINES, COLUMNS), encoding="utf-8"
        )
        self.screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.Stream(self.screen)

    def watch(self, seconds: float, until: str | None = None) -> bool:
        """Follow the screen for so long, or until a line matches; whether one did."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                self._stream.feed(self.child.read_nonblocking(4096, timeout=0.1))
            except pexpect.TIMEOUT:
                pass
            except pexpect.EOF:
                return until is None
            if until is not None and re.search(until, "\n".join(self.screen.display)):
                return True
        return until is None


def main() -> None:
    """Take both pictures."""
    with tempfile.TemporaryDirectory() as home:
        corpus = Path(home) / "conversations.csv"
        write_corpus(chitchat_dataset.Dataset(), corpus)
        options = ["--name", "friend", "--minutes", "1", "--hidden", "256", "--val", "0.002"]
        training = Session(["train", str(corpus), *options], home)
        training.watch(3600, until=r"[6-9]\d%\s+\d+:\d\d left")
        save(training.screen, "gru train conversations.csv --minutes 1 --hidden 256", "train")
        training.watch(3600, until="never")
        chat = Session(["chat", "friend", "--temp", "0.6", "--seed", "7"], home)
        chat.watch(60, until="friend")
        chat.watch(2)
        for line in ("Hi, how are you?", "What do you do for fun?", "/temp 0.4", "Do you like cats?"):
            chat.child.send(line + "\r")
            chat.watch(2.5)
        chat.child.send("/regen\r")
        chat.watch(0.5)
        save(chat.screen, "gru chat", "chat")
        chat.child.sendcontrol("c")
        chat.child.sendcontrol("d")


if __name__ == "__main__":
    main()
