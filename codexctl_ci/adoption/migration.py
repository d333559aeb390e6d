"""What would differ for a project of the Go tool `codexctl`: one row a line of its files."""

from __future__ import annotations

from codexctl_ci.adoption.difference import Difference, OldProject
from codexctl_ci.adoption.migration_manifests import manifest_differences
from codexctl_ci.adoption.migration_stack import stack_differences
from codexctl_ci.adoption.migration_workflows import workflow_differences


def differences(old: OldProject) -> list[Difference]:
    """All of them, once each: services.yaml first, then other files, by line."""
    found = {**dict.fromkeys(stack_differences(old)), **dict.fromkeys(manifest_differences(old))}
    found |= dict.fromkeys(workflow_differences(old.workflows))
    return sorted(found, key=lambda row: (row.file != old.config, row.file, row.line))
