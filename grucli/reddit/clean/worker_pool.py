"""Several processes that clean batches, whose results come in the order in which the batches went in.

Batches are dealt out in turn, and results taken in the same turn, so that how fast anybody is makes no difference to
what comes out. Each process has two pipes of its own and nothing that it could leave locked: one that dies is noticed
by whoever reads next from it, and all of them end by themselves once nobody writes to them any more.
"""

import contextlib
import multiprocessing
import queue
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

from grucli.errors import GruError
from grucli.reddit.clean.batch import CleanedBatch, CleanJob, RawBatch, make_job_cleaner

if sys.platform == "linux":
    import fcntl

_BATCHES_PER_WORKER = 2
"""Batches that a process has at a time: one at work, and one so that it need not wait."""

_PIPE_BYTES = 1 << 20
"""Bytes that a pipe should hold, the most that Linux gives unasked."""

_JOIN_TIMEOUT = 5.0
"""Seconds in which a process that was told to end does."""


class WorkerPool:
    """Up to so many processes for one job: `with Workers(job, 4) as workers: for cleaned in workers.clean(batches)`.

    Leaving the block, however, ends them.
    """

    def __init__(self, job: CleanJob, count: int) -> None:
        """Prepare; each process begins when there is a batch for it."""
        self._job = job
        self._count = count
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.join()

    def imap(self, batches: Iterable[RawBatch]) -> Iterator[CleanedBatch]:
        """The results of the batches, in their order; no more are read ahead than the processes have at work.

        Raises:
            GruError: a process died.
        """
        in_flight: deque[_Worker] = deque()
        for batch_index, batch in enumerate(batches):
            if len(in_flight) == _BATCHES_PER_WORKER * self._count:
                yield in_flight.popleft().result()
            worker_index = batch_index % self._count
            if worker_index == len(self._workers):
                self._workers.append(_Worker(self._job))
            worker = self._workers[worker_index]
            worker.send(batch)
            in_flight.append(worker)
        while in_flight:
            yield in_flight.popleft().result()


class _Worker:
    """A process, seen from the one that began it."""

    def __init__(self, job: CleanJob) -> None:
        # A fresh process, on every system: a copy of this one would have its threads' locks, without the threads.
        context = multiprocessing.get_context("spawn")
        task_conn, self._task_conn = context.Pipe(duplex=False)
        self._result_conn, result_conn = context.Pipe(duplex=False)
        _enlarge_pipe(self._task_conn.fileno(), self._result_conn.fileno())
        self._process = context.Process(target=_worker_main, args=(job, task_conn, result_conn), daemon=True)
        try:
            with _ignore_sigint():
                self._process.start()
        finally:
            task_conn.close()
            result_conn.close()

    def send(self, batch: RawBatch) -> None:
        try:
            self._task_conn.send(batch)
        except OSError as error:
            raise self._crash_error() from error

    def result(self) -> CleanedBatch:
        try:
            result = self._result_conn.recv()
        except (EOFError, OSError) as error:
            raise self._crash_error() from error
        if isinstance(result, CleanedBatch):
            return result
        raise RuntimeError(f"in a worker process: {result}")

    def kill(self) -> None:
        self._process.kill()

    def join(self) -> None:
        self._process.join()
        self._task_conn.close()
        self._result_conn.close()

    def _crash_error(self) -> GruError:
        self._process.join(_JOIN_TIMEOUT)
        exit_note = f" (exit status {self._process.exitcode})" if self._process.exitcode is not None else ""
        return GruError(
            f"a worker process ended before its work was done{exit_note}",
            "the system may have run out of memory: run it again with fewer --workers",
        )


def _enlarge_pipe(*pipes: int) -> None:
    """Let pipes hold a batch, where the system can: with its 64 KiB both ends would wait for each other many times."""
    if sys.platform == "linux":
        for pipe in pipes:
            with contextlib.suppress(OSError):  # the user's share of such memory is spent
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


@contextlib.contextmanager
def _ignore_sigint() -> Iterator[None]:
    """Let a process that begins in the block inherit that Ctrl-C is nothing to it; only a main thread can see to it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous_handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous_handler)


def _worker_main(job: CleanJob, task_conn: Connection, result_conn: Connection) -> None:
    """What a process does all its life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one ends the others
    tasks: queue.SimpleQueue[RawBatch | None] = queue.SimpleQueue()
    # Whoever writes to this process must never wait for its results to be read.
    threading.Thread(target=_receive, args=(task_conn, tasks), daemon=True).start()
    with contextlib.suppress(BrokenPipeError, ConnectionError):
        try:
            clean_batch = make_job_cleaner(job)
            while (batch := tasks.get()) is not None:
                result_conn.send(clean_batch(batch))
        except (BrokenPipeError, ConnectionError):
            raise
        except Exception as error:
            result_conn.send(f"{type(error).__name__}: {error}")


def _receive(task_conn: Connection, tasks: "queue.SimpleQueue[RawBatch | None]") -> None:
    try:
        while True:
            tasks.put(task_conn.recv())
    except (EOFError, OSError):
        tasks.put(None)
