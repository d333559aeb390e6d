"""services.yaml from its text to plain data: rendered as a whole, or value by value, with a place for every key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from codexctl_ci.errors import Finding, InvalidStack
from codexctl_ci.stack.header import Header, prelude, read_header
from codexctl_ci.stack.source_lines import SourceLines
from codexctl_ci.stack.yaml_nodes import Builder, Place, compose_all, place_of
from codexctl_ci.templating.context import TemplateContext
from codexctl_ci.templating.engine import Engine
from codexctl_ci.templating.errors import TemplateError

Path = tuple[str | int, ...]

_ACTION = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_ESCAPED_QUOTE = re.compile(r"""\{[{%](?:(?![}%]\}).)*(\\"|'')""", re.DOTALL)


@dataclass(frozen=True)
class Document:
    """services.yaml rendered. Every scalar in ``data`` is its source text, or None where it is blank."""

    file: str
    data: dict[str, Any]
    lines: SourceLines
    places: Mapping[Path, Place] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def place(self, path: Path) -> Place:
        """Where ``path`` stands, or the nearest thing above it."""
        while path:
            if path in self.places:
                return self.lines.place(self.places[path])
            path = path[:-1]
        return Place(1, 1)

    def finding(self, path: Path, message: str, hint: str = "") -> Finding:
        """A fault at ``path``."""
        place = self.place(path)
        return Finding(message, self.file, place.line, place.column, hint)


def render_document(text: str, file: str, engine: Engine, context: TemplateContext) -> Document:
    """``text`` rendered and parsed; keys of the header stand wherever the rendered document lacks them.

    ``context.extra`` is filled with the file's top-level scalars. Raises TemplateError where it can't be rendered,
    InvalidStack where what comes out is no YAML or no mapping.
    """
    header = read_header(text)
    context = replace(context, extra={**header.scalars, **context.extra})
    try:
        rendered, whole = _render_whole(text, file, engine, context, header), True
    except TemplateError as error:
        if not _ESCAPED_QUOTE.search(text):
            raise
        try:
            node = _single(text, file)
        except InvalidStack:
            raise error from None
        rendered, whole = text, False
        _render_values(node, prelude(text), file, engine, _with_scalars(node, text, file, engine, context))
    if whole:
        node = _single_rendered(rendered, text, file)
    builder = Builder(file, as_text=True, keep_places=True)
    data = builder.build(node)
    if not isinstance(data, dict):
        raise InvalidStack([Finding("must be a mapping with the key project", file, 1, 1)])
    lines = SourceLines(rendered, text)
    findings = tuple(lines.finding(finding) for finding in builder.findings)
    return Document(file, _fill(data, header), lines, builder.places, findings)


def _render_whole(text: str, file: str, engine: Engine, context: TemplateContext, header: Header) -> str:
    if "{{" not in text and "{%" not in text and "{#" not in text:
        return text
    rendered = engine.render(text, context, file=file)
    templated = {key for key, value in header.scalars.items() if _ACTION.search(value)}
    if any(re.search(rf"\b{re.escape(key)}\b", action) for key in templated for action in _ACTION.findall(text)):
        # Actions use a top-level scalar that holds actions itself: now that it is rendered, once more.
        known = read_header(rendered).scalars
        rendered = engine.render(text, replace(context, extra={**context.extra, **known}), file=file)
    return rendered


def _single(text: str, file: str) -> Node:
    nodes = list(compose_all(text, file))
    if not nodes:
        raise InvalidStack([Finding("is empty", file, 1, 1)])
    if len(nodes) > 1:
        place = place_of(nodes[1])
        raise InvalidStack([Finding("a second document begins here: it must be one", file, place.line, place.column)])
    return nodes[0]


def _single_rendered(rendered: str, text: str, file: str) -> Node:
    try:
        return _single(rendered, file)
    except InvalidStack as error:
        lines = SourceLines(rendered, text)
        raise InvalidStack([lines.finding(finding) for finding in error.findings]) from None


def _scalars(node: Node) -> Iterator[ScalarNode]:
    if isinstance(node, ScalarNode):
        yield node
    elif isinstance(node, SequenceNode):
        for item in node.value:
            yield from _scalars(item)
    elif isinstance(node, MappingNode):
        for _, value in node.value:
            yield from _scalars(value)


def _with_scalars(node: Node, text: str, file: str, engine: Engine, context: TemplateContext) -> TemplateContext:
    """The context with the file's top-level scalars rendered, each in the light of those before it."""
    known = dict(context.extra)
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(value, ScalarNode) and _ACTION.search(value.value):
                line = value.start_mark.line + 1
                source = prelude(text) + value.value
                known[key.value] = _render_one(source, file, line, engine, replace(context, extra=known))
    return replace(context, extra=known)


def _render_values(node: Node, before: str, file: str, engine: Engine, context: TemplateContext) -> None:
    # An anchored scalar is one node in several places and must be rendered once.
    for scalar in {id(scalar): scalar for scalar in _scalars(node)}.values():
        if _ACTION.search(scalar.value):
            line = scalar.start_mark.line + 1
            scalar.value = _render_one(before + scalar.value, file, line, engine, context)


def _render_one(text: str, file: str, line: int, engine: Engine, context: TemplateContext) -> str:
    try:
        return engine.render(text, context, file=file)
    except TemplateError as error:
        raise TemplateError(
            error.problem, file=error.file, line=line, source_line=error.source_line, hint=error.hint
        ) from None


def _fill(data: dict[str, Any], header: Header) -> dict[str, Any]:
    """``data``, with the header's keys where it lacks them."""
    known = header.as_document()
    for key, value in known.items():
        if data.get(key) is None:
            data[key] = value
        elif key == "namespace" and isinstance(data[key], dict) and data[key].get("patterns") is None:
            data[key]["patterns"] = value["patterns"]
    return data
