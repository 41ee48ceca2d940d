"""Arctic Shift: every comment exactly once, whatever fails on the way."""

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
from grucli.reddit.fetch.comment_source import Cursor, EndOfRange, FetchItem, Gap, Page, RetryWait, Target, TimeRange
from grucli.reddit.fetch.retry import RateLimiter
from tests.reddit.comment_factory import FIRST_TIMESTAMP, Row, make_comments
from tests.reddit.fetch.fake_arctic_shift import (
    FAULTS,
    RATE_LIMIT_RESET_SECONDS,
    FakeArcticShift,
    random_faults,
    serve_arctic_shift,
)

TIME_RANGE = TimeRange(FIRST_TIMESTAMP, FIRST_TIMESTAMP + 10**9)
TARGET = Target("r", "askscience")


@pytest.fixture(autouse=True)
def sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record waits instead of waiting."""
    slept: list[float] = []
    monkeypatch.setattr(retry, "sleep", slept.append)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return slept


@pytest.fixture
def server() -> Iterator[FakeArcticShift]:
    with serve_arctic_shift(FakeArcticShift(make_comments(230))) as server:
        yield server


_START = Cursor()


def fetch_all(
    server: FakeArcticShift, time_range: TimeRange = TIME_RANGE, cursor: Cursor = _START, limit: int | None = None
) -> list[FetchItem]:
    return list(ArcticShift(server.url, rate=1000).paginate(TARGET, time_range, cursor, limit))


def comment_ids(items: list[FetchItem]) -> list[str]:
    return [str(comment.id) for item in items if isinstance(item, Page) for comment in item.comments]


def row_ids(rows: list[Row]) -> list[str]:
    return [row["id"] for row in rows]


def retry_waits(items: list[FetchItem]) -> list[RetryWait]:
    return [item for item in items if isinstance(item, RetryWait)]


def test_every_comment_once_and_in_order(server: FakeArcticShift) -> None:
    items = fetch_all(server)
    assert comment_ids(items) == row_ids(server.rows)
    assert items[-1] == EndOfRange(complete=True)
    assert not retry_waits(items)
    progress = [item.progress for item in items if isinstance(item, Page)]
    assert progress == sorted(progress)
    assert server.user_agents == {http_client.USER_AGENT}


def test_a_comment_has_all_its_fields(server: FakeArcticShift) -> None:
    first = next(item for item in fetch_all(server) if isinstance(item, Page)).comments[0]
    fields = Comment.__struct_fields__
    assert msgspec.structs.asdict(first) == {name: server.rows[0][name] for name in fields}


def test_a_user_can_be_fetched(server: FakeArcticShift) -> None:
    items = list(ArcticShift(server.url, 1000).paginate(Target("u", "BOB"), TIME_RANGE, Cursor(), None))
    assert comment_ids(items) == [row["id"] for row in server.rows if row["author"] == "Bob"]


def test_the_range_has_its_first_second_and_not_its_last(server: FakeArcticShift) -> None:
    after, before = server.rows[50]["created_utc"], server.rows[150]["created_utc"]
    expected = [row["id"] for row in server.rows if after <= row["created_utc"] < before]
    assert comment_ids(fetch_all(server, TimeRange(after, before))) == expected
    assert len(expected) > 50


def test_an_unknown_name_is_requested_twice(server: FakeArcticShift) -> None:
    server.rows.clear()
    assert [type(item) for item in fetch_all(server)] == [RetryWait, Page, EndOfRange]


@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"refused"}))
@pytest.mark.parametrize("good_before", [0, 1, 3])
def test_no_fault_loses_or_doubles_a_comment(server: FakeArcticShift, fault: str, good_before: int) -> None:
    server.faults = [None] * good_before + [fault]
    items = fetch_all(server)
    assert comment_ids(items) == row_ids(server.rows)
    assert len(retry_waits(items)) == (fault != "slow")
    assert items[-1] == EndOfRange(complete=True)


def test_a_wait_is_as_long_as_the_service_says(server: FakeArcticShift, sleeps: list[float]) -> None:
    for fault in ("limited, seconds", "limited, epoch", "maintenance 503"):
        server.faults = [fault]
        (wait,) = retry_waits(fetch_all(server, limit=1))
        assert wait.seconds == pytest.approx(RATE_LIMIT_RESET_SECONDS, abs=1)
        assert max(sleeps) == pytest.approx(RATE_LIMIT_RESET_SECONDS, abs=1)
        sleeps.clear()


def test_a_wait_doubles(server: FakeArcticShift) -> None:
    server.faults = ["bad gateway"] * 6
    seconds = [wait.seconds for wait in retry_waits(fetch_all(server))]
    for wait, expected in zip(seconds, [1, 2, 4, 8, 16, 32], strict=True):
        assert expected <= wait <= 1.1 * expected


def test_faults_of_many_kinds_end_the_fetch_too(server: FakeArcticShift) -> None:
    server.faults = [None, "forbidden", "forbidden", "empty", "empty", "timeout", *["bad gateway"] * 4]
    with pytest.raises(ServiceError, match="cannot fetch"):
        fetch_all(server)
    assert len(server.requests) == 10


def test_missing_comments_are_retried(server: FakeArcticShift) -> None:
    for empty in range(1, 6):
        server.faults = [None, *["empty"] * empty]
        assert comment_ids(fetch_all(server)) == row_ids(server.rows)
    server.faults = [None]
    server.default_fault = lambda: "empty"
    with pytest.raises(ServiceError, match="lacks comments that were returned before"):
        fetch_all(server)


def test_deleted_comments_do_not_stop_the_fetch(server: FakeArcticShift) -> None:
    (position,) = [item.cursor for item in fetch_all(server, limit=100) if isinstance(item, Page)]
    gone = set(position.seen_ids)
    later = [row for row in server.rows[100:] if row["id"] not in gone]
    server.rows[:] = [row for row in server.rows[:100] if row["id"] not in gone] + later
    assert comment_ids(fetch_all(server, cursor=position)) == row_ids(later)
    server.rows[:] = server.rows[:50]
    items = fetch_all(server, cursor=position)
    assert (comment_ids(items), items[-1]) == ([], EndOfRange(complete=True))


def test_a_rate_limited_request_is_repeated(server: FakeArcticShift) -> None:
    server.faults = ["limited, seconds"] * 5
    fetch_all(server, limit=1)
    assert server.requests == server.requests[:1] * 6


@pytest.mark.parametrize("fault", ["bad gateway", "forbidden", "no JSON", "dropped", "limited, epoch", "out of order"])
def test_a_persistent_fault_ends_the_fetch(server: FakeArcticShift, fault: str) -> None:
    server.default_fault = lambda: fault
    with pytest.raises(ServiceError, match="cannot fetch r/askscience"):
        fetch_all(server)
    assert len(server.requests) == (3 if fault == "forbidden" else 9)


def test_a_rejected_request_is_not_retried(server: FakeArcticShift) -> None:
    server.faults = ["refused"]
    with pytest.raises(ServiceError, match="rejected the request for r/askscience") as caught:
        fetch_all(server)
    assert "Invalid" not in caught.value.message or len(caught.value.message) < 300
    assert len(server.requests) == 1


def test_redirects_are_not_followed(server: FakeArcticShift, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        FAULTS, "moved", lambda self, query: self.respond(b"", 302, Location="http://127.0.0.1:1/elsewhere")
    )
    server.faults = ["moved"]
    with pytest.raises(ServiceError, match=r"has moved to 'http://127\.0\.0\.1:1/elsewhere'"):
        fetch_all(server)


def test_a_window_that_times_out_is_shortened(server: FakeArcticShift) -> None:
    server.max_window = 3 * 86_400
    items = fetch_all(server, TimeRange(FIRST_TIMESTAMP, server.rows[-1]["created_utc"] + 1))
    assert comment_ids(items) == row_ids(server.rows)
    assert items[-1] == EndOfRange(complete=True)


@pytest.mark.slow
@pytest.mark.parametrize("hardest", [40_000, 86_400, 500_000])
def test_few_requests_time_out(server: FakeArcticShift, hardest: int) -> None:
    """Finding the right window length costs some timeouts; after that few requests time out."""
    server.max_window = hardest
    days = 300
    for number, row in enumerate(server.rows):
        row["created_utc"] = FIRST_TIMESTAMP + number * days * 86_400 // len(server.rows)
    items = fetch_all(server, TimeRange(FIRST_TIMESTAMP, FIRST_TIMESTAMP + days * 86_400))
    assert comment_ids(items) == row_ids(server.rows)
    hard = [int(query["before"]) - int(query["after"]) - 1 > hardest for query in server.requests]
    result = hard.index(False)
    assert result <= 3 * 10
    assert sum(hard[result:]) <= 3 + len(hard) // 20
    assert set(limits_of(server)[80:]) == {100}  # the page was not the reason


def test_the_window_recovers_after_an_outage(server: FakeArcticShift) -> None:
    server.faults = ["timeout"] * 30
    days = 4_000
    for number, row in enumerate(server.rows):
        row["created_utc"] = FIRST_TIMESTAMP + number * days * 86_400 // len(server.rows)
    fetch_all(server, TimeRange(FIRST_TIMESTAMP, FIRST_TIMESTAMP + days * 86_400))
    widths = [int(query["before"]) - int(query["after"]) - 1 for query in server.requests]
    assert min(widths) <= widths[0] // 1024
    assert max(widths[30:-10]) > 16 * min(widths)


def test_lost_data_are_not_taken_for_an_empty_range(server: FakeArcticShift) -> None:
    server.max_window = 86_400 // 2
    span = TimeRange(FIRST_TIMESTAMP, server.rows[-1]["created_utc"] + 1)
    assert comment_ids(fetch_all(server, span)) == row_ids(server.rows)
    for lost in range(50, len(server.requests), len(server.requests) // 5):
        server.requests.clear()
        server.default_fault = lambda lost=lost: "empty" if len(server.requests) > lost else None
        with pytest.raises(ServiceError, match="a response"):
            fetch_all(server, span)


def test_a_window_of_one_second_that_times_out(server: FakeArcticShift) -> None:
    server.default_fault = lambda: "timeout"
    with pytest.raises(ServiceError, match="the query timed out at the archive: 'Timeout"):
        fetch_all(server, TimeRange(FIRST_TIMESTAMP, FIRST_TIMESTAMP + 1000))
    last = server.requests[-1]
    assert int(last["before"]) - int(last["after"]) == 2


def limits_of(server: FakeArcticShift) -> list[int]:
    return [int(query["limit"]) for query in server.requests]


@pytest.mark.parametrize("max_limit", [50, 49, 12])
@pytest.mark.parametrize("only_heavy", [False, True])
def test_a_page_that_times_out_is_made_smaller_before_the_window(
    server: FakeArcticShift, max_limit: int, only_heavy: bool
) -> None:
    server.max_limit, server.only_heavy = max_limit, only_heavy
    archive = ArcticShift(server.url, rate=1000)
    items = list(archive.paginate(TARGET, TIME_RANGE, Cursor(), None))
    assert comment_ids(items) == row_ids(server.rows)
    assert items[-1] == EndOfRange(complete=True)
    limits = limits_of(server)
    assert limits[:3] == [100, 100, 50]
    assert sum(limit > max_limit for limit in limits) <= 8
    assert {int(query["before"]) for query in server.requests} == {TIME_RANGE.before}
    server.requests.clear()
    list(archive.paginate(Target("r", "cooking"), TIME_RANGE, Cursor(), None))
    assert max(limits_of(server)) <= max_limit


def test_what_always_times_out_ends_the_fetch(server: FakeArcticShift) -> None:
    server.max_limit = 0
    with pytest.raises(ServiceError, match="the query timed out at the archive"):
        fetch_all(server)
    limits = limits_of(server)
    assert limits[:8] == [100, 100, 50, 50, 25, 25, 12, 12]
    assert set(limits[8:]) == {12}
    widths = [int(query["before"]) - int(query["after"]) - 1 for query in server.requests[7:]]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == 1
    assert len(limits) < 80


def test_the_page_size_recovers_after_an_outage() -> None:
    with serve_arctic_shift(FakeArcticShift(make_comments(2500))) as fake:
        fake.faults = ["timeout"] * 6
        assert comment_ids(fetch_all(fake)) == row_ids(fake.rows)
        limits = limits_of(fake)
        assert limits[:7] == [100, 100, 50, 50, 25, 25, 12]
        assert limits[-1] == 100
        assert len(limits) < 150


@pytest.mark.parametrize(("max_limit", "count"), [(100, 30), (100, 99), (50, 49), (50, 50), (50, 80)])
def test_a_second_that_fills_a_smaller_page_is_requested_whole(max_limit: int, count: int) -> None:
    before, behind = make_comments(20), [{**row, "id": "z" + row["id"]} for row in make_comments(20)]
    second = before[-1]["created_utc"] + 1
    for row in behind:
        row["created_utc"] += second
    with serve_arctic_shift(FakeArcticShift([*before, *rows_in_second(count, second), *behind])) as fake:
        fake.faults, fake.max_limit = ["timeout"] * 6, max_limit
        items = fetch_all(fake, TimeRange(0, 2 * second))
    assert [type(item) for item in items].count(Gap) == (count >= max_limit)
    assert comment_ids(items) == row_ids([*before, *rows_in_second(min(count, max_limit), second), *behind])


def rows_in_second(count: int, second: int) -> list[Row]:
    return [{**row, "created_utc": second, "id": f"x{i}"} for i, row in enumerate(make_comments(count))]


@pytest.mark.parametrize("count", [99, 100, 101, 250])
def test_a_second_that_fills_a_page(count: int) -> None:
    before, behind = make_comments(20), [{**row, "id": "z" + row["id"]} for row in make_comments(20)]
    second = before[-1]["created_utc"] + 1
    for row in behind:
        row["created_utc"] += second
    with serve_arctic_shift(FakeArcticShift([*before, *rows_in_second(count, second), *behind])) as fake:
        items = fetch_all(fake, TimeRange(0, 2 * second))
        assert [type(item) for item in items].count(Gap) == (count >= 100)
        assert comment_ids(items) == row_ids([*before, *rows_in_second(min(count, 100), second), *behind])


def test_a_limit_within_a_crowded_second_loses_nothing_of_the_page() -> None:
    with serve_arctic_shift(FakeArcticShift(rows_in_second(100, FIRST_TIMESTAMP + 5))) as fake:
        first = fetch_all(fake, limit=50)
        (position,) = [item.cursor for item in first if isinstance(item, Page)]
        assert comment_ids(first) + comment_ids(fetch_all(fake, cursor=position)) == row_ids(fake.rows)


def test_a_server_that_ignores_the_end_of_the_range(server: FakeArcticShift, monkeypatch: pytest.MonkeyPatch) -> None:
    def beyond(self: Any, query: dict[str, str]) -> None:
        self.respond(self.ok_body({**query, "before": str(10**12)}))

    monkeypatch.setitem(FAULTS, "beyond", beyond)
    server.default_fault = lambda: "beyond"
    second = server.rows[30]["created_utc"]
    items = fetch_all(server, TimeRange(second, second + 1))
    assert comment_ids(items) == [row["id"] for row in server.rows if row["created_utc"] == second]
    assert not any(isinstance(item, Gap) for item in items)


def test_a_limit_that_ends_within_a_second_resumes_within_it(server: FakeArcticShift) -> None:
    position, got = Cursor(), list[str]()
    for limit in (1, 1, 3, 97, 101, 1000):
        items = fetch_all(server, cursor=position, limit=limit)
        got += comment_ids(items)
        position = [item for item in items if isinstance(item, Page)][-1].cursor
    assert got == row_ids(server.rows)


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
def test_an_unreadable_row_is_left_out_and_counted(monkeypatch: pytest.MonkeyPatch, odd: bytes) -> None:
    rows = make_comments(3)
    monkeypatch.setitem(
        FAULTS, "odd", lambda self, query: self.respond(b'{"data":[' + odd + b"," + self.ok_body(query)[10:])
    )
    with serve_arctic_shift(FakeArcticShift(rows, faults=["odd"])) as fake:
        items = fetch_all(fake)
    assert comment_ids(items) == row_ids(rows)
    assert sum(item.unreadable for item in items if isinstance(item, Page)) == 1


def test_the_reason_of_a_delay() -> None:
    limiter = RateLimiter(0.02)
    limiter.on_request()
    assert 49 < limiter.delay() <= 50
    assert limiter.reason == "--rate 0.02 means a request every 50 seconds"
    limiter.on_response({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "300"})
    assert 299 < limiter.delay() <= 300
    assert limiter.reason == "the rate limit of the service is used up"


def test_a_lone_surrogate_is_replaced() -> None:
    rows = [{**make_comments(1)[0], "body": "a \ud83d b"}]
    with serve_arctic_shift(FakeArcticShift(rows)) as fake:
        (batch,) = [item for item in fetch_all(fake) if isinstance(item, Page) and item.comments]
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
def test_an_invalid_response_is_retried(server: FakeArcticShift, monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    monkeypatch.setitem(FAULTS, "hostile", lambda self, query: self.respond(body))
    server.faults = ["hostile"]
    items = fetch_all(server)
    assert comment_ids(items) == row_ids(server.rows)
    assert len(retry_waits(items)) == 1


def test_the_size_of_a_response_is_limited(server: FakeArcticShift, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "MAX_RESPONSE_BYTES", 1 << 20)
    monkeypatch.setitem(FAULTS, "large", lambda self, query: self.respond(b" " * (1 << 20) + self.ok_body(query)))
    server.default_fault = lambda: "large"
    with pytest.raises(ServiceError, match="a response is larger than"):
        fetch_all(server)


def test_the_size_of_a_decompressed_response_is_limited(
    server: FakeArcticShift, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gzip

    def packed(self: Any, query: dict[str, str], more: bytes = b"") -> None:
        self.respond(gzip.compress(more + self.ok_body(query)), Content_Encoding="gzip")

    monkeypatch.setitem(FAULTS, "packed", packed)
    monkeypatch.setitem(FAULTS, "bomb", lambda self, query: packed(self, query, b" " * (1 << 22)))
    server.faults = ["packed"] * 3
    assert comment_ids(fetch_all(server)) == row_ids(server.rows)
    monkeypatch.setattr(http_client, "MAX_RESPONSE_BYTES", 1 << 20)
    server.default_fault = lambda: "bomb"
    with pytest.raises(ServiceError, match="a response is larger than"):
        fetch_all(server)


def test_a_slow_response_times_out(server: FakeArcticShift, monkeypatch: pytest.MonkeyPatch) -> None:
    def trickle(self: Any, query: dict[str, str]) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b" ")
            time.sleep(0.005)

    monkeypatch.setitem(FAULTS, "trickle", trickle)
    monkeypatch.setattr(http_client, "_TOTAL_TIMEOUT", 0.02)
    server.faults = ["trickle"]
    items = fetch_all(server, limit=1)
    assert retry_waits(items)[0].reason == "a response is too slow"


def test_a_missing_response_times_out(server: FakeArcticShift, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "_READ_TIMEOUT", 0.02)
    server.faults = ["slow"]
    assert "timed out" in retry_waits(fetch_all(server, limit=1))[0].reason


def test_the_systems_proxy_is_used(server: FakeArcticShift, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url.replace("://", "://me:pass%20word@"))
    monkeypatch.setenv("no_proxy", "elsewhere.example")
    archive = ArcticShift("http://archive.example", rate=1000)
    assert comment_ids(list(archive.paginate(TARGET, TIME_RANGE, Cursor(), None))) == row_ids(server.rows)
    assert server.user_agents == {http_client.USER_AGENT}
    monkeypatch.setenv("no_proxy", "archive.example")
    with pytest.raises(ServiceError, match=r"cannot resolve archive\.example"):
        list(ArcticShift("http://archive.example", rate=1000).paginate(TARGET, TIME_RANGE, Cursor(), None))


def test_an_insecure_connection_is_refused(server: FakeArcticShift) -> None:
    archive = ArcticShift(server.url.replace("http:", "https:"), rate=1000)
    with pytest.raises(ServiceError, match=r"the connection to 127\.0\.0\.1 is not secure"):
        list(archive.paginate(TARGET, TIME_RANGE, Cursor(), None))


@pytest.mark.parametrize("proxy", ["gopher://x", "http://["])
def test_an_invalid_proxy(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(UsageError, match="proxy"):
        ArcticShift("http://archive.example")


def test_the_server_is_down() -> None:
    with serve_arctic_shift(FakeArcticShift([])) as gone:
        pass
    with pytest.raises(ServiceError, match="cannot connect to"):
        fetch_all(gone)


def test_a_server_that_ignores_the_parameters(server: FakeArcticShift, monkeypatch: pytest.MonkeyPatch) -> None:
    def oldest(self: Any, query: dict[str, str]) -> None:
        self.respond(json.dumps({"data": server.rows[:100]}).encode())

    monkeypatch.setitem(FAULTS, "oldest", oldest)
    server.default_fault = lambda: "oldest"
    with pytest.raises(ServiceError, match="comments that were not requested"):
        fetch_all(server)


def test_an_exhausted_rate_limit_is_waited_for(
    server: FakeArcticShift, monkeypatch: pytest.MonkeyPatch, sleeps: list[float]
) -> None:
    monkeypatch.setitem(
        FAULTS,
        "last",
        lambda self, query: self.respond(
            self.ok_body(query), X_RateLimit_Remaining=0, X_RateLimit_Reset=RATE_LIMIT_RESET_SECONDS
        ),
    )
    server.faults = ["last"]
    (wait,) = retry_waits(fetch_all(server, limit=150))
    assert not wait.is_retry
    assert wait.seconds == pytest.approx(RATE_LIMIT_RESET_SECONDS, abs=1)


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-5", "1e400", "", "\xff", "9" * 5000, "Thu, 01 Jan 99999 00:00:00 GMT"]
)
def test_invalid_headers_do_not_cause_long_waits(text: str) -> None:
    headers = {"X-RateLimit-Reset": text, "Retry-After": text}
    assert 0 <= retry.rate_limit_reset(headers) <= retry.MAX_BACKOFF
    assert 1 <= retry.backoff_seconds(1, headers) <= retry.MAX_BACKOFF


def test_the_rate_is_limited(server: FakeArcticShift, sleeps: list[float]) -> None:
    list(ArcticShift(server.url, rate=2.0).paginate(TARGET, TIME_RANGE, Cursor(), None))
    assert len(sleeps) == len(server.requests) - 1
    assert all(0.3 < pause <= 0.5 for pause in sleeps)


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=st.lists(st.integers(0, 400), max_size=60).map(sorted),
    page=st.integers(2, 7),
    seed=st.integers(0, 10**6),
    fault_rate=st.sampled_from([0.0, 0.3]),
    limits=st.lists(st.integers(1, 20), max_size=3),
)
def test_any_subreddit_is_fetched_completely(
    times: list[int], page: int, seed: int, fault_rate: float, limits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small pages, full seconds, faults and stops: everything is fetched except the overflow of full seconds."""
    monkeypatch.setattr(arctic_shift, "PAGE_SIZE", page)
    rows = [
        {**row, "created_utc": FIRST_TIMESTAMP + time}
        for row, time in zip(make_comments(len(times)), times, strict=True)
    ]
    faults = random_faults(fault_rate, seed, excluded=frozenset({"refused", "forbidden", "slow"}))
    with serve_arctic_shift(FakeArcticShift(rows, default_fault=faults)) as fake:
        position, got, gaps, covered = Cursor(), list[str](), 0, False
        for limit in (*limits, None):
            for item in fetch_all(fake, TimeRange(FIRST_TIMESTAMP, FIRST_TIMESTAMP + 500), position, limit):
                if isinstance(item, Page):
                    got += [str(one.id) for one in item.comments]
                    position = item.cursor
                gaps += isinstance(item, Gap)
                covered = isinstance(item, EndOfRange)
    assert covered
    assert len(got) == len(set(got))
    crowded = {second for second in times if times.count(second) >= page}
    missing = set(row_ids(rows)) - set(got)
    assert {row["created_utc"] - FIRST_TIMESTAMP for row in rows if row["id"] in missing} <= crowded
    assert bool(gaps) >= bool(missing)


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=st.lists(st.integers(0, 60), max_size=60).map(sorted),
    max_limit=st.integers(1, 8),
    only_heavy=st.booleans(),
    outage=st.integers(0, 8),
    limits=st.lists(st.integers(1, 20), max_size=3),
)
def test_any_subreddit_is_fetched_from_an_archive_of_small_pages(
    times: list[int], max_limit: int, only_heavy: bool, outage: int, limits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arctic_shift, "PAGE_SIZE", 8)
    monkeypatch.setattr(arctic_shift, "_MIN_PAGE_SIZE", 1)
    rows = [
        {**row, "created_utc": FIRST_TIMESTAMP + time}
        for row, time in zip(make_comments(len(times)), times, strict=True)
    ]
    faults: list[str | None] = ["timeout"] * outage
    fake = FakeArcticShift(rows, faults, max_limit=max_limit, only_heavy=only_heavy)
    with serve_arctic_shift(fake):
        position, got, gaps = Cursor(), list[str](), 0
        for limit in (*limits, None):
            for item in fetch_all(fake, TimeRange(FIRST_TIMESTAMP, FIRST_TIMESTAMP + 500), position, limit):
                if isinstance(item, Page):
                    got += [str(one.id) for one in item.comments]
                    position = item.cursor
                gaps += isinstance(item, Gap)
    assert item == EndOfRange(complete=True)
    assert len(got) == len(set(got))
    # A larger page than the archive answers is halved: of 8, 4, 2 and 1 the largest remains.
    largest = max(size for size in (8, 4, 2, 1) if size <= max_limit)
    crowded = {second for second in times if times.count(second) >= largest}
    missing = set(row_ids(rows)) - set(got)
    assert {row["created_utc"] - FIRST_TIMESTAMP for row in rows if row["id"] in missing} <= crowded
    assert bool(gaps) >= bool(missing)
