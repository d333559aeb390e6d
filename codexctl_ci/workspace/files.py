"""Reading the project's files, and none but them."""

from __future__ import annotations

from pathlib import Path

from codexctl_ci.errors import ConfigError


class ProjectFolder:
    """The files under ``root``. A path that leaves it, by ``..``, absolute or through a symlink, is refused."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def read(self, path: str) -> str:
        """The text of a file, UTF-8, newlines as ``\\n``. Raises ConfigError naming the file and what is wrong."""
        place = self._inside(path)
        if place.exists() and not place.is_file() and not place.is_dir():
            raise ConfigError("is no regular file", where=path)
        try:
            return place.read_text("utf-8-sig")
        except FileNotFoundError:
            raise ConfigError("no such file", where=path, hint=f"paths count from {self.root}") from None
        except IsADirectoryError:
            raise ConfigError("is a folder, not a file", where=path) from None
        except UnicodeDecodeError as error:
            raise ConfigError("is not UTF-8 text", where=path, reason=error.reason) from None
        except OSError as error:
            raise ConfigError("cannot be read", where=path, reason=error.strerror or str(error)) from None

    def exists(self, path: str) -> bool:
        """Whether there is a file at ``path``. Raises ConfigError where it is outside."""
        return self._inside(path).is_file()

    def glob(self, pattern: str) -> list[str]:
        """The files that match, sorted, relative to the root. Raises ConfigError for a pattern that leads outside."""
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise ConfigError("leads out of the project's folder", where=pattern, hint=f"it is {self.root}")
        found = sorted(p.relative_to(self.root).as_posix() for p in self.root.glob(pattern) if p.is_file())
        for path in found:
            self._inside(path)
        return found

    def _inside(self, path: str) -> Path:
        if not path or "\0" in path:
            raise ConfigError("is not a path", where=repr(path))
        try:
            place = (self.root / path).resolve()
        except (OSError, RuntimeError):
            raise ConfigError("is a symlink that leads back to itself", where=path) from None
        if not place.is_relative_to(self.root):
            raise ConfigError(
                "leads out of the project's folder",
                where=path,
                hint=f"only files below {self.root} are read; symlinks out of it are not followed",
            )
        return place
