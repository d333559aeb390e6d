"""One delivery of the agent's change: under the slot's lock, from the slot's tree to a branch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta

from codexctl_ci.errors import AgentFailed, BlockedByGuardrail, CodexctlError, ConfigError
from codexctl_ci.guardrails.policy import Policy
from codexctl_ci.operations.publish import Bot, Pushed, push_change
from codexctl_ci.operations.slot_lock import OperationLock
from codexctl_ci.operations.slot_store import SlotStore
from codexctl_ci.ports import BranchHost, PullHost, PullRequest, SlotTree
from codexctl_ci.slots.records import SlotRecord, renewed_by

log = logging.getLogger(__name__)

PUBLISHED = ("changed", "no_change")
_OTHERS = ("agent_error", "timeout", "infra_error", "blocked")


@dataclass(frozen=True)
class Delivery:
    """What is delivered, whence and whither. ``conclusion`` is how the agent's run ended.

    ``run`` and ``link`` name the workflow run that does it. ``checks_failed``: the pull request is to be a draft.
    """

    conclusion: str
    branch: str
    message: str
    bot: Bot
    policy: Policy
    run: str = ""
    link: str = ""
    checks_failed: bool = False
    ttl: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What came of it. ``conclusion`` is ``changed``, ``no_change`` or ``blocked``; ``rules`` say what forbade it.

    ``pull`` is None where there is no pull request; ``opened`` says that it was made now.
    """

    conclusion: str
    branch: str
    commit: str = ""
    files: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    pull: PullRequest | None = None
    opened: bool = False


@dataclass(frozen=True)
class Places:
    """Where a delivery takes place. ``tree`` opens the slot's sources while the lock is held."""

    store: SlotStore
    record: SlotRecord
    tree: Callable[[OperationLock], AbstractContextManager[SlotTree]]
    host: BranchHost
    pulls: PullHost
    comment: Callable[[Delivered], Mapping[int, str]]
    """What to say of the outcome: our comment by the number of the issue or pull request."""


def require_publishable(conclusion: str) -> None:
    """Raise where the agent's run did not end well: nothing of it is published then."""
    if conclusion in PUBLISHED:
        return
    if not conclusion:
        raise ConfigError("how did the agent's run end?", hint="give --conclusion changed (an output of prompt run)")
    if conclusion not in _OTHERS:
        raise ConfigError(f"{conclusion!r} is no conclusion", hint=f"one of {', '.join((*PUBLISHED, *_OTHERS))}")
    raise AgentFailed(
        f"the agent's run ended with {conclusion}, so nothing is published",
        hint="its work is kept in the slot; let the agent run again, and what it finishes is published",
    )


def deliver(places: Places, delivery: Delivery, after: Callable[[Delivered], Delivered]) -> Delivered:
    """Push the change and settle what hangs on it; every step may be repeated.

    ``after`` does what follows a push (pull request, threads). Our comments say how it ended, ``blocked`` too, for
    which the slot stays as it is. Raises SlotMoved where the slot is somebody else's by now.
    """
    require_publishable(delivery.conclusion)
    store, record = places.store, places.record
    with OperationLock(store, record.slot, what="publish", run=delivery.run, epoch=record.epoch) as lock:
        with places.tree(lock) as tree:
            lock.check()
            when = int(store.cluster.now().timestamp())
            done = bring(tree, places.host, delivery, when=when, resumed=bool(lock.record.tree.published))
        if done.conclusion != "blocked":
            lock.check()
            done = after(done)
            now = store.cluster.now()
            lock.update(
                lambda known: _settled(
                    renewed_by(known, holder=delivery.run, link=delivery.link, now=now, ttl=delivery.ttl), done
                )
            )
    for number, text in places.comment(done).items():
        places.pulls.comment(number, "env", text)
    return done


def bring(tree: SlotTree, host: BranchHost, delivery: Delivery, *, when: int, resumed: bool = False) -> Delivered:
    """The tree's change on its branch. A rule that forbids it is a result, and nothing has left the slot then.

    ``resumed``: something was published since the sources came, so that an earlier try may have pushed already. Else
    a change that the agent saw and that is not in the sources is an error.
    """
    branch = delivery.branch
    try:
        pushed = push_change(
            tree,
            host,
            branch=branch,
            message=delivery.message,
            bot=delivery.bot,
            policy=delivery.policy,
            when=when,
        )
    except BlockedByGuardrail as blocked:
        return Delivered("blocked", branch, rules=(" ".join(str(blocked).split()),))
    if pushed.conclusion == "no_change" and delivery.conclusion == "changed":
        before = _pushed_before(tree, host, delivery) if resumed else None
        if before is None:
            raise CodexctlError(
                "the agent changed files, but the slot's sources are as they were",
                hint="does the codex pod mount this slot's folder of the workspace claim at /workspace?",
            )
        pushed = before
    rules = tuple(str(violation) for violation in pushed.violations)
    return Delivered(pushed.conclusion, branch, pushed.commit, pushed.files, rules)


def raise_blocked(done: Delivered) -> None:
    """Raise the error that carries the exit code of a blocked change."""
    if done.conclusion == "blocked":
        listed = "\n".join(f"- {rule}" for rule in done.rules)
        raise BlockedByGuardrail(
            f"the change may not be published:\n{listed}",
            hint="nothing has left the slot, and the work is kept there: let the agent take that part back, or allow "
            "it under guardrails in services.yaml of the default branch",
        )


def _settled(record: SlotRecord, done: Delivered) -> SlotRecord:
    agent = replace(record.agent, published=True) if record.agent else None
    return replace(record, agent=agent, pr=done.pull.number if done.pull else record.pr)


def _pushed_before(tree: SlotTree, host: BranchHost, delivery: Delivery) -> Pushed | None:
    """What an earlier try of this step pushed before it died: the branch holds the commit that the tree is at."""
    base = tree.base()
    head = host.fetch([delivery.branch], [base]).get(delivery.branch, "")
    if not head or not host.contains(head, base):
        return None
    log.info("%s: the change stands there already, as %s", delivery.branch, head[:12])
    return Pushed("changed", delivery.branch, head)
