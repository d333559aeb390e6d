"""Identities that another program makes, read through the official client. Loading it costs a quarter of a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from codexctl_ci.errors import ConfigError


def plugin_headers(source: str, context: str) -> Callable[[bool], Mapping[str, str]]:
    """A function that gives the headers to send; called with True it asks the plugin for a new identity.

    ``source`` is the kubeconfig, one file or several joined by ``:``.
    """
    cached: dict[str, str] = {}

    def headers(renew: bool) -> Mapping[str, str]:
        if renew or not cached:
            cached.update(_ask(source, context))
        return cached

    return headers


def _ask(source: str, context: str) -> dict[str, str]:
    from kubernetes.client import Configuration
    from kubernetes.config import ConfigException, load_kube_config

    made: Any = Configuration()
    try:
        load_kube_config(source, context=context, client_configuration=made, persist_config=False)
    except (ConfigException, OSError, ValueError) as error:
        raise ConfigError(
            "the kubeconfig's plugin gave no identity",
            where=source,
            reason=type(error).__name__,
            hint="run the plugin by hand and see what it says",
        ) from None
    if made.cert_file and not made.api_key:
        raise ConfigError(
            "plugins that give client certificates are not supported",
            where=source,
            hint="use a plugin that gives a token, or a kubeconfig with the certificate in it",
        )
    value = (made.api_key or {}).get("authorization") or (made.api_key or {}).get("BearerToken")
    if not value:
        raise ConfigError("the kubeconfig's plugin gave no token", where=source)
    prefix = (made.api_key_prefix or {}).get("authorization", "")
    return {"Authorization": f"{prefix} {value}".strip()}
