# SPDX-License-Identifier: GPL-2.0
"""Groups of work side by side, in threads: the emulators run in processes of their own anyway."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(groups: Sequence[Item], work: Callable[[Item], Iterable[Result]], jobs: int,
                 stop: threading.Event) -> Iterator[Result]:
    """What `work` yields for every group, as it comes, with that many groups at once.

    The first exception, or Ctrl-C here, sets `stop`, which `work` must heed; when all have ended
    it is raised.
    """
    todo: queue.SimpleQueue[Item] = queue.SimpleQueue()
    for group in groups:
        todo.put(group)
    done: queue.SimpleQueue[Result | BaseException | None] = queue.SimpleQueue()

    def worker() -> None:
        try:
            while not stop.is_set():
                for result in work(todo.get_nowait()):
                    done.put(result)
        except queue.Empty:
            pass    # no group is left
        except BaseException as error:  # pylint: disable=broad-except
            done.put(error)
        finally:
            done.put(None)

    threads = [threading.Thread(target=worker) for _ in range(min(jobs, len(groups)))]
    for thread in threads:
        thread.start()
    failure: BaseException | None = None
    running = len(threads)
    while running:
        try:
            item = done.get()
            if item is None:
                running -= 1
            elif isinstance(item, BaseException):
                failure = failure or item
                stop.set()
            else:
                yield item
        except KeyboardInterrupt as error:
            failure = failure or error
            stop.set()
    if failure:
        raise failure
