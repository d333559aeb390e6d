"""Who asks for a slot: one claim for an issue or a pull request, with a name that every run of it computes alike."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["issue", "pr", "slot"]

ISSUE_ENVIRONMENTS = {"issue": "ai", "ai-repair": "ai-repair"}
_AGENT_BRANCH = re.compile(r"codex/(issue|ai-repair)-([1-9][0-9]{0,9})")
_KEY = re.compile(r"(?P<env>[A-Za-z0-9][A-Za-z0-9_.-]*)/(?P<kind>issue|pr|slot)-(?P<number>[1-9][0-9]*)")


@dataclass(frozen=True, slots=True, order=True)
class Claim:
    """One claim on one slot of an environment.

    ``kind`` ``slot`` is a person who asks for a slot by its number, without an issue or a pull request.
    """

    env: str
    kind: Kind
    number: int

    @property
    def key(self) -> str:
        """The claim in one word, as records hold it: ``ai/issue-7``."""
        return f"{self.env}/{self.kind}-{self.number}"

    @property
    def label(self) -> str:
        """The claim as the value of a label."""
        return f"{self.env}.{self.kind}-{self.number}"

    def __str__(self) -> str:
        return {"issue": "issue #", "pr": "pull request #", "slot": "slot "}[self.kind] + str(self.number)


def parse_key(key: str) -> Claim:
    """The claim that ``Claim.key`` names. Raises ValueError for anything else."""
    match = _KEY.fullmatch(key)
    if match is None:
        raise ValueError(f"{key!r} is not a claim")
    kind: Kind = "issue" if match["kind"] == "issue" else "pr" if match["kind"] == "pr" else "slot"
    return Claim(match["env"], kind, int(match["number"]))


def issue_of_branch(branch: str) -> tuple[str, int] | None:
    """Environment and issue that an agent's branch belongs to; None for any other branch."""
    match = _AGENT_BRANCH.fullmatch(branch)
    return (ISSUE_ENVIRONMENTS[match[1]], int(match[2])) if match else None


def claim_for(env: str, *, issue: int = 0, pr: int = 0, branch: str = "", slot: int = 0) -> Claim | None:
    """The one claim that these options name; None where they name none.

    An issue is stronger than a pull request. A pull request from an agent's branch is its issue's claim, without
    a look-up anywhere. ``slot`` alone is a claim of its own.
    """
    if issue:
        return Claim(env, "issue", issue)
    owner = issue_of_branch(branch)
    if owner is not None and owner[0] == env:
        return Claim(env, "issue", owner[1])
    if pr:
        return Claim(env, "pr", pr)
    return Claim(env, "slot", slot) if slot else None
