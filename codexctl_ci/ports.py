"""What operations need of the outside world, and the data that crosses with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from codexctl_ci.stack.objects import Manifest, Ref

if TYPE_CHECKING:
    from codexctl_ci.prompts.context import IssueContext, PullContext, ReviewThread
    from codexctl_ci.stack.images import BuiltImage


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


class IssueTracker(Protocol):
    """What slots ask about the issue or pull request that they are for, and tell there."""

    def issue_state(self, number: int) -> str:
        """``open``, ``closed`` or ``missing``."""

    def pull_state(self, number: int) -> str:
        """``open``, ``closed`` (merged ones too) or ``missing``."""

    def comment(self, number: int, topic: str, body: str) -> None:
        """The one comment of ours about ``topic`` on an issue or pull request, made or brought up to date."""


@dataclass(frozen=True, slots=True)
class PullRequest:
    """What we need of a pull request. ``own`` is whether its head lies in this repository; ``state`` is GitHub's."""

    number: int
    url: str
    head: str
    head_sha: str
    base: str
    base_sha: str
    own: bool
    state: str
    merged: bool
    title: str
    draft: bool = False
    node: str = ""
    """Its name in GitHub's other API."""


class PullHost(Protocol):
    """The side of the repository where people talk: pull requests, their threads, comments of ours."""

    def login(self) -> str:
        """The login that we write as."""

    def default_branch(self) -> str:
        """Where pull requests go."""

    def pull(self, number: int) -> PullRequest | None:
        """The pull request, None where there is none of that number."""

    def open_pull(self, branch: str) -> PullRequest | None:
        """The open pull request of a branch of this repository."""

    def ensure_pull(
        self, branch: str, base: str, title: str, body: str, *, draft: bool = False
    ) -> tuple[PullRequest, bool]:
        """The open pull request of ``branch``, created where there is none, and whether it was."""

    def make_draft(self, pull: PullRequest) -> PullRequest:
        """Turn an open pull request into a draft, where its repository has drafts; how it is now."""

    def threads(self, number: int) -> tuple[ReviewThread, ...]:
        """All review threads of the pull request with their comments, oldest first."""

    def answer(self, thread: str, body: str) -> None:
        """Answer in a review thread. An answer that met a fault may stand there all the same."""

    def comment(self, number: int, topic: str, body: str) -> None:
        """The one comment of ours about ``topic`` on an issue or pull request, made or brought up to date."""


class IssueSource(Protocol):
    """What prompts read of GitHub. Methods raise ApiError for an answer other than success, 404 included."""

    def issue(self, number: int, *, as_of: datetime | None = None) -> IssueContext:
        """The issue with its comments; title and body as they stood at ``as_of`` (None: as they are)."""

    def pull(self, number: int, *, as_of: datetime | None = None) -> PullContext:
        """The pull request with its comments and reviews; title and body as they stood at ``as_of``."""

    def review_threads(self, number: int) -> tuple[ReviewThread, ...]:
        """All review threads of the pull request with their comments, oldest first."""

    def labeled_at(self, number: int, label: str) -> tuple[datetime, ...]:
        """When the label was put on the issue, each time, by its timeline; oldest first."""


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """One run of the agent.

    ``key`` names the run (letters, digits, ``.``, ``_``, ``-``): a second request with the same key joins the run that
    is going on. ``resume`` is a thread id, empty for a new thread. ``pass_through`` names the variables of the place
    where the agent runs that its configuration refers to. ``max_tokens``: end it when it has read and written as many
    (0: no limit).
    """

    key: str
    prompt: str
    config_toml: str
    total_timeout: timedelta
    idle_timeout: timedelta
    resume: str = ""
    pass_through: tuple[str, ...] = ()
    max_tokens: int = 0


@dataclass(frozen=True, slots=True)
class AgentEnding:
    """How the agent's process ended, before anybody looked at what it changed.

    ``conclusion`` is ``ended`` (it finished its turn), ``agent_error``, ``infra_error`` or ``timeout``; ``reason`` says
    why for all but the first. ``stopped`` is False where the process may still be alive. ``tree_changed``: files in the
    working copy differ from those at the start of the run, ignored ones left out.
    """

    conclusion: str
    reason: str = ""
    thread_id: str = ""
    final_message: str = ""
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    last_log_lines: tuple[str, ...] = ()
    joined: bool = False
    stopped: bool = True
    tree_changed: bool = False


class AgentRuntime(Protocol):
    """A place where the agent runs: the slot's pod, or the runner."""

    def run(self, request: AgentRequest, on_thread: Callable[[str], None]) -> AgentEnding:
        """Run to the end, or join. ``on_thread`` is called once, as soon as the thread's id is known.

        An interrupt of the caller ends the agent's process tree and is raised on.
        """

    def knows_thread(self, thread_id: str) -> bool:
        """Whether the thread can be resumed there."""


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file of the slot's sources that differs from their base. ``kind`` is ``file symlink deleted submodule``.

    ``content`` is what it holds (a link's target), empty where deleted.
    """

    path: str
    kind: str
    executable: bool
    content: bytes


class SlotTree(Protocol):
    """The sources in a slot, seen from outside: what is there counts as foreign input."""

    def base(self) -> str:
        """The commit that the sources came from or were published as last."""

    def changes(self, *, max_files: int, max_bytes: int) -> tuple[TreeFile, ...]:
        """Files that differ from the base. Raises BlockedByGuardrail where there are more than the limits let pass."""

    def published(self, commit: str) -> None:
        """Record that the tree as it is now stands on the server as ``commit``: it is clean from here on."""


class BranchHost(Protocol):
    """A clone of ours that makes commits from bytes and pushes them."""

    def fetch(self, branches: Sequence[str], commits: Sequence[str] = ()) -> dict[str, str]:
        """Fetch branches and commits; each existing branch's commit."""

    def tree(self, commit: str) -> str:
        """The id of a commit's tree."""

    def before(self, commit: str, paths: Sequence[str]) -> dict[str, tuple[str, bytes]]:
        """Kind (``file executable symlink submodule``) and bytes of those ``paths`` that the commit has."""

    def commit(
        self,
        parent: str,
        puts: Mapping[str, tuple[str, bytes]],
        removals: Sequence[str],
        message: str,
        author: tuple[str, str],
        when: int,
    ) -> str:
        """A commit on ``parent``; ``parent`` itself where nothing changes."""

    def contains(self, head: str, commit: str) -> bool:
        """Whether ``commit`` is ``head`` or one of its ancestors."""

    def rebased(self, commit: str, onto: str, author: tuple[str, str], when: int) -> str | None:
        """What ``commit`` does to its parent, done to ``onto``: ``commit`` itself where it stands on ``onto``, ``onto``
        where that has it already, None where they contradict each other."""

    def push(self, commit: str, branch: str) -> bool:
        """Move the branch on to ``commit``, never by force; False where it has moved away from under it."""


class ImageRegistry(Protocol):
    """Registries, each image named in full. Every method raises ApiError for an answer that is not listed."""

    def digest(self, image: str) -> str | None:
        """The digest of what ``image`` names now, None where there is no such image. One HEAD."""

    def current(self, image: str) -> str | None:
        """The same by reading the manifest: no HEAD, but a few hundred bytes more."""

    def tag(self, image: str, tag: str) -> str:
        """Give what ``image`` names another tag in its repository; its digest."""

    def copy(self, source: str, target: str) -> str:
        """Make ``target`` what ``source`` is, with all platforms; the digest, the same in both."""

    def labels(self, image: str) -> Mapping[str, str]:
        """The labels of ``image`` (of its first platform), empty where there is no such image."""


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image as a registry keeps it. ``created`` None: not told.

    ``blobs`` maps what it consists of to bytes; ``manifests`` are its digest and, of an index, those of its platforms.
    """

    digest: str
    created: datetime | None
    blobs: Mapping[str, int]
    manifests: frozenset[str]


class ImageStock(Protocol):
    """What a registry keeps, to be cleared out. Every method raises ApiError for an answer that is not listed."""

    def tags(self, repository: str) -> list[str]:
        """All tags, none where there is no such repository."""

    def digest(self, image: str) -> str | None:
        """The digest of what ``image`` names now, None where there is no such image."""

    def stored(self, image: str) -> StoredImage | None:
        """All about it, None where there is no such image."""

    def delete(self, repository: str, digest: str) -> bool:
        """Delete what has the digest, so every tag of it, and what refers to it; False where it is gone already."""


class BuildRecipes(Protocol):
    """What builds are made from, read from the project's files. Raises ConfigError for files that are not there."""

    def bases(self, image: BuiltImage) -> list[str]:
        """The images that the build takes from elsewhere, each once."""

    def key(self, image: BuiltImage, bases: Mapping[str, str]) -> str:
        """The tag that stands for the build's content. ``bases`` maps each of ``bases(image)`` to its digest."""

    def parts(self, image: BuiltImage, bases: Mapping[str, str]) -> Mapping[str, str]:
        """A short hash of each thing that goes into the key, by what it is: ``file a/b``, ``argument NAME``, …"""

    def revision(self) -> str:
        """The commit that the files come from, empty where that isn't known."""


class ImageBuilder(Protocol):
    """What builds images and pushes them. ``parallel`` is how many builds it takes at once."""

    @property
    def parallel(self) -> int: ...

    def build(self, image: BuiltImage, destinations: Sequence[str], labels: Mapping[str, str]) -> str:
        """Build, label, push to all ``destinations``, return the digest. Raises CodexctlError with the last lines."""

    def stop(self) -> None:
        """End what is being built, from another thread; its ``build`` raises then. Nothing is begun any more."""
