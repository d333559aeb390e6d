"""From tokens to a tree, with every check that Go makes before a template may run."""

from __future__ import annotations

from collections.abc import Container

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


class Definition:
    """A named template: its body, and where it starts."""

    __slots__ = ("body", "empty", "offset")

    def __init__(self, body: list[nodes.Node], offset: int) -> None:
        self.body = body
        self.offset = offset
        # Nothing but white space: another definition of the name may stand beside it.
        self.empty = all(isinstance(node, nodes.Text) and not node.text.strip(SPACE) for node in body)


class _Scope:
    """What one template's body may refer to: its own variables, and ``break`` only in its own loops."""

    __slots__ = ("loops", "variables")

    def __init__(self) -> None:
        self.variables = ["$"]
        self.loops = 0


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
        while (kind := self._tokens[self._next][0]) != Kind.EOF:
            if kind == Kind.LEFT and self._is_keyword(self._tokens[self._next + 1], "define"):
                self._next += 2
                self._definition()
                continue
            node = self._text_or_action()
            if isinstance(node, nodes.Stop):
                raise SyntaxProblem(f"unexpected {{{{{node.word}}}}}", node.offset)
            body.append(node)
        self._add(name, Definition(body, 0))
        return self._definitions

    # Tokens. ERROR and EOF are never passed: whoever meets them fails.

    def _expect(self, kinds: tuple[str, ...], where: str) -> Token:
        token = self._tokens[self._next]
        if token[0] not in kinds:
            raise self._unexpected(token, where)
        self._next += 1
        return token

    @staticmethod
    def _is_keyword(token: Token, word: str) -> bool:
        return token[0] == Kind.KEYWORD and token[1] == word

    @staticmethod
    def _unexpected(token: Token, where: str) -> SyntaxProblem:
        kind, value, offset, _ = token
        if kind == Kind.ERROR:
            return SyntaxProblem(value, offset)
        shown = "end of file" if kind == Kind.EOF else repr(value[:20])
        return SyntaxProblem(f"unexpected {shown} in {where}", offset)

    # Bodies.

    def _definition(self) -> None:
        name, offset = self._name("define clause")
        self._expect((Kind.RIGHT,), "define clause")
        self._add(name, Definition(self._inner_body("define clause"), offset))

    def _inner_body(self, where: str) -> list[nodes.Node]:
        outer, self._scope = self._scope, _Scope()
        body, stop = self._body()
        if stop.word != "end":
            raise SyntaxProblem(f"unexpected {{{{{stop.word}}}}} in {where}", stop.offset)
        self._scope = outer
        return body

    def _add(self, name: str, definition: Definition) -> None:
        known = self._definitions.get(name)
        if known is None or known.empty:
            self._definitions[name] = definition
        elif not definition.empty:
            raise SyntaxProblem(f"template {name!r} is defined twice", definition.offset)

    def _body(self) -> tuple[list[nodes.Node], nodes.Stop]:
        body: list[nodes.Node] = []
        while self._tokens[self._next][0] != Kind.EOF:
            node = self._text_or_action()
            if isinstance(node, nodes.Stop):
                return body, node
            body.append(node)
        raise SyntaxProblem("unexpected end of file: {{end}} is missing", self._tokens[self._next][2])

    def _text_or_action(self) -> nodes.Node:
        token = self._expect((Kind.TEXT, Kind.LEFT), "input")
        return nodes.Text(token[2], token[1]) if token[0] == Kind.TEXT else self._action()

    def _action(self) -> nodes.Node:
        kind, word, offset, _ = self._tokens[self._next]
        if kind != Kind.KEYWORD or word in ("nil", "define"):
            return nodes.Action(offset, self._pipeline("command", Kind.RIGHT))
        self._next += 1
        if word in ("if", "with", "range"):
            return self._branch(word)
        if word == "template":
            return self._template(offset)
        if word == "block":
            return self._block(offset)
        after = self._tokens[self._next]
        if word != "else" or not (self._is_keyword(after, "if") or self._is_keyword(after, "with")):
            self._expect((Kind.RIGHT,), f"{{{{{word}}}}}")
        if word in ("else", "end"):
            return nodes.Stop(offset, word)
        if not self._scope.loops:
            raise SyntaxProblem(f"{{{{{word}}}}} outside {{{{range}}}}", offset)
        return nodes.Jump(offset, word)

    def _branch(self, word: str) -> nodes.Branch:
        visible = len(self._scope.variables)
        pipe = self._pipeline(word, Kind.RIGHT)
        self._scope.loops += word == "range"
        body, stop = self._body()
        self._scope.loops -= word == "range"
        otherwise: list[nodes.Node] = []
        if stop.word == "else":
            if word != "range" and self._is_keyword(self._tokens[self._next], word):
                # "else if" takes its {{end}} with it.
                self._next += 1
                otherwise = [self._branch(word)]
            else:
                otherwise, stop = self._body()
                if stop.word != "end":
                    raise SyntaxProblem("expected end; found {{else}}", stop.offset)
        del self._scope.variables[visible:]
        return nodes.Branch(word, pipe, body, otherwise)

    def _name(self, where: str) -> tuple[str, int]:
        token = self._expect(_STRINGS, where)
        return self._literal(token), token[2]

    def _template(self, offset: int) -> nodes.Call:
        name, _ = self._name("template clause")
        if self._tokens[self._next][0] == Kind.RIGHT:
            self._next += 1
            return nodes.Call(offset, name, None)
        return nodes.Call(offset, name, self._pipeline("template clause", Kind.RIGHT))

    def _block(self, offset: int) -> nodes.Call:
        name, place = self._name("block clause")
        pipe = self._pipeline("block clause", Kind.RIGHT)
        self._add(name, Definition(self._inner_body("block clause"), place))
        return nodes.Call(offset, name, pipe)

    # Pipelines.

    def _pipeline(self, where: str, end: str) -> nodes.Pipe:
        pipe = nodes.Pipe(self._tokens[self._next][2])
        if self._tokens[self._next][0] == Kind.VARIABLE:
            self._declarations(pipe, where)
        while True:
            token = self._tokens[self._next]
            if token[0] == end:
                self._next += 1
                break
            if token[0] not in _OPERANDS and not self._is_keyword(token, "nil"):
                raise self._unexpected(token, where)
            pipe.commands.append(self._command(token[2]))
        if not pipe.commands:
            raise SyntaxProblem(f"missing value for {where}", token[2])
        for stage, command in enumerate(pipe.commands[1:], 2):
            if isinstance(command.args[0], _CONSTANTS):
                raise SyntaxProblem(f"non executable command in pipeline stage {stage}", command.offset)
        return pipe

    def _declarations(self, pipe: nodes.Pipe, where: str) -> None:
        while (variable := self._tokens[self._next])[0] == Kind.VARIABLE:
            after = self._tokens[self._next + 1]
            comma = after[0] == Kind.MARK and after[1] == ","
            if after[0] not in (Kind.ASSIGN, Kind.DECLARE) and not comma:
                return
            self._next += 2
            pipe.declared.append(variable[1])
            self._scope.variables.append(variable[1])
            if not comma:
                pipe.assigns = after[0] == Kind.ASSIGN
                return
            if where != "range" or len(pipe.declared) > 1:
                raise SyntaxProblem(f"too many declarations in {where}", after[2])
            if self._tokens[self._next][0] not in (Kind.VARIABLE, Kind.RIGHT, Kind.RIGHT_PAREN):
                raise SyntaxProblem("range can only initialize variables", after[2])

    def _command(self, offset: int) -> nodes.Command:
        command = nodes.Command(offset)
        while True:
            operand = self._operand()
            token = self._tokens[self._next]
            if operand is not None:
                command.args.append(operand)
                if token[3]:  # white space: maybe another operand
                    continue
            if token[0] == Kind.PIPE:
                self._next += 1
            elif token[0] not in (Kind.RIGHT, Kind.RIGHT_PAREN):
                raise self._unexpected(token, "operand")
            return command

    def _operand(self) -> nodes.Node | None:
        node = self._term()
        kind, _, offset, spaced = self._tokens[self._next]
        if node is None or kind != Kind.FIELD or spaced:
            return node
        names = []
        while (token := self._tokens[self._next])[0] == Kind.FIELD and not token[3]:
            names.append(token[1][1:])
            self._next += 1
        if isinstance(node, nodes.Field | nodes.Variable):
            node.names.extend(names)
            return node
        if isinstance(node, _CONSTANTS):
            raise SyntaxProblem("unexpected . after a term", offset)
        return nodes.Chain(offset, node, names)

    def _term(self) -> nodes.Node | None:
        token = self._tokens[self._next]
        kind, value, offset, _ = token
        if kind not in _OPERANDS and not self._is_keyword(token, "nil"):
            return None
        self._next += 1
        if kind == Kind.FIELD:
            return nodes.Field(offset, [value[1:]])
        if kind == Kind.IDENTIFIER:
            if value not in self._functions:
                raise SyntaxProblem(f"function {value!r} not defined", offset)
            return nodes.Identifier(offset, value)
        if kind in _STRINGS:
            return nodes.String(offset, self._literal(token))
        if kind == Kind.VARIABLE:
            if value not in self._scope.variables:
                raise SyntaxProblem(f"undefined variable {value!r}", offset)
            return nodes.Variable(offset, [value])
        if kind == Kind.LEFT_PAREN:
            return self._pipeline("parenthesized pipeline", Kind.RIGHT_PAREN)
        if kind == Kind.DOT:
            return nodes.Dot(offset)
        if kind == Kind.BOOL:
            return nodes.Bool(offset, value == "true")
        return nodes.Nil(offset) if kind == Kind.KEYWORD else self._number(token)

    @staticmethod
    def _literal(token: Token) -> str:
        try:
            return unquote(token[1])
        except ValueError as error:
            raise SyntaxProblem(f"{error}: {token[1]}", token[2]) from None

    @staticmethod
    def _number(token: Token) -> nodes.Number:
        kind, value, offset, _ = token
        read = {Kind.CHARACTER: read_character, Kind.COMPLEX: read_complex}.get(kind, read_number)
        try:
            return read(value, offset)
        except ValueError as error:
            raise SyntaxProblem(str(error), offset) from None
