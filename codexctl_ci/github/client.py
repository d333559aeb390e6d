"""GitHub's REST and GraphQL APIs as JSON, through PyGithub's connection, with errors of our own tree."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codexctl_ci.errors import ApiError, ConfigError

if TYPE_CHECKING:
    from github.Auth import Auth
    from github.GithubRetry import GithubRetry
    from github.Requester import Requester

log = logging.getLogger(__name__)

_PAGE = 100
_QUERY_TRIES = 3
_LONGEST_RATE_WAIT_SECONDS = 120.0


@dataclass(frozen=True)
class Identity:
    """Who speaks: a token, or a GitHub App's id and private key."""

    token: str = ""
    app_id: str = ""
    private_key: str = ""


class GitHub:
    """One repository on GitHub. ``repo`` is ``owner/name``; ``api_url`` like ``https://api.github.com``;
    ``authorities`` is a bundle of certificates in place of the usual one.

    Safe to use from one thread. Reads and rate limits are retried; a POST that met a fault of the server is not,
    since it may have gone through: the caller looks first.
    """

    def __init__(
        self, identity: Identity, repo: str, api_url: str = "https://api.github.com", *, authorities: str = ""
    ) -> None:
        hint = "give --repo OWNER/NAME or set GITHUB_REPOSITORY"
        if not repo:
            raise ConfigError("no repository was named", hint=hint)
        owner, slash, name = repo.partition("/")
        if not (slash and owner and name) or "/" in name:
            raise ConfigError(f"{repo!r} is not a repository", hint=hint)
        if not identity.token and not (identity.app_id and identity.private_key):
            raise ConfigError(
                "no token for GitHub",
                hint="set the secret CODEXCTL_GH_PAT, or CODEXCTL_APP_ID and CODEXCTL_APP_PRIVATE_KEY",
            )
        self.repo = repo
        self._identity = identity
        self._api_url = api_url.rstrip("/")
        self._verify: str | bool = authorities or True
        self._requester: Requester | None = None
        self._login = ""

    @property
    def owner(self) -> str:
        return self.repo.partition("/")[0]

    @property
    def name(self) -> str:
        return self.repo.partition("/")[2]

    def call(self, verb: str, path: str, body: Mapping[str, Any] | None = None, **query: str | int) -> Any:
        """The answer's JSON, None where it has none. ``path`` is the repository's unless it starts with ``/``."""
        _, data = self._send(verb, self._path(path), query, body)
        return data

    def find(self, path: str, **query: str | int) -> Any | None:
        """Like a GET, with None for 404."""
        try:
            return self._send("GET", self._path(path), query, None)[1]
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def pages(self, path: str, **query: str | int) -> Iterator[Any]:
        """All items of a paginated list, page by page, as the Link header leads on."""
        url, query = self._path(path), {"per_page": _PAGE, **query}
        while url:
            headers, data = self._send("GET", url, query, None)
            yield from data
            url, query = _next_link(headers.get("link", "")), {}

    def graphql(self, query: str, **variables: Any) -> Any:
        """The ``data`` of a GraphQL answer; errors in it are an ApiError. A query is tried again, a mutation is not."""
        tries = 1 if query.lstrip().startswith("mutation") else _QUERY_TRIES
        for attempt in range(1, tries + 1):
            try:
                return self._graphql(query, variables)
            except ApiError as error:
                if not error.passing or attempt == tries:
                    raise
        raise AssertionError("unreachable")

    def _graphql(self, query: str, variables: Mapping[str, Any]) -> Any:
        with self._asking("POST", "graphql"):
            _, answer = self._connection().graphql_query(query, dict(variables))
        return answer["data"]

    def login(self) -> str:
        """The login that this identity writes as."""
        if not self._login:
            if self._identity.app_id:
                with self._asking("GET", "/app"):
                    self._login = f"{self._integration().get_app().slug}[bot]"
            else:
                self._login = str(self.call("GET", "/user")["login"])
        return self._login

    def app_rights(self) -> dict[str, str] | None:
        """What the App was given in this repository (name to ``read`` or ``write``); None for a token."""
        if not self._identity.app_id:
            return None
        with self._asking("GET", self._path("installation")):
            installation = self._integration().get_repo_installation(self.owner, self.name)
        return {str(name): str(level) for name, level in (installation.raw_data.get("permissions") or {}).items()}

    def scopes(self) -> tuple[str, ...] | None:
        """The scopes of a classic token; None for tokens of another kind, whose rights GitHub doesn't tell."""
        headers, _ = self._send("GET", self._path(""), {}, None)
        told = headers.get("x-oauth-scopes")
        return None if told is None else tuple(part.strip() for part in str(told).split(",") if part.strip())

    def git_credentials(self) -> tuple[str, str]:
        """User name and password for git over HTTP."""
        with self._asking("POST", "/app/installations"):
            auth = self._connection().auth
            return "x-access-token", auth.token if auth else ""

    def _path(self, path: str) -> str:
        return path if path.startswith("/") else f"/repos/{self.repo}/{path}".rstrip("/")

    def _send(
        self, verb: str, url: str, query: Mapping[str, Any], body: Mapping[str, Any] | None
    ) -> tuple[dict[str, Any], Any]:
        with self._asking(verb, url):
            return self._connection().requestJsonAndCheck(verb, url, dict(query) or None, input=body)

    @contextmanager
    def _asking(self, verb: str, url: str) -> Iterator[None]:
        """Errors of the libraries below become ours."""
        from github.GithubException import GithubException
        from jwt.exceptions import PyJWTError

        try:
            yield
        except GithubException as error:
            raise _translated(verb, url, error) from None
        except PyJWTError as error:
            raise ConfigError(
                "the App's private key is none",
                reason=type(error).__name__,
                hint="CODEXCTL_APP_PRIVATE_KEY is the whole PEM file that GitHub gave you",
            ) from None
        except OSError as error:
            # requests' exceptions are OSErrors: no answer at all.
            raise _unreachable(self._api_url, error) from None

    def _connection(self) -> Requester:
        if self._requester is None:
            from github import Github

            self._requester = Github(
                auth=self._auth(),
                base_url=self._api_url,
                verify=self._verify,
                retry=_retry(),
                timeout=30,
                seconds_between_requests=0,
                seconds_between_writes=0.1,
            ).requester
        return self._requester

    def _auth(self) -> Auth:
        from github.Auth import Token

        if not self._identity.app_id:
            return Token(self._identity.token)
        integration = self._integration()
        installation = integration.get_repo_installation(self.owner, self.name)
        # It renews its token, which lasts an hour, by itself.
        auth: Auth = integration.get_github_for_installation(installation.id).requester.auth
        return auth

    def _integration(self) -> Any:
        from github import Auth, GithubIntegration

        # Where a secret may hold one line only, its newlines are written as two signs.
        key = self._identity.private_key.replace("\\n", "\n")
        auth = Auth.AppAuth(self._identity.app_id, key)
        return GithubIntegration(auth=auth, base_url=self._api_url, verify=self._verify)


def _retry() -> GithubRetry:
    from ssl import SSLCertVerificationError

    from github.GithubRetry import GithubRetry

    class OnlyWhatIsSafe(GithubRetry):
        """Retries as GitHub asks, but no POST that may have gone through."""

        def increment(
            self, method: Any = None, url: Any = None, response: Any = None, error: Any = None, *more: Any, **named: Any
        ) -> Any:
            if method == "POST" and error is not None and self._is_read_error(error):
                raise error
            # A certificate isn't trusted at the second try either.
            if error is not None and any(isinstance(cause, SSLCertVerificationError) for cause in error.args):
                raise error
            return super().increment(method, url, response, error, *more, **named)

        def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
            if method == "POST" and status_code >= 500 and not has_retry_after:
                return False
            return super().is_retry(method, status_code, has_retry_after)

    return OnlyWhatIsSafe(
        total=4, backoff_factor=0.5, secondary_rate_wait=20, max_rate_limit_wait=_LONGEST_RATE_WAIT_SECONDS
    )


def _next_link(header: str) -> str:
    for part in header.split(","):
        target, _, relation = part.partition(";")
        if 'rel="next"' in relation:
            return target.strip().strip("<>")
    return ""


def _translated(verb: str, url: str, error: Any) -> ApiError:
    data = error.data if isinstance(error.data, dict) else {}
    details = [str(item.get("message") or item) if isinstance(item, dict) else str(item) for item in _errors(data)]
    reason = "; ".join([str(data.get("message") or error.message or "no reason given"), *details])
    hint = {
        401: "the token is wrong or expired: renew the secret CODEXCTL_GH_PAT",
        403: "the token lacks a right: contents, issues and pull requests need read and write",
        404: "it is not there, or the token may not see it",
    }.get(error.status, "")
    return ApiError(f"GitHub answered {error.status} to {verb} {url}", status=error.status, reason=reason, hint=hint)


def _errors(data: Mapping[str, Any]) -> list[Any]:
    found = data.get("errors")
    return found if isinstance(found, list) else []


def _unreachable(api_url: str, error: OSError) -> ApiError:
    from requests.exceptions import SSLError

    trusted = not isinstance(error, SSLError)
    return ApiError(
        f"GitHub does not answer at {api_url}",
        status=0,
        reason=type(error).__name__ if trusted else "its certificate is not trusted",
        hint="look at the network and proxy settings of the runner"
        if trusted
        else "name its authority in SSL_CERT_FILE",
    )
