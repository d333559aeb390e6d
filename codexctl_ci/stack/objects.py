"""Kubernetes objects as plain data, and how they are named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

Manifest: TypeAlias = dict[str, Any]
"""An object as the API speaks of it: ``apiVersion``, ``kind``, ``metadata`` and the rest."""


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """What names an object. ``namespace`` is empty for cluster-scoped ones; ``api_version`` like ``apps/v1``."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""

    @property
    def group(self) -> str:
        """The API group, empty for the core one."""
        return self.api_version.rpartition("/")[0]

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}" + (f" in {self.namespace}" if self.namespace else "")


def ref_of(manifest: Manifest) -> Ref:
    """The name of ``manifest``. Raises KeyError where it has no kind or name."""
    meta = manifest["metadata"]
    return Ref(manifest["apiVersion"], manifest["kind"], meta["name"], meta.get("namespace") or "")


def carries(found: Any, sent: Any, *, blank_may_lack: bool = False) -> bool:
    """Whether ``found`` holds everything in ``sent``; what stands in it besides doesn't count. Lists must be as long.

    With ``blank_may_lack`` a blank value (empty text, list or mapping) may be missing, as servers drop such.
    """
    if isinstance(sent, dict):
        return isinstance(found, dict) and all(
            carries(found[key], value, blank_may_lack=blank_may_lack)
            if key in found
            else value is None or (blank_may_lack and value in ({}, [], ""))
            for key, value in sent.items()
        )
    if isinstance(sent, list):
        return (
            isinstance(found, list)
            and len(found) == len(sent)
            and all(carries(one, other, blank_may_lack=blank_may_lack) for one, other in zip(found, sent, strict=True))
        )
    return bool(found == sent)
