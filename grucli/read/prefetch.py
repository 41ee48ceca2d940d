"""A prefetch thread: reads and decompresses the next items while the current one is processed.

Decompressing releases the GIL, so with a second core it takes no extra time.
"""

import queue
import threading
from collections.abc import Generator
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class _EndOfItems(NamedTuple):
    error: BaseException | None


def prefetch(items: Generator[T, None, None], buffer_size: int) -> Generator[T, None, None]:
    """Yield the same items, up to `buffer_size` of them computed ahead in a thread. An error is raised after
    the items before it.

    Closing the iterator waits for at most one pending item, and closes `items`. Do not use it on interactive input.

    >>> list(prefetch((number * number for number in range(4)), 2))
    [0, 1, 4, 9]
    """
    ready: queue.SimpleQueue[T | _EndOfItems] = queue.SimpleQueue()
    free_slots = threading.Semaphore(buffer_size)
    stopped = threading.Event()

    def fill() -> None:
        end = _EndOfItems(None)
        try:
            free_slots.acquire()
            while not stopped.is_set():
                ready.put(next(items))
                free_slots.acquire()
        except StopIteration:
            pass
        except BaseException as error:
            end = _EndOfItems(error)
        finally:
            items.close()
            ready.put(end)

    thread = threading.Thread(target=fill, name="read-ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := ready.get(), _EndOfItems):
            free_slots.release()
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        free_slots.release()
        thread.join()
