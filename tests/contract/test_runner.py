"""The sandbox's runner with the real act: a wrapper as a user commits it, a reusable workflow and an action of ours."""

from __future__ import annotations

import base64
import contextlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.github.client import Person, Refused
from sandbox.runner.act_process import MARK
from sandbox.runner.client import NotInTime, Runner
from sandbox.runner.records import Records
from sandbox.runner.server import RunnerServer
from sandbox.runner.service import RunnerService, RunnerSettings
from tests.support.github_imitation import Shop

ACT = Path(sys.executable).parent / "act"
OURS = "example-org/tool"

WRAPPER = """
name: AI dev
on:
  issues:
    types: [labeled]
jobs:
  run:
    uses: example-org/tool/.github/workflows/dev.yml@v1
    secrets: inherit
"""
REUSABLE = """
name: dev
on:
  workflow_call:
    inputs:
      runs-on: {type: string, default: '["self-hosted", "ai"]'}
permissions:
  contents: read
jobs:
  guard:
    if: github.event.label.name == '[ai-dev]'
    runs-on: ${{ fromJSON(inputs.runs-on) }}
    environment: ai-staging
    outputs:
      said: ${{ steps.greet.outputs.said }}
    steps:
      - uses: actions/checkout@8e8c483db84b4bee98b60c0593521ed34d9990e8 # v6.0.1
        with:
          repository: example-org/tool
          ref: ${{ job.workflow_sha || 'v1' }}
          path: .tool
          persist-credentials: false
      - id: greet
        uses: ./.tool/actions/greet
        with:
          token: ${{ secrets.CODEXCTL_GH_PAT }}
  next:
    needs: guard
    runs-on: self-hosted
    environment: ai-staging
    steps:
      - uses: actions/checkout@8e8c483db84b4bee98b60c0593521ed34d9990e8 # v6.0.1
      - env:
          SAID: ${{ needs.guard.outputs.said }}
          LANGUAGE: ${{ vars.CODEXCTL_LANG }}
        run: |
          test "$(cat greet.txt | head -1)" = Hello
          echo "said=$SAID language=$LANGUAGE kube=$KUBECONFIG actor=$GITHUB_ACTOR repo=$GITHUB_REPOSITORY"
          echo "urls=$GITHUB_API_URL $GITHUB_GRAPHQL_URL attempt=$GITHUB_RUN_ATTEMPT by=$GITHUB_TRIGGERING_ACTOR"
          echo "git=$(git config --get-regexp extraheader | wc -l)"
          echo "packed=$(printf %s '${{ github.token }}' | base64 -w0)="
          echo "## Done" >> "$GITHUB_STEP_SUMMARY"
          echo "::warning title=note::mind this"
"""
ACTION = """
name: greet
description: greets
inputs:
  token: {description: token, required: true}
outputs:
  said: {description: what, value: "${{ steps.say.outputs.said }}"}
runs:
  using: composite
  steps:
    - id: say
      shell: bash
      run: |
        curl -sf -X POST "$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/issues/$NUMBER/comments" \\
          -H "Authorization: Bearer $TOKEN" -d '{"body": "hello from a step"}' > /dev/null
        echo "token is $TOKEN"
        printf 'said<<end\\none\\ntwo\\nend\\n' >> "$GITHUB_OUTPUT"
      env:
        TOKEN: ${{ inputs.token }}
        NUMBER: ${{ github.event.issue.number }}
"""
SLOW = """
on:
  issue_comment:
    types: [created]
jobs:
  wait:
    runs-on: self-hosted
    steps:
      - run: |
          sleep 300 &
          exec python3 -uc "
          import signal, sys, time
          def stop(number, frame):
              print('told', number); sys.exit(130)
          signal.signal(signal.SIGINT, stop)
          print('ready')
          time.sleep(300)"
      - if: always()
        run: echo after-all
  clean:
    needs: wait
    if: always() && needs.wait.result != 'success'
    runs-on: self-hosted
    steps:
      - if: always()
        run: echo cleaned
"""


@dataclass(frozen=True)
class Yard:
    """A repository with wrappers, and a runner that listens to it."""

    shop: Shop
    bot: Person
    runner: Runner
    folder: Path


@pytest.fixture
def yard(shop: Shop, tmp_path: Path) -> Iterator[Yard]:
    tool = tmp_path / "tool"
    for name, text in ((".github/workflows/dev.yml", REUSABLE), ("actions/greet/action.yml", ACTION)):
        (tool / name).parent.mkdir(parents=True, exist_ok=True)
        (tool / name).write_text(text)
    organisation = shop.github.person("example-org")
    shop.github.repository("example-org", "tool", private=False)
    organisation.push_folder(OURS, tool)
    organisation.push_folder(OURS, tool, branch="v1")
    bot = shop.github.person("build-bot")
    secrets = {"CODEXCTL_GH_PAT": bot.token, "LONG": 'two\nlines "and" $quotes'}
    shop.github.settings(
        shop.name, collaborators={"build-bot": "write"}, secrets=secrets, variables={"CODEXCTL_LANG": "en"}
    )
    files: dict[str, str | None] = {
        ".github/workflows/ai_dev.yml": WRAPPER,
        ".github/workflows/slow.yml": SLOW,
    }
    shop.owner.push_files(shop.name, "main", files, "Wrappers")
    shop.github.person("github-actions[bot]", type="Bot")
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "KUBECONFIG": "/etc/kube"}
    settings = RunnerSettings(ACT, tmp_path / "runner", environment, {OURS: tool})
    service = RunnerService(settings, shop.github, Records(settings.folder))
    server = RunnerServer("127.0.0.1", 0, service, "door", hook_secret="signed").run_in_thread()
    shop.github.hook(f"{server.url}/hook", "signed")
    yield Yard(shop, bot, Runner(server.url, "door", shop.github), settings.folder)
    service.stop()
    server.shutdown()
    server.server_close()


def processes_of(yard: Yard, run: int) -> list[str]:
    """What still runs with a run's mark in its environment. Runs of other yards have the same numbers."""
    wanted, place = f"{MARK}={run}-".encode(), str(yard.folder).encode()
    found: list[str] = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            environment, words = (folder / "environ").read_bytes(), (folder / "cmdline").read_bytes()
            if any(item.startswith(wanted) for item in environment.split(b"\0")) and place in environment + words:
                found.append(words.decode())
    return found


def begun(yard: Yard, delivery: str, text: str) -> Any:
    """The run of that event, once its log holds ``text``."""
    for _ in range(1200):
        runs = yard.runner.runs()
        if runs and text in yard.runner.log(runs[0]["id"]):
            return runs[0]
        # Bounded: waits a little for the next lines of a log that another process writes.
        with pytest.raises(NotInTime):
            yard.runner.wait(delivery, timedelta(seconds=0.05))
    raise AssertionError([yard.runner.log(run["id"]) for run in runs])


def test_a_label_runs_the_wrapper_and_through_it_our_workflow_and_action(yard: Yard) -> None:
    shop = yard.shop
    number = shop.owner.issue(shop.name, "Greet")
    shop.triager.label(shop.name, number, "[ai-dev]")
    (run,) = yard.runner.wait_for("issues", "labeled", number, timedelta(seconds=60))
    log = yard.runner.log(run["id"])
    assert run["conclusion"] == "success", log
    assert set(run["jobs"].values()) == {"success"}
    assert "said=one\n" in log
    assert "two language=en kube=/etc/kube actor=tim repo=alice/shop" in log
    assert f"urls={shop.github.url}/api/v3 {shop.github.url}/api/graphql attempt=1 by=tim" in log
    assert "git=1" in log
    assert yard.bot.token not in log
    assert "## Done" in run["summary"]
    packed = re.search(r"\| packed=(\S+)=$", log, re.MULTILINE)
    assert packed
    with pytest.raises(Refused, match="Bad credentials"):
        Person(shop.github.url, "", base64.b64decode(packed[1]).decode()).rest("GET", f"/repos/{shop.name}")
    assert not list(Path(run["log"]).parent.glob("secrets.*"))
    assert run["annotations"][0]["message"] == "mind this"
    assert [item["body"] for item in shop.owner.comments(shop.name, number)] == ["hello from a step"]
    seen = shop.writer.rest("GET", f"/repos/{shop.name}/actions/runs/{run['id']}")
    assert (seen["status"], seen["conclusion"]) == ("completed", "success")


def test_another_label_runs_the_wrapper_whose_jobs_skip_themselves(yard: Yard) -> None:
    number = yard.shop.owner.issue(yard.shop.name, "Greet")
    yard.shop.triager.label(yard.shop.name, number, "bug")
    (run,) = yard.runner.wait_for("issues", "labeled", number, timedelta(seconds=60))
    assert run["conclusion"] == "skipped"
    assert yard.shop.owner.comments(yard.shop.name, number) == []
    assert yard.runner.wait_for("issues", "opened", number, timedelta(seconds=60)) == []


def test_a_cancelled_step_is_told_first_and_cleanup_runs(yard: Yard) -> None:
    shop = yard.shop
    number = shop.owner.issue(shop.name, "Wait")
    shop.writer.comment(shop.name, number, "go")
    delivery = yard.runner.delivery("issue_comment", "created", number)
    run = begun(yard, delivery, "| ready")
    yard.runner.cancel(run["id"])
    (run,) = yard.runner.wait(delivery, timedelta(seconds=30))
    log = yard.runner.log(run["id"])
    assert run["conclusion"] == "cancelled"
    assert all(word in log for word in ("told 2", "after-all", "cleaned")), log
    assert processes_of(yard, run["id"]) == []


def test_a_killed_run_leaves_no_process_and_no_cleanup(yard: Yard) -> None:
    shop = yard.shop
    number = shop.owner.issue(shop.name, "Wait")
    shop.writer.comment(shop.name, number, "go")
    delivery = yard.runner.delivery("issue_comment", "created", number)
    run = begun(yard, delivery, "| ready")
    assert processes_of(yard, run["id"]) != []
    yard.runner.kill(run["id"])
    (run,) = yard.runner.wait(delivery, timedelta(seconds=30))
    assert run["conclusion"] == "killed"
    assert processes_of(yard, run["id"]) == []
    assert "cleaned" not in yard.runner.log(run["id"])


def test_runs_of_different_issues_go_side_by_side_and_again(yard: Yard) -> None:
    shop = yard.shop
    numbers = [shop.owner.issue(shop.name, f"Greet {index}") for index in range(3)]
    for number in numbers:
        shop.triager.label(shop.name, number, "[ai-dev]")
    found = [yard.runner.wait_for("issues", "labeled", number, timedelta(seconds=90))[0] for number in numbers]
    assert [item["conclusion"] for item in found] == ["success"] * 3
    assert max(item["started"] for item in found) < min(item["started"] + item["seconds"] for item in found)
    (again,) = yard.runner.wait(yard.runner.rerun(found[0]["id"], "bob"), timedelta(seconds=60))
    assert (again["attempt"], again["conclusion"]) == (2, "success")
    assert "attempt=2 by=bob" in yard.runner.log(again["id"])


def test_a_review_runs_from_the_merge_commit_and_not_where_there_are_conflicts(yard: Yard) -> None:
    shop = yard.shop
    workflow = """
on: {pull_request_review: {types: [submitted]}}
jobs:
  show:
    runs-on: self-hosted
    steps:
      - uses: actions/checkout@v6
      - run: echo "ref=$GITHUB_REF state=${{ github.event.review.state }}"; cat greet.txt other.txt
"""
    shop.owner.push_files(shop.name, "main", {".github/workflows/review.yml": workflow}, "Review")
    shop.writer.push_files(shop.name, "topic", {"greet.txt": "Hallo\n"}, "German")
    number = shop.writer.open_pull(shop.name, "topic", "German")
    shop.owner.push_files(shop.name, "main", {"other.txt": "other\n"}, "Other")
    shop.owner.review(shop.name, number, "REQUEST_CHANGES", "Nearly")
    (run,) = yard.runner.wait_for("pull_request_review", "submitted", number, timedelta(seconds=60))
    log = yard.runner.log(run["id"])
    assert f"ref=refs/pull/{number}/merge state=changes_requested" in log, log
    assert "| Hallo" in log
    assert "| other" in log
    shop.owner.push_files(shop.name, "main", {"greet.txt": "Hola\n"}, "Conflict")
    shop.owner.review(shop.name, number, "REQUEST_CHANGES", "Again")
    assert yard.runner.wait_for("pull_request_review", "submitted", number, timedelta(seconds=60)) == []


def test_a_webhook_that_is_not_signed_starts_nothing(yard: Yard) -> None:
    yard.shop.github.hook(f"{yard.runner.url}/hook", "another")
    number = yard.shop.owner.issue(yard.shop.name, "Greet")
    yard.shop.triager.label(yard.shop.name, number, "[ai-dev]")
    with pytest.raises(NotInTime):
        yard.runner.wait_for("issues", "labeled", number, timedelta(seconds=1))
    assert yard.runner.runs() == []
