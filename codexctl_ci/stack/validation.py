"""From a document to a StackSpec, with every fault found in one run and placed in the file."""

from __future__ import annotations

from dataclasses import dataclass

from codexctl_ci.errors import Finding
from codexctl_ci.stack.document import Document
from codexctl_ci.stack.reading import Fault, read
from codexctl_ci.stack.schema import StackSpec

# Top-level keys that templates don't see.
_NOT_IN_CONTEXT = ("services", "infrastructure", "images", "environments", "hooks", "maxSlots", "state", "guardrails")


@dataclass(frozen=True)
class Validated:
    """``spec`` is what is left of the stack after taking the faults out."""

    spec: StackSpec
    errors: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    context_is_whole: bool = True
    """Whether nothing is at fault that templates see: what they lack they lack by themselves then."""


def validate(document: Document, *, unknown_keys_are_errors: bool) -> Validated:
    """Check ``document`` against the schema. Faulty parts are left out of ``spec``, so that the rest can be checked."""
    spec, faults = read(StackSpec, document.data, instead={"project": "unnamed"})
    assert spec is not None, "a document is a mapping, and its project is given instead"
    errors: list[Finding] = list(document.findings)
    warnings: list[Finding] = []
    whole = True
    for fault in faults:
        lenient = fault.unknown and not unknown_keys_are_errors
        (warnings if lenient else errors).append(document.finding(fault.path, fault.message, fault.hint))
        whole &= lenient or _beside_the_context(fault)
    return Validated(spec, tuple(errors), tuple(warnings), whole)


def _beside_the_context(fault: Fault) -> bool:
    if len(fault.path) == 1 and fault.unknown:
        # A misspelt key: whatever it was meant for.
        return any(f" {key}?" in fault.hint for key in _NOT_IN_CONTEXT)
    return bool(fault.path) and fault.path[0] in _NOT_IN_CONTEXT
