"""`gru train` in a real pseudo-terminal: a picture that stays where it is."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.pty_session import PtySession, ShellPtySession

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind"),
]
SMALL_MODEL_OPTIONS = ["--hidden", "16", "--layers", "1", "--embed", "8", "--batch", "4", "--seq", "16", "--force"]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "talk.csv"
    path.write_text("body\n" + "".join(f"this is comment number {n} of many\n" for n in range(3000)), "utf-8")
    return path


@pytest.fixture
def sessions() -> Iterator[list[PtySession]]:
    sessions: list[PtySession] = []
    yield sessions
    for session in sessions:
        session.child.close(force=True)


def row_indices(text: str) -> dict[str, int]:
    """The row of each thing that has a place."""
    markers = ("train ", "val ", "tokens/s", "sample ", "Ctrl-C saves")
    rows = text.splitlines()
    return {marker: next(i for i, row in enumerate(rows) if marker in row) for marker in markers}


def test_nothing_moves_and_ctrl_c_saves(corpus: Path, sessions: list[PtySession]) -> None:
    session = PtySession(
        "train", str(corpus), "--name", "steady", "--steps", "1000000", "--eval-every", "5000", *SMALL_MODEL_OPTIONS
    )
    sessions.append(session)
    session.wait_for(lambda text: "compiling" in text or "tokens/s" in text)
    before = row_indices(session.wait_for(lambda text: "no sample yet" in text and "tokens/s" in text))
    scrolled = len(session.history)  # what was decided stands above the dashboard
    after = row_indices(session.wait_for(lambda text: "sample after" in text))
    assert before == after
    assert len(session.history) == scrolled
    for width, height in ((40, 30), (200, 30), (60, 20)):
        session.resize(width, height)
        session.wait_for(lambda text: text.count("Ctrl-C saves and stops") == 1 and text.count("tokens/s") == 1)
    session.send("\x03")
    session.wait_for(lambda text: "stopped after step" in " ".join(text.split()))
    assert session.wait_for_exit() == 130
    assert not session.screen.cursor.hidden


def test_the_end_leaves_the_last_picture(corpus: Path, sessions: list[PtySession]) -> None:
    session = PtySession("train", str(corpus), "--name", "brief", "--steps", "40", *SMALL_MODEL_OPTIONS)
    sessions.append(session)
    assert session.wait_for_exit() == 0
    text = "\n".join(session.screen.display)
    assert "step 40 of 40" in text
    assert text.count("sample after 40 steps") == 1
    assert "gru chat brief" in text


def test_ctrl_z_leaves_the_terminal_to_the_shell_and_comes_back(corpus: Path, sessions: list[PtySession]) -> None:
    session = ShellPtySession("train", str(corpus), "--name", "stopped", "--steps", "1000000", *SMALL_MODEL_OPTIONS)
    sessions.append(session)
    session.wait_for(lambda text: "Ctrl-C saves" in text and "tokens/s" in text)
    for times in (1, 2):
        session.send("\x1a")
        stopped = session.wait_for(lambda text: text.count("[1]+ Stopped") == times)  # noqa: B023
        assert "Ctrl-C saves" not in stopped
        assert "tokens/s" not in stopped
        assert not session.screen.cursor.hidden
        session.send("\r")
        session.wait_for(lambda text: text.count("Ctrl-C saves") == text.count("tokens/s") == 1)
        assert session.screen.cursor.hidden
    session.send("\x03")
    session.wait_for(lambda text: "stopped after step" in " ".join(text.split()))
    assert session.wait_for_exit() == 130
