"""One deploy from a command's settings: render, preflight, hooks, apply, wait, and what is said about it."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.errors import CodexctlError
from codexctl_ci.operations.apply import ApplyOptions, ApplyResult, NoHooks, apply_stack
from codexctl_ci.operations.apply_object import Tries
from codexctl_ci.ports import ClusterApi
from codexctl_ci.reporting.apply_report import apply_line, apply_markdown
from codexctl_ci.stack.objects import Ref, ref_of
from codexctl_ci.stack.project import Project
from codexctl_ci.stack.rendering import RenderedStack, render
from codexctl_ci.stack.selection import Selection

if TYPE_CHECKING:
    from codexctl_ci.cli.wiring.hooks import StackHooks
    from codexctl_ci.kube.client import Cluster
    from codexctl_ci.readiness.outcome import WaitResult
    from codexctl_ci.readiness.verdict import Verdict

log = logging.getLogger("codexctl_ci.apply")


@dataclass(frozen=True)
class Deployed:
    """How a deploy ended. ``waits`` holds the wait of each layer and the last one over everything."""

    result: ApplyResult
    waits: tuple[WaitResult, ...]

    def __str__(self) -> str:
        return apply_line(self.result.objects, self.result.pruned.deleted)

    @property
    def ready(self) -> bool:
        """Whether everything that was waited for became ready."""
        return all(wait.ready for wait in self.waits)


def labels_of(project: Project) -> dict[str, str]:
    """What marks a namespace that we make."""
    found = {"codexctl.io/project": project.name, "codexctl.io/env": project.env}
    return found | ({"codexctl.io/slot": str(project.slot)} if project.slot else {})


def apply_options(inv: Invocation, project: Project, *, whole: bool = True) -> ApplyOptions:
    """Where and how to apply, as the settings say."""
    settings = inv.settings

    def given(option: o.Option[bool]) -> bool:
        return option.name in settings.values and settings[option]

    tries = Tries()
    if o.APPLY_RETRIES.name in settings.values:
        tries = Tries(settings[o.APPLY_RETRIES], settings[o.APPLY_BACKOFF])
    return ApplyOptions(
        project.env,
        project.namespace,
        slot=project.slot,
        force_conflicts=given(o.FORCE_CONFLICTS),
        prune=given(o.PRUNE),
        prune_volumes=given(o.PRUNE_VOLUMES),
        whole=whole,
        tries=tries,
        labels=labels_of(project),
    )


def deploy(
    inv: Invocation,
    project: Project,
    cluster: ClusterApi,
    server: Cluster,
    *,
    selection: Selection | None = None,
    wait: bool | None = None,
) -> Deployed:
    """Bring the project's stack into its namespace, and say in the job summary how that went.

    ``cluster`` is the identity to work with (a slot's deployer), ``server`` the client that was opened. ``wait`` is
    the setting where not given. With --wait-soft-fail a stack that isn't ready is a result, else NotReady is raised.
    Raises what ``render`` and ``apply_stack`` raise.
    """
    selection = selection or Selection()
    rendered = render(project, selection, namespaced=server.namespaced)
    for warning in rendered.warnings:
        log.warning("%s", warning)
    options = apply_options(inv, project, whole=selection.everything)
    check = _preflight(cluster, rendered, project)
    if inv.settings[o.PREFLIGHT]:
        check()
    waits = inv.settings[o.WAIT] if wait is None else wait
    title = f"{project.env} in {project.namespace}"
    hooks = _hooks(inv, project, cluster, server, rendered, check)
    waiting = _Waiting(inv, cluster, hooked=not isinstance(hooks, NoHooks))
    try:
        result = apply_stack(
            cluster,
            rendered.layers,
            options,
            wait=waiting if waits else None,
            hooks=hooks,
        )
    except CodexctlError:
        waiting.summarise(title)
        raise
    inv.summary(apply_markdown(f"Apply: {title}", result.objects, result.pruned.deleted, result.warnings))
    waiting.summarise(title)
    return Deployed(result, tuple(waiting.results))


def _preflight(cluster: ClusterApi, rendered: RenderedStack, project: Project) -> Callable[[], None]:
    def check() -> None:
        from codexctl_ci.operations.preflight import preflight

        preflight(cluster, map(ref_of, rendered.manifests), project.namespace)

    return check


def _hooks(
    inv: Invocation,
    project: Project,
    cluster: ClusterApi,
    server: Cluster,
    rendered: RenderedStack,
    check: Callable[[], None],
) -> StackHooks | NoHooks:
    # Most stacks have none, and then nothing that runs them need be loaded.
    if not (
        rendered.before_all
        or rendered.after_all
        or any(item.hooks.before_apply or item.hooks.after_apply for item in rendered.items)
    ):
        return NoHooks()
    from codexctl_ci.cli.wiring.hooks import open_hooks

    return open_hooks(inv, project, cluster, rendered, deed="apply", preflight=check, find_kind=server.find_kind)


@dataclass
class _Waiting:
    """Waits for layers, all together no longer than the time given, and keeps what it saw.

    ``hooked``: scripts of the stack run between an apply and its wait, and may take away what was applied.
    """

    inv: Invocation
    cluster: ClusterApi
    hooked: bool
    results: list[WaitResult] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    def __call__(self, refs: Sequence[Ref]) -> None:
        from codexctl_ci.operations.wait import not_ready, wait_until_ready
        from codexctl_ci.operations.watching import Retries
        from codexctl_ci.readiness.outcome import headline
        from codexctl_ci.reporting import actions_files
        from codexctl_ci.reporting.progress import choose
        from codexctl_ci.reporting.wait_report import report_lines

        settings = self.inv.settings
        left = max(timedelta(), settings[o.WAIT_TIMEOUT] - timedelta(seconds=time.monotonic() - self.begun))
        as_json = settings[o.LOG_FORMAT] == "json"
        with choose(sys.stderr, self.inv.redact, in_actions=self.inv.in_actions, as_json=as_json) as progress:
            result = wait_until_ready(
                self.cluster,
                refs,
                timeout=left,
                on_progress=progress,
                retries=Retries(settings[o.WAIT_RETRIES], settings[o.WAIT_BACKOFF]),
                absent=self._absent,
            )
        self.results.append(result)
        if result.ready:
            log.info("%s", headline(result))
            return
        lines = report_lines(result)
        for line in actions_files.quiet(lines) if self.inv.in_actions else lines:
            sys.stderr.write(self.inv.redact(line) + "\n")
        if not settings[o.WAIT_SOFT_FAIL]:
            raise not_ready(result)
        log.warning("%s; going on, as --wait-soft-fail says", headline(result))

    def _absent(self, ref: Ref) -> Verdict:
        """The verdict on what isn't there when a wait begins: done in an earlier layer, or taken away by a hook."""
        from codexctl_ci.readiness.kinds import judge_gone
        from codexctl_ci.readiness.verdict import ready

        earlier = next((result.verdicts[ref] for result in self.results if ref in result.verdicts), None)
        if earlier is not None and earlier.reason == "Complete":
            return earlier
        return ready("Gone", "taken away by a hook") if self.hooked else judge_gone(None)

    def summarise(self, title: str) -> None:
        """The last wait, or the one that failed, in the job summary."""
        if not self.results:
            return
        from codexctl_ci.reporting.wait_report import markdown

        chosen = next((result for result in self.results if not result.ready), None)
        self.inv.summary(markdown(chosen or self.results[-1], f"Ready: {title}"))
