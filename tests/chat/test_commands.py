from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.chat.chat_settings import SETTINGS, Setting
from grucli.chat.command_help import EXPLAINED
from grucli.chat.commands import COMMANDS, Command, hear, introduction, is_command, suggest
from grucli.chat.events import Branch, Branched, Ended, Event, Helped, Left, Listed, Recounted, Refused, Told
from grucli.chat.model_loader import StoredModels
from grucli.chat.session import Session
from grucli.chat.session_store import Archive
from grucli.errors import ModelFileError
from grucli.generation.sampler import Draw
from tests.chat.fakes import FakeShelf, FakeVoice, fake, in_mind, talker, writer
from tests.model.factories import add_model


def do(session: Session, line: str) -> list[Event]:
    return list(hear(session, line))


def refusal(session: Session, line: str) -> Refused:
    (event,) = do(session, line)
    assert isinstance(event, Refused)
    return event


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("/temp 0.3", "temp", 0.3),
        ("/temp   1", "temp", 1.0),
        ("/top-k 40", "top_k", 40),
        ("/top-p 0.9", "top_p", 0.9),
        ("/min-p 0.05", "min_p", 0.05),
        ("/repeat-penalty 1.2", "repeat_penalty", 1.2),
        ("/seed 12", "seed", 12),
        ("/max 80", "max_chars", 80),
        ("/min 20", "min_chars", 20),
    ],
)
def test_a_setting_is_set_and_told(line: str, field: str, value: float) -> None:
    session = talker()
    (told,) = do(session, line)
    assert isinstance(told, Told)
    assert getattr(session.draw, field) == value
    assert told.text == f"{line.split()[0]}: {value:g}"
    (told,) = do(session, line.split()[0])
    assert isinstance(told, Told)
    assert told.text.startswith(f"{line.split()[0]} {value:g} · ")


def test_the_pace_is_set() -> None:
    session = talker()
    do(session, "/pace 30")
    assert session.pace == 30


@pytest.mark.parametrize(
    ("line", "what", "todo"),
    [
        ("/temp -1", "/temp is -1", "/temp takes a number from 0 to 100"),
        ("/temp nan", "/temp is nan", "/temp takes"),
        ("/temp 1_0", "'1_0' is not a number", "such as /temp 0.8"),
        ("/seed ٣", "'٣' is not a whole number", "/seed takes a whole number"),
        ("/temp hot", "'hot' is not a number", "such as /temp 0.8"),
        ("/top-k 1.5", "'1.5' is not a whole number", "such as /top-k 0"),
        ("/top-p 2", "/top-p is 2", "/top-p takes"),
        ("/seed -4", "/seed is -4", "/seed takes"),
        (f"/seed {'9' * 5000}", "999", "/seed takes"),
        ("/max 0", "/max is 0", "/max takes"),
        ("/min 900", "/min is 900", "up to /max"),
        ("/pace -3", "/pace is -3", "/pace takes"),
        ("/pace inf", "/pace is inf", "/pace takes"),
        ("/regen 3", "/regen takes no value", "type /regen alone"),
        ("/model nobody", "there is no model 'nobody'", "see which there are"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_what_can(line: str, what: str, todo: str) -> None:
    session = talker()
    before = session.draw, session.pace, session.model
    event = refusal(session, line)
    assert what in event.what
    assert todo in event.todo
    assert "--" not in event.what + event.todo
    assert len(event.what) < 300
    assert (session.draw, session.pace, session.model) == before


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("/tmep", "/temp"),
        ("/regne", "/regen"),
        ("/quti", "/quit"),
        ("/Temp 1", "/temp"),
        ("/temperature", "/temp"),
        ("/minp", "/min-p"),
        ("/rep", "/repeat-penalty"),
        ("/models", "/model"),
    ],
)
def test_an_unknown_command_names_the_nearest(typed: str, meant: str) -> None:
    event = refusal(talker(), typed)
    assert f"did you mean {meant}?" in event.todo
    assert typed.split()[0] in event.what


@pytest.mark.parametrize("typed", ["/" + "x" * 1_000_000, "/opening", "/nothing", "/system", "/x"])
def test_an_unknown_command_that_is_near_nothing_names_the_list(typed: str) -> None:
    event = refusal(talker(), typed)
    assert event.todo.startswith("/help")
    assert len(event.what) < 300


@pytest.mark.parametrize("line", ["hello", "", " /temp 1", "/r/python is", "/u/name", "/s/", "a /temp"])
def test_what_is_no_command_is_said(line: str) -> None:
    assert not is_command(line)
    session = writer()
    do(session, line)
    assert "".join(fake(session).heard) == line


def test_two_slashes_say_one() -> None:
    session = writer()
    do(session, "//temp 1")
    assert fake(session).heard == ["/temp 1"]


def test_help_names_every_command_and_setting() -> None:
    session = talker()
    do(session, "/temp 0.3")
    helped, told = do(session, "/help")
    assert isinstance(helped, Helped)
    assert isinstance(told, Told)
    shown = (
        " ".join([*(usage for _, usage, _ in helped.commands), *helped.settings, told.text]).replace(",", "").split()
    )
    assert {f"/{command.name}" for command in COMMANDS} <= set(shown)
    assert "/temp 0.3" in helped.settings
    assert ("replies", "/spread [T…] [TEXT]") in [row[:2] for row in helped.commands]
    assert all(does for _, _, does in helped.commands)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_command_is_explained_by_its_name(command: Command) -> None:
    session = talker()
    for name in (command.name, f"/{command.name}"):
        listed = do(session, f"/help {name}")[0]
        assert listed == Listed(((command.usage, command.now(session), command.does),))
    if command.name in EXPLAINED:
        example = EXPLAINED[command.name][1]
        assert do(session, f"/help {command.name}")[2] == Told(f"for example: {example}")
        assert example.split()[0] == f"/{command.name}"


def test_what_is_explained_is_there() -> None:
    assert set(EXPLAINED) <= {command.name for command in COMMANDS}
    assert {"relevance", "mirostat", "best"} <= set(EXPLAINED)
    assert "did you mean /temp?" in refusal(talker(), "/help tepm").todo


def test_every_command_can_be_typed_alone() -> None:
    for command in COMMANDS:
        assert do(talker(), f"/{command.name}")
        session = talker()
        do(session, "/best 2 hi")
        do(session, "/pick")
        refused = any(isinstance(event, Refused) for event in do(session, f"/{command.name}"))
        assert refused == (command.name == "rewind")


@pytest.mark.parametrize("line", ["/quit", "/exit", "/bye", "/q", "/quit "])
def test_quit_leaves(line: str) -> None:
    assert do(talker(), line) == [Left()]


def test_regen_draws_again_and_reset_forgets() -> None:
    session = talker()
    do(session, "hi")
    assert isinstance(do(session, "/regen")[-1], Ended)
    assert [turn.seed for turn in session.turns] == [8]
    for again in ("/reset", "/clear"):
        do(session, "hi")
        do(session, again)
        assert refusal(session, "/regen").what == "there is no reply to draw again"
    assert do(session, "/?") == do(session, "/help")


def test_seed_and_regen_give_the_same_reply() -> None:
    session = talker()
    do(session, "hi")
    first = session.turns[-1].reply
    do(session, "/regen")
    do(session, "/seed 7")
    do(session, "/regen")
    assert session.turns[-1].reply == first


@pytest.mark.parametrize(
    ("todo", "as_typed"),
    [
        ("see which there are: gru models", "/model alone lists them"),
        ("did you mean 'emo'? See them all: gru models", "did you mean 'emo'? /model alone lists them"),
    ],
)
def test_a_model_that_is_not_there_is_looked_for_in_the_chat(todo: str, as_typed: str, home: Path) -> None:
    add_model("emo")
    session = Session(StoredModels(1), "emo", Draw(), 0)
    assert refusal(session, f"/model {'nope' if 'see' in todo else 'emoo'}").todo == as_typed


def test_model_lists_and_switches() -> None:
    session = talker()
    listed, _ = do(session, "/model")
    assert listed == Listed((("emo", "now", ""), ("bard", "", ""), ("ann", "", "")))
    assert do(session, "/model bard") == [Told(introduction(session))]
    assert session.model == "bard"


def test_a_model_of_another_kind_begins_a_session_and_tells(tmp_path: Path) -> None:
    with talker(archive=Archive(tmp_path)) as session:
        do(session, "hi")
        do(session, "/save it")
        *_, told = do(session, "/model bard")
        assert told == Told("it is of another kind, so this is a new session; /load it goes back to the one before")
    session = talker()
    do(session, "hi")
    assert do(session, "/model bard")[-1] == Told("it is of another kind, so this is a new session")


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_each_setting_is_set_by_its_name(setting: Setting) -> None:
    session = talker()
    for value in setting.values or ("5",):
        for line in (f"/set {setting.name} {value}", f"/{setting.name} {value}", f"/set /{setting.name} {value}"):
            (told,) = do(session, line)
            assert isinstance(told, Told)
            assert told.text == f"/{setting.name}: {setting.told(session)}"
        assert setting.now(session) == value
    assert do(session, f"/set {setting.name}") == do(session, f"/{setting.name}")


def test_set_alone_lists_and_names_the_nearest() -> None:
    session = talker()
    (listed,) = do(session, "/set")
    assert isinstance(listed, Listed)
    assert [row[:2] for row in listed.rows] == [(setting.name, setting.now(session)) for setting in SETTINGS]
    assert refusal(session, "/set tmep 1").todo == "did you mean temp?"
    assert refusal(session, "/set nothing 1").todo == "/set lists them"
    assert refusal(session, "/set zzzzzz 1").todo == "/set lists them"
    assert "'hot' is not a number" in refusal(session, "/set temp hot").what


def test_texts_are_added_and_taken_away() -> None:
    session = talker()
    do(session, r"/stop \n")
    (told,) = do(session, "/stop the end")
    assert session.draw.stop == ("\n", "the end")
    assert isinstance(told, Told)
    assert told.text == r"/stop: ends at '\n', 'the end'"
    do(session, "/block damn*")
    assert session.draw.block == ("damn*",)
    assert refusal(session, "/block a*b")
    assert do(session, "/block off") == [Told("/block: nothing is blocked any more")]
    assert do(session, "/stop off") == [Told("/stop: no text ends a reply any more")]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/mirostat 2", "/mirostat: 2"),
        ("/mirostat 0", "/mirostat: off"),
        ("/repeat-penalty 1", "/repeat-penalty: off"),
        ("/temp 0", "/temp: 0"),
        ("/max 500", "/max: 500"),
        ("/pace 0", "/pace: no limit"),
        ("/pace 30", "/pace: 30 characters a second"),
        ("/block haha", "/block: never says 'haha'"),
    ],
)
def test_what_was_set_is_told_in_a_few_words(line: str, told: str) -> None:
    assert do(talker(), line) == [Told(told)]


def test_going_back_tells_where() -> None:
    session = talker()
    do(session, "hi")
    do(session, "and\nso " + "x" * 100)
    assert do(session, "/undo") == [Told("back at turn 1: hi → <7>")]
    assert do(session, "/undo 1") == [Told("this is the beginning again")]
    assert refusal(session, "/undo").what == "there is nothing to undo"
    (told,) = do(session, "/rewind 2")
    assert isinstance(told, Told)
    assert told.text.startswith("back at turn 2: and so xxx")
    assert len(told.text) < 100
    assert "1 to 2" in refusal(session, "/undo 3").todo
    for odd in ("0", "-1"):
        assert refusal(session, f"/undo {odd}") == Refused(f"/undo is {odd}", "/undo takes a number from 1 to 2")
    do(session, "/rewind 1")
    assert refusal(session, "/undo 2").todo == "/undo takes 1, as there is one turn"
    assert "/tree" in refusal(session, "/rewind 9").todo
    assert "/tree" in refusal(session, "/rewind").todo
    assert "'x' is not a whole number" in refusal(session, "/undo x").what


def test_a_fork_is_named_and_gone_back_to() -> None:
    session = talker()
    do(session, "hi")
    assert "branch-2" in str(do(session, "/fork"))
    do(session, "there")
    assert "/rewind branch-2" in str(do(session, "/fork side"))
    assert do(session, "/rewind main") == [Told("back at turn 1: hi → <7>")]
    for name in ("side", "main"):
        assert "already" in refusal(session, f"/fork {name}").what
    for name in ("7", "a b", "-x", "x" * 70):
        assert "cannot be the name" in refusal(session, f"/fork {name}").what


def test_a_branch_that_is_taken_elsewhere_is_told() -> None:
    session = talker()
    for line in ("hi", "/fork side", "there"):
        do(session, line)
    (told,) = do(session, "/rewind 1")
    assert told == Told("back at turn 1: hi → <7>; the branch side ends here now")
    assert do(session, "/rewind main") == [Told("back at turn 1: hi → <7>")]


def test_the_tree_shows_every_turn_and_where_the_session_stands() -> None:
    session = talker()
    assert do(session, "/tree") == [Told("nothing was said so far")]
    for line in ("a", "b", "/fork side", "c", "/rewind 1", "d"):
        do(session, line)
    (tree,) = do(session, "/tree")
    turns = session.tree.turns
    assert tree == Branched(
        (
            Branch(turns[1], 0, (), False, True),
            Branch(turns[2], 1, ("main",), False, False),
            Branch(turns[3], 1, (), False, False),
            Branch(turns[4], 1, ("side",), True, True),
        )
    )
    assert tree.now == 4
    for back in ("/undo 2", "/rewind 0", "/reset"):
        do(session, "/rewind 4")
        do(session, back)
        (tree,) = do(session, "/tree")
        assert isinstance(tree, Branched)
        assert (tree.now, tree.beginning) == (0, ("side",))


def test_branches_of_a_session_in_which_nothing_was_said_are_shown() -> None:
    session = talker()
    do(session, "/fork")
    do(session, "/fork a")
    assert do(session, "/tree") == [Branched((), ("main", "branch-2", "a"))]


def test_another_model_of_the_kind_reads_what_was_said() -> None:
    session = talker()
    do(session, "hi")
    (told,) = do(session, "/model ann")
    assert isinstance(told, Told)
    assert told.text.endswith("It has heard what was said so far.")
    do(session, "you")
    assert in_mind(session) == "hi|<7>|you|"
    do(session, "/model bard")
    assert session.turns == []


def test_a_model_that_has_learnt_is_taken_up_with_the_dialogue() -> None:
    session = talker(follow=True)
    do(session, "hi")
    newer = FakeVoice(True, "better")
    shelf(session).news["emo"] = (newer, "step 1,200")
    told, *events = do(session, "you")
    assert told == Told("emo has learnt: step 1,200")
    assert isinstance(events[-1], Ended)
    assert events[-1].turn.reply == "better"
    assert in_mind(session) == "hi|<7>|you|"
    shelf(session).news["emo"] = (FakeVoice(False), "step 1,300")
    do(session, "Once")
    assert [turn.line for turn in session.turns] == ["Once"]


def test_nobody_is_followed_who_was_not_asked_to_be() -> None:
    session = talker()
    shelf(session).news["emo"] = (FakeVoice(True, "better"), "step 1,200")
    do(session, "hi")
    assert session.turns[-1].reply == "<7>"


def shelf(session: Session) -> FakeShelf:
    assert isinstance(session._shelf, FakeShelf)
    return session._shelf


def test_history_has_every_turn() -> None:
    session = talker()
    assert do(session, "/history") == [Told("nothing was said so far")]
    do(session, "hi")
    do(session, "so " * 1000)
    (listed,) = do(session, "/history")
    assert isinstance(listed, Listed)
    assert listed.rows[:2] == (("you", "turn 1", "hi"), ("emo", "seed 7", "<7>"))
    assert all(len(row[2]) <= 201 for row in listed.rows)
    assert isinstance(listed, Recounted)
    assert list(listed.turns) == session.turns


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("/t", ["/tree", "/temp", "/top-k", "/top-p"]),
        ("/top", ["/top-k", "/top-p"]),
        ("/model ", ["emo", "bard", "ann"]),
        ("/set te", ["temp"]),
        ("/set temp 0.", ["0.2", "0.5", "0.8"]),
        ("/rewind ", ["main", "0"]),
        ("/model b", ["bard"]),
        ("/quit ", []),
        ("/x", []),
        ("/x ", []),
        ("t", []),
        ("", []),
        ("/temp\n", []),
    ],
)
def test_tab_offers_commands_and_values(line: str, offered: list[str]) -> None:
    found = list(suggest(talker(), line))
    assert [suggestion.text for suggestion in found] == offered
    for suggestion in found:
        assert (line[: suggestion.start] + suggestion.text).startswith(line)


def test_tab_says_what_a_value_is() -> None:
    session = talker()
    do(session, "hi")
    assert [found.does for found in suggest(session, "/rewind ")] == ["hi → <7>", "hi → <7>", "the beginning"]
    assert [found.does for found in suggest(session, "/help tr")] == ["every turn, with its branches"]
    assert [found.does for found in suggest(session, "/model e")] == ["now"]


def test_what_tab_offers_is_never_refused() -> None:
    session = talker()
    for suggestion in suggest(session, "/"):
        do(session, "/best 2 hi")
        do(session, "/pick 2")
        refused = any(isinstance(event, Refused) for event in do(session, suggestion.text))
        assert refused == (suggestion.text == "/rewind")
    for known in COMMANDS:
        for suggestion in suggest(session, f"/{known.name} "):
            assert not isinstance(do(session, f"/{known.name} {suggestion.text}")[0], Refused)


@given(
    st.lists(st.one_of(st.text(), st.builds("/{} {}".format, st.sampled_from([c.name for c in COMMANDS]), st.text())))
)
def test_nothing_that_can_be_typed_ends_a_session(lines: list[str]) -> None:
    session = talker()
    for line in lines:
        events = do(session, line)
        assert events
        if events == [Left()]:
            assert line.split()[0] in ("/quit", "/exit", "/bye", "/q")


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(5, "Input/output error"), ModelFileError("damaged", "train it again")]
)
def test_what_goes_wrong_inside_is_told(error: Exception) -> None:
    class Broken(FakeShelf):
        def open(self, name: str | None) -> tuple[str, FakeVoice]:
            if name is None:
                return "emo", FakeVoice(True)
            raise error

    session = Session(Broken(), None, Draw(), 0)
    assert refusal(session, "/model other").todo
    assert isinstance(do(session, "hi")[-1], Ended)
