"""The GraphQL API: real execution by graphql-core against the extract of GitHub's schema."""

from __future__ import annotations

from typing import Any

from graphql import GraphQLError, OperationDefinitionNode, OperationType, execute_sync, parse, validate

from sandbox.github.api import Answer, has_right
from sandbox.github.contract.checks import graphql_schema
from sandbox.github.errors import ApiError
from sandbox.github.graphql_nodes import Node, Nodes, Refused
from sandbox.github.host import Host
from sandbox.github.pulls_api import reply
from sandbox.github.shapes import allowed
from sandbox.github.state import Repository, Token


class Graph(Nodes):
    """Nodes, and what a caller may do to them."""

    def _may(self, repository: Repository, role: Any) -> None:
        if not has_right(self._token, "pull_requests:write"):
            kind = "personal access token" if self._token.kind == "personal" else "integration"
            raise Refused("FORBIDDEN", f"Resource not accessible by {kind}")
        if not allowed(self.role(repository), role):
            raise Refused("FORBIDDEN", f"{self._token.login} does not have the correct permissions")

    def answer_thread(self, node_id: str, body: str) -> Node:
        """Reply in a thread."""
        repository, issue, thread = self.find(node_id)
        self._may(repository, "read")
        try:
            written = reply(self.call(repository), repository, issue, thread.id, body)
        except ApiError as reason:
            raise Refused("UNPROCESSABLE", reason.message) from reason
        return self.line_comment(repository, issue, written)

    def resolve_thread(self, node_id: str, resolved: bool) -> Node:
        """Resolve or reopen a thread: whoever can write, or opened the pull request."""
        repository, issue, thread = self.find(node_id)
        self._may(repository, "read" if issue.author == self._token.login else "write")
        thread.resolved_by = self._token.login if resolved else None
        return self.thread(repository, issue, thread)

    def make_draft(self, node_id: str) -> Node:
        """Turn an open pull request into a draft: whoever can write."""
        repository, issue, part = self.find(node_id)
        if part is not issue or issue.pull is None:
            raise Refused("NOT_FOUND", f"Could not resolve to PullRequest node with the global id of '{node_id}'.")
        self._may(repository, "write")
        issue.pull.draft = True
        return self.issue(repository, issue)

    def minimize(self, node_id: str, reason: str | None) -> Node:
        """Hide a comment, or show it again."""
        repository, _, part = self.find(node_id)
        self._may(repository, "write")
        part.minimized = reason.lower() if reason else None
        return self.node(node_id)

    def root(self, mutation: bool) -> Node:
        """Return the root object of queries or mutations."""

        def repository(_info: Any, owner: str, name: str, **_: Any) -> Node:
            found = self._host.state.repository(f"{owner}/{name}")
            if found is None or self.role(found) is None:
                raise Refused("NOT_FOUND", f"Could not resolve to a Repository with the name '{owner}/{name}'.")
            return self.repository(found)

        if not mutation:
            limits = {"cost": 1, "limit": 5000, "nodeCount": 1, "remaining": 4999, "used": 1}
            return {
                "viewer": self.user(self._token.login),
                "user": lambda _info, login: self.user(login) if self._host.state.user(login) else None,
                "repository": repository,
                "node": lambda _info, id: self.node(id),
                "nodes": lambda _info, ids: [self.node(item) for item in ids],
                "rateLimit": lambda _info, **_: {**limits, "resetAt": "2100-01-01T00:00:00Z"},
            }
        return {
            "addPullRequestReviewThreadReply": lambda _info, input: {
                "comment": self.answer_thread(input["pullRequestReviewThreadId"], input["body"])
            },
            "resolveReviewThread": lambda _info, input: {"thread": self.resolve_thread(input["threadId"], True)},
            "unresolveReviewThread": lambda _info, input: {"thread": self.resolve_thread(input["threadId"], False)},
            "convertPullRequestToDraft": lambda _info, input: {"pullRequest": self.make_draft(input["pullRequestId"])},
            "minimizeComment": lambda _info, input: {
                "minimizedComment": self.minimize(input["subjectId"], input["classifier"])
            },
            "unminimizeComment": lambda _info, input: {"unminimizedComment": self.minimize(input["subjectId"], None)},
        }


def answer_graphql(host: Host, body: dict[str, Any], token: Token | None) -> Answer:
    """Answer one GraphQL request; a query outside of the extract is a 501 that names what it asked for."""
    if token is None:
        return Answer(401, {"message": "This endpoint requires you to be authenticated.", "status": "401"})
    schema = graphql_schema()
    try:
        document = parse(body["query"])
    except (GraphQLError, KeyError) as reason:
        host.violations.append(f"graphql: {reason}")
        return Answer(500, {"message": f"contract violation: {reason}"})
    problems = validate(schema, document)
    if problems:
        text = "; ".join(item.message for item in problems)
        host.violations.append(f"graphql: {text}")
        unknown = any("Cannot query field" in item.message for item in problems)
        return Answer(501 if unknown else 500, {"message": f"contract violation: {text}"})
    mutation = any(
        isinstance(item, OperationDefinitionNode) and item.operation is OperationType.MUTATION
        for item in document.definitions
    )
    result = execute_sync(
        schema,
        document,
        Graph(host, token).root(mutation),
        variable_values=body.get("variables") or {},
        operation_name=body.get("operationName"),
    )
    answer: dict[str, Any] = {"data": result.data}
    errors = []
    for item in result.errors or ():
        cause = item.original_error or item
        if not isinstance(cause, Refused):
            host.violations.append(f"graphql: {item.message}")
            return Answer(500, {"message": f"contract violation: {item.message}"})
        errors.append({"type": cause.kind, "message": cause.message, "path": item.path})
    if errors:
        answer["errors"] = errors
    return Answer(200, answer)
