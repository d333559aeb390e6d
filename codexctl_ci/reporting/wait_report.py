"""The result of a wait in words: for the log, the job summary and programs."""

from __future__ import annotations

from typing import Any

from codexctl_ci.readiness.outcome import EventLine, Failure, WaitResult, headline
from codexctl_ci.reporting.foreign_text import cell, fenced, one_line


def report_lines(result: WaitResult) -> list[str]:
    """One line for a stack that is ready; else each object that isn't, with reason, events and log.

    The lines hold foreign text (events, logs): in Actions they belong between ``actions_files.quiet`` marks.
    """
    lines = [headline(result)]
    for failure in result.failures:
        lines += ["", f"{failure.ref}", f"  {one_line(str(failure.verdict), 1000)}"]
        lines += [f"  event {_event(event)}" for event in failure.events]
        if failure.log:
            lines.append(f"  last lines of {failure.log_of}:")
            lines += [f"  | {one_line(line, 1000)}" for line in failure.log]
    return lines


def markdown(result: WaitResult, title: str = "Stack") -> str:
    """A section of the job summary."""
    if result.ready:
        return f"### {title}\n\n{headline(result)}"
    rows = "\n".join(
        f"| {cell(str(failure.ref))} | {cell(failure.verdict.reason)} | {cell(failure.verdict.message, 600)} |"
        for failure in result.failures
    )
    head = f"### {title}: not ready\n\n{headline(result)}\n\n| object | reason | message |\n| --- | --- | --- |\n{rows}"
    return "\n\n".join([head, *(_details(failure) for failure in result.failures if failure.events or failure.log)])


def _details(failure: Failure) -> str:
    parts = [f"<details><summary>{cell(str(failure.ref))}</summary>"]
    if failure.events:
        parts += ["Events", fenced([_event(event) for event in failure.events])]
    if failure.log:
        parts += [f"Last lines of {cell(failure.log_of)}", fenced(failure.log)]
    return "\n\n".join([*parts, "</details>"])


def _event(event: EventLine) -> str:
    times = f" (x{event.count})" if event.count > 1 else ""
    return one_line(f"{event.kind} {event.reason} {event.about}{times}: {event.message}", 1000)


def as_json(result: WaitResult) -> dict[str, Any]:
    """The result for programs."""
    return {
        "ready": result.ready,
        "timedOut": result.timed_out,
        "seconds": round(result.elapsed.total_seconds(), 1),
        "failures": [
            {
                "object": str(failure.ref),
                "reason": failure.verdict.reason,
                "message": failure.verdict.message,
                "events": [_event(event) for event in failure.events],
                "log": list(failure.log),
            }
            for failure in result.failures
        ],
    }
