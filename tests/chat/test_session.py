import dataclasses
import math
from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.chat import state_cache, turn_tree
from grucli.chat.events import ChatEvent, Message, PromptProgress, ReplyDelta, ReplyFinished, ReplyStarted
from grucli.chat.model_loader import ModelLoader
from grucli.chat.session import Session
from grucli.chat.turns import Turn
from grucli.errors import UsageError
from grucli.generation.options import MAX_SEED, GenerationConfig
from grucli.generation.sampler import Sampler
from grucli.model.weights import ModelCard
from grucli.text.tokenizers import train
from tests.chat.fakes import (
    NATS_PER_CHAR,
    FakeChatModel,
    FakeModelProvider,
    completion_session,
    context_of_reply,
    conversation_session,
    current_context,
    fake_model,
)
from tests.model.factories import add_model, make_weights


def last_turn(session: Session) -> Turn:
    assert session.last is not None
    return session.last


def collect(events: Iterable[ChatEvent]) -> list[ChatEvent]:
    return list(events)


def stop_after(session: Session, events: Iterable[ChatEvent], num_deltas: int) -> list[ChatEvent]:
    """Hear the events, and stop the session once so many pieces were said."""
    received = []
    for event in events:
        received.append(event)
        if sum(isinstance(e, ReplyDelta) for e in received) == num_deltas:
            session.stop()
    return received


def test_a_dialogue_is_one_path_of_turns() -> None:
    session = conversation_session()
    collect(session.send("hi"))
    collect(session.send("so?"))
    assert context_of_reply(session) == "hi|<7>|so?|"
    assert current_context(session) == "hi|<7>|so?|<8>|"
    assert [turn.line for turn in session.turns] == ["hi", "so?"]


def test_other_models_begin_each_line_anew() -> None:
    session = completion_session()
    collect(session.send("Once"))
    collect(session.send("Twice"))
    assert context_of_reply(session) == "Twice"


def test_events_tell_the_whole_reply() -> None:
    session = conversation_session(max_chars=9)
    events = collect(session.send("hi"))
    assert events[0] == ReplyStarted(prefix="", seed=7, max_chars=9)
    said = [event for event in events if isinstance(event, ReplyDelta)]
    assert "".join(event.text for event in said) == "<7>"
    assert said[-1].bits_per_char == pytest.approx(NATS_PER_CHAR / math.log(2))
    assert events[-1] == ReplyFinished(last_turn(session))
    assert (last_turn(session).reply, last_turn(session).seed, last_turn(session).stopped) == ("<7>", 7, "turn")


def test_a_continued_line_leads_the_reply() -> None:
    assert collect(completion_session().send("Once upon"))[0] == ReplyStarted(prefix="Once upon", seed=7, max_chars=500)


@pytest.mark.parametrize("make", [conversation_session, completion_session])
def test_an_empty_line_goes_on_after_the_limit(make: Callable[..., Session]) -> None:
    session = make("abcdef", max_chars=4)
    collect(session.send("hi"))
    before = context_of_reply(session)
    assert last_turn(session).truncated
    assert session.can_continue
    events = collect(session.send(""))
    assert events[0] == ReplyStarted(prefix="abcd" if make is conversation_session else "hiabcd", seed=8, max_chars=4)
    assert context_of_reply(session) == before + "abcd"


def test_an_empty_line_means_nothing_after_a_turn_and_a_new_text_otherwise() -> None:
    session = conversation_session()
    collect(session.send("hi"))
    assert not session.can_continue
    session = completion_session()
    collect(session.send("Once"))
    assert session.can_continue
    collect(session.send(""))
    assert context_of_reply(session) == ""


def test_stopping_keeps_what_was_said() -> None:
    session = conversation_session("abcdef")
    events = stop_after(session, session.send("hi"), num_deltas=3)
    assert last_turn(session).reply == "abc"
    assert last_turn(session).stopped == "interrupted"
    assert events[-1] == ReplyFinished(last_turn(session))
    collect(session.send("next"))
    assert context_of_reply(session) == "hi|abc|next|"


def test_stopping_at_the_last_piece_is_no_interruption() -> None:
    session = conversation_session("abc")
    stop_after(session, session.send("hi"), num_deltas=3)
    assert last_turn(session).stopped == "turn"


def test_a_listener_may_hang_up() -> None:
    session = conversation_session("abcdef")
    events = iter(session.send("hi"))
    while not (isinstance(event := next(events), ReplyDelta) and event.text == "b"):
        pass
    events.close()  # type: ignore[attr-defined]
    assert last_turn(session).reply == "ab"
    assert session.config.seed == 8


def test_drawing_again_takes_the_state_before_the_reply_and_the_next_seed() -> None:
    session = conversation_session()
    collect(session.send("hi"))
    first = last_turn(session)
    collect(session.regenerate())
    second = last_turn(session)
    assert len(session.turns) == 1
    assert second.context is first.context
    assert (second.line, second.reply, second.seed) == ("hi", "<8>", 8)
    collect(session.send("so?"))
    assert context_of_reply(session) == "hi|<8>|so?|"


def test_drawing_again_what_was_gone_on_with_shows_the_same_lead() -> None:
    session = conversation_session("abcdef", max_chars=4)
    collect(session.send("hi"))
    collect(session.send(""))
    assert collect(session.regenerate())[0] == ReplyStarted(prefix="abcd", seed=9, max_chars=4)
    assert [turn.line for turn in session.turns] == ["hi", ""]
    assert last_turn(session).full_text == "abcdabcd"


def test_there_must_be_a_reply_to_draw_again() -> None:
    with pytest.raises(UsageError, match="no reply"):
        collect(conversation_session().regenerate())


def test_reset_forgets() -> None:
    session = conversation_session()
    collect(session.send("hi"))
    session.reset()
    collect(session.send("you"))
    assert context_of_reply(session) == "you|"


def test_another_model_begins_from_nothing() -> None:
    session = conversation_session()
    collect(session.send("hi"))
    session.switch("bard")
    assert (session.model_name, session.last) == ("bard", None)
    assert not session.model.conversations


def test_a_model_that_is_not_there_leaves_all_as_it_was() -> None:
    session = conversation_session()
    collect(session.send("hi"))
    with pytest.raises(UsageError, match="bird"):
        session.switch("bird")
    assert (session.model_name, len(session.turns)) == ("emo", 1)


@pytest.mark.parametrize("pace", [-1.0, math.nan, math.inf])
def test_a_pace_that_cannot_be_is_refused(pace: float) -> None:
    session = conversation_session(pace=30.0)
    with pytest.raises(UsageError, match="--pace"):
        session.set_pace(pace)
    assert session.pace == 30.0


def test_a_book_is_read_in_parts_that_say_how_far() -> None:
    session = completion_session()
    book = "word " * 2000
    events = collect(session.send(book))
    reported = [event for event in events if isinstance(event, PromptProgress)]
    assert [event.total for event in reported] == [len(book)] * len(reported)
    assert all(a.done < b.done for a, b in pairwise(reported))
    assert len(reported) >= len(book) // state_cache.PREFILL_CHUNK_CHARS
    assert "".join(fake_model(session).texts_read) == book


def test_a_book_that_is_stopped_was_never_heard() -> None:
    session = conversation_session()
    collect(session.send("hi"))
    events = iter(session.send("word " * 5000))
    assert isinstance(next(events), PromptProgress)
    session.stop()
    rest = list(events)
    assert [type(event) for event in rest] == [Message]
    assert len(session.turns) == 1
    collect(session.send("so?"))
    assert context_of_reply(session) == "hi|<7>|so?|"


@given(st.lists(st.sampled_from(["word", "a", " ", "  ", "\n", "é", "long" * 5, ", "]), max_size=60).map("".join))
def test_parts_are_the_same_tokens_as_the_whole(text: str) -> None:
    tokenizer = train("word", iter(["word a é longlonglonglonglong,  \n word  a"]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state_cache, "PREFILL_CHUNK_CHARS", 30)
        session = completion_session()
        collect(session.send(text))
    parts = fake_model(session).texts_read
    assert "".join(parts) == text
    assert [i for part in parts for i in tokenizer.encode(part)] == list(tokenizer.encode(text))


def test_only_so_many_turns_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_tree, "MAX_TURNS", 5)
    session = conversation_session()
    for number in range(12):
        collect(session.send(str(number)))
    assert [turn.line for turn in session.turns] == [str(number) for number in range(7, 12)]


def test_seeds_start_over_after_the_last_one() -> None:
    session = conversation_session(seed=MAX_SEED)
    collect(session.send("hi"))
    assert session.config.seed == 0


@pytest.mark.usefixtures("home")
def test_a_stored_model_talks_and_draws_again() -> None:
    """The replies are those that the sampler draws from the same states with the same seeds."""
    add_model("emo", card=ModelCard(conversations=True))
    session = Session(ModelLoader(1), "emo", GenerationConfig(max_chars=40, seed=3), 0)
    collect(session.send("hello"))
    sampler = Sampler(make_weights(ModelCard(conversations=True)), 1)
    before = sampler.end_turn(sampler.read(sampler.initial_state(), "hello"))

    def reply(seed: int) -> str:
        return "".join(
            text_chunk.text for text_chunk in sampler.stream(before, GenerationConfig(max_chars=40, seed=seed))
        )

    assert session.model_name == "emo"
    assert last_turn(session).reply == reply(3)
    collect(session.regenerate())
    assert last_turn(session).reply == reply(4)
    collect(session.send("there"))
    assert last_turn(session).seed == 5


@pytest.mark.usefixtures("home")
def test_a_model_deleted_while_in_use_goes_on_talking() -> None:
    directory = add_model("emo")
    session = Session(ModelLoader(1), None, GenerationConfig(max_chars=20, seed=3), 0)
    (directory / "best.safetensors").unlink()
    directory.rmdir()
    collect(session.send("hello"))
    collect(session.send("hello"))
    assert len(session.turns) == 2
    assert list(session.models()) == []
    with pytest.raises(UsageError):
        session.switch("emo")
    collect(session.send("there"))
    assert len(session.turns) == 3


@pytest.mark.usefixtures("home")
def test_a_file_that_stands_alone_goes_by_its_own_name() -> None:
    directory = add_model("emo")
    alone = (directory / "best.safetensors").rename(directory.parent.parent / "friend.safetensors")
    assert ModelLoader(1).open(str(alone))[0] == "friend"


@pytest.mark.usefixtures("home")
def test_a_shelf_knows_the_parameters_that_lie_there_now() -> None:
    directory = add_model("emo")
    provider = ModelLoader(1)
    _, model = provider.open("emo")
    assert provider.sha256("emo") == model.sha256
    (directory / "best.safetensors").write_bytes(b"something else")
    assert provider.sha256("emo") == provider.sha256("nobody") == ""


@pytest.mark.parametrize("line", ["\x00\x1b[31m\x07", "\ud800 lone", "\U0001f600 ☃ 漢字", "\r\n\t ", "a" * 20_000])
@pytest.mark.usefixtures("home")
def test_any_line_gets_a_reply(line: str) -> None:
    add_model("emo", card=ModelCard(conversations=True))
    session = Session(ModelLoader(1), None, GenerationConfig(max_chars=20, seed=3), 0)
    collect(session.send(line))
    assert isinstance(collect(session.send("hello"))[-1], ReplyFinished)


def test_a_shelf_names_its_models() -> None:
    assert Session(
        FakeModelProvider(a=FakeChatModel(True), b=FakeChatModel(False)), "b", GenerationConfig(), 0
    ).models() == ["a", "b"]


@pytest.mark.usefixtures("home")
def test_a_shelf_gives_a_model_again_only_when_its_file_is_another() -> None:
    directory = add_model("emo", card=ModelCard(steps=10))
    provider = ModelLoader(1)
    provider.open(None)
    assert provider.reload_if_changed("emo") is None
    add_model("emo", modified=2e9, card=ModelCard(steps=1200, val_bits_per_char=1.5))
    result = provider.reload_if_changed("emo")
    assert result is not None
    assert result[1] == "step 1,200, 1.500 validation bits/char"
    assert provider.reload_if_changed("emo") is None
    (directory / "best.safetensors").write_bytes(b"half a file")
    assert provider.reload_if_changed("emo") is None
    (directory / "best.safetensors").unlink()
    assert provider.reload_if_changed("emo") is None
    add_model("emo", card=ModelCard(steps=1300))
    assert provider.reload_if_changed("emo") is not None


@pytest.mark.usefixtures("home")
def test_a_model_asked_for_by_its_path_is_found_again_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    directory = add_model("emo")
    monkeypatch.chdir(directory)
    session = Session(ModelLoader(1), "best.safetensors", GenerationConfig(), 0, follow=True)
    assert session.model_ref == str(directory / "best.safetensors")
    add_model("emo", modified=2e9, card=ModelCard(steps=5))
    monkeypatch.chdir(directory.parent)
    assert [type(event) for event in session.reload_model()] == [Message]


def test_another_model_has_its_own_defaults_but_for_what_was_set() -> None:
    words, characters = FakeChatModel(True), FakeChatModel(True)
    words.tokenizer.kind = "subword"
    provider = FakeModelProvider(words=words, characters=characters)
    session = Session(provider, "words", lambda default: dataclasses.replace(default, temp=0.3, seed=5), 0)
    assert (session.config.best_of, session.config.repeat_penalty, session.config.temp) == (16, 1.2, 0.3)
    session.switch("characters")
    assert session.config == GenerationConfig(temp=0.3, seed=5)
    session.switch("words")
    assert (session.config.best_of, session.config.temp, session.config.seed) == (16, 0.3, 5)
