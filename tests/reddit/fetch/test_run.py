"""A fetch: what it writes, how it goes on, and that neither a kill nor a fault loses or doubles a comment."""

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

from grucli.errors import BusyError, GruError, NothingToDoError, ServiceError, UsageError
from grucli.read.rows import RowReport, read_rows
from grucli.reddit.fetch import arctic_shift, retry
from grucli.reddit.fetch import output as fetch_output
from grucli.reddit.fetch.comment_source import Notice, Span, Waiting
from grucli.reddit.fetch.events import Done, Ended, Event, Paged, Started, Summary
from grucli.reddit.fetch.run import Fetch, FetchStoppedError, Plan
from grucli.reddit.fetch.state import Record, load_record, record_path, save_record
from tests.reddit.comment_factory import BEGIN, Row, forum
from tests.reddit.fetch.fake_arctic_shift import Fake, serving, sometimes

NOW = BEGIN + 10**8


@pytest.fixture(autouse=True)
def calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits, it is always the same moment, and a disk need not really be forced."""
    monkeypatch.setattr(retry, "sleep", lambda seconds: None)
    monkeypatch.setattr("grucli.reddit.fetch.run.time.time", lambda: NOW)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def fake() -> Iterator[Fake]:
    with serving(Fake(forum(350))) as fake:
        yield fake


@pytest.fixture
def plan(fake: Fake, tmp_path: Path) -> Plan:
    return Plan(names=("r/AskScience",), output=str(tmp_path / "a.jsonl"), base_url=fake.url, rate=1000)


def run(plan: Plan) -> list[Event]:
    with Fetch(plan) as fetch:
        return list(fetch.run())


def going_on(plan: Plan) -> list[Event]:
    return run(replace(plan, resume=True))


def summary(events: list[Event]) -> Summary:
    (done,) = [event for event in events if isinstance(event, Done)]
    return done.summary


def lines(path: str | Path) -> list[Row]:
    return [json.loads(line) for line in Path(path).read_bytes().splitlines()]


def truth(rows: list[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name != "distinguished"} for row in rows]


def sorted_keys(rows: list[Row]) -> list[Row]:
    return [dict(sorted(row.items())) for row in rows]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_fetched_is_what_there_is(fake: Fake, plan: Plan, tmp_path: Path) -> None:
    events = run(plan)
    assert sorted_keys(lines(plan.output)) == sorted_keys(truth(fake.rows))
    assert isinstance(events[0], Started)
    first, last = fake.rows[0]["created_utc"], fake.rows[-1]["created_utc"]
    assert summary(events) == Summary(fetched=350, pages=4, retries=0, first=first, last=last, complete=True)
    assert names(tmp_path) == ["a.jsonl", "a.jsonl.fetch.json"]
    pages = [event for event in events if isinstance(event, Paged)]
    assert [page.fetched for page in pages][-1] == 350
    assert sum(page.new for page in pages) == 350


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".jsonl.zst", ".jsonl.gz", ".jsonl.bz2", ".jsonl.xz"])
def test_every_form_is_read_back(fake: Fake, plan: Plan, tmp_path: Path, suffix: str) -> None:
    plan = replace(plan, output=str(tmp_path / f"b{suffix}"), limit=150)
    run(plan)
    going_on(replace(plan, limit=None))
    report = RowReport()
    bodies = [row.body for row in read_rows(plan.output, None, report)]
    assert bodies == [row["body"] for row in fake.rows if row["body"].strip()]
    assert report.read == 350


def test_several_names_one_after_the_other(plan: Plan, fake: Fake) -> None:
    fake.rows += forum(120, seed=1, subreddit="cooking")
    events = run(replace(plan, names=("r/askscience", "r/nobodyknows", "r/Cooking", "r/cooking/")))
    assert [(event.name, event.fetched) for event in events if isinstance(event, Ended)] == [
        ("r/askscience", 350),
        ("r/nobodyknows", 0),
        ("r/Cooking", 120),
    ]
    assert summary(events).fetched == 470
    assert summary(events).complete
    shares = [event.share for event in events if isinstance(event, Paged)]
    assert shares == sorted(shares)


def test_a_limit_counts_for_each_name_and_is_not_the_end(plan: Plan, fake: Fake) -> None:
    fake.rows += forum(120, seed=1, subreddit="cooking")
    plan = replace(plan, names=("r/askscience", "r/cooking"), limit=110)
    events = run(plan)
    assert (summary(events).fetched, summary(events).complete) == (220, False)
    assert "--limit" in events[-1].shortfall if isinstance(events[-1], Done) else False
    events = going_on(replace(plan, limit=300))
    assert (summary(events).fetched, summary(events).complete) == (420, False)
    events = going_on(replace(plan, limit=None, names=()))
    assert (summary(events).fetched, summary(events).complete) == (470, True)
    assert sorted(row["id"] + row["subreddit"] for row in lines(plan.output)) == sorted(
        row["id"] + row["subreddit"] for row in fake.rows
    )


def test_going_on_after_the_end_asks_nobody(plan: Plan, fake: Fake) -> None:
    before = summary(run(plan))
    asked = len(fake.asked)
    events = going_on(plan)
    assert [type(event) for event in events] == [Done]
    assert summary(events) == before
    assert len(fake.asked) == asked


def test_going_on_with_nothing_begins(plan: Plan, fake: Fake) -> None:
    assert summary(going_on(plan)).fetched == 350


def test_comments_that_are_new_are_counted(plan: Plan, fake: Fake) -> None:
    for age, row in enumerate(reversed(fake.rows)):
        row["created_utc"] = NOW - 3600 * age - 1
    (done,) = [event for event in run(plan) if isinstance(event, Done)]
    assert done.unsettled == 36


def test_what_is_about_to_happen_is_told_before_the_first_request(plan: Plan, fake: Fake) -> None:
    with Fetch(plan) as fetch:
        assert isinstance(next(fetch.run()), Started)
        assert fake.asked == []


def test_nothing_is_left_of_a_fetch_of_nothing(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(NothingToDoError, match=r"no comments of r/nobodyknows before [-0-9]+( [:0-9]+)?$"):
        run(replace(plan, names=("r/nobodyknows",)))
    assert names(tmp_path) == []


def test_a_crowded_second_is_told_and_never_complete(plan: Plan, fake: Fake) -> None:
    for row in fake.rows[10:200]:
        row["created_utc"] = fake.rows[10]["created_utc"]
    fake.rows.sort(key=lambda row: row["created_utc"])
    events = run(plan)
    assert any(isinstance(event, Notice) for event in events)
    assert isinstance(events[-1], Done)
    assert events[-1].shortfall.startswith("once, more comments stood in one second")
    assert not summary(events).complete
    assert not summary(going_on(plan)).complete


def test_an_output_is_not_replaced_unasked(plan: Plan, fake: Fake) -> None:
    Path(plan.output).write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        run(plan)
    with pytest.raises(UsageError, match="nothing is known"):
        going_on(plan)
    assert Path(plan.output).read_text() == "mine"
    assert not fake.asked
    assert summary(run(replace(plan, force=True))).fetched == 350
    assert len(lines(plan.output)) == 350


def test_force_replaces_nothing_before_there_is_something_better(plan: Plan, fake: Fake) -> None:
    run(replace(plan, limit=5))
    before = Path(plan.output).read_bytes(), record_path(Path(plan.output)).read_bytes()
    fake.mishap = lambda: "bad gateway"
    with pytest.raises(ServiceError):
        run(replace(plan, force=True))
    assert Path(plan.output).read_bytes() == before[0]
    fake.mishap = None
    assert summary(going_on(Plan((), plan.output))).fetched == 350


def test_force_gives_way_where_there_is_nothing(plan: Plan) -> None:
    run(replace(plan, limit=5))
    before = Path(plan.output).read_bytes(), record_path(Path(plan.output)).read_bytes()
    with pytest.raises(NothingToDoError):
        run(replace(plan, force=True, names=("r/nobodyknows",)))
    assert (Path(plan.output).read_bytes(), record_path(Path(plan.output)).read_bytes()) == before


def test_resume_alone_goes_on_from_before_the_first_page(plan: Plan, fake: Fake) -> None:
    """What is fetched is on the disk before anybody is asked, and so survives whatever comes then."""

    def look(number: int) -> None:
        known.append(load_record(Path(plan.output)))

    known: list[Record | None] = []
    fake.on_request, fake.mishap = look, lambda: "bad gateway"
    with pytest.raises(ServiceError, match="there was no comment to save yet") as caught:
        run(replace(plan, names=("r/AskScience", "r/nobodyknows"), after="2020-09-13"))
    assert caught.value.todo == f"try again later; go on:  gru fetch -o {plan.output} --resume --rate 1000"
    assert known[0] is not None
    assert [entry.name for entry in known[0].names] == ["r/AskScience", "r/nobodyknows"]
    fake.on_request = fake.mishap = None
    events = going_on(Plan((), plan.output))
    assert isinstance(events[0], Started)
    assert events[0].span == Span(1_599_955_200, NOW)
    assert summary(events).fetched == 350


def test_a_stranger_in_the_place_of_the_output_is_not_replaced(plan: Plan, fake: Fake) -> None:
    fake.mishap = lambda: "bad gateway"
    with pytest.raises(ServiceError):
        run(plan)
    Path(plan.output).write_text("mine")
    with pytest.raises(UsageError, match="exists, and is not of the fetch"):
        going_on(plan)
    assert Path(plan.output).read_text() == "mine"


def test_times_without_comments_are_not_walked_twice(plan: Plan, fake: Fake) -> None:
    """A fetch that is stopped in years without a comment goes on where it was, and shows before that it moves."""
    fake.hardest = 10**7
    with Fetch(plan) as fetch:
        events = fetch.run()
        moved = [event for event in (next(events) for _ in range(60)) if isinstance(event, Paged)]
    assert len(moved) > 3
    assert [event.at for event in moved] == sorted({event.at for event in moved})
    assert {(event.new, event.share) for event in moved} == {(0, 0.0)}
    assert not Path(plan.output).exists()
    fake.asked.clear()
    assert summary(going_on(plan)).complete
    assert min(int(query["after"]) for query in fake.asked) >= moved[-1].at - 1
    assert sorted_keys(lines(plan.output)) == sorted_keys(truth(fake.rows))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"names": ("r/cooking",)}, "begun with r/AskScience, not r/cooking"),
        ({"names": ("r/AskScience", "u/ann")}, "not r/AskScience u/ann"),
        ({"source": "reddit"}, "begun with --source arctic-shift, not --source reddit"),
        ({"after": "2020-09-14"}, "begun with --after '2020-09-13', not --after '2020-09-14'"),
        ({"before": "2021"}, "not --before '2021'"),
    ],
)
def test_going_on_with_something_else_is_refused(plan: Plan, change: dict[str, Any], named: str) -> None:
    run(replace(plan, limit=5, after="2020-09-13"))
    with pytest.raises(UsageError, match=named):
        going_on(replace(plan, **{"after": "2020-09-13", **change}))


@pytest.mark.parametrize("option", ["after", "before"])
def test_a_bound_that_nobody_gave_is_not_named(plan: Plan, option: str) -> None:
    asked: dict[str, Any] = {option: "2020-09-14"}
    run(replace(plan, limit=5))
    with pytest.raises(UsageError, match=f"begun with no --{option}, not --{option} '2020-09-14'"):
        going_on(replace(plan, **asked))


@pytest.mark.parametrize("name", ["r", "u", "r/", "/user/"])
def test_a_kind_without_a_name_is_no_name(plan: Plan, name: str) -> None:
    with pytest.raises(UsageError, match="neither a subreddit nor a person") as caught:
        run(replace(plan, names=(name,)))
    assert caught.value.todo == "write r/NAME or u/NAME"


def test_the_same_said_otherwise_is_the_same(plan: Plan, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    run(replace(plan, limit=5, after="4y", before="1600300000"))
    monkeypatch.setattr("grucli.reddit.fetch.run.time.time", lambda: NOW + 10_000)
    events = going_on(
        replace(plan, names=("/r/askscience/",), after="4y", before="2020-09-16T23:46:40", source="arctic-shift")
    )
    assert summary(events).complete


def test_the_end_is_fixed_when_the_fetch_begins(plan: Plan, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    run(replace(plan, limit=5))
    fake.rows.append({**fake.rows[-1], "id": "new", "created_utc": NOW + 5})
    monkeypatch.setattr("grucli.reddit.fetch.run.time.time", lambda: NOW + 10)
    assert summary(going_on(plan)).fetched == 350


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"names": ()}, "there is no NAME to fetch"),
        ({"names": ("askscience",)}, "neither a subreddit nor a person"),
        ({"names": ("r/../x",)}, "neither a subreddit nor a person"),
        ({"names": ("r/x&limit=1",)}, "neither a subreddit nor a person"),
        ({"output": "a.csv"}, "does not end like a file of JSON lines"),
        ({"output": "a.zst"}, "does not end like a file of JSON lines"),
        ({"after": "soon"}, "--after"),
        ({"before": "later"}, "--before"),
        ({"after": "2021-01-01", "before": "2021-01-01"}, "nothing lies after 2021-01-01"),
        ({"after": "2100-01-01"}, "nothing lies after 2100-01-01"),
        ({"limit": 0}, "--limit"),
        ({"rate": 0.0}, "--rate"),
        ({"rate": 0.0099}, "--rate: 0.0099 requests a second cannot be kept"),
        ({"rate": float("nan")}, "--rate"),
        ({"rate": 1e9}, "--rate"),
        ({"base_url": "ftp://example.com"}, "--base-url"),
        ({"base_url": "http://me:secret@example.com"}, "^--base-url: an address must not hold a name or a password$"),
        ({"base_url": "http://me:se/cret@example.com"}, "^--base-url: an address must not hold a name or a password$"),
        ({"base_url": "example"}, "--base-url"),
        ({"base_url": "http://["}, "--base-url"),
        ({"resume": True, "force": True}, "--resume goes on and --force begins again"),
    ],
)
def test_a_plan_that_cannot_be_meant(plan: Plan, tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        run(replace(plan, **change))
    assert names(tmp_path) == []


def test_what_a_killed_run_left_is_swept(plan: Plan, tmp_path: Path) -> None:
    plan = replace(plan, output=str(tmp_path / "[a]*.jsonl"), limit=5)
    (tmp_path / ".[a]*.jsonl.fetch.json.12-ab.tmp").write_text("half a reco")
    (tmp_path / ".another.jsonl.fetch.json.12-ab.tmp").write_text("not ours")
    run(plan)
    assert names(tmp_path) == [".another.jsonl.fetch.json.12-ab.tmp", "[a]*.jsonl", "[a]*.jsonl.fetch.json"]


def test_a_folder_is_no_output(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        run(plan)


def test_two_runs_do_not_collide(plan: Plan, tmp_path: Path) -> None:
    with Fetch(plan) as first:
        events = first.run()
        while not isinstance(next(events), Paged):
            pass
        with pytest.raises(BusyError, match=f"a.jsonl' is in use by process {os.getpid()}"):
            run(replace(plan, resume=True))
        assert len(list(events)) > 1
    assert len(lines(plan.output)) == 350
    assert names(tmp_path) == ["a.jsonl", "a.jsonl.fetch.json"]


DAMAGE: list[Callable[[Path], object]] = [
    lambda output: output.write_bytes(output.read_bytes()[:-1]),
    lambda output: output.write_bytes(output.read_bytes()[:-2] + b"?\n"),
    lambda output: output.unlink(),
    lambda output: record_path(output).write_bytes(b""),
    lambda output: record_path(output).write_bytes(b"[" * 10_000),
    lambda output: record_path(output).write_text("{}"),
    lambda output: record_path(output).write_text(
        record_path(output).read_text().replace('"version": 1', '"version": 2')
    ),
    lambda output: record_path(output).write_text(record_path(output).read_text().replace("r/AskScience", "\x1b[2J")),
    lambda output: record_path(output).write_text(record_path(output).read_text().replace('"bytes": ', '"bytes": -')),
    lambda output: record_path(output).unlink(),
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_was_changed_is_not_written_on(plan: Plan, damage: Callable[[Path], object]) -> None:
    output = Path(plan.output)
    run(replace(plan, limit=150))
    damage(output)
    before = output.read_bytes() if output.exists() else None
    with pytest.raises(GruError) as caught:
        going_on(plan)
    assert "--force" in caught.value.todo
    assert (output.read_bytes() if output.exists() else None) == before
    assert summary(run(replace(plan, force=True))).fetched == 350


def test_what_fails_in_the_middle_is_saved_and_says_how_to_go_on(plan: Plan, fake: Fake) -> None:
    fake.faults = [None, None]
    fake.mishap = lambda: "bad gateway"
    with pytest.raises(ServiceError, match="198 comments are saved in") as caught:
        run(plan)
    assert caught.value.todo == f"go on:  gru fetch -o {plan.output} --resume --rate 1000"
    assert len(lines(plan.output)) == 198
    fake.mishap = None
    assert summary(going_on(Plan((), plan.output))).complete  # where it was asked is known, too
    assert sorted_keys(lines(plan.output)) == sorted_keys(truth(fake.rows))


def test_ctrl_c_says_what_is_saved(plan: Plan, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    fake.faults = [None, "bad gateway"]
    run(replace(plan, limit=100))
    monkeypatch.setattr(retry, "sleep", interrupt)
    with pytest.raises(FetchStoppedError, match="stopped by Ctrl-C; 100 comments are saved") as caught:
        going_on(plan)
    assert caught.value.status == 130
    with Fetch(replace(plan, resume=True)) as fetch:
        assert fetch.summary == Summary(100, 1, 0, fake.rows[0]["created_utc"], fake.rows[99]["created_utc"], False)


def test_ctrl_c_right_after_a_page_was_saved_counts_it(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = []

    def save_and_interrupt(output: Path, record: Record) -> None:
        save_record(output, record)
        saved.append(record.fetched)
        if len(saved) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("grucli.reddit.fetch.run.save_record", save_and_interrupt)
    with pytest.raises(FetchStoppedError, match="stopped by Ctrl-C; 198 comments are saved"):
        run(plan)
    assert saved == [0, 100, 198]
    assert len(lines(plan.output)) == 198


def test_a_range_ends_now_at_the_latest(plan: Plan) -> None:
    started = run(replace(plan, before="2100-01-01"))[0]
    assert isinstance(started, Started)
    assert started.span == Span(0, NOW)


class Killed(BaseException):
    """The process is gone, here and now: nothing is cleaned up."""


def deadly(monkeypatch: pytest.MonkeyPatch, fatal: int, end: BaseException) -> list[str]:
    """Let the `fatal`-th write of the output, fsync, replacement or cut be the last thing that happens, half done."""
    seen: list[str] = []

    def next_is(request: str) -> bool:
        seen.append(request)
        return len(seen) == fatal

    def before(request: str, really: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if next_is(request):
                raise end
            return really(*arguments)

        return call

    class Raw(io.FileIO):
        def write(self, data: Any) -> int:
            if next_is("write"):
                super().write(bytes(data)[: len(data) // 2])
                raise end
            return super().write(data) or 0

        def truncate(self, size: int | None = None) -> int:
            if next_is("truncate"):
                raise end
            return super().truncate(size)

    open_really = Path.open

    def opened(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if mode in {"w+b", "r+b"}:
            return io.BufferedRandom(Raw(path, mode.replace("b", "")))
        return open_really(path, mode, *arguments, **options)

    monkeypatch.setattr(Path, "open", opened)
    monkeypatch.setattr(os, "fsync", before("fsync", lambda descriptor: None))
    monkeypatch.setattr(os, "replace", before("replace", os.replace))
    return seen


def killed_at(plan: Plan, fatal: int, end: BaseException) -> bool:
    """Begin or go on, and end as told; whether it came to that."""
    with pytest.MonkeyPatch.context() as patch:
        if isinstance(end, Killed):
            # A process that is killed does not come to cutting anything back.
            patch.setattr(fetch_output.Output, "close", lambda self: self._file and self._file.raw.close())
        deadly(patch, fatal, end)
        with suppress(Killed, GruError, OSError, KeyboardInterrupt):
            run(plan)
            return False
    return True


@pytest.mark.parametrize(
    "end",
    [Killed(), OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()],
    ids=lambda end: type(end).__name__,
)
@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.zst"])
def test_it_may_end_at_any_moment(
    plan: Plan, fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: BaseException, suffix: str
) -> None:
    """At each single request to the disk, of the first run and of the second: going on leaves no gap, no duplicate."""
    monkeypatch.setattr(arctic_shift, "PAGE", 40)
    fake.rows[:] = fake.rows[:100]
    moments = 0
    for fatal in range(1, 100):
        plan = replace(plan, output=str(tmp_path / f"{fatal}{suffix}"))
        output = Path(plan.output)
        if not killed_at(plan, fatal, end):
            break
        moments += 1
        if not isinstance(end, Killed) and output.exists():
            # Whoever does not go on has whole pages all the same.
            record = load_record(output)
            assert output.stat().st_size == (record.bytes if record is not None else 0)
        killed_at(replace(plan, resume=True), fatal % 7 + 1, end)
        assert summary(going_on(plan)).complete
        assert summary(going_on(plan)).fetched == 100
        report = RowReport()
        assert [row.body for row in read_rows(plan.output, None, report)] == [
            row["body"] for row in fake.rows if row["body"].strip()
        ]
        assert report.read == 100
    assert moments >= 20


def test_a_full_disk_is_one_clear_line(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    deadly(monkeypatch, 14, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(GruError, match=r"no space left on device: '.*a\.jsonl'; \d+ comments are saved") as caught:
        run(plan)
    assert "--resume" in caught.value.todo


def test_faults_everywhere_and_many_runs(plan: Plan, fake: Fake) -> None:
    """With every kind of fault in every fifth answer, and as many runs as it takes."""
    fake.mishap = sometimes(0.2, seed=7)
    runs, retries = 0, 0
    for runs in range(1, 40):
        try:
            events = going_on(replace(plan, limit=40 * runs) if runs < 8 else plan)
        except ServiceError:
            continue
        retries = summary(events).retries
        if summary(events).complete:
            break
    assert runs < 39
    assert retries > 0
    assert sorted_keys(lines(plan.output)) == sorted_keys(truth(fake.rows))


def test_an_odd_comment_is_warned_of_once(plan: Plan, fake: Fake) -> None:
    for row in fake.rows[50:80]:
        row["id"] = None
    events = run(plan)
    (notice,) = [event for event in events if isinstance(event, Notice)]
    assert notice.text.startswith("30 comments of r/AskScience cannot be read")
    assert summary(events).fetched == 320


@pytest.mark.parametrize("name", ["author", "id"])
@pytest.mark.parametrize("hardest", [None, 86_400])
def test_odd_comments_are_counted_once_each_however_it_is_stopped(
    plan: Plan, fake: Fake, name: str, hardest: int | None
) -> None:
    """Pages overlap, and runs ask again: each comment that cannot be read is one all the same."""
    second = fake.rows[340]["created_utc"]
    fake.rows[:] = fake.rows[100:]
    for row in fake.rows[::7]:
        row[name] = ["of", "no use"]
    fake.hardest = hardest
    plan = replace(plan, after="2020-09-13", before=str(second))
    odd = sum(row["created_utc"] < second for row in fake.rows[::7])
    for limit in (3, 50, 51, 180):
        run(replace(plan, limit=limit, resume=True))
    (done,) = [event for event in going_on(plan) if isinstance(event, Done)]
    assert not done.summary.complete
    assert done.shortfall == f"{odd} comments could not be read, and left out"


def test_waits_are_told_and_counted(plan: Plan, fake: Fake) -> None:
    fake.faults = ["bad gateway", "limited, seconds", None, "empty"]
    events = run(plan)
    assert len([event for event in events if isinstance(event, Waiting)]) == 3
    assert summary(events).retries == 3
    assert load_record(Path(plan.output)) is not None


def test_a_record_is_json_that_people_can_read(plan: Plan) -> None:
    run(replace(plan, limit=5))
    text = record_path(Path(plan.output)).read_text()
    assert text.count("\n") > 10
    assert msgspec.json.decode(text)["names"][0]["name"] == "r/AskScience"


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_the_alarm_of_a_test_reaches_a_wait(plan: Plan, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is heard while it waits for the service, not only between pages."""
    import time

    monkeypatch.setattr(retry, "sleep", time.sleep)
    fake.mishap = lambda: "limited, seconds"
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(FetchStoppedError, match="there was no comment to save yet"):
            run(plan)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
