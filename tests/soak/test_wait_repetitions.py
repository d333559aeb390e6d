"""No false ready and no false failure in 200 rollouts on a busy cluster."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from codexctl_ci.kube.client import Cluster
from codexctl_ci.kube.kubeconfig import load_connection
from codexctl_ci.stack.objects import Ref
from sandbox.state import State
from tests.contract.kube.repetitions import wrong_verdicts

pytestmark = [pytest.mark.soak, pytest.mark.sandbox, pytest.mark.timeout(3600)]


def test_no_verdict_is_wrong_in_two_hundred_rollouts(sandbox: State, tmp_path: Path) -> None:
    cluster = Cluster.open(load_connection({}, kubeconfig=str(sandbox.kubeconfig)), cache_dir=tmp_path)
    namespace = f"soak-{uuid.uuid4().hex[:8]}"
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    try:
        assert wrong_verdicts(cluster, namespace, count=200, at_once=12) == []
    finally:
        cluster.delete(Ref("v1", "Namespace", namespace))
