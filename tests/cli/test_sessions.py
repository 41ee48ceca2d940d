"""`gru sessions`: the list of saved chats, and removing them."""

import io
import json
import sys
from pathlib import Path

import pytest

from grucli.__main__ import main
from grucli.chat.session_store import SessionStore, default_session_store
from grucli.errors import ExitStatus
from tests.chat.fakes import conversation_session

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def store(home: Path) -> SessionStore:
    """Two sessions, and a line of a chat that has none."""
    store = default_session_store()
    for name in ("trip", "food"):
        with conversation_session(store=store) as session:
            for _ in session.send(f"about {name}\x1b[2J"):
                pass
            session.save(name)
            store.history.append(f"about {name}", session.started_at)
    store.history.append("a chat in a pipe", "")
    return store


def run(capsys: Output, *words: str) -> tuple[int, str, str]:
    status = main(["sessions", *words])
    return status, *capsys.readouterr()


def test_sessions_are_listed_and_a_corrupt_one_is_told(capsys: Output, store: SessionStore) -> None:
    (store.directory / "odd.jsonl").write_bytes(b"?")
    status, out, err = run(capsys)
    rows = {row.split()[0]: row for row in out.splitlines()}
    assert next(iter(rows)) == "SESSION"
    assert set(rows) == {"SESSION", "trip", "food", "odd"}
    assert rows["trip"].endswith("emo    about trip[2J")
    assert (status, err) == (0, "gru: session 'odd' is corrupt (invalid header)\n")
    status, out, err = run(capsys, "list", "--json")
    listed = {info["name"]: info for info in json.loads(out)}
    assert (listed["food"]["model"], listed["food"]["first_line"]) == ("emo", "about food\x1b[2J")
    assert "corrupt" in listed["odd"]["problem"]


def test_a_session_is_removed(capsys: Output, store: SessionStore) -> None:
    assert run(capsys, "remove", "trip", "trip", "--yes") == (0, "", "deleted 'trip'\n")
    assert (store.names(), store.history.lines()) == (["food"], ["about food", "a chat in a pipe"])
    status, out, _ = run(capsys, "remove", "food", "--yes", "--json")
    assert (status, json.loads(out)) == (0, {"removed": ["food"]})


def test_all_are_removed_with_the_history(capsys: Output, store: SessionStore) -> None:
    status, _, err = run(capsys, "remove", "--all", "-y")
    assert (status, err.splitlines()[-1]) == (0, "deleted the history of typed lines")
    assert list(store.directory.iterdir()) == []
    assert not store.history.path.exists()
    assert run(capsys, "remove", "--all", "-y")[0] == 0
    assert run(capsys) == (0, "", "no saved sessions; start a chat with: gru chat\n")


@pytest.mark.parametrize("words", [[], ["trip", "--all"], ["nobody", "--yes"], ["trip", "nobody", "--yes"], ["trip"]])
def test_what_cannot_be_removed_is_refused(
    capsys: Output, store: SessionStore, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    status, _, err = run(capsys, "remove", *words)
    assert status == ExitStatus.USAGE
    assert err.count("\n") == 2
    assert len(store.names()) == 2


def test_one_that_is_open_stays(capsys: Output, store: SessionStore) -> None:
    with conversation_session(store=store) as session:
        session.load("trip")
        status, _, err = run(capsys, "remove", "trip", "--yes")
        assert status == ExitStatus.FAILED
        assert "'trip' is in use" in err


def test_a_question_is_asked_first(capsys: Output, store: SessionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    class Keyboard(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Keyboard("n\n"))
    assert run(capsys, "remove", "trip")[2] == "Delete trip? [y/N] nothing deleted\n"
    monkeypatch.setattr(sys, "stdin", Keyboard("y\n"))
    assert "deleted 'trip'" in run(capsys, "remove", "trip")[2]
    assert store.names() == ["food"]
