"""Which operations, webhooks and GraphQL fields of GitHub the imitation answers."""

from __future__ import annotations

_REPO = "/repos/{owner}/{repo}"

OPERATIONS: tuple[tuple[str, str], ...] = (
    ("get", "/rate_limit"),
    ("get", "/user"),
    ("get", "/users/{username}"),
    ("get", "/app"),
    ("get", "/app/installations"),
    ("get", "/app/installations/{installation_id}"),
    ("post", "/app/installations/{installation_id}/access_tokens"),
    ("get", "/installation/repositories"),
    ("get", _REPO),
    ("get", f"{_REPO}/installation"),
    ("get", f"{_REPO}/collaborators"),
    ("get", f"{_REPO}/collaborators/{{username}}"),
    ("get", f"{_REPO}/collaborators/{{username}}/permission"),
    ("get", f"{_REPO}/contents/{{path}}"),
    ("get", f"{_REPO}/labels"),
    ("post", f"{_REPO}/labels"),
    ("get", f"{_REPO}/labels/{{name}}"),
    ("get", f"{_REPO}/issues"),
    ("post", f"{_REPO}/issues"),
    ("get", f"{_REPO}/issues/{{issue_number}}"),
    ("patch", f"{_REPO}/issues/{{issue_number}}"),
    ("get", f"{_REPO}/issues/{{issue_number}}/labels"),
    ("post", f"{_REPO}/issues/{{issue_number}}/labels"),
    ("put", f"{_REPO}/issues/{{issue_number}}/labels"),
    ("delete", f"{_REPO}/issues/{{issue_number}}/labels/{{name}}"),
    ("get", f"{_REPO}/issues/{{issue_number}}/comments"),
    ("post", f"{_REPO}/issues/{{issue_number}}/comments"),
    ("get", f"{_REPO}/issues/{{issue_number}}/timeline"),
    ("get", f"{_REPO}/issues/{{issue_number}}/events"),
    ("get", f"{_REPO}/issues/comments"),
    ("get", f"{_REPO}/issues/comments/{{comment_id}}"),
    ("patch", f"{_REPO}/issues/comments/{{comment_id}}"),
    ("delete", f"{_REPO}/issues/comments/{{comment_id}}"),
    ("get", f"{_REPO}/pulls"),
    ("post", f"{_REPO}/pulls"),
    ("get", f"{_REPO}/pulls/{{pull_number}}"),
    ("patch", f"{_REPO}/pulls/{{pull_number}}"),
    ("get", f"{_REPO}/pulls/{{pull_number}}/files"),
    ("get", f"{_REPO}/pulls/{{pull_number}}/commits"),
    ("get", f"{_REPO}/pulls/{{pull_number}}/merge"),
    ("put", f"{_REPO}/pulls/{{pull_number}}/merge"),
    ("get", f"{_REPO}/pulls/{{pull_number}}/reviews"),
    ("post", f"{_REPO}/pulls/{{pull_number}}/reviews"),
    ("get", f"{_REPO}/pulls/{{pull_number}}/reviews/{{review_id}}"),
    ("get", f"{_REPO}/pulls/{{pull_number}}/reviews/{{review_id}}/comments"),
    ("get", f"{_REPO}/pulls/{{pull_number}}/comments"),
    ("post", f"{_REPO}/pulls/{{pull_number}}/comments"),
    ("post", f"{_REPO}/pulls/{{pull_number}}/comments/{{comment_id}}/replies"),
    ("get", f"{_REPO}/pulls/comments/{{comment_id}}"),
    ("patch", f"{_REPO}/pulls/comments/{{comment_id}}"),
    ("get", f"{_REPO}/branches"),
    ("get", f"{_REPO}/branches/{{branch}}"),
    ("get", f"{_REPO}/commits/{{ref}}"),
    ("get", f"{_REPO}/git/ref/{{ref}}"),
    ("get", f"{_REPO}/git/matching-refs/{{ref}}"),
    ("post", f"{_REPO}/git/refs"),
    ("delete", f"{_REPO}/git/refs/{{ref}}"),
    ("get", f"{_REPO}/actions/runners"),
    ("get", "/orgs/{org}/actions/runners"),
    ("get", f"{_REPO}/actions/variables"),
    ("get", f"{_REPO}/actions/secrets"),
    ("get", f"{_REPO}/environments"),
    ("get", f"{_REPO}/environments/{{environment_name}}"),
    ("get", f"{_REPO}/actions/permissions/workflow"),
    ("get", f"{_REPO}/actions/runs/{{run_id}}"),
)

WEBHOOKS: tuple[str, ...] = (
    "issues-opened",
    "issues-edited",
    "issues-closed",
    "issues-reopened",
    "issues-labeled",
    "issues-unlabeled",
    "issue-comment-created",
    "issue-comment-edited",
    "issue-comment-deleted",
    "pull-request-opened",
    "pull-request-edited",
    "pull-request-closed",
    "pull-request-reopened",
    "pull-request-synchronize",
    "pull-request-labeled",
    "pull-request-unlabeled",
    "pull-request-review-submitted",
    "pull-request-review-comment-created",
    "push",
)

_CONNECTION = "nodes edges pageInfo totalCount"
_COMMENT = (
    "id databaseId author authorAssociation body bodyText createdAt updatedAt lastEditedAt "
    "includesCreatedEdit "
    "editor userContentEdits url viewerDidAuthor isMinimized minimizedReason publishedAt"
)
_CONTENT = (
    "id databaseId number title body bodyText author authorAssociation createdAt updatedAt closedAt closed "
    "lastEditedAt includesCreatedEdit editor userContentEdits url state labels comments repository "
    "publishedAt "
    "viewerDidAuthor"
)

GRAPHQL_FIELDS: dict[str, str] = {
    "Query": "viewer repository node nodes rateLimit user",
    "Mutation": (
        "addPullRequestReviewThreadReply resolveReviewThread unresolveReviewThread minimizeComment unminimizeComment"
        " convertPullRequestToDraft"
    ),
    "Node": "id",
    "Actor": "login url avatarUrl resourcePath",
    "Comment": "id author body createdAt updatedAt lastEditedAt includesCreatedEdit editor userContentEdits",
    "Minimizable": "isMinimized minimizedReason",
    "User": "id databaseId login name email url avatarUrl resourcePath",
    "Bot": "id databaseId login url avatarUrl resourcePath",
    "RateLimit": "cost limit nodeCount remaining resetAt used",
    "Repository": (
        "id databaseId name nameWithOwner owner url isPrivate viewerPermission issue pullRequest "
        "pullRequests "
        "issueOrPullRequest defaultBranchRef ref"
    ),
    "RepositoryOwner": "id login url",
    "Ref": "id name prefix target",
    "GitObject": "id oid",
    "Commit": "id oid message messageHeadline committedDate",
    "Issue": f"{_CONTENT} timelineItems",
    "PullRequest": (
        f"{_CONTENT} baseRefName baseRefOid headRefName headRefOid headRef headRepository isCrossRepository "
        f"isDraft "
        "merged mergedAt mergeable reviews reviewThreads reviewDecision closingIssuesReferences"
    ),
    "Label": "id name color description",
    "LabelConnection": _CONNECTION,
    "LabelEdge": "cursor node",
    "IssueComment": f"{_COMMENT} issue",
    "IssueCommentConnection": _CONNECTION,
    "IssueCommentEdge": "cursor node",
    "IssueConnection": _CONNECTION,
    "IssueEdge": "cursor node",
    "PullRequestConnection": _CONNECTION,
    "PullRequestEdge": "cursor node",
    "PullRequestReview": f"{_COMMENT} state submittedAt comments commit",
    "PullRequestReviewConnection": _CONNECTION,
    "PullRequestReviewEdge": "cursor node",
    "PullRequestReviewThread": (
        "id comments isResolved isOutdated isCollapsed resolvedBy path line startLine originalLine diffSide "
        "pullRequest repository viewerCanReply viewerCanResolve viewerCanUnresolve subjectType"
    ),
    "PullRequestReviewThreadConnection": _CONNECTION,
    "PullRequestReviewThreadEdge": "cursor node",
    "PullRequestReviewComment": (
        f"{_COMMENT} path line startLine originalLine diffHunk replyTo pullRequestReview state outdated "
        f"commit "
        "fullDatabaseId"
    ),
    "PullRequestReviewCommentConnection": _CONNECTION,
    "PullRequestReviewCommentEdge": "cursor node",
    "UserContentEdit": "id createdAt deletedAt deletedBy diff editedAt editor updatedAt",
    "UserContentEditConnection": _CONNECTION,
    "UserContentEditEdge": "cursor node",
    "PageInfo": "endCursor hasNextPage hasPreviousPage startCursor",
    "IssueTimelineItemsConnection": f"{_CONNECTION} filteredCount pageCount updatedAt",
    "IssueTimelineItemsEdge": "cursor node",
    "LabeledEvent": "id actor createdAt label",
    "UnlabeledEvent": "id actor createdAt label",
    "ClosedEvent": "id actor createdAt",
    "ReopenedEvent": "id actor createdAt",
    "AddPullRequestReviewThreadReplyPayload": "clientMutationId comment",
    "ResolveReviewThreadPayload": "clientMutationId thread",
    "UnresolveReviewThreadPayload": "clientMutationId thread",
    "MinimizeCommentPayload": "clientMutationId minimizedComment",
    "UnminimizeCommentPayload": "clientMutationId unminimizedComment",
    "ConvertPullRequestToDraftPayload": "clientMutationId pullRequest",
}
