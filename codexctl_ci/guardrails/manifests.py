"""YAML and manifests in a change: they parse, hold no Secret that everybody can read, and are named alike."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from codexctl_ci.errors import InvalidStack
from codexctl_ci.guardrails.policy import FileChange, Policy, Violation, allowing, matches
from codexctl_ci.stack.yaml_nodes import compose_all

_YAML = re.compile(r"\.(ya?ml|json)(\.(j2|jinja2?|tpl|tmpl|gotmpl))?\Z", re.IGNORECASE)
_BLOCK_LINE = re.compile(r"(?m)^[ \t]*(\{%.*?%\}|\{\{-?\s*(?:if|else|end|range|with|define|template)\b.*?\}\})[ \t]*$")
_SECRET_KIND = re.compile(r"(?<![\w.-])[\"']?kind[\"']?[ \t]*:[ \t]*[\"']?Secret\b")
_FILE_NAME = re.compile(r"[a-z0-9]+([-.][a-z0-9]+)*\Z")
_OBJECT_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?\Z")
# A word that is a scalar wherever an action may stand.
_STAND_IN = "codexctl-template"


@dataclass
class _Seen:
    """What the documents of a file hold. Places are lines from 1."""

    secrets: dict[tuple[str, str], int] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    manifests: int = 0
    fault: tuple[str, int] | None = None


def judge_text(change: FileChange, policy: Policy) -> Iterator[Violation]:
    """What is wrong with a text file, where it is YAML or JSON. What was so before is not the agent's doing."""
    path = change.path
    if not _YAML.search(path):
        return
    text = change.content.decode("utf-8", "replace")
    now, before = _look(text), _look((change.before or b"").decode("utf-8", "replace"))
    # JSON with comments or of several lines is no YAML, and nobody says that it should be.
    must_parse = not _is_template(text) and ".json" not in path.lower() and not matches(path, policy.unparsed)
    if now.fault and not before.fault and must_parse:
        yield Violation("yaml", path, now.fault[0], now.fault[1], allowing("unparsedYaml"))
    if not matches(path, policy.plain_secrets):
        yield from _secrets(path, text, now, before)
    if policy.hyphens:
        yield from _names(change, now, before)


def _secrets(path: str, text: str, now: _Seen, before: _Seen) -> Iterator[Violation]:
    how = f"encrypt it with SOPS, or {allowing('plainSecrets')}"
    unread = _SECRET_KIND.search(text) if now.fault and not before.fault else None
    if unread:
        line = text.count("\n", 0, unread.end()) + 1
        yield Violation("plain-secret", path, "a Secret in a file that cannot be read as YAML", line, how)
    for known, line in now.secrets.items():
        if known not in before.secrets:
            yield Violation("plain-secret", path, f"the value of {known[0]} in a Secret is not encrypted", line, how)
            return


def _names(change: FileChange, now: _Seen, before: _Seen) -> Iterator[Violation]:
    what, how = "is not of lower-case words with hyphens", allowing("manifestNames")
    name = PurePosixPath(change.path).name
    if now.manifests and change.before is None and not _FILE_NAME.match(name):
        yield Violation("name", change.path, f"the manifest's file name {what}", 1, how)
    for word, line in now.names.items():
        if word not in before.names and not _OBJECT_NAME.match(word):
            yield Violation("name", change.path, f"the name {word[:80]!r} {what}", line, how)


def _is_template(text: str) -> bool:
    return "{{" in text or "{%" in text


def _look(text: str) -> _Seen:
    seen = _read(text)
    if seen.fault and _is_template(text):
        # Lines stay where they are. A template that is no YAML even so is judged by what it renders to, at its deploy.
        again = _read(_filled(_BLOCK_LINE.sub("", text)))
        return again if not again.fault else seen
    return seen


def _filled(text: str) -> str:
    """The text with a plain word for each action."""
    parts, at = [], 0
    while (start := text.find("{{", at)) >= 0 and (end := text.find("}}", start)) >= 0:
        parts += [text[at:start], _STAND_IN, "\n" * text.count("\n", start, end)]
        at = end + 2
    return "".join([*parts, text[at:]])


def _read(text: str) -> _Seen:
    seen = _Seen()
    # JSON may be indented with tabs, which YAML forbids.
    text = text.replace("\t", " ") if text.lstrip()[:1] in ("{", "[") else text
    try:
        for node in compose_all(text, ""):
            _document(node, seen)
    except InvalidStack as error:
        (finding,) = error.findings
        seen.fault = (finding.message, finding.line)
    return seen


def _document(node: Node, seen: _Seen) -> None:
    keys = _mapping(node)
    kind, version = _text(keys.get("kind")), _text(keys.get("apiVersion"))
    if not kind or not version:
        return
    seen.manifests += 1
    items = keys.get("items")
    if kind.endswith("List") and isinstance(items, SequenceNode):
        for item in items.value:
            _document(item, seen)
    name = _mapping(keys.get("metadata")).get("name")
    # RBAC's names may hold capitals and colons.
    if isinstance(name, ScalarNode) and not version.startswith("rbac.") and not _stands_in(name.value):
        seen.names.setdefault(name.value, name.start_mark.line + 1)
    if kind == "Secret" and version == "v1":
        _values(keys, seen)


def _values(secret: dict[str, Node], seen: _Seen) -> None:
    sealed = isinstance(secret.get("sops"), MappingNode)
    for part in ("data", "stringData"):
        for key, value in _mapping(secret.get(part)).items():
            text = _text(value)
            if text and not _stands_in(text) and not (sealed and text.startswith("ENC[")):
                seen.secrets.setdefault((key, text), value.start_mark.line + 1)


def _stands_in(text: str) -> bool:
    return _STAND_IN in text or "{{" in text or (text.startswith("${") and text.endswith("}"))


def _mapping(node: Node | None) -> dict[str, Node]:
    if not isinstance(node, MappingNode):
        return {}
    return {key.value: value for key, value in node.value if isinstance(key, ScalarNode)}


def _text(node: Node | None) -> str:
    return str(node.value) if isinstance(node, ScalarNode) else ""
