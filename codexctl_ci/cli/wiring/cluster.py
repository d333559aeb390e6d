"""Opening the cluster from a command's settings."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation

if TYPE_CHECKING:
    from codexctl_ci.kube.client import Cluster
    from codexctl_ci.stack.schema import EnvironmentSpec


def open_cluster(inv: Invocation, environment: EnvironmentSpec | None = None) -> Cluster:
    """The cluster that the settings name. What services.yaml says about the ``environment`` holds where nobody set the
    options. Nothing is asked of the server yet.

    Raises ConfigError where no cluster is configured. The identity's secrets are registered with the redactor.
    """
    from codexctl_ci.kube.client import Cluster
    from codexctl_ci.kube.kubeconfig import load_connection
    from codexctl_ci.kube.retrying import RetryPolicy

    settings = inv.settings
    # The option's fallback KUBECONFIG is weaker than what services.yaml says about this very environment.
    chosen = settings[o.KUBECONFIG]
    kubeconfig, context = (environment.kubeconfig, environment.context) if environment else (None, None)
    if kubeconfig and settings.source(o.KUBECONFIG) in ("default", "KUBECONFIG"):
        chosen = kubeconfig
    connection = load_connection(inv.environ, kubeconfig=chosen, context=settings[o.KUBE_CONTEXT] or context or "")
    for secret in (connection.token, connection.client_key, connection.basic.partition(":")[2]):
        if secret:
            inv.redact.register(secret)
    policy = RetryPolicy(whole=settings[o.REQUEST_TIMEOUT] or timedelta(seconds=600))
    return Cluster.open(connection, policy=policy, cache_dir=cache_dir(inv))


def cache_dir(inv: Invocation) -> Path | None:
    """Where copies that only save time are kept: ``$XDG_CACHE_HOME`` or ``~/.cache``; None where there is no home."""
    base = inv.environ.get("XDG_CACHE_HOME") or ""
    if base:
        return Path(base) / "codexctl-ci"
    home = inv.environ.get("HOME") or ""
    return Path(home) / ".cache" / "codexctl-ci" if home and os.access(home, os.W_OK) else None
