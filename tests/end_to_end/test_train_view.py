"""`gru train` in a real pseudo-terminal: a picture that stays where it is."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.pty_session import Person, PersonWithAShell

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")
SMALL = ["--hidden", "16", "--layers", "1", "--embed", "8", "--batch", "4", "--seq", "16", "--force"]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "talk.csv"
    path.write_text("body\n" + "".join(f"this is comment number {n} of many\n" for n in range(3000)), "utf-8")
    return path


@pytest.fixture
def people() -> Iterator[list[Person]]:
    opened: list[Person] = []
    yield opened
    for one in opened:
        one.child.close(force=True)


def places(text: str) -> dict[str, int]:
    """The row of each thing that has a place."""
    marks = ("train ", "held out", "tokens/s", "it writes", "Ctrl-C saves")
    rows = text.splitlines()
    return {mark: next(i for i, row in enumerate(rows) if mark in row) for mark in marks}


def test_nothing_moves_and_ctrl_c_saves(corpus: Path, people: list[Person]) -> None:
    person = Person("train", str(corpus), "--name", "steady", "--steps", "1000000", "--eval-every", "5000", *SMALL)
    people.append(person)
    person.see(lambda text: "compiling" in text or "tokens/s" in text)
    before = places(person.see(lambda text: "what it writes comes here soon" in text and "tokens/s" in text))
    after = places(person.see(lambda text: "steps it writes" in text))
    assert before == after
    assert not person.history
    for width, height in ((40, 30), (200, 30), (60, 20)):
        person.resize(width, height)
        person.see(lambda text: text.count("Ctrl-C saves and stops") == 1 and text.count("tokens/s") == 1)
    person.type("\x03")
    person.see(lambda text: "stopped after step" in " ".join(text.split()))
    assert person.end() == 130
    assert not person.screen.cursor.hidden


def test_the_end_leaves_the_last_picture(corpus: Path, people: list[Person]) -> None:
    person = Person("train", str(corpus), "--name", "brief", "--steps", "40", *SMALL)
    people.append(person)
    assert person.end() == 0
    text = "\n".join(person.screen.display)
    assert "step 40 of 40" in text
    assert text.count("40 steps it writes") == 1
    assert "gru chat brief" in text


def test_ctrl_z_leaves_the_terminal_to_the_shell_and_comes_back(corpus: Path, people: list[Person]) -> None:
    person = PersonWithAShell("train", str(corpus), "--name", "stopped", "--steps", "1000000", *SMALL)
    people.append(person)
    person.see(lambda text: "Ctrl-C saves" in text and "tokens/s" in text)
    for times in (1, 2):
        person.type("\x1a")
        stopped = person.see(lambda text: text.count("[1]+ Stopped") == times)  # noqa: B023
        assert stopped.split() == ["[1]+", "Stopped"] * times
        assert not person.screen.cursor.hidden
        person.type("\r")
        person.see(lambda text: text.count("Ctrl-C saves") == text.count("tokens/s") == 1)
        assert person.screen.cursor.hidden
    person.type("\x03")
    person.see(lambda text: "stopped after step" in " ".join(text.split()))
    assert person.end() == 130
