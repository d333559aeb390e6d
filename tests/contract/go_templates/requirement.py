"""Go is required here: without it these tests fail, unless somebody says that they know."""

from __future__ import annotations

import os

import pytest

needs_go = pytest.mark.skipif(
    os.environ.get("CODEXCTL_TESTS_WITHOUT_GO") == "1", reason="CODEXCTL_TESTS_WITHOUT_GO=1 leaves out what needs Go"
)
