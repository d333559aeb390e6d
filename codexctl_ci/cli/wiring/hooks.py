"""The stack's hooks from a command's settings: scripts, and the built-in actions with what they work on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.cli.options import Option
from codexctl_ci.operations.hook_actions import FindKind, TlsReuse, secrets_action, tls_action, wait_action
from codexctl_ci.operations.run_hooks import Action, Hooks, comment_action, sleep_action
from codexctl_ci.ports import ClusterApi
from codexctl_ci.stack.project import Project
from codexctl_ci.stack.rendering import RenderedStack

T = TypeVar("T")


class StackHooks:
    """The steps of a rendered stack around a ``deed``: ``apply`` or ``destroy``."""

    def __init__(self, hooks: Hooks, rendered: RenderedStack, deed: str) -> None:
        self._hooks = hooks
        self._rendered = rendered
        self._deed = deed

    def before_all(self) -> None:
        self._hooks.run("beforeAll", "", self._rendered.before_all)

    def before_layer(self, number: int) -> None:
        self._layer(number, "before")

    def after_layer(self, number: int) -> None:
        self._layer(number, "after")

    def after_all(self) -> None:
        self._hooks.run("afterAll", "", self._rendered.after_all)

    def _layer(self, number: int, when: str) -> None:
        for item in self._rendered.layers[number].items:
            steps = getattr(item.hooks, f"{when}_{self._deed}")
            self._hooks.run(f"{when}{self._deed.capitalize()}", f"{item.kind} {item.name}", steps)


def open_hooks(
    inv: Invocation,
    project: Project,
    cluster: ClusterApi,
    rendered: RenderedStack,
    *,
    deed: str,
    preflight: Callable[[], None],
    find_kind: FindKind,
) -> StackHooks:
    """The hooks of ``rendered`` around ``deed`` (``apply`` or ``destroy``), ready to run."""
    from codexctl_ci import process

    hooks = Hooks(
        process.run,
        Path(project.context.project_root or "."),
        _environ(inv, project),
        _actions(inv, project, cluster, preflight, find_kind),
    )
    return StackHooks(hooks, rendered, deed)


def _environ(inv: Invocation, project: Project) -> dict[str, str]:
    """What scripts see: our own environment, and where this deploy goes to."""
    place = {
        "CODEXCTL_ENV": project.env,
        "CODEXCTL_NAMESPACE": project.namespace,
        "CODEXCTL_SLOT": str(project.slot) if project.slot else "",
    }
    return {**inv.environ, **{key: value for key, value in place.items() if value}}


def _actions(
    inv: Invocation, project: Project, cluster: ClusterApi, preflight: Callable[[], None], find_kind: FindKind
) -> dict[str, Action]:
    def check(_arguments: Mapping[str, str], _timeout: Any) -> None:
        preflight()

    secrets = {
        "OPENAI_API_KEY": inv.environ.get("OPENAI_API_KEY", ""),
        "CODEXCTL_GH_PAT": _value(inv, o.GH_PAT),
        "CONTEXT7_API_KEY": inv.environ.get("CONTEXT7_API_KEY", ""),
    }
    tls = TlsReuse(project.name, project.slot, project.namespace, project.namespace_for("ai-staging", 0))
    return {
        "kubectl.wait": wait_action(cluster, project.namespace, find_kind),
        "sleep": sleep_action(time.sleep),
        "preflight": check,
        "github.comment": comment_action(_comment(inv), _value(inv, o.ISSUE), _value(inv, o.PR)),
        "codex.ensure-codex-secrets": secrets_action(cluster, project.namespace, secrets),
        "codex.reuse-dev-tls-secret": tls_action(cluster, tls),
    }


def _comment(inv: Invocation) -> Callable[[int, str], object] | None:
    """What posts a comment, None without a token. GitHub's room is loaded for the first comment only."""
    if not ((_value(inv, o.GH_PAT) or _value(inv, o.APP_ID)) and _value(inv, o.REPO)):
        return None

    def post(number: int, body: str) -> object:
        from codexctl_ci.cli.wiring.github import open_github
        from codexctl_ci.github.comments import add

        return add(open_github(inv), number, inv.redact(body))

    return post


def _value(inv: Invocation, option: Option[T]) -> T:
    return inv.settings[option] if option.name in inv.settings.values else option.default
