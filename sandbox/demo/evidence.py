"""What a person would look at on GitHub and in the cluster after the job: collected while it is there to see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox.demo.look import objects
from sandbox.demo.setting import Stage

Json = dict[str, Any]
KINDS = ("statefulsets", "deployments", "jobs", "services", "ingresses", "persistentvolumeclaims", "pods")


@dataclass(frozen=True)
class Entry:
    """Something that somebody said or did, with when: GitHub's time stamp, or empty."""

    who: str
    what: str
    when: str = ""
    body: str = ""
    file: str = ""
    line: int = 0
    patch: str = ""


@dataclass(frozen=True)
class Row:
    """One object of the stack: its kind, name, a word about its state, what it is made of, and whether all is well."""

    kind: str
    name: str
    status: str
    detail: str
    good: bool


@dataclass
class Evidence:
    """All of it; empty where the job did not come that far."""

    title: str = ""
    number: int = 0
    pull_title: str = ""
    pull_number: int = 0
    issue: list[Entry] = field(default_factory=list)
    pull: list[Entry] = field(default_factory=list)
    files: list[Json] = field(default_factory=list)
    stack: list[Row] = field(default_factory=list)
    runs: list[Json] = field(default_factory=list)

    def see_stack(self, namespace: str) -> None:
        """Keep the state of every object of a namespace."""
        self.stack = [_row(kind, item) for kind in KINDS for item in objects(kind, namespace)]

    def see_change(self, stage: Stage, pull: int) -> None:
        """Keep the pull request's diff."""
        self.files = stage.owner.rest("GET", f"/repos/{stage.repository}/pulls/{pull}/files")

    def see_conversation(self, stage: Stage, issue: int, pull: int) -> list[str]:
        """Keep both conversations and the runs' summaries; return why what is not there can't be had."""

        def runs() -> None:
            self.runs = stage.runner.runs()

        def talk() -> None:
            self.number = issue
            self.title, self.issue = _conversation(stage, stage.owner.read_issue(stage.repository, issue))

        def change() -> None:
            self.pull_number = pull
            self.pull_title, self.pull = _pull(stage, pull)

        missing = []
        for see in (runs, talk, change):
            try:
                see()
            except (RuntimeError, OSError, LookupError) as error:
                missing.append(f"{type(error).__name__}: {error}")
        return missing


def _conversation(stage: Stage, item: Json) -> tuple[str, list[Entry]]:
    number = item["number"]
    said = [Entry(item["user"]["login"], "opened this", item["created_at"], item["body"] or "")]
    for comment in stage.owner.comments(stage.repository, number):
        edited = ", edited" if comment["updated_at"] != comment["created_at"] else ""
        said.append(Entry(comment["user"]["login"], f"commented{edited}", comment["created_at"], comment["body"]))
    for event in stage.owner.every(f"/repos/{stage.repository}/issues/{number}/timeline"):
        what = event.get("event", "")
        if what in ("labeled", "unlabeled", "closed", "merged", "reopened") and event.get("actor"):
            label = f" {event['label']['name']}" if what.endswith("labeled") else ""
            said.append(Entry(event["actor"]["login"], what + label, event["created_at"]))
    return str(item["title"]), sorted(said, key=lambda entry: entry.when)


def _pull(stage: Stage, number: int) -> tuple[str, list[Entry]]:
    title, said = _conversation(stage, stage.owner.read_pull(stage.repository, number))
    for review in stage.owner.every(f"/repos/{stage.repository}/pulls/{number}/reviews"):
        what = "reviewed: " + review["state"].lower().replace("_", " ")
        said.append(Entry(review["user"]["login"], what, review.get("submitted_at") or "", review["body"] or ""))
    for line in stage.owner.line_comments(stage.repository, number):
        who, when, at = line["user"]["login"], line["created_at"], line.get("line") or line["original_line"]
        patch = "" if line.get("in_reply_to_id") else str(line["diff_hunk"])
        what = "commented on" if patch else "answered on"
        said.append(Entry(who, what, when, line["body"], line["path"], at, patch))
    for commit in stage.owner.every(f"/repos/{stage.repository}/pulls/{number}/commits"):
        person, first = commit["commit"]["committer"], commit["commit"]["message"].splitlines()[0]
        said.append(Entry(person["name"], f"pushed {commit['sha'][:12]}: {first}", person["date"]))
    return title, sorted(said, key=lambda entry: entry.when)


def _row(kind: str, item: Json) -> Row:
    name, spec, status = item["metadata"]["name"], item["spec"], item.get("status", {})
    images = ", ".join(box["image"] for box in _pod_spec(kind, spec).get("containers", []))
    singular = item["kind"]
    if kind in ("statefulsets", "deployments"):
        ready, wanted = status.get("readyReplicas", 0), spec["replicas"]
        return Row(singular, name, f"{ready}/{wanted} ready", images, ready == wanted)
    if kind == "jobs":
        done = any(c["type"] == "Complete" and c["status"] == "True" for c in status.get("conditions", []))
        return Row(singular, name, "complete" if done else "not complete", images, done)
    if kind == "services":
        ports = ", ".join(str(port["port"]) for port in spec["ports"])
        return Row(singular, name, spec.get("clusterIP", ""), f"port {ports}", True)
    if kind == "ingresses":
        hosts = ", ".join(rule.get("host", "*") for rule in spec.get("rules", []))
        return Row(singular, name, "accepted", hosts, True)
    if kind == "persistentvolumeclaims":
        size = spec["resources"]["requests"]["storage"]
        return Row(singular, name, status["phase"], f"{size}, {spec.get('storageClassName', '')}", True)
    restarts = sum(box.get("restartCount", 0) for box in status.get("containerStatuses", []))
    good = status["phase"] in ("Running", "Succeeded")
    return Row(singular, name, status["phase"] + (f", {restarts} restarts" if restarts else ""), images, good)


def _pod_spec(kind: str, spec: Json) -> Json:
    found: Json = spec if kind == "pods" else spec.get("template", {}).get("spec", {})
    return found
