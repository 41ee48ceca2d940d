import math
from collections.abc import Iterator
from typing import Any

import pytest

from grucli.chat.candidates import MAX_CANDIDATES, MAX_SPREAD, PICK_HINT, best, peek, pick, spread
from grucli.chat.commands import handle_line
from grucli.chat.events import (
    Candidates,
    ChatEvent,
    CommandError,
    Message,
    NextTokens,
    ReplyFinished,
    SpreadDelta,
    SpreadFinished,
    SpreadStarted,
)
from grucli.chat.session import Session
from grucli.errors import UsageError
from grucli.generation.options import GenerationConfig, Sample
from grucli.generation.sampler import Sampler
from tests.chat.fakes import (
    NATS_PER_CHAR,
    completion_session,
    context_of_reply,
    conversation_session,
    current_context,
    fake_model,
)
from tests.chat.test_state_cache import SAMPLERS, SingleModelProvider

BITS_PER_CHAR = NATS_PER_CHAR / math.log(2)  # of each character


def run_line(session: Session, line: str) -> list[ChatEvent]:
    return list(handle_line(session, line))


def test_a_spread_streams_side_by_side() -> None:
    session = conversation_session("abc")
    events = list(spread(session, [0.3, 1.2], "hi"))
    assert events[0] == SpreadStarted(("temp 0.3", "temp 1.2"), "", 7, 500)
    said = [event for event in events if isinstance(event, SpreadDelta)]
    assert [(event.column, event.text) for event in said] == [
        (0, "a"),
        (1, "a"),
        (0, "b"),
        (1, "b"),
        (0, "c"),
        (1, "c"),
    ]
    assert said[-1].bits_per_char == pytest.approx(NATS_PER_CHAR / math.log(2))
    ended = [event for event in events if isinstance(event, SpreadFinished)]
    assert [(event.column, event.turn.reply, event.turn.config.temp) for event in ended] == [
        (0, "abc", 0.3),
        (1, "abc", 1.2),
    ]
    assert events[-1] == Message(PICK_HINT)
    assert (session.turns, session.config.seed, session.config.temp) == ([], 8, 0.8)


def test_a_spread_that_is_stopped_keeps_what_was_said() -> None:
    session = conversation_session("abc")
    events = []
    for event in spread(session, [0.3, 1.2], "hi"):
        events.append(event)
        if isinstance(event, SpreadDelta) and (event.column, event.text) == (1, "b"):
            session.stop()
    ended = [event.turn for event in events if isinstance(event, SpreadFinished)]
    assert [(turn.reply, turn.stopped) for turn in ended] == [("ab", "interrupted")] * 2
    (picked,) = (event for event in pick(session, 2) if isinstance(event, ReplyFinished))
    assert picked.turn.truncated
    list(session.send(""))
    assert context_of_reply(session) == "hi|ab"


def test_a_listener_to_a_spread_may_hang_up() -> None:
    session = conversation_session("abc")
    events = iter(spread(session, [0.3], "hi"))
    while not isinstance(next(events), SpreadDelta):
        pass
    events.close()  # type: ignore[attr-defined]
    assert [turn.reply for turn in session.candidates] == ["a"]
    assert session.config.seed == 8


def test_what_is_picked_is_the_turn_and_can_be_picked_otherwise() -> None:
    session = conversation_session()
    run_line(session, "so")
    run_line(session, "/spread 0.3 0.8 1.2 hi you")
    (ended,) = run_line(session, "/pick 3")
    assert isinstance(ended, ReplyFinished)
    assert (ended.turn.line, ended.turn.config.temp, ended.turn.number) == ("hi you", 1.2, 2)
    run_line(session, "/pick 1")
    assert [turn.config.temp for turn in session.turns] == [0.8, 0.3]
    assert current_context(session) == "so|<7>|hi you|<8>|"
    run_line(session, "and")
    assert isinstance(run_line(session, "/pick 1")[0], CommandError)


def test_without_a_line_it_is_the_last_reply_that_could_be_another() -> None:
    session = conversation_session()
    run_line(session, "hi")
    run_line(session, "/spread 0.3 1.2")
    run_line(session, "/pick 2")
    assert [turn.line for turn in session.turns] == ["hi"]
    assert len(session.tree.turns) == 2
    assert current_context(session) == "hi|<8>|"


@pytest.mark.parametrize("command", ["/spread", "/best", "/peek"])
def test_somebody_must_have_spoken_to_one_that_takes_turns(command: str) -> None:
    (refused,) = run_line(conversation_session(), command)
    assert isinstance(refused, CommandError)
    assert "send a message" in refused.hint
    assert not isinstance(run_line(completion_session(), command)[0], CommandError)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("/spread -1 x", "/temp is -1"),
        ("/spread nan", "/temp is nan"),
        ("/spread " + "1 " * (MAX_SPREAD + 1), f"too many temperatures ({MAX_SPREAD + 1}, max {MAX_SPREAD})"),
        ("/spread 0.1 1_0", "'1_0' is not a number"),
        ("/spread 0,3 0,9 x", "'0,3' is not a number"),
        ("/spread 1e1_0", "'1e1_0' is not a number"),
        ("/spread ٣", "'٣' is not a number"),
        ("/best 1_0", "'1_0' is not a whole number"),
        ("/best 2.5 x", "'2.5' is not a whole number"),
        ("/peek 1_0", "'1_0' is not a whole number"),
        ("/best 0 x", "/best is 0"),
        ("/best -3 x", "/best is -3"),
        (f"/best {MAX_CANDIDATES + 1}", f"/best is {MAX_CANDIDATES + 1}"),
        (f"/best {'9' * 5000}", "is not a whole number"),
        ("/pick 2.5", "'2.5' is not a whole number"),
        ("/pick 1", "no candidates to pick from"),
    ],
)
def test_what_cannot_be_drawn_is_refused(line: str, what: str) -> None:
    session = conversation_session()
    run_line(session, "hi")
    (refused,) = run_line(session, line)
    assert isinstance(refused, CommandError)
    assert what in refused.message
    assert len(refused.message) < 300
    assert len(session.turns) == 1


@pytest.mark.parametrize("text", ["2nd", "10%", "1-2", "a_1", "1,", "...", "_", "x2", "²", "3:30"])
def test_what_only_has_digits_in_it_is_a_text(text: str) -> None:
    for command in ("/spread", "/spread 0.3", "/best", "/best 2"):
        session = conversation_session()
        run_line(session, f"{command} {text}")
        assert {turn.line for turn in session.candidates} == {text}


@pytest.mark.parametrize("number", ["0", "4", "-1", "99999999999999999999"])
def test_only_what_was_offered_can_be_picked(number: str) -> None:
    session = conversation_session()
    run_line(session, "/best 3 hi")
    (refused,) = run_line(session, f"/pick {number}")
    assert isinstance(refused, CommandError)
    assert refused.hint == "/pick takes a number from 1 to 3"


def ranking(event: ChatEvent) -> list[tuple[str, float | None, float | None, int]]:
    assert isinstance(event, Candidates)
    return [(row.turn.reply, row.turn.bits_per_char, row.score, row.turn.seed) for row in event.candidates]


def test_the_best_are_those_that_the_dialogue_makes_likely() -> None:
    session = conversation_session("{seed}", seed=18)  # a digit costs as many bits, here and alone
    run_line(session, "hi")
    ranked, reported = run_line(session, "/best 3 hey")
    assert ranking(ranked) == [
        ("20", BITS_PER_CHAR, -0.5, 20),
        ("21", BITS_PER_CHAR, -0.75, 21),
        ("19", BITS_PER_CHAR, -2.5, 19),
    ]
    assert reported == Message(PICK_HINT)
    assert session.config.seed == 22
    run_line(session, "/pick 2")
    assert session.last is not None
    assert (session.last.reply, session.last.seed) == ("21", 21)


def test_many_candidates_have_a_seed_each_and_can_be_stopped() -> None:
    session = conversation_session()
    ranked = run_line(session, "/best 40 hi")[0]
    assert isinstance(ranked, Candidates)
    assert sorted(row.turn.seed for row in ranked.candidates) == list(range(7, 47))
    config = fake_model(session).generate

    def stopped(*arguments: Any) -> Iterator[Sample]:
        session.stop()
        return config(*arguments)

    fake_model(session).generate = stopped  # type: ignore[method-assign, assignment]
    ranked = run_line(session, "/best 40 hi")[0]
    assert isinstance(ranked, Candidates)
    assert [row.turn.seed for row in ranked.candidates] == [47]
    assert session.config.seed == 87


def test_what_would_be_said_to_anything_ranks_lower() -> None:
    session = conversation_session("x")
    ranked = run_line(session, "/best 1 hi")[0]
    assert ranking(ranked) == [("x", BITS_PER_CHAR, 0.5 * 4.0 - 1.0, 7)]


def test_an_empty_reply_comes_last_without_figures() -> None:
    session = conversation_session("")
    assert ranking(run_line(session, "/best 2 hi")[0]) == [("", None, None, 7), ("", None, None, 8)]


def test_the_likeliest_tokens_can_be_picked_one_after_the_other() -> None:
    session = conversation_session("zz")
    peeked, reported = run_line(session, "/peek hi")
    assert peeked == NextTokens("", (("a", 0.5), ("", 0.25), ("b", 0.0625)))  # a part of a character cannot be picked
    assert isinstance(reported, Message)
    run_line(session, "/pick 1")
    assert run_line(session, "/peek")[0] == NextTokens("a", (("a", 0.5), ("", 0.25), ("b", 0.0625)))
    run_line(session, "/pick 3")
    run_line(session, "")
    assert context_of_reply(session) == "hi|ab"
    assert session.last is not None
    assert session.last.full_text == "abzz"
    assert len(session.turns) == 3


def test_a_number_alone_is_how_many_tokens_are_listed() -> None:
    session = conversation_session("zz")
    run_line(session, "hi")
    peeked = run_line(session, "/peek 2")[0]
    assert peeked == NextTokens("", (("a", 0.5), ("", 0.25)))
    assert fake_model(session).texts_read == ["hi"]
    run_line(session, "/peek 3 apples")
    assert fake_model(session).texts_read[-1] == "3 apples"
    for number in ("0", "-2", "101"):
        (refused,) = run_line(session, f"/peek {number}")
        assert isinstance(refused, CommandError)
        assert "1 to 100" in refused.hint


def test_the_end_can_be_picked_too() -> None:
    session = conversation_session()
    run_line(session, "/peek hi")
    run_line(session, "/pick 2")
    assert session.last is not None
    assert (session.last.reply, session.last.stopped, session.last.truncated) == ("", "turn", False)


@pytest.mark.parametrize("conversations", [True, False])
@pytest.mark.parametrize("kind", ["char", "word", "subword"])
def test_a_model_offers_what_it_draws(kind: str, conversations: bool) -> None:
    model: Sampler = SAMPLERS[kind, conversations]
    session = Session(SingleModelProvider(model), None, GenerationConfig(max_chars=9, temp=1.5, seed=3), 0)
    list(session.send("the cat"))
    ranked = next(event for event in best(session, 5, "") if isinstance(event, Candidates))
    assert sorted(row.turn.seed for row in ranked.candidates) == [4, 5, 6, 7, 8]
    scores = [row.score for row in ranked.candidates if row.score is not None]
    assert scores == sorted(scores, reverse=True)
    list(pick(session, 2))
    assert session.last is not None
    chosen = session.last
    assert chosen.bits_per_char == ranked.candidates[1].turn.bits_per_char
    session.config = chosen.config
    list(session.regenerate())
    assert session.last.reply == chosen.reply
    assert session.last.bits_per_char == pytest.approx(chosen.bits_per_char, abs=1e-4)
    ended = [event.turn for event in spread(session, [0.5, 1.5], "") if isinstance(event, SpreadFinished)]
    session.config = ended[1].config
    list(session.regenerate())
    assert session.last.reply == next(turn.reply for turn in ended if turn.config.temp == 1.5)
    likely = next(event for event in peek(session, "where") if isinstance(event, NextTokens))
    assert 0 < sum(p for _, p in likely.tokens) <= 1 + 1e-6
    list(pick(session, 1))
    assert session.last.reply == likely.tokens[0][0]


def test_a_pick_of_what_is_forgotten_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    session = conversation_session()
    run_line(session, "a")
    run_line(session, "/best 2 b")
    offers = session.candidates
    monkeypatch.setattr("grucli.chat.turn_tree.MAX_TURNS", 1)
    run_line(session, "c")
    session.candidates = offers
    with pytest.raises(UsageError, match="dropped from the history"):
        list(pick(session, 1))


def test_a_beam_has_no_temperatures_to_spread() -> None:
    session = conversation_session()
    run_line(session, "/beam 3")
    (refused,) = run_line(session, "/spread 0.3 0.8 hi")
    assert refused == CommandError("beam search has no temperature", "use /beam 0 to disable it")
