"""Objects as YAML text that people like to read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from codexctl_ci.stack.objects import Manifest

_Base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_Base):  # type: ignore[misc]
    """Keys in their own order, texts of several lines as blocks, no anchors."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _represent_text(dumper: Any, text: str) -> Any:
    style = "|" if "\n" in text and not any(line.endswith((" ", "\t")) for line in text.split("\n")) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def to_yaml(manifests: Iterable[Manifest]) -> str:
    """The objects as one stream, each document opened by ``---``."""
    return str(
        yaml.dump_all(
            manifests, Dumper=_Dumper, sort_keys=False, explicit_start=True, allow_unicode=True, width=100_000
        )
    )
