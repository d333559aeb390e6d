"""What a repository's settings say, as far as the token may see them."""

from __future__ import annotations

from urllib.parse import quote

from codexctl_ci.github.client import GitHub
from codexctl_ci.guardrails.identity import ROLES, Access


class Facts:
    """Implements ``RepositoryFacts`` of the doctor. What the token may not see is an ApiError of status 403 or 404."""

    def __init__(self, github: GitHub) -> None:
        self._github = github

    def access(self) -> Access:
        """What our identity may do here."""
        repository = self._github.call("GET", "")
        given = repository.get("permissions") or {}
        role = next((name for name in ROLES if given.get(name)), "none")
        rights = self._github.app_rights()
        if rights is not None:
            return Access(self._github.login(), role, True, rights)
        return Access(self._github.login(), role, scopes=self._github.scopes())

    def secrets(self) -> frozenset[str]:
        """Names of the repository's own secrets."""
        found = self._github.call("GET", "actions/secrets", per_page=100)
        return frozenset(item["name"] for item in found["secrets"])

    def variables(self) -> dict[str, str]:
        """The repository's own variables."""
        found: dict[str, str] = {}
        page = 1
        while True:
            # GitHub cuts this list into pages of thirty at most.
            answer = self._github.call("GET", "actions/variables", per_page=30, page=page)
            found |= {item["name"]: item["value"] for item in answer["variables"]}
            if not answer["variables"] or len(found) >= answer["total_count"]:
                return found
            page += 1

    def environment_rules(self, name: str) -> int | None:
        """How many rules protect the environment; None where there is none of that name."""
        found = self._github.find(f"environments/{quote(name, safe='')}")
        if found is None:
            return None
        return len(found.get("protection_rules") or []) + bool(found.get("deployment_branch_policy"))

    def runners(self) -> list[tuple[bool, frozenset[str]]]:
        """Online or not, and the labels, of each of the repository's runners."""
        found = self._github.call("GET", "actions/runners", per_page=100)
        return [
            (item["status"] == "online", frozenset(label["name"] for label in item["labels"]))
            for item in found["runners"]
        ]
