"""The sandbox's own doors: making users and repositories, faults, and looking at what happened.

None of this exists on GitHub. It takes the control token that the server wrote into its state folder.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable
from typing import Any

from sandbox.github.api import Answer
from sandbox.github.bare_git import BareRepository
from sandbox.github.faults import Fault, Faults
from sandbox.github.host import Host
from sandbox.github.state import App, Repository, Runner, Token, User

Json = dict[str, Any]


class Control:
    """Answers `/_sandbox/...`."""

    def __init__(self, host: Host, faults: Faults) -> None:
        self._host = host
        self._faults = faults
        self.requests: list[Json] = []
        self._doors: dict[tuple[str, str], Callable[[Json], Any]] = {
            ("POST", "users"): self._user,
            ("POST", "tokens"): self._token,
            ("POST", "tokens/revoke"): self._revoke,
            ("POST", "apps"): self._app,
            ("POST", "repositories"): self._repository,
            ("POST", "settings"): self._settings,
            ("POST", "settings/read"): self._read_settings,
            ("POST", "faults"): self._fault,
            ("DELETE", "faults"): self._no_faults,
            ("POST", "hook"): self._hook,
            ("POST", "runs"): self._run,
            ("GET", "events"): lambda _: [dataclasses.asdict(item) for item in host.outbox.sent],
            ("GET", "violations"): lambda _: host.violations,
            ("DELETE", "violations"): lambda _: host.violations.clear(),
            ("GET", "requests"): lambda _: self.requests,
            ("GET", "state"): lambda _: self._dump(),
        }

    def answer(self, method: str, door: str, body: Json) -> Answer:
        """Answer one request; an unknown door is a 404."""
        found = self._doors.get((method, door))
        if found is None:
            return Answer(404, {"message": f"no {method} {door} here"})
        with self._host.state.lock:
            try:
                return Answer(200, found(body))
            except (KeyError, TypeError, ValueError, LookupError) as reason:
                return Answer(400, {"message": f"{type(reason).__name__}: {reason}"})

    def _user(self, body: Json) -> Json:
        state = self._host.state
        known = state.user(body["login"])
        user = known or User(id=state.next_id(), **body)
        state.users[user.login.lower()] = user
        return dataclasses.asdict(user)

    def _token(self, body: Json) -> Json:
        kind = body.get("kind", "personal")
        prefix = {"personal": "ghp_", "installation": "ghs_", "job": "ghs_"}[kind]
        value = body.pop("value", None) or f"{prefix}{secrets.token_hex(18)}"
        if body.get("repositories") is not None:
            body["repositories"] = tuple(body["repositories"])
        self._host.state.tokens[value] = Token(value=value, **body)
        return {"token": value}

    def _revoke(self, body: Json) -> None:
        self._host.state.tokens[body["token"]].revoked = True

    def _app(self, body: Json) -> Json:
        state = self._host.state
        body["repositories"] = tuple(body.get("repositories", ()))
        app = App(id=state.next_id(), installation_id=state.next_id(), **body)
        state.apps[app.id] = app
        bot = f"{app.slug}[bot]"
        state.users[bot.lower()] = User(state.next_id(), bot, "Bot")
        return dataclasses.asdict(app)

    def _repository(self, body: Json) -> Json:
        state = self._host.state
        settings = {name: body.pop(name) for name in list(body) if name in _SETTINGS}
        repository = Repository(id=state.next_id(), **body)
        if state.repository(repository.full_name):
            raise ValueError(f"{repository.full_name} exists")
        path = self._host.git_path(repository.full_name)
        git = BareRepository.create(path, repository.default_branch)
        if repository.fork_of:
            git.git("fetch", "-q", str(self._host.git_path(repository.fork_of)), "refs/heads/*:refs/heads/*")
        state.add_repository(repository)
        self._settings({"repository": repository.full_name, **settings})
        return self._read_settings({"repository": repository.full_name})

    def _find(self, body: Json) -> Repository:
        found = self._host.state.repository(body["repository"])
        if found is None:
            raise LookupError(f"no repository {body['repository']}")
        return found

    def _settings(self, body: Json) -> None:
        found = self._find(body)
        for name in ("collaborators", "variables", "secrets"):
            if name in body:
                getattr(found, name).update(body[name])
        if "environments" in body:
            found.environments = list(body["environments"])
        if "runners" in body:
            found.runners = [
                Runner(self._host.state.next_id(), **{**item, "labels": tuple(item["labels"])})
                for item in body["runners"]
            ]
        for name in body.get("labels", ()):
            self._host.label(found, name)

    def _read_settings(self, body: Json) -> Json:
        found = self._find(body)
        kept = ("owner", "name", "private", "default_branch", "collaborators", "variables", "secrets")
        more = {"path": str(self._host.git_path(found.full_name)), "full_name": found.full_name}
        return {name: getattr(found, name) for name in kept} | more

    def _fault(self, body: Json) -> None:
        self._faults.rules.append(Fault(**body))

    def _no_faults(self, _: Json) -> None:
        self._faults.rules.clear()

    def _hook(self, body: Json) -> None:
        self._host.outbox.url = body["url"]
        self._host.outbox.secret = body.get("secret", "")

    def _run(self, body: Json) -> Json:
        number = body.pop("id", None) or self._host.state.next_id()
        self._host.state.runs.setdefault(number, {}).update(body)
        return {"id": number}

    def _dump(self) -> Json:
        state = self._host.state
        hidden = {"secrets": "hidden"}
        return {
            "users": {name: dataclasses.asdict(item) for name, item in state.users.items()},
            "repositories": {name: dataclasses.asdict(item) | hidden for name, item in state.repositories.items()},
            "runs": state.runs,
        }


_SETTINGS = frozenset({"collaborators", "variables", "secrets", "environments", "runners", "labels"})
