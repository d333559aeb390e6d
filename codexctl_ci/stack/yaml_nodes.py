"""YAML as the stack reads it: libyaml's parser, the YAML 1.2 core schema, and a place for everything.

``yes``, ``no``, ``on``, ``off`` and ``22:22`` are strings, a key that stands twice in one mapping is a fault, anchors
and merge keys work.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.events import CollectionEndEvent, CollectionStartEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from codexctl_ci.errors import Finding, InvalidStack

try:
    from yaml.cyaml import CParser as _Parser  # type: ignore[attr-defined]
except ImportError:  # PyYAML was built without libyaml: slower, and otherwise the same
    from yaml.composer import Composer
    from yaml.parser import Parser
    from yaml.reader import Reader
    from yaml.scanner import Scanner

    class _Parser(Reader, Scanner, Parser, Composer):  # type: ignore[no-redef]
        def __init__(self, stream: str) -> None:
            Reader.__init__(self, stream)
            Scanner.__init__(self)
            Parser.__init__(self)
            Composer.__init__(self)


_CORE = "tag:yaml.org,2002:"
STR, NULL, BOOL = _CORE + "str", _CORE + "null", _CORE + "bool"
INT, FLOAT, MERGE = _CORE + "int", _CORE + "float", _CORE + "merge"
_MAP, _SEQ = _CORE + "map", _CORE + "seq"

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_MOST_NODES = 200_000
_DEEPEST = 150
_SAFE = 1000
_SPECIAL = {".inf": float("inf"), "+.inf": float("inf"), "-.inf": float("-inf"), ".nan": float("nan")}


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands; both count from 1."""

    line: int
    column: int


class _CoreLoader(_Parser):
    """Composes nodes whose tags follow the YAML 1.2 core schema."""

    def resolve(self, kind: type[Node], value: str | None, implicit: Any) -> str:
        if kind is ScalarNode:
            return core_tag(value or "") if implicit[0] else STR
        return _MAP if kind is MappingNode else _SEQ

    def descend_resolver(self, current: Node | None, index: Any) -> None:
        """Path resolvers aren't used."""

    def ascend_resolver(self) -> None:
        """Path resolvers aren't used."""


def core_tag(text: str) -> str:
    """The tag of a plain scalar by the core schema."""
    if text in _NULLS:
        return NULL
    if text in _BOOLS:
        return BOOL
    if text == "<<":
        return MERGE
    head = text[0]
    if head.isdigit() or head in "+-.":
        if _INT.fullmatch(text):
            return INT
        if _FLOAT.fullmatch(text) or text.lower() in _SPECIAL:
            return FLOAT
    return STR


def _nested_too_deeply(text: str) -> bool:
    """Whether ``text`` must not be composed: libyaml does it on the C stack, without a bound."""
    # A level takes a bracket or at least one more column: most texts are shallow at a glance.
    if text.count("[") + text.count("{") + max(map(len, text.splitlines()), default=0) < _SAFE:
        return False
    depth = 0
    loader = _CoreLoader(text)
    try:
        while loader.check_event():
            event = loader.get_event()
            depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
            if depth > _DEEPEST:
                return True
    except yaml.YAMLError:
        return False
    finally:
        dispose = getattr(loader, "dispose", None)
        if dispose is not None:
            dispose()
    return False


def compose_all(text: str, file: str) -> Iterator[Node]:
    """The root node of each document in ``text``; empty documents are left out.

    Raises InvalidStack with the place where ``text`` is no YAML.
    """
    if _nested_too_deeply(text):
        raise InvalidStack([Finding("nested too deeply", file, 1, 1)])
    loader = _CoreLoader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is not None and node.tag != NULL:
                yield node
    except yaml.YAMLError as error:
        raise InvalidStack([_syntax_finding(error, file)]) from None
    finally:
        dispose = getattr(loader, "dispose", None)
        if dispose is not None:
            dispose()


def _syntax_finding(error: yaml.YAMLError, file: str) -> Finding:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    context = getattr(error, "context", None)
    message = f"not valid YAML: {problem}" + (f" {context}" if context else "")
    if mark is None:
        return Finding(message, file)
    return Finding(message, file, mark.line + 1, mark.column + 1)


def place_of(node: Node) -> Place:
    """Where ``node`` starts."""
    mark = node.start_mark
    return Place(mark.line + 1, mark.column + 1)


def _integer(text: str) -> int:
    if text[:2] in ("0o", "0x"):
        return int(text, 0)
    # "0644" is a file mode in manifests: octal, as Kubernetes' own tools read it.
    digits = text.lstrip("+-")
    octal = len(digits) > 1 and digits[0] == "0" and not set(digits) & {"8", "9"}
    return int(text, 8 if octal else 10)


class Builder:
    """Makes plain data of nodes. With ``as_text``, every scalar but null keeps its source text as a string.

    ``findings`` collects duplicate keys and values of unknown tags; ``places`` maps the path of each key and item to
    where it stands.
    """

    def __init__(self, file: str, *, as_text: bool = False, keep_places: bool = False) -> None:
        self.file = file
        self.findings: list[Finding] = []
        self.places: dict[tuple[str | int, ...], Place] = {}
        self._as_text = as_text
        self._keep_places = keep_places
        self._nodes = 0
        self._depth = 0

    def build(self, node: Node, path: tuple[str | int, ...] = ()) -> Any:
        """The data of ``node`` and all below it. Raises InvalidStack where aliases make it endless or huge."""
        self._nodes += 1
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        if self._nodes > _MOST_NODES or self._depth > _DEEPEST:
            place = place_of(node)
            message = "an alias refers to itself, or the document is too large"
            raise InvalidStack([Finding(message, self.file, place.line, place.column)])
        self._depth += 1
        try:
            return self._collection(node, path)
        finally:
            self._depth -= 1

    def _collection(self, node: Node, path: tuple[str | int, ...]) -> Any:
        if isinstance(node, SequenceNode):
            if not self._keep_places:
                return [self.build(item) for item in node.value]
            items = []
            for position, item in enumerate(node.value):
                below = (*path, position)
                self.places[below] = place_of(item)
                items.append(self.build(item, below))
            return items
        return self._mapping(node, path)

    def _mapping(self, node: Node, path: tuple[str | int, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: list[Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == MERGE:
                merged += value_node.value if isinstance(value_node, SequenceNode) else [value_node]
                continue
            if not isinstance(key_node, ScalarNode):
                self._complain(key_node, "a key must be a plain word")
                continue
            key = key_node.value
            if key in found:
                first = self.places.get((*path, key))
                since = f", first in line {first.line}" if first else ""
                self._complain(key_node, f"key {key!r} stands twice in one mapping{since}")
                continue
            below = (*path, key)
            if self._keep_places:
                self.places[below] = place_of(key_node)
            found[key] = self.build(value_node, below)
        for source in merged:
            self._merge(source, found, path)
        return found

    def _merge(self, source: Node, into: dict[str, Any], path: tuple[str | int, ...]) -> None:
        if not isinstance(source, MappingNode):
            self._complain(source, "'<<' takes a mapping or a list of mappings")
            return
        # Its own keys win, and earlier merges over later ones.
        before = dict(self.places) if self._keep_places else {}
        for key, value in self._mapping(source, path).items():
            into.setdefault(key, value)
        self.places.update(before)

    def _scalar(self, node: ScalarNode) -> Any:
        tag, text = node.tag, node.value
        if tag == NULL:
            return None
        if self._as_text or tag == STR:
            return text
        if tag == BOOL:
            return _BOOLS.get(text, text)
        try:
            if tag == INT:
                return _integer(text)
            if tag == FLOAT:
                return _SPECIAL[text.lower()] if text.lower() in _SPECIAL else float(text)
        except ValueError:
            self._complain(node, f"{text!r} is not a number")
            return text
        if tag not in (MERGE, "!", "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:binary"):
            self._complain(node, f"unknown tag {tag}")
        return text

    def _complain(self, node: Node, message: str) -> None:
        place = place_of(node)
        self.findings.append(Finding(message, self.file, place.line, place.column))
