"""What tests of whole workflows share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.state import State
from tests.support.workflow_stage import Ended, WorkflowStage, open_stage

OWN_WORKFLOW = Path(__file__).with_name("own.yml")


@pytest.fixture(scope="session")
def stage(sandbox: State, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkflowStage]:
    """One stage for all modules that tests/conftest.py keeps on one worker, one after the other."""
    own = {".github/workflows/own.yml": OWN_WORKFLOW.read_text()}
    with open_stage(sandbox, tmp_path_factory.mktemp("workflows"), own) as made:
        yield made


@dataclass(frozen=True)
class Opening:
    """What goes on at once, as on any morning."""

    deployed: Ended
    plan: int
    page: int
    repair: int


@pytest.fixture(scope="session")
def opening(stage: WorkflowStage) -> Opening:
    plan = stage.issue("Fish", "plan a page about fish", "[ai-plan]")
    page = stage.issue("Birds", "add a page about birds", "[ai-dev]")
    deployed = stage.ended("push")["ai_staging_deploy"]
    repair = stage.issue("Dust", "add a page about dust", "[ai-repair]")
    return Opening(deployed, plan, page, repair)
