"""Every key of ``codex`` in services.yaml, as `prompt config` makes it, read by the real Codex to the last key."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from codexctl_ci.cli.main import main
from codexctl_ci.stack.schema_codex import CodexSpec, McpServer
from tests.support.responses_server import Model, say, serve

codex_cli_bin = pytest.importorskip("codex_cli_bin", reason="the Codex binary is not installed")
SECRET = "s3cret-of-the-pod"


@pytest.fixture
def folder() -> Iterator[Path]:
    # Codex wants no home below /tmp.
    base = Path(__file__).parents[2] / "build"
    base.mkdir(exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="codex-config-", dir=base))
    (made / "home").mkdir()
    yield made
    shutil.rmtree(made, ignore_errors=True)


def services(model: Model) -> dict[str, Any]:
    servers = [
        {
            "name": "files",
            "type": "stdio",
            "description": "Files",
            "command": "true",
            "args": ["--root", "{{ namespace }}"],
            "env": {"MODE": {"value": "ro"}, "TOKEN": {"envRef": "OTHER_TOKEN"}, "URL": {"varRef": "DOCS_URL"}},
            "startup_timeout_sec": 1,
            "tool_timeout_sec": 2,
        },
        {
            "name": "plain",
            "type": "http",
            "endpoint": "127.0.0.1:1/mcp",
            "headers": {"X-Key": {"envRef": "DOCS_KEY"}, "X-Left-Out": {"varRef": "NOTHING", "optional": True}},
            "startup_timeout_sec": 1,
        },
        {"name": "web", "type": "https", "endpoint": "127.0.0.1:1/mcp", "bearer_token_env_var": "WEB_TOKEN"},
        {
            "name": "inside",
            "type": "cluster",
            "service": {"name": "mcp", "namespace": "tools", "port": 8080, "path": "/mcp", "scheme": "http"},
            "tools": [{"name": "look", "description": "Look something up"}],
        },
    ]
    return {
        "project": "shop",
        "codex": {
            "promptLang": "ru",
            "model": "scripted",
            "modelReasoningEffort": "high",
            "executor": "pod",
            "links": [{"title": "Docs", "path": "/docs"}],
            "extraTools": ["psql"],
            "projectContext": "A shop.",
            "servicesOverview": "api",
            "timeouts": {"exec": "60m", "rollout": "1200s", "deployWait": "10m"},
            "maxTokens": 1000000,
            "prices": {"input": "1.25", "cachedInput": "0.125", "output": "10"},
            "configBlocks": [
                {"name": "provider", "toml": model.provider_toml()},
                {"name": "own", "file": "own.toml"},
            ],
            "reviewMCPEnabled": True,
            "mcp": {"servers": servers},
        },
    }


def made(folder: Path, document: dict[str, Any], capfd: pytest.CaptureFixture[str], *words: str) -> str:
    (folder / "services.yaml").write_text(yaml.safe_dump(document))
    (folder / "own.toml").write_text('tool_output_token_limit = 20000\nmodel_reasoning_summary = "none"\n')
    environ = {"PATH": "/usr/bin:/bin", "DOCS_KEY": SECRET, "CODEXCTL_VARS": "DOCS_URL=http://docs"}
    arguments = ["prompt", "config", "-c", str(folder / "services.yaml"), "--slot", "3", *words]
    assert main(arguments, environ) == 0
    return capfd.readouterr().out


def codex(folder: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    binary = codex_cli_bin.bundled_codex_path().parent
    environ = {"PATH": f"{binary}:{os.environ['PATH']}", "HOME": str(folder), "CODEX_HOME": str(folder / "home")}
    environ |= {"OTHER_TOKEN": "o", "DOCS_KEY": "d", "WEB_TOKEN": "w"}
    return subprocess.run(
        ["codex", *words], input=stdin, capture_output=True, text=True, cwd=folder, env=environ, timeout=60
    )


def test_every_key_is_known_to_codex_and_holds_no_secret(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with serve([[say("ok")]]) as model:
        document = services(model)
        # What is not here is not tried: a new key has to be added.
        spelled = {row.rules.spelled or name for name, row in CodexSpec.keys().items()}
        given = {key.replace("_", "").lower() for key in document["codex"]}
        assert {name.replace("_", "").lower() for name in spelled} - given == {"configtemplate"}
        kinds = {server["type"] for server in document["codex"]["mcp"]["servers"]}
        assert kinds == set(McpServer.keys()["type"].annotation.__args__)

        toml = made(folder, document, capfd)
        assert SECRET not in toml
        (folder / "home" / "config.toml").write_text(toml)
        ran = codex(folder, "exec", "--strict-config", "--json", "--skip-git-repo-check", "-", stdin="hello")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert (model.requests[0]["model"], model.requests[0]["reasoning"]["effort"]) == ("scripted", "high")

    listed = {entry["name"]: entry["transport"] for entry in json.loads(codex(folder, "mcp", "list", "--json").stdout)}
    assert listed["files"]["env"] == {"MODE": "ro", "URL": "http://docs"}
    assert "OTHER_TOKEN" in json.dumps(listed["files"])
    assert listed["plain"]["url"] == "http://127.0.0.1:1/mcp"
    assert listed["plain"]["env_http_headers"] == {"X-Key": "DOCS_KEY"}
    assert listed["web"]["url"] == "https://127.0.0.1:1/mcp"
    assert listed["web"]["bearer_token_env_var"] == "WEB_TOKEN"
    assert listed["inside"]["url"] == "http://mcp.tools.svc.cluster.local:8080/mcp"


def test_template_of_the_project_stands_in_place_of_ours(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with serve([[say("ok")]]) as model:
        document = services(model)
        document["codex"]["configTemplate"] = "whole.toml"
        (folder / "whole.toml").write_text('approval_policy = "never"\ndeveloper_instructions = "In {{ namespace }}"\n')
        toml = made(folder, document, capfd, "--model", "chosen")
        assert "sandbox_mode" not in toml and "In shop-dev-3" in toml
        (folder / "home" / "config.toml").write_text(toml)
        ran = codex(folder, "exec", "--strict-config", "--json", "--skip-git-repo-check", "-", stdin="hello")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert model.requests[0]["model"] == "chosen" and "In shop-dev-3" in json.dumps(model.requests[0])


@pytest.mark.parametrize("line", ["no_such_key = 1", "[mcp_servers.files]\nno_such_key = 1"])
def test_key_that_codex_does_not_know_is_seen(folder: Path, capfd: pytest.CaptureFixture[str], line: str) -> None:
    with serve([[say("ok")]]) as model:
        document = services(model)
        document["codex"]["configBlocks"].append({"name": "wrong", "toml": line})
        (folder / "home" / "config.toml").write_text(made(folder, document, capfd))
        ran = codex(folder, "exec", "--strict-config", "--json", "--skip-git-repo-check", "-", stdin="hello")
        assert ran.returncode != 0 and "no_such_key" in ran.stdout + ran.stderr
