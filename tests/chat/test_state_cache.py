"""A state is a function of the texts: of a dialogue's, whatever way it went, and of those of a `gru sample` line."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.chat.session import Session
from grucli.chat.state_cache import paragraphs, split_at_words
from grucli.chat.turns import ChatModel
from grucli.generation.options import GenerationConfig, State
from grucli.generation.sampler import Sampler
from grucli.model.config import ModelConfig, parameter_shapes
from grucli.model.weights import ModelCard, SavedModel
from grucli.text.tokenizers import train
from tests.chat.fakes import (
    completion_session,
    context_of_reply,
    conversation_session,
    current_context,
    fake_model,
    run_to_end,
)

TEXT = "the cat sat on the mat. the dog, too!\n\nwhere did they sit? here; there\tand where? "


def make_sampler(kind: str, conversations: bool) -> Sampler:
    tokenizer = train(kind, iter([TEXT * 3]), 300 if kind == "subword" else None)
    config = ModelConfig("gru", tokenizer.vocab_size, 4, 6, 2)
    rng = np.random.default_rng(1)
    arrays = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in parameter_shapes(config).items()}
    return Sampler(SavedModel(config, tokenizer, arrays, ModelCard(conversations=conversations)), 1)


SAMPLERS = {(kind, turns): make_sampler(kind, turns) for kind in ("char", "word", "subword") for turns in (True, False)}


class SingleModelProvider:
    def __init__(self, model: Sampler) -> None:
        self.model = model

    def names(self) -> Sequence[str]:
        return ["one"]

    def open(self, name: str | None) -> tuple[str, ChatModel]:
        return "one", self.model

    def is_pending(self, name: str) -> bool:
        return False

    def reload_if_changed(self, name: str) -> None:
        return None

    def save_as(self, name: str, model: ChatModel, source: str) -> None:
        raise NotImplementedError

    def sha256(self, name: str) -> str:
        return self.model.sha256


def state_before_last_reply(session: Session) -> State:
    assert session.last is not None
    return run_to_end(session.state_cache.state_before_reply(session.tree, session.last.context, lambda: False))


def states_equal(one: State, other: State) -> bool:
    return one.last_token == other.last_token and one.tail == other.tail and np.array_equal(one.hidden, other.hidden)


def recomputed_state(session: Session) -> State:
    """What `gru sample` makes of the texts that `/cmd` would give it."""
    model, last = session.model, session.last
    assert last is not None
    state = model.initial_state()
    for text in session.state_cache.turns_before(session.tree, last.context) or ():
        state = model.end_turn(model.read(state, text))
    return model.read(state, last.prefix)


@pytest.mark.slow
@pytest.mark.parametrize("conversations", [True, False])
@pytest.mark.parametrize("kind", ["char", "word", "subword"])
@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from(["the cat", "", "?", "Where\n\nthey", "/regen", "/undo", "/reset", "so"]), max_size=8),
    st.sampled_from(["", "the dog, too!", "a scene\n\n of two\n"]),
)
def test_states_are_functions_of_the_texts(kind: str, conversations: bool, lines: list[str], scene: str) -> None:
    model = SAMPLERS[kind, conversations]
    session = Session(
        SingleModelProvider(model), None, GenerationConfig(max_chars=7, temp=1.5, seed=3), 0, preamble=scene
    )
    for line in lines:
        match line:
            case "/regen" if session.last:
                list(session.regenerate())
            case "/undo" if session.last:
                session.undo(1)
            case "/reset":
                session.reset()
            case _:
                list(session.send(line.removeprefix("/")))
    if session.last is None:
        return
    known = state_before_last_reply(session)
    assert states_equal(known, recomputed_state(session))
    # What was forgotten is read anew, to the same state; and from it the same reply comes.
    session.state_cache = type(session.state_cache)(model, session.preamble)
    assert states_equal(state_before_last_reply(session), known)
    generated = model.stream(known, session.last.config)
    for _ in generated:
        pass
    assert generated.sample.text == session.last.reply


@pytest.mark.parametrize("kind", ["char", "word", "subword"])
@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["the", " ", "  ", "\n", "\t", "é", "x" * 25, ", ", "▁"]), max_size=60).map("".join))
def test_parts_are_the_same_tokens_as_the_whole(kind: str, text: str) -> None:
    encode = SAMPLERS[kind, True].tokenizer.encode
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("grucli.chat.state_cache.PREFILL_CHUNK_CHARS", 30)
        cut = list(split_at_words(text))
    assert "".join(cut) == text
    assert all(cut)
    assert [token for part in cut for token in encode(part)] == list(encode(text))


def test_a_long_text_is_cut_often_enough_to_be_stopped() -> None:
    cut = list(split_at_words("word " * 10_000))
    assert max(map(len, cut)) <= 4096
    assert list(split_at_words("x" * 10_000)) == ["x" * 10_000]


def test_paragraphs_are_what_stands_between_empty_lines() -> None:
    assert paragraphs("\n\nHi.\nI am Ann.\n \t\n\nHi Ann!\n\n\n") == ["Hi.\nI am Ann.", "Hi Ann!"]
    assert paragraphs(" \n\n ") == paragraphs("") == []


def test_a_scene_is_turns_or_a_beginning() -> None:
    session = conversation_session(preamble="Hi, I am Ann.\n\nHi Ann!\n")
    list(session.send("so?"))
    assert context_of_reply(session) == "Hi, I am Ann.|Hi Ann!|so?|"
    session.reset()
    assert current_context(session) == "Hi, I am Ann.|Hi Ann!|"
    reported = completion_session(preamble="Once\n")
    list(reported.send("upon"))
    assert context_of_reply(reported) == "Once\nupon"
    assert current_context(reported) == "Once\n"


def test_going_back_reads_nothing_again() -> None:
    session = conversation_session()
    for line in ("a", "b", "c"):
        list(session.send(line))
    list(session.send("d"))
    heard = len(fake_model(session).texts_read)
    session.undo(2)
    assert current_context(session) == "a|<7>|b|<8>|"
    list(session.regenerate())
    assert len(fake_model(session).texts_read) == heard


def test_a_reply_that_was_gone_on_with_is_read_as_one() -> None:
    session = conversation_session("abcdefgh", max_chars=3)
    list(session.send("hi"))
    list(session.send(""))
    assert context_of_reply(session) == "hi|abc"
    session.state_cache = type(session.state_cache)(session.model, "")
    fake_model(session).texts_read.clear()
    assert current_context(session) == "hi|abcabc|"
    assert fake_model(session).texts_read == ["hi", "abcabc"]


def test_a_long_text_that_goes_on_is_read_on_to_the_same_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grucli.chat.state_cache.PREFILL_CHUNK_CHARS", 20)
    model = SAMPLERS["subword", False]
    session = Session(
        SingleModelProvider(model), None, GenerationConfig(max_chars=15, temp=1.5, seed=3), 0, preamble=TEXT
    )
    for line in ("the cat", "", "", "", "", "the dog", "", ""):
        list(session.send(line))
        assert states_equal(state_before_last_reply(session), recomputed_state(session))
    for turn in session.turns[::-1]:
        session.rewind(str(turn.number))
        assert states_equal(state_before_last_reply(session), recomputed_state(session))


def test_a_long_text_that_goes_on_is_not_read_twice() -> None:
    session = completion_session("", preamble="word " * 10_000)
    list(session.send("one"))
    heard = fake_model(session).texts_read
    assert sum(map(len, heard)) == 50_003
    list(session.send("two"))
    assert sum(map(len, heard)) < 50_003 + 4096 + 3


def test_states_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grucli.chat.state_cache.MAX_CACHED_STATES", 6)
    session = conversation_session()
    for line in "abcdefghij":
        list(session.send(line))
    assert len(session.state_cache._states) == 6
    session.rewind("1")
    assert current_context(session) == "a|<7>|"


def test_what_was_forgotten_is_told_from_what_was_never_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grucli.chat.turn_tree.MAX_TURNS", 2)
    session = conversation_session()
    list(session.send("a"))
    list(session.send("b"))
    assert session.last is not None
    assert session.state_cache.turns_before(session.tree, session.last.context) == ["a", "<7>", "b"]
    list(session.send("c"))
    list(session.send("d"))
    assert session.state_cache.turns_before(session.tree, session.last.context) is None
    assert context_of_reply(session) == "a|<7>|b|<8>|c|<9>|d|"
