"""Reddit through PRAW: the newest comments, once each; who asks is known by the user's own settings alone."""

import importlib.util
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from grucli.errors import NothingToDoError, ServiceError, UsageError
from grucli.reddit.fetch import retry
from grucli.reddit.fetch.comment_source import Notice, Waiting
from grucli.reddit.fetch.events import Done, Event, Summary
from grucli.reddit.fetch.run import Fetch, Plan, open_source
from tests.reddit.comment_factory import forum
from tests.reddit.fetch.fake_reddit import REDDIT_FAULTS, RESET, FakeReddit, serving_reddit

if importlib.util.find_spec("praw") is None:
    pytest.skip("PRAW is not installed", allow_module_level=True)

import prawcore

from grucli.reddit.fetch import praw_source

INI = "[DEFAULT]\nclient_id=id\nclient_secret=secret\nuser_agent=linux:test:1 (by u/somebody)\n"


@pytest.fixture(autouse=True)
def calm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody waits, and the user's settings are in a folder of the test's."""
    monkeypatch.setattr(retry, "sleep", lambda seconds: None)
    monkeypatch.setattr(prawcore.sessions.RetryStrategy, "sleep", lambda self: None)
    monkeypatch.setattr(prawcore.rate_limit.RateLimiter, "delay", lambda self: None)
    for name in [name for name in os.environ if name.lower().startswith("praw_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("APPDATA", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "praw.ini").write_text(INI)


@pytest.fixture
def fake() -> Iterator[FakeReddit]:
    with serving_reddit(FakeReddit(forum(350))) as fake:
        yield fake


@pytest.fixture
def plan(fake: FakeReddit, tmp_path: Path) -> Plan:
    return Plan(("r/AskScience",), str(tmp_path / "a.jsonl"), source="reddit", base_url=fake.url, rate=1000)


def run(plan: Plan, **change: object) -> list[Event]:
    with Fetch(Plan(**{**vars(plan), **change})) as fetch:
        return list(fetch.run())


def summary(events: list[Event]) -> Summary:
    (done,) = [event for event in events if isinstance(event, Done)]
    return done.summary


def ids(plan: Plan) -> list[str]:
    return [json.loads(line)["id"] for line in Path(plan.output).read_bytes().splitlines()]


def newest(fake: FakeReddit, count: int) -> list[str]:
    return [row["id"] for row in reversed(fake.rows[-count:])]


def test_a_small_subreddit_is_fetched_whole(plan: Plan, fake: FakeReddit) -> None:
    assert summary(run(plan)).complete
    assert ids(plan) == newest(fake, 350)
    assert all("linux:test:1 (by u/somebody)" in agent for agent in fake.agents)
    first = json.loads(Path(plan.output).read_bytes().splitlines()[0])
    assert first == {name: fake.rows[-1][name] for name in first}


def test_a_large_one_is_not_and_says_so(plan: Plan, fake: FakeReddit) -> None:
    fake.rows[:] = forum(1200)
    events = run(plan)
    assert (summary(events).fetched, summary(events).complete) == (1000, False)
    assert ids(plan) == newest(fake, 1000)
    assert isinstance(events[-1], Done)
    assert "newest 1,000" in events[-1].shortfall


def test_a_range_that_the_listing_covers_is_complete(plan: Plan, fake: FakeReddit) -> None:
    fake.rows[:] = forum(1200)
    after, before = fake.rows[700]["created_utc"], fake.rows[900]["created_utc"]
    assert summary(run(plan, after=str(after), before=str(before))).complete
    inside = [row["id"] for row in fake.rows if after <= row["created_utc"] < before]
    assert ids(plan) == inside[::-1]


def test_a_person_can_be_asked_for(plan: Plan, fake: FakeReddit) -> None:
    run(plan, names=("u/bob",))
    assert ids(plan) == [row["id"] for row in reversed(fake.rows) if row["author"] == "Bob"]


@pytest.mark.parametrize("name", ["r/nobody", "u/nobody"])
def test_nobody_of_this_name(plan: Plan, name: str) -> None:
    with pytest.raises(NothingToDoError, match=f"no comments of {name}"):
        run(plan, names=(name,))


@pytest.mark.parametrize("fault", sorted(REDDIT_FAULTS))
@pytest.mark.parametrize("good_before", [0, 2])
def test_no_fault_loses_or_doubles_a_comment(plan: Plan, fake: FakeReddit, fault: str, good_before: int) -> None:
    fake.faults = [None] * good_before + [fault]
    assert summary(run(plan)).complete
    assert ids(plan) == newest(fake, 350)


def test_a_wait_is_as_long_as_reddit_says(plan: Plan, fake: FakeReddit) -> None:
    fake.faults = ["limited"]
    waits = [event for event in run(plan) if isinstance(event, Waiting)]
    assert [wait.seconds for wait in waits] == [RESET]


def test_a_used_up_limit_is_waited_for_and_told(plan: Plan, fake: FakeReddit, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"x_ratelimit_remaining": "0.0", "x_ratelimit_used": "100", "x_ratelimit_reset": str(RESET)}
    monkeypatch.setitem(REDDIT_FAULTS, "last", lambda self, path, query: self.listing(path, query, **limits))
    fake.faults = ["last"]
    (wait,) = [event for event in run(plan, limit=150) if isinstance(event, Waiting)]
    assert wait.seconds == pytest.approx(RESET, abs=1)
    assert not wait.again


def test_going_on_finds_what_is_left_though_the_listing_has_moved(plan: Plan, fake: FakeReddit) -> None:
    run(plan, limit=150)
    del fake.rows[-150]  # where the first run stopped; its author has deleted it
    fake.rows += [{**row, "id": "n" + row["id"], "created_utc": 4_000_000_000} for row in forum(30)]
    assert summary(run(plan, resume=True)).complete
    assert sorted(ids(plan)) == sorted(row["id"] for row in forum(350))


@pytest.mark.parametrize("status", [500, 503, 429])
def test_signing_in_may_fail_and_pass(plan: Plan, fake: FakeReddit, status: int) -> None:
    fake.sign_in_faults = [status]
    assert summary(run(plan)).retries == 1


def test_wrong_credentials_are_told(plan: Plan, fake: FakeReddit) -> None:
    fake.secret = "id:another"
    with pytest.raises(ServiceError, match="does not accept who asks") as caught:
        run(plan)
    assert "client_secret" in caught.value.todo
    assert "praw.ini" in caught.value.todo


def test_what_reddit_will_not_answer_is_told(plan: Plan, fake: FakeReddit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REDDIT_FAULTS, "gone", lambda self, path, query: self.answer({}, 204))
    fake.faults = ["gone"] * 20
    with pytest.raises(ServiceError, match="cannot be understood"):
        run(plan)


def test_what_is_private_stays_so(plan: Plan, fake: FakeReddit) -> None:
    fake.faults = ["forbidden"] * 9
    with pytest.raises(ServiceError, match="private"):
        run(plan)


def test_an_answer_without_end_is_refused(plan: Plan, fake: FakeReddit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(praw_source, "LARGEST", 10_000)
    with pytest.raises(ServiceError, match="an answer is larger than"):
        run(plan)


def test_odd_comments_are_left_out_and_told(plan: Plan, fake: FakeReddit) -> None:
    fake.rows[300]["created_utc"] = "soon"
    fake.rows[310]["body"] = "half a \ud83d"
    events = run(plan)
    assert any(isinstance(event, Notice) for event in events)
    assert isinstance(events[-1], Done)
    assert events[-1].shortfall == "1 comment could not be read, and left out"
    assert not events[-1].summary.complete
    assert summary(events).fetched == 349
    assert "half a \ufffd" in Path(plan.output).read_text(encoding="utf-8")


def test_who_asks_may_stand_in_variables(plan: Plan, fake: FakeReddit, monkeypatch: pytest.MonkeyPatch) -> None:
    praw_source.own_settings().unlink()
    monkeypatch.setenv("praw_client_id", "id")
    monkeypatch.setenv("praw_client_secret", "secret")
    assert summary(run(plan)).complete
    assert all("grucli" in agent for agent in fake.agents)


def test_a_section_may_be_chosen(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    praw_source.own_settings().write_text(INI.replace("=id", "=x") + "[mine]\nclient_id=id\nclient_secret=secret\n")
    monkeypatch.setenv("praw_site", "mine")
    assert summary(run(plan)).complete
    monkeypatch.setenv("praw_site", "other")
    with pytest.raises(UsageError, match=r"praw\.ini"):
        run(plan, force=True)


@pytest.mark.parametrize("text", ["", "[DEFAULT]\nclient_id=id\n", "no ini", "\xff"])
def test_nothing_says_who_asks(plan: Plan, fake: FakeReddit, text: str) -> None:
    praw_source.own_settings().write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError) as caught:
        run(plan)
    assert "praw.ini" in caught.value.todo
    assert not fake.asked


def test_neither_a_strangers_ini_nor_ones_own_moves_the_endpoints(
    plan: Plan, fake: FakeReddit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = "[DEFAULT]\noauth_url=http://127.0.0.1:1\nreddit_url=http://127.0.0.1:1\n"
    (tmp_path / "praw.ini").write_text(evil + "client_id=evil\nclient_secret=evil\nuser_agent=evil evil evil\n")
    praw_source.own_settings().write_text(INI + evil.partition("\n")[2])
    monkeypatch.chdir(tmp_path)
    assert summary(run(plan)).complete
    assert not any("evil" in agent for agent in fake.agents)


@pytest.mark.parametrize("address", ["http://example.com", "http://192.168.0.1", "http://localhost.example.com"])
def test_a_secret_is_not_sent_in_the_open(address: str) -> None:
    with pytest.raises(UsageError, match="in the open"):
        open_source("reddit", address, None)


@pytest.mark.parametrize("address", ["http://localhost:1", "http://[::1]:1", "https://example.com"])
def test_an_address_that_is_safe(address: str) -> None:
    assert open_source("reddit", address, None).rate == praw_source.POLITE


def test_without_the_library_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'praw'", name="praw")

    monkeypatch.setattr("grucli.optional_imports.importlib.import_module", missing)
    with pytest.raises(UsageError, match="not installed") as caught:
        open_source("reddit", None, None)
    assert 'pip install "grucli[reddit]"' in caught.value.todo
