"""What people and programs are told about a wait."""

from __future__ import annotations

import io
import json
import logging
from datetime import timedelta

import pytest

from codexctl_ci.cli.logs import JsonFormatter
from codexctl_ci.readiness.outcome import EventLine, Failure, Snapshot, StatusRow, WaitResult, headline
from codexctl_ci.readiness.verdict import State, Verdict, failed, progressing, ready
from codexctl_ci.reporting import progress, status_table, wait_report
from codexctl_ci.reporting.foreign_text import cell, fenced, one_line
from codexctl_ci.stack.objects import Ref

API = Ref("apps/v1", "Deployment", "api", "ns")
DB = Ref("apps/v1", "StatefulSet", "db", "ns")
CRASH = failed("CrashLoopBackOff", "container app: ended with exit code 1 (Error), restarted 3 times")
FAILURE = Failure(
    API,
    CRASH,
    (EventLine("Warning", "BackOff", "Back-off restarting failed container", "Pod/api-1", 5),),
    ("starting", "::add-mask::x", "```", "KeyError: DATABASE_URL"),
    "Pod/api-1 in ns, container app (its previous run)",
)
RESULT = WaitResult({API: CRASH, DB: ready()}, timedelta(seconds=42), False, (FAILURE,))


def test_log_shows_object_reason_events_and_last_lines() -> None:
    text = "\n".join(wait_report.report_lines(RESULT))
    assert text == (
        "1 of 2 objects are not ready after 42s: waiting longer cannot help\n"
        "\n"
        "Deployment/api in ns\n"
        "  CrashLoopBackOff: container app: ended with exit code 1 (Error), restarted 3 times\n"
        "  event Warning BackOff Pod/api-1 (x5): Back-off restarting failed container\n"
        "  last lines of Pod/api-1 in ns, container app (its previous run):\n"
        "  | starting\n"
        "  | ::add-mask::x\n"
        "  | ```\n"
        "  | KeyError: DATABASE_URL"
    )


def test_summary_is_a_table_with_evidence_that_cannot_break_out() -> None:
    text = wait_report.markdown(RESULT)
    assert text.startswith("### Stack: not ready\n")
    assert "| Deployment/api in ns | CrashLoopBackOff |" in text
    assert "````text\nstarting\n::add-mask::x\n```\nKeyError: DATABASE_URL\n````" in text


def test_ready_stack_is_one_line() -> None:
    done = WaitResult({API: ready()}, timedelta(seconds=3))
    assert wait_report.report_lines(done) == ["all 1 objects are ready after 3.0s"]
    assert wait_report.markdown(done) == "### Stack\n\nall 1 objects are ready after 3.0s"


def test_timeout_says_so() -> None:
    slow = WaitResult(
        {API: progressing("Unready")}, timedelta(minutes=10), True, (Failure(API, progressing("Unready")),)
    )
    assert headline(slow) == "1 of 1 objects are not ready after 10m00s: time is over"
    assert wait_report.as_json(slow)["timedOut"] is True


def test_foreign_text_stays_text() -> None:
    assert one_line("a\n::error::b\x1b[31m\u202e ##[group]c") == "a ::error::b [31m ## [group]c"
    assert one_line("x" * 9, 5) == "xxxx…"
    assert cell("a|b <img> @you [x](y)") == r"a\|b \<img\> @" + "\u200b" + r"you \[x\](y)"
    assert fenced(["````", "x"]).startswith("`````text\n")


def snapshot(verdict: Verdict, *changed: Ref) -> Snapshot:
    return Snapshot({API: verdict, DB: ready()}, timedelta(seconds=12), timedelta(minutes=10), changed)


def test_actions_get_one_line_a_change_in_a_group() -> None:
    stream = io.StringIO()
    with progress.choose(stream, lambda text: text.replace("hunter2", "***"), in_actions=True, as_json=False) as tell:
        tell(snapshot(progressing("Unready", "hunter2\n::error::x"), API))
        tell(snapshot(progressing("Unready")))
        tell(snapshot(ready(), API))
    assert stream.getvalue().splitlines() == [
        "::group::Waiting until the stack is ready",
        "   12s      1/2  Deployment/api in ns  Unready: *** ::error::x",
        "   12s  still waiting for Deployment/api in ns; 9m48s left",
        "   12s      2/2  Deployment/api in ns  ready",
        "::endgroup::",
    ]


def test_group_is_closed_when_the_wait_breaks_off() -> None:
    stream = io.StringIO()
    with pytest.raises(KeyboardInterrupt), progress.GroupedProgress(stream, str):
        raise KeyboardInterrupt
    assert stream.getvalue().endswith("::endgroup::\n")


def test_json_events_carry_the_change(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.INFO, "codexctl_ci"),
        progress.choose(io.StringIO(), str, in_actions=True, as_json=True) as tell,
    ):
        tell(snapshot(CRASH, API))
    event = json.loads(JsonFormatter().format(caplog.records[0]))
    assert (event["event"], event["kind"], event["name"], event["state"]) == (
        "readiness",
        "Deployment",
        "api",
        "failed",
    )
    assert (event["reason"], event["ready"], event["total"], event["seconds"]) == ("CrashLoopBackOff", 1, 2, 12.0)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_terminal_gets_a_table_of_what_is_not_ready() -> None:
    stream = Terminal()
    with progress.choose(stream, str, in_actions=False, as_json=False) as tell:
        tell(snapshot(progressing("Unready", "[red]0 of 1[/red]"), API))
    text = stream.getvalue()
    assert "Deployment/api" in text and "[red]0 of 1" in text and "StatefulSet" not in text
    assert isinstance(progress.choose(io.StringIO(), str, in_actions=False, as_json=False), progress.LoggedProgress)


ROWS = [
    StatusRow(API, CRASH, timedelta(hours=2), ("r/api:1",)),
    StatusRow(DB, ready(), timedelta(days=3, hours=4), ("r/db:1", "r/side:1")),
    StatusRow(Ref("v1", "ConfigMap", "c", "ns"), Verdict(State.PROGRESSING, "Missing", "not on the cluster")),
]


def test_status_is_one_table() -> None:
    lines = status_table.as_table(ROWS).splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["OBJECT", "Deployment/api", "StatefulSet/db", "ConfigMap/c"]
    assert "CrashLoopBackOff" in lines[1] and lines[1].endswith("2h00m  r/api:1")
    assert lines[2].split()[3:] == ["yes", "3d04h", "r/db:1,", "r/side:1"]
    assert lines[-1] == "1 of 3 ready"


def test_status_for_programs() -> None:
    rows = json.loads(status_table.as_json(ROWS))
    assert rows[0]["state"] == "failed" and rows[0]["ageSeconds"] == 7200 and rows[2]["ageSeconds"] is None
