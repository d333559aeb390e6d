"""The same small step for many objects at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

WIDTH = 16
"""Threads for many objects; few objects get one each, up to this."""


def each(items: Iterable[Item], step: Callable[[Item], Result], *, width: int = WIDTH) -> list[Result]:
    """The results of ``step``, in the order of ``items``. Waits for all; then the first error, if any, is raised.

    An interrupt is raised at once: no further step begins, and those that have begun are not waited for.
    """
    todo = list(items)
    if len(todo) <= 1:
        return [step(item) for item in todo]
    results: dict[int, Result] = {}
    errors: dict[int, BaseException] = {}
    numbers = iter(range(len(todo)))
    lock = threading.Lock()
    stopped = threading.Event()

    def work() -> None:
        while not stopped.is_set():
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            try:
                results[number] = step(todo[number])
            except BaseException as error:  # noqa: BLE001 - raised below, in the caller's thread
                errors[number] = error

    # Plain threads: an executor's import alone costs as much as ten requests.
    threads = [threading.Thread(target=work, name=f"each-{n}", daemon=True) for n in range(min(width, len(todo)))]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:
        stopped.set()
        raise
    if errors:
        raise errors[min(errors)]
    return [results[number] for number in range(len(todo))]
