"""What a killed sandbox left is taken away by whoever starts the next one."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from sandbox.bootstrap.cache import locked
from sandbox.keeper import LOCK, homes, reap_abandoned


@pytest.mark.timeout(20)
def test_who_reaps_under_the_lock_does_not_wait_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("dead", "alive"):
        (homes() / name).mkdir(parents=True)
        (homes() / name / LOCK).touch()
    with (homes() / "alive" / LOCK).open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with locked(homes().with_name("run.lock")):
            reap_abandoned()
    assert [home.name for home in homes().iterdir()] == ["alive"]
