"""Characters by which a text reads otherwise than it runs, and none that honest files hold."""

from __future__ import annotations

import re
from collections.abc import Iterator

from codexctl_ci.guardrails.policy import FileChange, Policy, Violation, allowing, matches

# Overrides, embeddings and isolates turn the text around them (CVE-2021-42574); tags are not drawn but in three flags.
_UNSEEN = re.compile("[\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
_FLAGS = re.compile(
    "\U0001f3f4(?:"
    + "|".join("".join(chr(0xE0000 + ord(sign)) for sign in flag) for flag in ("gbeng", "gbsct", "gbwls"))
    + ")\U000e007f"
)
_ENCODED = re.compile(rb"\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]|\xf3\xa0[\x80\x81]")


def judge_characters(change: FileChange, policy: Policy) -> Iterator[Violation]:
    """New lines of a text that hold such characters, unless the policy lets the file hold them."""
    if not _ENCODED.search(change.content) or matches(change.path, policy.unseen):
        return
    before = frozenset((change.before or b"").split(b"\n"))
    for number, line in enumerate(change.content.split(b"\n"), 1):
        found = _UNSEEN.search(_FLAGS.sub("", line.decode("utf-8", "replace"))) if _ENCODED.search(line) else None
        if found and line not in before:
            what = f"the line holds U+{ord(found[0][0]):04X}, which nobody sees and which changes what is read"
            yield Violation("unseen", change.path, what, number, allowing("unseenCharacters"))
