"""Images at a glance: what was done or would be, and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from codexctl_ci.durations import format_duration
from codexctl_ci.reporting.foreign_text import cell, one_line
from codexctl_ci.stack.image_actions import Collected, Decision, ImageResult


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


def collected_text(done: Collected, *, dry_run: bool) -> str:
    """A line for each build and one for all, for a terminal."""
    lines = [
        f"{each.repository}@{each.digest[:19]} ({', '.join(each.tags)}): {each.outcome}, {each.why}"
        for each in done.builds
    ]
    return "\n".join([*lines, _total(done, dry_run=dry_run)])


def collected_data(done: Collected) -> dict[str, object]:
    """The same for programs."""
    return {"reclaimable": done.reclaimable, "builds": [asdict(each) for each in done.builds]}


def collected_markdown(done: Collected, *, dry_run: bool) -> str:
    """A section of the job summary: what goes and why."""
    going = [each for each in done.builds if each.outcome != "kept"]
    rows = [
        f"| {cell(each.repository)} | {cell(', '.join(each.tags))} | {each.outcome} | {each.why} |" for each in going
    ]
    head = ["", "| repository | tags | | why |", "| --- | --- | --- | --- |"] if rows else []
    return "\n".join(["### Builds in the registry", *head, *rows, "", _total(done, dry_run=dry_run)])


def _total(done: Collected, *, dry_run: bool) -> str:
    count = sum(each.outcome != "kept" for each in done.builds)
    size = f"{done.reclaimable / 1e6:.1f} MB"
    if not count:
        return f"nothing to take away: {len(done.builds)} builds are needed or too young"
    if dry_run:
        return f"{count} of {len(done.builds)} builds would go, up to {size} reclaimable; --no-dry-run deletes them"
    return f"{count} of {len(done.builds)} builds are gone, up to {size} reclaimable at the registry's own collection"


def digests(results: Sequence[ImageResult]) -> str:
    """A JSON object from each image's name to ``reference@digest``, for later steps."""
    found = {each.decision.name: f"{each.decision.reference}@{each.digest}" for each in results if each.digest}
    return json.dumps(found, separators=(",", ":"))
