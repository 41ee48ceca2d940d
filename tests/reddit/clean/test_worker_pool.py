"""Worker processes: in order, bounded, and never silent when one of them dies."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from grucli.errors import GruError
from grucli.limits import logical_cpus
from grucli.read.blocks import Block
from grucli.reddit.clean.batch import CleanJob
from grucli.reddit.clean.reader import RawBatch
from grucli.reddit.clean.rules.config import RuleConfig
from grucli.reddit.clean.worker_pool import WorkerPool

pytestmark = pytest.mark.slow

JOB = CleanJob(RuleConfig(), "jsonl", None)

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


def make_batch(number: int, size: int = 1) -> RawBatch:
    return RawBatch(0, {"body": "body"}, Block(number, b'{"body":"text %d %s"}' % (number, b"x" * size)), [])


def test_results_come_in_order_and_batches_are_not_read_ahead() -> None:
    given = 0

    def batches() -> Iterator[RawBatch]:
        nonlocal given
        for number in range(1, 30):
            given = number
            yield make_batch(number, 4000 if number % 3 else 1)

    with closing(WorkerPool(JOB, 2)) as workers:
        for number, cleaned in enumerate(workers.imap(batches()), 1):
            assert cleaned.line_numbers == [number]
            assert given <= number + 4


def test_large_batches_and_large_results_do_not_block_each_other() -> None:
    with closing(WorkerPool(CleanJob(RuleConfig(max_chars=10**7), "jsonl", None), 2)) as workers:
        result = list(workers.imap(make_batch(number, 900_000) for number in range(12)))

    assert [len(cleaned.rows[0]) > 900_000 for cleaned in result] == [True] * 12


def test_a_process_begins_when_there_is_a_batch_for_it() -> None:
    with closing(WorkerPool(JOB, 100_000)) as workers:
        assert workers._workers == []
        assert len(list(workers.imap(make_batch(number) for number in range(3)))) == 3
        assert len(workers._workers) == 3
        assert len(list(workers.imap(make_batch(number) for number in range(2)))) == 2
        assert len(workers._workers) == 3


@posix_only
def test_a_worker_that_dies_ends_the_work_with_an_error() -> None:
    with closing(WorkerPool(JOB, 2)) as workers:
        results = workers.imap(make_batch(number) for number in range(1000))
        next(results)
        victim = workers._workers[1]._process.pid
        assert victim is not None
        os.kill(victim, signal.SIGKILL)
        with pytest.raises(GruError, match=r"worker process died \(exit status -9\)"):
            list(results)


def test_an_error_inside_a_worker_is_told() -> None:
    broken = RawBatch(0, {"body": "body"}, Block(1, "no bytes"), [])  # type: ignore[arg-type]
    with closing(WorkerPool(JOB, 1)) as workers, pytest.raises(RuntimeError, match=r"in a worker process: .*Error"):
        list(workers.imap([broken]))


def test_leaving_ends_them() -> None:
    with closing(WorkerPool(JOB, 2)) as workers:
        processes = [worker._process for worker in workers._workers]
        next(workers.imap(iter([make_batch(1), make_batch(2)])))
        assert all(process.is_alive() for process in processes)

    assert not any(process.is_alive() for process in processes)


def child_pids(pid: int) -> list[int]:
    """The processes that `pid` began and that run still."""
    result = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            result.append(int(status.parent.name))
    return result


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for_exit(processes: list[int]) -> None:
    """See that none is left; Python's own helper among them takes a moment to notice."""
    deadline = time.monotonic() + 30
    while any(map(is_running, processes)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def start_cleaning(directory: Path, count: int = 2) -> "subprocess.Popen[bytes]":
    """A cleaning of an endless input, in its own group, once its workers are there and a part of it is done."""
    if logical_cpus() < count:
        pytest.skip(f"needs {count} cores")
    arguments = ["clean", "-", "-o", str(directory / "out.csv"), "--workers", str(count)]
    environment = os.environ | {"GRU_HOME": str(directory / "home")}
    process = subprocess.Popen(
        [sys.executable, "-m", "grucli", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    assert process.stdin is not None
    for number in range(60):
        process.stdin.write(b"".join(b'{"body":"text %d %d"}\n' % (number, line) for line in range(1000)))
        process.stdin.flush()
    deadline = time.monotonic() + 60
    while not list(directory.glob(".out.csv*")) or len(child_pids(process.pid)) < count:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    return process


@posix_only
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_everything_at_once_and_leaves_nothing(tmp_path: Path, number: int, status: int) -> None:
    process = start_cleaning(tmp_path)
    workers = child_pids(process.pid)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does: to all of them
    else:
        process.send_signal(number)
    out, err = process.communicate(timeout=30)

    assert process.returncode == status
    assert out == b""
    assert b"Traceback" not in err
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []
    wait_for_exit(workers)


@posix_only
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_workers_end_by_themselves_when_nobody_needs_them(tmp_path: Path) -> None:
    process = start_cleaning(tmp_path)
    workers = child_pids(process.pid)
    process.kill()
    process.communicate(timeout=30)
    wait_for_exit(workers)
