"""Takes the README's pictures: runs `gru` in a real pseudo-terminal and turns its screen into SVG with rich.

    python docs/make_screenshots.py

trains for a minute on the conversations of chitchat-dataset, in a temporary home, and writes docs/train.svg. Then it
talks with the model that comes with gru, and writes docs/chat.svg, docs/spread.svg and docs/score.svg; and
docs/session.svg and docs/session.txt, a whole session with every command of the chat.
"""

import os
import re
import sys
import tempfile
import time
from itertools import groupby
from pathlib import Path

import chitchat_dataset
import pexpect
import pyte
from pyte.screens import Char
from rich.console import Console
from rich.text import Text

from grucli.text.demo_corpus import write_corpus

DOCS_DIR = Path(__file__).parent
COLUMNS, LINES = 92, 26
READY_PATTERN = r"[6-9]\d%\s+\d+:\d\d left(?s:.*)sample after [\d,]+ steps\s+(\S+ ){8}|9[5-9]%\s+\d+:\d\d left"
"""The curves are long and the sample is a sentence; or there is hardly time left for one."""


SESSION_LINES = """\
Hi, how are you?
/peek
/pick 2
/temp 0.5
/top-k 40
/top-p 0.95
/min-p 0.01
/repeat-penalty 1.1
/seed 11
/max 160
/min 2
/pace 400
What do you do for fun?
/regen
/cmd
/spread 0.3 0.7 1.1 Do you like music?
/pick 2
/best 3 Do you have any pets?
/pick 1
/tree
/undo
/fork weekend
Any plans for the weekend?
/rewind 1
What is your favorite food?
/tree
/history
/score I teach elephants how to play the ukulele
/gates I love to cook.
/relevance 0.3
/mirostat 3
/stop ?
/block pizza
Where do you live?
/mirostat 0
/beam 4
Do you work?
/cmd
/set
/set temp 0.8
/save friends
/load
/load friends
/model
/reset
/help
/help spread
/tmep 1
""".splitlines()
"""What is typed, one after the other, in the session that is shown whole."""


class DimAwareScreen(pyte.HistoryScreen):
    """A screen that knows faint text, which pyte does not: it is kept as text that blinks, which nobody writes here."""

    def select_graphic_rendition(self, *attrs: int, **private: bool) -> None:
        """Take in the styles of what is written next."""
        super().select_graphic_rendition(*({2: 5, 22: 25}.get(attr, attr) for attr in attrs), **private)
        if 22 in attrs:
            super().select_graphic_rendition(22)


def render_screen(screen: DimAwareScreen) -> Text:
    """The screen with what went past, as rich text, in its colors, without the empty lines at its end."""
    text = Text()
    last = max((y for y, line in enumerate(screen.display) if line.strip()), default=0)
    for line in [*screen.history.top, *(screen.buffer[y] for y in range(last + 1))]:
        row = Text()
        for style, cells in groupby((line[x] for x in range(screen.columns)), cell_style):
            row.append("".join(cell.data for cell in cells), style)
        row.rstrip()
        text.append_text(row).append("\n")
    return text


def cell_style(cell: Char) -> str:
    """A cell's colors and weight, as rich names them."""
    colors = [f"#{c}" if re.fullmatch("[0-9a-f]{6}", c) else c for c in (cell.fg, cell.bg)]
    colors = [color.replace("bright", "bright_").replace("brown", "yellow") for color in colors]
    style = " on ".join(colors) + (" bold" if cell.bold else "") + (" dim" if cell.blink else "")
    return style.replace("default on default", "").strip()


def save_svg(screen: DimAwareScreen, title: str, name: str) -> None:
    """Write the screen to docs/NAME.svg."""
    console = Console(record=True, width=COLUMNS, file=Path(os.devnull).open("w"), force_terminal=True)  # noqa: SIM115
    console.print(render_screen(screen), end="")
    console.save_svg(str(DOCS_DIR / f"{name}.svg"), title=title, unique_id=name)


class PtySession:
    """A command in a pseudo-terminal, and its screen."""

    def __init__(self, arguments: list[str], home: str) -> None:
        environment = os.environ | {"GRU_HOME": home, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self.child = pexpect.spawn(
            sys.executable, ["-m", "grucli", *arguments], env=environment, dimensions=(LINES, COLUMNS), encoding="utf-8"
        )
        self.screen = DimAwareScreen(COLUMNS, LINES, history=2000)
        self._stream = pyte.Stream(self.screen)

    def send_line(self, line: str, seconds: float) -> None:
        """Enter a line, and watch for so long."""
        self.child.send(line + "\r")
        self.read_for(seconds)

    def quit(self) -> None:
        """Stop what is on its way, and end the program."""
        self.child.sendcontrol("c")
        self.read_for(0.5)
        self.child.sendcontrol("d")
        self.read_for(5)

    def read_for(self, seconds: float, pattern: str | None = None) -> bool:
        """Follow the screen for so long, or until a line matches; whether one did."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                self._stream.feed(self.child.read_nonblocking(4096, timeout=0.1))
            except pexpect.TIMEOUT:
                pass
            except pexpect.EOF:
                return pattern is None
            if pattern is not None and re.search(pattern, "\n".join(self.screen.display)):
                return True
        return pattern is None


def main() -> None:
    """Take all pictures."""
    with tempfile.TemporaryDirectory() as home:
        corpus = Path(home) / "conversations.csv"
        write_corpus(chitchat_dataset.Dataset(), corpus)
        options = ["--from", "nothing", "--minutes", "1", "--val", "0.002"]
        training_session = PtySession(["train", str(corpus), *options], home)
        training_session.read_for(3600, pattern=READY_PATTERN)
        save_svg(training_session.screen, "gru train conversations.csv --from nothing --minutes 1", "train")
        training_session.read_for(3600, pattern="never")
    with tempfile.TemporaryDirectory() as home:
        chat = open_chat(home)
        for line in ("Hi, how are you?", "What do you do for fun?", "/temp 0.4", "Do you like cats?"):
            chat.send_line(line, 2.5)
        chat.send_line("/regen", 0.5)
        save_svg(chat.screen, "gru chat", "chat")
        chat.quit()
        chat = open_chat(home)
        chat.send_line("Do you have any plans for the weekend?", 4)
        chat.send_line("/spread 0.3 0.7 1.1", 1.2)
        save_svg(chat.screen, "gru chat: /spread", "spread")
        chat.quit()
        chat = open_chat(home)
        chat.send_line("What do you do for a living?", 3)
        chat.send_line("/score I teach elephants how to play the ukulele, and you?", 1)
        chat.send_line("/gates", 1)
        save_svg(chat.screen, "gru chat: /score and /gates", "score")
        chat.quit()

        save_full_session(home)


def save_full_session(home: str) -> None:
    """Take the whole session, and what stands on the screen after it was left."""
    chat = open_chat(home)
    for line in SESSION_LINES:
        chat.send_line(line, 4)
    chat.quit()
    save_svg(chat.screen, "gru chat", "session")
    rows = (row.rstrip() for row in render_screen(chat.screen).plain.splitlines())
    (DOCS_DIR / "session.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")


def open_chat(home: str) -> PtySession:
    """A chat that waits for its first line."""
    chat = PtySession(["chat", "--seed", "7", "--max-chars", "240"], home)
    chat.read_for(60, pattern="/help\\s*$")
    return chat


if __name__ == "__main__":
    main()
