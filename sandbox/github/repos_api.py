"""REST: users, repositories, who may do what there, refs, contents and Actions' settings."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from sandbox.github.api import Answer, Call, Routes
from sandbox.github.errors import ApiError, invalid, not_found
from sandbox.github.shapes import allowed
from sandbox.github.state import Repository, timestamp

ROUTES = Routes()
_LEGACY = {"admin": "admin", "maintain": "write", "write": "write", "triage": "read", "read": "read"}


@ROUTES.add("rate-limit/get")
def rate_limit(call: Call) -> Answer:
    """Answer the caller's limits."""
    window = {"limit": 5000, "used": 0, "remaining": 5000, "reset": 4102444800}
    return Answer(200, {"resources": {"core": window, "search": window, "graphql": window}, "rate": window})


@ROUTES.add("users/get-authenticated")
def me(call: Call) -> Answer:
    """Answer who the token belongs to; an app's tokens belong to no user."""
    if call.actor.token is not None and call.actor.token.kind != "personal":
        raise ApiError(403, "Resource not accessible by integration")
    return Answer(200, call.host.shapes.user(call.login))


@ROUTES.add("users/get-by-username")
def user(call: Call) -> Answer:
    """Answer a user."""
    login = unquote(call.path["username"])
    if call.host.state.user(login) is None:
        raise not_found()
    return Answer(200, call.host.shapes.user(login))


@ROUTES.add("repos/get", "metadata:read")
def repository(call: Call) -> Answer:
    """Answer a repository."""
    found = call.repository()
    return Answer(200, call.host.shapes.repository(found, call.role(found)))


def _permission(call: Call, found: Repository, login: str) -> dict[str, Any]:
    role = call.host.state.role(found, login)
    shape = call.host.shapes.short_user(login) or {}
    rights = call.host.shapes.repository(found, role)["permissions"]
    return {
        "permission": _LEGACY[role] if role else "none",
        "role_name": role or "none",
        "user": {**shape, "permissions": rights, "role_name": role or "none"},
    }


@ROUTES.add("repos/get-collaborator-permission-level", "metadata:read")
def permission(call: Call) -> Answer:
    """Answer what a user may do; a user that doesn't exist is a 404."""
    found = call.repository()
    login = unquote(call.path["username"])
    if call.host.state.user(login) is None:
        raise not_found()
    if call.host.shapes.user(login)["type"] == "Bot":
        raise ApiError(404, f"{login} is not a user")
    return Answer(200, _permission(call, found, login))


@ROUTES.add("repos/check-collaborator", "metadata:read")
def is_collaborator(call: Call) -> Answer:
    """Answer 204 for a collaborator."""
    found = call.repository()
    names = {name.lower() for name in found.collaborators} | {found.owner.lower()}
    if call.path["username"].lower() not in names:
        raise not_found()
    return Answer(204)


@ROUTES.add("repos/list-collaborators", "metadata:read", role="write")
def collaborators(call: Call) -> Answer:
    """Answer all collaborators."""
    found = call.repository()
    names = [found.owner, *(name for name in found.collaborators if name.lower() != found.owner.lower())]
    people = [_permission(call, found, name)["user"] for name in call.page(names)]
    return Answer(200, people)


@ROUTES.add("repos/get-content", "contents:read")
def content(call: Call) -> Answer:
    """Answer a file or a folder at a ref."""
    found = call.repository()
    git = call.host.git(found)
    path = unquote(call.path["path"]).strip("/")
    sha = git.sha(call.query.get("ref", found.default_branch))
    if sha is None:
        raise not_found()
    data = git.file(sha, path)
    if data is not None:
        blob = git.git("rev-parse", f"{sha}:{path}").strip()
        return Answer(200, call.host.shapes.content(found, path, data, blob))
    entries = git.listing(sha, path)
    if not entries:
        raise not_found()
    listed = []
    for kind, blob, name in entries:
        shape = call.host.shapes.content(found, name, b"", blob)
        for key in ("content", "encoding"):
            del shape[key]
        listed.append({**shape, "type": "dir" if kind == "tree" else "file"})
    return Answer(200, listed)


@ROUTES.add("repos/list-branches", "contents:read")
def branches(call: Call) -> Answer:
    """Answer all branches."""
    found = call.repository()
    refs = call.host.git(found).refs()
    return Answer(
        200,
        [
            {
                "name": name.removeprefix("refs/heads/"),
                "protected": False,
                "commit": {"sha": sha, "url": f"{call.host.url}/commit/{sha}"},
            }
            for name, sha in call.page(sorted(refs.items()))
        ],
    )


@ROUTES.add("repos/get-branch", "contents:read")
def branch(call: Call) -> Answer:
    """Answer one branch."""
    found = call.repository()
    git = call.host.git(found)
    sha = git.refs().get(f"refs/heads/{unquote(call.path['branch'])}")
    if sha is None:
        raise ApiError(404, "Branch not found")
    return Answer(
        200,
        {
            "name": unquote(call.path["branch"]),
            "protected": False,
            "commit": call.host.shapes.commit(found, git.commit(sha)),
        },
    )


@ROUTES.add("repos/get-commit", "contents:read")
def commit(call: Call) -> Answer:
    """Answer a commit."""
    found = call.repository()
    git = call.host.git(found)
    sha = git.sha(unquote(call.path["ref"]))
    if sha is None:
        raise ApiError(422, f"No commit found for SHA: {call.path['ref']}")
    return Answer(200, call.host.shapes.commit(found, git.commit(sha)))


@ROUTES.add("git/get-ref", "contents:read")
def ref(call: Call) -> Answer:
    """Answer a ref; the path leaves `refs/` out."""
    found = call.repository()
    name = f"refs/{unquote(call.path['ref'])}"
    sha = call.host.git(found).refs("refs/").get(name)
    if sha is None:
        raise not_found()
    return Answer(200, call.host.shapes.ref(found, name, sha))


@ROUTES.add("git/list-matching-refs", "contents:read")
def matching_refs(call: Call) -> Answer:
    """Answer the refs that begin so."""
    found = call.repository()
    start = f"refs/{unquote(call.path['ref'])}"
    refs = call.host.git(found).refs("refs/")
    return Answer(
        200,
        [call.host.shapes.ref(found, name, sha) for name, sha in sorted(refs.items()) if name.startswith(start)],
    )


@ROUTES.add("git/create-ref", "contents:write", role="write")
def create_ref(call: Call) -> Answer:
    """Create a branch or tag."""
    found = call.repository()
    git = call.host.git(found)
    name, sha = call.body["ref"], call.body["sha"]
    if not name.startswith("refs/") or name.count("/") < 2:
        raise ApiError(422, "Reference name must start with 'refs/' and contain at least three parts.")
    if name in git.refs("refs/"):
        raise ApiError(422, "Reference already exists")
    if git.sha(sha) is None:
        raise ApiError(422, "Object does not exist")
    before = git.refs()
    git.set_ref(name, sha)
    call.host.refs_changed(found, before, git.refs(), call.actor)
    return Answer(201, call.host.shapes.ref(found, name, sha))


@ROUTES.add("git/delete-ref", "contents:write", role="write")
def delete_ref(call: Call) -> Answer:
    """Delete a branch, really."""
    found = call.repository()
    name = f"refs/{unquote(call.path['ref'])}"
    git = call.host.git(found)
    if name not in git.refs("refs/"):
        raise ApiError(422, "Reference does not exist")
    if name == f"refs/heads/{found.default_branch}":
        raise ApiError(422, "Cannot delete the default branch")
    if name.startswith("refs/heads/"):
        call.host.delete_branch(found, name.removeprefix("refs/heads/"), call.actor)
    else:
        git.delete_ref(name)
    return Answer(204)


@ROUTES.add("issues/list-labels-for-repo", "issues:read", "pull_requests:read")
def labels(call: Call) -> Answer:
    """Answer the repository's labels."""
    found = call.repository()
    return Answer(200, [call.host.shapes.label(found, item.name) for item in call.page(list(found.labels.values()))])


@ROUTES.add("issues/create-label", "issues:write", role="write")
def create_label(call: Call) -> Answer:
    """Create a label; one of that name is a 422."""
    found = call.repository()
    name = call.body["name"]
    if name.lower() in found.labels:
        raise invalid("Label", "already_exists", "name")
    label = call.host.label(found, name)
    label.color = call.body.get("color") or label.color
    label.description = call.body.get("description")
    return Answer(201, call.host.shapes.label(found, name))


@ROUTES.add("issues/get-label", "issues:read", "pull_requests:read")
def label(call: Call) -> Answer:
    """Answer a label."""
    found = call.repository()
    name = unquote(call.path["name"])
    if name.lower() not in found.labels:
        raise not_found()
    return Answer(200, call.host.shapes.label(found, name))


@ROUTES.add("actions/list-self-hosted-runners-for-repo", "administration:read", role="admin")
def runners(call: Call) -> Answer:
    """Answer the repository's runners."""
    found = call.repository()
    listed = [call.host.shapes.runner(item) for item in call.page(found.runners)]
    return Answer(200, {"total_count": len(found.runners), "runners": listed})


@ROUTES.add("actions/list-self-hosted-runners-for-org")
def organisation_runners(call: Call) -> Answer:
    """Answer the runners of an organisation: here, there are none but the repositories'."""
    if call.actor.login.lower() != call.path["org"].lower():
        raise ApiError(403, "Must have admin rights to Organization.")
    return Answer(200, {"total_count": 0, "runners": []})


@ROUTES.add("actions/list-repo-variables", "variables:read", role="write")
def variables(call: Call) -> Answer:
    """Answer the repository's variables."""
    found = call.repository()
    now = timestamp()
    listed = [
        {"name": name, "value": value, "created_at": now, "updated_at": now}
        for name, value in call.page(sorted(found.variables.items()))
    ]
    return Answer(200, {"total_count": len(found.variables), "variables": listed})


@ROUTES.add("actions/list-repo-secrets", "secrets:read", role="write")
def secrets(call: Call) -> Answer:
    """Answer the names of the repository's secrets."""
    found = call.repository()
    now = timestamp()
    listed = [{"name": name, "created_at": now, "updated_at": now} for name in call.page(sorted(found.secrets))]
    return Answer(200, {"total_count": len(found.secrets), "secrets": listed})


def _environment(call: Call, found: Repository, name: str) -> dict[str, Any]:
    url = f"{call.host.url}/api/v3/repos/{found.full_name}/environments/{name}"
    now = timestamp()
    return {
        "id": found.environments.index(name) + 1,
        "node_id": f"EN_{name}",
        "name": name,
        "url": url,
        "html_url": f"{call.host.url}/{found.full_name}/deployments/{name}",
        "created_at": now,
        "updated_at": now,
    }


@ROUTES.add("repos/get-all-environments", "actions:read")
def environments(call: Call) -> Answer:
    """Answer the deployment environments."""
    found = call.repository()
    listed = [_environment(call, found, name) for name in call.page(found.environments)]
    return Answer(200, {"total_count": len(found.environments), "environments": listed})


@ROUTES.add("repos/get-environment", "actions:read")
def environment(call: Call) -> Answer:
    """Answer one deployment environment."""
    found = call.repository()
    name = unquote(call.path["environment_name"])
    if name not in found.environments:
        raise not_found()
    return Answer(200, _environment(call, found, name))


@ROUTES.add("actions/get-github-actions-default-workflow-permissions-repository", "administration:read", role="admin")
def workflow_permissions(call: Call) -> Answer:
    """Answer what a job's own token may do by default."""
    return Answer(200, {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": False})


@ROUTES.add("actions/get-workflow-run", "actions:read")
def workflow_run(call: Call) -> Answer:
    """Answer a run that the runner has reported."""
    found = call.repository()
    number = int(call.path["run_id"])
    run = call.host.state.runs.get(number)
    if run is None or run["repository"].lower() != found.full_name.lower():
        raise not_found()
    shape = {
        "id": number,
        "name": run["name"],
        "status": run["status"],
        "conclusion": run["conclusion"] or None,
        "event": run["event"],
        "run_attempt": 1,
        "html_url": f"{call.host.url}/{found.full_name}/actions/runs/{number}",
        "head_sha": run["sha"],
        "head_branch": run["branch"],
        "actor": call.host.shapes.short_user(run["actor"]),
        "triggering_actor": call.host.shapes.short_user(run["actor"]),
        "repository": call.host.shapes.repository(found),
        "head_repository": call.host.shapes.repository(found),
    }
    return Answer(200, shape)


def may_push(call: Call, found: Repository) -> bool:
    """Say whether the caller may write the repository's contents."""
    return allowed(call.role(found), "write")
