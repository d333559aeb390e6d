"""Fixtures that any test can ask for."""

from __future__ import annotations

pytest_plugins = ["tests.support.github_imitation", "tests.support.sandbox_fixtures"]
