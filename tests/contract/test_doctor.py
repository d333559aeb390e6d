"""The doctor on a real cluster, as the account that ships for runners and as one that may do nothing."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

from codexctl_ci.cli.main import main
from sandbox.demo.look import until
from sandbox.github.client import GitHub
from sandbox.state import State
from tests.support.cluster import fresh_namespace, kubeconfig_of_account, new_name
from tests.support.kubectl import Kubectl

pytestmark = pytest.mark.sandbox

ROOT = Path(__file__).parents[2]


def look(
    state: State, folder: Path, kubeconfig: Path, capsys: pytest.CaptureFixture[str], called: str = "pantry"
) -> tuple[int, dict[str, dict[str, str]]]:
    """Exit code and findings by area and name, in a copy of the example with a repository of its own.

    ``called`` is the project's name.
    """
    project = folder / "project"
    shutil.copytree(ROOT / "examples" / "project-example", project, dirs_exist_ok=True)
    services = project / "services.yaml"
    services.write_text(services.read_text().replace("project: pantry\n", f"project: {called}\n"))
    github = GitHub.from_state(state.github_state)
    name = new_name("pantry")
    owner = github.person("olga")
    repository = github.repository("olga", name)
    secrets = {"CODEXCTL_GH_PAT": "x", "OPENAI_API_KEY": "y"}
    github.settings(repository, secrets=secrets, variables={"CODEXCTL_STORAGE_CLASS_WORKSPACE": "standard"})
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": f"{state.github}/api/v3",
        "GITHUB_REPOSITORY": repository,
        "CODEXCTL_GH_PAT": owner.token,
        "CODEXCTL_KUBECONFIG": str(kubeconfig),
        "CODEXCTL_CONFIG": str(project / "services.yaml"),
        "CODEXCTL_REGISTRY_HOST": state.registry,
        "CODEXCTL_KANIKO_INSECURE": "true",
        "CODEXCTL_KANIKO_EXECUTOR": str(state.kaniko_executor),
    }
    code = main(["doctor", "-o", "json"], environ)
    found = json.loads(capsys.readouterr().out)
    return code, {f"{row['area']}: {row['what']}": row for row in found}


def test_runner_that_was_set_up_as_described_lacks_nothing(
    sandbox: State, admin: Kubectl, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for document in yaml.safe_load_all((ROOT / "examples/cluster/runner.yaml").read_text()):
        place = admin.within(document["metadata"].get("namespace", "default"))
        place("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=yaml.safe_dump(document))
    runners = admin.within("pantry-runners")
    kubeconfig = kubeconfig_of_account(sandbox, runners, "pantry-runner", tmp_path / "kubeconfig")
    # The API server heeds a new policy a moment after it was made.
    probe = ("create", "namespace", "not-pantry-probe", "--dry-run=server")
    until(lambda: Kubectl(kubeconfig).attempt(*probe).returncode != 0, "the admission policy is heeded")
    code, found = look(sandbox, tmp_path, kubeconfig, capsys)
    levels = {name: row["level"] for name, row in found.items()}
    assert (code, [name for name, level in levels.items() if level == "fail"]) == (0, []), found
    for name in ("version", "rights", "slots' role", "admission policy", "storage", "workspace of ai"):
        assert levels[f"cluster: {name}"] == "ok", found[f"cluster: {name}"]
    assert levels["images: registry"] == levels["images: Kaniko"] == levels["github: token"] == "ok"
    assert levels["project: workflows"] == levels["project: model's key"] == "ok"
    assert levels["github: runners"] == levels["github: environment"] == "warn"


def test_account_without_rights_is_told_which_it_needs(
    sandbox: State, admin: Kubectl, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with fresh_namespace(admin) as namespace:
        kubeconfig = kubeconfig_of_account(sandbox, admin.within(namespace), "default", tmp_path / "kubeconfig")
        code, found = look(sandbox, tmp_path, kubeconfig, capsys)
    assert code == 1 and found["cluster: rights"]["level"] == "fail"
    assert "create Namespace cluster-wide" in found["cluster: rights"]["words"]
    assert "runner.yaml" in found["cluster: rights"]["advice"]


def test_pasting_what_is_printed_gives_the_missing_rights(
    sandbox: State, admin: Kubectl, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = new_name("pasted")
    with fresh_namespace(admin) as namespace:
        kubeconfig = kubeconfig_of_account(sandbox, admin.within(namespace), "default", tmp_path / "kubeconfig")
        code, found = look(sandbox, tmp_path, kubeconfig, capsys, name)
        assert code == 1 and found["cluster: rights"]["level"] == found["cluster: slots' role"]["level"] == "fail"
        pasted = [row["paste"] for row in found.values() if row["paste"]]
        made = [item for text in pasted for item in yaml.safe_load_all(text) if item]
        try:
            for item in made:
                admin.within(item["metadata"].get("namespace", "default")).apply(item)

            def answered() -> bool:
                _, found = look(sandbox, tmp_path, kubeconfig, capsys, name)
                return {found["cluster: rights"]["level"], found["cluster: slots' role"]["level"]} == {"ok"}

            until(answered, "the rights are in force")
            account = Kubectl(kubeconfig, f"{name}-ai-staging")
            account("create", "configmap", "mine")
            account("create", "namespace", f"{name}-dev-1", "--dry-run=server")
            assert account.attempt("get", "secrets", "--all-namespaces").returncode != 0
        finally:
            for item in made:
                kind, its = item["kind"], item["metadata"]
                admin.within(its.get("namespace", "default"))(
                    "delete", kind, its["name"], "--wait=false", "--ignore-not-found"
                )
