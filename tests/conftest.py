"""Fixtures that any test can ask for, and which tests share a worker."""

from __future__ import annotations

from typing import Any

import pytest

pytest_plugins = ["tests.support.github_imitation", "tests.support.sandbox_fixtures"]

_ON_ONE_STAGE = ("test_actions.py", "test_every_workflow.py", "test_ways_to_fail.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """With ``--dist loadgroup``: modules that share a stage run on one worker, all other tests wherever there is room.

    Not by xdist's own mark: it appends the group to the node's id, which pytest no longer takes.
    """
    if config.getoption("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # it ships no types

    class Stages(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.partition("::")[0]
            return "one stage" if module.endswith(_ON_ONE_STAGE) else nodeid

    return Stages(config, log)
