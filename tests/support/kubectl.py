"""kubectl for tests: to set scenes and to look at results from outside the product."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT_SECONDS = 120


@dataclass(frozen=True)
class Kubectl:
    """Runs kubectl with one kubeconfig, in one namespace."""

    kubeconfig: Path
    namespace: str = "default"

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        """Returns what kubectl printed. Fails the test, with kubectl's own message, where it fails."""
        result = self.attempt(*arguments, stdin=stdin)
        if result.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(arguments)} exited with {result.returncode}:\n{result.stderr}")
        return result.stdout

    def attempt(self, *arguments: str, stdin: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Returns the finished process, whatever came of it."""
        where = ["kubectl", f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}"]
        # With a pipe that ends at once, kubectl doesn't wait for a terminal.
        return subprocess.run(
            [*where, *arguments], input=stdin or "", capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
        )

    def get(self, *arguments: str) -> Any:
        """Returns the parsed JSON of `kubectl get`."""
        return json.loads(self("get", *arguments, "--output=json"))

    def apply(self, *objects: object) -> None:
        """Applies manifests given as data."""
        for item in objects:
            self("apply", "--filename=-", stdin=json.dumps(item))

    def wait(self, target: str, condition: str, seconds: int = 60) -> None:
        """Returns when `target` (`kind/name`) has the condition (`condition=Ready`, `jsonpath=...`, `delete`)."""
        self("wait", target, f"--for={condition}", f"--timeout={seconds}s")

    def within(self, namespace: str) -> "Kubectl":
        """The same in another namespace."""
        return Kubectl(self.kubeconfig, namespace)
