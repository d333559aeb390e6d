"""From a slot's tree to a pull request: real git and the imitation of GitHub's API."""

from __future__ import annotations

from dataclasses import replace

import pytest

from codexctl_ci.errors import ApiError, CodexctlError, SlotMoved
from codexctl_ci.github.tracking import Tracker
from tests.support.github_imitation import imitation, shop
from tests.support.publishing_scene import Desktop, bodies, desktop

__all__ = ["desktop", "imitation", "shop"]


def test_change_becomes_a_pull_request_that_closes_the_issue(desktop: Desktop) -> None:
    desktop.tree.write("greet.txt", "Hello\nSalut\n")
    done = desktop.publish()
    (pull,) = desktop.shop.writer.pulls(desktop.shop.name)
    assert (pull["head"]["ref"], pull["base"]["ref"], pull["user"]["login"]) == (desktop.branch, "main", "bob")
    assert pull["head"]["sha"] == done.commit and pull["body"].strip().endswith(f"Closes #{desktop.issue}")
    assert done.pull is not None and done.opened and done.files == ("greet.txt",)
    assert bodies(desktop) == [f"<!-- codexctl-ci: env -->\nchanged {done.commit}\n"]
    assert desktop.record.pr == pull["number"] and not desktop.record.unpublished and desktop.record.lock is None


@pytest.mark.parametrize("supported", [True, False])
def test_change_whose_checks_failed_becomes_a_draft_where_there_are_drafts(desktop: Desktop, supported: bool) -> None:
    desktop.tree.write("greet.txt", "Salut\n")
    if not supported:
        desktop.shop.github.fault("status", method="POST", path=".*/pulls", status=422)
    desktop.checks_failed = True
    done = desktop.publish()
    (pull,) = desktop.shop.writer.pulls(desktop.shop.name)
    assert done.pull is not None and done.pull.draft is pull["draft"] is supported


def test_open_pull_request_becomes_a_draft_when_later_checks_fail(desktop: Desktop) -> None:
    desktop.tree.write("greet.txt", "Hello\nSalut\n")
    assert desktop.publish().pull == replace(desktop.only_pull(), draft=False)
    desktop.agent_ran()
    desktop.tree.write("greet.txt", "Salut\n")
    desktop.checks_failed = True
    done = desktop.publish()
    assert done.pull is not None and done.pull.draft and not done.opened and desktop.only_pull().draft


def test_draft_that_the_server_refuses_keeps_no_change_back(desktop: Desktop, caplog: pytest.LogCaptureFixture) -> None:
    desktop.tree.write("greet.txt", "Hello\nSalut\n")
    desktop.publish()
    desktop.agent_ran()
    desktop.tree.write("greet.txt", "Salut\n")
    desktop.checks_failed = True
    desktop.shop.github.fault("status", method="POST", path=".*/graphql", status=403)
    done = desktop.publish()
    assert done.commit and done.pull is not None and not done.pull.draft
    assert "cannot be made a draft" in caplog.text


def test_second_round_adds_a_commit_to_the_same_pull_request(desktop: Desktop) -> None:
    desktop.tree.write("greet.txt", "Hello\nSalut\n")
    first = desktop.publish()
    desktop.agent_ran()
    desktop.tree.write("greet.txt", "Salut\n")
    second = desktop.publish()
    assert second.pull is not None and first.pull is not None and second.pull.number == first.pull.number
    assert not second.opened and second.commit != first.commit
    assert len(bodies(desktop)) == 1


def test_step_that_died_after_its_push_is_finished_by_the_next(desktop: Desktop) -> None:
    desktop.tree.write("greet.txt", "Hello\nSalut\n")
    desktop.shop.github.fault("status", method="POST", path=".*/pulls", status=502)
    with pytest.raises(ApiError):
        desktop.publish()
    assert desktop.tree.files == () and desktop.record.unpublished
    done = desktop.publish()
    (pull,) = desktop.shop.writer.pulls(desktop.shop.name)
    assert done.conclusion == "changed" and done.commit == pull["head"]["sha"]
    assert not desktop.record.unpublished and len(bodies(desktop)) == 1


def test_no_change_opens_nothing_and_keeps_what_is_open(desktop: Desktop) -> None:
    assert desktop.publish("no_change").conclusion == "no_change"
    assert desktop.shop.writer.pulls(desktop.shop.name) == [] and not desktop.record.unpublished
    desktop.tree.write("greet.txt", "Salut\n")
    opened = desktop.publish().pull
    desktop.agent_ran()
    assert desktop.publish("no_change").pull == opened
    assert bodies(desktop) == ["<!-- codexctl-ci: env -->\nno_change\n"]


def test_change_that_is_not_in_the_sources_is_an_error_and_stays_unpublished(desktop: Desktop) -> None:
    with pytest.raises(CodexctlError, match="as they were"):
        desktop.publish()
    assert list(desktop.shop.writer.branches(desktop.shop.name)) == ["main"] and desktop.record.unpublished


def test_blocked_change_is_told_and_kept(desktop: Desktop) -> None:
    desktop.tree.write(".github/workflows/x.yml", "on: push\n")
    desktop.tree.write("a.txt", "key = sk-proj-abcdefghijklmnopqrstuv\n")
    done = desktop.publish()
    assert done.conclusion == "blocked" and done.commit == ""
    (text,) = bodies(desktop)
    assert "protected: .github/workflows/x.yml" in text and "guardrails.allowProtected" in text
    assert "secret: a.txt:1" in text and "sk-proj" not in text
    assert desktop.record.unpublished and list(desktop.shop.writer.branches(desktop.shop.name)) == ["main"]


@pytest.mark.parametrize("conclusion", ["agent_error", "timeout", "infra_error", "blocked", "", "nonsense"])
def test_run_that_ended_badly_publishes_nothing(desktop: Desktop, conclusion: str) -> None:
    desktop.tree.write("greet.txt", "Salut\n")
    with pytest.raises(Exception, match=r"nothing is published|how did|no conclusion"):
        desktop.publish(conclusion)
    assert bodies(desktop) == [] and desktop.record.unpublished


def test_slot_that_moved_on_is_not_touched(desktop: Desktop) -> None:
    desktop.tree.write("greet.txt", "Salut\n")
    places = desktop.places()
    desktop.store.update(1, lambda record: replace(record, epoch=record.epoch + 1))
    with pytest.raises(SlotMoved):
        desktop.publish(places=places)
    assert list(desktop.shop.writer.branches(desktop.shop.name)) == ["main"]


def test_states_of_issues_and_pull_requests(desktop: Desktop) -> None:
    shop, tracker = desktop.shop, Tracker(desktop.github)
    assert [tracker.issue_state(n) for n in (desktop.issue, 999)] == ["open", "missing"]
    shop.writer.push_files(shop.name, "x", {"a.txt": "x\n"}, "Change")
    number = shop.writer.open_pull(shop.name, "x", "X")
    assert [tracker.pull_state(n) for n in (number, 999)] == ["open", "missing"]
    shop.writer.merge(shop.name, number)
    shop.writer.close(shop.name, desktop.issue)
    assert tracker.pull_state(number) == tracker.issue_state(desktop.issue) == "closed"
    tracker.comment(desktop.issue, "gc", "soon")
    tracker.comment(desktop.issue, "gc", "sooner")
    assert bodies(desktop) == ["<!-- codexctl-ci: gc -->\nsooner\n"]
