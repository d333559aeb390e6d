"""A client of the model's own doors, for demo and tests."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.github.client import exchange

Json = Any


@dataclass(frozen=True)
class Model:
    """The model server, from outside. `api` is what goes into Codex's `base_url`."""

    url: str
    control_token: str = field(repr=False)

    @classmethod
    def from_state(cls, folder: Path) -> Model:
        """Find a server by the state folder it was started with."""
        note = json.loads((folder / "address.json").read_text())
        return cls(note["url"], note["control_token"])

    @property
    def api(self) -> str:
        """Return the API's base address."""
        return f"{self.url}/v1"

    def fault(self, kind: str, **rule: Json) -> None:
        """Inject a fault; see `Fault`."""
        exchange("POST", f"{self.url}/_sandbox/faults", self.control_token, {"kind": kind, **rule})

    def no_faults(self) -> None:
        """Drop all faults."""
        exchange("DELETE", f"{self.url}/_sandbox/faults", self.control_token)

    def requests(self) -> list[Json]:
        """Return the requests so far, oldest first: thread, prompt, playbook, step, move, model, input, tools."""
        return list(exchange("GET", f"{self.url}/_sandbox/requests", self.control_token))
