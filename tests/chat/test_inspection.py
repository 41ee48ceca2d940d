import pytest

from grucli.chat.commands import hear
from grucli.chat.events import Event, Gated, Misread, Refused, Scored
from grucli.chat.inspection import LONGEST, UPDATE
from grucli.chat.session import Session
from grucli.generation.sampler import Draw
from tests.chat.fakes import fake, talker, writer
from tests.chat.test_state_cache import SAMPLERS, OneModel


def do(session: Session, line: str) -> list[Event]:
    return list(hear(session, line))


def test_a_text_is_scored_where_the_user_would_say_it() -> None:
    session = talker()
    assert do(session, "/score a2") == [Scored((("a", 4.0), ("2", 2.0)), 3.0)]
    do(session, "hi")
    assert do(session, "/score a2") == [Scored((("a", 1.0), ("2", 2.0)), 1.5)]
    assert len(session.turns) == 1


def test_without_a_text_it_is_the_last_reply() -> None:
    session = talker("5")
    do(session, "hi")
    assert do(session, "/score") == [Scored((("5", 5.0),), 5.0)]


def test_gates_are_the_mean_of_the_layers() -> None:
    assert do(talker(), "/gates ab") == [Gated((("a", 0.5), ("b", 0.5)), UPDATE)]
    session = writer("x")
    do(session, "hi")
    assert do(session, "/gates") == [Gated((("x", 0.5),), UPDATE)]


def test_a_cell_without_gates_says_so() -> None:
    session = talker()
    fake(session).gated = False
    (refused,) = do(session, "/gates ab")
    assert isinstance(refused, Refused)
    assert "no update gate" in refused.what


@pytest.mark.parametrize("command", ["/score", "/gates"])
def test_there_must_be_a_text_of_a_bearable_length(command: str) -> None:
    (refused,) = do(talker(), command)
    assert isinstance(refused, Refused)
    (refused,) = do(talker(), f"{command} {'x' * (LONGEST + 1)}")
    assert isinstance(refused, Refused)
    assert f"{LONGEST:,}" in refused.todo


def test_symbols_that_the_model_does_not_know_are_told() -> None:
    assert do(talker(), "/score 漢")[0] == Misread(1, ("漢",))


@pytest.mark.parametrize("conversations", [True, False])
@pytest.mark.parametrize("kind", ["char", "word", "subword"])
def test_the_parts_are_the_text(kind: str, conversations: bool) -> None:
    session = Session(OneModel(SAMPLERS[kind, conversations]), None, Draw(max_chars=9, seed=3), 0)
    text = "where did the cat\nsit, 漢?"
    scored, gated = do(session, f"/score {text}")[-1], do(session, f"/gates {text}")[-1]
    assert isinstance(scored, Scored)
    assert isinstance(gated, Gated)
    assert "".join(part for part, _ in scored.pieces) == text == "".join(part for part, _ in gated.pieces)
    assert scored.bits_per_char == pytest.approx(sum(bits for _, bits in scored.pieces) / len(text))
    assert all(0 < mean < 1 for _, mean in gated.pieces)
