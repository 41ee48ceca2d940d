import json
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.chat import session_store
from grucli.chat.commands import handle_line
from grucli.chat.events import ChatEvent, CommandError, Listing, Message
from grucli.chat.model_loader import ModelLoader
from grucli.chat.open_session import open_session
from grucli.chat.session import Session
from grucli.chat.session_store import SessionStore
from grucli.errors import LockedError, UsageError
from grucli.files import DirectoryLock
from grucli.generation.options import GenerationConfig
from grucli.model.store import BEST, model_dir
from tests.chat.fakes import (
    FakeChatModel,
    FakeModelProvider,
    completion_session,
    context_of_reply,
    conversation_session,
    current_context,
)
from tests.fault_injection import disk_full
from tests.model.factories import add_model

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")


@pytest.fixture
def store(tmp_path: Path) -> SessionStore:
    return SessionStore(tmp_path / "sessions")


def run_lines(session: Session, *lines: str) -> list[ChatEvent]:
    return [event for line in lines for event in handle_line(session, line)]


def make_full_session(store: SessionStore) -> Session:
    """A session in which everything that is kept has happened."""
    session = conversation_session("abc{seed}", store=store, max_chars=2, preamble="Hi.\n\nHo.")
    run_lines(
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


def tree_snapshot(session: Session) -> object:
    tree = session.tree
    return list(tree.turns.values()), tree.head, tree.branch, tree.branches


def test_a_session_is_taken_up_as_it_was_left(store: SessionStore) -> None:
    with make_full_session(store) as session:
        name = store.names()[0]
    with conversation_session("abc{seed}", store=store, max_chars=99) as other:
        assert other.load(name) == ""
        assert tree_snapshot(other) == tree_snapshot(session)
        assert (other.preamble, other.config.temp, other.config.max_chars) == ("Hi.\n\nHo.", 0.5, 2)
        assert other.config.seed == max(turn.seed for turn in session.tree.turns.values()) + 1
        assert context_of_reply(other) == context_of_reply(session)
        run_lines(other, "more")
    again = store.read(name)
    assert len(again.tree.turns) == len(session.tree.turns) + 1


def test_a_writer_is_taken_up_too(store: SessionStore) -> None:
    with completion_session("abcdef", store=store, max_chars=3, preamble="It was ") as session:
        run_lines(session, "night", "", "day")
    with completion_session(store=store) as other:
        other.load(store.names()[0])
        assert tree_snapshot(other) == tree_snapshot(session)
        assert [turn.prefix for turn in other.turns] == ["It was night", "It was nightabc", "It was day"]


def test_a_turn_is_on_disk_as_soon_as_it_is_over(store: SessionStore) -> None:
    with conversation_session(store=store) as session:
        assert store.names() == []
        run_lines(session, "hi")
        (path,) = store.directory.glob("*.jsonl")
        lines = path.read_text().splitlines()
        assert [json.loads(line)["type"] for line in lines] == ["session", "turn", "position"]
        run_lines(session, "so?")
        after = path.read_text().splitlines()
    assert after[:3] == lines
    assert json.loads(after[3])["line"] == "so?"


@posix_only
def test_nobody_else_can_read_it(store: SessionStore) -> None:
    with conversation_session(store=store) as session:
        run_lines(session, "hi")
    (path,) = store.directory.glob("*.jsonl")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_session_with_a_name_is_found_by_it(store: SessionStore) -> None:
    with conversation_session(store=store) as session:
        run_lines(session, "hi", "/save trip")
        assert store.names() == ["trip"]
        run_lines(session, "so?")
    assert len(store.read("trip").tree.turns) == 2
    (reported,) = run_lines(session, "/save")
    assert isinstance(reported, Message)
    assert "saved as trip" in reported.text


def test_a_name_can_be_given_before_anything_is_said(store: SessionStore) -> None:
    with conversation_session(store=store) as session:
        assert "from the first turn" in str(run_lines(session, "/save")[0])
        assert "as early" in str(run_lines(session, "/save early")[0])
        run_lines(session, "hi")
    assert store.names() == ["early"]


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "con", "x" * 65, "a b", "\x1b[2J"])
def test_a_name_that_no_file_can_have_is_refused(store: SessionStore, name: str) -> None:
    with conversation_session(store=store) as session:
        run_lines(session, "hi")
        (refused,) = run_lines(session, f"/save {name}")
        assert isinstance(refused, CommandError)
        assert "name" in refused.message
        assert isinstance(run_lines(session, f"/load {name}")[0], CommandError)
    assert len(list(store.directory.parent.rglob("*.jsonl"))) == 1


def test_a_name_that_is_taken_is_refused(store: SessionStore) -> None:
    with conversation_session(store=store) as session:
        run_lines(session, "hi", "/save trip")
    other = conversation_session(store=store)
    (refused,) = run_lines(other, "/save trip")
    assert isinstance(refused, CommandError)
    assert "/load trip" in refused.hint
    assert isinstance(run_lines(session, "/load trip")[0], CommandError)  # it is this one


def test_an_unknown_session_names_the_nearest(store: SessionStore) -> None:
    with conversation_session(store=store) as session:
        run_lines(session, "hi", "/save holiday")
    with pytest.raises(UsageError) as refused:
        store.read("holidya")
    assert refused.value.hint == "did you mean 'holiday'?"


def test_sessions_are_listed_with_how_they_began(store: SessionStore) -> None:
    with conversation_session(store=store) as session:
        run_lines(session, "hello there", "/save trip")
    with conversation_session(store=store) as here:
        run_lines(here, "x" * 100)
        listed = run_lines(here, "/load")[0]
        assert isinstance(listed, Listing)
        assert listed.rows[0][1:] == ("now", f"emo: {'x' * 59}…")
        assert here.log is not None
        assert here.log.path is not None
        here.log.path.unlink()
    listed, reported = run_lines(conversation_session(store=store), "/load")
    assert isinstance(listed, Listing)
    assert [(name, started_at) for name, _, started_at in listed.rows] == [("trip", "emo: hello there")]
    assert reported == Message("use /load NAME to resume one")


def test_two_do_not_talk_in_one_session(store: SessionStore) -> None:
    with conversation_session(store=store) as session:
        run_lines(session, "hi", "/save trip")
        other = conversation_session(store=store)
        run_lines(other, "other")
        before = tree_snapshot(other)
        with pytest.raises(LockedError, match="in use"):
            other.load("trip")
        assert tree_snapshot(other) == before
        run_lines(other, "still here")
    other.load("trip")
    assert [turn.line for turn in other.turns] == ["hi"]
    other.log.close()  # type: ignore[union-attr]
    assert not list(store.directory.glob(".*.lock"))


def test_the_oldest_without_a_name_go(store: SessionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_store, "MAX_UNNAMED_SESSIONS", 2)
    with conversation_session(store=store) as session:
        run_lines(session, "first", "/save named")
    names = []
    for line in "abcd":
        with conversation_session(store=store) as session:
            run_lines(session, line)
            names.append(str(session.log.name))  # type: ignore[union-attr]
    assert sorted(store.names()) == sorted([*names[-2:], "named"])


def test_what_a_killed_process_left_goes(store: SessionStore) -> None:
    store.directory.mkdir()
    (store.directory / ".killed.lock").write_text("{}")
    with conversation_session(store=store) as session:
        run_lines(session, "hi")
        assert [path.name for path in store.directory.glob(".*")] == [f".{store.names()[0]}.lock"]
    assert list(store.directory.glob(".*")) == []


def test_one_that_is_talked_in_does_not_go(store: SessionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_store, "MAX_UNNAMED_SESSIONS", 1)
    with conversation_session(store=store) as session:
        run_lines(session, "a")
        for line in "bc":
            with conversation_session(store=store) as other:
                run_lines(other, line)
        assert session.log is not None
        assert session.log.name in store.names()


def test_a_file_that_is_removed_is_written_anew(store: SessionStore) -> None:
    with make_full_session(store) as session:
        (path,) = store.directory.glob("*.jsonl")
        path.unlink()
        run_lines(session, "more")
        kept = store.read(path.stem)
    assert list(kept.tree.turns.values()) == list(session.tree.turns.values())
    assert kept.tree.branches == session.tree.branches


def test_a_disk_that_fails_ends_no_session(store: SessionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    session = conversation_session(store=store)

    def fail(*_: object, **__: object) -> Iterator[None]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("builtins.open", fail)
    events = run_lines(session, "hi")
    refused = events[-1]
    assert isinstance(refused, CommandError)
    assert refused.message == "this session is not saved any more: No space left on device"
    assert session.last is not None
    assert not any(isinstance(event, CommandError) for event in run_lines(session, "so?"))
    assert isinstance(run_lines(session, "/save x")[0], CommandError)


@posix_only
def test_a_full_disk_costs_no_reply_and_is_told_once(store: SessionStore) -> None:
    with conversation_session(store=store) as session:
        with disk_full():
            first, second, reported, refused = (
                run_lines(session, "hi"),
                run_lines(session, "so?"),
                run_lines(session, "/save"),
                run_lines(session, "/save x"),
            )
        assert [turn.reply for turn in session.turns] == ["<7>", "<8>"]
        assert [isinstance(event, CommandError) for event in first] == [False] * (len(first) - 1) + [True]
        assert not any(isinstance(event, CommandError) for event in second)
        assert "File too large" in str(reported[0])
        assert isinstance(refused[0], CommandError)
        assert "File too large" in refused[0].message
        assert "free up space" in refused[0].hint
        assert store.names() == []
        (kept,) = run_lines(session, "/save x")
        assert "saved as x" in str(kept)
        run_lines(session, "more")
    assert [turn.line for turn in store.read("x").tree.path_to_head] == ["hi", "so?", "more"]


def test_what_is_not_to_be_kept_is_kept_once_it_has_a_name(store: SessionStore) -> None:
    provider = FakeModelProvider(emo=FakeChatModel(True), bard=FakeChatModel(False))
    with open_session(provider, None, GenerationConfig(seed=7), 0, store=store, persist=False) as session:
        run_lines(session, "hi", "/model bard", "Once", "/model emo", "you")
        assert store.names() == []
        assert "/save NAME" in str(run_lines(session, "/save")[0])
        run_lines(session, "/save trip", "so?")
    assert [turn.line for turn in store.read("trip").tree.path_to_head] == ["you", "so?"]


def truncate_by(path: Path, num_bytes: int) -> None:
    os.truncate(path, path.stat().st_size - num_bytes)


def test_a_torn_last_line_is_left_out_and_the_next_is_whole(store: SessionStore) -> None:
    with conversation_session(store=store) as session:
        run_lines(session, "one", "two", "three")
    (path,) = store.directory.glob("*.jsonl")
    truncate_by(path, 10)
    with conversation_session(store=store) as other:
        assert other.load(path.stem) == f"dropped the incomplete last line of session '{path.stem}'"
        assert [turn.line for turn in other.turns] == ["one", "two"]
        run_lines(other, "four", "five")
    kept = store.read(path.stem)
    assert [turn.line for turn in kept.tree.path_to_head] == ["one", "two", "four", "five"]
    assert kept.problem == ""


def test_empty_lines_are_nothing(store: SessionStore) -> None:
    with conversation_session(store=store) as session:
        run_lines(session, "one", "/save x")
    with (store.directory / "x.jsonl").open("a") as file:
        file.write("\n  \n")
    with conversation_session(store=store) as other:
        assert other.load("x") == ""
        run_lines(other, "two")
    assert [turn.line for turn in store.read("x").tree.path_to_head] == ["one", "two"]


def test_it_can_be_torn_anywhere(store: SessionStore) -> None:
    with make_full_session(store) as session:
        run_lines(session, "the end")
    (path,) = store.directory.glob("*.jsonl")
    whole = path.read_bytes()
    first = whole.index(b"\n")
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        if end <= first:
            with pytest.raises(UsageError):
                store.read(path.stem)
        else:
            kept = store.read(path.stem)
            assert not kept.is_corrupt
            assert (kept.problem != "") == (not whole[:end].endswith(b"\n"))
            assert list(kept.tree.turns.values()) == list(session.tree.turns.values())[: len(kept.tree.turns)]


HEADER_LINE = b'{"type":"session","model":"emo","conversations":true,"version":2}'
TURN_LINE = b'{"type":"turn","number":1,"parent":0,"line":"hi","reply":"ho","stopped":"turn","config":{}}'


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b"[1]",
        b"null",
        b"\xff\xfe",
        b'"\\ud800"',
        b"[" * 100_000,
        b'{"type":"other"}',
        HEADER_LINE,
        b'{"type":"position","number":7,"branch":"main"}',
        b'{"type":"position","number":1,"branch":""}',
        b'{"type":"position","number":-1,"branch":"main"}',
        b'{"type":"position","number":1e400,"branch":"main"}',
        TURN_LINE,  # its number is taken
        TURN_LINE.replace(b'"number":1', b'"number":0'),
        TURN_LINE.replace(b'"number":1,"parent":0', b'"number":2,"parent":2'),
        TURN_LINE.replace(b'"number":1,"parent":0', b'"number":2,"parent":9'),
        TURN_LINE.replace(b'"number":1', b'"number":' + b"9" * 5000),
        TURN_LINE.replace(b'"number":1', b'"number":2').replace(b'"config":{}', b'"config":{"temp":-1}'),
        TURN_LINE.replace(b'"number":1', b'"number":2').replace(b'"config":{}', b'"config":{"seed":"x"}'),
        TURN_LINE.replace(b'"number":1', b'"number":2').replace(b'"config":{}', b'"config":{"stop":[1]}'),
    ],
)
def test_a_line_that_means_nothing_ends_the_session_there(store: SessionStore, line: bytes) -> None:
    store.directory.mkdir()
    after = TURN_LINE.replace(b'"number":1', b'"number":20')
    (store.directory / "odd.jsonl").write_bytes(b"\n".join([HEADER_LINE, TURN_LINE, line, after, b""]))
    kept = store.read("odd")
    assert kept.is_corrupt
    assert kept.problem == "session 'odd' is corrupt at line 3: the turns after it were not loaded"
    assert [turn.reply for turn in kept.tree.path_to_head] == ["ho"]
    assert [brief.name for brief in store.list_info(9)] == ["odd"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"x" * 100_000, "is corrupt"),
        (TURN_LINE, "is corrupt"),
        (HEADER_LINE.replace(b"2}", b"3}"), "by a newer gru (format 3)"),
        (b'{"type":"dialogue","version":4,"model":7}\n', "by a newer gru (format 4)"),
        (b"\0" * 5000, "is corrupt"),
    ],
)
def test_a_file_that_is_no_session_is_refused(store: SessionStore, content: bytes, what: str) -> None:
    store.directory.mkdir()
    (store.directory / "odd.jsonl").write_bytes(content)
    (refused,) = run_lines(conversation_session(store=store), "/load odd")
    assert isinstance(refused, CommandError)
    assert what in refused.message
    (info,) = store.list_info(9)
    assert what in info.problem
    (listed,) = run_lines(conversation_session(store=store), "/load")
    assert listed == Message("there are no saved sessions")


def test_a_folder_is_called_one(store: SessionStore) -> None:
    (store.directory / "odd.jsonl").mkdir(parents=True)
    (refused,) = run_lines(conversation_session(store=store), "/load odd")
    assert isinstance(refused, CommandError)
    assert refused.message == "'odd' is a directory, not a session"


def test_a_corrupt_session_continues_in_a_new_file(store: SessionStore) -> None:
    with conversation_session("abc", store=store) as session:
        run_lines(session, "one", "two", "three", "/save x")
    path = store.directory / "x.jsonl"
    damaged = path.read_text().replace('{"type":"turn","number":2', '{"type":"turn","number":"?"')
    path.write_text(damaged)
    with conversation_session("abc", store=store) as other:
        *_, reported = run_lines(other, "/load x")
        assert reported == Message("session 'x' is corrupt at line 4: the turns after it were not loaded")
        run_lines(other, "four")
        assert context_of_reply(other) == "one|abc|four|"
    assert path.read_text() == damaged
    assert [[turn.line for turn in store.read(name).tree.path_to_head] for name in store.names()] == [
        ["one", "four"],
        ["one"],
    ]


def test_a_session_that_fails_to_load_is_left_to_others(store: SessionStore) -> None:
    with conversation_session(store=store) as session:
        run_lines(session, "/model bard", "Once", "/save x")
    with conversation_session(store=store) as other:
        assert isinstance(other._models, FakeModelProvider)
        del other._models.models["bard"]
        assert isinstance(run_lines(other, "/load x")[0], CommandError)
        assert other.turns == []
        with completion_session(store=store) as third:
            assert third.load("x") == ""


def resume_latest(store: SessionStore) -> Session:
    return open_session(
        FakeModelProvider(emo=FakeChatModel(True)), None, GenerationConfig(), 0, store=store, resume_with={}
    )


def test_going_on_says_what_was_passed_over_and_left_out(store: SessionStore) -> None:
    with conversation_session(store=store) as session:
        run_lines(session, "hi", "/save older")
    with (store.directory / "older.jsonl").open("a") as file:
        file.write("?\n")
    (store.directory / "newer.jsonl").write_text("?")
    os.utime(store.directory / "older.jsonl", (1, 1))
    with resume_latest(store) as session:
        left_out, passed = session.pop_notices()
        assert list(session.pop_notices()) == []
    assert "newer: session 'newer' is corrupt" in str(passed)
    assert "; resumed older" in str(passed)
    assert left_out == Message("session 'older' is corrupt at line 4: the turns after it were not loaded")


def test_going_on_where_somebody_is_says_how(store: SessionStore) -> None:
    with conversation_session(store=store) as session:
        run_lines(session, "hi")
        with pytest.raises(LockedError) as busy:
            resume_latest(store)
    assert "is in use by process" in busy.value.message
    assert busy.value.hint == "leave that chat first, or start another with: gru chat"


@given(st.binary(max_size=300))
def test_no_bytes_do_harm(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    archive = SessionStore(tmp_path_factory.mktemp("odd"))
    (archive.directory / "odd.jsonl").write_bytes(HEADER_LINE + b"\n" + content)
    kept = archive.read("odd")
    assert len(kept.tree.turns) <= content.count(b"turn")


def test_a_line_longer_than_any_ends_the_session_there(store: SessionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_store, "_MAX_LINE_BYTES", 200)
    store.directory.mkdir()
    (store.directory / "odd.jsonl").write_bytes(HEADER_LINE + b"\n" + b"y" * 1000 + b"\n" + TURN_LINE + b"\n")
    kept = store.read("odd")
    assert kept.is_corrupt
    assert len(kept.tree.turns) == 0


def resume_with(store: SessionStore, model: str | None = None, **overrides: object) -> Session:
    provider = FakeModelProvider(bard=FakeChatModel(False), emo=FakeChatModel(True), ann=FakeChatModel(True))
    return open_session(provider, model, GenerationConfig(temp=0.1, top_k=5), 0, store=store, resume_with=overrides)


def test_the_latest_session_goes_on_with_its_model_and_its_ways(store: SessionStore) -> None:
    with conversation_session(store=store) as session:
        run_lines(session, "/temp 1.2", "/seed 40", "hi")
    with resume_with(store, top_k=5) as other:
        assert (other.model_name, other.config.temp, other.config.top_k, other.config.seed) == ("emo", 1.2, 5, 41)
        assert current_context(other) == "hi|<40>|"


def test_a_file_that_is_no_session_is_not_the_latest_one(store: SessionStore) -> None:
    with conversation_session(store=store) as session:
        run_lines(session, "hi")
        (store.directory / "zzz.jsonl").write_bytes(b"{}\n")
    with resume_with(store) as other:
        assert current_context(other) == "hi|<7>|"


def save_session(store: SessionStore, name: str, line: str, *models: str) -> None:
    """Keep a session that was talked in with these models, and is older than all that are kept later."""
    with conversation_session(store=store) as session:
        run_lines(session, *(f"/model {model}" for model in models), line, f"/save {name}")
    os.utime(store.directory / f"{name}.jsonl", (len(store.names()),) * 2)


def test_with_a_model_its_own_session_goes_on(store: SessionStore) -> None:
    save_session(store, "own", "hi", "ann")
    save_session(store, "newer", "you")
    save_session(store, "of-another-kind", "Once", "bard")
    with resume_with(store, "ann") as other:
        assert other.log is not None
        assert (other.model_name, other.log.name) == ("ann", "own")
        assert list(other.pop_notices()) == []
    with resume_with(store) as newest:
        assert newest.log is not None
        assert newest.log.name == "of-another-kind"


@pytest.mark.parametrize("model", ["ann", "bard"])
def test_a_model_without_a_session_says_what_can_be_done(store: SessionStore, model: str) -> None:
    save_session(store, "one", "hi")
    with pytest.raises(UsageError, match=f"no session with {model} to resume") as refused:
        resume_with(store, model)
    assert refused.value.hint == f"start one with: gru chat {model}; or resume the latest with: gru chat --continue"


def test_a_session_of_a_model_that_became_another_kind_says_why(store: SessionStore) -> None:
    save_session(store, "one", "hi", "ann")
    provider = FakeModelProvider(ann=FakeChatModel(False), emo=FakeChatModel(True))
    with pytest.raises(UsageError) as refused:
        open_session(provider, "ann", GenerationConfig(), 0, store=store, resume_with={})
    assert (
        refused.value.message == "session 'one' cannot be resumed: session 'one' needs another type of model than ann"
    )
    assert refused.value.hint == "start one with: gru chat ann"
    save_session(store, "two", "hi")
    with pytest.raises(UsageError, match="session 'one' cannot be resumed") as refused:
        open_session(provider, "ann", GenerationConfig(), 0, store=store, resume_with={})
    assert refused.value.hint == "start one with: gru chat ann; or resume the latest with: gru chat --continue"


def test_only_what_can_be_resumed_is_offered(store: SessionStore) -> None:
    save_session(store, "orphan", "you", "ann")
    provider = FakeModelProvider(bard=FakeChatModel(False))
    with pytest.raises(UsageError, match="no session with bard to resume") as refused:
        open_session(provider, "bard", GenerationConfig(), 0, store=store, resume_with={})
    assert refused.value.hint == "start one with: gru chat bard"


def test_a_session_whose_model_is_gone_is_passed_over_and_can_go_on_with_another(store: SessionStore) -> None:
    save_session(store, "own", "hi")
    save_session(store, "orphan", "you", "ann")
    provider = FakeModelProvider(bard=FakeChatModel(False), emo=FakeChatModel(True))
    with open_session(provider, None, GenerationConfig(), 0, store=store, resume_with={}) as session:
        assert current_context(session) == "hi|<7>|"
        (reported,) = session.pop_notices()
        assert "orphan: there is no model 'ann'; resumed own" in str(reported)
    provider = FakeModelProvider(bard=FakeChatModel(False), new=FakeChatModel(True))
    with pytest.raises(UsageError, match="session 'orphan' cannot be resumed: there is no model 'ann'"):
        open_session(provider, None, GenerationConfig(), 0, store=store, resume_with={})
    with pytest.raises(UsageError, match="no session with bard"):
        open_session(provider, "bard", GenerationConfig(), 0, store=store, resume_with={})
    with open_session(provider, "new", GenerationConfig(), 0, store=store, resume_with={}) as session:
        assert list(session.pop_notices()) == [Message("the model of this session is missing: continuing with new")]


def test_a_model_that_is_followed_is_waited_for(store: SessionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grucli.chat.open_session.POLL_SECONDS", 0)
    provider = FakeModelProvider(emo=FakeChatModel(True))
    reported: list[str] = []
    for follow, times in ((False, 0), (True, 3)):
        provider.pending_polls = {"emo": 3}
        with open_session(provider, "emo", GenerationConfig(), 0, store=store, follow=follow, on_wait=reported.append):
            assert reported == ["waiting for the first checkpoint of emo; press Ctrl-C to leave"] * times


def test_a_model_is_to_come_while_its_folder_is_held_and_has_no_weights(home: Path) -> None:
    provider, directory = ModelLoader(1), model_dir("emo")
    assert not provider.is_pending("emo")
    assert not provider.is_pending("not/a/name")
    with DirectoryLock(directory):
        assert provider.is_pending("emo")
        add_model("emo")
        assert not provider.is_pending("emo")
    (directory / BEST).unlink()
    assert not provider.is_pending("emo")
    assert sorted(path.name for path in directory.iterdir()) == ["lock"]


def test_there_must_be_a_session_to_go_on_with(store: SessionStore) -> None:
    with pytest.raises(UsageError, match="no session"):
        resume_with(store)


def test_what_has_begun_has_its_scene(store: SessionStore) -> None:
    with pytest.raises(UsageError, match="--opening"):
        open_session(
            FakeModelProvider(emo=FakeChatModel(True)),
            None,
            GenerationConfig(),
            0,
            preamble="x",
            store=store,
            resume_with={},
        )


def test_a_model_of_another_kind_begins_a_session_of_its_own(store: SessionStore) -> None:
    with conversation_session(store=store) as session:
        run_lines(session, "hi", "/model ann", "you", "/model bard", "Once")
        assert len(session.turns) == 1
    assert sorted(store.read(name).model for name in store.names()) == ["ann", "bard"]


def test_a_session_without_an_archive_says_so() -> None:
    session = conversation_session()
    assert run_lines(session, "/save") == [Message("this chat is private: it keeps nothing")]
    assert isinstance(run_lines(session, "/save x")[0], CommandError)
    assert isinstance(run_lines(session, "/load x")[0], CommandError)
    assert run_lines(session, "/load") == [Message("there are no saved sessions")]


def test_a_session_that_is_forgotten_leaves_nothing(store: SessionStore) -> None:
    with conversation_session(store=store) as session:
        store.history.append("one", session.started_at)
        store.history.append("two\nlines", "another time")
        store.history.append("/score secret", session.started_at)
        forgotten = run_lines(session, "one", "/save trip", "/delete")[-1]
        assert forgotten == Message(
            "deleted session trip and its lines in the history; this chat is private now and keeps nothing"
        )
        assert (store.names(), store.history.lines()) == ([], ["two\nlines"])
        run_lines(session, "more", "/save again")
        assert [path.name for path in store.directory.iterdir()] == [store.history.path.name]
        assert run_lines(session, "/save", "/delete") == [Message("this chat is private: it keeps nothing")] * 2
    assert [turn.line for turn in session.turns] == ["one", "more"]


def test_a_session_is_removed_with_its_lines_in_the_history(store: SessionStore) -> None:
    with conversation_session(store=store) as session:
        store.history.append("one", session.started_at)
        run_lines(session, "one", "/save trip")
        with pytest.raises(LockedError):
            store.remove("trip")
    with conversation_session(store=store) as session:
        session.load("trip")
        store.history.append("two", session.started_at)
        store.history.append("three", "another time")
    store.remove("trip")
    assert (store.names(), store.history.lines()) == ([], ["three"])
    assert [path.name for path in store.directory.iterdir()] == [store.history.path.name]
    with pytest.raises(UsageError, match="no session 'trip'"):
        store.remove("trip")


def test_a_corrupt_session_can_be_removed(store: SessionStore) -> None:
    store.directory.mkdir()
    (store.directory / "odd.jsonl").write_bytes(b"?")
    store.remove("odd")
    assert store.names() == []


def test_a_private_session_keeps_nothing(tmp_path: Path) -> None:
    provider = FakeModelProvider(emo=FakeChatModel(True))
    with open_session(provider, None, GenerationConfig(seed=7), 0, store=None) as session:
        saved, loaded, listed = run_lines(session, "/save trip", "/load trip", "/load")
        assert isinstance(saved, CommandError)
        assert isinstance(loaded, CommandError)
        assert saved.message == loaded.message == "this chat is private: it keeps nothing"
        assert listed == Message("there are no saved sessions")
    with pytest.raises(UsageError, match="--private"):
        open_session(provider, None, GenerationConfig(), 0, store=None, resume_with={})


@posix_only
def test_what_is_kept_is_for_the_user_alone(store: SessionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    previous_umask = os.umask(0)
    try:
        with conversation_session(store=store) as session:
            run_lines(session, "hi")
            store.history.append("hi", session.started_at)
            store.history.append("you", "another time")
            for path in store.directory.glob("*[!k]"):
                assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
            run_lines(session, "/delete")
            assert stat.S_IMODE(store.history.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(store.directory.stat().st_mode) == 0o700
    finally:
        os.umask(previous_umask)
