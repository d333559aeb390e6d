"""`codexctl-ci` of a clone's own virtualenv."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sandbox.bootstrap.virtualenv import put_command


def test_command_runs_the_clones_own_code_from_any_folder(tmp_path: Path) -> None:
    home = tmp_path / ".venv"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "codexctl_ci").mkdir()
    (tmp_path / "codexctl_ci" / "__init__.py").touch()
    (tmp_path / "codexctl_ci" / "__main__.py").write_text(
        "import sys\ndef main():\n    sys.exit(f'ran {sys.argv[1]}')\n"
    )
    put_command(home, tmp_path)
    put_command(home, tmp_path)
    done = subprocess.run([home / "bin" / "codexctl-ci", "x"], cwd="/", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (1, "ran x")
    assert [path.name for path in (home / "bin").iterdir() if path.name.startswith("codex")] == ["codexctl-ci"]
