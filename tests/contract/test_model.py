"""The sandbox's model with the real Codex: it reads, calls a live service, edits, tests, and is resumed."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.model.__main__ import REGISTRY
from sandbox.model.client import Model
from sandbox.model.playbooks import load
from sandbox.model.server import ModelServer

KEY = "sk-sandbox-test"
PLAYBOOKS = Path(__file__).parents[1] / "support" / "playbooks.yaml"
CODEX = Path(sys.prefix) / "lib" / f"python3.{sys.version_info.minor}" / "site-packages/codex_cli_bin/bin/codex"

CHECK = """
import json
greetings = json.load(open("greetings.json"))
assert all(greetings.values())
print("ok", len(greetings))
"""


class Greeter(http.server.BaseHTTPRequestHandler):
    """The live service."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"Hello")

    def log_message(self, format: str, *args: Any) -> None:
        pass


@dataclass(frozen=True)
class Desk:
    """A project, Codex's home, and the model that Codex talks to."""

    model: Model
    project: Path
    home: Path
    service: str

    def codex(self, *arguments: str, prompt: str, key: str = KEY, limit: float = 60) -> list[dict[str, Any]]:
        """Run Codex; return its events."""
        done = subprocess.run(
            [str(CODEX), "exec", *arguments, "--json", "--skip-git-repo-check", "-"],
            input=prompt,
            cwd=self.project,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "CODEX_HOME": str(self.home),
                "MODEL_KEY": key,
                "SERVICE": self.service,
            },
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
        events: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
        return [*events, {"type": "exit", "code": done.returncode}]


def items(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event["item"] for event in events if event["type"] == "item.completed" and event["item"]["type"] == kind]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Greeter)
    threading.Thread(target=service.serve_forever, args=(0.02,), daemon=True).start()
    server = ModelServer("127.0.0.1", 0, [KEY], [*load(PLAYBOOKS), *load(REGISTRY)]).run_in_thread()
    model = Model(server.url, server.control_token)
    # Codex refuses to put its programs under the system's temporary folder.
    home = Path(tempfile.mkdtemp(prefix="codex-home-", dir="/var/tmp"))
    (home / "config.toml").write_text(
        f"""
model = "sandbox-large"
model_provider = "sandbox"
model_reasoning_effort = "high"
approval_policy = "never"
sandbox_mode = "danger-full-access"
[model_providers.sandbox]
name = "sandbox"
base_url = "{model.api}"
wire_api = "responses"
env_key = "MODEL_KEY"
request_max_retries = 2
stream_max_retries = 2
stream_idle_timeout_ms = 20000
"""
    )
    project = tmp_path / "project"
    project.mkdir()
    (project / "greetings.json").write_text('{\n  "en": "Hello"\n}\n')
    (project / "check.py").write_text(CHECK)
    yield Desk(model, project, home, f"http://127.0.0.1:{service.server_address[1]}")
    server.shutdown()
    server.server_close()
    service.shutdown()
    service.server_close()
    shutil.rmtree(home)


def test_codex_works_on_the_issue_and_is_resumed_for_the_review(desk: Desk) -> None:
    events = desk.codex(prompt="# Issue 7\n\nGreet in German, please.\n")
    thread = events[0]["thread_id"]
    assert events[-1]["code"] == 0
    assert [item["exit_code"] for item in items(events, "command_execution")] == [0, 0, 0]
    assert len(items(events, "file_change")) == 1
    said = items(events, "agent_message")[-1]["text"]
    assert said == 'The service greeted with "Hello". I added de; 2 greetings are right.'
    assert json.loads((desk.project / "greetings.json").read_text()) == {"de": "Hallo", "en": "Hello"}
    usage = next(event for event in events if event["type"] == "turn.completed")["usage"]
    assert usage["input_tokens"] > 0 and usage["output_tokens"] > 0

    again = desk.codex("resume", thread, prompt="A reviewer says: Use Servus instead for German.\n")
    assert again[0]["thread_id"] == thread
    assert items(again, "agent_message")[-1]["text"] == "Changed de to Servus; 2 greetings are right."
    assert json.loads((desk.project / "greetings.json").read_text())["de"] == "Servus"
    last = desk.model.requests()[-1]
    assert (last["thread"], last["playbook"], last["step"]) == (thread, "review", 3)
    assert (last["model"], last["reasoning"]["effort"]) == ("sandbox-large", "high")
    assert "Greet in German" in json.dumps(last["input"])
    assert KEY not in json.dumps(desk.model.requests())


def test_the_answer_depends_on_the_live_service(desk: Desk) -> None:
    away = Desk(desk.model, desk.project, desk.home, "http://127.0.0.1:9")
    events = away.codex(prompt="Greet in German")
    codes = [item["exit_code"] for item in items(events, "command_execution")]
    assert codes == [0, 7, 7]
    assert "did not answer" in items(events, "agent_message")[-1]["text"]
    assert json.loads((desk.project / "greetings.json").read_text()) == {"en": "Hello"}


def test_what_has_no_entry_in_a_table_is_refused(desk: Desk) -> None:
    events = desk.codex(prompt="Greet in Klingon")
    assert items(events, "agent_message")[-1]["text"] == "I don't know what to write for Klingon."


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("status", {"status": 500}),
        ("status", {"status": 503, "seconds": 1}),
        ("cut", {}),
    ],
)
def test_codex_gets_over_a_passing_fault(desk: Desk, kind: str, rule: dict[str, Any]) -> None:
    desk.model.fault(kind, after=1, **rule)
    events = desk.codex(prompt="Greet in Spanish")
    assert events[-1]["code"] == 0
    assert json.loads((desk.project / "greetings.json").read_text())["es"] == "Hola"


@pytest.mark.parametrize(
    ("kind", "rule"),
    [("status", {"status": 500}), ("status", {"status": 429, "seconds": 1}), ("cut", {}), ("fail", {})],
)
def test_a_lasting_fault_fails_the_turn(desk: Desk, kind: str, rule: dict[str, Any]) -> None:
    desk.model.fault(kind, times=100, **rule)
    events = desk.codex(prompt="Greet in Spanish")
    assert events[-1]["code"] != 0
    assert events[-2]["type"] == "turn.failed"


def test_a_wrong_key_is_refused(desk: Desk) -> None:
    events = desk.codex(prompt="Greet in Spanish", key="sk-wrong")
    assert events[-1]["code"] != 0
    assert "401" in json.dumps(events)
    assert desk.model.requests() == []


@pytest.mark.parametrize("word", ["hang", "sleep"])
def test_an_issue_can_ask_for_a_turn_that_never_ends(desk: Desk, word: str) -> None:
    began = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        desk.codex(prompt=f"sandbox-model: {word}", limit=3)
    assert time.monotonic() - began < 30


def test_an_agent_that_changes_nothing_says_why(desk: Desk) -> None:
    events = desk.codex(prompt="sandbox-model: nothing")
    assert events[-1]["code"] == 0
    assert "Nothing needs to change" in items(events, "agent_message")[-1]["text"]


def test_a_long_command_is_waited_for(desk: Desk, tmp_path: Path) -> None:
    slow = tmp_path / "slow.yaml"
    step = "{run: sleep 2; echo slept, look_after: 500, match: slept}"
    slow.write_text(f"[{{name: slow, when: slowly, steps: [{step}], final: rested}}]")
    server = ModelServer("127.0.0.1", 0, [KEY], load(slow)).run_in_thread()
    config = desk.home / "config.toml"
    config.write_text(config.read_text().replace(desk.model.url, server.url))
    events = desk.codex(prompt="slowly", limit=90)
    assert items(events, "agent_message")[-1]["text"] == "rested"
    server.shutdown()
    server.server_close()
