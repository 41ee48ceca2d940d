"""Arctic Shift: every page, and nothing but what is there, whatever goes wrong on the way."""

import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grucli.errors import ServiceError, UsageError
from grucli.reddit.comments import Comment
from grucli.reddit.fetch import arctic_shift, http_client, retry
from grucli.reddit.fetch.arctic_shift import ArcticShift
from grucli.reddit.fetch.comment_source import Batch, End, Gap, Position, Span, Step, Target, Waiting
from grucli.reddit.fetch.retry import Pace
from tests.reddit.comment_factory import BEGIN, Row, forum
from tests.reddit.fetch.fake_arctic_shift import FAULTS, RESET, Fake, serving, sometimes

SPAN = Span(BEGIN, BEGIN + 10**9)
SCIENCE = Target("r", "askscience")


@pytest.fixture(autouse=True)
def sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody waits; what would have been waited is noted."""
    slept: list[float] = []
    monkeypatch.setattr(retry, "sleep", slept.append)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return slept


@pytest.fixture
def fake() -> Iterator[Fake]:
    with serving(Fake(forum(230))) as fake:
        yield fake


def walk(fake: Fake, span: Span = SPAN, position: Position = Position(), most: int | None = None) -> list[Step]:  # noqa: B008
    return list(ArcticShift(fake.url, rate=1000).walk(SCIENCE, span, position, most))


def ids(steps: list[Step]) -> list[str]:
    return [str(one.id) for step in steps if isinstance(step, Batch) for one in step.comments]


def all_ids(rows: list[Row]) -> list[str]:
    return [row["id"] for row in rows]


def waits(steps: list[Step]) -> list[Waiting]:
    return [step for step in steps if isinstance(step, Waiting)]


def test_every_comment_once_and_in_order(fake: Fake) -> None:
    steps = walk(fake)
    assert ids(steps) == all_ids(fake.rows)
    assert steps[-1] == End(covered=True)
    assert not waits(steps)
    shares = [step.share for step in steps if isinstance(step, Batch)]
    assert shares == sorted(shares)
    assert fake.agents == {http_client.AGENT}


def test_a_comment_has_all_its_fields(fake: Fake) -> None:
    first = next(step for step in walk(fake) if isinstance(step, Batch)).comments[0]
    fields = Comment.__struct_fields__
    assert msgspec.structs.asdict(first) == {name: fake.rows[0][name] for name in fields}


def test_a_person_can_be_asked_for(fake: Fake) -> None:
    steps = list(ArcticShift(fake.url, 1000).walk(Target("u", "BOB"), SPAN, Position(), None))
    assert ids(steps) == [row["id"] for row in fake.rows if row["author"] == "Bob"]


def test_the_range_has_its_first_second_and_not_its_last(fake: Fake) -> None:
    after, before = fake.rows[50]["created_utc"], fake.rows[150]["created_utc"]
    expected = [row["id"] for row in fake.rows if after <= row["created_utc"] < before]
    assert ids(walk(fake, Span(after, before))) == expected
    assert len(expected) > 50


def test_a_name_that_nobody_has_is_asked_for_twice(fake: Fake) -> None:
    fake.rows.clear()
    assert [type(step) for step in walk(fake)] == [Waiting, Batch, End]


@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"refused"}))
@pytest.mark.parametrize("good_before", [0, 1, 3])
def test_no_fault_loses_or_doubles_a_comment(fake: Fake, fault: str, good_before: int) -> None:
    fake.faults = [None] * good_before + [fault]
    steps = walk(fake)
    assert ids(steps) == all_ids(fake.rows)
    assert len(waits(steps)) == (fault != "slow")
    assert steps[-1] == End(covered=True)


def test_a_wait_is_as_long_as_the_service_says(fake: Fake, sleeps: list[float]) -> None:
    for fault in ("limited, seconds", "limited, epoch", "maintenance 503"):
        fake.faults = [fault]
        (wait,) = waits(walk(fake, most=1))
        assert wait.seconds == pytest.approx(RESET, abs=1)
        assert max(sleeps) == pytest.approx(RESET, abs=1)
        sleeps.clear()


def test_a_wait_doubles(fake: Fake) -> None:
    fake.faults = ["bad gateway"] * 6
    seconds = [wait.seconds for wait in waits(walk(fake))]
    for wait, expected in zip(seconds, [1, 2, 4, 8, 16, 32], strict=True):
        assert expected <= wait <= 1.1 * expected


def test_faults_of_many_kinds_end_the_walk_too(fake: Fake) -> None:
    fake.faults = [None, "forbidden", "forbidden", "empty", "empty", "timeout", *["bad gateway"] * 4]
    with pytest.raises(ServiceError, match="cannot be fetched"):
        walk(fake)
    assert len(fake.asked) == 10


def test_comments_that_were_there_are_not_given_up_lightly(fake: Fake) -> None:
    for empty in range(1, 6):
        fake.faults = [None, *["empty"] * empty]
        assert ids(walk(fake)) == all_ids(fake.rows)
    fake.faults = [None]
    fake.mishap = lambda: "empty"
    with pytest.raises(ServiceError, match="lacks comments that were there before"):
        walk(fake)


def test_comments_that_were_taken_out_are_no_reason_to_stop(fake: Fake) -> None:
    (position,) = [step.position for step in walk(fake, most=100) if isinstance(step, Batch)]
    gone = set(position.seen)
    later = [row for row in fake.rows[100:] if row["id"] not in gone]
    fake.rows[:] = [row for row in fake.rows[:100] if row["id"] not in gone] + later
    assert ids(walk(fake, position=position)) == all_ids(later)
    fake.rows[:] = fake.rows[:50]
    steps = walk(fake, position=position)
    assert (ids(steps), steps[-1]) == ([], End(covered=True))


def test_who_is_asked_to_slow_down_asks_the_same_again(fake: Fake) -> None:
    fake.faults = ["limited, seconds"] * 5
    walk(fake, most=1)
    assert fake.asked == fake.asked[:1] * 6


@pytest.mark.parametrize("fault", ["bad gateway", "forbidden", "no JSON", "dropped", "limited, epoch", "out of order"])
def test_what_never_passes_ends_the_walk(fake: Fake, fault: str) -> None:
    fake.mishap = lambda: fault
    with pytest.raises(ServiceError, match="r/askscience cannot be fetched"):
        walk(fake)
    assert len(fake.asked) == (3 if fault == "forbidden" else 9)


def test_a_refusal_is_for_good_and_says_why(fake: Fake) -> None:
    fake.faults = ["refused"]
    with pytest.raises(ServiceError, match="refused to look for r/askscience") as caught:
        walk(fake)
    assert "Invalid" not in caught.value.what or len(caught.value.what) < 300
    assert len(fake.asked) == 1


def test_nothing_is_followed_elsewhere(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        FAULTS, "moved", lambda self, query: self.answer(b"", 302, Location="http://127.0.0.1:1/elsewhere")
    )
    fake.faults = ["moved"]
    with pytest.raises(ServiceError, match=r"has moved to 'http://127\.0\.0\.1:1/elsewhere'"):
        walk(fake)


def test_a_question_that_is_too_hard_is_made_smaller(fake: Fake) -> None:
    fake.hardest = 3 * 86_400
    steps = walk(fake, Span(BEGIN, fake.rows[-1]["created_utc"] + 1))
    assert ids(steps) == all_ids(fake.rows)
    assert steps[-1] == End(covered=True)


@pytest.mark.parametrize("hardest", [40_000, 86_400, 500_000])
def test_few_questions_are_too_hard(fake: Fake, hardest: int) -> None:
    """The way to the right width costs some timeouts; from then on one in dozens of questions is."""
    fake.hardest = hardest
    days = 300
    for number, row in enumerate(fake.rows):
        row["created_utc"] = BEGIN + number * days * 86_400 // len(fake.rows)
    steps = walk(fake, Span(BEGIN, BEGIN + days * 86_400))
    assert ids(steps) == all_ids(fake.rows)
    hard = [int(query["before"]) - int(query["after"]) - 1 > hardest for query in fake.asked]
    found = hard.index(False)
    assert found <= 3 * 10
    assert sum(hard[found:]) <= 3 + len(hard) // 20


def test_one_bad_hour_does_not_make_small_steps_for_ever(fake: Fake) -> None:
    fake.faults = ["timeout"] * 30
    days = 4_000
    for number, row in enumerate(fake.rows):
        row["created_utc"] = BEGIN + number * days * 86_400 // len(fake.rows)
    walk(fake, Span(BEGIN, BEGIN + days * 86_400))
    widths = [int(query["before"]) - int(query["after"]) - 1 for query in fake.asked]
    assert min(widths) <= widths[0] // 1024
    assert max(widths[30:-10]) > 16 * min(widths)


def test_a_service_that_has_lost_its_memory_is_not_believed_between_windows(fake: Fake) -> None:
    fake.hardest = 86_400 // 2
    span = Span(BEGIN, fake.rows[-1]["created_utc"] + 1)
    assert ids(walk(fake, span)) == all_ids(fake.rows)
    for lost in range(50, len(fake.asked), len(fake.asked) // 5):
        fake.asked.clear()
        fake.mishap = lambda lost=lost: "empty" if len(fake.asked) > lost else None
        with pytest.raises(ServiceError, match="an answer"):
            walk(fake, span)


def test_not_even_a_second_is_easy_enough(fake: Fake) -> None:
    fake.mishap = lambda: "timeout"
    with pytest.raises(ServiceError, match="too hard: 'Timeout"):
        walk(fake, Span(BEGIN, BEGIN + 1000))
    last = fake.asked[-1]
    assert int(last["before"]) - int(last["after"]) == 2


def crowd(count: int, second: int) -> list[Row]:
    return [{**row, "created_utc": second, "id": f"x{i}"} for i, row in enumerate(forum(count))]


@pytest.mark.parametrize("count", [99, 100, 101, 250])
def test_a_second_that_fills_a_page(count: int) -> None:
    before, behind = forum(20), [{**row, "id": "z" + row["id"]} for row in forum(20)]
    second = before[-1]["created_utc"] + 1
    for row in behind:
        row["created_utc"] += second
    with serving(Fake([*before, *crowd(count, second), *behind])) as fake:
        steps = walk(fake, Span(0, 2 * second))
        assert [type(step) for step in steps].count(Gap) == (count >= 100)
        assert ids(steps) == all_ids([*before, *crowd(min(count, 100), second), *behind])


def test_a_limit_within_a_crowded_second_loses_nothing_of_the_page() -> None:
    with serving(Fake(crowd(100, BEGIN + 5))) as fake:
        first = walk(fake, most=50)
        (position,) = [step.position for step in first if isinstance(step, Batch)]
        assert ids(first) + ids(walk(fake, position=position)) == all_ids(fake.rows)


def test_a_server_that_ignores_the_end_of_the_range(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    def beyond(self: Any, query: dict[str, str]) -> None:
        self.answer(self.good({**query, "before": str(10**12)}))

    monkeypatch.setitem(FAULTS, "beyond", beyond)
    fake.mishap = lambda: "beyond"
    second = fake.rows[30]["created_utc"]
    steps = walk(fake, Span(second, second + 1))
    assert ids(steps) == [row["id"] for row in fake.rows if row["created_utc"] == second]
    assert not any(isinstance(step, Gap) for step in steps)


def test_a_limit_that_ends_within_a_second_goes_on_within_it(fake: Fake) -> None:
    position, got = Position(), list[str]()
    for most in (1, 1, 3, 97, 101, 1000):
        steps = walk(fake, position=position, most=most)
        got += ids(steps)
        position = [step for step in steps if isinstance(step, Batch)][-1].position
    assert got == all_ids(fake.rows)


@pytest.mark.parametrize(
    "odd",
    [
        b"3",
        b"{}",
        b'{"id":"q","created_utc":null}',
        b'{"id":5,"created_utc":1600000001}',
        b'{"id":"q","created_utc":1e999}',
        b'{"id":"q","created_utc":"soon"}',
        b'{"id":"","created_utc":1600000001}',
        b'{"id":"%s","created_utc":1600000001}' % (b"q" * 100),
        b'{"id":"q","created_utc":%s}' % (b"9" * 5000),
        b'{"id":"q","created_utc":1600000001,"body":["no text"]}',
    ],
)
def test_an_odd_row_is_left_out_and_told(monkeypatch: pytest.MonkeyPatch, odd: bytes) -> None:
    rows = forum(3)
    monkeypatch.setitem(
        FAULTS, "odd", lambda self, query: self.answer(b'{"data":[' + odd + b"," + self.good(query)[10:])
    )
    with serving(Fake(rows, faults=["odd"])) as fake:
        steps = walk(fake)
    assert ids(steps) == all_ids(rows)
    assert sum(step.lost for step in steps if isinstance(step, Batch)) == 1


def test_who_makes_a_fetch_wait_is_named() -> None:
    pace = Pace(0.02)
    pace.asked()
    assert 49 < pace.due() <= 50
    assert pace.why == "--rate 0.02 means a request every 50 seconds"
    pace.answered({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "300"})
    assert 299 < pace.due() <= 300
    assert pace.why == "the service allows no more requests for now"


def test_half_a_character_costs_no_comment() -> None:
    rows = [{**forum(1)[0], "body": "a \ud83d b"}]
    with serving(Fake(rows)) as fake:
        (batch,) = [step for step in walk(fake) if isinstance(step, Batch) and step.comments]
    assert batch.comments[0].body == "a \ufffd b"


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"data":[' + b"[" * 100_000,
        b'{"data":' + b"9" * 10_000 + b"}",
        b'{"data":"no list"}',
        b'{"data":[],"error":{"code":1}}',
        b"\xff\xfe",
        b"",
    ],
)
def test_a_hostile_answer_is_a_fault_like_others(fake: Fake, monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    monkeypatch.setitem(FAULTS, "hostile", lambda self, query: self.answer(body))
    fake.faults = ["hostile"]
    steps = walk(fake)
    assert ids(steps) == all_ids(fake.rows)
    assert len(waits(steps)) == 1


def test_an_answer_without_end_is_refused(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "LARGEST", 1 << 20)
    monkeypatch.setitem(FAULTS, "large", lambda self, query: self.answer(b" " * (1 << 20) + self.good(query)))
    fake.mishap = lambda: "large"
    with pytest.raises(ServiceError, match="an answer is larger than"):
        walk(fake)


def test_packed_answers_are_unpacked_within_bounds(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    import gzip

    def packed(self: Any, query: dict[str, str], more: bytes = b"") -> None:
        self.answer(gzip.compress(more + self.good(query)), Content_Encoding="gzip")

    monkeypatch.setitem(FAULTS, "packed", packed)
    monkeypatch.setitem(FAULTS, "bomb", lambda self, query: packed(self, query, b" " * (1 << 22)))
    fake.faults = ["packed"] * 3
    assert ids(walk(fake)) == all_ids(fake.rows)
    monkeypatch.setattr(http_client, "LARGEST", 1 << 20)
    fake.mishap = lambda: "bomb"
    with pytest.raises(ServiceError, match="an answer is larger than"):
        walk(fake)


def test_an_answer_that_trickles_is_given_up(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    def trickle(self: Any, query: dict[str, str]) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b" ")
            time.sleep(0.005)

    monkeypatch.setitem(FAULTS, "trickle", trickle)
    monkeypatch.setattr(http_client, "_ANSWER_SECONDS", 0.02)
    fake.faults = ["trickle"]
    steps = walk(fake, most=1)
    assert waits(steps)[0].why == "an answer comes in too slowly"


def test_silence_is_given_up(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "_SILENCE_SECONDS", 0.02)
    fake.faults = ["slow"]
    assert "does not answer in time" in waits(walk(fake, most=1))[0].why


def test_the_systems_proxy_is_used(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", fake.url.replace("://", "://me:pass%20word@"))
    monkeypatch.setenv("no_proxy", "elsewhere.example")
    archive = ArcticShift("http://archive.example", rate=1000)
    assert ids(list(archive.walk(SCIENCE, SPAN, Position(), None))) == all_ids(fake.rows)
    assert fake.agents == {http_client.AGENT}
    monkeypatch.setenv("no_proxy", "archive.example")
    with pytest.raises(ServiceError, match=r"archive\.example cannot be found"):
        list(ArcticShift("http://archive.example", rate=1000).walk(SCIENCE, SPAN, Position(), None))


def test_a_connection_that_is_not_safe_is_refused(fake: Fake) -> None:
    archive = ArcticShift(fake.url.replace("http:", "https:"), rate=1000)
    with pytest.raises(ServiceError, match=r"the connection to 127\.0\.0\.1 is not safe"):
        list(archive.walk(SCIENCE, SPAN, Position(), None))


@pytest.mark.parametrize("proxy", ["gopher://x", "http://["])
def test_a_proxy_that_cannot_be_one(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(UsageError, match="proxy"):
        ArcticShift("http://archive.example")


def test_nobody_is_there() -> None:
    with serving(Fake([])) as gone:
        pass
    with pytest.raises(ServiceError, match="cannot be reached"):
        walk(gone)


def test_a_server_that_ignores_what_is_asked_is_not_believed(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    def oldest(self: Any, query: dict[str, str]) -> None:
        self.answer(json.dumps({"data": fake.rows[:100]}).encode())

    monkeypatch.setitem(FAULTS, "oldest", oldest)
    fake.mishap = lambda: "oldest"
    with pytest.raises(ServiceError, match="other comments than were asked for"):
        walk(fake)


def test_a_used_up_limit_is_waited_for(fake: Fake, monkeypatch: pytest.MonkeyPatch, sleeps: list[float]) -> None:
    monkeypatch.setitem(
        FAULTS,
        "last",
        lambda self, query: self.answer(self.good(query), X_RateLimit_Remaining=0, X_RateLimit_Reset=RESET),
    )
    fake.faults = ["last"]
    (wait,) = waits(walk(fake, most=150))
    assert not wait.again
    assert wait.seconds == pytest.approx(RESET, abs=1)


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-5", "1e400", "", "\xff", "9" * 5000, "Thu, 01 Jan 99999 00:00:00 GMT"]
)
def test_odd_headers_are_no_reason_to_wait_for_long(text: str) -> None:
    headers = {"X-RateLimit-Reset": text, "Retry-After": text}
    assert 0 <= retry.reset_after(headers) <= retry.LONGEST_WAIT
    asked_once = retry.new_patience().increment("GET", error=retry.Fault("x"))
    assert isinstance(asked_once, retry.Patience)
    assert 1 <= asked_once.seconds(headers) <= retry.LONGEST_WAIT


def test_the_pace_is_kept(fake: Fake, sleeps: list[float]) -> None:
    list(ArcticShift(fake.url, rate=2.0).walk(SCIENCE, SPAN, Position(), None))
    assert len(sleeps) == len(fake.asked) - 1
    assert all(0.3 < pause <= 0.5 for pause in sleeps)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=st.lists(st.integers(0, 400), max_size=60).map(sorted),
    page=st.integers(2, 7),
    seed=st.integers(0, 10**6),
    share=st.sampled_from([0.0, 0.3]),
    limits=st.lists(st.integers(1, 20), max_size=3),
)
def test_any_forum_is_fetched_whole(
    times: list[int], page: int, seed: int, share: float, limits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small pages, any crowding, any faults, any stops on the way: everything but what stands in a crowded second."""
    monkeypatch.setattr(arctic_shift, "PAGE", page)
    rows = [{**row, "created_utc": BEGIN + time} for row, time in zip(forum(len(times)), times, strict=True)]
    faults = sometimes(share, seed, but=frozenset({"refused", "forbidden", "slow"}))
    with serving(Fake(rows, mishap=faults)) as fake:
        position, got, gaps, covered = Position(), list[str](), 0, False
        for most in (*limits, None):
            for step in walk(fake, Span(BEGIN, BEGIN + 500), position, most):
                if isinstance(step, Batch):
                    got += [str(one.id) for one in step.comments]
                    position = step.position
                gaps += isinstance(step, Gap)
                covered = isinstance(step, End)
    assert covered
    assert len(got) == len(set(got))
    crowded = {second for second in times if times.count(second) >= page}
    missing = set(all_ids(rows)) - set(got)
    assert {row["created_utc"] - BEGIN for row in rows if row["id"] in missing} <= crowded
    assert bool(gaps) >= bool(missing)
