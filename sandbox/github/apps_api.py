"""REST: GitHub Apps, whose signed requests buy tokens of an hour."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.github.api import Answer, Call, Routes
from sandbox.github.errors import ApiError, not_found
from sandbox.github.state import App, Token, timestamp

ROUTES = Routes()


def app_of(call: Call) -> App:
    """Return the app that signed the request."""
    if call.token is None or call.token.kind != "app":
        raise ApiError(401, "A JSON web token could not be decoded")
    return call.host.state.apps[int(call.token.login)]


def _installation(call: Call, app: App) -> dict[str, Any]:
    api = f"{call.host.url}/api/v3"
    account = call.host.shapes.short_user(app.account)
    return {
        "id": app.installation_id,
        "app_id": app.id,
        "app_slug": app.slug,
        "client_id": f"Iv1.{app.id}",
        "account": account,
        "target_type": "User",
        "target_id": (account or {})["id"],
        "repository_selection": "selected",
        "permissions": app.rights,
        "events": [],
        "access_tokens_url": f"{api}/app/installations/{app.installation_id}/access_tokens",
        "repositories_url": f"{api}/installation/repositories",
        "html_url": f"{call.host.url}/settings/installations/{app.installation_id}",
        "created_at": timestamp(),
        "updated_at": timestamp(),
        "suspended_at": None,
        "suspended_by": None,
        "single_file_name": None,
    }


@ROUTES.add("apps/get-authenticated")
def get(call: Call) -> Answer:
    """Answer the app itself."""
    app = app_of(call)
    shape = {
        "id": app.id,
        "slug": app.slug,
        "name": app.slug,
        "owner": call.host.shapes.short_user(app.account),
        "permissions": app.rights,
        "events": [],
        "description": None,
        "created_at": timestamp(),
        "updated_at": timestamp(),
    }
    return Answer(200, shape)


@ROUTES.add("apps/list-installations")
def installations(call: Call) -> Answer:
    """Answer the app's installations: it has one."""
    return Answer(200, call.page([_installation(call, app_of(call))]))


@ROUTES.add("apps/get-installation")
def installation(call: Call) -> Answer:
    """Answer one installation."""
    app = app_of(call)
    if str(app.installation_id) != call.path["installation_id"]:
        raise not_found()
    return Answer(200, _installation(call, app))


@ROUTES.add("apps/get-repo-installation")
def repository_installation(call: Call) -> Answer:
    """Answer the installation that covers a repository."""
    app = app_of(call)
    name = f"{call.path['owner']}/{call.path['repo']}".lower()
    if name not in {item.lower() for item in app.repositories}:
        raise not_found()
    return Answer(200, _installation(call, app))


@ROUTES.add("apps/create-installation-access-token")
def create_token(call: Call) -> Answer:
    """Make a token for an hour, with the installation's rights or fewer."""
    app = app_of(call)
    if str(app.installation_id) != call.path["installation_id"]:
        raise not_found()
    body = call.body or {}
    rights = body.get("permissions") or app.rights
    names = body.get("repositories")
    covered = tuple(name for name in app.repositories if names is None or name.split("/")[1] in names)
    expires = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    token = Token(f"ghs_{secrets.token_hex(18)}", f"{app.slug}[bot]", "installation", rights, covered, expires)
    call.host.state.tokens[token.value] = token
    return Answer(
        201,
        {
            "token": token.value,
            "expires_at": expires,
            "permissions": rights,
            "repository_selection": "selected",
        },
    )


@ROUTES.add("apps/list-repos-accessible-to-installation")
def repositories(call: Call) -> Answer:
    """Answer what an installation's token can see."""
    if call.token is None or call.token.kind not in {"installation", "job"}:
        raise ApiError(403, "You must authenticate with an installation access token")
    found = [call.host.state.repository(name) for name in call.token.repositories or ()]
    listed = [call.host.shapes.repository(item, "write") for item in found if item]
    return Answer(200, {"total_count": len(listed), "repositories": call.page(listed)})
