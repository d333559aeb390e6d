"""The extract of GitHub's description, what is selected for it, and what is answered: all the same."""

from __future__ import annotations

import json

import pytest

from sandbox.github import apps_api, issues_api, pulls_api, repos_api
from sandbox.github.contract.checks import HERE, Completion, Violation, graphql_schema, rest_contract
from sandbox.github.contract.selection import GRAPHQL_FIELDS, OPERATIONS, WEBHOOKS


def test_the_extract_holds_what_is_selected() -> None:
    contract = rest_contract()
    found = {(item.method.lower(), item.path) for item in contract.operations}
    assert found == set(OPERATIONS)
    assert all(contract.webhook_schema(name) for name in WEBHOOKS)
    schema = graphql_schema()
    assert set(GRAPHQL_FIELDS) <= set(schema.type_map)


def test_every_operation_of_the_extract_is_answered() -> None:
    answered = {name for module in (apps_api, issues_api, pulls_api, repos_api) for name in module.ROUTES.table}
    assert answered == {item.id for item in rest_contract().operations}


def test_the_extract_says_where_it_comes_from_and_holds_no_prose() -> None:
    assert [item["license"] for item in json.loads((HERE / "source.json").read_text())] == ["MIT", "MIT"]
    assert '"description":"' not in (HERE / "rest.json").read_text()
    assert '"""' not in (HERE / "schema.graphql").read_text()


def test_what_is_filled_in_shows_that_nobody_may_rely_on_it() -> None:
    contract = rest_contract()
    operation = next(item for item in contract.operations if item.id == "issues/get-label")
    schema = operation.responses["200"]
    with pytest.raises(Violation, match="required property"):
        contract.check_response(operation, 200, {"name": "bug"})
    full = Completion(contract).complete(schema, {"name": "bug"})
    contract.check_response(operation, 200, full)
    assert (full["name"], full["color"]) == ("bug", "not-imitated")


def test_a_wrong_type_and_an_unknown_status_are_violations() -> None:
    contract = rest_contract()
    operation = next(item for item in contract.operations if item.id == "issues/create-comment")
    for status, answer in ((201, {"id": "seven"}), (418, {})):
        with pytest.raises(Violation):
            contract.check_response(operation, status, answer)
