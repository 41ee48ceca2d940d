import json
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.chat import session_store as archives
from grucli.chat.commands import hear
from grucli.chat.events import Event, Listed, Refused, Told
from grucli.chat.model_loader import StoredModels
from grucli.chat.open_session import open_session
from grucli.chat.session import Session
from grucli.chat.session_store import Archive
from grucli.errors import BusyError, UsageError
from grucli.files import FolderLock
from grucli.generation.sampler import Draw
from grucli.model.store import BEST, model_folder
from tests.chat.fakes import FakeShelf, FakeVoice, in_mind, in_mind_now, talker, writer
from tests.fault_injection import no_room
from tests.model.factories import add_model

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "sessions")


def do(session: Session, *lines: str) -> list[Event]:
    return [event for line in lines for event in hear(session, line)]


def dialogue(archive: Archive) -> Session:
    """A session in which everything that is kept has happened."""
    session = talker("abc{seed}", archive=archive, max_chars=2, scene="Hi.\n\nHo.")
    do(
        session,
        "one",
        "",
        "/fork side",
        "two",
        "/rewind main",
        "/temp 0.5",
        "three",
        "/regen",
        "/undo",
        "/peek",
        "/pick 1",
    )
    return session


def shape(session: Session) -> object:
    tree = session.tree
    return list(tree.turns.values()), tree.now, tree.branch, tree.branches


def test_a_session_is_taken_up_as_it_was_left(archive: Archive) -> None:
    with dialogue(archive) as session:
        name = archive.names()[0]
    with talker("abc{seed}", archive=archive, max_chars=99) as other:
        assert other.load(name) == 0
        assert shape(other) == shape(session)
        assert (other.scene, other.draw.temp, other.draw.max_chars) == ("Hi.\n\nHo.", 0.5, 2)
        assert other.draw.seed == max(turn.seed for turn in session.tree.turns.values()) + 1
        assert in_mind(other) == in_mind(session)
        do(other, "more")
    again = archive.read(name)
    assert len(again.tree.turns) == len(session.tree.turns) + 1


def test_a_writer_is_taken_up_too(archive: Archive) -> None:
    with writer("abcdef", archive=archive, max_chars=3, scene="It was ") as session:
        do(session, "night", "", "day")
    with writer(archive=archive) as other:
        other.load(archive.names()[0])
        assert shape(other) == shape(session)
        assert [turn.lead for turn in other.turns] == ["It was night", "It was nightabc", "It was day"]


def test_a_turn_is_on_disk_as_soon_as_it_is_over(archive: Archive) -> None:
    with talker(archive=archive) as session:
        assert archive.names() == []
        do(session, "hi")
        (path,) = archive.folder.glob("*.jsonl")
        lines = path.read_text().splitlines()
        assert [json.loads(line)["is"] for line in lines] == ["session", "turn", "at"]
        do(session, "so?")
        after = path.read_text().splitlines()
    assert after[:3] == lines
    assert json.loads(after[3])["line"] == "so?"


@posix_only
def test_nobody_else_can_read_it(archive: Archive) -> None:
    with talker(archive=archive) as session:
        do(session, "hi")
    (path,) = archive.folder.glob("*.jsonl")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_session_with_a_name_is_found_by_it(archive: Archive) -> None:
    with talker(archive=archive) as session:
        do(session, "hi", "/save trip")
        assert archive.names() == ["trip"]
        do(session, "so?")
    assert len(archive.read("trip").tree.turns) == 2
    (told,) = do(session, "/save")
    assert isinstance(told, Told)
    assert "kept as trip" in told.text


def test_a_name_can_be_given_before_anything_is_said(archive: Archive) -> None:
    with talker(archive=archive) as session:
        assert "from the first turn on" in str(do(session, "/save")[0])
        assert "as early" in str(do(session, "/save early")[0])
        do(session, "hi")
    assert archive.names() == ["early"]


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "con", "x" * 65, "a b", "\x1b[2J"])
def test_a_name_that_no_file_can_have_is_refused(archive: Archive, name: str) -> None:
    with talker(archive=archive) as session:
        do(session, "hi")
        (refused,) = do(session, f"/save {name}")
        assert isinstance(refused, Refused)
        assert "name" in refused.what
        assert isinstance(do(session, f"/load {name}")[0], Refused)
    assert len(list(archive.folder.parent.rglob("*.jsonl"))) == 1


def test_a_name_that_is_taken_is_refused(archive: Archive) -> None:
    with talker(archive=archive) as session:
        do(session, "hi", "/save trip")
    other = talker(archive=archive)
    (refused,) = do(other, "/save trip")
    assert isinstance(refused, Refused)
    assert "/load trip" in refused.todo
    assert isinstance(do(session, "/load trip")[0], Refused)  # it is this one


def test_an_unknown_session_names_the_nearest(archive: Archive) -> None:
    with talker(archive=archive) as session:
        do(session, "hi", "/save holiday")
    with pytest.raises(UsageError) as refused:
        archive.read("holidya")
    assert refused.value.todo == "did you mean 'holiday'?"


def test_sessions_are_listed_with_how_they_began(archive: Archive) -> None:
    with talker(archive=archive) as session:
        do(session, "hello there", "/save trip")
    with talker(archive=archive) as here:
        do(here, "x" * 100)
        listed = do(here, "/load")[0]
        assert isinstance(listed, Listed)
        assert listed.rows[0][1:] == ("now", f"emo: {'x' * 59}…")
        assert here.log is not None
        assert here.log.path is not None
        here.log.path.unlink()
    listed, told = do(talker(archive=archive), "/load")
    assert isinstance(listed, Listed)
    assert [(name, began) for name, _, began in listed.rows] == [("trip", "emo: hello there")]
    assert told == Told("/load NAME takes one up")


def test_two_do_not_talk_in_one_session(archive: Archive) -> None:
    with talker(archive=archive) as session:
        do(session, "hi", "/save trip")
        other = talker(archive=archive)
        do(other, "other")
        before = shape(other)
        with pytest.raises(BusyError, match="in use"):
            other.load("trip")
        assert shape(other) == before
        do(other, "still here")
    other.load("trip")
    assert [turn.line for turn in other.turns] == ["hi"]
    other.log.close()  # type: ignore[union-attr]
    assert not list(archive.folder.glob(".*.lock"))


def test_the_oldest_without_a_name_go(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "SESSIONS_KEPT", 2)
    with talker(archive=archive) as session:
        do(session, "first", "/save named")
    names = []
    for line in "abcd":
        with talker(archive=archive) as session:
            do(session, line)
            names.append(str(session.log.name))  # type: ignore[union-attr]
    assert sorted(archive.names()) == sorted([*names[-2:], "named"])


def test_what_a_killed_process_left_goes(archive: Archive) -> None:
    archive.folder.mkdir()
    (archive.folder / ".killed.lock").write_text("{}")
    with talker(archive=archive) as session:
        do(session, "hi")
        assert [path.name for path in archive.folder.glob(".*")] == [f".{archive.names()[0]}.lock"]
    assert list(archive.folder.glob(".*")) == []


def test_one_that_is_talked_in_does_not_go(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "SESSIONS_KEPT", 1)
    with talker(archive=archive) as session:
        do(session, "a")
        for line in "bc":
            with talker(archive=archive) as other:
                do(other, line)
        assert session.log is not None
        assert session.log.name in archive.names()


def test_a_file_that_is_removed_is_written_anew(archive: Archive) -> None:
    with dialogue(archive) as session:
        (path,) = archive.folder.glob("*.jsonl")
        path.unlink()
        do(session, "more")
        kept = archive.read(path.stem)
    assert list(kept.tree.turns.values()) == list(session.tree.turns.values())
    assert kept.tree.branches == session.tree.branches


def test_a_disk_that_fails_ends_no_session(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    session = talker(archive=archive)

    def fail(*_: object, **__: object) -> Iterator[None]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("builtins.open", fail)
    events = do(session, "hi")
    refused = events[-1]
    assert isinstance(refused, Refused)
    assert refused.what == "this session is not kept any more: No space left on device"
    assert session.last is not None
    assert not any(isinstance(event, Refused) for event in do(session, "so?"))
    assert isinstance(do(session, "/save x")[0], Refused)


@posix_only
def test_a_full_disk_costs_no_reply_and_is_told_once(archive: Archive) -> None:
    with talker(archive=archive) as session:
        with no_room():
            first, second, told, refused = (
                do(session, "hi"),
                do(session, "so?"),
                do(session, "/save"),
                do(session, "/save x"),
            )
        assert [turn.reply for turn in session.turns] == ["<7>", "<8>"]
        assert [isinstance(event, Refused) for event in first] == [False] * (len(first) - 1) + [True]
        assert not any(isinstance(event, Refused) for event in second)
        assert "File too large" in str(told[0])
        assert isinstance(refused[0], Refused)
        assert "File too large" in refused[0].what
        assert "room" in refused[0].todo
        assert archive.names() == []
        (kept,) = do(session, "/save x")
        assert "kept as x" in str(kept)
        do(session, "more")
    assert [turn.line for turn in archive.read("x").tree.path] == ["hi", "so?", "more"]


def test_what_is_not_to_be_kept_is_kept_once_it_has_a_name(archive: Archive) -> None:
    shelf = FakeShelf(emo=FakeVoice(True), bard=FakeVoice(False))
    with open_session(shelf, None, Draw(seed=7), 0, archive=archive, keep=False) as session:
        do(session, "hi", "/model bard", "Once", "/model emo", "you")
        assert archive.names() == []
        assert "/save NAME" in str(do(session, "/save")[0])
        do(session, "/save trip", "so?")
    assert [turn.line for turn in archive.read("trip").tree.path] == ["you", "so?"]


def torn(path: Path, cut: int) -> None:
    os.truncate(path, path.stat().st_size - cut)


def test_a_torn_last_line_is_left_out_and_the_next_is_whole(archive: Archive) -> None:
    with talker(archive=archive) as session:
        do(session, "one", "two", "three")
    (path,) = archive.folder.glob("*.jsonl")
    torn(path, 10)
    with talker(archive=archive) as other:
        assert other.load(path.stem) == 1
        assert [turn.line for turn in other.turns] == ["one", "two"]
        do(other, "four")
    kept = archive.read(path.stem)
    assert [turn.line for turn in kept.tree.path] == ["one", "two", "four"]
    assert kept.left_out == 1


def test_it_can_be_torn_anywhere(archive: Archive) -> None:
    with dialogue(archive) as session:
        do(session, "the end")
    (path,) = archive.folder.glob("*.jsonl")
    whole = path.read_bytes()
    first = whole.index(b"\n")
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        if end < first:
            with pytest.raises(UsageError):
                archive.read(path.stem)
        else:
            assert archive.read(path.stem).left_out <= 1


HEADER = b'{"is":"session","model":"emo","conversations":true,"version":1}'
TURN = b'{"is":"turn","number":1,"parent":0,"line":"hi","reply":"ho","stopped":"turn","draw":{}}'


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b"[1]",
        b"null",
        b"\xff\xfe",
        b'"\\ud800"',
        b"[" * 100_000,
        b'{"is":"other"}',
        HEADER,
        b'{"is":"at","number":7,"branch":"main"}',
        b'{"is":"at","number":1,"branch":""}',
        b'{"is":"at","number":-1,"branch":"main"}',
        b'{"is":"at","number":1e400,"branch":"main"}',
        TURN,  # its number is taken
        TURN.replace(b'"number":1', b'"number":0'),
        TURN.replace(b'"number":1,"parent":0', b'"number":2,"parent":2'),
        TURN.replace(b'"number":1,"parent":0', b'"number":2,"parent":9'),
        TURN.replace(b'"number":1', b'"number":' + b"9" * 5000),
        TURN.replace(b'"number":1', b'"number":2').replace(b'"draw":{}', b'"draw":{"temp":-1}'),
        TURN.replace(b'"number":1', b'"number":2').replace(b'"draw":{}', b'"draw":{"seed":"x"}'),
        TURN.replace(b'"number":1', b'"number":2').replace(b'"draw":{}', b'"draw":{"stop":[1]}'),
    ],
)
def test_a_line_that_means_nothing_is_left_out(archive: Archive, line: bytes) -> None:
    archive.folder.mkdir()
    (archive.folder / "odd.jsonl").write_bytes(HEADER + b"\n" + TURN + b"\n" + line + b"\n\n")
    kept = archive.read("odd")
    assert kept.left_out == 1
    assert [turn.reply for turn in kept.tree.path] == ["ho"]
    assert [brief.name for brief in archive.briefs(9)] == ["odd"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"x" * 100_000, "is damaged"),
        (TURN, "is damaged"),
        (HEADER.replace(b"1}", b"2}"), "by a newer gru, in version 2"),
        (b'{"is":"dialogue","version":3,"model":7}\n', "by a newer gru, in version 3"),
        (b"\0" * 5000, "is damaged"),
    ],
)
def test_a_file_that_is_no_session_is_refused(archive: Archive, content: bytes, what: str) -> None:
    archive.folder.mkdir()
    (archive.folder / "odd.jsonl").write_bytes(content)
    (refused,) = do(talker(archive=archive), "/load odd")
    assert isinstance(refused, Refused)
    assert what in refused.what
    assert list(archive.briefs(9)) == []


def test_a_folder_is_called_one(archive: Archive) -> None:
    (archive.folder / "odd.jsonl").mkdir(parents=True)
    (refused,) = do(talker(archive=archive), "/load odd")
    assert isinstance(refused, Refused)
    assert refused.what == "'odd' is a folder, not a session"


def without_lines(path: Path, *of: str) -> None:
    """Damage the lines that hold any of these texts."""
    lines = path.read_text().splitlines()
    path.write_text("".join(f"{'?' if any(text in line for text in of) else line}\n" for line in lines))


def test_a_lost_turn_takes_none_with_it(archive: Archive) -> None:
    with talker("abc{seed}", archive=archive, max_chars=3) as session:
        do(session, "one", "two", "three", "/fork side", "four", "/rewind 2", "five", "/rewind 3", "six", "/save x")
    path = archive.folder / "x.jsonl"
    without_lines(path, '"line":"two"')
    kept = archive.read("x")
    assert kept.left_out == 1
    assert {turn.line: turn.parent for turn in kept.tree.turns.values()} == {
        "one": 0, "three": 1, "four": 3, "five": 1, "six": 3
    }  # fmt: skip
    assert [turn.line for turn in kept.tree.path] == ["one", "three", "six"]
    without_lines(path, '"line":"one"', '"line":"three"')
    kept = archive.read("x")
    assert {turn.line: turn.parent for turn in kept.tree.turns.values()} == {"four": 0, "five": 0, "six": 0}
    with talker(archive=archive) as other:
        told = [event.text for event in do(other, "/load x") if isinstance(event, Told)]
        assert told[-1] == "3 lines of its file could not be understood, and were left out"
        do(other, "on")
        assert in_mind(other) == "six|abc|on|"


def test_what_went_on_from_a_lost_turn_stands_alone(archive: Archive) -> None:
    with talker("abcdef", archive=archive, max_chars=3) as session:
        do(session, "one", "two", "", "more", "/save x")
    without_lines(archive.folder / "x.jsonl", '"line":"two"')
    kept = archive.read("x")
    assert [(turn.line, turn.whole, turn.place.goes_on) for turn in kept.tree.path] == [
        ("one", "abc", False), ("", "abc", False), ("more", "abc", False)
    ]  # fmt: skip


def going_on(archive: Archive) -> Session:
    return open_session(FakeShelf(emo=FakeVoice(True)), None, Draw(), 0, archive=archive, go_on={})


def test_going_on_says_what_was_passed_over_and_left_out(archive: Archive) -> None:
    with talker(archive=archive) as session:
        do(session, "hi", "/save older")
    with (archive.folder / "older.jsonl").open("a") as file:
        file.write("?\n")
    (archive.folder / "newer.jsonl").write_text("?")
    os.utime(archive.folder / "older.jsonl", (1, 1))
    with going_on(archive) as session:
        left_out, passed = session.remarks()
        assert list(session.remarks()) == []
    assert "newer: the file of 'newer' is damaged" in str(passed)
    assert "This is older, the newest that can" in str(passed)
    assert left_out == Told("1 line of its file could not be understood, and was left out")


def test_going_on_where_somebody_is_says_how(archive: Archive) -> None:
    with talker(archive=archive) as session:
        do(session, "hi")
        with pytest.raises(BusyError) as busy:
            going_on(archive)
    assert "is in use by process" in busy.value.what
    assert busy.value.todo == "leave that chat first; or begin another, gru chat, where /load NAME takes up any other"


@given(st.binary(max_size=300))
def test_no_bytes_do_harm(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    archive = Archive(tmp_path_factory.mktemp("odd"))
    (archive.folder / "odd.jsonl").write_bytes(HEADER + b"\n" + content)
    kept = archive.read("odd")
    assert len(kept.tree.turns) <= content.count(b"turn")


def test_a_line_longer_than_any_is_read_past(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_LONGEST_LINE", 200)
    monkeypatch.setattr(archives._entries, "__defaults__", (200,))
    archive.folder.mkdir()
    (archive.folder / "odd.jsonl").write_bytes(HEADER + b"\n" + b"y" * 1000 + b"\n" + TURN + b"\n")
    kept = archive.read("odd")
    assert kept.left_out == 1
    assert len(kept.tree.turns) == 1


def go_on(archive: Archive, model: str | None = None, **given: object) -> Session:
    shelf = FakeShelf(bard=FakeVoice(False), emo=FakeVoice(True), ann=FakeVoice(True))
    return open_session(shelf, model, Draw(temp=0.1, top_k=5), 0, archive=archive, go_on=given)


def test_the_latest_session_goes_on_with_its_model_and_its_ways(archive: Archive) -> None:
    with talker(archive=archive) as session:
        do(session, "/temp 1.2", "/seed 40", "hi")
    with go_on(archive, top_k=5) as other:
        assert (other.model, other.draw.temp, other.draw.top_k, other.draw.seed) == ("emo", 1.2, 5, 41)
        assert in_mind_now(other) == "hi|<40>|"


def test_a_file_that_is_no_session_is_not_the_latest_one(archive: Archive) -> None:
    with talker(archive=archive) as session:
        do(session, "hi")
        (archive.folder / "zzz.jsonl").write_bytes(b"{}\n")
    with go_on(archive) as other:
        assert in_mind_now(other) == "hi|<7>|"


def said(archive: Archive, name: str, line: str, *models: str) -> None:
    """Keep a session that was talked in with these models, and is older than all that are kept later."""
    with talker(archive=archive) as session:
        do(session, *(f"/model {model}" for model in models), line, f"/save {name}")
    os.utime(archive.folder / f"{name}.jsonl", (len(archive.names()),) * 2)


def test_with_a_model_its_own_session_goes_on(archive: Archive) -> None:
    said(archive, "own", "hi", "ann")
    said(archive, "newer", "you")
    said(archive, "of-another-kind", "Once", "bard")
    with go_on(archive, "ann") as other:
        assert other.log is not None
        assert (other.model, other.log.name) == ("ann", "own")
        assert list(other.remarks()) == []
    with go_on(archive) as newest:
        assert newest.log is not None
        assert newest.log.name == "of-another-kind"


@pytest.mark.parametrize("model", ["ann", "bard"])
def test_a_model_without_a_session_says_what_can_be_done(archive: Archive, model: str) -> None:
    said(archive, "one", "hi")
    with pytest.raises(UsageError, match=f"there is no session with {model}") as refused:
        go_on(archive, model)
    assert refused.value.todo == f"begin one: gru chat {model}; or the newest of all: gru chat --continue"


def test_a_session_whose_model_is_gone_is_passed_over_and_can_go_on_with_another(archive: Archive) -> None:
    said(archive, "own", "hi")
    said(archive, "orphan", "you", "ann")
    shelf = FakeShelf(bard=FakeVoice(False), emo=FakeVoice(True))
    with open_session(shelf, None, Draw(), 0, archive=archive, go_on={}) as session:
        assert in_mind_now(session) == "hi|<7>|"
        (told,) = session.remarks()
        assert "orphan: there is no model 'ann'. This is own, the newest that can" in str(told)
    shelf = FakeShelf(bard=FakeVoice(False), new=FakeVoice(True))
    with pytest.raises(UsageError, match="no session with bard"):
        open_session(shelf, "bard", Draw(), 0, archive=archive, go_on={})
    with open_session(shelf, "new", Draw(), 0, archive=archive, go_on={}) as session:
        assert list(session.remarks()) == [Told("this is orphan, whose model was ann; new goes on in its place")]


def test_a_model_that_is_followed_is_waited_for(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grucli.chat.open_session.POLL_SECONDS", 0)
    shelf = FakeShelf(emo=FakeVoice(True))
    told: list[str] = []
    for follow, times in ((False, 0), (True, 3)):
        shelf.trained = {"emo": 3}
        with open_session(shelf, "emo", Draw(), 0, archive=archive, follow=follow, awaiting=told.append):
            assert told == ["waiting for the first checkpoint of emo; Ctrl-C leaves"] * times


def test_a_model_is_to_come_while_its_folder_is_held_and_has_no_weights(home: Path) -> None:
    shelf, folder = StoredModels(1), model_folder("emo")
    assert not shelf.to_come("emo")
    assert not shelf.to_come("not/a/name")
    with FolderLock(folder):
        assert shelf.to_come("emo")
        add_model("emo")
        assert not shelf.to_come("emo")
    (folder / BEST).unlink()
    assert not shelf.to_come("emo")
    assert sorted(path.name for path in folder.iterdir()) == ["lock"]


def test_there_must_be_a_session_to_go_on_with(archive: Archive) -> None:
    with pytest.raises(UsageError, match="no session"):
        go_on(archive)


def test_what_has_begun_has_its_scene(archive: Archive) -> None:
    with pytest.raises(UsageError, match="--opening"):
        open_session(FakeShelf(emo=FakeVoice(True)), None, Draw(), 0, scene="x", archive=archive, go_on={})


def test_a_model_of_another_kind_begins_a_session_of_its_own(archive: Archive) -> None:
    with talker(archive=archive) as session:
        do(session, "hi", "/model ann", "you", "/model bard", "Once")
        assert len(session.turns) == 1
    assert sorted(archive.read(name).model for name in archive.names()) == ["ann", "bard"]


def test_a_session_without_an_archive_says_so() -> None:
    session = talker()
    assert do(session, "/save") == [Told("this session is not kept")]
    assert isinstance(do(session, "/save x")[0], Refused)
    assert isinstance(do(session, "/load x")[0], Refused)
    assert do(session, "/load") == [Told("there is no session to take up yet")]
