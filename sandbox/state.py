"""What a running sandbox tells about itself: written once when it is ready, read by whoever works with it."""

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VARIABLE = "SANDBOX_STATE"


@dataclass(frozen=True)
class State:
    """A sandbox that is up. Addresses are those inside it; files are the machine's and the same inside."""

    name: str
    home: Path
    first_process: int
    keeper: int
    node_address: str
    node_name: str
    api_server: str
    kubeconfig: Path
    authority: Path
    registry: str
    github: str
    github_state: Path
    model: str
    model_state: Path
    model_key_file: Path
    codex_image: str
    kaniko_image: str
    kaniko_executor: Path
    kaniko_storage: Path
    wheels: Path
    path: tuple[Path, ...]

    @property
    def file(self) -> Path:
        """Where this is written."""
        return self.home / "state.json"

    def write(self) -> None:
        """Writes it so that a reader sees all of it or nothing."""
        draft = self.file.with_suffix(".new")
        draft.write_text(json.dumps(dataclasses.asdict(self), indent=1, default=str) + "\n")
        draft.rename(self.file)

    def environment(self) -> dict[str, str]:
        """Variables for a program that runs inside: where the state is, kubectl's configuration, PATH."""
        path = ":".join([*map(str, self.path), os.environ.get("PATH", "/usr/bin:/bin")])
        return {
            VARIABLE: str(self.file),
            "KUBECONFIG": str(self.kubeconfig),
            "SANDBOX_KANIKO_STORAGE": str(self.kaniko_storage),
            # As in the sandbox's /etc; variables of the machine would win over that.
            "PIP_FIND_LINKS": str(self.wheels),
            "UV_FIND_LINKS": str(self.wheels),
            "PATH": path,
        }


def read_state(file: Path) -> State:
    """Reads what `State.write` wrote. Raises `OSError` where there is no sandbox."""
    raw = json.loads(file.read_text())
    paths = {
        "home",
        "kubeconfig",
        "authority",
        "github_state",
        "model_state",
        "model_key_file",
        "kaniko_executor",
        "kaniko_storage",
    }
    values: dict[str, Any] = {name: Path(value) if name in paths else value for name, value in raw.items()}
    values["path"] = tuple(map(Path, raw["path"]))
    return State(**values)
