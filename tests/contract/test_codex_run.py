"""The real Codex binary, run by us, against a scripted model."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from codexctl_ci.codex.places import LocalPlace
from codexctl_ci.codex.remote import Pace
from codexctl_ci.codex.session import CodexRuntime
from codexctl_ci.errors import ApiError
from codexctl_ci.ports import AgentEnding, AgentRequest, ExecResult
from codexctl_ci.prompts.agent_config import AgentSettings, ConfigBlock, build_config
from codexctl_ci.prompts.labels import Choice
from codexctl_ci.prompts.mcp import ClusterService, McpServer, Reference
from tests.support.codex_config import config_for
from tests.support.responses_server import Fault, Hang, Model, Step, execute, say, serve
from tests.support.signals import heed_interrupts

codex_cli_bin = pytest.importorskip("codex_cli_bin", reason="the Codex binary is not installed")

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def work() -> Iterator[Path]:
    # Codex wants no home below /tmp.
    base = REPOSITORY / "build"
    base.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="codex-run-", dir=base))
    (folder / "work").mkdir()
    yield folder / "work"
    shutil.rmtree(folder, ignore_errors=True)


def environment(work: Path) -> dict[str, str]:
    binary = codex_cli_bin.bundled_codex_path().parent
    path = f"{binary}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(work.parent), "GITHUB_TOKEN": "ghs_not_for_the_agent", "PLAIN": "kept"}


def request(model: Model, key: str = "run-1", **more: object) -> AgentRequest:
    values: dict[str, object] = {
        "key": key,
        "prompt": "do the work",
        "config_toml": config_for(model),
        "total_timeout": timedelta(seconds=60),
        "idle_timeout": timedelta(seconds=30),
    } | more
    return AgentRequest(**values)  # type: ignore[arg-type]


class Run:
    """Starts agents in one place and keeps what they said."""

    def __init__(self, work: Path, place: LocalPlace | None = None) -> None:
        self.work = work
        self.lines: list[str] = []
        self.threads: list[str] = []
        self.place = place or LocalPlace(environment(work), work)
        self.runtime = CodexRuntime(self.place, str(work), self.lines.append, Pace(first=timedelta(seconds=0.05)))

    def __call__(self, wanted: AgentRequest) -> AgentEnding:
        return self.runtime.run(wanted, self.threads.append)

    def processes(self, key: str = "run-1") -> list[int]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                # The mark is the run's whole folder: other agents on this machine may have a run of the same key.
                mark = next(v for v in (folder / "environ").read_bytes().split(b"\0") if v.startswith(b"AGENT_RUN="))
                if mark.startswith(f"AGENT_RUN={self.work.parent}/".encode()) and mark.endswith(f"/{key}".encode()):
                    found.append(int(folder.name))
            except (OSError, StopIteration):
                continue
        return found


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


def test_total_timeout_ends_the_whole_tree(work: Path) -> None:
    with serve([[execute("setsid sleep 600 & sleep 600")], [say("never")]]) as model:
        run = Run(work)
        ending = run(request(model, total_timeout=timedelta(seconds=3)))
    assert ending.conclusion == "timeout" and "3" in ending.reason
    assert run.processes() == []


def test_idle_timeout_ends_a_model_that_hangs(work: Path) -> None:
    with serve([Hang()]) as model:
        run = Run(work)
        ending = run(request(model, idle_timeout=timedelta(seconds=2)))
    assert ending.conclusion == "timeout" and "no sign of life" in ending.reason
    assert run.processes() == []


def test_limit_of_tokens_stops_the_run_and_tells_what_it_used(work: Path) -> None:
    def on_and_on(body: dict[str, Any]) -> list[dict[str, Any]]:
        return [execute("sleep 2", f"call_{len(body['input'])}")]

    with serve([on_and_on]) as model:
        run = Run(work)
        ending = run(request(model, max_tokens=200))
        assert (ending.conclusion, ending.stopped) == ("timeout", True) and "200 tokens" in ending.reason
        used = ending.input_tokens + ending.output_tokens
        assert 200 <= used < 1000 and used % 120 == 0 and ending.cached_input_tokens > 0
        assert run.processes() == []
    with serve([[execute("true")], [say("Title: more")]]) as model:
        # The limit is the run's own, also where the thread has used as much before.
        again = run(request(model, "run-2", resume=ending.thread_id, max_tokens=300))
    assert again.conclusion == "ended"


def test_orphan_that_holds_the_stream_does_not_keep_us(work: Path) -> None:
    with serve([[execute("setsid sleep 600 >/dev/null 2>&1 &")], [say("Title: x")]]) as model:
        run = Run(work)
        begun = time.monotonic()
        assert run(request(model)).conclusion == "ended"
        assert time.monotonic() - begun < 30
    assert run.processes() == []


def test_second_run_with_the_same_key_joins(work: Path) -> None:
    with serve([[execute("sleep 3")], [say("Title: once")]]) as model:
        first = Run(work)
        endings: list[AgentEnding] = []
        thread = threading.Thread(target=lambda: endings.append(first(request(model))))
        thread.start()
        assert model.arrived.wait(20)
        second = Run(work)(request(model))
        thread.join(30)
        assert len(model.requests) == 2
    assert second.joined and not endings[0].joined
    assert second.final_message == endings[0].final_message == "Title: once"
    assert second.output_tokens == endings[0].output_tokens == 40


def test_finished_run_is_read_again_but_a_failed_one_starts_anew(work: Path) -> None:
    with serve([Fault(401, "bad"), Fault(401, "bad"), [say("good")], [say("never")]]) as model:
        run = Run(work)
        assert run(request(model)).conclusion == "agent_error"
        again = run(request(model))
        assert (again.conclusion, again.final_message, again.joined) == ("ended", "good", False)
        third = run(request(model))
        assert (third.final_message, third.joined) == ("good", True)
        assert len(model.requests) == 3


class Outliving(LocalPlace):
    """A place like a pod: its processes outlive us."""

    def owner(self) -> int:
        return 0


class Flaky(Outliving):
    """A place whose streams break after ``after`` bytes, again and again."""

    def __init__(self, env: dict[str, str], cwd: Path, after: int) -> None:
        super().__init__(env, cwd)
        self.after = after
        self.breaks = 0

    def execute(
        self,
        argv: object,
        *,
        stdin: bytes = b"",
        on_stdout: Callable[[bytes], None] | None = None,
        timeout: timedelta,
    ) -> ExecResult:
        assert isinstance(argv, list)
        done = super().execute(argv, stdin=stdin, timeout=timeout)
        if on_stdout is None:
            return done
        if len(done.stdout) > self.after:
            self.breaks += 1
            on_stdout(done.stdout[: self.after])
            raise ApiError("the stream to the command broke", status=0, kind="StreamBroken")
        on_stdout(done.stdout)
        return ExecResult(done.code, b"", done.stderr)


def test_lost_connections_lose_no_event_and_double_none(work: Path) -> None:
    with serve([[execute("echo one")], [execute("echo two", "call_2")], [say("Title: all there")]]) as model:
        place = Flaky(environment(work), work, 301)
        run = Run(work, place)
        ending = run(request(model))
    assert place.breaks > 2
    assert ending.final_message == "Title: all there"
    assert [line for line in run.lines if line.startswith("agent $")] == [
        "agent $ /bin/bash -lc 'echo one'",
        "agent $ /bin/bash -lc 'echo two'",
    ]


_CHILD = """
import sys, json
from datetime import timedelta
from pathlib import Path
from codexctl_ci.codex.session import CodexRuntime
from codexctl_ci.ports import AgentRequest
from tests.contract.test_codex_run import Outliving
work, config, env = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
def tell(thread): print(thread, flush=True)
CodexRuntime(Outliving(env, work), str(work), lambda line: None).run(
    AgentRequest("run-1", "go", config, timedelta(seconds=60), timedelta(seconds=60)), tell)
"""


def child(work: Path, model: Model) -> subprocess.Popen[str]:
    words = [str(work), request(model).config_toml, json.dumps(environment(work))]
    return subprocess.Popen(
        [sys.executable, "-c", _CHILD, *words],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
        preexec_fn=heed_interrupts,
    )


def test_run_that_was_killed_is_joined_by_the_next(work: Path) -> None:
    with serve([[execute("sleep 4; echo late > late.txt")], [say("Title: late")]]) as model:
        ours = child(work, model)
        assert ours.stdout is not None
        thread = ours.stdout.readline().strip()
        ours.kill()
        ours.wait(10)
        run = Run(work, Outliving(environment(work), work))
        ending = run(request(model))
        assert len(model.requests) == 2
    assert (ending.joined, ending.thread_id, ending.final_message) == (True, thread, "Title: late")
    assert (work / "late.txt").exists()


def test_cancel_ends_the_agents_tree(work: Path) -> None:
    with serve([[execute("setsid sleep 600 & sleep 600")], [say("never")]]) as model:
        ours = child(work, model)
        assert ours.stdout is not None
        ours.stdout.readline()
        assert model.arrived.wait(20)
        run = Run(work)
        assert run.processes()
        ours.send_signal(signal.SIGINT)
        ours.wait(30)
        assert run.processes() == []


def test_agent_on_the_runner_ends_with_us(work: Path) -> None:
    with serve([[execute("sleep 600")], [say("never")]]) as model:
        owner = subprocess.Popen(["sleep", "600"])

        class Owned(LocalPlace):
            def owner(self) -> int:
                return owner.pid

        endings: list[AgentEnding] = []
        run = Run(work, Owned(environment(work), work))
        thread = threading.Thread(target=lambda: endings.append(run(request(model))))
        thread.start()
        assert model.arrived.wait(20)
        owner.kill()
        owner.wait(10)
        thread.join(30)
    assert endings[0].conclusion == "infra_error" and run.processes() == []


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
