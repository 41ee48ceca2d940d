"""Reading ahead: a thread of its own reads and decompresses while what was read is worked on.

Decompressing lets other threads go on, so that on a second core it takes no time at all.
"""

import queue
import threading
from collections.abc import Generator
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class _End(NamedTuple):
    error: BaseException | None


def ahead(items: Generator[T, None, None], most: int) -> Generator[T, None, None]:
    """The same items in the same order, up to `most` of them taken beforehand in a thread, errors in their place.

    Whoever stops early waits only until the item that is on its way is there; `items` is closed in either case. So it
    is for what comes by itself, a file on a disk, and not for what a person types.

    >>> list(ahead((number * number for number in range(4)), 2))
    [0, 1, 4, 9]
    """
    waiting: queue.SimpleQueue[T | _End] = queue.SimpleQueue()
    room = threading.Semaphore(most)
    over = threading.Event()

    def fill() -> None:
        end = _End(None)
        try:
            room.acquire()
            while not over.is_set():
                waiting.put(next(items))
                room.acquire()
        except StopIteration:
            pass
        except BaseException as error:
            end = _End(error)
        finally:
            items.close()
            waiting.put(end)

    thread = threading.Thread(target=fill, name="read-ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := waiting.get(), _End):
            room.release()
            yield item
        if item.error is not None:
            raise item.error
    finally:
        over.set()
        room.release()
        thread.join()
