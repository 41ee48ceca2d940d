import pytest

from grucli.chat.commands import complete, handle_line
from grucli.chat.events import ChatEvent, CommandError, GateValues, TextSurprisal, UnknownSymbols
from grucli.chat.inspection import MAX_CHARS
from grucli.chat.session import Session
from grucli.generation.options import GenerationConfig
from grucli.generation.sampler import Sampler
from grucli.model.cells import CELLS
from tests.chat.fakes import UPDATE, completion_session, conversation_session, fake_model
from tests.chat.test_state_cache import SAMPLERS, SingleModelProvider
from tests.generation.test_sampler import make_model


def run_line(session: Session, line: str) -> list[ChatEvent]:
    return list(handle_line(session, line))


def test_a_text_is_scored_where_the_user_would_say_it() -> None:
    session = conversation_session()
    assert run_line(session, "/score a2") == [TextSurprisal((("a", 4.0), ("2", 2.0)), 3.0)]
    run_line(session, "hi")
    assert run_line(session, "/score a2") == [TextSurprisal((("a", 1.0), ("2", 2.0)), 1.5)]
    assert len(session.turns) == 1


def test_without_a_text_it_is_the_last_reply() -> None:
    session = conversation_session("5")
    run_line(session, "hi")
    assert run_line(session, "/score") == [TextSurprisal((("5", 5.0),), 5.0)]


def test_gates_are_the_mean_of_the_layers() -> None:
    assert run_line(conversation_session(), "/gates ab") == [GateValues((("a", 0.5), ("b", 0.5)), UPDATE, "update")]
    session = completion_session("x")
    run_line(session, "hi")
    assert run_line(session, "/gates") == [GateValues((("x", 0.5),), UPDATE, "update")]


@pytest.mark.parametrize(
    ("value", "text", "mean", "label", "gate", "layer"),
    [
        ("1: a", "a", 0.25, f"layer 1: {UPDATE}", "update", 1),
        ("2:update a", "a", 0.75, f"layer 2: {UPDATE}", "update", 2),
        (":reset a", "a", 1.0, "the other one", "reset", None),
        ("2:reset a", "a", 1.0, "layer 2: the other one", "reset", 2),
        (":D", ":D", 0.5, UPDATE, "update", None),
        (":x y", ":x y", 0.5, UPDATE, "update", None),
        ("reset a", "reset a", 0.5, UPDATE, "update", None),
        ("12:30 a", "12:30 a", 0.5, UPDATE, "update", None),
    ],
)
def test_a_gate_of_a_layer(value: str, text: str, mean: float, label: str, gate: str, layer: int | None) -> None:
    expected = GateValues(tuple((char, mean) for char in text), label, gate, layer)
    assert run_line(conversation_session(), f"/gates {value}") == [expected]


def test_a_gate_of_a_layer_of_the_last_reply() -> None:
    session = conversation_session("5")
    run_line(session, "hi")
    assert run_line(session, "/gates 1:reset") == [GateValues((("5", 1.0),), "layer 1: the other one", "reset", 1)]


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ("3:update a", "layer not found: 3", "this model has layers 1 to 2"),
        ("0: a", "layer not found: 0", "this model has layers 1 to 2"),
        ("1:rest a", "there is no gate 'rest'", "this model has update, reset"),
    ],
)
def test_a_gate_that_does_not_exist(value: str, message: str, hint: str) -> None:
    (refused,) = run_line(conversation_session(), f"/gates {value}")
    assert refused == CommandError(message, hint)


def test_tab_lists_the_gates() -> None:
    session = conversation_session()
    assert [each.text for each in complete(session, "/gates ")] == [
        ":update", ":reset", "1:update", "1:reset", "2:update", "2:reset",
    ]  # fmt: skip
    assert [each.text for each in complete(session, "/gates 2:r")] == ["2:reset"]


def test_a_cell_without_gates_says_so() -> None:
    session = conversation_session()
    fake_model(session).gate_labels = {}
    (refused,) = run_line(session, "/gates ab")
    assert isinstance(refused, CommandError)
    assert "no gates" in refused.message


@pytest.mark.parametrize("command", ["/score", "/gates"])
def test_there_must_be_a_text_of_a_bearable_length(command: str) -> None:
    (refused,) = run_line(conversation_session(), command)
    assert isinstance(refused, CommandError)
    (refused,) = run_line(conversation_session(), f"{command} {'x' * (MAX_CHARS + 1)}")
    assert isinstance(refused, CommandError)
    assert f"{MAX_CHARS:,}" in refused.hint


def test_symbols_that_the_model_does_not_know_are_told() -> None:
    assert run_line(conversation_session(), "/score 漢")[0] == UnknownSymbols(1, ("漢",))


@pytest.mark.parametrize("conversations", [True, False])
@pytest.mark.parametrize("kind", ["char", "word", "subword"])
def test_the_parts_are_the_text(kind: str, conversations: bool) -> None:
    session = Session(
        SingleModelProvider(SAMPLERS[kind, conversations]), None, GenerationConfig(max_chars=9, seed=3), 0
    )
    text = "where did the cat\nsit, 漢?"
    scored, gated = run_line(session, f"/score {text}")[-1], run_line(session, f"/gates {text}")[-1]
    assert isinstance(scored, TextSurprisal)
    assert isinstance(gated, GateValues)
    assert "".join(part for part, _ in scored.pieces) == text == "".join(part for part, _ in gated.pieces)
    assert scored.bits_per_char == pytest.approx(sum(bits for _, bits in scored.pieces) / len(text))
    assert all(0 < mean < 1 for _, mean in gated.pieces)


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_is_scored_and_shows_each_gate_of_each_layer(cell: str) -> None:
    sampler = Sampler(make_model(cell=cell))
    session = Session(SingleModelProvider(sampler), None, GenerationConfig(max_chars=9, seed=3), 0)
    (scored,) = run_line(session, "/score the fox")
    assert isinstance(scored, TextSurprisal)
    assert all(bits > 0 for _, bits in scored.pieces)
    choices = [each.text for each in complete(session, "/gates ")]
    assert len(choices) == 3 * len(sampler.gate_labels)
    for choice in choices:
        (gated,) = run_line(session, f"/gates {choice} the fox")
        assert isinstance(gated, GateValues)
        assert f"{gated.layer or ''}:{gated.gate}" == choice
        assert "".join(part for part, _ in gated.pieces) == "the fox"
        assert all(0 < mean < 1 for _, mean in gated.pieces)
    (refused,) = run_line(session, "/gates the fox")
    assert isinstance(refused, GateValues if choices else CommandError)
