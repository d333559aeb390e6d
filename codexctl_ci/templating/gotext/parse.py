"""From tokens to a tree, with every check that Go makes before a template may run."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

from codexctl_ci.templating.functions import SPACE
from codexctl_ci.templating.gotext import nodes
from codexctl_ci.templating.gotext.lex import Kind, Token, lex
from codexctl_ci.templating.gotext.literals import read_character, read_complex, read_number
from codexctl_ci.templating.quoting import unquote


class SyntaxProblem(Exception):
    """The text is no template; ``offset`` says where."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(reason)
        self.offset = offset


@dataclass(slots=True)
class Definition:
    """A named template."""

    name: str
    body: list[nodes.Node]
    offset: int

    @property
    def empty(self) -> bool:
        """Whether it holds nothing but white space; another definition of the name may stand beside it."""
        return all(isinstance(node, nodes.Text) and not node.text.strip(SPACE) for node in self.body)


@dataclass(slots=True)
class _Scope:
    """What one template's body may refer to: its own variables, and ``break`` only in its own loops."""

    variables: list[str] = field(default_factory=lambda: ["$"])
    loops: int = 0


_OPERANDS = frozenset(
    {
        Kind.BOOL,
        Kind.CHARACTER,
        Kind.COMPLEX,
        Kind.DOT,
        Kind.FIELD,
        Kind.IDENTIFIER,
        Kind.NUMBER,
        Kind.RAW_STRING,
        Kind.STRING,
        Kind.VARIABLE,
        Kind.LEFT_PAREN,
    }
)
_STRINGS = (Kind.STRING, Kind.RAW_STRING)
_CONSTANTS = (nodes.Bool, nodes.Dot, nodes.Nil, nodes.Number, nodes.String)


def parse(name: str, text: str, functions: Container[str]) -> dict[str, Definition]:
    """All templates of ``text``: those it defines, and ``name`` for the rest. Raises ``SyntaxProblem``."""
    return _Parser(text, functions).run(name)


class _Parser:
    def __init__(self, text: str, functions: Container[str]) -> None:
        self._tokens = lex(text)
        self._next = 0
        self._functions = functions
        self._scope = _Scope()
        self._definitions: dict[str, Definition] = {}

    def run(self, name: str) -> dict[str, Definition]:
        body: list[nodes.Node] = []
        while self._peek().kind is not Kind.EOF:
            if self._peek().kind is Kind.LEFT:
                start = self._next
                self._next += 1
                if self._is_keyword(self._take(), "define"):
                    self._definition()
                    continue
                self._next = start
            node = self._text_or_action()
            if isinstance(node, nodes.Stop):
                raise SyntaxProblem(f"unexpected {{{{{node.word}}}}}", node.offset)
            body.append(node)
        self._add(Definition(name, body, 0))
        return self._definitions

    # Tokens.

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _advance(self) -> Token:
        token = self._tokens[self._next]
        if token.kind not in (Kind.EOF, Kind.ERROR):
            self._next += 1
        return token

    def _peek_past_space(self) -> Token:
        if self._tokens[self._next].kind is Kind.SPACE:
            self._next += 1
        return self._tokens[self._next]

    def _take(self) -> Token:
        self._peek_past_space()
        return self._advance()

    def _expect(self, kinds: tuple[Kind, ...], where: str) -> Token:
        token = self._take()
        if token.kind not in kinds:
            raise self._unexpected(token, where)
        return token

    @staticmethod
    def _is_keyword(token: Token, word: str) -> bool:
        return token.kind is Kind.KEYWORD and token.value == word

    @staticmethod
    def _unexpected(token: Token, where: str) -> SyntaxProblem:
        if token.kind is Kind.ERROR:
            return SyntaxProblem(token.value, token.offset)
        shown = "end of file" if token.kind is Kind.EOF else repr(token.value[:20])
        return SyntaxProblem(f"unexpected {shown} in {where}", token.offset)

    # Bodies.

    def _definition(self) -> None:
        name = self._name("define clause")
        offset = self._peek().offset
        self._expect((Kind.RIGHT,), "define clause")
        self._add(Definition(name, self._inner_body("define clause"), offset))

    def _inner_body(self, where: str) -> list[nodes.Node]:
        outer, self._scope = self._scope, _Scope()
        body, stop = self._body()
        if stop.word != "end":
            raise SyntaxProblem(f"unexpected {{{{{stop.word}}}}} in {where}", stop.offset)
        self._scope = outer
        return body

    def _add(self, definition: Definition) -> None:
        known = self._definitions.get(definition.name)
        if known is None or known.empty:
            self._definitions[definition.name] = definition
        elif not definition.empty:
            raise SyntaxProblem(f"template {definition.name!r} is defined twice", definition.offset)

    def _body(self) -> tuple[list[nodes.Node], nodes.Stop]:
        body: list[nodes.Node] = []
        while self._peek_past_space().kind is not Kind.EOF:
            node = self._text_or_action()
            if isinstance(node, nodes.Stop):
                return body, node
            body.append(node)
        raise SyntaxProblem("unexpected end of file: {{end}} is missing", self._peek().offset)

    def _text_or_action(self) -> nodes.Node:
        token = self._take()
        if token.kind is Kind.TEXT:
            return nodes.Text(token.offset, token.value)
        if token.kind is Kind.LEFT:
            return self._action()
        raise self._unexpected(token, "input")

    def _action(self) -> nodes.Node:
        token = self._peek_past_space()
        word = token.value if token.kind is Kind.KEYWORD else ""
        if word in ("if", "with", "range"):
            self._next += 1
            return self._branch(word)
        if word in ("break", "continue"):
            self._next += 1
            self._expect((Kind.RIGHT,), f"{{{{{word}}}}}")
            if not self._scope.loops:
                raise SyntaxProblem(f"{{{{{word}}}}} outside {{{{range}}}}", token.offset)
            return nodes.Jump(token.offset, word)
        if word == "else":
            self._next += 1
            after = self._peek_past_space()
            if not (self._is_keyword(after, "if") or self._is_keyword(after, "with")):
                self._expect((Kind.RIGHT,), "else")
            return nodes.Stop(token.offset, word)
        if word == "end":
            self._next += 1
            self._expect((Kind.RIGHT,), "end")
            return nodes.Stop(token.offset, word)
        if word == "template":
            self._next += 1
            return self._template()
        if word == "block":
            self._next += 1
            return self._block()
        return nodes.Action(token.offset, self._pipeline("command", Kind.RIGHT))

    def _branch(self, word: str) -> nodes.Branch:
        visible = len(self._scope.variables)
        pipe = self._pipeline(word, Kind.RIGHT)
        self._scope.loops += word == "range"
        body, stop = self._body()
        self._scope.loops -= word == "range"
        otherwise: list[nodes.Node] | None = None
        if stop.word == "else":
            if word != "range" and self._is_keyword(self._peek(), word):
                # "else if" takes its {{end}} with it.
                self._next += 1
                otherwise = [self._branch(word)]
            else:
                otherwise, stop = self._body()
                if stop.word != "end":
                    raise SyntaxProblem("expected end; found {{else}}", stop.offset)
        del self._scope.variables[visible:]
        return nodes.Branch(pipe.offset, word, pipe, body, otherwise)

    def _name(self, where: str) -> str:
        token = self._expect(_STRINGS, where)
        return self._literal(token)

    def _template(self) -> nodes.Call:
        offset = self._peek_past_space().offset
        name = self._name("template clause")
        if self._peek_past_space().kind is Kind.RIGHT:
            self._next += 1
            return nodes.Call(offset, name, None)
        return nodes.Call(offset, name, self._pipeline("template clause", Kind.RIGHT))

    def _block(self) -> nodes.Call:
        offset = self._peek_past_space().offset
        name = self._name("block clause")
        pipe = self._pipeline("block clause", Kind.RIGHT)
        self._add(Definition(name, self._inner_body("block clause"), offset))
        return nodes.Call(offset, name, pipe)

    # Pipelines.

    def _pipeline(self, where: str, end: Kind) -> nodes.Pipe:
        pipe = nodes.Pipe(self._peek_past_space().offset)
        self._declarations(pipe, where)
        while True:
            token = self._peek_past_space()
            if token.kind is end:
                self._next += 1
                break
            if token.kind not in _OPERANDS and not self._is_keyword(token, "nil"):
                raise self._unexpected(token, where)
            pipe.commands.append(self._command())
        if not pipe.commands:
            raise SyntaxProblem(f"missing value for {where}", token.offset)
        for stage, command in enumerate(pipe.commands[1:], 2):
            if isinstance(command.args[0], _CONSTANTS):
                raise SyntaxProblem(f"non executable command in pipeline stage {stage}", command.offset)
        return pipe

    def _declarations(self, pipe: nodes.Pipe, where: str) -> None:
        while (variable := self._peek_past_space()).kind is Kind.VARIABLE:
            start = self._next
            self._next += 1
            after = self._peek_past_space()
            comma = after.kind is Kind.MARK and after.value == ","
            if after.kind not in (Kind.ASSIGN, Kind.DECLARE) and not comma:
                self._next = start
                return
            self._next += 1
            pipe.declared.append(variable.value)
            self._scope.variables.append(variable.value)
            if not comma:
                pipe.assigns = after.kind is Kind.ASSIGN
                return
            if where != "range" or len(pipe.declared) > 1:
                raise SyntaxProblem(f"too many declarations in {where}", after.offset)
            if self._peek_past_space().kind not in (Kind.VARIABLE, Kind.RIGHT, Kind.RIGHT_PAREN):
                raise SyntaxProblem("range can only initialize variables", after.offset)

    def _command(self) -> nodes.Command:
        command = nodes.Command(self._peek_past_space().offset)
        while True:
            self._peek_past_space()
            operand = self._operand()
            if operand is not None:
                command.args.append(operand)
            token = self._peek()
            if token.kind is Kind.SPACE:
                self._next += 1
                continue
            if token.kind is Kind.PIPE:
                self._next += 1
            elif token.kind not in (Kind.RIGHT, Kind.RIGHT_PAREN):
                raise self._unexpected(token, "operand")
            break
        if not command.args:
            raise SyntaxProblem("empty command", command.offset)
        return command

    def _operand(self) -> nodes.Node | None:
        node = self._term()
        if node is None or self._peek().kind is not Kind.FIELD:
            return node
        names = []
        offset = self._peek().offset
        while self._peek().kind is Kind.FIELD:
            names.append(self._advance().value[1:])
        if isinstance(node, nodes.Field):
            return nodes.Field(node.offset, node.names + names)
        if isinstance(node, nodes.Variable):
            return nodes.Variable(node.offset, node.names + names)
        if isinstance(node, _CONSTANTS):
            raise SyntaxProblem("unexpected . after a term", offset)
        return nodes.Chain(offset, node, names)

    def _term(self) -> nodes.Node | None:
        token = self._peek_past_space()
        kind, value, offset = token
        if kind not in _OPERANDS and value != "nil":
            return None
        self._next += 1
        if kind is Kind.FIELD:
            return nodes.Field(offset, [value[1:]])
        if kind is Kind.IDENTIFIER:
            if value not in self._functions:
                raise SyntaxProblem(f"function {value!r} not defined", offset)
            return nodes.Identifier(offset, value)
        if kind in _STRINGS:
            return nodes.String(offset, self._literal(token))
        if kind is Kind.VARIABLE:
            if value not in self._scope.variables:
                raise SyntaxProblem(f"undefined variable {value!r}", offset)
            return nodes.Variable(offset, [value])
        if kind is Kind.LEFT_PAREN:
            return self._pipeline("parenthesized pipeline", Kind.RIGHT_PAREN)
        if kind is Kind.DOT:
            return nodes.Dot(offset)
        if kind is Kind.BOOL:
            return nodes.Bool(offset, value == "true")
        return nodes.Nil(offset) if kind is Kind.KEYWORD else self._number(token)

    def _literal(self, token: Token) -> str:
        try:
            return unquote(token.value)
        except ValueError as error:
            raise SyntaxProblem(f"{error}: {token.value}", token.offset) from None

    @staticmethod
    def _number(token: Token) -> nodes.Number:
        read = {Kind.CHARACTER: read_character, Kind.COMPLEX: read_complex}.get(token.kind, read_number)
        try:
            return read(token.value, token.offset)
        except ValueError as error:
            raise SyntaxProblem(str(error), token.offset) from None
