"""The Kubernetes API."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from codexctl_ci.stack.objects import Manifest, Ref


@dataclass(frozen=True, slots=True)
class Listing:
    """Objects of one kind and the resource version of the list, from which a watch can start."""

    items: list[Manifest]
    resource_version: str


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a watch: ``ADDED``, ``MODIFIED`` or ``DELETED`` and the object as it is now."""

    kind: str
    object: Manifest


@dataclass(frozen=True, slots=True)
class ExecResult:
    """How a command in a pod ended. ``code`` is its exit code."""

    code: int
    stdout: bytes
    stderr: bytes


class Watching(Protocol):
    """A watch that is going on. Iterate in one thread; ``close`` may be called from any and ends the iteration."""

    def __iter__(self) -> Iterator[Change]: ...

    def __next__(self) -> Change:
        """The next change, waiting for it."""

    def close(self) -> None:
        """End it now, also where another thread waits in it."""


class ClusterApi(Protocol):
    """The Kubernetes API, one method a verb, over one pool of connections, usable from many threads.

    Every method raises ApiError for an answer that is not listed; passing faults have been retried by then.
    """

    def get(self, ref: Ref) -> Manifest | None:
        """The object, None where the API says 404."""

    def list(self, api_version: str, kind: str, namespace: str = "", *, labels: str = "", fields: str = "") -> Listing:
        """All objects of a kind, in one namespace or (empty) in all."""

    def create(self, manifest: Manifest) -> Manifest:
        """The object as created. AlreadyExists is an ApiError with status 409.

        A try whose answer was lost is repeated. Where the object is there then and carries all that was sent, it is
        returned as created; so put something into it that nobody else would write (a holder's id) where "did *I*
        create it" matters. Where it differs: status 409 with ``ambiguous`` set.
        """

    def replace(self, manifest: Manifest) -> Manifest:
        """Put the whole object; with ``metadata.resourceVersion`` it is a compare-and-swap (409 where it lost).

        A try whose answer was lost is repeated; a conflict then is looked at as in ``create``.
        """

    def apply(self, manifest: Manifest, *, force: bool = False, dry_run: bool = False) -> Manifest:
        """Server-side apply with our field manager; the object as it is (or would be) afterwards."""

    def check_new(self, manifest: Manifest) -> None:
        """Have the server judge the manifest as a new object of another name, without making it. Raises ApiError."""

    def may(self, verb: str, api_version: str, kind: str, namespace: str = "", *, name: str = "") -> bool:
        """Whether our identity has the right, by the server's own word (SelfSubjectAccessReview).

        ``kind`` may name a part too (``Pod/exec``); ``name`` asks about one object alone.
        """

    def server_version(self) -> str:
        """The server's version, like ``v1.36.3``."""

    def patch(self, ref: Ref, merge: Manifest) -> Manifest:
        """JSON merge patch (RFC 7386)."""

    def delete(self, ref: Ref, *, uid: str = "", resource_version: str = "", background: bool = True) -> bool:
        """Ask for deletion, with preconditions where given. False where it was not there; 409 where they failed.

        After a try whose answer was lost, "not there" counts as our own doing: True. ``background=False`` deletes
        what the object owns first (foreground).
        """

    def watch(
        self,
        api_version: str,
        kind: str,
        namespace: str = "",
        *,
        since: str,
        labels: str = "",
        fields: str = "",
        timeout: timedelta | None = None,
        known: Iterable[Manifest] = (),
    ) -> Watching:
        """Changes after ``since``. Ends when ``timeout`` is over or it is closed; reconnects by itself.

        Where history is lost (410) it lists again: what is there comes as ``MODIFIED``, and what was seen before or
        is in ``known`` (the items of the list that ``since`` came from) and is gone comes as ``DELETED``.
        """

    def logs(self, namespace: str, pod: str, container: str = "", *, tail: int = 30, previous: bool = False) -> str:
        """The last lines of a container's log, empty where it has none."""

    def follow(self, namespace: str, pod: str, container: str = "") -> Iterator[str]:
        """The lines of a container's log as they come, from its first to its last; it must have started."""

    def execute(
        self,
        namespace: str,
        pod: str,
        argv: Sequence[str],
        *,
        container: str = "",
        stdin: Iterable[bytes] = (),
        on_stdout: Callable[[bytes], None] | None = None,
        timeout: timedelta | None = None,
    ) -> ExecResult:
        """Run a command in a pod to its end. With ``on_stdout``, output goes there and not into the result.

        An error raised by ``on_stdout`` or ``stdin`` ends the stream and is raised. Never repeated once it may have
        started: a broken stream is an ApiError with status 0 and kind ``StreamBroken``, a ``timeout`` one with kind
        ``ExecTimeout``; in both cases the command may go on in the pod.
        """

    def token_for(self, namespace: str, service_account: str, lifetime: timedelta) -> str:
        """A short-lived token of a ServiceAccount (TokenRequest)."""

    def acting_as(self, token: str) -> ClusterApi:
        """The same cluster with another identity; shares nothing secret with this one."""

    def namespaced(self, api_version: str, kind: str) -> bool | None:
        """Whether objects of the kind live in namespaces; None for a kind unknown to the cluster."""

    def forget_kinds(self) -> None:
        """Ask the server again for a kind that was unknown: new definitions have come."""

    def now(self) -> datetime:
        """The API server's time, by the Date header of its newest answer moved on by our monotonic clock."""
