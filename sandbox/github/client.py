"""A small client of the imitation, for demo and tests: what people do on GitHub with a mouse, and a look
at it.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from sandbox.github.bare_git import clean_environment

Json = Any


class Refused(RuntimeError):
    """The server answered with an error. `status` and `body` say which."""

    def __init__(self, status: int, body: Json, what: str) -> None:
        super().__init__(f"{what}: {status}: {json.dumps(body)[:500]}")
        self.status = status
        self.body = body


def exchange(method: str, url: str, token: str, body: Json = None) -> Json:
    """Send one JSON request; return the JSON answer, raise Refused."""
    request = urllib.request.Request(
        url,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        # A review of hundreds of lines takes its time on a busy machine.
        with urllib.request.urlopen(request, timeout=120) as answer:
            data = answer.read()
    except urllib.error.HTTPError as error:
        data = error.read()
        raise Refused(error.code, json.loads(data or b"null"), f"{method} {url}") from error
    return json.loads(data) if data else None


@dataclass(frozen=True)
class Person:
    """A user with a token. `rest` and `graphql` do anything; the rest are the common things."""

    url: str
    login: str
    token: str = field(repr=False)

    def rest(self, method: str, path: str, body: Json = None) -> Json:
        """Call the REST API; `path` is below `/api/v3`."""
        return exchange(method, f"{self.url}/api/v3{path}", self.token, body)

    def graphql(self, query: str, **variables: Json) -> Json:
        """Run a GraphQL query; return `data`, raise Refused on `errors`."""
        body = {"query": query, "variables": variables}
        answer = exchange("POST", f"{self.url}/api/graphql", self.token, body)
        if answer.get("errors"):
            raise Refused(200, answer["errors"], "graphql")
        return answer["data"]

    def every(self, path: str) -> list[Json]:
        """Return all items of a list, page after page."""
        items: list[Json] = []
        page = 1
        while True:
            mark = "&" if "?" in path else "?"
            found = self.rest("GET", f"{path}{mark}per_page=100&page={page}")
            items += found
            if len(found) < 100:
                return items
            page += 1

    def issue(self, repository: str, title: str, body: str = "") -> int:
        """Open an issue; return its number."""
        return int(self.rest("POST", f"/repos/{repository}/issues", {"title": title, "body": body})["number"])

    def label(self, repository: str, number: int, name: str) -> None:
        """Put a label on an issue."""
        self.rest("POST", f"/repos/{repository}/issues/{number}/labels", {"labels": [name]})

    def unlabel(self, repository: str, number: int, name: str) -> None:
        """Take a label off."""
        self.rest("DELETE", f"/repos/{repository}/issues/{number}/labels/{quote(name, safe='')}")

    def comment(self, repository: str, number: int, body: str) -> int:
        """Comment on an issue or pull request; return the comment's id."""
        answer = self.rest("POST", f"/repos/{repository}/issues/{number}/comments", {"body": body})
        return int(answer["id"])

    def edit_comment(self, repository: str, comment: int, body: str) -> None:
        """Rewrite a comment."""
        self.rest("PATCH", f"/repos/{repository}/issues/comments/{comment}", {"body": body})

    def close(self, repository: str, number: int) -> None:
        """Close an issue or pull request."""
        self.rest("PATCH", f"/repos/{repository}/issues/{number}", {"state": "closed"})

    def open_pull(self, repository: str, head: str, title: str, body: str = "", base: str = "main") -> int:
        """Open a pull request; return its number."""
        draft = {"head": head, "base": base, "title": title, "body": body}
        return int(self.rest("POST", f"/repos/{repository}/pulls", draft)["number"])

    def review(
        self,
        repository: str,
        number: int,
        event: str,
        body: str = "",
        comments: tuple[tuple[str, int, str], ...] = (),
    ) -> int:
        """Submit a review: APPROVE, REQUEST_CHANGES or COMMENT, with (path, line, text) comments."""
        lines = [{"path": path, "line": line, "body": text} for path, line, text in comments]
        draft = {"event": event, "body": body, "comments": lines}
        return int(self.rest("POST", f"/repos/{repository}/pulls/{number}/reviews", draft)["id"])

    def merge(self, repository: str, number: int, method: str = "merge") -> str:
        """Merge a pull request; return the merge's commit."""
        answer = self.rest("PUT", f"/repos/{repository}/pulls/{number}/merge", {"merge_method": method})
        return str(answer["sha"])

    def read_issue(self, repository: str, number: int) -> Json:
        """Return an issue."""
        return self.rest("GET", f"/repos/{repository}/issues/{number}")

    def read_pull(self, repository: str, number: int) -> Json:
        """Return a pull request."""
        return self.rest("GET", f"/repos/{repository}/pulls/{number}")

    def pulls(self, repository: str, state: str = "open") -> list[Json]:
        """Return pull requests, newest first."""
        return self.every(f"/repos/{repository}/pulls?state={state}")

    def comments(self, repository: str, number: int) -> list[Json]:
        """Return the comments of an issue or pull request."""
        return self.every(f"/repos/{repository}/issues/{number}/comments")

    def line_comments(self, repository: str, number: int) -> list[Json]:
        """Return the comments on lines of a pull request, replies too."""
        return self.every(f"/repos/{repository}/pulls/{number}/comments")

    def branches(self, repository: str) -> dict[str, str]:
        """Return branches and their commits."""
        return {item["name"]: item["commit"]["sha"] for item in self.every(f"/repos/{repository}/branches")}

    def clone_url(self, repository: str) -> str:
        """Return the address to clone from, with the token in it: for throw-away clones only."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{self.login}:{self.token}@{parts.netloc}/{repository}.git"

    def _plain_url(self, repository: str) -> str:
        return f"{self.url}/{repository}.git"

    def _credentials(self) -> dict[str, str]:
        # By environment: a command line can be read by everybody on the machine.
        basic = base64.b64encode(f"{self.login}:{self.token}".encode()).decode()
        return {
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{self.url}/.extraheader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
        }

    def push_folder(self, repository: str, folder: Path, branch: str = "main", message: str = "Start") -> str:
        """Commit what a folder holds as one new commit without parents on a branch; return the commit.

        What git ignores stays out; the folder itself isn't changed.
        """
        with tempfile.TemporaryDirectory() as place:
            clone = Path(place) / "clone"
            shutil.copytree(folder, clone, symlinks=True, ignore=shutil.ignore_patterns(".git"))
            self._git(clone, "init", "-q", f"--initial-branch={branch}")
            return self._commit_and_push(clone, repository, branch, message)

    def push_files(
        self, repository: str, branch: str, files: dict[str, str | None], message: str, base: str = "main"
    ) -> str:
        """Commit files (None deletes) on a branch, made from `base` where it is new; return the commit."""
        with tempfile.TemporaryDirectory() as place:
            clone = Path(place) / "clone"
            self._git(Path(place), "clone", "-q", self._plain_url(repository), str(clone))
            start = f"origin/{branch}" if branch in self.branches(repository) else f"origin/{base}"
            self._git(clone, "checkout", "-q", "-B", branch, start)
            for name, text in files.items():
                target = clone / name
                if text is None:
                    target.unlink()
                else:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_text(text)
            return self._commit_and_push(clone, repository, branch, message)

    def _commit_and_push(self, clone: Path, repository: str, branch: str, message: str) -> str:
        self._git(clone, "add", "-A")
        self._git(clone, "commit", "-q", "--allow-empty", "-m", message)
        self._git(clone, "push", "-q", self._plain_url(repository), f"HEAD:refs/heads/{branch}")
        return self._git(clone, "rev-parse", "HEAD").strip()

    def _git(self, folder: Path, *arguments: str) -> str:
        person = {
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", self.login), ("EMAIL", f"{self.login}@users.noreply.sandbox"))
        }
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env=clean_environment() | person | self._credentials(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"git {arguments[0]}: {done.stderr.replace(self.token, '***')}")
        return done.stdout


@dataclass(frozen=True)
class GitHub:
    """The sandbox's side: makes accounts and repositories, injects faults, reads what happened."""

    url: str
    control_token: str = field(repr=False)

    @classmethod
    def from_state(cls, folder: Path) -> GitHub:
        """Find a server by the state folder it was started with."""
        note = json.loads((folder / "address.json").read_text())
        return cls(os.fspath(note["url"]), note["control_token"])

    def door(self, method: str, path: str, body: Json = None) -> Json:
        """Call one of the sandbox's own doors."""
        return exchange(method, f"{self.url}/_sandbox/{path}", self.control_token, body or {})

    def person(self, login: str, type: str = "User", **token: Json) -> Person:
        """Make a user, where there is none, and a token for it; `rights={"issues": "read"}` limits that."""
        self.door("POST", "users", {"login": login, "type": type})
        return Person(self.url, login, self.token(login, **token))

    def token(self, login: str, **token: Json) -> str:
        """Make a token: `kind`, `rights`, `repositories`, `expires_at`, `value`."""
        return str(self.door("POST", "tokens", {"login": login, **token})["token"])

    def repository(self, owner: str, name: str, **settings: Json) -> str:
        """Make an empty repository; return `owner/name`. Settings are those of `settings`, and `private`."""
        made = self.door("POST", "repositories", {"owner": owner, "name": name, **settings})
        return str(made["full_name"])

    def app(self, slug: str, account: str, public_key: str, rights: dict[str, str], repositories: list[str]) -> int:
        """Make a GitHub App, installed for an account on some repositories; return its id. The key is PEM."""
        body = {"slug": slug, "account": account, "public_key": public_key, "rights": rights}
        return int(self.door("POST", "apps", {**body, "repositories": repositories})["id"])

    def settings(self, repository: str, **settings: Json) -> None:
        """Change collaborators, variables, secrets, environments, runners or labels."""
        self.door("POST", "settings", {"repository": repository, **settings})

    def fault(self, kind: str, **rule: Json) -> None:
        """Inject a fault; see `Fault`."""
        self.door("POST", "faults", {"kind": kind, **rule})

    def no_faults(self) -> None:
        """Drop all faults."""
        self.door("DELETE", "faults")

    def hook(self, url: str, secret: str = "") -> None:
        """Have webhooks posted to an address."""
        self.door("POST", "hook", {"url": url, "secret": secret})

    def events(self) -> list[Json]:
        """Return every webhook so far."""
        return list(self.door("GET", "events"))

    def violations(self) -> list[str]:
        """Return where requests or answers broke GitHub's description. Tests assert that there are none."""
        return list(self.door("GET", "violations"))

    def requests(self) -> list[Json]:
        """Return the requests so far: method, path, status, login."""
        return list(self.door("GET", "requests"))
