"""Ctrl-C in the middle of an apply."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from codexctl_ci.kube.client import Cluster
from codexctl_ci.kube.connection import Connection
from codexctl_ci.stack.objects import Ref
from sandbox.faulty_proxy import Call, FaultyProxy, Request
from tests.contract.kube.stacks import config_map
from tests.support.projects import write_files
from tests.support.signals import heed_interrupts

pytestmark = pytest.mark.sandbox


def test_interrupted_apply_ends_with_130_and_the_next_one_completes_it(
    cluster: Cluster, connection: Connection, proxy: FaultyProxy, namespace: str, tmp_path: Path
) -> None:
    manifests = "\n---\n".join(json.dumps(config_map(f"c{number}")) for number in range(30))
    services = "project: shop\nservices: [{name: all, manifests: [{path: all.yaml}]}]\n"
    write_files(tmp_path, {"services.yaml": services, "all.yaml": manifests})
    document = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": proxy.url}}],
        "users": [{"name": "u", "user": {"token": connection.token}}],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(document))
    argv = [sys.executable, "-m", "codexctl_ci", "apply", "--env", "dev", "--namespace", namespace, "--no-wait"]
    environ = {
        **os.environ,
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "HOME": str(tmp_path),
        "PYTHONPATH": str(Path.cwd()),
    }
    running: list[subprocess.Popen[bytes]] = []
    hit = threading.Event()

    def interrupt(_: Request) -> None:
        if not hit.is_set():
            hit.set()
            running[0].send_signal(signal.SIGINT)
            running[0].wait(30)

    proxy.on(Call(interrupt), method="PATCH", path="/configmaps/c2\\d$", times=1)
    pipe = subprocess.PIPE
    running.append(
        subprocess.Popen(argv, env=environ, cwd=tmp_path, stdout=pipe, stderr=pipe, preexec_fn=heed_interrupts)
    )
    _, said = running[0].communicate(timeout=60)
    assert hit.is_set() and running[0].returncode == 130, said.decode()
    there = sum(cluster.get(Ref("v1", "ConfigMap", f"c{number}", namespace)) is not None for number in range(30))
    assert 0 < there < 30
    proxy.clear()
    again = subprocess.run(argv, env=environ, cwd=tmp_path, capture_output=True, check=False)
    assert again.returncode == 0, again.stderr.decode()
    assert all(cluster.get(Ref("v1", "ConfigMap", f"c{number}", namespace)) for number in range(30))
