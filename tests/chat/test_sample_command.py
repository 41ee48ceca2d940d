import itertools
import json
import shutil
import subprocess
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.chat.commands import handle_line
from grucli.chat.events import ChatEvent, CommandError, Message, SampleCommand
from grucli.chat.sample_command import sample_command
from grucli.chat.session import Session
from grucli.chat.session_store import SessionStore
from grucli.chat.turns import ReplyContext, Turn
from grucli.errors import UsageError
from grucli.generation.options import GenerationConfig
from grucli.generation.phrases import unescape_text
from tests.chat.fakes import FakeChatModel, FakeModelProvider, completion_session, conversation_session

bash = shutil.which("bash")
needs_bash = pytest.mark.skipif(bash is None, reason="there is no bash here")

CHARS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])


def run_lines(session: Session, *lines: str) -> list[ChatEvent]:
    return [event for line in lines for event in handle_line(session, line)]


def sample_command_of(session: Session) -> str:
    (event,) = run_lines(session, "/cmd")
    assert isinstance(event, SampleCommand)
    return event.text


def warning_text(session: Session) -> str:
    """What is told behind the line."""
    line, *messages = run_lines(session, "/cmd")
    assert isinstance(line, SampleCommand)
    assert all(isinstance(event, Message) for event in messages)
    return "".join(event.text for event in messages if isinstance(event, Message))


def parse_with_bash(line: str) -> list[str]:
    """The arguments that the program makes of a line, without its name."""
    assert bash is not None
    return parse_with_shell(bash, line)


def parse_with_shell(shell: str, line: str) -> list[str]:
    posix, fish = 'gru() { printf "%s\\0" "$@"; }', r'function gru; printf "%s\0" $argv; end'
    program = f"{fish if shell.endswith('fish') else posix}\n{line}"
    completed = subprocess.run([shell, "-c", program], capture_output=True, check=True, timeout=60)
    return list(map(unescape_text, completed.stdout.decode().split("\0")[:-1]))


def test_the_line_has_the_dialogue_and_the_ways() -> None:
    session = conversation_session(preamble="Hi, I am Ann.")
    run_lines(session, "it's you", "/temp 1.2", "/top-k 40", "so?")
    assert sample_command_of(session) == (
        "gru sample emo --reply-to 'Hi, I am Ann.' --reply-to 'it'\\''s you' --reply-to '<7>' --reply-to 'so?' "
        "--temp 1.2 --top-k 40 --max-chars 500 --seed 8"
    )


def test_what_was_gone_on_with_is_a_prompt() -> None:
    session = conversation_session("abcdef", max_chars=3)
    run_lines(session, "hi", "", "")
    assert (
        sample_command_of(session) == "gru sample emo --reply-to hi --prompt abcabc --temp 0.8 --max-chars 3 --seed 9"
    )
    run_lines(session, "/undo 2", "you")
    assert "--reply-to hi --reply-to abc --reply-to you --temp" in sample_command_of(session)


def test_a_text_that_is_continued_is_a_prompt() -> None:
    session = completion_session(preamble="It was\n")
    run_lines(session, "night", "day")
    assert sample_command_of(session).startswith(r"gru sample bard --prompt 'It was\nday' --temp")


def test_a_reply_that_was_stopped_ends_there_again() -> None:
    session = conversation_session("abcdef")
    run_lines(session, "/min 5")
    for event in handle_line(session, "hi"):
        if getattr(event, "text", "") == "c":
            session.stop()
    assert sample_command_of(session).endswith("--temp 0.8 --max-chars 3 --min-chars 3 --seed 7")


def test_what_settings_may_say_otherwise_is_always_told() -> None:
    provider = FakeModelProvider(emo=FakeChatModel(True))
    session = Session(provider, None, GenerationConfig(top_k=40, seed=1), 0)
    run_lines(session, "/top-k 0", "hi")
    assert " --top-k 0 " in sample_command_of(session)


def test_stops_and_blocked_words_are_told() -> None:
    session = conversation_session()
    run_lines(session, r"/stop \n", "/stop the end", "/block damn*", "/block it's", "hi")
    line = sample_command_of(session)
    assert r"--stop '\n' --stop 'the end'" in line
    assert line.endswith("--block-word 'damn*' --block-word 'it'\\''s'")


def test_numbers_are_told_as_they_would_be_typed() -> None:
    session = conversation_session()
    run_lines(session, "/mirostat 3", "/temp 0.15", "/top-p 0.30000000000000004", "hi")
    line = sample_command_of(session)
    assert "--mirostat 3 " in line + " "
    assert "--temp 0.15 " in line
    assert "--top-p 0.30000000000000004 " in line


def test_a_search_is_told_without_what_means_nothing_to_it() -> None:
    session = conversation_session()
    run_lines(session, "/beam 4", "/top-k 3", "hi")
    assert sample_command_of(session) == "gru sample emo --reply-to hi --max-chars 500 --beam 4"


@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "zsh", "fish"])
def test_every_shell_reads_the_same(shell: str) -> None:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"there is no {shell} here")
    texts = [
        "it's",
        "a\\b\\\\c\\'d\\",
        "two\nlines\n",
        "\n",
        "\x1b[2J\t\u202e",
        "$x `y` !z %self ~",
        "=ls",
        "~",
        "a%",
        "{a,b}",
        "\n\x01",
    ]
    session = conversation_session()
    run_lines(session, *texts, "/block it's", "/block damn*", "/stop \\n", "last")
    assert session.last is not None
    heard = parse_with_shell(path, sample_command(session, session.last, windows=False))
    given: dict[str, tuple[str, ...]] = dict.fromkeys(("--reply-to", "--block-word", "--stop"), ())
    for name, text in itertools.pairwise(heard):
        if name in given:
            given[name] = (*given[name], text)
    assert [text for text in given["--reply-to"] if "<" not in text] == [*map(unescape_text, texts), "last"]
    assert given["--block-word"] == ("it's", "damn*")
    assert given["--stop"] == ("\n",)


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        ((), "no reply"),
        (("/peek hi", "/pick 1"), "picked"),
        (("a\0b",), "which no argument can hold"),
        (("x" * 200_000,), "characters"),
    ],
)
def test_there_is_not_a_line_for_everything(lines: tuple[str, ...], what: str) -> None:
    session = conversation_session()
    run_lines(session, *lines)
    (refused,) = run_lines(session, "/cmd")
    assert isinstance(refused, CommandError)
    assert what in refused.message


def test_a_dialogue_longer_than_is_kept_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grucli.chat.turn_tree.MAX_TURNS", 2)
    session = conversation_session()
    run_lines(session, "a", "b", "c")
    assert isinstance(run_lines(session, "/cmd")[0], CommandError)


@pytest.mark.parametrize(
    "way",
    [
        ("hi",),
        ("/regen",),
        ("hi", "/undo"),
        ("/fork", "hi", "/rewind 1"),
        ("/spread 0.5 1", "/pick 2"),
        ("/best 3", "/pick 3"),
    ],
)
def test_going_about_leaves_no_doubt(way: tuple[str, ...]) -> None:
    session = conversation_session()
    run_lines(session, "hello", *way)
    assert warning_text(session) == ""


def test_the_line_names_the_model_that_drew_the_reply() -> None:
    session = conversation_session()
    run_lines(session, "hi", "/model ann")
    assert sample_command_of(session).startswith("gru sample emo ")
    run_lines(session, "/regen")
    assert sample_command_of(session).startswith("gru sample ann ")


def test_a_model_that_is_another_one_now_leaves_a_doubt() -> None:
    session = conversation_session()
    run_lines(session, "hi")
    provider = session._models
    assert isinstance(provider, FakeModelProvider)
    provider.models["emo"] = FakeChatModel(True, "something else")
    assert warning_text(session) == "it may give another reply: emo has changed"
    del provider.models["emo"]
    assert warning_text(session) == "it may give another reply: emo cannot be read any more"


def save_three_turns(tmp_path: Path) -> Path:
    """The file of a session of three turns, each of which answers the one before."""
    session = conversation_session(store=SessionStore(tmp_path))
    with session:
        run_lines(session, "one", "two", "three", "/save it")
    return tmp_path / "it.jsonl"


def load_saved_session(tmp_path: Path) -> Session:
    session = conversation_session(store=SessionStore(tmp_path))
    run_lines(session, "/load it")
    return session


def test_what_was_kept_whole_leaves_no_doubt(tmp_path: Path) -> None:
    save_three_turns(tmp_path)
    with load_saved_session(tmp_path) as session:
        assert warning_text(session) == ""


def test_a_changed_turn_before_it_leaves_a_doubt(tmp_path: Path) -> None:
    file = save_three_turns(tmp_path)
    file.write_bytes(file.read_bytes().replace(b'"line":"two"', b'"line":"another"'))
    with load_saved_session(tmp_path) as session:
        assert [turn.line for turn in session.turns] == ["one", "another", "three"]
        assert warning_text(session) == "it may give another reply: the turns before it have changed"
        run_lines(session, "four")  # which answers the turns as they are now
        assert warning_text(session) == ""
        run_lines(session, "/undo 3")
        assert warning_text(session) == ""
    with load_saved_session(tmp_path) as session:
        run_lines(session, "/rewind 4")
        assert warning_text(session) == ""


def test_what_was_kept_without_its_origin_leaves_a_doubt(tmp_path: Path) -> None:
    file = save_three_turns(tmp_path)
    entries = map(json.loads, file.read_text("utf-8").splitlines())
    older = [{name: entry[name] for name in entry if name != "provenance"} for entry in entries]
    file.write_text("".join(f"{json.dumps(entry)}\n" for entry in older), "utf-8")
    with load_saved_session(tmp_path) as session:
        assert "does not record" in warning_text(session)


def test_what_settings_stop_at_leaves_a_doubt_and_what_they_block_does_not() -> None:
    config = GenerationConfig(stop=("end",), block=("damn",), seed=1)
    session = Session(FakeModelProvider(emo=FakeChatModel(True)), None, config, 0)
    run_lines(session, "hi")
    assert warning_text(session) == ""
    run_lines(session, "/stop off", "/block off", "hi")
    line = run_lines(session, "/cmd")[0]
    assert isinstance(line, SampleCommand)
    assert " --block=''" in line.text
    assert "settings have a stop text" in warning_text(session)


def test_of_what_a_beam_found_only_the_likeliest_has_a_line() -> None:
    session = conversation_session()
    run_lines(session, "/beam 4", "/best 2 hi", "/pick 1")
    assert warning_text(session) == ""
    run_lines(session, "/pick 2")
    (refused,) = run_lines(session, "/cmd")
    assert isinstance(refused, CommandError)
    assert "not the first result" in refused.message


def test_nothing_said_cannot_be_said_again() -> None:
    turn = Turn(ReplyContext(0, "hi", ""), "", GenerationConfig(), "interrupted", None)
    with pytest.raises(UsageError, match="this reply is empty"):
        sample_command(conversation_session(), turn)


@needs_bash
@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.one_of(st.text(CHARS, max_size=9), st.sampled_from(["-n", "--", "''", "\n", "\\", "$(x)", "!"])), max_size=4
    )
)
def test_a_shell_reads_what_was_said(lines: list[str]) -> None:
    session = conversation_session("re'ply\n")
    run_lines(session, *(f"//{line[1:]}" if line.startswith("/") else f".{line}" for line in lines), "-last")
    assert session.last is not None
    line = sample_command(session, session.last, windows=False)
    assert not any(unicodedata.category(char).startswith(("C", "Zl", "Zp")) for char in line)
    said = session.state_cache.turns_before(session.tree, session.last.context)
    assert said is not None
    heard = parse_with_bash(line)
    reported = [heard[i + 1] for i, word in enumerate(heard) if word == "--reply-to"]
    hung = [word.removeprefix("--reply-to=") for word in heard if word.startswith("--reply-to=")]
    assert sorted(reported + hung) == sorted(said)
    assert heard[:2] == ["sample", "emo"]


@needs_bash
@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(st.sampled_from("\\nt\n\t'x\x1b") | CHARS, min_size=1, max_size=6), max_size=4).map(tuple))
def test_stops_reach_the_program_as_they_are_meant(stops: tuple[str, ...]) -> None:
    session = conversation_session()
    session.config = GenerationConfig(stop=stops)
    run_lines(session, "hi")
    assert session.last is not None
    heard = parse_with_bash(sample_command(session, session.last, windows=False))
    reported = [word for name, word in itertools.pairwise(heard) if name == "--stop"]
    hung = [word.removeprefix("--stop=") for word in heard if word.startswith("--stop=")]
    assert sorted(reported + hung) == sorted(stops)


@needs_bash
@pytest.mark.parametrize("line", ["", "-x", "--", "'", "''x", "-\n", "a\x1b[2Jb", "tab\there", "\u202e", "👩‍👩‍👧"])
def test_odd_texts_reach_the_program_whole(line: str) -> None:
    session = conversation_session()
    list(session.send(line))
    assert session.last is not None
    heard = parse_with_bash(sample_command(session, session.last, windows=False))
    assert heard[2:4] == ["--reply-to", line] or heard[2] == f"--reply-to={line}"


@pytest.mark.parametrize(
    ("line", "quoted"),
    [
        ("it's", "'it''s'"),
        ("", "=''"),
        ("two\nlines $x `", "'two\\nlines $x `'"),
        ("cr\r$x `", '"cr`r`$x ``"'),
        ("-x", "='-x'"),
    ],
)
def test_a_line_for_powershell(line: str, quoted: str) -> None:
    session = conversation_session()
    list(session.send(line))
    assert session.last is not None
    assert f"--reply-to{'' if quoted.startswith('=') else ' '}{quoted} " in sample_command(
        session, session.last, windows=True
    )


def test_powershell_has_no_word_for_some() -> None:
    session = conversation_session()
    list(session.send("\x1b"))
    assert session.last is not None
    with pytest.raises(UsageError, match="PowerShell"):
        sample_command(session, session.last, windows=True)
    run_lines(session, "/block it's", "/reset", "hi")
    assert sample_command(session, session.last, windows=True).endswith("--block-word 'it''s'")


@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "zsh", "fish"])
def test_every_shell_reads_a_line_without_breaks_the_same(shell: str) -> None:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"there is no {shell} here")
    texts = ["two\nlines", "\n\n a", "\n'b", "c\n\\", "\x1b\n-d", "\n漢\n\x01", "%s\n%s", "it's"]
    session = conversation_session()
    run_lines(session, *(f".{text}" for text in texts), "last")
    assert session.last is not None
    line = sample_command(session, session.last, windows=False)
    assert line.isprintable()
    reported = [text for name, text in itertools.pairwise(parse_with_shell(path, line)) if name == "--reply-to"]
    assert [text for text in reported if "<" not in text] == [*(f".{text}" for text in texts), "last"]


def test_a_reply_stopped_before_the_best_was_chosen_has_no_command() -> None:
    session = conversation_session()
    session.reply("hi")
    assert session.last is not None
    config = replace(session.last.config, best_of=4)
    turn = replace(session.last, stopped="interrupted", config=config)
    with pytest.raises(UsageError, match="before the best one was chosen"):
        sample_command(session, turn)
