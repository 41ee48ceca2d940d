"""A fetch: its output, resuming, and that no kill or fault loses or duplicates a comment."""

import errno
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from grucli.errors import EmptyInputError, GruError, LockedError, ServiceError, UsageError
from grucli.read.blocks import RowReport
from grucli.read.rows import read_rows
from grucli.read.schema import ReadOptions
from grucli.reddit.fetch import arctic_shift, retry
from grucli.reddit.fetch import output as fetch_output
from grucli.reddit.fetch.comment_source import Notice, RetryWait, TimeRange
from grucli.reddit.fetch.events import (
    FetchEvent,
    FetchFinished,
    FetchStarted,
    FetchSummary,
    PageFetched,
    TargetFinished,
)
from grucli.reddit.fetch.run import FetchInterruptedError, FetchOptions, FetchRun
from grucli.reddit.fetch.state import FetchState, load_state, save_state, state_path
from tests.reddit.comment_factory import FIRST_TIMESTAMP, Row, make_comments
from tests.reddit.fetch.fake_arctic_shift import FakeArcticShift, random_faults, serve_arctic_shift

NOW = FIRST_TIMESTAMP + 10**8


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait, stop the clock, and skip fsync."""
    monkeypatch.setattr(retry, "sleep", lambda seconds: None)
    monkeypatch.setattr("grucli.reddit.fetch.run.time.time", lambda: NOW)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[FakeArcticShift]:
    with serve_arctic_shift(FakeArcticShift(make_comments(350))) as server:
        yield server


@pytest.fixture
def options(server: FakeArcticShift, tmp_path: Path) -> FetchOptions:
    return FetchOptions(names=("r/AskScience",), output=str(tmp_path / "a.jsonl"), base_url=server.url, rate=1000)


def run_fetch(options: FetchOptions) -> list[FetchEvent]:
    with FetchRun(options) as fetch:
        return list(fetch.run())


def resume_fetch(options: FetchOptions) -> list[FetchEvent]:
    return run_fetch(replace(options, resume=True))


def summary_of(events: list[FetchEvent]) -> FetchSummary:
    (done,) = [event for event in events if isinstance(event, FetchFinished)]
    return done.summary


def read_lines(path: str | Path) -> list[Row]:
    return [json.loads(line) for line in Path(path).read_bytes().splitlines()]


def expected_rows(rows: list[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name != "distinguished"} for row in rows]


def sorted_keys(rows: list[Row]) -> list[Row]:
    return [dict(sorted(row.items())) for row in rows]


def file_names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_what_is_fetched_is_what_there_is(server: FakeArcticShift, options: FetchOptions, tmp_path: Path) -> None:
    events = run_fetch(options)
    assert sorted_keys(read_lines(options.output)) == sorted_keys(expected_rows(server.rows))
    assert isinstance(events[0], FetchStarted)
    first, last = server.rows[0]["created_utc"], server.rows[-1]["created_utc"]
    assert summary_of(events) == FetchSummary(fetched=350, pages=4, retries=0, first=first, last=last, complete=True)
    assert file_names(tmp_path) == ["a.jsonl", "a.jsonl.fetch.json"]
    pages = [event for event in events if isinstance(event, PageFetched)]
    assert [page.fetched for page in pages][-1] == 350
    assert sum(page.new for page in pages) == 350


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege")
@pytest.mark.parametrize("name", [".a.jsonl.lock", "a.jsonl.fetch.json"])
@pytest.mark.parametrize("resume", [False, True])
def test_a_planted_link_is_refused(options: FetchOptions, tmp_path: Path, name: str, resume: bool) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"kept")
    (tmp_path / name).symlink_to(precious)
    with pytest.raises(OSError, match="is a symbolic link") as caught:
        run_fetch(replace(options, resume=resume))
    assert caught.value.filename == str(tmp_path / name)
    assert precious.read_bytes() == b"kept"
    assert not Path(options.output).exists()


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".jsonl.zst", ".jsonl.gz", ".jsonl.bz2", ".jsonl.xz"])
def test_every_form_is_read_back(server: FakeArcticShift, options: FetchOptions, tmp_path: Path, suffix: str) -> None:
    options = replace(options, output=str(tmp_path / f"b{suffix}"), limit=150)
    run_fetch(options)
    resume_fetch(replace(options, limit=None))
    report = RowReport()
    bodies = [row.body for row in read_rows(options.output, ReadOptions(), report)]
    assert bodies == [row["body"] for row in server.rows if row["body"].strip()]
    assert report.read == 350


def test_several_names_one_after_the_other(options: FetchOptions, server: FakeArcticShift) -> None:
    server.rows += make_comments(120, seed=1, subreddit="cooking")
    events = run_fetch(replace(options, names=("r/askscience", "r/nobodyknows", "r/Cooking", "r/cooking/")))
    assert [(event.name, event.fetched) for event in events if isinstance(event, TargetFinished)] == [
        ("r/askscience", 350),
        ("r/nobodyknows", 0),
        ("r/Cooking", 120),
    ]
    assert summary_of(events).fetched == 470
    assert summary_of(events).complete
    progress = [event.progress for event in events if isinstance(event, PageFetched)]
    assert progress == sorted(progress)


def test_a_limit_counts_for_each_name_and_is_not_the_end(options: FetchOptions, server: FakeArcticShift) -> None:
    server.rows += make_comments(120, seed=1, subreddit="cooking")
    options = replace(options, names=("r/askscience", "r/cooking"), limit=110)
    events = run_fetch(options)
    assert (summary_of(events).fetched, summary_of(events).complete) == (220, False)
    assert "--limit" in events[-1].incomplete_reason if isinstance(events[-1], FetchFinished) else False
    events = resume_fetch(replace(options, limit=300))
    assert (summary_of(events).fetched, summary_of(events).complete) == (420, False)
    events = resume_fetch(replace(options, limit=None, names=()))
    assert (summary_of(events).fetched, summary_of(events).complete) == (470, True)
    assert sorted(row["id"] + row["subreddit"] for row in read_lines(options.output)) == sorted(
        row["id"] + row["subreddit"] for row in server.rows
    )


def test_resuming_a_complete_fetch_makes_no_request(options: FetchOptions, server: FakeArcticShift) -> None:
    before = summary_of(run_fetch(options))
    asked = len(server.requests)
    events = resume_fetch(options)
    assert [type(event) for event in events] == [FetchFinished]
    assert summary_of(events) == before
    assert len(server.requests) == asked


def test_resuming_nothing_starts(options: FetchOptions, server: FakeArcticShift) -> None:
    assert summary_of(resume_fetch(options)).fetched == 350


def test_comments_that_are_new_are_counted(options: FetchOptions, server: FakeArcticShift) -> None:
    for age, row in enumerate(reversed(server.rows)):
        row["created_utc"] = NOW - 3600 * age - 1
    (done,) = [event for event in run_fetch(options) if isinstance(event, FetchFinished)]
    assert done.scores_not_final == 36


def test_the_start_is_reported_before_the_first_request(options: FetchOptions, server: FakeArcticShift) -> None:
    with FetchRun(options) as fetch:
        assert isinstance(next(fetch.run()), FetchStarted)
        assert server.requests == []


def test_an_empty_fetch_leaves_no_files(options: FetchOptions, tmp_path: Path) -> None:
    with pytest.raises(EmptyInputError, match=r"no comments found for r/nobodyknows before [-0-9]+( [:0-9]+)?$"):
        run_fetch(replace(options, names=("r/nobodyknows",)))
    assert file_names(tmp_path) == []


def test_a_full_second_is_reported_and_never_complete(options: FetchOptions, server: FakeArcticShift) -> None:
    for row in server.rows[10:200]:
        row["created_utc"] = server.rows[10]["created_utc"]
    server.rows.sort(key=lambda row: row["created_utc"])
    events = run_fetch(options)
    assert any(isinstance(event, Notice) for event in events)
    assert isinstance(events[-1], FetchFinished)
    assert events[-1].incomplete_reason.startswith("1 gap: more comments in one second")
    assert not summary_of(events).complete
    assert not summary_of(resume_fetch(options)).complete


def test_an_output_is_not_replaced_without_force(options: FetchOptions, server: FakeArcticShift) -> None:
    Path(options.output).write_text("mine")
    with pytest.raises(UsageError, match="file exists"):
        run_fetch(options)
    with pytest.raises(UsageError, match="cannot resume"):
        resume_fetch(options)
    assert Path(options.output).read_text() == "mine"
    assert not server.requests
    assert summary_of(run_fetch(replace(options, force=True))).fetched == 350
    assert len(read_lines(options.output)) == 350


def test_force_replaces_the_output_with_the_first_page(options: FetchOptions, server: FakeArcticShift) -> None:
    run_fetch(replace(options, limit=5))
    before = Path(options.output).read_bytes(), state_path(Path(options.output)).read_bytes()
    server.default_fault = lambda: "bad gateway"
    with pytest.raises(ServiceError):
        run_fetch(replace(options, force=True))
    assert Path(options.output).read_bytes() == before[0]
    server.default_fault = None
    assert summary_of(resume_fetch(FetchOptions((), options.output))).fetched == 350


@pytest.mark.parametrize("fails", ["_compress", "_replace_earlier_file"])
def test_force_on_a_full_disk_keeps_the_earlier_output(
    options: FetchOptions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fails: str
) -> None:
    run_fetch(replace(options, limit=5))
    before = Path(options.output).read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, FetchRun(replace(options, force=True)) as fetch:
        patch.setattr(fetch._output, fails, full)
        with pytest.raises(OSError, match="No space"):
            list(fetch.run())
    assert Path(options.output).read_bytes() == before
    assert file_names(tmp_path) == ["a.jsonl", "a.jsonl.fetch.json"]
    assert summary_of(resume_fetch(FetchOptions((), options.output))).fetched == 350


def test_force_replaces_a_linked_output_and_keeps_its_mode(options: FetchOptions, tmp_path: Path) -> None:
    target = tmp_path / "target.jsonl"
    target.write_text("earlier")
    target.chmod(0o600)
    Path(options.output).symlink_to(target)
    assert summary_of(run_fetch(replace(options, force=True))).fetched == 350
    assert Path(options.output).is_symlink()
    assert (len(read_lines(target)), target.stat().st_mode & 0o777) == (350, 0o600)


def test_force_without_comments_restores_the_state(options: FetchOptions) -> None:
    run_fetch(replace(options, limit=5))
    before = Path(options.output).read_bytes(), state_path(Path(options.output)).read_bytes()
    with pytest.raises(EmptyInputError):
        run_fetch(replace(options, force=True, names=("r/nobodyknows",)))
    assert (Path(options.output).read_bytes(), state_path(Path(options.output)).read_bytes()) == before


def test_resume_before_the_first_page(options: FetchOptions, server: FakeArcticShift) -> None:
    """The state is on the disk before the first request, and survives whatever happens then."""

    def look(number: int) -> None:
        known.append(load_state(Path(options.output)))

    known: list[FetchState | None] = []
    server.on_request, server.default_fault = look, lambda: "bad gateway"
    with pytest.raises(ServiceError, match="no comments fetched yet") as caught:
        run_fetch(replace(options, names=("r/AskScience", "r/nobodyknows"), after="2020-09-13"))
    assert caught.value.hint == f"try again later; resume:  gru fetch -o {options.output} --resume --rate 1000"
    assert known[0] is not None
    assert [entry.name for entry in known[0].targets] == ["r/AskScience", "r/nobodyknows"]
    server.on_request = server.default_fault = None
    events = resume_fetch(FetchOptions((), options.output))
    assert isinstance(events[0], FetchStarted)
    assert events[0].time_range == TimeRange(1_599_955_200, NOW)
    assert summary_of(events).fetched == 350


def test_a_foreign_file_is_not_replaced_on_resume(options: FetchOptions, server: FakeArcticShift) -> None:
    server.default_fault = lambda: "bad gateway"
    with pytest.raises(ServiceError):
        run_fetch(options)
    Path(options.output).write_text("mine")
    with pytest.raises(UsageError, match="file exists, and is not the output of this fetch"):
        resume_fetch(options)
    assert Path(options.output).read_text() == "mine"


def test_windows_without_comments_are_not_repeated(options: FetchOptions, server: FakeArcticShift) -> None:
    """A fetch stopped in years without a comment reports progress there, and resumes from there."""
    server.max_window = 10**7
    with FetchRun(options) as fetch:
        events = fetch.run()
        moved = [event for event in (next(events) for _ in range(60)) if isinstance(event, PageFetched)]
    assert len(moved) > 3
    assert [event.timestamp for event in moved] == sorted({event.timestamp for event in moved})
    assert {(event.new, event.progress) for event in moved} == {(0, 0.0)}
    assert not Path(options.output).exists()
    server.requests.clear()
    assert summary_of(resume_fetch(options)).complete
    assert min(int(query["after"]) for query in server.requests) >= moved[-1].timestamp - 1
    assert sorted_keys(read_lines(options.output)) == sorted_keys(expected_rows(server.rows))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"names": ("r/cooking",)}, "started with r/AskScience, not r/cooking"),
        ({"names": ("r/AskScience", "u/ann")}, "not r/AskScience u/ann"),
        ({"source": "reddit"}, "started with --source arctic-shift, not --source reddit"),
        ({"after": "2020-09-14"}, "started with --after '2020-09-13', not --after '2020-09-14'"),
        ({"before": "2021"}, "not --before '2021'"),
    ],
)
def test_resuming_with_other_options_is_refused(options: FetchOptions, change: dict[str, Any], named: str) -> None:
    run_fetch(replace(options, limit=5, after="2020-09-13"))
    with pytest.raises(UsageError, match=named):
        resume_fetch(replace(options, **{"after": "2020-09-13", **change}))


@pytest.mark.parametrize("option", ["after", "before"])
def test_a_bound_added_on_resume_is_refused(options: FetchOptions, option: str) -> None:
    asked: dict[str, Any] = {option: "2020-09-14"}
    run_fetch(replace(options, limit=5))
    with pytest.raises(UsageError, match=f"started with no --{option}, not --{option} '2020-09-14'"):
        resume_fetch(replace(options, **asked))


@pytest.mark.parametrize("name", ["r", "u", "r/", "/user/"])
def test_a_kind_without_a_name(options: FetchOptions, name: str) -> None:
    with pytest.raises(UsageError, match="not a subreddit or user") as caught:
        run_fetch(replace(options, names=(name,)))
    assert caught.value.hint == "write r/NAME or u/NAME"


def test_the_same_options_written_differently(
    options: FetchOptions, server: FakeArcticShift, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_fetch(replace(options, limit=5, after="4y", before="1600300000"))
    monkeypatch.setattr("grucli.reddit.fetch.run.time.time", lambda: NOW + 10_000)
    events = resume_fetch(
        replace(options, names=("/r/askscience/",), after="4y", before="2020-09-16T23:46:40", source="arctic-shift")
    )
    assert summary_of(events).complete


def test_the_end_of_the_range_is_fixed_at_the_start(
    options: FetchOptions, server: FakeArcticShift, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_fetch(replace(options, limit=5))
    server.rows.append({**server.rows[-1], "id": "new", "created_utc": NOW + 5})
    monkeypatch.setattr("grucli.reddit.fetch.run.time.time", lambda: NOW + 10)
    assert summary_of(resume_fetch(options)).fetched == 350


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": ()}, "missing NAME"),
        ({"names": ("askscience",)}, "not a subreddit or user"),
        ({"names": ("r/../x",)}, "not a subreddit or user"),
        ({"names": ("r/x&limit=1",)}, "not a subreddit or user"),
        ({"output": "a.csv"}, "not a file of JSON lines"),
        ({"output": "a.zst"}, "not a file of JSON lines"),
        ({"after": "soon"}, "--after"),
        ({"before": "later"}, "--before"),
        ({"after": "2021-01-01", "before": "2021-01-01"}, "empty range: after 2021-01-01"),
        ({"after": "2100-01-01"}, "empty range: after 2100-01-01"),
        ({"limit": 0}, "--limit"),
        ({"rate": 0.0}, "--rate"),
        ({"rate": 0.0099}, "--rate is out of range: 0.0099 requests per second"),
        ({"rate": float("nan")}, "--rate"),
        ({"rate": 1e9}, "--rate"),
        ({"base_url": "ftp://example.com"}, "--base-url"),
        ({"base_url": "http://me:secret@example.com"}, "^--base-url must not contain a user name or password$"),
        ({"base_url": "http://me:se/cret@example.com"}, "^--base-url must not contain a user name or password$"),
        ({"base_url": "example"}, "--base-url"),
        ({"base_url": "http://["}, "--base-url"),
        ({"resume": True, "force": True}, "--resume and --force cannot be used together"),
    ],
)
def test_invalid_options(options: FetchOptions, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run_fetch(replace(options, **change))
    assert file_names(tmp_path) == []


def test_temporaries_of_a_killed_run_are_removed(options: FetchOptions, tmp_path: Path) -> None:
    options = replace(options, output=str(tmp_path / "[a]*.jsonl"), limit=5)
    (tmp_path / ".[a]*.jsonl.fetch.json.12-ab.tmp").write_text("half a reco")
    (tmp_path / ".another.jsonl.fetch.json.12-ab.tmp").write_text("not ours")
    run_fetch(options)
    assert file_names(tmp_path) == [".another.jsonl.fetch.json.12-ab.tmp", "[a]*.jsonl", "[a]*.jsonl.fetch.json"]


def test_a_directory_as_output(options: FetchOptions, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").mkdir()
    with pytest.raises(UsageError, match="is a directory"):
        run_fetch(options)


def test_two_runs_do_not_collide(options: FetchOptions, tmp_path: Path) -> None:
    with FetchRun(options) as first:
        events = first.run()
        while not isinstance(next(events), PageFetched):
            pass
        with pytest.raises(LockedError, match=f"a.jsonl' is in use by process {os.getpid()}"):
            run_fetch(replace(options, resume=True))
        assert len(list(events)) > 1
    assert len(read_lines(options.output)) == 350
    assert file_names(tmp_path) == ["a.jsonl", "a.jsonl.fetch.json"]


CORRUPTIONS: list[Callable[[Path], object]] = [
    lambda output: output.write_bytes(output.read_bytes()[:-1]),
    lambda output: output.write_bytes(output.read_bytes()[:-2] + b"?\n"),
    lambda output: output.unlink(),
    lambda output: state_path(output).write_bytes(b""),
    lambda output: state_path(output).write_bytes(b"[" * 10_000),
    lambda output: state_path(output).write_text("{}"),
    lambda output: state_path(output).write_text(
        state_path(output).read_text().replace('"version": 2', '"version": 1')
    ),
    lambda output: state_path(output).write_text(state_path(output).read_text().replace("r/AskScience", "\x1b[2J")),
    lambda output: state_path(output).write_text(state_path(output).read_text().replace('"bytes": ', '"bytes": -')),
    lambda output: state_path(output).unlink(),
]


@pytest.mark.parametrize("damage", CORRUPTIONS)
def test_a_changed_output_is_not_resumed(options: FetchOptions, damage: Callable[[Path], object]) -> None:
    output = Path(options.output)
    run_fetch(replace(options, limit=150))
    damage(output)
    before = output.read_bytes() if output.exists() else None
    with pytest.raises(GruError) as caught:
        resume_fetch(options)
    assert "--force" in caught.value.hint
    assert (output.read_bytes() if output.exists() else None) == before
    assert summary_of(run_fetch(replace(options, force=True))).fetched == 350


def test_a_failure_says_what_is_saved_and_how_to_resume(options: FetchOptions, server: FakeArcticShift) -> None:
    server.faults = [None, None]
    server.default_fault = lambda: "bad gateway"
    with pytest.raises(ServiceError, match="198 comments saved in") as caught:
        run_fetch(options)
    assert caught.value.hint == f"resume:  gru fetch -o {options.output} --resume --rate 1000"
    assert len(read_lines(options.output)) == 198
    server.default_fault = None
    assert summary_of(resume_fetch(FetchOptions((), options.output))).complete  # the base URL is in the state
    assert sorted_keys(read_lines(options.output)) == sorted_keys(expected_rows(server.rows))


def test_ctrl_c_says_what_is_saved(
    options: FetchOptions, server: FakeArcticShift, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    server.faults = [None, "bad gateway"]
    run_fetch(replace(options, limit=100))
    monkeypatch.setattr(retry, "sleep", interrupt)
    with pytest.raises(FetchInterruptedError, match="stopped by Ctrl-C; 100 comments saved") as caught:
        resume_fetch(options)
    assert caught.value.status == 130
    with FetchRun(replace(options, resume=True)) as fetch:
        assert fetch.summary == FetchSummary(
            100, 1, 0, server.rows[0]["created_utc"], server.rows[99]["created_utc"], False
        )


def test_ctrl_c_right_after_a_page_was_saved_counts_it(options: FetchOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = []

    def save_and_interrupt(output: Path, record: FetchState) -> None:
        save_state(output, record)
        saved.append(record.fetched)
        if len(saved) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("grucli.reddit.fetch.run.save_state", save_and_interrupt)
    with pytest.raises(FetchInterruptedError, match="stopped by Ctrl-C; 198 comments saved"):
        run_fetch(options)
    assert saved == [0, 100, 198]
    assert len(read_lines(options.output)) == 198


def test_a_range_does_not_end_in_the_future(options: FetchOptions) -> None:
    started = run_fetch(replace(options, before="2100-01-01"))[0]
    assert isinstance(started, FetchStarted)
    assert started.time_range == TimeRange(0, NOW)


class ProcessKilled(BaseException):
    """The process is killed: nothing is cleaned up."""


def end_at_request(monkeypatch: pytest.MonkeyPatch, fail_at: int, error: BaseException) -> list[str]:
    """Fail half-way in the `fail_at`-th write, fsync, replace or truncate."""
    requests: list[str] = []

    def count(request: str) -> bool:
        requests.append(request)
        return len(requests) == fail_at

    def fail_before(request: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if count(request):
                raise error
            return original(*arguments)

        return call

    class FaultyFile(io.FileIO):
        def write(self, data: Any) -> int:
            if count("write"):
                super().write(bytes(data)[: len(data) // 2])
                raise error
            return super().write(data) or 0

        def truncate(self, size: int | None = None) -> int:
            if count("truncate"):
                raise error
            return super().truncate(size)

    original_open = Path.open

    def open_faulty(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if mode in {"w+b", "r+b"}:
            return io.BufferedRandom(FaultyFile(path, mode.replace("b", "")))
        return original_open(path, mode, *arguments, **options)

    monkeypatch.setattr(Path, "open", open_faulty)
    monkeypatch.setattr(os, "fsync", fail_before("fsync", lambda descriptor: None))
    monkeypatch.setattr(os, "replace", fail_before("replace", os.replace))
    return requests


def run_and_end_at(options: FetchOptions, fail_at: int, error: BaseException) -> bool:
    """Start or resume, and fail as given; return False if it ended before."""
    with pytest.MonkeyPatch.context() as patch:
        if isinstance(error, ProcessKilled):
            # A killed process does not truncate its output.
            patch.setattr(fetch_output.FetchOutput, "close", lambda self: self._file and self._file.raw.close())
        end_at_request(patch, fail_at, error)
        with suppress(ProcessKilled, GruError, OSError, KeyboardInterrupt):
            run_fetch(options)
            return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize(
    "end",
    [ProcessKilled(), OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()],
    ids=lambda end: type(end).__name__,
)
@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.zst"])
def test_it_may_end_at_any_moment(
    options: FetchOptions,
    server: FakeArcticShift,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    end: BaseException,
    suffix: str,
) -> None:
    """At every disk operation of the first and the second run: resuming leaves no gap and no duplicate."""
    monkeypatch.setattr(arctic_shift, "PAGE_SIZE", 40)
    server.rows[:] = server.rows[:100]
    moments = 0
    for fail_at in range(1, 100):
        options = replace(options, output=str(tmp_path / f"{fail_at}{suffix}"))
        output = Path(options.output)
        if not run_and_end_at(options, fail_at, end):
            break
        moments += 1
        if not isinstance(end, ProcessKilled) and output.exists():
            # The output has complete pages even if it is not resumed.
            record = load_state(output)
            assert output.stat().st_size == (record.bytes if record is not None else 0)
        run_and_end_at(replace(options, resume=True), fail_at % 7 + 1, end)
        assert summary_of(resume_fetch(options)).complete
        assert summary_of(resume_fetch(options)).fetched == 100
        report = RowReport()
        assert [row.body for row in read_rows(options.output, ReadOptions(), report)] == [
            row["body"] for row in server.rows if row["body"].strip()
        ]
        assert report.read == 100
    assert moments >= 20


def test_a_full_disk_is_one_clear_line(options: FetchOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    end_at_request(monkeypatch, 14, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(GruError, match=r"no space left on device: '.*a\.jsonl'; \d+ comments saved") as caught:
        run_fetch(options)
    assert "--resume" in caught.value.hint


def test_faults_everywhere_and_many_runs(options: FetchOptions, server: FakeArcticShift) -> None:
    """Every kind of fault in a fifth of the responses, over as many runs as it takes."""
    server.default_fault = random_faults(0.2, seed=7)
    runs, retries = 0, 0
    for runs in range(1, 40):
        try:
            events = resume_fetch(replace(options, limit=40 * runs) if runs < 8 else options)
        except ServiceError:
            continue
        retries = summary_of(events).retries
        if summary_of(events).complete:
            break
    assert runs < 39
    assert retries > 0
    assert sorted_keys(read_lines(options.output)) == sorted_keys(expected_rows(server.rows))


def test_unreadable_comments_are_reported_once(options: FetchOptions, server: FakeArcticShift) -> None:
    for row in server.rows[50:80]:
        row["id"] = None
    events = run_fetch(options)
    (notice,) = [event for event in events if isinstance(event, Notice)]
    assert notice.text.startswith("30 unreadable comments of r/AskScience left out")
    assert summary_of(events).fetched == 320


@pytest.mark.parametrize("name", ["author", "id"])
@pytest.mark.parametrize("hardest", [None, 86_400])
def test_unreadable_comments_are_counted_once_each(
    options: FetchOptions, server: FakeArcticShift, name: str, hardest: int | None
) -> None:
    """Pages overlap and runs repeat requests: each unreadable comment is counted once."""
    second = server.rows[340]["created_utc"]
    server.rows[:] = server.rows[100:]
    for row in server.rows[::7]:
        row[name] = ["of", "no use"]
    server.max_window = hardest
    options = replace(options, after="2020-09-13", before=str(second))
    malformed = sum(row["created_utc"] < second for row in server.rows[::7])
    for limit in (3, 50, 51, 180):
        run_fetch(replace(options, limit=limit, resume=True))
    (done,) = [event for event in resume_fetch(options) if isinstance(event, FetchFinished)]
    assert not done.summary.complete
    assert done.incomplete_reason == f"{malformed} unreadable comments left out"


def test_waits_are_reported_and_counted(options: FetchOptions, server: FakeArcticShift) -> None:
    server.faults = ["bad gateway", "limited, seconds", None, "empty"]
    events = run_fetch(options)
    assert len([event for event in events if isinstance(event, RetryWait)]) == 3
    assert summary_of(events).retries == 3
    assert load_state(Path(options.output)) is not None


def test_the_state_is_formatted_json(options: FetchOptions) -> None:
    run_fetch(replace(options, limit=5))
    text = state_path(Path(options.output)).read_text()
    assert text.count("\n") > 10
    assert msgspec.json.decode(text)["targets"][0]["name"] == "r/AskScience"


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_interrupts_a_wait(
    options: FetchOptions, server: FakeArcticShift, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C interrupts a wait for the service."""
    import time

    monkeypatch.setattr(retry, "sleep", time.sleep)
    server.default_fault = lambda: "limited, seconds"
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(FetchInterruptedError, match="no comments fetched yet"):
            run_fetch(options)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
