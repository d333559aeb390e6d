"""Has the agent a place to work in, and is there a Codex in it?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from codexctl_ci.errors import ApiError
from codexctl_ci.operations.doctor import Finding, Level
from codexctl_ci.operations.doctor_cluster import Stack
from codexctl_ci.ports import ClusterApi
from codexctl_ci.slots.leases import PROJECT
from codexctl_ci.stack.overlays import pod_spec

_WHAT = "agent's image"
_DEPLOYMENT = "codex"
_PROBE = "command -v codex || command -v npx || exit 3; command -v git || exit 4"
_MISSING = {3: "neither codex nor npx", 4: "no git"}
_LIMIT = timedelta(seconds=15)


def image(
    stacks: Iterable[Stack], project: str, cluster: ClusterApi, exists: Callable[[str], bool | None], *, own: str
) -> Iterator[Finding]:
    """Whether the agent's image is there and holds what a run needs. ``exists`` asks the registry about an image (None
    where it can't be asked); images of the registry ``own`` may come with the first run. A running pod is looked into.
    """
    found = {name for stack in stacks if stack.slot for name in _images(stack)}
    if not found:
        advice = "add a service codex as in examples/minimal, or choose codex.executor: runner knowingly"
        yield Finding("images", _WHAT, Level.FAIL, "the stack of a slot has no Deployment codex", advice)
        return
    (name, *_) = sorted(found)
    if exists(name) is False:
        if own and name.startswith(f"{own}/"):
            advice = "the first run mirrors or builds it; `codexctl-ci ci images --env ai --slot 1` does so now"
            yield Finding("images", _WHAT, Level.WARN, f"{name} is not in the registry yet", advice)
        else:
            yield Finding("images", _WHAT, Level.FAIL, f"there is no {name}", "name an image that exists")
        return
    yield _looked_into(name, project, [stack.namespace for stack in stacks if not stack.slot], cluster)


def _images(stack: Stack) -> Iterator[str]:
    for manifest in stack.manifests:
        if manifest["kind"] == "Deployment" and manifest["metadata"]["name"] == _DEPLOYMENT:
            spec = pod_spec(manifest) or {}
            yield from (str(box.get("image")) for box in (spec.get("containers") or [])[:1])


def _looked_into(name: str, project: str, others: list[str], cluster: ClusterApi) -> Finding:
    for namespace, pod in _running(project, others, cluster):
        done = cluster.execute(namespace, pod, ["sh", "-c", _PROBE], timeout=_LIMIT)
        if done.code == 0:
            program = done.stdout.decode("utf-8", "replace").splitlines()[:1]
            return Finding("images", _WHAT, Level.OK, f"{name} holds {''.join(program)} (seen in {namespace})")
        words = f"{name} has {_MISSING.get(done.code, f'no sh that works (exit {done.code})')} (seen in {namespace})"
        return Finding("images", _WHAT, Level.FAIL, words, "it needs sh, git, and codex or npx")
    advice = f"try: docker run --rm --entrypoint sh {name} -c '{_PROBE}; echo well'"
    return Finding("images", _WHAT, Level.SKIP, f"{name}: no agent's pod that we may look into is running", advice)


def _running(project: str, others: list[str], cluster: ClusterApi) -> Iterator[tuple[str, str]]:
    try:
        spaces = cluster.list("v1", "Namespace", labels=f"{PROJECT}={project}").items
    except ApiError:
        spaces = []
    for namespace in dict.fromkeys([*(item["metadata"]["name"] for item in spaces), *others]):
        try:
            if not cluster.may("create", "v1", "Pod/exec", namespace):
                continue
            for pod in cluster.list("v1", "Pod", namespace).items:
                ready = (pod.get("status") or {}).get("phase") == "Running"
                if ready and pod["metadata"]["name"].startswith(f"{_DEPLOYMENT}-"):
                    yield namespace, pod["metadata"]["name"]
        except ApiError:
            continue
