"""The real Codex binary, run by us, against a scripted model."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from codexctl_ci.codex.places import LocalPlace
from codexctl_ci.prompts.agent_config import AgentSettings, ConfigBlock, build_config
from codexctl_ci.prompts.labels import Choice
from codexctl_ci.prompts.mcp import ClusterService, McpServer, Reference
from tests.support.codex_config import config_for
from tests.support.codex_runs import Run, environment, request, work
from tests.support.responses_server import Fault, Step, execute, say, serve

__all__ = ["work"]


def test_agent_edits_runs_and_answers(work: Path) -> None:
    steps: list[Step] = [[execute("echo fixed > app.txt; env > seen.txt")], [say("Title: Fix it\n\nDone.")]]
    with serve(steps) as model:
        run = Run(work)
        ending = run(request(model, prompt="x" * 300_000 + " the end"))
        assert model.prompt_of().endswith("the end")
    assert (ending.conclusion, ending.final_message) == ("ended", "Title: Fix it\n\nDone.")
    assert (work / "app.txt").read_text() == "fixed\n"
    seen = (work / "seen.txt").read_text()
    assert "PLAIN=kept" in seen and "ghs_" not in seen
    assert run.threads == [ending.thread_id] and len(ending.thread_id) == 36
    assert (ending.input_tokens, ending.cached_input_tokens, ending.output_tokens) == (200, 80, 40)
    assert any(line.startswith("agent $ ") and "echo fixed" in line for line in run.lines)
    assert subprocess.run(["git", "init", "-q"], cwd=work).returncode == 0
    status = subprocess.run(["git", "status", "--porcelain"], cwd=work, capture_output=True, text=True).stdout
    assert ".codexctl" not in status


def test_resumed_thread_knows_what_was_said_and_counts_its_own_tokens(work: Path) -> None:
    with serve([[say("first answer")], [say("second answer")]]) as model:
        run = Run(work)
        first = run(request(model, "run-1", prompt="the first question"))
        assert run.runtime.knows_thread(first.thread_id)
        assert not run.runtime.knows_thread("0199a213-81c0-7800-8aa1-bbab2a035a53")
        second = run(request(model, "run-2", prompt="the second question", resume=first.thread_id))
        said = model.prompt_of(1)
    assert "the first question" in said and "the second question" in said
    assert second.thread_id == first.thread_id
    assert (second.input_tokens, second.output_tokens) == (100, 20)


@pytest.mark.parametrize(("status", "words"), [(429, "429"), (500, "high demand"), (401, "401")])
def test_model_that_refuses_is_an_agent_error_with_its_message(work: Path, status: int, words: str) -> None:
    with serve([Fault(status, "no more today")]) as model:
        ending = Run(work)(request(model))
    assert ending.conclusion == "agent_error"
    assert words in ending.reason
    assert any(words in line for line in ending.last_log_lines)


def test_configuration_that_codex_refuses_is_an_agent_error_that_says_so(work: Path) -> None:
    with serve([[say("never")]]) as model:
        ending = Run(work)(request(model, config_toml="approval_policy = 7\n"))
        assert model.requests == []
    assert ending.conclusion == "agent_error"
    assert "config" in ending.reason.lower() or any("approval_policy" in line for line in ending.last_log_lines)


def test_resuming_an_unknown_thread_is_an_agent_error(work: Path) -> None:
    with serve([[say("never")]]) as model:
        ending = Run(work)(request(model, resume="0199a213-81c0-7800-8aa1-bbab2a035a53"))
    assert ending.conclusion == "agent_error"
    assert "0199a213" in ending.reason


def test_no_codex_in_the_place_says_so(work: Path) -> None:
    env = environment(work) | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    if shutil.which("npx", path=env["PATH"]) or shutil.which("codex", path=env["PATH"]):
        pytest.skip("npx or codex is installed for all users here")
    with serve([[say("never")]]) as model:
        ending = Run(work, LocalPlace(env, work))(request(model))
    assert ending.conclusion == "infra_error" and "npx" in ending.reason


def test_key_in_the_place_is_used_to_log_in_and_taken_away_again(work: Path) -> None:
    env = environment(work) | {"OPENAI_API_KEY": "sk-of-the-pod"}

    def answer(body: dict[str, object]) -> list[dict[str, object]]:
        return [say("Title: seen")]

    with serve([answer]) as model:
        config = config_for(model, "127.0.0.1", "model_providers.scripted.requires_openai_auth = true")
        ending = Run(work, LocalPlace(env, work))(request(model, config_toml=config))
        assert ending.conclusion == "ended"
        assert model.headers[0]["authorization"] == "Bearer sk-of-the-pod"
    left = [
        path for path in (work / ".codexctl").rglob("*") if path.is_file() and b"sk-of-the-pod" in path.read_bytes()
    ]
    assert left == []


def test_configuration_is_one_that_codex_knows_to_the_last_key(work: Path) -> None:
    servers = (
        McpServer("Files_1", "stdio", command="true", env={"A": Reference(value='x"'), "B": Reference(env_ref="C")}),
        McpServer("web", "https", endpoint="127.0.0.1:1/mcp", headers={"X-Key": Reference(env_ref="KEY")}),
        McpServer("in", "cluster", service=ClusterService("mcp"), startup_timeout_sec=1, tool_timeout_sec=2),
    )
    for in_pod in (True, False):
        with serve([[say("ok")]]) as model:
            settings = AgentSettings(
                Choice("", "default"),
                Choice("high", "label"),
                "ns",
                servers=servers,
                in_pod=in_pod,
                blocks=(ConfigBlock("provider", model.provider_toml()),),
            )
            home = work.parent / f"home-{in_pod}"
            home.mkdir()
            (home / "config.toml").write_text(build_config(settings).toml)
            done = subprocess.run(
                ["codex", "exec", "--strict-config", "--json", "--skip-git-repo-check", "-"],
                input="hello",
                capture_output=True,
                text=True,
                cwd=work,
                timeout=60,
                env=environment(work) | {"CODEX_HOME": str(home)},
            )
            assert done.returncode == 0, done.stdout + done.stderr
            assert model.requests[0]["reasoning"]["effort"] == "high"


@pytest.mark.parametrize(
    ("command", "changed"),
    [
        ("true", False),
        ("echo new > new.txt", True),
        ("echo more >> known.txt", True),
        ("rm known.txt", True),
        ("chmod +x known.txt", True),
        ("mkdir -p out && echo built > out/app.o", False),
        ("echo x > new.txt && git add -A && git -c user.name=a -c user.email=a@b commit -qm mine", True),
        ("echo x > new.txt && rm new.txt", False),
    ],
)
def test_what_counts_as_a_change(work: Path, command: str, changed: bool) -> None:
    (work / ".gitignore").write_text("out/\n")
    (work / "known.txt").write_text("known\n")
    for words in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "base"],
    ):
        subprocess.run(["git", *words], cwd=work, check=True)
    with serve([[execute(command)], [say("Title: x")]]) as model:
        assert Run(work)(request(model)).tree_changed is changed


def test_change_in_a_folder_without_git_is_seen(work: Path) -> None:
    with serve([[say("nothing")], [execute("echo x > y")], [say("Title: x")]]) as model:
        run = Run(work)
        assert not run(request(model, "run-1")).tree_changed
        assert run(request(model, "run-2")).tree_changed


def test_branch_under_review_gives_no_orders_to_codex(work: Path) -> None:
    for path, text in {
        "AGENTS.md": "ORDERS of the branch",
        ".codex/config.toml": 'developer_instructions = "ORDERS of the branch"\n',
        ".codex/skills/a/SKILL.md": "---\nname: a\ndescription: ORDERS of the branch\n---\n",
        ".agents/skills/b/SKILL.md": "---\nname: b\ndescription: ORDERS of the branch\n---\n",
    }.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=work, check=True)
    asked = []
    for number, tree in enumerate(("", str(work))):
        with serve([[say("Title: x")]]) as model:
            provider = ConfigBlock("provider", model.provider_toml())
            own = 'developer_instructions = "RULES of the base"\n'
            settings = AgentSettings(
                Choice("", "default"),
                Choice("", "default"),
                "ns",
                blocks=(provider,),
                foreign_tree=tree,
                own_config=own,
            )
            wanted = request(model, f"run-{number}", config_toml=build_config(settings).toml)
            assert Run(work)(wanted).conclusion == "ended"
            asked.append(json.dumps(model.requests[0]))
    assert asked[0].count("ORDERS of the branch") >= 4 and "RULES of the base" not in asked[0]
    assert "ORDERS of the branch" not in asked[1] and "RULES of the base" in asked[1]
