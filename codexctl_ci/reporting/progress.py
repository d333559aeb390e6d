"""Progress of a wait: a live table where a person watches, else one line a change."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from codexctl_ci.durations import format_duration
from codexctl_ci.readiness.outcome import Snapshot
from codexctl_ci.readiness.verdict import State
from codexctl_ci.reporting.foreign_text import one_line
from codexctl_ci.stack.objects import Ref

if TYPE_CHECKING:
    from rich.table import Table

log = logging.getLogger("codexctl_ci.progress")

Redact = Callable[[str], str]


class Progress(Protocol):
    """Call it with each snapshot, inside a ``with`` block that lasts as long as the wait."""

    def __enter__(self) -> Progress: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __call__(self, snapshot: Snapshot) -> None: ...


def choose(stream: TextIO, redact: Redact, *, in_actions: bool, as_json: bool) -> Progress:
    """The progress that suits ``stream``: JSON events where asked for, a group in Actions, a table on a terminal."""
    if as_json:
        return LoggedProgress()
    if in_actions:
        return GroupedProgress(stream, redact)
    return LiveProgress(stream, redact) if stream.isatty() else LoggedProgress()


def line_of(snapshot: Snapshot, ref: Ref) -> str:
    """One change in words."""
    counted = f"{snapshot.ready}/{len(snapshot.verdicts)}"
    verdict = one_line(str(snapshot.verdicts[ref]))
    return f"{format_duration(snapshot.elapsed):>6}  {counted:>7}  {ref}  {verdict}"


def still_waiting(snapshot: Snapshot) -> str:
    """A sign of life, naming what is missing."""
    missing = [str(ref) for ref, verdict in snapshot.verdicts.items() if not verdict.ready]
    shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    left = format_duration(snapshot.timeout - snapshot.elapsed)
    return f"{format_duration(snapshot.elapsed):>6}  still waiting for {shown}; {left} left"


class LoggedProgress:
    """One log line a change; with ``--log-format json`` an event with object, state, reason and message."""

    def __enter__(self) -> LoggedProgress:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __call__(self, snapshot: Snapshot) -> None:
        if not snapshot.changed:
            log.info(still_waiting(snapshot), extra={"event": {"event": "waiting", **_counts(snapshot)}})
        for ref in snapshot.changed:
            verdict = snapshot.verdicts[ref]
            event: dict[str, Any] = {
                "event": "readiness",
                "kind": ref.kind,
                "name": ref.name,
                "namespace": ref.namespace,
                "state": verdict.state.value,
                "reason": verdict.reason,
                "detail": verdict.message,
                **_counts(snapshot),
            }
            log.info(line_of(snapshot, ref), extra={"event": event})


def _counts(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "ready": snapshot.ready,
        "total": len(snapshot.verdicts),
        "seconds": round(snapshot.elapsed.total_seconds(), 1),
    }


class GroupedProgress:
    """Lines in a group of the Actions log, which a reader opens where it matters."""

    def __init__(self, stream: TextIO, redact: Redact, title: str = "Waiting until the stack is ready") -> None:
        self._stream = stream
        self._redact = redact
        self._title = title

    def __enter__(self) -> GroupedProgress:
        self._write(f"::group::{self._title}")
        return self

    def __exit__(self, *_: object) -> None:
        self._write("::endgroup::")

    def __call__(self, snapshot: Snapshot) -> None:
        for ref in snapshot.changed:
            self._write(self._redact(line_of(snapshot, ref)))
        if not snapshot.changed:
            self._write(self._redact(still_waiting(snapshot)))

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


_COLOURS = {State.READY: "green", State.FAILED: "red", State.TERMINATING: "magenta", State.PROGRESSING: "yellow"}


class LiveProgress:
    """A table that is drawn anew in place; what was ready at the first look is only counted."""

    def __init__(self, stream: TextIO, redact: Redact) -> None:
        from rich.console import Console
        from rich.live import Live

        self._redact = redact
        self._last: Snapshot | None = None
        self._shown: dict[Ref, None] = {}
        self._live = Live(console=Console(file=stream), get_renderable=self._table, refresh_per_second=4)

    def __enter__(self) -> LiveProgress:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, snapshot: Snapshot) -> None:
        self._shown |= {ref: None for ref, verdict in snapshot.verdicts.items() if not verdict.ready}
        self._last = snapshot
        self._live.refresh()

    def _table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        if self._last is None:
            return table
        counted = f"{self._last.ready} of {len(self._last.verdicts)} ready"
        table.add_column("object")
        table.add_column(f"{counted}, {format_duration(self._last.elapsed)}", overflow="fold")
        for ref in list(self._shown):
            verdict = self._last.verdicts[ref]
            # Text and not markup: what the cluster says must not colour itself.
            state = Text(self._redact(one_line(str(verdict), 160)), style=_COLOURS[verdict.state])
            table.add_row(Text(str(ref)), state)
        return table
