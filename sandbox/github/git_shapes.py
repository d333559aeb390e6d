"""How commits, files, refs and runners look in GitHub's REST answers."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from sandbox.github.bare_git import ChangedFile, Commit
from sandbox.github.state import Repository, Runner

Json = dict[str, Any]


class GitShapes:
    """Renders what comes out of git. `url` is the server's own, without a slash at its end."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._api = f"{url}/api/v3"

    def file(self, repository: Repository, changed: ChangedFile, head: str) -> Json:
        """Render one changed file of a pull request."""
        blob = hashlib.sha1(changed.patch.encode(), usedforsecurity=False).hexdigest()
        done: Json = {
            "sha": blob,
            "filename": changed.path,
            "status": changed.status,
            "additions": changed.additions,
            "deletions": changed.deletions,
            "changes": changed.additions + changed.deletions,
            "blob_url": f"{self._url}/{repository.full_name}/blob/{head}/{changed.path}",
            "raw_url": f"{self._url}/{repository.full_name}/raw/{head}/{changed.path}",
            "contents_url": f"{self._api}/repos/{repository.full_name}/contents/{changed.path}?ref={head}",
        }
        if changed.patch:
            done["patch"] = changed.patch
        if changed.previous:
            done["previous_filename"] = changed.previous
        return done

    def commit(self, repository: Repository, commit: Commit) -> Json:
        """Render a commit."""
        api = f"{self._api}/repos/{repository.full_name}"
        person = {"name": commit.author_name, "email": commit.author_email, "date": commit.date}
        return {
            "sha": commit.sha,
            "node_id": f"C_{commit.sha}",
            "url": f"{api}/commits/{commit.sha}",
            "html_url": f"{self._url}/{repository.full_name}/commit/{commit.sha}",
            "author": None,
            "committer": None,
            "parents": [{"sha": sha, "url": f"{api}/commits/{sha}"} for sha in commit.parents],
            "commit": {
                "url": f"{api}/git/commits/{commit.sha}",
                "message": commit.message,
                "author": person,
                "committer": person,
                "comment_count": 0,
                "tree": {"sha": commit.tree, "url": f"{api}/git/trees/{commit.tree}"},
                "verification": {
                    "verified": False,
                    "reason": "unsigned",
                    "signature": None,
                    "payload": None,
                    "verified_at": None,
                },
            },
        }

    def ref(self, repository: Repository, name: str, sha: str) -> Json:
        """Render a git ref."""
        api = f"{self._api}/repos/{repository.full_name}/git"
        return {
            "ref": name,
            "node_id": f"REF_{name}",
            "url": f"{api}/{name}",
            "object": {"type": "commit", "sha": sha, "url": f"{api}/commits/{sha}"},
        }

    def content(self, repository: Repository, path: str, data: bytes, sha: str) -> Json:
        """Render a file's content."""
        api = f"{self._api}/repos/{repository.full_name}/contents/{path}"
        return {
            "type": "file",
            "encoding": "base64",
            "size": len(data),
            "name": path.rsplit("/", 1)[-1],
            "path": path,
            "content": base64.encodebytes(data).decode(),
            "sha": sha,
            "url": api,
            "html_url": None,
            "git_url": None,
            "download_url": None,
            "_links": {"self": api, "git": None, "html": None},
        }

    def runner(self, runner: Runner) -> Json:
        """Render a self-hosted runner."""
        return {
            "id": runner.id,
            "name": runner.name,
            "os": "linux",
            "status": runner.status,
            "busy": runner.busy,
            "labels": [{"name": name, "type": "custom"} for name in runner.labels],
        }
