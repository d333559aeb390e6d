"""Takes webhooks, starts runs, keeps their records."""

from __future__ import annotations

import contextlib
import secrets as random
import shutil
import subprocess
import threading
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sandbox.github.client import GitHub
from sandbox.runner.act_process import ActCall, ActProcess
from sandbox.runner.records import Conclusion, Received, Records, Run
from sandbox.runner.selection import Unreadable, Workflow, starts, workflows
from sandbox.runner.sources import clone, local_repositories, stand_ins

Json = dict[str, Any]
JOB_RIGHTS = {"contents": "read", "metadata": "read"}
BOT = "github-actions[bot]"


@dataclass(frozen=True)
class RunnerSettings:
    """What the runner is told once.

    `environment` is all that steps see of this machine (PATH, KUBECONFIG ...); a HOME in it is shared by all
    runs, without one each run has its own. `repositories` maps `owner/name` to a folder for `uses:`.
    """

    act: Path
    folder: Path
    environment: Mapping[str, str]
    repositories: Mapping[str, Path]
    labels: tuple[str, ...] = ("self-hosted", "ai", "ai-staging")
    github_url: str | None = None


@dataclass(frozen=True)
class Place:
    """What is checked out for a run: a ref, the commit if the event names one, and GITHUB_REF."""

    fetch: str
    sha: str | None
    ref: str
    branch: str


def place_of(event: str, payload: Json) -> Place:
    """Return which commit GitHub runs an event's workflows from."""
    default = payload["repository"]["default_branch"]
    if event == "push":
        branch = payload["ref"].removeprefix("refs/heads/").removeprefix("refs/tags/")
        return Place(payload["ref"], payload["after"], payload["ref"], branch)
    pull = payload.get("pull_request")
    if event.startswith("pull_request") and pull:
        base = pull["base"]["ref"]
        if pull.get("merged"):
            return Place(f"refs/heads/{base}", None, f"refs/heads/{base}", base)
        merge = f"refs/pull/{pull['number']}/merge"
        return Place(merge, None, merge, f"pull-{pull['number']}-merge")
    return Place(f"refs/heads/{default}", None, f"refs/heads/{default}", default)


@dataclass
class RunnerService:
    """Runs workflows; runs of different events and workflows go side by side."""

    settings: RunnerSettings
    github: GitHub
    records: Records
    _running: dict[int, ActProcess] = field(default_factory=dict)
    _sources: dict[int, Path] = field(default_factory=dict)

    def take(self, event: str, delivery: str, payload: Json, starts_workflows: bool) -> None:
        """Take a webhook and start what it starts, in the background."""
        received = Received(delivery, event, payload)
        self.records.receive(received)
        # A fork's own workflows run only where its owner has enabled them.
        if not starts_workflows or payload["repository"].get("fork"):
            self.records.settle(received)
            return
        threading.Thread(target=self._begin, args=(received,), daemon=True).start()

    def _begin(self, received: Received) -> None:
        try:
            runs = self._prepare(received)
        except (OSError, RuntimeError) as reason:
            # A pull request with conflicts has no merge commit: GitHub runs nothing then, and says nothing.
            (self.records.folder / f"{received.id}.nothing").write_text(str(reason))
            runs = []
        self.records.settle(received)
        for run, workflow, project in runs:
            threading.Thread(target=self._run, args=(run, workflow, project, received), daemon=True).start()

    def _prepare(self, received: Received) -> list[tuple[Run, Workflow, Path]]:
        payload = received.payload
        repository = payload["repository"]["full_name"]
        folder = self.records.folder / f"event-{received.id}"
        token = self.github.token(BOT, kind="job", rights=JOB_RIGHTS, repositories=[repository])
        header = "Authorization: Basic " + b64encode(f"x-access-token:{token}".encode()).decode()
        spot = place_of(received.event, payload)
        url = f"{self.url}/{repository}.git"
        sha = clone(url, spot.fetch, spot.sha, spot.branch, folder, header)
        self.github.door("POST", "tokens/revoke", {"token": token})
        chosen: list[tuple[Run, Workflow, Path]] = []
        number = (payload.get("issue") or payload.get("pull_request") or {}).get("number")
        for workflow in workflows(folder):
            actor = payload["sender"]["login"]
            reason = ""
            try:
                if not starts(workflow, received.event, payload):
                    continue
            except Unreadable as error:
                reason = str(error)
            run = Run(
                id=self._report(repository, workflow, received, sha, spot),
                delivery=received.id,
                workflow=workflow.file,
                name=workflow.name,
                event=received.event,
                action=payload.get("action", ""),
                repository=repository,
                number=number,
                actor=actor,
                triggering_actor=actor,
                sha=sha,
                reason=reason,
            )
            self.records.add(run)
            if reason:
                self.records.change(run, status="completed", conclusion="startup_failure")
            else:
                self._sources[run.id] = folder
                chosen.append((run, workflow, folder))
        return chosen

    def _report(self, repository: str, workflow: Workflow, received: Received, sha: str, spot: Place) -> int:
        known = {
            "repository": repository,
            "name": workflow.name,
            "event": received.event,
            "sha": sha,
            "branch": spot.branch,
            "actor": received.payload["sender"]["login"],
            "status": "queued",
            "conclusion": "",
        }
        return int(self.github.door("POST", "runs", known)["id"])

    @property
    def url(self) -> str:
        """Return the imitation's address as steps see it."""
        return self.settings.github_url or self.github.url

    def _run(self, run: Run, workflow: Workflow, source: Path, received: Received) -> None:
        folder = self.records.folder / f"run-{run.id}-{run.attempt}"
        folder.mkdir(parents=True)
        log = folder / "log.txt"
        self.records.change(run, status="in_progress", started=time.time(), log=str(log))
        began = time.monotonic()
        conclusion: Conclusion = "startup_failure"
        reason = ""
        token = self.github.token(BOT, kind="job", rights=JOB_RIGHTS, repositories=[run.repository])
        try:
            call = self._call(run, workflow, source, received, folder, token)
            process = ActProcess(call, log)
            self._running[run.id] = process
            code = process.follow(lambda _: None)
            outcome = process.outcome
            ran = any(how != "skipped" for how in outcome.jobs.values())
            conclusion = ("success" if ran else "skipped") if code == 0 else "failure"
            conclusion = "cancelled" if process.cancelled else conclusion
            conclusion = "killed" if process.killed else conclusion
            self.records.change(
                run,
                jobs=outcome.jobs,
                summary="\n".join(part["markdown"] for part in outcome.summaries),
                summaries=outcome.summaries,
                annotations=outcome.annotations,
            )
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            reason = f"{type(error).__name__}: {error}"
        finally:
            self._running.pop(run.id, None)
            shutil.rmtree(folder / "cache", ignore_errors=True)
            over: Json = {"status": "completed", "conclusion": conclusion}
            # The imitation may have ended before; the record here is what counts.
            with contextlib.suppress(OSError, RuntimeError):
                self.github.door("POST", "tokens/revoke", {"token": token})
                self.github.door("POST", "runs", {"id": run.id, **over})
            seconds = round(time.monotonic() - began, 3)
            self.records.change(run, **over, reason=reason, seconds=seconds)

    def _call(
        self, run: Run, workflow: Workflow, source: Path, received: Received, folder: Path, token: str
    ) -> ActCall:
        project = folder / "project"
        shutil.copytree(source, project, symlinks=True)
        settings = self.github.door("POST", "settings/read", {"repository": run.repository})
        spot = place_of(received.event, received.payload)
        home = folder / "home"
        home.mkdir()
        steps = {
            "GITHUB_SERVER_URL": self.url,
            "GITHUB_API_URL": f"{self.url}/api/v3",
            "GITHUB_GRAPHQL_URL": f"{self.url}/api/graphql",
            "GITHUB_REPOSITORY": run.repository,
            "GITHUB_REPOSITORY_OWNER": run.repository.split("/")[0],
            "GITHUB_REPOSITORY_ID": str(received.payload["repository"]["id"]),
            "GITHUB_RUN_ID": str(run.id),
            "GITHUB_RUN_NUMBER": str(run.id),
            "GITHUB_RUN_ATTEMPT": str(run.attempt),
            "GITHUB_REF": spot.ref,
            "GITHUB_TRIGGERING_ACTOR": run.triggering_actor,
            "GITHUB_WORKFLOW_REF": f"{run.repository}/.github/workflows/{run.workflow}@{spot.ref}",
            "GITHUB_WORKFLOW_SHA": run.sha,
            "RUNNER_NAME": "sandbox",
            "RUNNER_ENVIRONMENT": "self-hosted",
        }
        return ActCall(
            act=self.settings.act,
            folder=folder,
            project=project,
            workflow=workflow.file,
            event=received.event,
            payload=received.payload,
            actor=run.actor,
            labels=self.settings.labels,
            local_repositories=local_repositories(project, {**stand_ins(), **self.settings.repositories}),
            variables=settings["variables"],
            secrets={**settings["secrets"], "GITHUB_TOKEN": token},
            step_environment=steps,
            environment={"HOME": str(home), **self.settings.environment},
            mark=f"{run.id}-{run.attempt}-{random.token_hex(4)}",
        )

    def rerun(self, run_id: int, actor: str) -> str:
        """Run a run's workflow once more for somebody; return the id to wait for."""
        old = self.records.runs[run_id]
        first = self.records.received[old.delivery]
        again = Received(f"{first.id}-{old.attempt + 1}", first.event, first.payload)
        self.records.receive(again)
        run = replace(
            old,
            delivery=again.id,
            attempt=old.attempt + 1,
            triggering_actor=actor,
            status="queued",
            conclusion="",
            jobs={},
            summary="",
            summaries=[],
            annotations=[],
        )
        self.records.add(run)
        self.records.settle(again)
        source = self._sources[run_id]
        workflow = next(item for item in workflows(source) if item.file == run.workflow)
        threading.Thread(target=self._run, args=(run, workflow, source, again), daemon=True).start()
        return again.id

    def cancel(self, run_id: int) -> None:
        """Cancel a run as a person does on GitHub."""
        self._running[run_id].cancel()

    def kill(self, run_id: int) -> None:
        """Lose the machine under a run."""
        self._running[run_id].kill()

    def stop(self) -> None:
        """Kill all that runs."""
        for process in list(self._running.values()):
            process.kill()
