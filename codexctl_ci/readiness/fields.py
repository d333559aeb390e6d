"""Reading status objects, in which any part may be missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codexctl_ci.stack.objects import Manifest


def mapping(value: Any) -> Mapping[str, Any]:
    """``value`` where it is a map, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def items(value: Any) -> list[Mapping[str, Any]]:
    """The maps in ``value`` where it is a list, else none."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def meta(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(obj.get("metadata"))


def spec(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(obj.get("spec"))


def status(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(obj.get("status"))


def number(source: Mapping[str, Any], key: str, default: int = 0) -> int:
    """A whole number of a status or spec; absent or null is ``default``."""
    value = source.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def condition(obj: Manifest, kind: str) -> Mapping[str, Any] | None:
    """The condition of that type, None where there is none or where it speaks of an older generation."""
    generation = meta(obj).get("generation")
    for found in items(status(obj).get("conditions")):
        if found.get("type") == kind:
            seen = found.get("observedGeneration")
            stale = isinstance(seen, int) and isinstance(generation, int) and seen < generation
            return None if stale else found
    return None


def holds(obj: Manifest, kind: str, value: str = "True") -> bool:
    """Whether the object has that condition with that status."""
    found = condition(obj, kind)
    return found is not None and found.get("status") == value


def updated_by_hand(obj: Manifest) -> bool:
    """Whether the pods of an older template stay until somebody deletes them (``OnDelete``)."""
    return mapping(spec(obj).get("updateStrategy")).get("type") == "OnDelete"


def owned_by(obj: Mapping[str, Any], uid: str) -> bool:
    """Whether the object's controlling owner has that UID."""
    return any(
        owner.get("uid") == uid and owner.get("controller", True) for owner in items(meta(obj).get("ownerReferences"))
    )
