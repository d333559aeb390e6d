"""The agent's change for an issue: its branch, its pull request."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from codexctl_ci.errors import ConfigError
from codexctl_ci.guardrails.branches import issue_of
from codexctl_ci.operations.delivery import Delivered, Delivery, Places, deliver

log = logging.getLogger(__name__)


def publish_issue(places: Places, delivery: Delivery, *, title: str, body: Callable[[], str]) -> Delivered:
    """Push the change to the issue's branch and see to its pull request, which it has once.

    Without a change nothing is opened; a pull request that is open already stays. Where checks failed it is, or
    becomes, a draft. Raises what ``deliver`` raises.
    """
    if not issue_of(delivery.branch):
        raise ConfigError(f"{delivery.branch!r} is no agent's branch", hint="give --issue")

    def after(done: Delivered) -> Delivered:
        if done.conclusion != "changed":
            return replace(done, pull=places.pulls.open_pull(done.branch))
        base = places.pulls.default_branch()
        pull, opened = places.pulls.ensure_pull(done.branch, base, title, body(), draft=delivery.checks_failed)
        if delivery.checks_failed and not opened:
            pull = places.pulls.make_draft(pull)
        log.info("pull request #%d %s: %s", pull.number, "opened" if opened else "updated", pull.url)
        return replace(done, pull=pull, opened=opened)

    return deliver(places, delivery, after)
