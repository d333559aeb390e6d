"""Before anything is done: is the cluster there, is it new enough, and may we do what the stack needs?"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass

from codexctl_ci.errors import ApiError, CodexctlError
from codexctl_ci.operations.parallel import each
from codexctl_ci.ports import ClusterApi
from codexctl_ci.readiness.kinds import settled_at_once
from codexctl_ci.stack.objects import Ref

log = logging.getLogger("codexctl_ci.preflight")

OLDEST = (1, 27)
"""The oldest minor version of Kubernetes that the tests of this project's rules hold for."""

_VERBS = ("get", "create", "patch")
_WATCHED_VERBS = (*_VERBS, "list", "watch")


@dataclass(frozen=True, order=True)
class Right:
    """A verb on a kind in a namespace (empty: everywhere)."""

    verb: str
    api_version: str
    kind: str
    namespace: str

    def __str__(self) -> str:
        group = self.api_version.rpartition("/")[0]
        place = f"in {self.namespace}" if self.namespace else "cluster-wide"
        return f"{self.verb} {self.kind}{f' ({group})' if group else ''} {place}"


def preflight(cluster: ClusterApi, refs: Iterable[Ref], namespace: str) -> None:
    """See that an apply of ``refs`` into ``namespace`` is possible. Changes nothing.

    Raises ApiError where the cluster doesn't answer, CodexctlError that lists every right that is missing.
    """
    version = cluster.server_version()
    known = re.match(r"v?(\d+)\.(\d+)", version)
    if known and (int(known[1]), int(known[2])) < OLDEST:
        log.warning("the cluster runs Kubernetes %s; %d.%d or newer is what this is made for", version, *OLDEST)
    rights = needed_rights(refs, namespace)
    missing = [
        right for right, given in zip(rights, each(rights, lambda r: _given(cluster, r)), strict=True) if not given
    ]
    if missing:
        raise CodexctlError(
            f"the identity for the cluster lacks {len(missing)} rights:\n" + "\n".join(f"- {r}" for r in missing),
            hint="bind a role that gives them, or use another identity; nothing was changed",
        )
    log.debug("preflight: Kubernetes %s, %d rights are there", version, len(rights))


def needed_rights(refs: Iterable[Ref], namespace: str) -> list[Right]:
    """The rights that applying and watching ``refs`` takes, each once; the inventory's are among them."""
    found = {Right(verb, "v1", "ConfigMap", namespace) for verb in (*_VERBS, "update")}
    for ref in refs:
        watched = ref.namespace == namespace and not settled_at_once(ref.api_version, ref.kind)
        verbs = _WATCHED_VERBS if watched else _VERBS
        found |= {Right(verb, ref.api_version, ref.kind, ref.namespace) for verb in verbs}
    return sorted(found)


def _given(cluster: ClusterApi, right: Right) -> bool:
    if cluster.namespaced(right.api_version, right.kind) is None:
        # A kind that the stack itself brings: there is nothing to ask about yet.
        return True
    try:
        return cluster.may(right.verb, right.api_version, right.kind, right.namespace)
    except ApiError as error:
        if error.status == 403:
            # Where even the question is forbidden the apply itself will tell.
            return True
        raise
