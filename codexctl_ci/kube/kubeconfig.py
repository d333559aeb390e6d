"""Reading kubeconfig files and a pod's own account.

Tokens, client certificates, authorities, proxies and contexts are read here, which costs milliseconds. Identities
that another program makes (exec plugins, auth providers) go through the official client, loaded only then.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codexctl_ci.errors import ConfigError
from codexctl_ci.kube.connection import Connection, with_surroundings

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def load_connection(
    environ: Mapping[str, str], *, kubeconfig: str = "", context: str = "", account: Path = _ACCOUNT
) -> Connection:
    """The cluster to talk to and the identity to use.

    ``kubeconfig`` (one file, or several joined by ``:``) if given, else the pod's own account where there is one,
    else ``~/.kube/config``. ``context`` names a context, else the current one is taken. Raises ConfigError naming the
    file and what is missing in it.
    """
    if kubeconfig:
        found = _from_files([Path(part).expanduser() for part in kubeconfig.split(":") if part], context)
    elif environ.get("KUBERNETES_SERVICE_HOST") and (account / "token").exists() and not context:
        found = _from_account(environ, account)
    else:
        home = Path(environ.get("HOME") or "~").expanduser() / ".kube" / "config"
        if not home.exists():
            raise ConfigError(
                "no cluster is configured",
                reason=f"no kubeconfig was given, {home} does not exist, and this is no pod with an account of its own",
                hint="set --kubeconfig or KUBECONFIG",
            )
        found = _from_files([home], context)
    return with_surroundings(found, environ)


def _from_account(environ: Mapping[str, str], account: Path) -> Connection:
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT") or "443"
    namespace = account / "namespace"
    return Connection(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        ca_file=str(account / "ca.crt"),
        token_file=account / "token",
        namespace=namespace.read_text("utf-8").strip() if namespace.exists() else "",
        source="the pod's own account",
    )


def _from_files(files: list[Path], wanted: str) -> Connection:
    documents = [(file, _read(file)) for file in files if file.exists()]
    if not documents:
        raise ConfigError(
            "kubeconfig not found", where=":".join(map(str, files)), hint="set --kubeconfig or KUBECONFIG"
        )
    source = ":".join(str(file) for file, _ in documents)
    # The first file that says something wins, as kubectl merges them.
    name = wanted or next((str(doc["current-context"]) for _, doc in documents if doc.get("current-context")), "")
    if not name:
        raise ConfigError("no current context is set", where=source, hint="choose one with --context")
    context, _ = _entry(documents, "contexts", "context", name, source)
    cluster, cluster_dir = _entry(documents, "clusters", "cluster", str(context.get("cluster") or ""), source)
    user: Mapping[str, Any] = {}
    user_dir = cluster_dir
    if context.get("user"):
        user, user_dir = _entry(documents, "users", "user", str(context["user"]), source)
    server = str(cluster.get("server") or "").rstrip("/")
    if not server.startswith(("https://", "http://")):
        raise ConfigError(f"cluster of context {name!r} has no usable server", where=source, reason=repr(server))
    fresh = None
    if "exec" in user or "auth-provider" in user:
        from codexctl_ci.kube.plugins import plugin_headers

        fresh = plugin_headers(source, name)
    token_file = user.get("tokenFile")
    return Connection(
        server=server,
        ca=_pem(cluster, "certificate-authority", cluster_dir, source),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        tls_server_name=str(cluster.get("tls-server-name") or ""),
        token=str(user.get("token") or "") if not token_file else "",
        token_file=(user_dir / str(token_file)) if token_file else None,
        client_cert=_pem(user, "client-certificate", user_dir, source),
        client_key=_pem(user, "client-key", user_dir, source),
        basic=f"{user['username']}:{user.get('password') or ''}" if user.get("username") else "",
        impersonate=_impersonation(user),
        fresh_headers=fresh,
        namespace=str(context.get("namespace") or ""),
        proxy=str(cluster.get("proxy-url") or ""),
        source=f"{source} (context {name})",
    )


def _read(file: Path) -> Mapping[str, Any]:
    import yaml

    try:
        text = file.read_text("utf-8")
        if text.lstrip().startswith("{"):
            found = json.loads(text)
        else:
            found = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, UnicodeError) as error:
        raise ConfigError("kubeconfig cannot be read", where=str(file), reason=type(error).__name__) from None
    except ValueError:
        raise ConfigError("kubeconfig is no valid JSON", where=str(file)) from None
    except yaml.YAMLError as error:
        # A YAML error quotes the line, which may be a token; its place is all that is safe to show.
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"kubeconfig is no valid YAML{line}", where=str(file)) from None
    if not isinstance(found, dict):
        raise ConfigError("kubeconfig is empty or no mapping", where=str(file))
    return found


def _entry(
    documents: list[tuple[Path, Mapping[str, Any]]], section: str, key: str, name: str, source: str
) -> tuple[Mapping[str, Any], Path]:
    names: list[str] = []
    for file, document in documents:
        for row in document.get(section) or []:
            names.append(str(row.get("name")))
            if row.get("name") == name:
                return row.get(key) or {}, file.resolve().parent
    raise ConfigError(
        f"{key} {name!r} is not in the kubeconfig",
        where=source,
        hint=f"there are: {', '.join(dict.fromkeys(names)) or 'none'}",
    )


def _pem(row: Mapping[str, Any], key: str, base: Path, source: str) -> str:
    data = row.get(f"{key}-data")
    try:
        if data:
            return base64.b64decode(str(data), validate=False).decode("ascii")
        if row.get(key):
            return (base / str(row[key])).read_text("ascii")
    except (OSError, ValueError, binascii.Error) as error:
        raise ConfigError(f"{key} cannot be read", where=source, reason=type(error).__name__) from None
    return ""


def _impersonation(user: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    found = [("Impersonate-User", str(user["as"]))] if user.get("as") else []
    if user.get("as-uid"):
        found.append(("Impersonate-Uid", str(user["as-uid"])))
    groups = user.get("as-groups") or []
    if len(groups) > 1:
        raise ConfigError("more than one group to impersonate is not supported", hint="keep one entry in as-groups")
    found += [("Impersonate-Group", str(group)) for group in groups]
    return tuple(found)
