"""What the script beside the agent says, as its reader takes it."""

from __future__ import annotations

import subprocess
from importlib import resources
from pathlib import Path


def test_missing_working_copy_is_an_ending_like_any_other(tmp_path: Path) -> None:
    script = tmp_path / "agent.sh"
    script.write_bytes(resources.files("codexctl_ci.codex").joinpath("agent.sh").read_bytes())
    run, home, nowhere = tmp_path / "run", tmp_path / "home", tmp_path / "nowhere"
    run.mkdir()
    home.mkdir()

    def call(mode: str, *words: str) -> list[str]:
        argv = ["sh", str(script), mode, str(run), *words]
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout.split()

    call("supervise", str(home), str(nowhere), "10", "10", "-", "0")
    assert call("state") == ["finished", "126", "ended", "clean", "no"]
    assert "nowhere" in (run / "stderr.log").read_text()
