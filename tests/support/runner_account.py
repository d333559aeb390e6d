"""The account of runners as `examples/cluster/runner.yaml` ships it, for a project of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import yaml

from codexctl_ci.errors import ApiError
from codexctl_ci.kube.client import Cluster
from codexctl_ci.stack.objects import Ref, ref_of
from sandbox.demo.look import until

SHIPPED = Path(__file__).parents[2] / "examples" / "cluster" / "runner.yaml"
EXAMPLE = "pantry"


@contextmanager
def shipped_runner(cluster: Cluster, project: str) -> Iterator[Cluster]:
    """A client with the runner's rights for ``project``; what was applied goes afterwards.

    The example project's name is all that is replaced, as the installation guide has it.
    """
    text = SHIPPED.read_text("utf-8").replace(EXAMPLE, project)
    objects = [item for item in yaml.safe_load_all(text) if item]
    for item in objects:
        cluster.apply(item, force=True)
    account = next(item for item in objects if item["kind"] == "ServiceAccount")["metadata"]
    token = cluster.token_for(account["namespace"], account["name"], timedelta(hours=1))
    runner = cluster.acting_as(token)
    _await_policy(runner, project)
    try:
        yield runner
    finally:
        for item in reversed(objects):
            ref = ref_of(item)
            if project in ref.name and (ref.kind == "Namespace" or not ref.namespace):
                cluster.delete(ref)


def _await_policy(runner: Cluster, project: str) -> None:
    """Roles and policies take a moment to be in force."""

    def refused() -> bool:
        try:
            runner.list("v1", "Namespace", labels="no=such")
            runner.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"not-{project}-probe"}})
            runner.delete(Ref("v1", "Namespace", f"not-{project}-probe"))
        except ApiError as error:
            return "alone" in str(error)
        return False

    until(refused, "the shipped policy is in force")
