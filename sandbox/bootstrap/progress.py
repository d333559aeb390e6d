"""Tells a person what is being set up and how long it has taken so far."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TextIO

HEARTBEAT = timedelta(seconds=20)


class SetupError(Exception):
    """Setting up failed; the text says what failed and what to do about it. `code` is the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Progress:
    """Lines on `stream`, each with the seconds since `began`, a time of the monotonic clock; without it, since now."""

    def __init__(self, stream: TextIO | None = None, began: float = 0.0) -> None:
        self._stream = stream or sys.stderr
        self.began = began or time.monotonic()

    def say(self, text: str) -> None:
        """Prints one line, at once."""
        seconds = time.monotonic() - self.began
        print(f"[{seconds:5.0f} s] {text}", file=self._stream, flush=True)

    @contextmanager
    def step(self, name: str, expect: str = "") -> Iterator[None]:
        """Announces `name`, repeats itself while the body runs long, and says how long it took."""
        begun = time.monotonic()
        self.say(f"{name} ..." + (f" (about {expect})" if expect else ""))
        try:
            with self.beating(name):
                yield
        except BaseException as error:
            how = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            self.say(f"{name}: {how} after {time.monotonic() - begun:.0f} s")
            raise
        self.say(f"{name}: done in {time.monotonic() - begun:.1f} s")

    @contextmanager
    def beating(self, name: str) -> Iterator[None]:
        """Says now and then, while the body runs, that `name` still goes on."""
        begun = time.monotonic()
        done = threading.Event()

        def beat() -> None:
            while not done.wait(HEARTBEAT.total_seconds()):
                self.say(f"  still at it, {time.monotonic() - begun:.0f} s: {name}")

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
