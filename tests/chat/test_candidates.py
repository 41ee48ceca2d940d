import math
from collections.abc import Iterator
from typing import Any

import pytest

from grucli.chat.candidates import CANDIDATES, COLUMNS, PICK, best, peek, pick, spread
from grucli.chat.commands import hear
from grucli.chat.events import (
    Ended,
    Event,
    Peeked,
    Ranked,
    Refused,
    SpreadEnded,
    Spreading,
    SpreadSaid,
    Told,
)
from grucli.chat.session import Session
from grucli.errors import UsageError
from grucli.generation.sampler import Draw, Sample, Sampler
from tests.chat.fakes import NATS, fake, in_mind, in_mind_now, talker, writer
from tests.chat.test_state_cache import SAMPLERS, OneModel

BITS = NATS / math.log(2)  # of each character


def do(session: Session, line: str) -> list[Event]:
    return list(hear(session, line))


def test_a_spread_streams_side_by_side() -> None:
    session = talker("abc")
    events = list(spread(session, [0.3, 1.2], "hi"))
    assert events[0] == Spreading(("temp 0.3", "temp 1.2"), "", 7, 500)
    said = [event for event in events if isinstance(event, SpreadSaid)]
    assert [(event.column, event.text) for event in said] == [
        (0, "a"),
        (1, "a"),
        (0, "b"),
        (1, "b"),
        (0, "c"),
        (1, "c"),
    ]
    assert said[-1].bits_per_char == pytest.approx(NATS / math.log(2))
    ended = [event for event in events if isinstance(event, SpreadEnded)]
    assert [(event.column, event.turn.reply, event.turn.draw.temp) for event in ended] == [
        (0, "abc", 0.3),
        (1, "abc", 1.2),
    ]
    assert events[-1] == Told(PICK)
    assert (session.turns, session.draw.seed, session.draw.temp) == ([], 8, 0.8)


def test_a_spread_that_is_stopped_keeps_what_was_said() -> None:
    session = talker("abc")
    events = []
    for event in spread(session, [0.3, 1.2], "hi"):
        events.append(event)
        if isinstance(event, SpreadSaid) and (event.column, event.text) == (1, "b"):
            session.stop()
    ended = [event.turn for event in events if isinstance(event, SpreadEnded)]
    assert [(turn.reply, turn.stopped) for turn in ended] == [("ab", "interrupted")] * 2
    (picked,) = (event for event in pick(session, 2) if isinstance(event, Ended))
    assert picked.turn.cut
    list(session.say(""))
    assert in_mind(session) == "hi|ab"


def test_a_listener_to_a_spread_may_hang_up() -> None:
    session = talker("abc")
    events = iter(spread(session, [0.3], "hi"))
    while not isinstance(next(events), SpreadSaid):
        pass
    events.close()  # type: ignore[attr-defined]
    assert [turn.reply for turn in session.offers] == ["a"]
    assert session.draw.seed == 8


def test_what_is_picked_is_the_turn_and_can_be_picked_otherwise() -> None:
    session = talker()
    do(session, "so")
    do(session, "/spread 0.3 0.8 1.2 hi you")
    (ended,) = do(session, "/pick 3")
    assert isinstance(ended, Ended)
    assert (ended.turn.line, ended.turn.draw.temp, ended.turn.number) == ("hi you", 1.2, 2)
    do(session, "/pick 1")
    assert [turn.draw.temp for turn in session.turns] == [0.8, 0.3]
    assert in_mind_now(session) == "so|<7>|hi you|<8>|"
    do(session, "and")
    assert isinstance(do(session, "/pick 1")[0], Refused)


def test_without_a_line_it_is_the_last_reply_that_could_be_another() -> None:
    session = talker()
    do(session, "hi")
    do(session, "/spread 0.3 1.2")
    do(session, "/pick 2")
    assert [turn.line for turn in session.turns] == ["hi"]
    assert len(session.tree.turns) == 2
    assert in_mind_now(session) == "hi|<8>|"


@pytest.mark.parametrize("command", ["/spread", "/best", "/peek"])
def test_somebody_must_have_spoken_to_one_that_takes_turns(command: str) -> None:
    (refused,) = do(talker(), command)
    assert isinstance(refused, Refused)
    assert "say something" in refused.todo
    assert not isinstance(do(writer(), command)[0], Refused)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("/spread -1 x", "/temp is -1"),
        ("/spread nan", "/temp is nan"),
        ("/spread " + "1 " * (COLUMNS + 1), f"there are {COLUMNS + 1} temperatures"),
        ("/spread 0.1 1_0", "'1_0' is not a number"),
        ("/spread 0,3 0,9 x", "'0,3' is not a number"),
        ("/spread 1e1_0", "'1e1_0' is not a number"),
        ("/spread ٣", "'٣' is not a number"),
        ("/best 1_0", "'1_0' is not a whole number"),
        ("/best 2.5 x", "'2.5' is not a whole number"),
        ("/peek 1_0", "'1_0' is not a whole number"),
        ("/best 0 x", "/best is 0"),
        ("/best -3 x", "/best is -3"),
        (f"/best {CANDIDATES + 1}", f"/best is {CANDIDATES + 1}"),
        (f"/best {'9' * 5000}", "is not a whole number"),
        ("/pick 2.5", "'2.5' is not a whole number"),
        ("/pick 1", "nothing to pick from"),
    ],
)
def test_what_cannot_be_drawn_is_refused(line: str, what: str) -> None:
    session = talker()
    do(session, "hi")
    (refused,) = do(session, line)
    assert isinstance(refused, Refused)
    assert what in refused.what
    assert len(refused.what) < 300
    assert len(session.turns) == 1


@pytest.mark.parametrize("text", ["2nd", "10%", "1-2", "a_1", "1,", "...", "_", "x2", "²", "3:30"])
def test_what_only_has_digits_in_it_is_a_text(text: str) -> None:
    for command in ("/spread", "/spread 0.3", "/best", "/best 2"):
        session = talker()
        do(session, f"{command} {text}")
        assert {turn.line for turn in session.offers} == {text}


@pytest.mark.parametrize("number", ["0", "4", "-1", "99999999999999999999"])
def test_only_what_was_offered_can_be_picked(number: str) -> None:
    session = talker()
    do(session, "/best 3 hi")
    (refused,) = do(session, f"/pick {number}")
    assert isinstance(refused, Refused)
    assert refused.todo == "/pick takes a number from 1 to 3"


def figures(ranked: Event) -> list[tuple[str, float | None, float | None, int]]:
    assert isinstance(ranked, Ranked)
    return [(row.turn.reply, row.turn.bits_per_char, row.score, row.turn.seed) for row in ranked.rows]


def test_the_best_are_those_that_the_dialogue_makes_likely() -> None:
    session = talker("{seed}", seed=18)  # a digit costs as many bits, here and alone
    do(session, "hi")
    ranked, told = do(session, "/best 3 hey")
    assert figures(ranked) == [("20", BITS, -0.5, 20), ("21", BITS, -0.75, 21), ("19", BITS, -2.5, 19)]
    assert told == Told(PICK)
    assert session.draw.seed == 22
    do(session, "/pick 2")
    assert session.last is not None
    assert (session.last.reply, session.last.seed) == ("21", 21)


def test_many_candidates_have_a_seed_each_and_can_be_stopped() -> None:
    session = talker()
    ranked = do(session, "/best 40 hi")[0]
    assert isinstance(ranked, Ranked)
    assert sorted(row.turn.seed for row in ranked.rows) == list(range(7, 47))
    draw = fake(session).write

    def stopped(*arguments: Any) -> Iterator[Sample]:
        session.stop()
        return draw(*arguments)

    fake(session).write = stopped  # type: ignore[method-assign, assignment]
    ranked = do(session, "/best 40 hi")[0]
    assert isinstance(ranked, Ranked)
    assert [row.turn.seed for row in ranked.rows] == [47]
    assert session.draw.seed == 87


def test_what_would_be_said_to_anything_ranks_lower() -> None:
    session = talker("x")
    ranked = do(session, "/best 1 hi")[0]
    assert figures(ranked) == [("x", BITS, 0.5 * 4.0 - 1.0, 7)]


def test_an_empty_reply_comes_last_without_figures() -> None:
    session = talker("")
    assert figures(do(session, "/best 2 hi")[0]) == [("", None, None, 7), ("", None, None, 8)]


def test_the_likeliest_tokens_can_be_picked_one_after_the_other() -> None:
    session = talker("zz")
    peeked, told = do(session, "/peek hi")
    assert peeked == Peeked("", (("a", 0.5), ("", 0.25), ("b", 0.0625)))  # a part of a character cannot be picked
    assert isinstance(told, Told)
    do(session, "/pick 1")
    assert do(session, "/peek")[0] == Peeked("a", (("a", 0.5), ("", 0.25), ("b", 0.0625)))
    do(session, "/pick 3")
    do(session, "")
    assert in_mind(session) == "hi|ab"
    assert session.last is not None
    assert session.last.whole == "abzz"
    assert len(session.turns) == 3


def test_a_number_alone_is_how_many_tokens_are_listed() -> None:
    session = talker("zz")
    do(session, "hi")
    peeked = do(session, "/peek 2")[0]
    assert peeked == Peeked("", (("a", 0.5), ("", 0.25)))
    assert fake(session).heard == ["hi"]
    do(session, "/peek 3 apples")
    assert fake(session).heard[-1] == "3 apples"
    for number in ("0", "-2", "101"):
        (refused,) = do(session, f"/peek {number}")
        assert isinstance(refused, Refused)
        assert "1 to 100" in refused.todo


def test_the_end_can_be_picked_too() -> None:
    session = talker()
    do(session, "/peek hi")
    do(session, "/pick 2")
    assert session.last is not None
    assert (session.last.reply, session.last.stopped, session.last.cut) == ("", "turn", False)


@pytest.mark.parametrize("conversations", [True, False])
@pytest.mark.parametrize("kind", ["char", "word", "subword"])
def test_a_model_offers_what_it_draws(kind: str, conversations: bool) -> None:
    voice: Sampler = SAMPLERS[kind, conversations]
    session = Session(OneModel(voice), None, Draw(max_chars=9, temp=1.5, seed=3), 0)
    list(session.say("the cat"))
    ranked = next(event for event in best(session, 5, "") if isinstance(event, Ranked))
    assert sorted(row.turn.seed for row in ranked.rows) == [4, 5, 6, 7, 8]
    scores = [row.score for row in ranked.rows if row.score is not None]
    assert scores == sorted(scores, reverse=True)
    list(pick(session, 2))
    assert session.last is not None
    chosen = session.last
    assert chosen.bits_per_char == ranked.rows[1].turn.bits_per_char
    session.draw = chosen.draw
    list(session.again())
    assert session.last.reply == chosen.reply
    assert session.last.bits_per_char == pytest.approx(chosen.bits_per_char, abs=1e-4)
    ended = [event.turn for event in spread(session, [0.5, 1.5], "") if isinstance(event, SpreadEnded)]
    session.draw = ended[1].draw
    list(session.again())
    assert session.last.reply == next(turn.reply for turn in ended if turn.draw.temp == 1.5)
    likely = next(event for event in peek(session, "where") if isinstance(event, Peeked))
    assert 0 < sum(p for _, p in likely.rows) <= 1 + 1e-6
    list(pick(session, 1))
    assert session.last.reply == likely.rows[0][0]


def test_a_pick_of_what_is_forgotten_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    session = talker()
    do(session, "a")
    do(session, "/best 2 b")
    offers = session.offers
    monkeypatch.setattr("grucli.chat.turn_tree.TURNS_KEPT", 1)
    do(session, "c")
    session.offers = offers
    with pytest.raises(UsageError, match="forgotten"):
        list(pick(session, 1))


def test_a_beam_has_no_temperatures_to_spread() -> None:
    session = talker()
    do(session, "/beam 3")
    (refused,) = do(session, "/spread 0.3 0.8 hi")
    assert refused == Refused("a beam has no temperature, and would find one reply only", "/beam 0 switches it off")
