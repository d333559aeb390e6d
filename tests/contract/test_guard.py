"""The guard as a workflow's first job calls it: every workflow, actor and origin against GitHub's answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from codexctl_ci.cli.main import main
from tests.support.github_imitation import Shop, imitation, shop

__all__ = ["imitation", "shop"]

LABELS = {"ai_dev_issue": "[ai-dev]", "ai_plan_issue": "[ai-plan]", "ai_repair_issue": "[ai-repair]"}
REVIEWS = {"ai_pr_review": "codex/issue-1", "ai_repair_pr_review": "codex/ai-repair-1"}
WORKFLOWS = (*LABELS, *REVIEWS, "ai_plan_review")


@dataclass
class Gate:
    """The guard with a repository, and a cluster that notes who knocks."""

    shop: Shop
    folder: Path
    issue: int
    pull: int
    cluster: str
    knocks: list[str] = field(default_factory=list)

    def event(self, workflow: str, sender: str, head: str = "", body: str = "[ai-plan] go on") -> dict[str, Any]:
        """The payload that starts ``workflow``."""
        person = {"login": sender, "type": "User"}
        issue = {"number": self.issue, "state": "open", "title": "Greet", "user": person}
        if workflow in LABELS:
            return {"action": "labeled", "sender": person, "issue": issue, "label": {"name": LABELS[workflow]}}
        if workflow == "ai_plan_review":
            return {"action": "created", "sender": person, "issue": issue, "comment": {"body": body, "user": person}}
        repo = {"full_name": head or self.shop.name}
        pull = {"number": self.pull, "state": "open", "head": {"ref": REVIEWS[workflow], "repo": repo}}
        review = {"state": "changes_requested", "body": "no", "user": person}
        return {"action": "submitted", "sender": person, "pull_request": pull, "review": review}

    def ask(self, event: dict[str, Any], actor: str = "", **variables: str) -> tuple[int, str, str]:
        """Exit code, output ``allowed``, summary."""
        file, out, summary = (self.folder / name for name in ("event.json", "out", "summary"))
        for path in (out, summary):
            path.unlink(missing_ok=True)
        file.write_text(json.dumps(event))
        environ = {
            "PATH": "/usr/bin:/bin",
            "CODEXCTL_EVENT": str(file),
            "CODEXCTL_GH_PAT": self.shop.owner.token,
            "CODEXCTL_REPO": self.shop.name,
            "CODEXCTL_ACTOR": actor or event["sender"]["login"],
            "GITHUB_API_URL": f"{self.shop.github.url}/api/v3",
            "GITHUB_OUTPUT": str(out),
            "GITHUB_STEP_SUMMARY": str(summary),
            "KUBECONFIG": self.cluster,
        }
        code = main(["guard"], environ | variables)
        told = out.read_text().splitlines()
        # The last of several outputs of one name holds.
        allowed = [told[at + 1] for at, line in enumerate(told) if line.startswith("allowed<<")][-1]
        return code, allowed, summary.read_text() if summary.exists() else ""


@pytest.fixture
def gate(shop: Shop, tmp_path: Path) -> Iterator[Gate]:
    shop.github.person("mia")
    for name in ("rob[bot]", "eve[bot]"):
        shop.github.person(name, type="Bot")
    roles = {"bob": "write", "tim": "triage", "rita": "read", "mia": "maintain"}
    shop.github.settings(shop.name, collaborators=roles)
    issue = shop.reader.issue(shop.name, "Greet")
    shop.writer.push_files(shop.name, "codex/issue-1", {"greet.txt": "Salut"}, "Greet")
    pull = shop.writer.open_pull(shop.name, "codex/issue-1", "Greet")
    knocks: list[str] = []

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            knocks.append(self.path)
            self.send_error(500)

        do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n"
        f"clusters: [{{name: a, cluster: {{server: 'http://127.0.0.1:{server.server_port}'}}}}]\nusers: [{{name: a}}]\n"
    )
    yield Gate(shop, tmp_path, issue, pull, str(kubeconfig), knocks)
    server.shutdown()
    server.server_close()
    assert knocks == [], "the guard speaks to no cluster"


ACTORS = [
    ("alice", "", True, ""),
    ("mia", "", True, ""),
    ("bob", "", True, ""),
    ("bob", "alice,bob", True, ""),
    ("bob", "alice", False, "bob is not in CODEXCTL_ALLOWED_USERS"),
    ("tim", "", False, "tim has read permission here"),
    ("tim", "tim", False, "tim has read permission here"),
    ("rita", "", False, "rita has read permission here"),
    ("eve", "", False, "eve has no"),
    ("eve", "eve", False, "eve has no"),
    ("rob[bot]", "rob[bot]", True, ""),
    ("rob[bot]", "", False, "the bot rob[bot] is not in CODEXCTL_ALLOWED_USERS"),
    ("eve[bot]", "rob[bot]", False, "the bot eve[bot] is not in CODEXCTL_ALLOWED_USERS"),
    ("nobody[bot]", "nobody[bot]", False, "nobody[bot] calls itself a bot and is none"),
    ("ghost", "", False, "ghost has no"),
]


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_every_actor_is_let_in_or_told_why_not(gate: Gate, workflow: str, capfd: pytest.CaptureFixture[str]) -> None:
    for login, listed, allowed, why in ACTORS:
        code, told, _ = gate.ask(gate.event(workflow, login), CODEXCTL_ALLOWED_USERS=listed)
        errors = [line for line in capfd.readouterr().err.splitlines() if "this run is not allowed" in line]
        assert (code, told) == ((0, "true") if allowed else (6, "false")), (login, listed)
        assert allowed or why in " ".join(errors), (login, errors)


ANSWERS = [
    (403, ".*/permission", 1),
    (404, ".*/permission", 6),
    (500, ".*/permission", 1),
    (403, ".*/issues/.*", 1),
    (404, ".*/issues/.*", 6),
    (500, ".*/issues/.*", 1),
]


@pytest.mark.parametrize(
    ("workflow", "status", "path", "code"),
    [(workflow, *answer) for workflow, answer in zip(WORKFLOWS, ANSWERS, strict=True)],
)
def test_answer_that_is_none_lets_nobody_in(gate: Gate, workflow: str, status: int, path: str, code: int) -> None:
    # A 403 without a limit's headers and a 500 after all tries are answers that end it.
    gate.shop.github.fault("status", status=status, path=path, times=100)
    assert gate.ask(gate.event(workflow, "bob"))[:2] == (code, "false")
    gate.shop.github.no_faults()


def test_label_that_an_issue_template_sets_is_the_authors(gate: Gate) -> None:
    # The event of a label that came with the issue is sent by whoever opened it.
    for workflow in LABELS:
        assert gate.ask(gate.event(workflow, "eve"))[:2] == (6, "false")


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_whoever_runs_it_again_has_to_be_let_in_too(gate: Gate, workflow: str) -> None:
    assert gate.ask(gate.event(workflow, "bob"), "tim")[:2] == (6, "false")
    assert gate.ask(gate.event(workflow, "bob"), "alice")[:2] == (0, "true")


@pytest.mark.parametrize("workflow", REVIEWS)
def test_forks_end_green_and_say_why_without_a_token(gate: Gate, workflow: str) -> None:
    for reviewer in ("bob", "eve"):
        code, allowed, summary = gate.ask(gate.event(workflow, reviewer, head="eve/shop"), CODEXCTL_GH_PAT="")
        assert (code, allowed) == (0, "false") and "pull requests from forks (eve/shop) get no agent" in summary
    named_main = gate.event(workflow, "bob", head="eve/shop")
    named_main["pull_request"]["head"]["ref"] = "main"
    assert gate.ask(named_main)[:2] == (0, "false")
    deleted = gate.event(workflow, "bob")
    deleted["pull_request"]["head"]["repo"] = None
    assert gate.ask(deleted)[:2] == (0, "false")


def test_branch_that_only_looks_like_an_agents_is_a_branch_like_any(gate: Gate) -> None:
    event = gate.event("ai_pr_review", "bob")
    event["pull_request"]["head"]["ref"] = "codex/issue-1-not-ours"
    assert gate.ask(event)[:2] == (0, "true")
    event["sender"]["login"] = event["review"]["user"]["login"] = "rita"
    assert gate.ask(event)[:2] == (6, "false")


def test_author_who_reviews_needs_the_same_permission(gate: Gate) -> None:
    for author, code in (("rita", 6), ("bob", 0)):
        event = gate.event("ai_pr_review", author)
        event["pull_request"]["user"] = {"login": author}
        assert gate.ask(event)[0] == code


def test_own_comment_starts_no_loop_and_a_forged_one_is_somebodys(gate: Gate) -> None:
    marked = "<!-- codexctl-ci: plan -->\n[ai-plan]"
    assert gate.ask(gate.event("ai_plan_review", "alice", body=marked))[:2] == (0, "false")
    assert gate.ask(gate.event("ai_plan_review", "eve", body=marked))[:2] == (6, "false")
    assert gate.ask(gate.event("ai_plan_review", "bob", body=marked))[:2] == (0, "true")


def test_what_was_closed_meanwhile_starts_nothing(gate: Gate) -> None:
    gate.shop.owner.close(gate.shop.name, gate.issue)
    for workflow in (*LABELS, "ai_plan_review"):
        assert gate.ask(gate.event(workflow, "bob"))[:2] == (6, "false")


def test_two_requests_are_enough(gate: Gate) -> None:
    before = len(gate.shop.github.requests())
    assert gate.ask(gate.event("ai_dev_issue", "bob"))[0] == 0
    assert len(gate.shop.github.requests()) - before == 2
