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
from grucli.reddit.clean.batch import Batch, Cleaned, Job, batch_cleaner

if sys.platform == "linux":
    import fcntl

_IN_FLIGHT = 2
"""Batches that a process has at a time: one at work, and one so that it need not wait."""

_PIPE = 1 << 20
"""Bytes that a pipe should hold, the most that Linux gives unasked."""

_PATIENCE = 5.0
"""Seconds in which a process that was told to end does."""


class Workers:
    """Up to so many processes for one job: `with Workers(job, 4) as workers: for cleaned in workers.clean(batches)`.

    Leaving the block, however, ends them.
    """

    def __init__(self, job: Job, count: int) -> None:
        """Prepare; each process begins when there is a batch for it."""
        self._job = job
        self._count = count
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.join()

    def clean(self, batches: Iterable[Batch]) -> Iterator[Cleaned]:
        """The results of the batches, in their order; no more are read ahead than the processes have at work.

        Raises:
            GruError: a process died.
        """
        at_work: deque[_Worker] = deque()
        for number, batch in enumerate(batches):
            if len(at_work) == _IN_FLIGHT * self._count:
                yield at_work.popleft().result()
            turn = number % self._count
            if turn == len(self._workers):
                self._workers.append(_Worker(self._job))
            worker = self._workers[turn]
            worker.send(batch)
            at_work.append(worker)
        while at_work:
            yield at_work.popleft().result()


class _Worker:
    """A process, seen from the one that began it."""

    def __init__(self, job: Job) -> None:
        # A fresh process, on every system: a copy of this one would have its threads' locks, without the threads.
        context = multiprocessing.get_context("spawn")
        inbox, self._out = context.Pipe(duplex=False)
        self._in, outbox = context.Pipe(duplex=False)
        _widen(self._out.fileno(), self._in.fileno())
        self._process = context.Process(target=_work, args=(job, inbox, outbox), daemon=True)
        try:
            with _deaf():
                self._process.start()
        finally:
            inbox.close()
            outbox.close()

    def send(self, batch: Batch) -> None:
        try:
            self._out.send(batch)
        except OSError as error:
            raise self._died() from error

    def result(self) -> Cleaned:
        try:
            result = self._in.recv()
        except (EOFError, OSError) as error:
            raise self._died() from error
        if isinstance(result, Cleaned):
            return result
        raise RuntimeError(f"in a worker process: {result}")

    def kill(self) -> None:
        self._process.kill()

    def join(self) -> None:
        self._process.join()
        self._out.close()
        self._in.close()

    def _died(self) -> GruError:
        self._process.join(_PATIENCE)
        how = f" (exit status {self._process.exitcode})" if self._process.exitcode is not None else ""
        return GruError(
            f"a worker process ended before its work was done{how}",
            "the system may have run out of memory: run it again with fewer --workers",
        )


def _widen(*pipes: int) -> None:
    """Let pipes hold a batch, where the system can: with its 64 KiB both ends would wait for each other many times."""
    if sys.platform == "linux":
        for pipe in pipes:
            with contextlib.suppress(OSError):  # the user's share of such memory is spent
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Let a process that begins in the block inherit that Ctrl-C is nothing to it; only a main thread can see to it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _work(job: Job, inbox: Connection, outbox: Connection) -> None:
    """What a process does all its life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one ends the others
    waiting: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
    # Whoever writes to this process must never wait for its results to be read.
    threading.Thread(target=_receive, args=(inbox, waiting), daemon=True).start()
    with contextlib.suppress(BrokenPipeError, ConnectionError):
        try:
            clean = batch_cleaner(job)
            while (batch := waiting.get()) is not None:
                outbox.send(clean(batch))
        except (BrokenPipeError, ConnectionError):
            raise
        except Exception as error:
            outbox.send(f"{type(error).__name__}: {error}")


def _receive(inbox: Connection, waiting: "queue.SimpleQueue[Batch | None]") -> None:
    try:
        while True:
            waiting.put(inbox.recv())
    except (EOFError, OSError):
        waiting.put(None)
