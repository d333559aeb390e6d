"""Reading what a step tells the following ones."""

from __future__ import annotations


def parse_outputs(text: str) -> dict[str, str]:
    """What a step's output file says, as GitHub reads it."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, _, delimiter = line.partition("<<")
        value = []
        for inner in lines:
            if inner == delimiter:
                break
            value.append(inner)
        found[name] = "\n".join(value)
    return found
