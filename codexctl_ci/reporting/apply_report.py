"""What an apply or a destroy did, in few words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from codexctl_ci.stack.objects import Ref

_SHOWN = 50


class Applied(Protocol):
    """One object after its apply (``operations.apply_object.Applied``); ``outcome`` is a word."""

    @property
    def ref(self) -> Ref: ...
    @property
    def outcome(self) -> str: ...


def apply_line(applied: Sequence[Applied], deleted: Sequence[Ref]) -> str:
    """``42 objects: 3 created, 39 unchanged; 1 pruned``."""
    counts: dict[str, int] = {}
    for one in applied:
        counts[str(one.outcome)] = counts.get(str(one.outcome), 0) + 1
    words = ", ".join(f"{n} {word}" for word, n in counts.items()) or "nothing to do"
    return f"{len(applied)} objects: {words}" + (f"; {len(deleted)} pruned" if deleted else "")


def apply_markdown(title: str, applied: Sequence[Applied], deleted: Sequence[Ref], warnings: Iterable[str]) -> str:
    """A section of the job summary: the counts, then a row for each object that is not as it was."""
    lines = [f"### {title}", "", apply_line(applied, deleted), ""]
    rows = [(str(one.ref), str(one.outcome)) for one in applied if str(one.outcome) != "unchanged"]
    rows += [(str(ref), "pruned") for ref in deleted]
    lines += _table(rows)
    lines += [f"- ⚠️ {warning}" for warning in warnings]
    return "\n".join(lines)


def destroy_markdown(title: str, deleted: Sequence[Ref], kept: Sequence[tuple[Ref, str]]) -> str:
    """A section of the job summary: what went and what stayed."""
    lines = [f"### {title}", "", f"{len(deleted)} objects deleted, {len(kept)} left alone", ""]
    rows = [(str(ref), "deleted") for ref in deleted] + [(str(ref), f"stays: it {why}") for ref, why in kept]
    return "\n".join([*lines, *_table(rows)])


def _table(rows: Sequence[tuple[str, str]]) -> list[str]:
    if not rows:
        return []
    shown = [f"| `{name}` | {what} |" for name, what in rows[:_SHOWN]]
    more = [f"| … | {len(rows) - _SHOWN} more |"] if len(rows) > _SHOWN else []
    return ["| object | |", "|---|---|", *shown, *more, ""]
