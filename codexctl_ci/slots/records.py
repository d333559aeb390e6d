"""What is known about a slot and about a waiting claim, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from codexctl_ci.errors import CodexctlError
from codexctl_ci.slots.claims import Claim

SCHEMA = 1
"""Version of the records that this code writes; a record of a later one is refused."""


class SlotState(StrEnum):
    """``free`` → ``leased`` → ``cleaning`` → ``free``; a cleanup that fails leaves ``dirty``."""

    FREE = "free"
    LEASED = "leased"
    CLEANING = "cleaning"
    DIRTY = "dirty"


@dataclass(frozen=True, slots=True)
class Lock:
    """Somebody works on the slot right now. ``beat`` grows with each renewal; who sees it stand still for
    ``seconds`` on an own clock may take the lock over. ``by`` is different for every process."""

    by: str
    run: str
    what: str
    beat: int = 0
    seconds: int = 60


@dataclass(frozen=True, slots=True)
class Prepared:
    """What of the environment is there. ``stack`` is the hash of what was applied, empty where nothing was."""

    infra: bool = False
    sources: str = ""
    images: bool = False
    stack: str = ""
    healthy: bool = False


@dataclass(frozen=True, slots=True)
class AgentRun:
    """The agent's last run in the slot. ``key`` is claim's epoch and workflow run; it runs until ``ended``.

    ``deadline`` is on the API server's clock: past it the run counts as over, whatever the record says.
    ``published`` says that what it left in the tree needs no keeping.
    """

    key: str
    deadline: datetime
    ended: bool = False
    published: bool = False


@dataclass(frozen=True, slots=True)
class SourceTree:
    """The sources in the volume. ``base`` is the commit they come from, ``synced`` the id of the tree as we wrote it,
    empty where the next sync may write over whatever is there.

    ``published`` is the id of the tree whose content was last published: a tree equal to it holds no unsaved work.
    ``touched``: an agent ran in the tree, so that only a pod of the slot may open it.
    """

    base: str = ""
    synced: str = ""
    published: str = ""
    touched: bool = False


@dataclass(frozen=True, slots=True)
class SlotRecord:
    """Everything known about one slot. Times are on the API server's clock.

    ``epoch`` grows with every change of hands and is what later commands of a run present. ``claim`` is the key of
    the claim that has the slot, ``claim_uid`` the UID of its object. ``holder`` is the workflow run that used it
    last, ``link`` where a person reads about that run. ``namespace_uid`` is empty until the namespace was made.
    ``resource_version`` is empty for a slot that has no record yet.
    """

    project: str
    env: str
    slot: int
    namespace: str
    state: SlotState = SlotState.FREE
    epoch: int = 0
    claim: str = ""
    claim_uid: str = ""
    issue: int = 0
    pr: int = 0
    holder: str = ""
    link: str = ""
    created: datetime | None = None
    renewed: datetime | None = None
    expires: datetime | None = None
    freed: datetime | None = None
    warned: datetime | None = None
    namespace_uid: str = ""
    adopted: bool = False
    reason: str = ""
    thread_id: str = ""
    prepared: Prepared = field(default_factory=Prepared)
    agent: AgentRun | None = None
    tree: SourceTree = field(default_factory=SourceTree)
    lock: Lock | None = None
    resource_version: str = ""

    @property
    def free(self) -> bool:
        return self.state is SlotState.FREE

    @property
    def keeps_namespace(self) -> bool:
        """A repair works in staging's namespace, which nobody may delete."""
        return self.env == "ai-repair"

    def belongs_to(self, claim: Claim) -> bool:
        """Whether the claim has this slot: by its own key, or by a number that was linked to it."""
        if self.state is not SlotState.LEASED or self.env != claim.env:
            return False
        linked = {"issue": self.issue, "pr": self.pr, "slot": self.slot}[claim.kind]
        return self.claim == claim.key or linked == claim.number

    def agent_running(self, now: datetime) -> bool:
        """Whether an agent may still be at work in the slot."""
        return self.agent is not None and not self.agent.ended and now < self.agent.deadline

    @property
    def unpublished(self) -> bool:
        """Whether an agent ran here and what it did was not published."""
        return self.agent is not None and not self.agent.published


@dataclass(frozen=True, slots=True)
class UnreadableSlot:
    """A slot whose record can't be read, and why: it is nobody's to take, use or clean. ``claim`` is the key of the
    claim that has it, as far as can be told, empty where none."""

    env: str
    slot: int
    claim: str
    error: CodexctlError

    def may_be_of(self, claim: Claim) -> bool:
        """Whether it can be the claim's slot. Which pull request is linked to it nobody knows."""
        return claim.kind == "pr" or self.claim == claim.key or (claim.kind == "slot" and claim.number == self.slot)


@dataclass(frozen=True, slots=True)
class ClaimRecord:
    """A claim that waits for a slot, or has one. ``target`` is the slot it is going for, 0 where none yet.

    ``firm``: the target was written after the claim knew its place in the queue; until then it is a guess.
    ``wanted`` is the only slot that the claim accepts, 0 for any. ``created`` and ``uid`` come from the API server.
    """

    claim: Claim
    target: int = 0
    firm: bool = False
    wanted: int = 0
    holder: str = ""
    link: str = ""
    renewed: datetime | None = None
    created: datetime | None = None
    uid: str = ""
    resource_version: str = ""


def leased_to(
    record: SlotRecord,
    claim: ClaimRecord,
    *,
    now: datetime,
    ttl: timedelta,
    pr: int = 0,
    adopted: bool = False,
) -> SlotRecord:
    """``record`` in the hands of ``claim``, with nothing left of whoever had it before and a new epoch.

    Only a lock on staging stays: a deploy that holds it while nobody repairs is at work there.
    """
    owner = claim.claim
    return SlotRecord(
        project=record.project,
        env=record.env,
        slot=record.slot,
        namespace=record.namespace,
        state=SlotState.LEASED,
        epoch=record.epoch + 1,
        claim=owner.key,
        claim_uid=claim.uid,
        issue=owner.number if owner.kind == "issue" else 0,
        pr=owner.number if owner.kind == "pr" else pr,
        holder=claim.holder,
        link=claim.link,
        created=now,
        renewed=now,
        expires=now + ttl,
        adopted=adopted,
        lock=record.lock if record.keeps_namespace else None,
        resource_version=record.resource_version,
    )


def renewed_by(record: SlotRecord, *, holder: str, link: str, now: datetime, ttl: timedelta) -> SlotRecord:
    """``record`` with its assignment prolonged by the run that uses it now. It never gets shorter."""
    expires = max(record.expires or now, now + ttl)
    return replace(
        record,
        holder=holder or record.holder,
        link=link or record.link,
        renewed=now,
        expires=expires,
        warned=None,
    )


def cleaning(record: SlotRecord, reason: str) -> SlotRecord:
    """``record`` on its way to free. Leaving its owner's hands is a change of epoch, going on with it is not."""
    step = 1 if record.state is SlotState.LEASED else 0
    return replace(record, state=SlotState.CLEANING, epoch=record.epoch + step, reason=reason)


def freed(record: SlotRecord, now: datetime) -> SlotRecord:
    """``record`` as free as one that never was used, but for its epoch."""
    return SlotRecord(
        project=record.project,
        env=record.env,
        slot=record.slot,
        namespace=record.namespace,
        epoch=record.epoch,
        freed=now,
        resource_version=record.resource_version,
    )
