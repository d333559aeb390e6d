"""The imitation's GraphQL API: review threads, hidden and edited comments."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.github.client import Refused
from tests.support.github_imitation import Shop

THREADS = """
query($owner: String!, $name: String!, $number: Int!, $after: String) {
  repository(owner: $owner, name: $name) {
    pullRequest(number: $number) {
      reviewThreads(first: 1, after: $after) {
        pageInfo { hasNextPage endCursor }
        nodes {
          id isResolved path line
          comments(first: 50) {
            nodes { id databaseId body isMinimized lastEditedAt author { __typename login }
                    userContentEdits(first: 5) { totalCount nodes { editedAt diff editor { login } } } }
          }
        }
      }
    }
  }
}
"""
REPLY = """
mutation($thread: ID!, $body: String!) {
  addPullRequestReviewThreadReply(input: {pullRequestReviewThreadId: $thread, body: $body}) {
    comment { id body }
  }
}
"""
HIDE = """
mutation($id: ID!) {
  minimizeComment(input: {subjectId: $id, classifier: SPAM}) { minimizedComment { isMinimized } }
}
"""
COMMENTS = """
query {
  repository(owner: "alice", name: "shop") {
    issue(number: 2) {
      comments(first: 9) {
        nodes {
          body isMinimized minimizedReason lastEditedAt
          userContentEdits(first: 9) { nodes { diff } }
        }
      }
    }
  }
}
"""
RESOLVE = "mutation($thread: ID!) { resolveReviewThread(input: {threadId: $thread}) { thread { isResolved } } }"


def threads(shop: Shop, number: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = None
    while True:
        data = shop.owner.graphql(THREADS, owner="alice", name="shop", number=number, after=after)
        page = data["repository"]["pullRequest"]["reviewThreads"]
        found += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


@pytest.fixture
def reviewed(shop: Shop) -> int:
    shop.writer.push_files(shop.name, "topic", {"greet.txt": "Hello\nHallo\n"}, "German")
    number = shop.writer.open_pull(shop.name, "topic", "German")
    lines = (("greet.txt", 2, "Add a bang"), ("greet.txt", 1, "And here"))
    shop.owner.review(shop.name, number, "REQUEST_CHANGES", "Nearly", lines)
    return number


def test_threads_are_listed_answered_and_resolved(shop: Shop, reviewed: int) -> None:
    first, second = threads(shop, reviewed)
    assert [first["line"], second["line"]] == [2, 1]
    assert shop.writer.graphql(REPLY, thread=first["id"], body="Done")
    assert shop.writer.graphql(RESOLVE, thread=first["id"])["resolveReviewThread"]["thread"]["isResolved"]
    first, second = threads(shop, reviewed)
    assert [item["body"] for item in first["comments"]["nodes"]] == ["Add a bang", "Done"]
    assert (first["isResolved"], second["isResolved"]) == (True, False)
    replies = [item.get("in_reply_to_id") for item in shop.owner.line_comments(shop.name, reviewed)]
    assert replies == [None, None, first["comments"]["nodes"][0]["databaseId"]]


def test_edits_and_hidden_comments_show(shop: Shop, reviewed: int) -> None:
    issue = shop.owner.issue(shop.name, "Greet")
    comment = shop.owner.comment(shop.name, issue, "good")
    shop.owner.edit_comment(shop.name, comment, "evil")
    shop.owner.graphql(HIDE, id=f"IC_{comment}")
    node = shop.owner.graphql(COMMENTS)["repository"]["issue"]["comments"]["nodes"][0]
    assert (node["body"], node["isMinimized"], node["minimizedReason"]) == ("evil", True, "spam")
    assert node["lastEditedAt"] is not None
    assert [item["diff"] for item in node["userContentEdits"]["nodes"]] == ["evil", "good"]


def test_what_one_may_not_see_or_do_comes_as_typed_errors(shop: Shop, reviewed: int) -> None:
    with pytest.raises(Refused) as hidden:
        shop.stranger.graphql('query { repository(owner: "alice", name: "shop") { id } }')
    assert hidden.value.body[0]["type"] == "NOT_FOUND"
    weak = shop.github.person("bob", rights={"pull_requests": "read"})
    with pytest.raises(Refused) as forbidden:
        weak.graphql(REPLY, thread=threads(shop, reviewed)[0]["id"], body="x")
    assert forbidden.value.body[0]["type"] == "FORBIDDEN"


def test_an_unknown_field_is_named(shop: Shop) -> None:
    with pytest.raises(Refused, match="milestones") as caught:
        shop.owner.graphql('query { repository(owner: "alice", name: "shop") { milestones { totalCount } } }')
    assert caught.value.status == 501
    shop.github.door("DELETE", "violations")
