"""The pages of the documentation, and the blocks of code on them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = tuple(
    sorted(
        path
        for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "sandbox/README.md")
        for path in ROOT.glob(pattern)
    )
)
_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One block of code: its page, its first line's number there, its language and its text."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


def blocks(page: Path, *languages: str) -> Iterator[Block]:
    """The page's blocks in these languages, in order."""
    text = page.read_text("utf-8")
    for found in _BLOCK.finditer(text):
        if found[2] in languages:
            inner = re.sub(f"^{found[1]}", "", found[3], flags=re.MULTILINE)
            yield Block(page, text[: found.start(3)].count("\n") + 1, found[2], inner)
