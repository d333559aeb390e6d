"""How the demo sees the world: kubectl as administrator, plain HTTP, git. Never our own product's words."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

T = TypeVar("T")


def kubectl(*words: str, stdin: str = "") -> str:
    """What kubectl printed. Raises RuntimeError with its error."""
    done = subprocess.run(["kubectl", *words], input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"kubectl {words[0]}: {done.stderr.strip()}")
    return done.stdout


def objects(kind: str, namespace: str = "", **more: str) -> list[dict[str, Any]]:
    """All objects of a kind."""
    where = ["-n", namespace] if namespace else ["-A"]
    found: list[dict[str, Any]] = json.loads(kubectl("get", kind, *where, "-o", "json"))["items"]
    return found


def http(url: str, body: Mapping[str, Any] | None = None) -> tuple[int, str]:
    """Status and text of an address."""
    request = urllib.request.Request(url, data=None if body is None else json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def until(look: Callable[[], T], what: str, limit: timedelta = timedelta(seconds=60)) -> T:
    """The first truthy answer of ``look``. Raises TimeoutError naming ``what``."""
    end = time.monotonic() + limit.total_seconds()
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise TimeoutError(f"not within {limit.total_seconds():.0f} s: {what}")
        time.sleep(0.1)
