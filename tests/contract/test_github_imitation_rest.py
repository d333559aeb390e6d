"""The imitation's REST API: answers as GitHub gives them, refusals too."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from github import Auth, Github, GithubIntegration

from sandbox.github.client import GitHub, Person, Refused
from tests.support.github_imitation import Shop


def refused(person: Person, method: str, path: str, body: Any = None) -> Refused:
    with pytest.raises(Refused) as caught:
        person.rest(method, path, body)
    return caught.value


def test_pygithub_reads_an_issue_with_its_comments_and_history(shop: Shop) -> None:
    number = shop.owner.issue(shop.name, "Greet", "in German")
    shop.triager.label(shop.name, number, "[ai-dev]")
    comment = shop.reader.comment(shop.name, number, "first")
    shop.reader.edit_comment(shop.name, comment, "second")
    api = Github(base_url=f"{shop.github.url}/api/v3", auth=Auth.Token(shop.writer.token))
    issue = api.get_repo(shop.name).get_issue(number)
    assert (issue.title, [label.name for label in issue.labels]) == ("Greet", ["[ai-dev]"])
    assert [item.body for item in issue.get_comments()] == ["second"]
    assert [(item.event, item.actor and item.actor.login) for item in issue.get_timeline()] == [
        ("labeled", "tim"),
        ("commented", "rita"),
    ]


def test_a_label_with_brackets_comes_and_goes(shop: Shop) -> None:
    number = shop.owner.issue(shop.name, "Greet")
    shop.triager.label(shop.name, number, "[ai-dev]")
    shop.triager.unlabel(shop.name, number, "[ai-dev]")
    assert shop.owner.read_issue(shop.name, number)["labels"] == []
    told = [item["payload"]["action"] for item in shop.github.events() if item["event"] == "issues"]
    assert told == ["opened", "labeled", "unlabeled"]
    gone = refused(shop.triager, "DELETE", f"/repos/{shop.name}/issues/{number}/labels/%5Bai-dev%5D")
    assert gone.status == 404


def test_the_whole_state_can_be_looked_at_but_no_secret(shop: Shop) -> None:
    shop.github.settings(shop.name, secrets={"KEY": "s3cret-value"})
    state = json.dumps(shop.github.door("GET", "state"))
    assert "alice/shop" in state
    assert "s3cret-value" not in state
    assert shop.owner.token not in state


def test_lists_come_in_pages_with_links(shop: Shop) -> None:
    number = shop.owner.issue(shop.name, "Talk")
    for index in range(7):
        shop.writer.comment(shop.name, number, f"c{index}")
    url = f"{shop.github.url}/api/v3/repos/{shop.name}/issues/{number}/comments?per_page=3&page=2"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {shop.writer.token}"})
    with urllib.request.urlopen(request) as answer:
        links = answer.headers["Link"]
    assert [part.split("; ")[1] for part in links.split(", ")] == [
        'rel="prev"',
        'rel="next"',
        'rel="last"',
        'rel="first"',
    ]
    api = Github(base_url=f"{shop.github.url}/api/v3", auth=Auth.Token(shop.writer.token), per_page=3)
    bodies = [item.body for item in api.get_repo(shop.name).get_issue(number).get_comments()]
    assert bodies == [f"c{index}" for index in range(7)]


@pytest.mark.parametrize(
    ("who", "permission", "role"),
    [
        ("alice", "admin", "admin"),
        ("bob", "write", "write"),
        ("tim", "read", "triage"),
        ("rita", "read", "read"),
        ("eve", "none", "none"),
    ],
)
def test_permissions_have_githubs_two_spellings(shop: Shop, who: str, permission: str, role: str) -> None:
    answer = shop.writer.rest("GET", f"/repos/{shop.name}/collaborators/{who}/permission")
    assert (answer["permission"], answer["role_name"]) == (permission, role)


def test_bad_tokens_hidden_repositories_and_missing_rights_are_told_apart(shop: Shop) -> None:
    bad = Person(shop.github.url, "bob", "ghp_wrong")
    assert refused(bad, "GET", "/user").status == 401
    assert refused(shop.stranger, "GET", f"/repos/{shop.name}").status == 404
    number = shop.owner.issue(shop.name, "Greet")
    labels = f"/repos/{shop.name}/issues/{number}/labels"
    assert refused(shop.reader, "POST", labels, {"labels": ["x"]}).status == 403
    weak = shop.github.person("bob", rights={"metadata": "read", "issues": "read"})
    answer = refused(weak, "POST", f"/repos/{shop.name}/issues/{number}/comments", {"body": "x"})
    assert (answer.status, answer.body["message"]) == (
        403,
        "Resource not accessible by personal access token",
    )
    gone = shop.github.person("bob", expires_at="2020-01-01T00:00:00Z")
    assert refused(gone, "GET", "/user").status == 401


def test_a_second_pull_request_for_a_branch_is_refused_with_errors(shop: Shop) -> None:
    shop.writer.push_files(shop.name, "topic", {"a.txt": "a\n"}, "Add a")
    shop.writer.open_pull(shop.name, "topic", "Add a")
    body = {"head": "topic", "base": "main", "title": "again"}
    answer = refused(shop.writer, "POST", f"/repos/{shop.name}/pulls", body)
    assert answer.status == 422
    assert answer.body["errors"][0]["message"] == "A pull request already exists for alice:topic."
    nothing = {"head": "main", "base": "main", "title": "nothing"}
    answer = refused(shop.writer, "POST", f"/repos/{shop.name}/pulls", nothing)
    assert "No commits" in answer.body["errors"][0]["message"]


def test_nobody_requests_changes_on_their_own_pull_request(shop: Shop) -> None:
    shop.writer.push_files(shop.name, "topic", {"a.txt": "a\n"}, "Add a")
    number = shop.writer.open_pull(shop.name, "topic", "Add a")
    body = {"event": "REQUEST_CHANGES", "body": "no"}
    answer = refused(shop.writer, "POST", f"/repos/{shop.name}/pulls/{number}/reviews", body)
    assert (answer.status, answer.body["errors"]) == (
        422,
        ["Can not request changes on your own pull request"],
    )


def test_a_merge_moves_the_branch_and_closes_what_the_text_says(shop: Shop) -> None:
    issue = shop.owner.issue(shop.name, "Greet")
    sha = shop.writer.push_files(shop.name, "topic", {"a.txt": "a\n"}, "Add a")
    number = shop.writer.open_pull(shop.name, "topic", "Add a", f"Closes #{issue}")
    merge = shop.owner.merge(shop.name, number)
    assert shop.owner.branches(shop.name) == {"main": merge, "topic": sha}
    assert shop.owner.read_issue(shop.name, issue)["state"] == "closed"
    assert shop.owner.read_pull(shop.name, number)["merged"] is True
    told = [(item["event"], item["payload"].get("action")) for item in shop.github.events()]
    assert told[-3:] == [("pull_request", "closed"), ("issues", "closed"), ("push", None)]


def test_a_conflict_cannot_be_merged(shop: Shop) -> None:
    shop.writer.push_files(shop.name, "topic", {"greet.txt": "Hallo\n"}, "One way")
    number = shop.writer.open_pull(shop.name, "topic", "One way")
    shop.owner.push_files(shop.name, "main", {"greet.txt": "Hola\n"}, "Other way")
    assert shop.owner.read_pull(shop.name, number)["mergeable"] is False
    assert refused(shop.owner, "PUT", f"/repos/{shop.name}/pulls/{number}/merge", {}).status == 405


def test_deleting_a_ref_deletes_the_branch_and_closes_its_pull_request(shop: Shop) -> None:
    shop.writer.push_files(shop.name, "codex/issue-1", {"a.txt": "a\n"}, "Add a")
    number = shop.writer.open_pull(shop.name, "codex/issue-1", "Add a")
    api = Github(base_url=f"{shop.github.url}/api/v3", auth=Auth.Token(shop.writer.token))
    api.get_repo(shop.name).get_git_ref("heads/codex/issue-1").delete()
    assert list(shop.owner.branches(shop.name)) == ["main"]
    assert shop.owner.read_pull(shop.name, number)["state"] == "closed"
    path = f"/repos/{shop.name}/git/refs/heads/codex/issue-1"
    assert refused(shop.writer, "DELETE", path).status == 422


def test_an_app_buys_a_token_that_acts_as_its_bot(shop: Shop) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    rights = {"issues": "write", "contents": "write", "metadata": "read"}
    app = shop.github.app("helper", "alice", public.decode(), rights, [shop.name])
    base = f"{shop.github.url}/api/v3"
    integration = GithubIntegration(auth=Auth.AppAuth(app, private.decode()), base_url=base)
    installation = integration.get_repo_installation("alice", "shop")
    token = integration.get_access_token(installation.id)
    issue = Github(base_url=base, auth=Auth.Token(token.token)).get_repo(shop.name).create_issue("From a bot")
    assert (issue.user.login, issue.user.type) == ("helper[bot]", "Bot")
    forged = jwt.encode({"iss": str(app), "exp": datetime.now(UTC) + timedelta(minutes=1)}, "x" * 32, "HS256")
    assert refused(Person(shop.github.url, "", forged), "GET", "/app").status == 401


def test_what_a_jobs_own_token_does_starts_no_workflows(shop: Shop) -> None:
    shop.github.person("github-actions[bot]", type="Bot")
    token = shop.github.token("github-actions[bot]", kind="job", rights={"issues": "write"}, repositories=[shop.name])
    job = Person(shop.github.url, "github-actions[bot]", token)
    number = shop.owner.issue(shop.name, "Greet")
    job.comment(shop.name, number, "on it")
    assert [item["starts_workflows"] for item in shop.github.events()][-2:] == [True, False]


@pytest.mark.parametrize("doing", ["POST /gists", "GET /repos/alice/shop/milestones"])
def test_what_is_not_imitated_says_so(shop: Shop, doing: str) -> None:
    method, path = doing.split()
    assert refused(shop.owner, method, path, {}).status == 501


def test_a_request_that_github_does_not_describe_is_a_violation(shop: Shop) -> None:
    number = shop.owner.issue(shop.name, "Greet")
    path = f"/repos/{shop.name}/issues/{number}"
    assert refused(shop.owner, "PATCH", path, {"stat": "closed"}).status == 500
    assert refused(shop.owner, "PATCH", path, {"state": 3}).status == 500
    assert refused(shop.owner, "GET", f"{path}/comments?perpage=3").status == 500
    assert len(shop.github.violations()) == 3
    shop.github.door("DELETE", "violations")


def test_an_answer_that_github_would_not_give_is_a_violation(imitation: GitHub) -> None:
    imitation.repository("alice", "shop")
    imitation.door("POST", "settings", {"repository": "alice/shop", "variables": {"A": 5}})
    admin = imitation.person("alice")
    assert refused(admin, "GET", "/repos/alice/shop/actions/variables").status == 500
    assert "actions/list-repo-variables response 200" in imitation.violations()[0]
    imitation.door("DELETE", "violations")
