"""Where a cluster is and how it lets us in: plain data, whatever it was read from."""

from __future__ import annotations

import ipaddress
import ssl
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from codexctl_ci.errors import ConfigError


@dataclass(frozen=True)
class Connection:
    """One cluster, one identity. Secrets don't show in ``repr``.

    ``ca``, ``client_cert`` and ``client_key`` are PEM texts. ``ca_file`` and ``ca_dir`` are trusted where ``ca`` is
    empty; without any of them the system's own authorities are. ``token_file`` is read again as it is rotated.
    ``fresh_headers`` gives the headers of an identity that some other program makes (exec plugins).
    ``namespace`` is the context's own, empty where it names none. ``proxy`` is a URL, empty for none.
    """

    server: str
    ca: str = ""
    ca_file: str = ""
    ca_dir: str = ""
    insecure: bool = False
    tls_server_name: str = ""
    token: str = field(default="", repr=False)
    token_file: Path | None = None
    client_cert: str = field(default="", repr=False)
    client_key: str = field(default="", repr=False)
    basic: str = field(default="", repr=False)
    impersonate: tuple[tuple[str, str], ...] = ()
    fresh_headers: Callable[[bool], Mapping[str, str]] | None = field(default=None, repr=False)
    namespace: str = ""
    proxy: str = ""
    source: str = ""

    @property
    def is_tls(self) -> bool:
        return self.server.startswith("https://")

    def with_token(self, token: str) -> Connection:
        """The same cluster, let in by ``token`` and by nothing else."""
        return replace(
            self,
            token=token,
            token_file=None,
            client_cert="",
            client_key="",
            basic="",
            impersonate=(),
            fresh_headers=None,
        )

    def tls_context(self) -> ssl.SSLContext | None:
        """What to trust and to show on a TLS connection, None for a plain one. Raises ConfigError for bad PEM."""
        if not self.is_tls:
            return None
        # Made by hand: create_default_context would load the system's authorities (10 ms) even where one is given.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            if self.insecure:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            elif self.ca:
                context.load_verify_locations(cadata=self.ca)
            elif self.ca_file or self.ca_dir:
                context.load_verify_locations(self.ca_file or None, self.ca_dir or None)
            else:
                context.load_default_certs()
            if self.client_cert:
                self._load_client_certificate(context)
        except (ssl.SSLError, OSError, ValueError) as error:
            raise ConfigError(
                "certificates for the cluster cannot be loaded",
                obj=self.source or self.server,
                reason=getattr(error, "reason", None) or type(error).__name__,
                hint="check certificate-authority, client-certificate and client-key",
            ) from None
        return context

    def _load_client_certificate(self, context: ssl.SSLContext) -> None:
        # OpenSSL reads them from files only; this one is ours alone and gone at once.
        with tempfile.NamedTemporaryFile("w", prefix="codexctl-", suffix=".pem") as pem:
            pem.write(self.client_cert.rstrip("\n") + "\n" + self.client_key)
            pem.flush()
            context.load_cert_chain(pem.name)


def with_surroundings(connection: Connection, environ: Mapping[str, str]) -> Connection:
    """``connection`` with what the usual variables say about proxies and private authorities, where it says nothing.

    ``HTTPS_PROXY``, ``HTTP_PROXY``, ``NO_PROXY`` (lower case too); ``SSL_CERT_FILE``, ``SSL_CERT_DIR``,
    ``REQUESTS_CA_BUNDLE``.
    """

    def variable(*names: str) -> str:
        return next((environ[name] for name in names if environ.get(name)), "")

    if not connection.proxy:
        names = ("https_proxy", "HTTPS_PROXY") if connection.is_tls else ("http_proxy", "HTTP_PROXY")
        proxy = variable(*names, "all_proxy", "ALL_PROXY")
        host = urlsplit(connection.server).hostname or ""
        if proxy and not bypasses_proxy(host, variable("no_proxy", "NO_PROXY")):
            connection = replace(connection, proxy=proxy if "://" in proxy else f"http://{proxy}")
    if connection.is_tls and not (connection.ca or connection.ca_file or connection.insecure):
        connection = replace(
            connection,
            ca_file=variable("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"),
            ca_dir=variable("SSL_CERT_DIR"),
        )
    return connection


def bypasses_proxy(host: str, no_proxy: str) -> bool:
    """Whether ``NO_PROXY`` takes ``host`` out: by name, domain (``.svc`` or ``svc``), address, CIDR range or ``*``."""
    host = host.lower().strip("[]")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    for raw in no_proxy.split(","):
        entry = raw.strip().lower()
        if not entry:
            continue
        if entry == "*" or entry == host:
            return True
        if address is not None:
            try:
                if address in ipaddress.ip_network(entry, strict=False):
                    return True
            except ValueError:
                pass
        elif host.endswith("." + entry.removeprefix("*").lstrip(".")):
            return True
    return False
