"""The ``guardrails`` section of services.yaml: what agents may publish here."""

import re
from typing import Literal

from codexctl_ci.guardrails.policy import Policy
from codexctl_ci.stack.schema_types import Section, Size, key

_USUAL = Policy()


class Guardrails(Section):
    """What agents may publish, beyond the rules that always hold. Read from the base branch. Globs match whole paths
    from the root of the repository, in any case, and ``*`` reaches over folders."""

    protected_paths: tuple[str, ...] = ()
    """Globs of more paths that agents leave alone, beside workflows, CODEOWNERS, AGENTS.md and the like."""
    allow_protected: tuple[str, ...] = ()
    """Globs of protected paths that agents may change all the same."""
    allowed_paths: tuple[str, ...] = ()
    """Globs of the only files that agents may change; empty: all."""
    max_files: int = key(default=_USUAL.max_files, least=0)
    """Most files in one change."""
    max_lines: int = key(default=_USUAL.max_lines, least=0)
    """Most lines added and removed by one change."""
    max_file_size: Size = _USUAL.max_file_bytes
    """Largest file."""
    max_total_size: Size = _USUAL.max_total_bytes
    """All files of a change together."""
    binary_files: tuple[str, ...] = _USUAL.binaries
    """Globs of files that may be binary."""
    executable_files: tuple[str, ...] = ()
    """Globs of files that may be made, or become, executable."""
    unseen_characters: tuple[str, ...] = ()
    """Globs of files that may hold characters which turn the text around them (U+202E and the like), or tags."""
    symlinks: Literal["inside", "none"] = "inside"
    """Symbolic links: those that stay inside the repository, or none."""
    commit_message: str = ""
    """Regular expression (Python's) that a commit's first line matches from its start."""
    plain_secrets: tuple[str, ...] = ()
    """Globs of manifests that may hold a Secret that SOPS has not encrypted."""
    unparsed_yaml: tuple[str, ...] = ()
    """Globs of YAML files that need not parse. Templates never need to."""
    manifest_names: Literal["hyphens", "any"] = "hyphens"
    """Names of new manifests and of their objects: lower-case words with hyphens, or any."""

    def check(self) -> None:
        try:
            re.compile(self.commit_message)
        except re.error as error:
            raise ValueError(f"commitMessage {self.commit_message!r} is no regular expression: {error}") from None
