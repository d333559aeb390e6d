"""The result of ``status``: a table for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

from codexctl_ci.durations import format_duration
from codexctl_ci.readiness.outcome import StatusRow
from codexctl_ci.reporting.foreign_text import one_line


def as_table(rows: Sequence[StatusRow]) -> str:
    """Columns object, ready or why not, age, image; the last line counts."""
    cells = [("OBJECT", "READY", "AGE", "IMAGE")]
    cells += [
        (str(row.ref), one_line(_state(row), 120), _age(row.age), ", ".join(one_line(image) for image in row.images))
        for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(3)]
    lines = [
        "  ".join([*(text.ljust(width) for text, width in zip(line[:3], widths, strict=True)), line[3]]).rstrip()
        for line in cells
    ]
    return "\n".join([*lines, f"{sum(row.verdict.ready for row in rows)} of {len(rows)} ready"])


def as_json(rows: Sequence[StatusRow]) -> str:
    """A list of objects with apiVersion, kind, name, namespace, state, reason, message, ageSeconds and images."""
    return json.dumps(
        [
            {
                "apiVersion": row.ref.api_version,
                "kind": row.ref.kind,
                "name": row.ref.name,
                "namespace": row.ref.namespace,
                "state": row.verdict.state.value,
                "reason": row.verdict.reason,
                "message": row.verdict.message,
                "ageSeconds": None if row.age is None else int(row.age.total_seconds()),
                "images": list(row.images),
            }
            for row in rows
        ],
        indent=2,
    )


def _state(row: StatusRow) -> str:
    return "yes" if row.verdict.ready else str(row.verdict)


def _age(age: timedelta | None) -> str:
    if age is None:
        return "-"
    return f"{age.days}d{age.seconds // 3600:02d}h" if age.days else format_duration(age)
