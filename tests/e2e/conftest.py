"""What tests of whole workflows share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.state import State
from tests.support.workflow_stage import WorkflowStage, open_stage


@pytest.fixture(scope="session")
def stage(sandbox: State, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkflowStage]:
    """One stage for all modules of the group `workflows`, which run in one process, one after the other."""
    with open_stage(sandbox, tmp_path_factory.mktemp("workflows")) as made:
        yield made
