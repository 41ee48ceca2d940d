"""Learning in a chat: what was learned follows the path of turns, is dropped, kept, and resumed."""

import sys
from pathlib import Path

import pytest

from grucli.__main__ import main
from grucli.chat.commands import handle_line
from grucli.chat.events import CommandError, Message
from grucli.chat.model_loader import ModelLoader
from grucli.chat.session import Session
from grucli.chat.session_store import SessionStore
from grucli.chat.turns import ChatModel
from grucli.errors import UsageError
from grucli.model.store import BEST, NOVELTY, model_dir, remove_model
from grucli.model.weights import ModelCard, ModelOrigin, SavedModel, load_weights, read_model_info
from tests.chat.fakes import FakeChatModel, FakeModelProvider, completion_session, conversation_session, fake_model
from tests.model.factories import add_model, make_weights


def run_lines(session: Session, *lines: str) -> list[object]:
    return [event for line in lines for event in handle_line(session, line)]


def learned(session: Session) -> list[str]:
    """What the model has learned that gives the next reply."""
    for _ in session.learner.learn_up_to(session.tree, session.tree.head, lambda: False):
        pass
    return fake_model(session).learned


def learning_session(store: SessionStore | None = None) -> Session:
    session = conversation_session(store=store)
    session.set_learning(True)
    return session


def test_each_turn_is_learned_once_with_the_states_that_it_had() -> None:
    session = learning_session()
    run_lines(session, "a", "b")
    assert learned(session) == [">a. a|><7>.", "a|<7>|>b. a|<7>|b|><8>."]


def test_a_session_does_not_learn_unless_told() -> None:
    session = conversation_session()
    run_lines(session, "a", "b")
    assert learned(session) == []
    assert session.learner.known(session.tree.head) is None


def test_what_was_learned_follows_the_path() -> None:
    session = learning_session()
    run_lines(session, "a", "b")
    both = learned(session)
    run_lines(session, "/undo")
    assert learned(session) == both[:1]
    run_lines(session, "/rewind 2")
    assert learned(session) == both
    run_lines(session, "/rewind 0")
    assert learned(session) == []
    run_lines(session, "/rewind 1", "/fork other", "c")
    assert learned(session) == [both[0], "a|<7>|>c. a|<7>|c|><9>."]


def test_a_reply_that_is_generated_again_did_not_learn_from_the_first() -> None:
    session = learning_session()
    run_lines(session, "a", "/regen")
    assert learned(session) == [">a. a|><8>."]


def test_far_turns_are_learned_again() -> None:
    session = learning_session()
    run_lines(session, *"abcdefghijkl")
    everything = learned(session)
    run_lines(session, "/rewind 2")
    assert learned(session) == everything[:2]
    assert len(everything) == 12


def test_a_cut_reply_and_its_continuation_are_learned_apart() -> None:
    session = conversation_session("abcd", max_chars=2)
    session.set_learning(True)
    run_lines(session, "x", "")
    assert learned(session)[0] == ">x. x|>ab"
    assert learned(session)[1].startswith("x|ab>")


def test_a_text_is_learned_without_turns() -> None:
    session = completion_session(preamble="P ")
    session.set_learning(True)
    run_lines(session, "a")
    assert learned(session) == ["P >a P a><7>."]


def test_the_gain_counts_the_lines_of_the_user_before_they_were_learned() -> None:
    session = learning_session()
    run_lines(session, "aa", "bbb", "c")
    updated = session.learner.known(session.tree.head)
    assert updated is not None
    assert (updated.turns, updated.gained_bits, updated.chars) == (3, 0 + 1 + 2, 6)


def test_forget_drops_it_and_goes_on() -> None:
    session = learning_session()
    assert run_lines(session, "a", "/forget")[-1] == Message(
        "forgot what was learned: emo is as it is on disk; /learn off stops learning as well"
    )
    assert learned(session) == []
    run_lines(session, "b")
    assert len(learned(session)) == 1
    run_lines(session, "/learn off", "/learn on")
    assert len(learned(session)) == 1


@pytest.mark.parametrize("lines", [(), ("a", "/forget"), ("a", "/keep mine")])
def test_forget_says_that_nothing_was_learned(lines: tuple[str, ...]) -> None:
    session = learning_session()
    run_lines(session, *lines)
    expected = CommandError("nothing new was learned", "send a message first")
    assert run_lines(session, "/forget") == [expected]
    assert run_lines(session, "/keep other") == [expected]
    not_told = CommandError("nothing was learned yet", "use /learn on first")
    assert run_lines(conversation_session(), "/forget") == [not_told]


def test_forget_without_learning_does_not_claim_that_something_was_learned() -> None:
    session = conversation_session()
    assert run_lines(session, "a", "/forget")[-1] == Message("/learn on will learn from the next turns only")
    run_lines(session, "/learn on")
    assert learned(session) == []


def test_learn_switches() -> None:
    session = conversation_session()
    run_lines(session, "a", "/learn on")
    assert len(learned(session)) == 1
    run_lines(session, "/learn off")
    assert learned(session) == []
    assert "not learning" in str(run_lines(session, "/learn"))


def test_learn_counts_turns_that_are_learned_later(tmp_path: Path) -> None:
    hint = "/keep NAME saves it as a model, /forget drops it"
    store = SessionStore(tmp_path)
    with conversation_session(store=store) as session:
        assert run_lines(session, "/learn on", "/learn off")[0] == Message(f"learning; {hint}")
        assert run_lines(session, "a", "b", "/learn on")[-1] == Message(f"learning from 2 turns so far; {hint}")
        assert run_lines(session, "/forget", "c", "/learn")[-1] == Message(f"learning from 1 turn so far; {hint}")
    with conversation_session(store=store) as resumed:
        resumed.load(store.names()[0])
        assert run_lines(resumed, "/learn") == [Message(f"learning from 1 turn so far; {hint}")]


@pytest.mark.parametrize("line", ["/learn maybe", "/learn ON", "/keep", "/keep mine", "/forget it"])
def test_bad_commands_say_what_to_do(line: str) -> None:
    session = conversation_session()
    (event,) = run_lines(session, line)
    assert isinstance(event, CommandError)
    assert event.hint
    assert not session.learner.mode.on


def test_keep_makes_a_model_and_goes_on_with_it() -> None:
    session = learning_session()
    run_lines(session, "a", "/keep mine")
    assert session.model_name == "mine"
    assert fake_model(session).learned == [">a. a|><7>."]
    run_lines(session, "b")
    assert learned(session) == [">a. a|><7>.", "a|<7>|>b. a|<7>|b|><8>."]


def test_keep_never_replaces_a_model() -> None:
    session = learning_session()
    run_lines(session, "a")
    with pytest.raises(UsageError, match="already exists"):
        session.keep("ann")
    assert session.model_name == "emo"


class LearnedModel(FakeChatModel):
    """One with weights that can be saved."""

    @property
    def weights(self) -> SavedModel:
        return make_weights(
            ModelCard(
                fingerprint="f" * 64,
                conversations=True,
                read=7,
                steps=15_000,
                tokens=10**7,
                seconds=9e3,
                val_nats=1.5,
                note="good",
                description={"license": "MIT", "figures": "1.559 bits per character"},
            )
        )


@pytest.mark.usefixtures("home")
def test_a_kept_model_says_that_it_learned_from_a_chat(capsys: pytest.CaptureFixture[str]) -> None:
    weights = LearnedModel(True).weights
    add_model("emo", weights=weights)
    ModelLoader(1).save_as("rex", LearnedModel(True), "emo")
    kept = load_weights(model_dir("rex") / BEST).card
    origin = ModelOrigin("emo", LearnedModel(True).sha256, "f" * 64, license="MIT")
    data = "the turns of a chat"
    limits = "it may repeat what was said in that chat"
    assert kept == ModelCard(
        created=kept.created,
        program=kept.program,
        fingerprint="f" * 64,
        conversations=True,
        origin=origin,
        description={"data": data, "limits": limits},
    )
    assert main(["models", "show", "rex"]) == 0
    shown = capsys.readouterr().out
    assert data in shown
    assert not any(row.startswith(("training", "speed", "loss")) for row in shown.splitlines())
    assert "its license: MIT" in shown


@pytest.mark.usefixtures("home")
def test_what_is_known_of_the_text_is_kept_unless_the_source_was_trained_again() -> None:
    model = LearnedModel(True)
    source = add_model("emo", weights=model.weights)
    (source / NOVELTY).write_bytes(b"index")
    ModelLoader(1).save_as("other", model, "emo")
    assert not (model_dir("other") / NOVELTY).exists()
    model.sha256 = read_model_info(source / BEST).parameters_sha256
    ModelLoader(1).save_as("same", model, "emo")
    assert (model_dir("same") / NOVELTY).read_bytes() == b"index"
    remove_model("emo")
    ModelLoader(1).save_as("orphan", model, "emo")
    origin = read_model_info(model_dir("orphan") / BEST).card.origin
    assert origin is not None
    assert (origin.model, origin.parameters_sha256) == ("emo", model.sha256)


def test_a_stopped_keep_saves_nothing() -> None:
    session = learning_session()
    run_lines(session, "a")
    learner, saved = session.learner, list[ChatModel]()
    with pytest.raises(UsageError, match="stopped before everything was learned"):
        learner.save(session.tree, lambda: True, saved.append)
    assert not saved


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
@pytest.mark.usefixtures("home")
def test_only_its_owner_reads_a_kept_model() -> None:
    add_model("emo", weights=LearnedModel(True).weights)
    ModelLoader(1).save_as("rex", LearnedModel(True), "emo")
    assert (model_dir("rex") / BEST).stat().st_mode & 0o777 == 0o600


def test_a_full_disk_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FakeModelProvider, "save_as", fail)
    session = learning_session()
    event = run_lines(session, "a", "/keep mine")[-1]
    assert isinstance(event, CommandError)
    assert event.message == "the model cannot be saved: No space left on device"


@pytest.mark.parametrize(
    "lines", [("a", "b"), ("a", "/forget", "b"), ("a", "/forget"), ("a", "/learn off"), ("/save s", "a")]
)
def test_a_resumed_session_learns_as_it_did(tmp_path: Path, lines: tuple[str, ...]) -> None:
    store = SessionStore(tmp_path)
    with learning_session(store) as session:
        run_lines(session, *lines)
        expected, learning = learned(session), session.learner.mode
    with conversation_session(store=store) as resumed:
        resumed.load(store.names()[0])
        assert resumed.learner.mode == learning
        assert learned(resumed) == expected


def test_cmd_warns_that_the_model_had_learned() -> None:
    session = learning_session()
    run_lines(session, "a")
    assert session.last is not None
    assert session.reproducibility_warning(session.last) == ""
    run_lines(session, "b")
    assert session.reproducibility_warning(session.last) == "the model had learned from the turns before it"


@pytest.mark.parametrize("change", ["/learn off", "/forget"])
@pytest.mark.parametrize("generate", ["/best 3 b", "/spread 0.5 1 b"])
def test_replies_from_before_another_way_of_learning_cannot_be_picked(generate: str, change: str) -> None:
    session = learning_session()
    run_lines(session, "a", generate, change)
    (refused,) = run_lines(session, "/pick 1")
    assert isinstance(refused, CommandError)
    assert refused.message == "there are no candidates to pick from"


def test_another_model_learns_the_turns_so_far() -> None:
    session = learning_session()
    run_lines(session, "a", "/model ann")
    assert len(learned(session)) == 1
    run_lines(session, "/model bard")
    assert learned(session) == []
    assert session.learner.mode.on


def test_score_uses_what_was_learned_before_the_text() -> None:
    session = learning_session()
    run_lines(session, "a", "/score x")
    assert len(fake_model(session).learned) == 1
    run_lines(session, "/score")
    assert fake_model(session).learned == []
