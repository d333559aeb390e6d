"""What a context holds under rules made by chance, against buildah."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from tests.support.context_trees import running_buildah, trees

pytestmark = pytest.mark.sandbox


def test_the_same_files_are_taken_as_by_buildah(tmp_path: Path) -> None:
    with running_buildah(tmp_path) as buildah:
        assert [found for tree in islice(trees(6), 20) if (found := buildah.differs(tree))] == []
