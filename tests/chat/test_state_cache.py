"""A state is a function of the texts: of a dialogue's, whatever way it went, and of those of a `gru sample` line."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grucli.chat.session import Session
from grucli.chat.state_cache import paragraphs, parts
from grucli.chat.turns import Voice
from grucli.generation.sampler import Draw, Sampler, State
from grucli.model.config import Sizes, parameter_shapes
from grucli.model.weights import Card, Weights
from grucli.text.tokenizers import learn
from tests.chat.fakes import drained, fake, in_mind, in_mind_now, talker, writer

TEXT = "the cat sat on the mat. the dog, too!\n\nwhere did they sit? here; there\tand where? "


def sampler(kind: str, conversations: bool) -> Sampler:
    tokenizer = learn(kind, iter([TEXT * 3]), 300 if kind == "subword" else None)
    sizes = Sizes("gru", tokenizer.size, 4, 6, 2)
    rng = np.random.default_rng(1)
    arrays = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in parameter_shapes(sizes).items()}
    return Sampler(Weights(sizes, tokenizer, arrays, Card(conversations=conversations)), 1)


SAMPLERS = {(kind, turns): sampler(kind, turns) for kind in ("char", "word", "subword") for turns in (True, False)}


class OneModel:
    def __init__(self, voice: Sampler) -> None:
        self.voice = voice

    def names(self) -> Sequence[str]:
        return ["one"]

    def open(self, name: str | None) -> tuple[str, Voice]:
        return "one", self.voice

    def to_come(self, name: str) -> bool:
        return False

    def newer(self, name: str) -> None:
        return None

    def sha256(self, name: str) -> str:
        return self.voice.sha256


def recalled(session: Session) -> State:
    assert session.last is not None
    return drained(session.memory.before_reply(session.tree, session.last.place, lambda: False))


def same(one: State, other: State) -> bool:
    return one.last == other.last and one.tail == other.tail and np.array_equal(one.layers, other.layers)


def by_hand(session: Session) -> State:
    """What `gru sample` makes of the texts that `/cmd` would give it."""
    voice, last = session.voice, session.last
    assert last is not None
    state = voice.begin()
    for text in session.memory.turns_before(session.tree, last.place) or ():
        state = voice.end_turn(voice.read(state, text))
    return voice.read(state, last.lead)


@pytest.mark.parametrize("conversations", [True, False])
@pytest.mark.parametrize("kind", ["char", "word", "subword"])
@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from(["the cat", "", "?", "Where\n\nthey", "/regen", "/undo", "/reset", "so"]), max_size=8),
    st.sampled_from(["", "the dog, too!", "a scene\n\n of two\n"]),
)
def test_states_are_functions_of_the_texts(kind: str, conversations: bool, lines: list[str], scene: str) -> None:
    voice = SAMPLERS[kind, conversations]
    session = Session(OneModel(voice), None, Draw(max_chars=7, temp=1.5, seed=3), 0, scene=scene)
    for line in lines:
        match line:
            case "/regen" if session.last:
                list(session.again())
            case "/undo" if session.last:
                session.undo(1)
            case "/reset":
                session.reset()
            case _:
                list(session.say(line.removeprefix("/")))
    if session.last is None:
        return
    known = recalled(session)
    assert same(known, by_hand(session))
    # What was forgotten is read anew, to the same state; and from it the same reply comes.
    session.memory = type(session.memory)(voice, session.scene)
    assert same(recalled(session), known)
    drawn = voice.stream(known, session.last.draw)
    for _ in drawn:
        pass
    assert drawn.sample.text == session.last.reply


@pytest.mark.parametrize("kind", ["char", "word", "subword"])
@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["the", " ", "  ", "\n", "\t", "é", "x" * 25, ", ", "▁"]), max_size=60).map("".join))
def test_parts_are_the_same_tokens_as_the_whole(kind: str, text: str) -> None:
    encode = SAMPLERS[kind, True].tokenizer.encode
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("grucli.chat.state_cache.READ_AT_ONCE", 30)
        cut = list(parts(text))
    assert "".join(cut) == text
    assert all(cut)
    assert [token for part in cut for token in encode(part)] == list(encode(text))


def test_a_long_text_is_cut_often_enough_to_be_stopped() -> None:
    cut = list(parts("word " * 10_000))
    assert max(map(len, cut)) <= 4096
    assert list(parts("x" * 10_000)) == ["x" * 10_000]


def test_paragraphs_are_what_stands_between_empty_lines() -> None:
    assert paragraphs("\n\nHi.\nI am Ann.\n \t\n\nHi Ann!\n\n\n") == ["Hi.\nI am Ann.", "Hi Ann!"]
    assert paragraphs(" \n\n ") == paragraphs("") == []


def test_a_scene_is_turns_or_a_beginning() -> None:
    session = talker(scene="Hi, I am Ann.\n\nHi Ann!\n")
    list(session.say("so?"))
    assert in_mind(session) == "Hi, I am Ann.|Hi Ann!|so?|"
    session.reset()
    assert in_mind_now(session) == "Hi, I am Ann.|Hi Ann!|"
    told = writer(scene="Once\n")
    list(told.say("upon"))
    assert in_mind(told) == "Once\nupon"
    assert in_mind_now(told) == "Once\n"


def test_going_back_reads_nothing_again() -> None:
    session = talker()
    for line in ("a", "b", "c"):
        list(session.say(line))
    list(session.say("d"))
    heard = len(fake(session).heard)
    session.undo(2)
    assert in_mind_now(session) == "a|<7>|b|<8>|"
    list(session.again())
    assert len(fake(session).heard) == heard


def test_a_reply_that_was_gone_on_with_is_read_as_one() -> None:
    session = talker("abcdefgh", max_chars=3)
    list(session.say("hi"))
    list(session.say(""))
    assert in_mind(session) == "hi|abc"
    session.memory = type(session.memory)(session.voice, "")
    fake(session).heard.clear()
    assert in_mind_now(session) == "hi|abcabc|"
    assert fake(session).heard == ["hi", "abcabc"]


def test_a_long_text_that_goes_on_is_read_on_to_the_same_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grucli.chat.state_cache.READ_AT_ONCE", 20)
    voice = SAMPLERS["subword", False]
    session = Session(OneModel(voice), None, Draw(max_chars=15, temp=1.5, seed=3), 0, scene=TEXT)
    for line in ("the cat", "", "", "", "", "the dog", "", ""):
        list(session.say(line))
        assert same(recalled(session), by_hand(session))
    for turn in session.turns[::-1]:
        session.rewind(str(turn.number))
        assert same(recalled(session), by_hand(session))


def test_a_long_text_that_goes_on_is_not_read_twice() -> None:
    session = writer("", scene="word " * 10_000)
    list(session.say("one"))
    heard = fake(session).heard
    assert sum(map(len, heard)) == 50_003
    list(session.say("two"))
    assert sum(map(len, heard)) < 50_003 + 4096 + 3


def test_states_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grucli.chat.state_cache.STATES_KEPT", 6)
    session = talker()
    for line in "abcdefghij":
        list(session.say(line))
    assert len(session.memory._states) == 6
    session.rewind("1")
    assert in_mind_now(session) == "a|<7>|"


def test_what_was_forgotten_is_told_from_what_was_never_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grucli.chat.turn_tree.TURNS_KEPT", 2)
    session = talker()
    list(session.say("a"))
    list(session.say("b"))
    assert session.last is not None
    assert session.memory.turns_before(session.tree, session.last.place) == ["a", "<7>", "b"]
    list(session.say("c"))
    list(session.say("d"))
    assert session.memory.turns_before(session.tree, session.last.place) is None
    assert in_mind(session) == "a|<7>|b|<8>|c|<9>|d|"
