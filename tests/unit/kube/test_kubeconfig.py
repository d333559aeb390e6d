"""Where the cluster is and how it lets us in, from files and from a pod's own account."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from codexctl_ci.errors import ConfigError
from codexctl_ci.kube.connection import Connection, bypasses_proxy, with_surroundings
from codexctl_ci.kube.kubeconfig import load_connection


def kubeconfig(file: Path, *, user: dict[str, Any], cluster: dict[str, Any] | None = None, name: str = "here") -> Path:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": "c", "user": "u", "namespace": "home"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://k:6443/"} | (cluster or {})}],
        "users": [{"name": "u", "user": user}],
    }
    file.write_text(json.dumps(document))
    return file


def test_token_and_authority_are_read(tmp_path: Path) -> None:
    data = base64.b64encode(b"PEM").decode()
    file = kubeconfig(tmp_path / "k", user={"token": "secret-token"}, cluster={"certificate-authority-data": data})
    found = load_connection({}, kubeconfig=str(file))
    assert (found.server, found.token, found.ca, found.namespace) == ("https://k:6443", "secret-token", "PEM", "home")
    assert "secret-token" not in repr(found)


def test_files_are_found_beside_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("CA")
    (tmp_path / "me.pem").write_text("CERT")
    (tmp_path / "me.key").write_text("KEY")
    (tmp_path / "token").write_text("t")
    user = {"client-certificate": "me.pem", "client-key": "me.key", "tokenFile": "token"}
    file = kubeconfig(tmp_path / "k", user=user, cluster={"certificate-authority": "ca.pem"})
    found = load_connection({}, kubeconfig=str(file))
    assert (found.ca, found.client_cert, found.client_key) == ("CA", "CERT", "KEY")
    assert found.token_file == tmp_path / "token"


def test_yaml_is_read_as_well_as_json(tmp_path: Path) -> None:
    import yaml

    file = kubeconfig(tmp_path / "k", user={"token": "t"}, cluster={"insecure-skip-tls-verify": True})
    file.write_text(yaml.safe_dump(json.loads(file.read_text())))
    assert load_connection({}, kubeconfig=str(file)).insecure is True


def test_first_of_several_files_that_says_something_wins(tmp_path: Path) -> None:
    first = kubeconfig(tmp_path / "a", user={"token": "from-a"}, name="one")
    second = kubeconfig(tmp_path / "b", user={"token": "from-b"}, name="two")
    both = f"{first}:{second}:{tmp_path / 'missing'}"
    assert load_connection({}, kubeconfig=both).source.endswith("(context one)")
    assert load_connection({}, kubeconfig=both, context="two").token == "from-a"


def test_context_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "k", user={})
    with pytest.raises(ConfigError, match=r"context 'there' is not in the kubeconfig(.|\n)*here"):
        load_connection({}, kubeconfig=str(file), context="there")


def test_own_account_of_a_pod_is_used_unless_a_kubeconfig_is_given(tmp_path: Path) -> None:
    for name, text in (("token", "t"), ("ca.crt", "CA"), ("namespace", "runners\n")):
        (tmp_path / name).write_text(text)
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    found = load_connection(environ, account=tmp_path)
    assert (found.server, found.namespace) == ("https://10.0.0.1:443", "runners")
    assert found.token_file == tmp_path / "token"
    file = kubeconfig(tmp_path / "k", user={"token": "t"})
    assert load_connection(environ, kubeconfig=str(file), account=tmp_path).server == "https://k:6443"
    six = load_connection({"KUBERNETES_SERVICE_HOST": "fd00::1"}, account=tmp_path)
    assert six.server == "https://[fd00::1]:443"


def test_home_is_the_last_place_to_look(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--kubeconfig"):
        load_connection({"HOME": str(tmp_path)}, account=tmp_path)
    (tmp_path / ".kube").mkdir()
    kubeconfig(tmp_path / ".kube" / "config", user={"token": "t"})
    assert load_connection({"HOME": str(tmp_path)}, account=tmp_path).token == "t"


@pytest.mark.parametrize("text", ["", "[]", "{broken", "a: [b\ntoken: hunter2"])
def test_broken_file_is_named_and_none_of_it_is_shown(tmp_path: Path, text: str) -> None:
    file = tmp_path / "k"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_connection({}, kubeconfig=str(file))
    assert str(file) in str(caught.value) and "hunter2" not in str(caught.value)


def test_identity_of_a_plugin_is_asked_for_only_when_needed(tmp_path: Path) -> None:
    program = tmp_path / "plugin"
    asked = tmp_path / "asked"
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "from-plugin"},
    }
    program.write_text(f"#!/bin/sh\necho x >> {asked}\ncat <<'E'\n{json.dumps(credential)}\nE\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(program),
            "interactiveMode": "Never",
        }
    }
    found = load_connection({}, kubeconfig=str(kubeconfig(tmp_path / "k", user=user)))
    assert not asked.exists() and found.fresh_headers is not None
    assert found.fresh_headers(False) == {"Authorization": "Bearer from-plugin"}
    assert found.fresh_headers(False) == {"Authorization": "Bearer from-plugin"}
    assert asked.read_text() == "x\n"
    found.fresh_headers(True)
    assert asked.read_text() == "x\nx\n"


def test_usual_variables_name_proxy_and_authority() -> None:
    plain = Connection(server="https://k.example:6443")
    environ = {"HTTPS_PROXY": "http://proxy:3128", "SSL_CERT_FILE": "/ca.pem"}
    found = with_surroundings(plain, environ)
    assert (found.proxy, found.ca_file) == ("http://proxy:3128", "/ca.pem")
    assert with_surroundings(plain, environ | {"NO_PROXY": ".example"}).proxy == ""
    own = with_surroundings(Connection(server="https://k", ca="PEM", proxy="http://own:1"), environ)
    assert (own.proxy, own.ca_file) == ("http://own:1", "")


@pytest.mark.parametrize(
    ("host", "no_proxy", "bypassed"),
    [
        ("10.96.0.1", "10.0.0.0/8", True),
        ("10.96.0.1", "10.97.0.0/16", False),
        ("10.96.0.1", "10.96.0.1", True),
        ("kubernetes.default.svc", ".svc", True),
        ("kubernetes.default.svc", "svc", True),
        ("kubernetes.default.svc", "*.svc", True),
        ("notsvc", "svc", False),
        ("k.example", "other, K.Example", True),
        ("k.example", "*", True),
        ("k.example", "", False),
        ("fd00::1", "fd00::/8", True),
    ],
)
def test_no_proxy_is_read_as_others_read_it(host: str, no_proxy: str, bypassed: bool) -> None:
    assert bypasses_proxy(host, no_proxy) is bypassed


def test_other_identity_keeps_nothing_of_the_first() -> None:
    first = Connection(
        server="https://k", token="old", client_cert="C", client_key="K", basic="u:p", token_file=Path("/t")
    )
    second = first.with_token("new")
    assert (second.token, second.client_cert, second.client_key, second.basic) == ("new", "", "", "")
    assert second.token_file is None


def test_certificate_that_is_none_is_an_error_of_configuration() -> None:
    with pytest.raises(ConfigError, match="certificates"):
        Connection(server="https://k", ca="no pem").tls_context()
