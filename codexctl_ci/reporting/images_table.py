"""Images at a glance: what was done or would be, and why."""

from __future__ import annotations

import json
from collections.abc import Sequence

from codexctl_ci.durations import format_duration
from codexctl_ci.reporting.foreign_text import cell, one_line
from codexctl_ci.stack.image_actions import Decision, ImageResult


def as_table(decisions: Sequence[Decision]) -> str:
    """Columns image, action, why, reference; for a terminal."""
    lines = [("IMAGE", "ACTION", "WHY", "REFERENCE")]
    lines += [(each.name, each.action.value, one_line(each.why, 80), each.reference) for each in decisions]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    return "\n".join(
        "  ".join([*(text.ljust(width) for text, width in zip(line[:3], widths, strict=True)), line[3]])
        for line in lines
    )


def as_json(decisions: Sequence[Decision]) -> str:
    """A list of objects with name, action, why, changed, reference, digest and key."""
    return json.dumps(
        [
            {
                "name": each.name,
                "action": each.action.value,
                "why": each.why,
                "changed": list(each.changed),
                "reference": each.reference,
                "digest": each.digest,
                "key": each.key,
            }
            for each in decisions
        ],
        indent=2,
    )


def markdown(results: Sequence[ImageResult]) -> str:
    """A section of the job summary: image, action, why, seconds."""
    rows = "\n".join(
        f"| {cell(each.decision.name)} | {'failed' if each.error else each.decision.action.value} "
        f"| {cell(each.error or each.decision.why, 600)} | {format_duration(each.took)} |"
        for each in results
    )
    return f"### Images\n\n| image | action | why | time |\n| --- | --- | --- | --- |\n{rows}"


def digests(results: Sequence[ImageResult]) -> str:
    """A JSON object from each image's name to ``reference@digest``, for later steps."""
    found = {each.decision.name: f"{each.decision.reference}@{each.digest}" for each in results if each.digest}
    return json.dumps(found, separators=(",", ":"))
