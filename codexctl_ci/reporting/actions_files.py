"""The files and commands by which a step speaks to GitHub Actions.

Formats: GitHub's documentation "Workflow commands". Foreign text can't become a command: outputs use a heredoc
with a random delimiter, and foreign log lines stand between ``stop-commands`` marks with a random token.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

_SUMMARY_LIMIT = 1024 * 1024


def format_outputs(outputs: Mapping[str, str | bool | int]) -> str:
    """The text to append to GITHUB_OUTPUT. Booleans become ``true``/``false``."""
    return "".join(_format_one(name, value) for name, value in outputs.items())


def _format_one(name: str, value: str | bool | int) -> str:
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    delimiter = f"end-{_unguessable()}"
    return f"{name}<<{delimiter}\n{text}\n{delimiter}\n"


def write_outputs(file: Path | None, outputs: Mapping[str, str | bool | int]) -> None:
    """Append ``outputs`` to the step's output file; without one nothing is written."""
    if file is not None:
        with file.open("a", encoding="utf-8") as stream:
            stream.write(format_outputs(outputs))


def append_summary(file: Path | None, markdown: str) -> None:
    """Append a section to the job summary, cut to what GitHub accepts of one step (1 MiB)."""
    if file is not None:
        with file.open("a", encoding="utf-8") as stream:
            stream.write(markdown.encode()[: _SUMMARY_LIMIT - 1].decode("utf-8", "ignore").rstrip() + "\n\n")


def _unguessable() -> str:
    # What secrets.token_hex does, whose import would cost more than this whole module.
    return os.urandom(16).hex()


def escape_data(text: str) -> str:
    """``text`` as the data of a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def quiet(lines: Iterable[str]) -> Iterator[str]:
    """Foreign ``lines`` between marks that keep the runner from reading commands in them."""
    token = _unguessable()
    yield f"::stop-commands::{token}"
    yield from lines
    yield f"::{token}::"
