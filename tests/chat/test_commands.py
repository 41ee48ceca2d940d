from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.chat.chat_settings import SETTINGS, ChatSetting
from grucli.chat.commands import COMMANDS, SlashCommand, complete, greeting, handle_line, is_command
from grucli.chat.events import (
    ChatEvent,
    CommandError,
    GateValues,
    Help,
    History,
    Listing,
    Message,
    Quit,
    ReplyFinished,
    SampleCommand,
    TextSurprisal,
    TreeRow,
    TurnTreeView,
)
from grucli.chat.model_loader import ModelLoader
from grucli.chat.session import Session
from grucli.chat.session_store import SessionStore
from grucli.errors import ModelFileError
from grucli.generation.options import GenerationConfig
from tests.chat.fakes import (
    FakeChatModel,
    FakeModelProvider,
    completion_session,
    context_of_reply,
    conversation_session,
    fake_model,
)
from tests.model.factories import add_model


def run_line(session: Session, line: str) -> list[ChatEvent]:
    return list(handle_line(session, line))


def command_error(session: Session, line: str) -> CommandError:
    (event,) = run_line(session, line)
    assert isinstance(event, CommandError)
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
    session = conversation_session()
    (reported,) = run_line(session, line)
    assert isinstance(reported, Message)
    assert getattr(session.config, field) == value
    assert reported.text == f"{line.split()[0]}: {value:g}"
    (reported,) = run_line(session, line.split()[0])
    assert isinstance(reported, Message)
    assert reported.text.startswith(f"{line.split()[0]} {value:g} · ")


def test_the_pace_is_set() -> None:
    session = conversation_session()
    run_line(session, "/pace 30")
    assert session.pace == 30


@pytest.mark.parametrize(
    ("line", "what", "todo"),
    [
        ("/temp -1", "/temp is -1", "/temp takes a number from 0 to 100"),
        ("/temp nan", "/temp is nan", "/temp takes"),
        ("/temp 1_0", "'1_0' is not a number", "such as /temp 0.8"),
        ("/seed ٣", "'٣' is not a whole number", "/seed takes a whole number"),
        ("/temp hot", "'hot' is not a number", "such as /temp 0.8"),
        ("/top-k 1.5", "'1.5' is not a whole number", "/top-k takes a whole number or off, such as /top-k 0"),
        ("/seed off", "'off' is not a whole number", "/seed takes a whole number, such as /seed 7"),
        ("/top-p 2", "/top-p is 2", "/top-p takes"),
        ("/seed -4", "/seed is -4", "/seed takes"),
        (f"/seed {'9' * 5000}", "999", "/seed takes"),
        ("/max 0", "/max is 0", "/max takes"),
        ("/min 900", "/min is 900", "up to /max"),
        ("/pace -3", "/pace is -3", "/pace takes"),
        ("/pace inf", "/pace is inf", "/pace takes"),
        ("/regen 3", "/regen takes no value", "type /regen alone"),
        ("/model nobody", "there is no model 'nobody'", "see which there are"),
        (f"/stop {'x' * 300}", "/stop is a text of 300 characters", "/stop takes 1 to"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_what_can(line: str, what: str, todo: str) -> None:
    session = conversation_session()
    before = session.config, session.pace, session.model_name
    event = command_error(session, line)
    assert what in event.message
    assert todo in event.hint
    assert "--" not in event.message + event.hint
    assert len(event.message) < 300
    assert (session.config, session.pace, session.model_name) == before


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
    event = command_error(conversation_session(), typed)
    assert f"did you mean {meant}?" in event.hint
    assert typed.split()[0] in event.message


@pytest.mark.parametrize("typed", ["/" + "x" * 1_000_000, "/opening", "/nothing", "/system", "/x"])
def test_an_unknown_command_that_is_near_nothing_names_the_list(typed: str) -> None:
    event = command_error(conversation_session(), typed)
    assert event.hint.startswith("/help")
    assert len(event.message) < 300


@pytest.mark.parametrize("line", ["hello", "", " /temp 1", "/r/python is", "/u/name", "/s/", "a /temp"])
def test_what_is_no_command_is_said(line: str) -> None:
    assert not is_command(line)
    session = completion_session()
    run_line(session, line)
    assert "".join(fake_model(session).texts_read) == line


def test_two_slashes_say_one() -> None:
    session = completion_session()
    run_line(session, "//temp 1")
    assert fake_model(session).texts_read == ["/temp 1"]


def test_help_names_every_command_and_setting() -> None:
    session = conversation_session()
    run_line(session, "/temp 0.3")
    helped, reported = run_line(session, "/help")
    assert isinstance(helped, Help)
    assert isinstance(reported, Message)
    shown = (
        " ".join([*(f"{usage} {text}" for _, usage, text in helped.commands), *helped.settings, reported.text])
        .replace(",", "")
        .split()
    )
    assert {f"/{command.name}" for command in COMMANDS} <= set(shown)
    assert "/temp 0.3" in helped.settings
    assert ("replies", "/spread [T…] [TEXT]") in [row[:2] for row in helped.commands]
    assert all(does for _, _, does in helped.commands)


def test_help_lists_the_commands_of_learning_together() -> None:
    helped, _ = run_line(conversation_session(), "/help")
    assert isinstance(helped, Help)
    listed = [usage for group, usage, _ in helped.commands if group == "learning"]
    assert listed == ["/learn [on | off]", "/keep NAME", "/forget"]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_command_is_explained_by_its_name(command: SlashCommand) -> None:
    session = conversation_session()
    for name in (command.name, f"/{command.name}"):
        listed = run_line(session, f"/help {name}")[0]
        assert listed == Listing(((command.usage, command.current(session), command.help_text),))
    if command.details:
        details, example = run_line(session, f"/help {command.name}")[1:]
        assert (details, example) == (Message(command.details), Message(f"for example: {command.example}"))
        assert command.example.split()[0] == f"/{command.name}"


def test_what_is_explained_is_there() -> None:
    assert {"relevance", "mirostat", "best"} <= {command.name for command in COMMANDS if command.details}
    assert "did you mean /temp?" in command_error(conversation_session(), "/help tepm").hint


def test_every_command_can_be_typed_alone() -> None:
    for command in COMMANDS:
        assert run_line(conversation_session(), f"/{command.name}")
        session = conversation_session()
        run_line(session, "/best 2 hi")
        run_line(session, "/pick")
        refused = any(isinstance(event, CommandError) for event in run_line(session, f"/{command.name}"))
        assert refused == (command.name in ("rewind", "keep"))


@pytest.mark.parametrize("line", ["/quit", "/exit", "/bye", "/q", "/quit "])
def test_quit_leaves(line: str) -> None:
    assert run_line(conversation_session(), line) == [Quit()]


def test_regen_draws_again_and_reset_forgets() -> None:
    session = conversation_session()
    run_line(session, "hi")
    assert isinstance(run_line(session, "/regen")[-1], ReplyFinished)
    assert [turn.seed for turn in session.turns] == [8]
    for again in ("/reset", "/clear"):
        run_line(session, "hi")
        run_line(session, again)
        assert command_error(session, "/regen").message == "there is no reply to generate again"
    assert run_line(session, "/?") == run_line(session, "/help")


def test_seed_and_regen_give_the_same_reply() -> None:
    session = conversation_session()
    run_line(session, "hi")
    first = session.turns[-1].reply
    run_line(session, "/regen")
    run_line(session, "/seed 7")
    run_line(session, "/regen")
    assert session.turns[-1].reply == first


@pytest.mark.parametrize(
    ("todo", "as_typed"),
    [
        ("see which there are: gru models", "see which there are: /model"),
        ("did you mean 'emo'? See them all: gru models", "did you mean 'emo'? See them all: /model"),
    ],
)
def test_a_model_that_is_not_there_is_looked_for_in_the_chat(todo: str, as_typed: str, home: Path) -> None:
    add_model("emo")
    session = Session(ModelLoader(1), "emo", GenerationConfig(), 0)
    assert command_error(session, f"/model {'nope' if 'see' in todo else 'emoo'}").hint == as_typed


def test_model_lists_and_switches() -> None:
    session = conversation_session()
    listed, _ = run_line(session, "/model")
    assert listed == Listing((("emo", "now", ""), ("bard", "", ""), ("ann", "", "")))
    assert run_line(session, "/model bard") == [Message(greeting(session))]
    assert session.model_name == "bard"


def test_a_model_of_another_kind_begins_a_session_and_tells(tmp_path: Path) -> None:
    with conversation_session(store=SessionStore(tmp_path)) as session:
        run_line(session, "hi")
        run_line(session, "/save it")
        *_, reported = run_line(session, "/model bard")
        assert reported == Message("started a new session: this model has a different type (use /load it to go back)")
    session = conversation_session()
    run_line(session, "hi")
    assert run_line(session, "/model bard")[-1] == Message("started a new session: this model has a different type")


_VALUES = {"top-p": "0.5", "min-p": "0.5", "relevance": "0.5", "dial": "1:2 0.5"}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_what_disables_a_setting_is_called_off_wherever_it_is_shown(setting: ChatSetting) -> None:
    session = conversation_session()
    name, value = setting.name, setting.option.off
    if setting.option.kind is not tuple and value is None:
        assert "off" not in setting.completions(session)
        assert command_error(session, f"/{name} off").hint.startswith(f"/{name} takes {setting.option.type_name}, ")
        return
    assert "off" in setting.completions(session)
    for line in (f"/{name} off", *([] if value is None else [f"/{name} {value:g}"])):
        run_line(session, f"/{name} {_VALUES.get(name, '3')}")
        assert setting.current(session) != "off"
        (reported,) = run_line(session, line)
        assert reported == Message(f"/{name}: {setting.option.when_empty or 'off'}")
        (reported,) = run_line(session, f"/{name}")
        assert reported == Message(f"/{name} off · {setting.help_text}")


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_each_setting_is_set_by_its_name(setting: ChatSetting) -> None:
    session = conversation_session()
    for value in setting.completions(session) or ("5",):
        for line in (f"/set {setting.name} {value}", f"/{setting.name} {value}", f"/set /{setting.name} {value}"):
            (reported,) = run_line(session, line)
            assert isinstance(reported, Message)
            assert reported.text == f"/{setting.name}: {setting.confirmation(session)}"
        assert setting.current(session) == value
    assert run_line(session, f"/set {setting.name}") == run_line(session, f"/{setting.name}")


def test_set_alone_lists_and_names_the_nearest() -> None:
    session = conversation_session()
    (listed,) = run_line(session, "/set")
    assert isinstance(listed, Listing)
    assert [row[:2] for row in listed.rows] == [(setting.name, setting.current(session)) for setting in SETTINGS]
    assert command_error(session, "/set tmep 1").hint == "did you mean temp?"
    assert command_error(session, "/set nothing 1").hint == "/set lists them"
    assert command_error(session, "/set zzzzzz 1").hint == "/set lists them"
    assert "'hot' is not a number" in command_error(session, "/set temp hot").message


def test_texts_are_added_and_taken_away() -> None:
    session = conversation_session()
    run_line(session, r"/stop \n")
    (reported,) = run_line(session, "/stop the end")
    assert session.config.stop == ("\n", "the end")
    assert isinstance(reported, Message)
    assert reported.text == r"/stop: ends at '\n', 'the end'"
    run_line(session, "/block damn*")
    assert session.config.block == ("damn*",)
    assert command_error(session, "/block a*b")
    assert run_line(session, "/block off") == [Message("/block: nothing is blocked")]
    assert run_line(session, "/stop off") == [Message("/stop: no stop strings")]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/mirostat 2", "/mirostat: 2"),
        ("/mirostat 0", "/mirostat: off"),
        ("/repeat-penalty 1", "/repeat-penalty: off"),
        ("/temp 0", "/temp: 0"),
        ("/max 500", "/max: 500"),
        ("/pace 0", "/pace: off"),
        ("/pace 30", "/pace: 30 characters per second"),
        ("/block haha", "/block: never says 'haha'"),
    ],
)
def test_what_was_set_is_told_in_a_few_words(line: str, told: str) -> None:
    assert run_line(conversation_session(), line) == [Message(told)]


def test_going_back_tells_where() -> None:
    session = conversation_session()
    run_line(session, "hi")
    run_line(session, "and\nso " + "x" * 100)
    assert run_line(session, "/undo") == [Message("back at turn 1: hi → <7>")]
    assert run_line(session, "/undo 1") == [Message("back at the beginning")]
    assert command_error(session, "/undo").message == "there is nothing to undo"
    (reported,) = run_line(session, "/rewind 2")
    assert isinstance(reported, Message)
    assert reported.text.startswith("back at turn 2: and so xxx")
    assert len(reported.text) < 100
    assert "1 to 2" in command_error(session, "/undo 3").hint
    for malformed in ("0", "-1"):
        assert command_error(session, f"/undo {malformed}") == CommandError(
            f"/undo is {malformed}", "/undo takes a number from 1 to 2"
        )
    run_line(session, "/rewind 1")
    assert command_error(session, "/undo 2").hint == "/undo takes 1, as there is one turn"
    assert "/tree" in command_error(session, "/rewind 9").hint
    assert "/tree" in command_error(session, "/rewind").hint
    assert "'x' is not a whole number" in command_error(session, "/undo x").message


def test_a_fork_is_named_and_gone_back_to() -> None:
    session = conversation_session()
    run_line(session, "hi")
    assert "branch-2" in str(run_line(session, "/fork"))
    run_line(session, "there")
    assert "/rewind branch-2" in str(run_line(session, "/fork side"))
    assert run_line(session, "/rewind main") == [Message("back at turn 1: hi → <7>")]
    for name in ("side", "main"):
        assert "already" in command_error(session, f"/fork {name}").message
    for name in ("7", "a b", "-x", "x" * 70):
        assert "invalid branch name" in command_error(session, f"/fork {name}").message


def test_a_branch_that_is_taken_elsewhere_is_told() -> None:
    session = conversation_session()
    for line in ("hi", "/fork side", "there"):
        run_line(session, line)
    (reported,) = run_line(session, "/rewind 1")
    assert reported == Message("back at turn 1: hi → <7>; branch 'side' ends here now")
    assert run_line(session, "/rewind main") == [Message("back at turn 1: hi → <7>")]


def test_the_tree_shows_every_turn_and_where_the_session_stands() -> None:
    session = conversation_session()
    assert run_line(session, "/tree") == [Message("there are no turns yet")]
    for line in ("a", "b", "/fork side", "c", "/rewind 1", "d"):
        run_line(session, line)
    (tree,) = run_line(session, "/tree")
    turns = session.tree.turns
    assert tree == TurnTreeView(
        (
            TreeRow(turns[1], 0, (), False, True),
            TreeRow(turns[2], 1, ("main",), False, False),
            TreeRow(turns[3], 1, (), False, False),
            TreeRow(turns[4], 1, ("side",), True, True),
        )
    )
    assert tree.head == 4
    for back in ("/undo 2", "/rewind 0", "/reset"):
        run_line(session, "/rewind 4")
        run_line(session, back)
        (tree,) = run_line(session, "/tree")
        assert isinstance(tree, TurnTreeView)
        assert (tree.head, tree.root_branches) == (0, ("side",))


def test_branches_of_a_session_in_which_nothing_was_said_are_shown() -> None:
    session = conversation_session()
    run_line(session, "/fork")
    run_line(session, "/fork a")
    assert run_line(session, "/tree") == [TurnTreeView((), ("main", "branch-2", "a"))]


def test_another_model_of_the_kind_reads_what_was_said() -> None:
    session = conversation_session()
    run_line(session, "hi")
    (reported,) = run_line(session, "/model ann")
    assert isinstance(reported, Message)
    assert reported.text.endswith("It has read the turns so far.")
    run_line(session, "you")
    assert context_of_reply(session) == "hi|<7>|you|"
    run_line(session, "/model bard")
    assert session.turns == []


def test_a_model_that_has_learnt_is_taken_up_with_the_dialogue() -> None:
    session = conversation_session(follow=True)
    run_line(session, "hi")
    newer = FakeChatModel(True, "better")
    provider_of(session).reloaded["emo"] = (newer, "step 1,200")
    reported, *events = run_line(session, "you")
    assert reported == Message("reloaded emo: step 1,200")
    assert isinstance(events[-1], ReplyFinished)
    assert events[-1].turn.reply == "better"
    assert context_of_reply(session) == "hi|<7>|you|"
    provider_of(session).reloaded["emo"] = (FakeChatModel(False), "step 1,300")
    run_line(session, "Once")
    assert [turn.line for turn in session.turns] == ["Once"]


def test_nobody_is_followed_who_was_not_asked_to_be() -> None:
    session = conversation_session()
    provider_of(session).reloaded["emo"] = (FakeChatModel(True, "better"), "step 1,200")
    run_line(session, "hi")
    assert session.turns[-1].reply == "<7>"


def provider_of(session: Session) -> FakeModelProvider:
    assert isinstance(session._models, FakeModelProvider)
    return session._models


def test_history_has_every_turn() -> None:
    session = conversation_session()
    assert run_line(session, "/history") == [Message("there are no turns yet")]
    run_line(session, "hi")
    run_line(session, "so " * 1000)
    (listed,) = run_line(session, "/history")
    assert isinstance(listed, Listing)
    assert listed.rows[:2] == (("you", "turn 1", "hi"), ("emo", "seed 7", "<7>"))
    assert all(len(row[2]) <= 201 for row in listed.rows)
    assert isinstance(listed, History)
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
    result = list(complete(conversation_session(), line))
    assert [suggestion.text for suggestion in result] == offered
    for suggestion in result:
        assert (line[: suggestion.start] + suggestion.text).startswith(line)


def test_tab_says_what_a_value_is() -> None:
    session = conversation_session()
    run_line(session, "hi")
    assert [result.description for result in complete(session, "/rewind ")] == ["hi → <7>", "hi → <7>", "the beginning"]
    assert [found.description for found in complete(session, "/help tr")] == ["all turns, with their branches"]
    assert [found.description for found in complete(session, "/model e")] == ["now"]


def test_what_tab_offers_is_never_refused() -> None:
    session = conversation_session()
    for suggestion in complete(session, "/"):
        run_line(session, "/best 2 hi")
        run_line(session, "/pick 2")
        refused = any(isinstance(event, CommandError) for event in run_line(session, suggestion.text))
        assert refused == (suggestion.text in ("/rewind", "/keep"))
    for known in COMMANDS:
        run_line(session, "hi")  # /gates looks at the last reply
        for suggestion in complete(session, f"/{known.name} "):
            assert not isinstance(run_line(session, f"/{known.name} {suggestion.text}")[0], CommandError)


@given(
    st.lists(st.one_of(st.text(), st.builds("/{} {}".format, st.sampled_from([c.name for c in COMMANDS]), st.text())))
)
def test_nothing_that_can_be_typed_ends_a_session(lines: list[str]) -> None:
    session = conversation_session()
    for line in lines:
        events = run_line(session, line)
        assert events
        if events == [Quit()]:
            assert line.split()[0] in ("/quit", "/exit", "/bye", "/q")


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(5, "Input/output error"), ModelFileError("damaged", "train it again")]
)
def test_what_goes_wrong_inside_is_told(error: Exception) -> None:
    class Broken(FakeModelProvider):
        def open(self, name: str | None) -> tuple[str, FakeChatModel]:
            if name is None:
                return "emo", FakeChatModel(True)
            raise error

    session = Session(Broken(), None, GenerationConfig(), 0)
    assert command_error(session, "/model other").hint
    assert isinstance(run_line(session, "hi")[-1], ReplyFinished)


@pytest.mark.parametrize(("typed", "meant"), [(r"\na\tb", "\na\tb"), (r"a\\n \d", r"a\n \d")])
def test_escapes_in_a_message_and_in_the_text_of_a_command(typed: str, meant: str) -> None:
    for command in ("", "/best 2 ", "/best ", "/spread 0.5 ", "/peek "):
        session = conversation_session()
        run_line(session, command + typed)
        assert fake_model(session).texts_read == [meant]
    for command in ("/score ", "/gates "):
        (event,) = run_line(conversation_session(), command + typed)
        assert isinstance(event, TextSurprisal | GateValues)
        assert "".join(text for text, _ in event.pieces) == meant


def test_a_path_has_no_escapes() -> None:
    assert r"'C:\new'" in command_error(conversation_session(), r"/model C:\new").message


def test_a_dial_is_set_changed_and_removed() -> None:
    session = conversation_session()
    assert run_line(session, "/dial 1:2 0.5") == [Message("/dial: holds 1:2=0.5")]
    assert run_line(session, "/dial 2:9=-1") == [Message("/dial: holds 1:2=0.5, 2:9=-1")]
    assert run_line(session, "/set dial 1:2 .25") == [Message("/dial: holds 2:9=-1, 1:2=.25")]
    assert session.config.dial == ("2:9=-1", "1:2=.25")
    assert [each.text for each in complete(session, "/dial ")] == ["off", "2:9 off", "1:2 off"]
    run_line(session, "hi")
    (command,) = run_line(session, "/cmd")
    assert isinstance(command, SampleCommand)
    assert command.text.endswith(" --dial '2:9=-1' --dial '1:2=.25'")
    assert run_line(session, "/dial 2:9 off") == [Message("/dial: holds 1:2=.25")]
    assert run_line(session, "/dial off") == [Message("/dial: no unit is held")]
    assert run_line(session, "/dial")[0] == Message(
        "/dial off · hold unit N of layer L at a value; /dial L:N off, /dial off"
    )


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ("3:0 1", "unit not found: 3:0", "this model has layers 1 to 2, with units 0 to 9"),
        ("0:0 1", "unit not found: 0:0", "layers 1 to 2"),
        ("1:10 1", "unit not found: 1:10", "units 0 to 9"),
        ("1:2 1.5", "/dial is 1.5", "/dial takes a value from -1 to 1"),
        ("1:2 nan", "/dial is nan", "/dial takes a value from -1 to 1"),
        ("1:2", "'1:2=' is not a dial", "such as 1:20=0.9"),
        ("1:-2 0.5", "'1:-2 0.5' is not a dial", "such as 1:20=0.9"),
        ("{dial} 1", "'/dial 1' is not a dial", "such as 1:20=0.9"),
        ("9999999999999999:1 1", "'9999999999999999:1 1' is not a dial", "such as 1:20=0.9"),
    ],
)
def test_a_dial_that_cannot_be_set(value: str, message: str, hint: str) -> None:
    session = conversation_session()
    error = command_error(session, f"/dial {value}")
    assert error.message == message
    assert hint in error.hint
    assert session.config.dial == ()
