"""May this actor start this run? The first job of every workflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from codexctl_ci.errors import BlockedByGuardrail
from codexctl_ci.guardrails.consent import Person, Verdict, judge_event, judge_person, number_of, people_of


def guard(
    event: Mapping[str, Any],
    *,
    actor: str,
    repo: str,
    own_login: str,
    allowed_users: tuple[str, ...],
    look_up: Callable[[str], Person],
    is_open: Callable[[int], bool],
) -> Verdict:
    """The verdict on a run. Refused people raise BlockedByGuardrail; where there is nothing to do, it is ``quiet``.

    ``look_up`` asks GitHub about one login, ``is_open`` whether an issue or pull request is open now: the event of a
    re-run is as old as its first run. Where nobody can be made out, nobody is allowed.
    """
    verdict = judge_event(event, repo, own_login)
    if verdict.allowed:
        people = people_of(event, actor)
        if not people:
            verdict = Verdict(False, "the event names nobody who started it")
        for login in people:
            verdict = judge_person(look_up(login), allowed_users)
            if not verdict.allowed:
                break
    number = number_of(event)
    if verdict.allowed and number and not is_open(number):
        verdict = Verdict(False, f"#{number} is closed by now")
    if not verdict.allowed and not verdict.quiet:
        raise BlockedByGuardrail(
            "this run is not allowed",
            reason=verdict.reason,
            hint="somebody with write permission (and on CODEXCTL_ALLOWED_USERS, where it is set) has to start it",
        )
    return verdict
