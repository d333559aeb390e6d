"""What the stack needs of the project's folder."""

from __future__ import annotations

from typing import Protocol


class ProjectFiles(Protocol):
    """The project's files. Paths are relative to its root, with ``/``; nothing outside the root can be read."""

    def read(self, path: str) -> str:
        """The text of a file. Raises ConfigError where it is missing, no text, or outside the root."""
        ...

    def exists(self, path: str) -> bool:
        """Whether there is such a file. Raises ConfigError where it would be outside the root."""
        ...

    def glob(self, pattern: str) -> list[str]:
        """The files that match, sorted; ``**`` stands for any number of folders."""
        ...
