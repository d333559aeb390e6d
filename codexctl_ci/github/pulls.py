"""Pull requests, their branches and their review threads."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from codexctl_ci.errors import ApiError, BlockedByGuardrail
from codexctl_ci.github.client import GitHub
from codexctl_ci.guardrails.branches import is_safe, issue_of
from codexctl_ci.ports import PullRequest

log = logging.getLogger(__name__)


def find_by_head(github: GitHub, branch: str, *, state: str = "open") -> PullRequest | None:
    """The newest pull request of a branch of this repository."""
    found = github.call("GET", "pulls", head=f"{github.owner}:{branch}", state=state, sort="created", direction="desc")
    return _pull(github, found[0]) if found else None


def get(github: GitHub, number: int) -> PullRequest | None:
    """One pull request, None where there is none of that number."""
    found = github.find(f"pulls/{number}")
    return _pull(github, found) if found else None


def ensure(
    github: GitHub, branch: str, base: str, title: str, body: str, *, draft: bool = False
) -> tuple[PullRequest, bool]:
    """The open pull request of ``branch``, created where there is none, and whether it was.

    ``draft`` is left out where the repository has no drafts.
    """
    found = find_by_head(github, branch)
    if found:
        return found, False
    wanted = {"head": branch, "base": base, "title": title[:250], "body": body[:65000]}
    try:
        made = github.call("POST", "pulls", wanted | ({"draft": True} if draft else {}))
    except ApiError as error:
        if draft and error.status == 422:
            return ensure(github, branch, base, title, body)
        # It may stand there all the same: created by a try whose answer was lost, or by a run beside us.
        found = find_by_head(github, branch)
        if found is None:
            raise error
        return found, False
    return _pull(github, made), True


_DRAFT = """
mutation($pull: ID!) {
  convertPullRequestToDraft(input: {pullRequestId: $pull}) { pullRequest { isDraft } }
}"""


def make_draft(github: GitHub, pull: PullRequest) -> PullRequest:
    """Turn an open pull request into a draft. Where that is refused, it stays as it is, with a warning."""
    if pull.draft:
        return pull
    try:
        github.graphql(_DRAFT, pull=pull.node)
    except ApiError as error:
        if error.passing:
            raise
        log.warning("pull request #%d cannot be made a draft: %s", pull.number, error)
        return pull
    log.info("pull request #%d is a draft now", pull.number)
    return replace(pull, draft=True)


def delete_agent_branch(github: GitHub, branch: str) -> bool:
    """Delete an agent's branch of this repository; False where it is gone already.

    Raises BlockedByGuardrail for every other name.
    """
    if not issue_of(branch):
        raise BlockedByGuardrail(
            f"branch {branch!r} is not deleted",
            reason="only codex/issue-<n> and codex/ai-repair-<n> of this repository ever are",
        )
    try:
        github.call("DELETE", f"git/refs/heads/{quote(branch)}")
    except ApiError as error:
        if error.status in (404, 422):
            return False
        raise
    return True


def branch_exists(github: GitHub, branch: str) -> bool:
    """Whether this repository has the branch. An unsafe name never exists for us."""
    return is_safe(branch) and github.find(f"git/ref/heads/{quote(branch)}") is not None


_REPLY = """
mutation($thread: ID!, $body: String!) {
  addPullRequestReviewThreadReply(input: {pullRequestReviewThreadId: $thread, body: $body}) { comment { id } }
}"""


def reply(github: GitHub, thread: str, body: str) -> None:
    """Answer in a review thread."""
    github.graphql(_REPLY, thread=thread, body=body)


def _pull(github: GitHub, data: dict[str, Any]) -> PullRequest:
    head, base = data["head"], data["base"]
    repo = ((head.get("repo") or {}).get("full_name") or "").lower()
    return PullRequest(
        number=data["number"],
        url=data["html_url"],
        head=head["ref"],
        head_sha=head["sha"],
        base=base["ref"],
        base_sha=base["sha"],
        own=repo == github.repo.lower(),
        state=data["state"],
        merged=bool(data.get("merged_at")),
        title=data.get("title") or "",
        draft=bool(data.get("draft")),
        node=data.get("node_id") or "",
    )
