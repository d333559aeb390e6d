"""What the doctor says of projects, clusters and its own patience."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
import yaml

from codexctl_ci.errors import CodexctlError
from codexctl_ci.operations import doctor_agent, doctor_cluster, doctor_github, doctor_project, doctor_stack
from codexctl_ci.operations.doctor import Check, Finding, Level, examine, failed
from codexctl_ci.operations.doctor_cluster import Stack
from codexctl_ci.operations.doctor_project import WORKFLOWS
from codexctl_ci.operations.preflight import Right
from codexctl_ci.operations.rbac_text import rbac_yaml
from codexctl_ci.operations.slot_access import ROLE
from codexctl_ci.reporting import doctor_table
from tests.support.memory_cluster import MemoryCluster

OURS = "codexctl-ci/codexctl-ci"


def levels(findings: Iterable[Finding]) -> dict[str, Level]:
    return {finding.what: finding.level for finding in findings}


def wrapper(name: str, owner: str = OURS, ref: str = "v1") -> str:
    return f"jobs:\n  x:\n    uses: {owner}/.github/workflows/{name}.yml@{ref}\n"


def test_findings_keep_their_order_and_one_that_hangs_keeps_nobody() -> None:
    never = threading.Event()

    def hang() -> list[Finding]:
        never.wait()
        return []

    def fail() -> list[Finding]:
        raise CodexctlError("it is away", reason="gone", hint="fetch it")

    def well() -> list[Finding]:
        return [Finding("here", "c", Level.OK, "fine")]

    checks = [Check("here", "a", hang), Check("here", "b", fail), Check("here", "c", well)]
    found = examine(checks, timedelta(milliseconds=200))
    never.set()
    assert [(f.what, f.level) for f in found] == [("a", Level.WARN), ("b", Level.FAIL), ("c", Level.OK)]
    assert found[1].words == "it is away: gone" and found[1].advice == "fetch it"
    assert failed(found) and not failed(found[2:])


def test_all_workflows_called_at_a_release_are_well() -> None:
    files = {f"{name}.yml": wrapper(name) for name in WORKFLOWS}
    (found,) = doctor_project.wrappers(files, OURS)
    assert found.level is Level.OK and "at v1" in found.words


@pytest.mark.parametrize(
    ("change", "level", "words"),
    [
        ({"ai_cleanup.yml": ""}, Level.WARN, "no workflow of yours calls ai_cleanup"),
        ({"ai_cleanup.yml": wrapper("ai_cleanup", "acme/old-tool")}, Level.WARN, "ai_cleanup.yml: acme/old-tool"),
        ({"ai_cleanup.yml": wrapper("ai_cleanup", ref="main")}, Level.WARN, "at main, which moves"),
        (dict.fromkeys((f"{name}.yml" for name in WORKFLOWS), ""), Level.FAIL, "no workflow of yours calls"),
    ],
)
def test_what_is_wrong_with_wrappers(change: dict[str, str], level: Level, words: str) -> None:
    files = {f"{name}.yml": wrapper(name) for name in WORKFLOWS} | change
    (found,) = doctor_project.wrappers(files, OURS)
    assert found.level is level and words in found.words and found.advice


def test_variables_without_value_and_default_are_named() -> None:
    texts = ["a: {{ envOr \"BARE\" \"\" }} {{ envOr 'WITH' 'x' }}", "b: {{ .EnvMap.MAPPED }} {{ env_or('SET', '') }}"]
    (found,) = doctor_project.variables(texts, {"SET": "1"}, known=["ELSEWHERE"])
    assert found.level is Level.WARN and "BARE, MAPPED" in found.words and "WITH" not in found.words
    (found,) = doctor_project.variables(texts, {"SET": "1", "BARE": "1"}, known=["MAPPED"])
    assert found.level is Level.OK and "WITH" in found.words


def pod(**container: Any) -> dict[str, Any]:
    spec = {"template": {"spec": {"containers": [{"name": "codex", **container}]}}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "codex"}, "spec": spec}


@pytest.mark.parametrize(
    ("manifest", "level"),
    [
        (pod(), Level.OK),
        (pod(env=[{"name": "OTHER", "value": "x"}]), Level.OK),
        (pod(env=[{"name": "OPENAI_API_KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]), Level.WARN),
        (pod(envFrom=[{"secretRef": {"name": "openai-secret"}}]), Level.WARN),
        ({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"OPENAI_API_KEY": "eA=="}}, "warn"),
    ],
)
def test_key_of_the_model_in_a_pod_is_told(manifest: dict[str, Any], level: Level) -> None:
    (found,) = doctor_project.model_key([manifest])
    assert found.level == level


def claim(name: str, storage_class: str = "") -> dict[str, Any]:
    spec = {"storageClassName": storage_class} if storage_class else {}
    meta = {"name": name, "namespace": "shop-dev-1"}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}


def storage_class(name: str, *, default: bool = False) -> dict[str, Any]:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    meta = {"name": name, "annotations": annotations}
    return {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": meta}


@pytest.mark.parametrize(
    ("wanted", "there", "level"),
    [
        ("fast", storage_class("fast"), Level.OK),
        ("fast", storage_class("slow", default=True), Level.FAIL),
        ("", storage_class("slow", default=True), Level.OK),
        ("", storage_class("slow"), Level.FAIL),
    ],
)
def test_storage_that_claims_ask_for(wanted: str, there: dict[str, Any], level: Level) -> None:
    stack = Stack("ai", "shop-dev-1", [claim("shop-workspace", wanted)], slot=True)
    (found,) = doctor_stack.storage(MemoryCluster(there), [stack])
    assert found.level is level


def test_workspace_is_made_by_the_stack_or_there() -> None:
    cluster = MemoryCluster()
    slot = Stack("ai", "shop-dev-1", [claim("shop-workspace")], slot=True)
    staging = Stack("ai-staging", "shop-ai-staging", [])
    found = levels(doctor_stack.workspace(cluster, [slot, staging], "shop-workspace"))
    assert found == {"workspace of ai": Level.OK, "workspace of ai-staging": Level.FAIL}
    there = claim("shop-workspace")
    there["metadata"]["namespace"] = "shop-ai-staging"
    cluster.put(there)
    found = levels(doctor_stack.workspace(cluster, [slot, staging], "shop-workspace"))
    assert found["workspace of ai-staging"] is Level.OK


def test_missing_rights_are_listed_and_only_those_outside_of_slots_count() -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": ROLE}}
    cluster = MemoryCluster(role)
    stacks = [Stack("ai", "shop-dev-1", [claim("x")], slot=True)]

    def look() -> dict[str, Finding]:
        return {f.what: f for f in doctor_cluster.rights(cluster, "shop", stacks, "shop-ai-staging", go_records=True)}

    assert {f.level for f in look().values()} == {Level.OK}
    cluster.denied = {("create", "PersistentVolumeClaim")}
    assert look()["rights"].level is Level.OK, "a slot's own account works there"
    cluster.denied = {("create", "ServiceAccount/token"), ("bind", "ClusterRole")}
    found = look()
    assert found["rights"].level is Level.FAIL and "create ServiceAccount/token" in found["rights"].words
    role, binding = yaml.safe_load_all(found["rights"].paste)
    assert role["kind"] == "ClusterRole" and binding["roleRef"]["name"] == role["metadata"]["name"]
    assert role["rules"] == [{"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]}]
    assert [subject["kind"] for subject in binding["subjects"]] == ["ServiceAccount"]
    assert found["slots' role"].level is Level.FAIL
    assert "codexctl-slot" not in levels(doctor_cluster.rights(MemoryCluster(), "shop", stacks, "s", go_records=False))


def test_what_is_pasted_later_takes_nothing_away_from_what_was_pasted_before() -> None:
    def names(user: str, *verbs: str) -> set[str]:
        text = rbac_yaml([Right(verb, "v1", "Pod", "shop") for verb in verbs], user, absent=["shop"])
        namespace, *rest = yaml.safe_load_all(text)
        assert (namespace["kind"], namespace["metadata"]) == ("Namespace", {"name": "shop"})
        return {item["metadata"]["name"] for item in rest}

    assert names("ann", "get") == names("ann", "get")
    sets = [names("ann", "get"), names("ann", "list"), names("bob", "get")]
    assert len(set.union(*sets)) == 3


@pytest.mark.parametrize(
    ("refuses", "level"),
    [
        (lambda name: not name.startswith("shop-"), Level.OK),
        (lambda name: False, Level.WARN),
        (lambda name: True, Level.FAIL),
    ],
)
def test_admission_policy_is_tried_out(refuses: Any, level: Level) -> None:
    cluster = MemoryCluster()
    cluster.refused_namespaces = refuses
    (found,) = doctor_cluster.admission(cluster, "shop", "shop-dev-1")
    assert found.level is level and not cluster.list("v1", "Namespace").items


def test_scale_sets_tell_how_many_runners_there_can_be() -> None:
    cluster = MemoryCluster()
    assert doctor_cluster.scale_sets(cluster) is None
    for number in (3, 4):
        meta = {"name": f"set-{number}", "namespace": "arc"}
        kind = {"apiVersion": "actions.github.com/v1alpha1", "kind": "AutoscalingRunnerSet"}
        cluster.put({**kind, "metadata": meta, "spec": {"maxRunners": number}})
    assert doctor_cluster.scale_sets(cluster) == {"set-3": 3, "set-4": 4}
    cluster.unknown_kinds = {"AutoscalingRunnerSet"}
    assert doctor_cluster.scale_sets(cluster) is None


def test_table_says_what_to_do_below_what_is_missing() -> None:
    rows = [
        Finding("here", "git", Level.OK, "2.39"),
        Finding("github", "token", Level.FAIL, "bob may\nonly read", "invite him"),
    ]
    assert doctor_table.as_table(rows).splitlines() == [
        "ok    here    git    2.39",
        "FAIL  github  token  bob may",
        "                     only read",
        "                     -> invite him",
        "1 well, 0 to know, 1 missing, 0 not visible",
    ]
    assert json.loads(doctor_table.as_json(rows))[1]["level"] == "fail"
    assert "| FAIL | github: token | bob may<br>only read | invite him |" in doctor_table.as_markdown(rows)


def test_rights_that_are_missing_can_be_pasted() -> None:
    row = Finding("cluster", "rights", Level.FAIL, "1 is missing", "paste", "kind: Role\n")
    assert "kind: Role" in doctor_table.as_table([row]).splitlines()
    assert "```yaml\nkind: Role\n```" in doctor_table.as_markdown([row])
    assert json.loads(doctor_table.as_json([row]))[0]["paste"] == "kind: Role\n"


def ingress(class_name: str = "") -> dict[str, Any]:
    spec = {"ingressClassName": class_name} if class_name else {}
    meta = {"name": "web", "namespace": "shop-dev-1"}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta, "spec": spec}


@pytest.mark.parametrize(
    ("asked", "level"),
    [([], Level.OK), ([ingress("nginx")], Level.OK), ([ingress("traefik")], Level.FAIL), ([ingress()], Level.WARN)],
)
def test_ingresses_need_somebody_who_serves_them(asked: list[dict[str, Any]], level: Level) -> None:
    there = {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "nginx"}}
    (found,) = doctor_stack.ingress(MemoryCluster(there), [Stack("ai", "shop-dev-1", asked, slot=True)])
    assert found.level is level


class Runners:
    """A repository with one runner online and one that is not."""

    def runners(self) -> list[tuple[bool, frozenset[str]]]:
        return [(True, frozenset({"self-hosted", "AI"})), (False, frozenset({"self-hosted", "ai-staging"}))]


def test_jobs_that_no_runner_takes_are_named() -> None:
    files = {"a.yml": wrapper("ai_dev_issue"), "b.yml": wrapper("ai_staging_deploy")}
    files["c.yml"] = wrapper("ai_plan_issue") + "    with:\n      runs-on: pantry-ai\n"
    files["d.yml"] = wrapper("ai_repair_issue") + '    with: {runs-on: \'["big", "x"]\'} # big\n'
    files["e.yml"] = wrapper("ai_repair_pr_review") + "    with: {runs-on: '${{ vars.RUNNER }}'}\n"
    files["f.yml"] = "jobs: [}\n" + wrapper("ai_plan_review")
    wanted = doctor_project.wanted_runners(files)
    assert wanted == {
        frozenset({"self-hosted", "ai"}),
        frozenset({"self-hosted", "ai-staging"}),
        frozenset({"pantry-ai"}),
        frozenset({"big", "x"}),
    }
    # A clean-up has a job of each kind: the one that nobody named is left to its labels.
    both = wrapper("ai_cleanup") + "    with: {runs-on: pantry-ai, runs-on-staging: pantry-ai-staging}\n"
    assert doctor_project.wanted_runners({"a.yml": both}) == {
        frozenset({"pantry-ai"}),
        frozenset({"pantry-ai-staging"}),
    }
    half = wrapper("ai_cleanup") + "    with: {runs-on: pantry-ai}\n"
    assert frozenset({"self-hosted", "ai-staging"}) in doctor_project.wanted_runners({"a.yml": half})
    (found,) = doctor_github.labels(Runners(), wanted, lambda: {"pantry-ai": 3})  # type: ignore[arg-type]
    assert found.level is Level.WARN and found.words.endswith("for ai-staging, self-hosted; big, x")


def test_variable_that_nothing_reads_is_named_with_its_neighbour() -> None:
    (found,) = doctor_github.variables(["CODEXCTL_MODLE", "OTHERS"], {"CODEXCTL_MODEL"})
    assert found.level is Level.WARN and "did you mean CODEXCTL_MODEL?" in found.words and "OTHERS" not in found.words
    (found,) = doctor_github.variables(["CODEXCTL_MODEL"], {"CODEXCTL_MODEL"})
    assert found.level is Level.OK


def agents_stack(image: str) -> Stack:
    pod = {"spec": {"containers": [{"name": "codex", "image": image}]}}
    meta = {"name": "codex", "namespace": "shop-dev-1"}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"template": pod}}
    return Stack("ai", "shop-dev-1", [deployment], slot=True)


@pytest.mark.parametrize(
    ("image", "there", "level"),
    [("r/codex:1", False, Level.WARN), ("elsewhere/codex:1", False, Level.FAIL), ("r/codex:1", True, Level.SKIP)],
)
def test_agents_image_is_asked_for(image: str, there: bool, level: Level) -> None:
    cluster = MemoryCluster()
    (found,) = doctor_agent.image([agents_stack(image)], "shop", cluster, lambda name: there, own="r")
    assert found.level is level and image in found.words


def test_stack_without_a_place_for_the_agent_is_told() -> None:
    (found,) = doctor_agent.image([Stack("ai", "n", [], slot=True)], "shop", MemoryCluster(), lambda name: True, own="")
    assert found.level is Level.FAIL and "no Deployment codex" in found.words


def test_clocks_that_are_apart_are_told() -> None:
    cluster = MemoryCluster()
    (well,) = doctor_cluster.clock(cluster, cluster.now)
    (late,) = doctor_cluster.clock(cluster, lambda: cluster.now() - timedelta(minutes=5))
    assert (well.level, late.level) == (Level.OK, Level.WARN) and "300 s apart" in late.words
