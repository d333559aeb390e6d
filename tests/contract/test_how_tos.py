"""What docs/how-to.md shows does what the page says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from codexctl_ci.cli.main import main
from codexctl_ci.cli.wiring.publishing import policy_of
from codexctl_ci.guardrails.patch import judge_change
from codexctl_ci.guardrails.policy import FileChange
from codexctl_ci.stack.rendering import render
from codexctl_ci.stack.variables import Inputs
from tests.support.github_imitation import Shop
from tests.support.pages import ROOT, blocks
from tests.support.projects import load, write_files

PAGE = ROOT / "docs/how-to.md"


def block(language: str, word: str) -> str:
    (found,) = [each.text for each in blocks(PAGE, language) if word in each.text]
    return found


@pytest.mark.parametrize("template", ["", "prompts/agent.md.j2"])
@pytest.mark.parametrize("kind", ["plan_issue", "dev_issue"])
def test_agent_is_told_what_the_project_says(
    shop: Shop,
    tmp_path: Path,
    kind: str,
    template: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_files(
        tmp_path,
        {
            "services.yaml": "project: shop\n" + block("yaml", "projectContext"),
            "prompts/agent.md.j2": block("jinja", "issue_comments"),
        },
    )
    number = shop.writer.issue(shop.name, "Greet", "Say hello")
    environ = {
        "CODEXCTL_GH_PAT": shop.owner.token,
        "GITHUB_REPOSITORY": shop.name,
        # As on a server of one's own: the path is that of GitHub Enterprise.
        "GITHUB_API_URL": f"{shop.github.url}/api/v3",
        "CODEXCTL_KIND": kind,
        "CODEXCTL_SLOT": "3",
        "CODEXCTL_REPOSITORY_VARIABLES": json.dumps({"CODEXCTL_TEMPLATE": template}),
    }
    assert main(["prompt", "render", "--issue", str(number)], environ) == 0
    said = capsys.readouterr().out
    assert "shop-dev-3" in said and "Write a line for CHANGELOG.md" in said and "Say hello" in said
    assert said.lstrip().startswith("You work on shop; its stack runs in shop-dev-3.") == bool(template)
    if template:
        assert ("answer with a plan" in said) == (kind == "plan_issue")
        assert re.search(r"^bob: <<<DATA ", said, re.MULTILINE)


def typed(line: str, environ: dict[str, str]) -> int:
    """The exit code of a command line of ours, with the variables that stand before it."""
    words = shlex.split(line)
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        environ = environ | {name: value}
    assert words[0] == "codexctl-ci"
    return main(words[1:], environ)


def test_commands_of_the_page_do_what_they_are_for(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {"services.yaml": "project: shop\n", "prompts/agent.md.j2": block("jinja", "issue_comments")}
    write_files(tmp_path, files)
    number = shop.writer.issue(shop.name, "Greet", "Say hello")
    own = {"CODEXCTL_GH_PAT": shop.owner.token, "GITHUB_REPOSITORY": shop.name, "HOME": str(tmp_path)}
    look = block("sh", "prompt render").replace("--issue 7", f"--issue {number}")
    assert typed(look, own | {"GITHUB_API_URL": f"{shop.github.url}/api/v3"}) == 0
    assert "answer with a plan" in capsys.readouterr().out
    # No cluster is in sight, so the doctor is not content, but it has found GitHub.
    assert typed(block("sh", "doctor").replace("https://github.shop.example", shop.github.url), own) == 1
    assert re.search(r"^ok +github +token +alice", capsys.readouterr().out, re.MULTILINE)


def test_guardrails_refuse_what_they_say(tmp_path: Path) -> None:
    policy = policy_of(load(tmp_path, "project: shop\n" + block("yaml", "guardrails:")), ())
    good = FileChange("src/app.py", "file", b"x\n")

    def rules(change: FileChange, message: str = "fix: greet") -> list[str]:
        return [violation.rule for violation in judge_change([change], policy, message)]

    assert rules(good) == []
    assert rules(FileChange("README.md", "file", b"x\n")) == ["allowed"]
    assert rules(FileChange("src/billing/sum.py", "file", b"x\n")) == ["protected"]
    assert rules(good, "Greet") == ["commit-message"]


@pytest.mark.parametrize("login", ["", '{"auths":{"registry.shop.example":{"auth":"dTpw"}}}'])
def test_login_for_the_registry_comes_first_into_a_slot(tmp_path: Path, login: str) -> None:
    manifest = block("yaml", "kind: Secret")
    secrets = {"REGISTRY_LOGIN": login} if login else {}
    project = load(
        write_files(tmp_path, {"deploy/registry-login.yaml": manifest}),
        "project: shop\n" + block("yaml", "slotBootstrapInfra"),
        env="ai",
        slot=1,
        inputs=Inputs(secrets=secrets),
    )
    assert project.environment.slot_bootstrap_infra == ("registry-login",)
    secret, account = render(project).manifests
    held = json.loads(secret["stringData"][".dockerconfigjson"])
    assert held == (json.loads(login) if login else {})
    assert account["imagePullSecrets"] == [{"name": secret["metadata"]["name"]}]


def test_each_environment_has_its_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    services = tmp_path / "services.yaml"
    services.write_text("project: shop\n" + block("yaml", "SHOP_AGENTS_KUBECONFIG"))
    ports = {"agents": 1, "staging": 2, "own": 3}
    for name, port in ports.items():
        (tmp_path / name).write_text(yaml.safe_dump(kubeconfig(f"http://127.0.0.1:{port}")))
    environ = {
        "HOME": str(tmp_path),
        "SHOP_AGENTS_KUBECONFIG": str(tmp_path / "agents"),
        "SHOP_STAGING_KUBECONFIG": str(tmp_path / "staging"),
        "KUBECONFIG": str(tmp_path / "own"),
        "CODEXCTL_REQUEST_TIMEOUT": "1s",
    }

    def asked(env: str, *words: str, **more: str) -> str:
        assert main(["status", "-c", str(services), "--env", env, *words], environ | more) == 1
        return capsys.readouterr().err

    assert "127.0.0.1:1" in asked("ai", "--slot", "1")
    assert "127.0.0.1:2" in asked("ai-staging") and "127.0.0.1:2" in asked("ai-repair", "--slot", "1")
    assert "127.0.0.1:3" in asked("dev") and "127.0.0.1:3" in asked("ai-staging", SHOP_STAGING_KUBECONFIG="")
    assert "127.0.0.1:1" in asked("ai-staging", "--kubeconfig", str(tmp_path / "agents"))


def kubeconfig(server: str) -> dict[str, object]:
    names = ("kind-shop", "default")
    return {
        "current-context": "default",
        "clusters": [{"name": "one", "cluster": {"server": server}}],
        "users": [{"name": "one", "user": {}}],
        "contexts": [{"name": name, "context": {"cluster": "one", "user": "one"}} for name in names],
    }
