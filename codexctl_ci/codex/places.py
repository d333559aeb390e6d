"""Where the agent runs, as a place that executes commands: a pod, or this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from codexctl_ci import process
from codexctl_ci.errors import ApiError
from codexctl_ci.ports import ClusterApi, ExecResult
from codexctl_ci.stack.objects import Manifest, Ref


class Place(Protocol):
    """A place that executes commands. ``window``: how long one command that follows events may last."""

    window: timedelta

    def execute(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        on_stdout: Callable[[bytes], None] | None = None,
        timeout: timedelta,
    ) -> ExecResult:
        """Run a command to its end. Raises ApiError where contact was lost."""

    def gone(self) -> str:
        """Why the place is no more; empty while it is there. Raises ApiError where nobody can say."""

    def destroy(self) -> None:
        """End the place with all that runs in it, where that is possible."""

    def owner(self) -> int:
        """The process whose end is to end the agent as well; 0 where the agent outlives us."""

    def last_end(self) -> str:
        """How the place's container ended the last time; empty where it never did or there is none."""

    def __str__(self) -> str: ...


@dataclass
class PodPlace:
    """A container of a pod. The pod's UID is its identity: another pod of that name is another place.

    ``cluster`` gives the API with an identity that is still good: a run may outlast a token.
    """

    cluster: Callable[[], ClusterApi]
    namespace: str
    pod: str
    uid: str
    container: str = ""
    window: timedelta = timedelta(seconds=45)

    def execute(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        on_stdout: Callable[[bytes], None] | None = None,
        timeout: timedelta,
    ) -> ExecResult:
        """Run a command in the container."""
        return self.cluster().execute(
            self.namespace,
            self.pod,
            argv,
            container=self.container,
            stdin=(stdin,) if stdin else (),
            on_stdout=on_stdout,
            timeout=timeout,
        )

    def gone(self) -> str:
        """Why the pod is no more."""
        pod = self.cluster().get(Ref("v1", "Pod", self.pod, self.namespace))
        if pod is None:
            return "the pod was deleted"
        if pod["metadata"].get("uid") != self.uid:
            return "the pod was replaced by another one"
        status = pod.get("status") or {}
        if status.get("phase") in ("Failed", "Succeeded"):
            return " ".join(filter(None, ["the pod ended:", status.get("reason"), status.get("message")]))
        if pod["metadata"].get("deletionTimestamp"):
            return "the pod is being deleted"
        return ""

    def destroy(self) -> None:
        """Delete the pod, this very one; its Deployment makes a new one."""
        try:
            self.cluster().delete(Ref("v1", "Pod", self.pod, self.namespace), uid=self.uid)
        except ApiError as error:
            if not error.conflict:
                raise

    def owner(self) -> int:
        return 0

    def last_end(self) -> str:
        """How the container ended the last time, as Kubernetes tells it; empty where it never did."""
        pod = self.cluster().get(Ref("v1", "Pod", self.pod, self.namespace))
        return last_termination(pod or {}, self.container)

    def __str__(self) -> str:
        return f"Pod/{self.pod} in {self.namespace}"


def last_termination(pod: Manifest, container: str) -> str:
    """How a container of ``pod`` ended the last time: ``OOMKilled (exit 137)``; empty where it never did."""
    for status in (pod.get("status") or {}).get("containerStatuses") or []:
        if status.get("name") == container or not container:
            for key in ("lastState", "state"):
                ended = (status.get(key) or {}).get("terminated")
                if ended:
                    return f"{ended.get('reason') or 'ended'} (exit {ended.get('exitCode')})"
    return ""


@dataclass
class LocalPlace:
    """This machine: commands run with ``env`` alone, as another user where ``user`` (uid, gid) is given.

    The agent ends with this process.
    """

    env: Mapping[str, str]
    cwd: Path
    user: tuple[int, int] | None = None
    window: timedelta = timedelta(seconds=1)

    def execute(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        on_stdout: Callable[[bytes], None] | None = None,
        timeout: timedelta,
    ) -> ExecResult:
        """Run a command here."""
        try:
            words = process.as_user(argv, self.user)
            done = process.run(words, env=self.env, cwd=self.cwd, stdin=stdin, timeout=timeout)
        except FileNotFoundError as error:
            raise ApiError(f"{error.filename} is not installed here", status=500, obj=str(self)) from None
        if done.timed_out:
            raise ApiError("the command did not end in time", status=0, kind="ExecTimeout", obj=str(self))
        if on_stdout is not None and done.stdout:
            on_stdout(done.stdout)
        return ExecResult(done.code, b"" if on_stdout is not None else done.stdout, done.stderr)

    def gone(self) -> str:
        return ""

    def destroy(self) -> None:
        """Nothing beyond ending its processes can be done here."""

    def owner(self) -> int:
        return os.getpid()

    def last_end(self) -> str:
        return ""

    def __str__(self) -> str:
        return "the runner"
