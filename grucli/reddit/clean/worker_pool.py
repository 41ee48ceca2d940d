"""A pool of worker processes that clean batches; results come in the order of the batches.

Batches are sent to the workers in turn, and results received in the same turn, so the speed of a worker has no effect
on the output. Each worker has two pipes and no lock: a dead worker shows as EOF on its pipe, and the workers exit on
EOF if the main process dies.
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

from grucli.errors import GruError
from grucli.reddit.clean.batch import CleanedBatch, CleanJob, make_job_cleaner
from grucli.reddit.clean.reader import RawBatch

if sys.platform == "linux":
    import fcntl

_BATCHES_PER_WORKER = 2
"""One being cleaned, and one waiting."""

_PIPE_BYTES = 1 << 20
"""Pipe capacity: Linux's limit for unprivileged users."""

_JOIN_TIMEOUT = 5.0
"""Seconds to wait for the exit status of a dead worker."""


class WorkerPool:
    """Up to `count` worker processes for one job, each started when there is a batch for it; `close` kills them."""

    def __init__(self, job: CleanJob, count: int) -> None:
        self._job = job
        self._count = count
        self._workers: list[_Worker] = []

    def close(self) -> None:
        """Kill the workers and wait for them."""
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.join()

    def imap(self, batches: Iterable[RawBatch]) -> Iterator[CleanedBatch]:
        """Yield the results of the batches, in order, reading no more batches ahead than the workers hold.

        Raises:
            GruError: a worker died.
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
    def __init__(self, job: CleanJob) -> None:
        # Not fork: the copy would have the locks of this process's threads, but not the threads.
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
            f"worker process died{exit_note}",
            "use fewer --workers: the system may have run out of memory",
        )


def _enlarge_pipe(*pipes: int) -> None:
    """Let pipes hold a whole batch, if possible: with 64 KiB both ends wait for each other many times per batch."""
    if sys.platform == "linux":
        for pipe in pipes:
            with contextlib.suppress(OSError):  # the user's limit for pipe memory is reached
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


@contextlib.contextmanager
def _ignore_sigint() -> Iterator[None]:
    """Ignore SIGINT in processes started inside the block. Only the main thread can set signal handlers."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous_handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous_handler)


def _worker_main(job: CleanJob, task_conn: Connection, result_conn: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent kills the workers
    tasks: queue.SimpleQueue[RawBatch | None] = queue.SimpleQueue()
    # Receive in a thread: the parent must never block on sending while this process blocks on sending a result.
    threading.Thread(target=_receive, args=(task_conn, tasks), daemon=True).start()
    with contextlib.suppress(ConnectionError):
        try:
            clean_batch = make_job_cleaner(job)
            while (batch := tasks.get()) is not None:
                result_conn.send(clean_batch(batch))
        except ConnectionError:
            raise
        except Exception as error:
            result_conn.send(f"{type(error).__name__}: {error}")


def _receive(task_conn: Connection, tasks: "queue.SimpleQueue[RawBatch | None]") -> None:
    try:
        while True:
            tasks.put(task_conn.recv())
    except (EOFError, OSError):
        tasks.put(None)
