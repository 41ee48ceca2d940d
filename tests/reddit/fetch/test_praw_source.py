"""Reddit through PRAW: the newest comments, once each; credentials come from the user's own settings only."""

import importlib.util
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from grucli.errors import EmptyInputError, ServiceError, UsageError
from grucli.reddit.fetch import retry
from grucli.reddit.fetch.comment_source import Notice, RetryWait
from grucli.reddit.fetch.events import FetchEvent, FetchFinished, FetchSummary
from grucli.reddit.fetch.run import FetchOptions, FetchRun, open_source
from tests.reddit.comment_factory import make_comments
from tests.reddit.fetch.fake_reddit import RATE_LIMIT_RESET_SECONDS, REDDIT_FAULTS, FakeReddit, serve_reddit

if importlib.util.find_spec("praw") is None:
    pytest.skip("PRAW is not installed", allow_module_level=True)

import prawcore

from grucli.reddit.fetch import praw_source

PRAW_INI = "[DEFAULT]\nclient_id=id\nclient_secret=secret\nuser_agent=linux:test:1 (by u/somebody)\n"


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Do not wait; keep the user's settings in a directory of the test."""
    monkeypatch.setattr(retry, "sleep", lambda seconds: None)
    monkeypatch.setattr(prawcore.sessions.RetryStrategy, "sleep", lambda self: None)
    monkeypatch.setattr(prawcore.rate_limit.RateLimiter, "delay", lambda self: None)
    for name in [name for name in os.environ if name.lower().startswith("praw_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("APPDATA", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "praw.ini").write_text(PRAW_INI)


@pytest.fixture
def server() -> Iterator[FakeReddit]:
    with serve_reddit(FakeReddit(make_comments(350))) as server:
        yield server


@pytest.fixture
def options(server: FakeReddit, tmp_path: Path) -> FetchOptions:
    return FetchOptions(("r/AskScience",), str(tmp_path / "a.jsonl"), source="reddit", base_url=server.url, rate=1000)


def run_fetch(options: FetchOptions, **changes: object) -> list[FetchEvent]:
    with FetchRun(FetchOptions(**{**vars(options), **changes})) as fetch:
        return list(fetch.run())


def summary_of(events: list[FetchEvent]) -> FetchSummary:
    (done,) = [event for event in events if isinstance(event, FetchFinished)]
    return done.summary


def read_ids(options: FetchOptions) -> list[str]:
    return [json.loads(line)["id"] for line in Path(options.output).read_bytes().splitlines()]


def newest_ids(server: FakeReddit, count: int) -> list[str]:
    return [row["id"] for row in reversed(server.rows[-count:])]


def test_a_small_subreddit_is_fetched_whole(options: FetchOptions, server: FakeReddit) -> None:
    assert summary_of(run_fetch(options)).complete
    assert read_ids(options) == newest_ids(server, 350)
    assert all("linux:test:1 (by u/somebody)" in agent for agent in server.user_agents)
    first = json.loads(Path(options.output).read_bytes().splitlines()[0])
    assert first == {name: server.rows[-1][name] for name in first}


def test_a_large_one_is_not_and_says_so(options: FetchOptions, server: FakeReddit) -> None:
    server.rows[:] = make_comments(1200)
    events = run_fetch(options)
    assert (summary_of(events).fetched, summary_of(events).complete) == (1000, False)
    assert read_ids(options) == newest_ids(server, 1000)
    assert isinstance(events[-1], FetchFinished)
    assert "newest 1,000" in events[-1].incomplete_reason


def test_a_range_that_the_listing_covers_is_complete(options: FetchOptions, server: FakeReddit) -> None:
    server.rows[:] = make_comments(1200)
    after, before = server.rows[700]["created_utc"], server.rows[900]["created_utc"]
    assert summary_of(run_fetch(options, after=str(after), before=str(before))).complete
    inside = [row["id"] for row in server.rows if after <= row["created_utc"] < before]
    assert read_ids(options) == inside[::-1]


def test_a_user_can_be_fetched(options: FetchOptions, server: FakeReddit) -> None:
    run_fetch(options, names=("u/bob",))
    assert read_ids(options) == [row["id"] for row in reversed(server.rows) if row["author"] == "Bob"]


@pytest.mark.parametrize("name", ["r/nobody", "u/nobody"])
def test_an_unknown_name(options: FetchOptions, name: str) -> None:
    with pytest.raises(EmptyInputError, match=f"no comments found for {name}"):
        run_fetch(options, names=(name,))


@pytest.mark.slow
@pytest.mark.parametrize("fault", sorted(REDDIT_FAULTS))
@pytest.mark.parametrize("good_before", [0, 2])
def test_no_fault_loses_or_doubles_a_comment(
    options: FetchOptions, server: FakeReddit, fault: str, good_before: int
) -> None:
    server.faults = [None] * good_before + [fault]
    assert summary_of(run_fetch(options)).complete
    assert read_ids(options) == newest_ids(server, 350)


def test_a_wait_is_as_long_as_reddit_says(options: FetchOptions, server: FakeReddit) -> None:
    server.faults = ["limited"]
    waits = [event for event in run_fetch(options) if isinstance(event, RetryWait)]
    assert [wait.seconds for wait in waits] == [RATE_LIMIT_RESET_SECONDS]


def test_an_exhausted_rate_limit_is_waited_for(
    options: FetchOptions, server: FakeReddit, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {
        "x_ratelimit_remaining": "0.0",
        "x_ratelimit_used": "100",
        "x_ratelimit_reset": str(RATE_LIMIT_RESET_SECONDS),
    }
    monkeypatch.setitem(REDDIT_FAULTS, "last", lambda self, path, query: self.respond_listing(path, query, **limits))
    server.faults = ["last"]
    (wait,) = [event for event in run_fetch(options, limit=150) if isinstance(event, RetryWait)]
    assert wait.seconds == pytest.approx(RATE_LIMIT_RESET_SECONDS, abs=1)
    assert not wait.is_retry


def test_resuming_a_listing_that_has_moved(options: FetchOptions, server: FakeReddit) -> None:
    run_fetch(options, limit=150)
    del server.rows[-150]  # the last of the first run, deleted by its author
    server.rows += [{**row, "id": "n" + row["id"], "created_utc": 4_000_000_000} for row in make_comments(30)]
    assert summary_of(run_fetch(options, resume=True)).complete
    assert sorted(read_ids(options)) == sorted(row["id"] for row in make_comments(350))


@pytest.mark.parametrize("status", [500, 503, 429])
def test_signing_in_may_fail_and_pass(options: FetchOptions, server: FakeReddit, status: int) -> None:
    server.sign_in_faults = [status]
    assert summary_of(run_fetch(options)).retries == 1


def test_wrong_credentials(options: FetchOptions, server: FakeReddit) -> None:
    server.secret = "id:another"
    with pytest.raises(ServiceError, match="rejected the credentials") as caught:
        run_fetch(options)
    assert "client_secret" in caught.value.hint
    assert "praw.ini" in caught.value.hint


def test_an_invalid_response(options: FetchOptions, server: FakeReddit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REDDIT_FAULTS, "gone", lambda self, path, query: self.respond({}, 204))
    server.faults = ["gone"] * 20
    with pytest.raises(ServiceError, match="invalid response"):
        run_fetch(options)


def test_a_private_subreddit(options: FetchOptions, server: FakeReddit) -> None:
    server.faults = ["forbidden"] * 9
    with pytest.raises(ServiceError, match="private"):
        run_fetch(options)


def test_the_size_of_a_response_is_limited(
    options: FetchOptions, server: FakeReddit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(praw_source, "MAX_RESPONSE_BYTES", 10_000)
    with pytest.raises(ServiceError, match="a response is larger than"):
        run_fetch(options)


def test_unreadable_comments_are_left_out_and_counted(options: FetchOptions, server: FakeReddit) -> None:
    server.rows[300]["created_utc"] = "soon"
    server.rows[310]["body"] = "half a \ud83d"
    events = run_fetch(options)
    assert any(isinstance(event, Notice) for event in events)
    assert isinstance(events[-1], FetchFinished)
    assert events[-1].incomplete_reason == "1 unreadable comment left out"
    assert not events[-1].summary.complete
    assert summary_of(events).fetched == 349
    assert "half a \ufffd" in Path(options.output).read_text(encoding="utf-8")


def test_credentials_from_variables(options: FetchOptions, server: FakeReddit, monkeypatch: pytest.MonkeyPatch) -> None:
    praw_source.praw_ini_path().unlink()
    monkeypatch.setenv("praw_client_id", "id")
    monkeypatch.setenv("praw_client_secret", "secret")
    assert summary_of(run_fetch(options)).complete
    assert all("grucli" in agent for agent in server.user_agents)


def test_a_section_may_be_chosen(options: FetchOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    praw_source.praw_ini_path().write_text(
        PRAW_INI.replace("=id", "=x") + "[mine]\nclient_id=id\nclient_secret=secret\n"
    )
    monkeypatch.setenv("praw_site", "mine")
    assert summary_of(run_fetch(options)).complete
    monkeypatch.setenv("praw_site", "other")
    with pytest.raises(UsageError, match=r"praw\.ini"):
        run_fetch(options, force=True)


@pytest.mark.parametrize("text", ["", "[DEFAULT]\nclient_id=id\n", "no ini", "\xff"])
def test_missing_credentials(options: FetchOptions, server: FakeReddit, text: str) -> None:
    praw_source.praw_ini_path().write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError) as caught:
        run_fetch(options)
    assert "praw.ini" in caught.value.hint
    assert not server.requests


def test_no_praw_ini_changes_the_endpoints(
    options: FetchOptions, server: FakeReddit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = "[DEFAULT]\noauth_url=http://127.0.0.1:1\nreddit_url=http://127.0.0.1:1\n"
    (tmp_path / "praw.ini").write_text(evil + "client_id=evil\nclient_secret=evil\nuser_agent=evil evil evil\n")
    praw_source.praw_ini_path().write_text(PRAW_INI + evil.partition("\n")[2])
    monkeypatch.chdir(tmp_path)
    assert summary_of(run_fetch(options)).complete
    assert not any("evil" in agent for agent in server.user_agents)


@pytest.mark.parametrize("address", ["http://example.com", "http://192.168.0.1", "http://localhost.example.com"])
def test_credentials_are_not_sent_over_plain_http(address: str) -> None:
    with pytest.raises(UsageError, match="refusing to send credentials over plain http"):
        open_source("reddit", address, None)


@pytest.mark.parametrize("address", ["http://localhost:1", "http://[::1]:1", "https://example.com"])
def test_a_secure_base_url(address: str) -> None:
    assert open_source("reddit", address, None).rate == praw_source.DEFAULT_RATE


def test_without_the_library_the_hint_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'praw'", name="praw")

    monkeypatch.setattr("grucli.optional_imports.importlib.import_module", missing)
    with pytest.raises(UsageError, match="not installed") as caught:
        open_source("reddit", None, None)
    assert 'pip install "grucli[reddit]"' in caught.value.hint
