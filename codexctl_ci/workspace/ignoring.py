"""Which new files a repository's own ignore rules leave out: asked of git, in an empty tree of those rules alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from codexctl_ci.errors import CodexctlError
from codexctl_ci.process import Finished

_TIMEOUT = timedelta(minutes=1)


def ignored(
    paths: Sequence[str],
    rules: Mapping[str, bytes],
    run: Callable[..., Finished],
    environ: Mapping[str, str],
) -> frozenset[str]:
    """Those of ``paths`` that ``rules`` (.gitignore files by their path) leave out."""
    if not paths or not rules:
        return frozenset()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        env = {"PATH": environ.get("PATH", os.defpath), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
        _git(run, root, env, "init", "--quiet", ".")
        for path, content in rules.items():
            place = root / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        data = "\0".join(paths).encode("utf-8", "surrogateescape")
        done = _git(run, root, env, "check-ignore", "--no-index", "-z", "--stdin", stdin=data)
        return frozenset(filter(None, done.stdout.decode("utf-8", "surrogateescape").split("\0")))


def _git(run: Callable[..., Finished], root: Path, env: Mapping[str, str], *words: str, stdin: bytes = b"") -> Finished:
    done = run(["git", *words], cwd=root, env=env, stdin=stdin, timeout=_TIMEOUT)
    # check-ignore ends with 1 where nothing is ignored.
    if done.code not in (0, 1) or done.timed_out:
        raise CodexctlError(f"git {words[0]} failed", reason=done.stderr.decode("utf-8", "replace").strip()[-300:])
    return done
