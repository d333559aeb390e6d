"""The rules of ``.dockerignore`` over many trees."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from tests.support.context_trees import running_buildah, trees

pytestmark = [pytest.mark.sandbox, pytest.mark.soak]


def test_the_same_files_are_taken_of_300_trees_as_by_buildah(tmp_path: Path) -> None:
    with running_buildah(tmp_path) as buildah:
        assert [found for tree in islice(trees(300), 300) if (found := buildah.differs(tree))] == []
