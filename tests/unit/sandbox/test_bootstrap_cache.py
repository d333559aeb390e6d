import io
import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from sandbox.bootstrap.cache import digest, ensure, prune
from sandbox.bootstrap.progress import Progress


def test_an_entry_is_built_once_and_then_found(tmp_path: Path) -> None:
    built: list[Path] = []

    def build(folder: Path) -> None:
        built.append(folder)
        (folder / "program").write_text("x")

    first = ensure(tmp_path / "tool-abc", build)
    second = ensure(tmp_path / "tool-abc", build)

    assert first == second
    assert (first / "program").read_text() == "x"
    assert len(built) == 1


def test_a_failed_build_leaves_no_entry_and_can_be_repeated(tmp_path: Path) -> None:
    entry = tmp_path / "tool-abc"

    def fail(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise RuntimeError("no compiler")

    with pytest.raises(RuntimeError, match="no compiler"):
        ensure(entry, fail)
    assert not entry.exists()

    ensure(entry, lambda folder: None)
    assert list(entry.iterdir()) == []


def test_two_at_once_build_once(tmp_path: Path) -> None:
    built: list[Path] = []
    started = threading.Barrier(2)

    def ask() -> None:
        started.wait(10)
        ensure(tmp_path / "tool-abc", built.append)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert len(built) == 1


def test_digest_depends_on_content_not_on_where_parts_end(tmp_path: Path) -> None:
    file = tmp_path / "go.mod"
    file.write_text("module a")
    before = digest("x", file)
    file.write_text("module b")

    assert digest("x", file) != before
    assert digest("ab", "c") != digest("a", "bc")


def test_only_entries_that_nobody_uses_are_pruned(tmp_path: Path) -> None:
    for name in ("old", "old-but-in-use", "asked-for"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (0, 0))
    ensure(tmp_path / "asked-for", lambda folder: None)

    prune(tmp_path, timedelta(days=14), keep={str(tmp_path / "old-but-in-use")})

    assert sorted(path.name for path in tmp_path.iterdir()) == ["asked-for", "old-but-in-use"]


def test_progress_tells_when_a_step_failed() -> None:
    stream = io.StringIO()

    with pytest.raises(ValueError, match="x"), Progress(stream).step("building etcd"):
        raise ValueError("x")

    assert "building etcd ..." in stream.getvalue()
    assert "building etcd: failed after" in stream.getvalue()
