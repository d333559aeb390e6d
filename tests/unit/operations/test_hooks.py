"""Hooks: what runs, when, with what, and what a failure means. Scripts run in the real bash."""

from __future__ import annotations

import base64
import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from codexctl_ci import process
from codexctl_ci.errors import CodexctlError, ConfigError, NotReady
from codexctl_ci.operations.hook_actions import (
    TlsReuse,
    built_in_kind,
    secrets_action,
    tls_action,
    wait_action,
)
from codexctl_ci.operations.run_hooks import Action, HookFailed, Hooks, comment_action, sleep_action
from codexctl_ci.stack.objects import Manifest, Ref
from tests.support.memory_cluster import MemoryCluster
from tests.unit.operations.test_wait import deployment


@dataclass(frozen=True)
class Step:
    name: str = "step"
    run: str | None = None
    use: str | None = None
    with_: Mapping[str, str] = field(default_factory=dict)
    when: str | None = None
    continue_on_error: bool = False
    timeout: timedelta | None = None


def hooks(root: Path, actions: Mapping[str, Action] | None = None) -> Hooks:
    environ = {"PATH": os.environ["PATH"], "HOME": str(root), "GREETING": "hello"}
    return Hooks(process.run, root, environ, actions or {})


def test_script_runs_in_a_login_bash_at_the_root_with_the_environment_given(tmp_path: Path) -> None:
    (tmp_path / ".bash_profile").write_text("export FROM_PROFILE=yes\n")
    script = "echo $GREETING $FROM_PROFILE $PWD $0 > out; shopt -q login_shell && read line || echo end >> out"
    hooks(tmp_path).run("beforeAll", "", [Step(run=script)])
    assert (tmp_path / "out").read_text() == f"hello yes {tmp_path} bash\nend\n"


def test_script_is_not_among_the_arguments_of_any_process(tmp_path: Path) -> None:
    hooks(tmp_path).run("beforeAll", "", [Step(run="tr '\\0' ' ' < /proc/$$/cmdline > out # hunter2")])
    assert "hunter2" not in (tmp_path / "out").read_text()


def test_lines_are_logged_as_they_come_and_are_no_workflow_commands(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        hooks(tmp_path).run("afterApply", "service api", [Step("seed", run="echo '::error::x'; echo '##[group]y' >&2")])
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "hook service api afterApply seed"
    assert sorted(lines[1:]) == [
        "service api afterApply seed | ## [group]y",
        "service api afterApply seed | ::error::x",
    ]


def test_failed_script_names_the_hook_its_exit_code_and_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(HookFailed) as caught:
        hooks(tmp_path).run("beforeApply", "infra db", [Step("migrate", run="echo no such table; exit 3")])
    text = str(caught.value)
    assert "infra db beforeApply migrate" in text and "exit code 3" in text and "no such table" in text


def test_finished_steps_are_not_repeated_by_a_retry(tmp_path: Path) -> None:
    runner = hooks(tmp_path)
    steps = [Step(run="echo one >> out"), Step(run="test -e ready && echo two >> out")]
    with pytest.raises(HookFailed):
        runner.run("beforeAll", "", steps)
    (tmp_path / "ready").touch()
    runner.run("beforeAll", "", steps)
    runner.run("beforeAll", "", steps)
    assert (tmp_path / "out").read_text() == "one\ntwo\n"
    runner.run("afterAll", "", steps)
    assert (tmp_path / "out").read_text() == "one\ntwo\none\ntwo\n"


@pytest.mark.parametrize(
    ("when", "runs"), [(None, True), ("true", True), ("x", True), *((w, False) for w in ("", " ", "False", "0", "NO"))]
)
def test_when_gates_a_step(tmp_path: Path, when: str | None, runs: bool) -> None:
    hooks(tmp_path).run("beforeAll", "", [Step(run="touch out", when=when)])
    assert (tmp_path / "out").exists() is runs


def test_step_that_may_fail_is_a_warning_and_is_not_repeated(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    runner = hooks(tmp_path)
    for _ in range(2):
        runner.run("beforeAll", "", [Step(run="echo x >> out; false", continue_on_error=True), Step(run="touch then")])
    assert (tmp_path / "out").read_text() == "x\n" and (tmp_path / "then").exists()
    assert "going on" in caplog.text


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("bash -c 'echo $$ > child; sleep 60' & wait", id="in the background"),
        pytest.param("setsid bash -c 'echo $$ > child; sleep 60' & wait", id="in a session of its own"),
        pytest.param("(setsid bash -c 'echo $$ > child; sleep 60' &); sleep 60", id="without a parent"),
        pytest.param("setsid env -i bash -c 'echo $$ > child; /bin/sleep 60' & wait", id="without an environment"),
        pytest.param("(setsid bash -c 'trap : TERM; echo $$ > child; sleep 60; sleep 60' &); sleep 60", id="deaf"),
    ],
)
def test_timeout_ends_everything_that_a_script_started(tmp_path: Path, script: str) -> None:
    with pytest.raises(HookFailed, match="did not end within"):
        hooks(tmp_path).run("beforeAll", "", [Step(run=script, timeout=timedelta(seconds=1))])
    child = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
    # A zombie that nobody has collected yet is as dead as one that is gone.
    assert not child.exists() or child.read_text().rpartition(")")[2].split()[0] == "Z"


def test_unknown_action_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"kubectl\.apply") as caught:
        hooks(tmp_path, {"sleep": sleep_action(time.sleep)}).run("beforeAll", "", [Step(use="kubectl.apply")])
    assert "sleep" in str(caught.value)


def test_sleep_lasts_as_long_as_it_says(tmp_path: Path) -> None:
    slept: list[float] = []
    runner = hooks(tmp_path, {"sleep": sleep_action(slept.append)})
    runner.run(
        "a",
        "",
        [
            Step(use="sleep", with_={"duration": "1m30s"}),
            Step(use="sleep", with_={"duration": "1h"}, timeout=timedelta(seconds=5)),
        ],
    )
    assert slept == [90.0, 5.0]
    with pytest.raises(ConfigError):
        runner.run("b", "", [Step(use="sleep", with_={"duration": "soon"})])


@pytest.mark.parametrize(
    ("arguments", "number"),
    [({"body": "b"}, 7), ({"body": "b", "issue": "#12"}, 12), ({"body": "b", "pr": "13"}, 13)],
)
def test_comment_goes_to_the_number_given_or_to_the_runs_own(arguments: dict[str, str], number: int) -> None:
    posted: list[tuple[int, str]] = []
    comment_action(lambda n, body: posted.append((n, body)), 7, 0)(arguments, None)
    assert posted == [(number, "b")]


def test_comment_without_token_number_or_body_is_an_error() -> None:
    for action, arguments in (
        (comment_action(None, 7, 0), {"body": "b"}),
        (comment_action(print, 0, 0), {"body": "b"}),
        (comment_action(print, 7, 0), {"body": " "}),
    ):
        with pytest.raises(ConfigError):
            action(arguments, None)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("deployment", "Deployment"),
        ("Deploy", "Deployment"),
        ("jobs", "Job"),
        ("ingresses", "Ingress"),
        ("sts", "StatefulSet"),
        ("po", "Pod"),
    ],
)
def test_kinds_are_named_as_people_name_them(word: str, kind: str) -> None:
    found = built_in_kind(word)
    assert found is not None and found[1] == kind
    assert built_in_kind("certificate") is None


def test_wait_ends_when_the_condition_holds_also_of_an_object_that_comes_later() -> None:
    cluster = MemoryCluster()

    def come() -> None:
        cluster.watching.wait(10)
        cluster.put(deployment())
        cluster.put(deployment(ready=True))

    actor = threading.Thread(target=come)
    actor.start()
    wait_action(cluster, "ns")({"kind": "deployment", "name": "api"}, None)
    actor.join()
    assert ("watch", "Deployment ns metadata.name=api") in cluster.calls


def test_wait_for_deletion() -> None:
    cluster = MemoryCluster(deployment())
    wait_action(cluster, "ns")({"kind": "deploy", "name": "gone", "condition": "delete"}, None)


def test_wait_that_takes_too_long_is_not_ready() -> None:
    cluster = MemoryCluster(deployment())
    with pytest.raises(NotReady, match="Deployment/api in ns"):
        wait_action(cluster, "ns")({"kind": "deploy", "name": "api", "timeout": "50ms"}, None)


def test_wait_needs_a_kind_it_knows() -> None:
    with pytest.raises(ConfigError):
        wait_action(MemoryCluster(), "ns")({"kind": "certificate", "name": "x"}, None)
    cluster = MemoryCluster(
        {
            "apiVersion": "cert-manager.io/v1",
            "kind": "Certificate",
            "metadata": {"name": "x", "namespace": "other"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }
    )
    find = {"certificate": ("cert-manager.io/v1", "Certificate")}.get
    wait_action(cluster, "ns", find)(
        {"kind": "certificate", "name": "x", "namespace": "other", "condition": "ready"}, None
    )


def test_agents_secrets_are_made_where_there_is_a_value() -> None:
    cluster = MemoryCluster()
    secrets_action(cluster, "ns", {"OPENAI_API_KEY": "sk-1", "CONTEXT7_API_KEY": ""})({}, None)
    made = cluster.get(Ref("v1", "Secret", "openai-secret", "ns"))
    assert made is not None and base64.b64decode(made["data"]["OPENAI_API_KEY"]) == b"sk-1"
    assert cluster.get(Ref("v1", "Secret", "context7-secret", "ns")) is None


def tls(namespace: str, certificate: str = "Y2VydA==") -> Manifest:
    meta = {"name": "shop-dev-3-tls", "namespace": namespace}
    data = {"tls.crt": certificate, "tls.key": "a2V5"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "kubernetes.io/tls", "data": data}


PLACE = TlsReuse("shop", 3, "shop-dev-3", "shop-ai-staging")


@pytest.mark.parametrize(("source", "target"), [("shop-ai-staging", "shop-dev-3"), ("shop-dev-3", "shop-ai-staging")])
def test_certificate_is_copied_to_where_it_is_missing(source: str, target: str) -> None:
    cluster = MemoryCluster(tls(source))
    tls_action(cluster, PLACE)({}, None)
    copy = cluster.get(Ref("v1", "Secret", "shop-dev-3-tls", target))
    assert copy is not None and copy["data"] == tls(source)["data"] and copy["type"] == "kubernetes.io/tls"


def test_new_certificate_is_waited_for_and_kept() -> None:
    cluster = MemoryCluster()

    def issue() -> None:
        cluster.watching.wait(10)
        cluster.put(tls("shop-dev-3") | {"data": {"tls.key": "a2V5"}})
        cluster.put(tls("shop-dev-3"))

    actor = threading.Thread(target=issue)
    actor.start()
    tls_action(cluster, PLACE)({}, None)
    actor.join()
    assert cluster.get(Ref("v1", "Secret", "shop-dev-3-tls", "shop-ai-staging")) is not None


def test_certificate_that_cannot_be_kept_is_only_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    cluster = MemoryCluster()
    cluster.faults[("get", "Secret")] = [CodexctlError("no right")]
    tls_action(cluster, PLACE, timedelta(milliseconds=20))({}, None)
    tls_action(cluster, PLACE, timedelta(milliseconds=20))({}, None)
    assert "could not be kept" in caplog.text and "did not come" in caplog.text


def test_outside_slots_no_certificate_is_touched() -> None:
    cluster = MemoryCluster(tls("shop-ai-staging"))
    tls_action(cluster, TlsReuse("shop", 0, "shop-dev", "shop-ai-staging"))({}, None)
    assert not cluster.calls
