import math
from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.chat import session as sessions
from grucli.chat import state_cache, turn_tree
from grucli.chat.events import Began, Ended, Event, Reading, Said, Told
from grucli.chat.model_loader import StoredModels
from grucli.chat.session import Session
from grucli.chat.turns import Turn
from grucli.errors import UsageError
from grucli.generation.sampler import Draw, Sampler
from grucli.model.weights import Card
from grucli.text.tokenizers import learn
from tests.chat.fakes import NATS, FakeShelf, FakeVoice, fake, in_mind, in_mind_now, talker, writer
from tests.model.factories import add_model, make_weights


def last(session: Session) -> Turn:
    assert session.last is not None
    return session.last


def run(events: Iterable[Event]) -> list[Event]:
    return list(events)


def stop_after(session: Session, events: Iterable[Event], pieces: int) -> list[Event]:
    """Hear the events, and stop the session once so many pieces were said."""
    heard = []
    for event in events:
        heard.append(event)
        if sum(isinstance(e, Said) for e in heard) == pieces:
            session.stop()
    return heard


def test_a_dialogue_is_one_path_of_turns() -> None:
    session = talker()
    run(session.say("hi"))
    run(session.say("so?"))
    assert in_mind(session) == "hi|<7>|so?|"
    assert in_mind_now(session) == "hi|<7>|so?|<8>|"
    assert [turn.line for turn in session.turns] == ["hi", "so?"]


def test_other_models_begin_each_line_anew() -> None:
    session = writer()
    run(session.say("Once"))
    run(session.say("Twice"))
    assert in_mind(session) == "Twice"


def test_events_tell_the_whole_reply() -> None:
    session = talker(max_chars=9)
    events = run(session.say("hi"))
    assert events[0] == Began(lead="", seed=7, limit=9)
    said = [event for event in events if isinstance(event, Said)]
    assert "".join(event.text for event in said) == "<7>"
    assert said[-1].bits_per_char == pytest.approx(NATS / math.log(2))
    assert events[-1] == Ended(last(session))
    assert (last(session).reply, last(session).seed, last(session).stopped) == ("<7>", 7, "turn")


def test_a_continued_line_leads_the_reply() -> None:
    assert run(writer().say("Once upon"))[0] == Began(lead="Once upon", seed=7, limit=500)


@pytest.mark.parametrize("make", [talker, writer])
def test_an_empty_line_goes_on_after_the_limit(make: Callable[..., Session]) -> None:
    session = make("abcdef", max_chars=4)
    run(session.say("hi"))
    before = in_mind(session)
    assert last(session).cut
    assert session.can_go_on
    events = run(session.say(""))
    assert events[0] == Began(lead="abcd" if make is talker else "hiabcd", seed=8, limit=4)
    assert in_mind(session) == before + "abcd"


def test_an_empty_line_means_nothing_after_a_turn_and_a_new_text_otherwise() -> None:
    session = talker()
    run(session.say("hi"))
    assert not session.can_go_on
    session = writer()
    run(session.say("Once"))
    assert session.can_go_on
    run(session.say(""))
    assert in_mind(session) == ""


def test_stopping_keeps_what_was_said() -> None:
    session = talker("abcdef")
    events = stop_after(session, session.say("hi"), pieces=3)
    assert last(session).reply == "abc"
    assert last(session).stopped == "interrupted"
    assert events[-1] == Ended(last(session))
    run(session.say("next"))
    assert in_mind(session) == "hi|abc|next|"


def test_stopping_at_the_last_piece_is_no_interruption() -> None:
    session = talker("abc")
    stop_after(session, session.say("hi"), pieces=3)
    assert last(session).stopped == "turn"


def test_a_listener_may_hang_up() -> None:
    session = talker("abcdef")
    events = iter(session.say("hi"))
    while not (isinstance(event := next(events), Said) and event.text == "b"):
        pass
    events.close()  # type: ignore[attr-defined]
    assert last(session).reply == "ab"
    assert session.draw.seed == 8


def test_drawing_again_takes_the_state_before_the_reply_and_the_next_seed() -> None:
    session = talker()
    run(session.say("hi"))
    first = last(session)
    run(session.again())
    second = last(session)
    assert len(session.turns) == 1
    assert second.place is first.place
    assert (second.line, second.reply, second.seed) == ("hi", "<8>", 8)
    run(session.say("so?"))
    assert in_mind(session) == "hi|<8>|so?|"


def test_drawing_again_what_was_gone_on_with_shows_the_same_lead() -> None:
    session = talker("abcdef", max_chars=4)
    run(session.say("hi"))
    run(session.say(""))
    assert run(session.again())[0] == Began(lead="abcd", seed=9, limit=4)
    assert [turn.line for turn in session.turns] == ["hi", ""]
    assert last(session).whole == "abcdabcd"


def test_there_must_be_a_reply_to_draw_again() -> None:
    with pytest.raises(UsageError, match="no reply"):
        run(talker().again())


def test_reset_forgets() -> None:
    session = talker()
    run(session.say("hi"))
    session.reset()
    run(session.say("you"))
    assert in_mind(session) == "you|"


def test_another_model_begins_from_nothing() -> None:
    session = talker()
    run(session.say("hi"))
    session.switch("bard")
    assert (session.model, session.last) == ("bard", None)
    assert not session.voice.conversations


def test_a_model_that_is_not_there_leaves_all_as_it_was() -> None:
    session = talker()
    run(session.say("hi"))
    with pytest.raises(UsageError, match="bird"):
        session.switch("bird")
    assert (session.model, len(session.turns)) == ("emo", 1)


@pytest.mark.parametrize("pace", [-1.0, math.nan, math.inf])
def test_a_pace_that_cannot_be_is_refused(pace: float) -> None:
    session = talker(pace=30.0)
    with pytest.raises(UsageError, match="--pace"):
        session.keep_pace(pace)
    assert session.pace == 30.0


def test_a_book_is_read_in_parts_that_say_how_far() -> None:
    session = writer()
    book = "word " * 2000
    events = run(session.say(book))
    told = [event for event in events if isinstance(event, Reading)]
    assert [event.total for event in told] == [len(book)] * len(told)
    assert all(a.done < b.done for a, b in pairwise(told))
    assert len(told) >= len(book) // state_cache.READ_AT_ONCE
    assert "".join(fake(session).heard) == book


def test_a_book_that_is_stopped_was_never_heard() -> None:
    session = talker()
    run(session.say("hi"))
    events = iter(session.say("word " * 5000))
    assert isinstance(next(events), Reading)
    session.stop()
    rest = list(events)
    assert [type(event) for event in rest] == [Told]
    assert len(session.turns) == 1
    run(session.say("so?"))
    assert in_mind(session) == "hi|<7>|so?|"


@given(st.lists(st.sampled_from(["word", "a", " ", "  ", "\n", "é", "long" * 5, ", "]), max_size=60).map("".join))
def test_parts_are_the_same_tokens_as_the_whole(text: str) -> None:
    tokenizer = learn("word", iter(["word a é longlonglonglonglong,  \n word  a"]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state_cache, "READ_AT_ONCE", 30)
        session = writer()
        run(session.say(text))
    parts = fake(session).heard
    assert "".join(parts) == text
    assert [i for part in parts for i in tokenizer.encode(part)] == list(tokenizer.encode(text))


def test_only_so_many_turns_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_tree, "TURNS_KEPT", 5)
    session = talker()
    for number in range(12):
        run(session.say(str(number)))
    assert [turn.line for turn in session.turns] == [str(number) for number in range(7, 12)]


def test_seeds_start_over_after_the_last_one() -> None:
    session = talker(seed=sessions.SEED_LIMIT - 1)
    run(session.say("hi"))
    assert session.draw.seed == 0


def test_any_seed_is_one_that_can_be_typed() -> None:
    assert all(0 <= sessions.any_seed() < 10_000 for _ in range(100))


@pytest.mark.usefixtures("home")
def test_a_stored_model_talks_and_draws_again() -> None:
    """The replies are those that the sampler draws from the same states with the same seeds."""
    add_model("emo", card=Card(conversations=True))
    session = Session(StoredModels(1), "emo", Draw(max_chars=40, seed=3), 0)
    run(session.say("hello"))
    sampler = Sampler(make_weights(Card(conversations=True)), 1)
    before = sampler.end_turn(sampler.read(sampler.begin(), "hello"))

    def reply(seed: int) -> str:
        return "".join(piece.text for piece in sampler.stream(before, Draw(max_chars=40, seed=seed)))

    assert session.model == "emo"
    assert last(session).reply == reply(3)
    run(session.again())
    assert last(session).reply == reply(4)
    run(session.say("there"))
    assert last(session).seed == 5


@pytest.mark.usefixtures("home")
def test_a_model_deleted_while_in_use_goes_on_talking() -> None:
    folder = add_model("emo")
    session = Session(StoredModels(1), None, Draw(max_chars=20, seed=3), 0)
    (folder / "best.safetensors").unlink()
    folder.rmdir()
    run(session.say("hello"))
    run(session.say("hello"))
    assert len(session.turns) == 2
    assert list(session.models()) == []
    with pytest.raises(UsageError):
        session.switch("emo")
    run(session.say("there"))
    assert len(session.turns) == 3


@pytest.mark.usefixtures("home")
def test_a_file_that_stands_alone_goes_by_its_own_name() -> None:
    folder = add_model("emo")
    alone = (folder / "best.safetensors").rename(folder.parent.parent / "friend.safetensors")
    assert StoredModels(1).open(str(alone))[0] == "friend"


@pytest.mark.usefixtures("home")
def test_a_shelf_knows_the_parameters_that_lie_there_now() -> None:
    folder = add_model("emo")
    shelf = StoredModels(1)
    _, voice = shelf.open("emo")
    assert shelf.sha256("emo") == voice.sha256
    (folder / "best.safetensors").write_bytes(b"something else")
    assert shelf.sha256("emo") == shelf.sha256("nobody") == ""


@pytest.mark.parametrize("line", ["\x00\x1b[31m\x07", "\ud800 lone", "\U0001f600 ☃ 漢字", "\r\n\t ", "a" * 20_000])
@pytest.mark.usefixtures("home")
def test_any_line_gets_a_reply(line: str) -> None:
    add_model("emo", card=Card(conversations=True))
    session = Session(StoredModels(1), None, Draw(max_chars=20, seed=3), 0)
    run(session.say(line))
    assert isinstance(run(session.say("hello"))[-1], Ended)


def test_a_shelf_names_its_models() -> None:
    assert Session(FakeShelf(a=FakeVoice(True), b=FakeVoice(False)), "b", Draw(), 0).models() == ["a", "b"]


@pytest.mark.usefixtures("home")
def test_a_shelf_gives_a_model_again_only_when_its_file_is_another() -> None:
    folder = add_model("emo", card=Card(steps=10))
    shelf = StoredModels(1)
    shelf.open(None)
    assert shelf.newer("emo") is None
    add_model("emo", modified=2e9, card=Card(steps=1200, val_bits_per_char=1.5))
    found = shelf.newer("emo")
    assert found is not None
    assert found[1] == "step 1,200, 1.500 bits/char held out"
    assert shelf.newer("emo") is None
    (folder / "best.safetensors").write_bytes(b"half a file")
    assert shelf.newer("emo") is None
    (folder / "best.safetensors").unlink()
    assert shelf.newer("emo") is None
    add_model("emo", card=Card(steps=1300))
    assert shelf.newer("emo") is not None


@pytest.mark.usefixtures("home")
def test_a_model_asked_for_by_its_path_is_found_again_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = add_model("emo")
    monkeypatch.chdir(folder)
    session = Session(StoredModels(1), "best.safetensors", Draw(), 0, follow=True)
    assert session.address == str(folder / "best.safetensors")
    add_model("emo", modified=2e9, card=Card(steps=5))
    monkeypatch.chdir(folder.parent)
    assert [type(event) for event in session.refresh()] == [Told]
