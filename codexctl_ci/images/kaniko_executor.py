"""Builds with Kaniko's executor in this very container, one after the other."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from codexctl_ci import process
from codexctl_ci.images.build_log import show
from codexctl_ci.images.causes import advice_on
from codexctl_ci.images.kaniko import BuildFailed, KanikoOptions, kaniko_arguments
from codexctl_ci.images.named_contexts import staged
from codexctl_ci.images.recipes import inside
from codexctl_ci.stack.images import BuiltImage

log = logging.getLogger(__name__)

_LAST_LINES = 30


@dataclass
class KanikoExecutor:
    """Implements ``ports.ImageBuilder``. The executor owns the root of its container: one build at a time.

    ``environ`` is the environment that it gets besides the build arguments; secrets in it are the caller's choice.
    """

    executor: Path
    root: Path
    options: KanikoOptions
    environ: Mapping[str, str]
    timeout: timedelta | None = None
    parallel: int = 1
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _end: list[Callable[[], None]] = field(default_factory=list)
    _stopped: bool = False

    def build(self, image: BuiltImage, destinations: Sequence[str], labels: Mapping[str, str]) -> str:
        obj = f"image {image.name}"
        context, dockerfile = inside(self.root, image.context, obj), inside(self.root, image.dockerfile, obj)
        if self._stopped:
            raise BuildFailed("the build was stopped", obj=obj)
        with self._turn, staged(self.root, context, dockerfile, image) as place, _scratch() as scratch:
            note = scratch / "digest"
            argv = [
                str(self.executor),
                *kaniko_arguments(
                    self.options,
                    context=str(place.context),
                    dockerfile=str(place.dockerfile),
                    destinations=destinations,
                    argument_names=image.build_args,
                    labels=labels,
                    digest_file=str(note),
                ),
                "--cleanup",
            ]
            last: list[str] = []

            def heard(line: str) -> None:
                show(image.name, line)
                last.append(line)
                del last[:-_LAST_LINES]

            environ = {**self.environ, **image.build_args}
            try:
                ended = process.run(
                    argv, env=environ, cwd=self.root, timeout=self.timeout, on_line=heard, on_start=self._begun
                )
            except OSError as error:
                raise BuildFailed(
                    "Kaniko's executor cannot be started",
                    obj=str(self.executor),
                    reason=error.strerror or type(error).__name__,
                    hint="set CODEXCTL_KANIKO_EXECUTOR, or --builder job",
                ) from None
            digest = note.read_text().strip() if note.is_file() else ""
        if not ended.ok or not digest:
            how = "took too long" if ended.timed_out else f"ended with exit code {ended.code}"
            reason = "\n".join(last)
            hint = advice_on(reason, "read the lines above")
            raise BuildFailed(f"Kaniko {how}", obj=obj, reason=reason, hint=hint)
        return digest

    def stop(self) -> None:
        """End the build that is going on; nothing is begun any more."""
        self._stopped = True
        for end in self._end:
            end()

    def _begun(self, end: Callable[[], None]) -> None:
        self._end[:] = [end]
        if self._stopped:
            end()


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="codexctl-build-") as folder:
        yield Path(folder)
