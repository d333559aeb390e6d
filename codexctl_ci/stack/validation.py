"""From a document to a StackSpec, with every fault found in one run and placed in the file."""

from __future__ import annotations

from dataclasses import dataclass

from codexctl_ci.errors import Finding
from codexctl_ci.stack.document import Document
from codexctl_ci.stack.reading import read
from codexctl_ci.stack.schema import StackSpec


@dataclass(frozen=True)
class Validated:
    """``spec`` is what is left of the stack after taking the faults out."""

    spec: StackSpec
    errors: tuple[Finding, ...]
    warnings: tuple[Finding, ...]


def validate(document: Document, *, unknown_keys_are_errors: bool) -> Validated:
    """Check ``document`` against the schema. Faulty parts are left out of ``spec``, so that the rest can be checked."""
    spec, faults = read(StackSpec, document.data, instead={"project": "unnamed"})
    assert spec is not None, "a document is a mapping, and its project is given instead"
    errors: list[Finding] = list(document.findings)
    warnings: list[Finding] = []
    for fault in faults:
        lenient = fault.unknown and not unknown_keys_are_errors
        (warnings if lenient else errors).append(document.finding(fault.path, fault.message, fault.hint))
    return Validated(spec, tuple(errors), tuple(warnings))
