"""What GitHub says: may the token do its work, are secrets and variables there, are there runners enough?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Protocol

from codexctl_ci.errors import ApiError
from codexctl_ci.guardrails.identity import NEEDED_RIGHTS, PUSHING_ROLES, Access
from codexctl_ci.operations.doctor import Finding, Level


class RepositoryFacts(Protocol):
    """What a repository's settings say. Methods raise ApiError, with status 403 or 404 where the token may not see."""

    def access(self) -> Access:
        """What our identity may do."""

    def secrets(self) -> frozenset[str]:
        """Names of the repository's own secrets."""

    def variables(self) -> dict[str, str]:
        """The repository's own variables."""

    def environment_rules(self, name: str) -> int | None:
        """How many rules protect the environment; None where there is none of that name."""

    def runners(self) -> list[tuple[bool, frozenset[str]]]:
        """Online or not, and the labels, of each runner of the repository."""


def token(facts: RepositoryFacts) -> Iterator[Finding]:
    """Whether the identity may push, comment and open pull requests."""
    access = facts.access()
    what = "token"
    if access.is_app:
        missing = [name for name in NEEDED_RIGHTS if access.rights.get(name) != "write"]
        if missing:
            advice = "give the App read and write on contents, issues and pull requests, and accept it where installed"
            yield Finding("github", what, Level.FAIL, f"{access.login} lacks write on {', '.join(missing)}", advice)
        else:
            yield Finding("github", what, Level.OK, f"GitHub App {access.login}")
        return
    if access.role not in PUSHING_ROLES:
        advice = "invite that account with the role write"
        yield Finding("github", what, Level.FAIL, f"{access.login} has only the role {access.role} here", advice)
        return
    if access.scopes is not None and "repo" not in access.scopes:
        advice = "a classic token needs the scope repo; a fine-grained one or an App is better"
        yield Finding("github", what, Level.FAIL, f"the token of {access.login} has no scope repo", advice)
        return
    kind = "classic" if access.scopes is not None else "fine-grained: contents, issues, pull requests need write"
    words = f"{access.login} ({access.role}; {kind})"
    advice = "a GitHub App has rights of its own and short-lived tokens" if access.scopes is not None else ""
    yield Finding("github", what, Level.OK, words, advice)


def settings(facts: RepositoryFacts, *, environment: str) -> Iterator[Finding]:
    """Secrets and the environment."""
    yield from _visible("secrets", lambda: _secrets(facts.secrets()))
    yield from _visible("environment", lambda: [_environment(environment, facts.environment_rules(environment))])


def _secrets(names: frozenset[str]) -> list[Finding]:
    missing = [name for name in ("CODEXCTL_GH_PAT", "OPENAI_API_KEY") if name not in names]
    if not missing:
        return [Finding("github", "secrets", Level.OK, "the repository has what workflows need")]
    words = f"the repository itself has no {', '.join(missing)}"
    return [Finding("github", "secrets", Level.WARN, words, "add them, unless the organisation or the environment has")]


def _environment(name: str, rules: int | None) -> Finding:
    if rules is None:
        advice = "GitHub makes it on the first run, without rules; make it now and limit its branches"
        return Finding("github", "environment", Level.WARN, f"there is no environment {name}", advice)
    if not rules:
        advice = "limit its deployment branches, so that a workflow edited in a branch does not get its secrets"
        return Finding("github", "environment", Level.WARN, f"{name} has no rules", advice)
    return Finding("github", "environment", Level.OK, f"{name}, {rules} rules")


def runners(
    facts: RepositoryFacts, slots: int, in_cluster: Callable[[], Mapping[str, int] | None]
) -> Iterator[Finding]:
    """Whether waiting jobs leave runners free: each holds one. ``in_cluster``: how many each scale set allows."""
    sets = in_cluster()
    count, where = sum((sets or {}).values()), "scale sets allow"
    if sets is None:
        try:
            online = [labels for up, labels in facts.runners() if up]
        except ApiError as error:
            if error.status not in (403, 404):
                raise
            words = "neither the cluster nor this token shows them"
            yield Finding("github", "runners", Level.SKIP, words, f"have at least {slots + 2}: slots and two more")
            return
        count, where = len(online), "the repository has online"
        if not online:
            advice = "runners of an organisation are not seen here; else install the scale set (docs/install.md)"
            yield Finding("github", "runners", Level.WARN, "the repository has none online", advice)
            return
    if not slots:
        advice = "set maxSlots, and have two runners more than that: a job that waits for a slot holds a runner"
        yield Finding("github", "runners", Level.WARN, f"{where} {count}, and slots are not limited", advice)
    elif count < slots + 2:
        advice = f"have {slots + 2}: a job that waits for a slot holds a runner, and cleanups need one"
        yield Finding("github", "runners", Level.WARN, f"{where} {count} for {slots} slots", advice)
    else:
        yield Finding("github", "runners", Level.OK, f"{where} {count} for {slots} slots")


def labels(
    facts: RepositoryFacts, wanted: Iterable[frozenset[str]], in_cluster: Callable[[], Mapping[str, int] | None]
) -> Iterator[Finding]:
    """Whether somebody takes the jobs: a runner with all labels that a job asks for, or the scale set of that name."""
    what = "runner labels"
    sets = {name.lower() for name in in_cluster() or ()}
    try:
        online = [{label.lower() for label in labels} for up, labels in facts.runners() if up]
    except ApiError as error:
        if error.status not in (403, 404):
            raise
        online = []
        if not sets:
            yield Finding("github", what, Level.SKIP, "neither the cluster nor this token shows runners")
            return
    lonely = []
    for asked in sorted(sorted(name.lower() for name in names) for names in set(wanted)):
        by_set = len(asked) == 1 and asked[0] in sets
        if not by_set and not any(set(asked) <= runner for runner in online):
            lonely.append(", ".join(asked))
    if lonely:
        advice = (
            "give runners these labels, or the wrappers the input runs-on; runners of an organisation aren't seen here"
        )
        yield Finding("github", what, Level.WARN, f"no runner that is seen takes jobs for {'; '.join(lonely)}", advice)
    else:
        yield Finding("github", what, Level.OK, "every job finds a runner")


def variables(names: Collection[str], known: Collection[str]) -> Iterator[Finding]:
    """The repository's variables that look like ours, by name; ``known`` are those that mean something."""
    ours = sorted(name for name in names if name.startswith("CODEXCTL_"))
    odd = [name for name in ours if name not in known]
    if odd:
        guesses = [
            f"{name} (did you mean {near[0]}?)" if (near := get_close_matches(name, known, 1)) else name for name in odd
        ]
        advice = "docs/options.md lists those that are read; templates may ask for others"
        yield Finding("github", "variables", Level.WARN, f"nothing reads {', '.join(guesses)}", advice)
    else:
        yield Finding("github", "variables", Level.OK, f"set: {', '.join(ours) or 'none of ours'}")


def runner_groups() -> Iterator[Finding]:
    """What no token of a repository can see."""
    words = "limit the runners' group to these workflows at a fixed ref"
    advice = "else a workflow edited in a pull request can reach the runner without the guard (docs/security.md)"
    yield Finding("github", "runner group", Level.SKIP, words, advice)


def _visible(what: str, look: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return look()
    except ApiError as error:
        if error.status not in (403, 404):
            raise
        return [Finding("github", what, Level.SKIP, "this token may not see them", "look at the repository's settings")]
