"""Reading ahead: a thread of its own reads and decompresses while what was read is worked on.

Decompressing lets other threads go on, so that on a second core it takes no time at all.
"""

import queue
import threading
from collections.abc import Generator
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class _EndOfItems(NamedTuple):
    error: BaseException | None


def prefetch(items: Generator[T, None, None], buffer_size: int) -> Generator[T, None, None]:
    """The same items in the same order, up to `most` of them taken beforehand in a thread, errors in their place.

    Whoever stops early waits only until the item that is on its way is there; `items` is closed in either case. So it
    is for what comes by itself, a file on a disk, and not for what a person types.

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
