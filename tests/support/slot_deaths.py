"""Killing a run before and after each of its calls, found by counting them in a run that lives."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from codexctl_ci.errors import CodexctlError
from codexctl_ci.kube.client import Cluster
from codexctl_ci.stack.objects import Ref
from sandbox.faulty_proxy import FaultyProxy
from tests.support.slot_scene import PREFIX, SlotScene


def positions(count: int, every: int) -> Iterator[tuple[int, bool]]:
    """Call numbers with both sides of each, or every so many of them."""
    for place in range(0, 2 * count, every):
        yield place // 2 + 1, bool(place % 2)


def killed(proxy: FaultyProxy, number: int, after: bool, run: Callable[[], object]) -> None:
    """Do ``run`` with its death at call ``number``; then the API is reachable again."""
    proxy.revive()
    proxy.die_at(number, after=after)
    with contextlib.suppress(CodexctlError):
        run()
    proxy.revive()


def count_calls(proxy: FaultyProxy, run: Callable[[], object]) -> int:
    """How many calls ``run`` makes when nothing disturbs it."""
    proxy.revive()
    run()
    return len(proxy.seen)


def require_whole(scene: SlotScene, issue: int) -> int:
    """The issue has exactly one slot with all that belongs to it; the slot's number."""
    records = [record for record in scene.records().values() if record.issue == issue and not record.free]
    assert len(records) == 1, records
    record = records[0]
    namespace = scene.namespace_object(record.namespace)
    assert namespace and namespace["metadata"]["uid"] == record.namespace_uid
    account = f"codexctl-deployer-{record.epoch}"
    assert scene.cluster.get(Ref("v1", "ServiceAccount", account, record.namespace))
    assert scene.cluster.get(Ref("rbac.authorization.k8s.io/v1", "RoleBinding", account, record.namespace))
    shown = scene.cluster.get(Ref("v1", "ConfigMap", f"{PREFIX}{record.slot}", scene.namespace))
    assert shown and shown["data"]["issue"] == str(issue)
    return record.slot


def require_gone(scene: SlotScene, slot: int, issue: int) -> None:
    """Nothing of the issue and of its slot is left."""
    record = scene.records()[slot]
    assert record.free and record.lock is None, record
    assert scene.namespace_object(record.namespace) is None
    assert f"ai/issue-{issue}" not in scene.store().view().claims
    assert scene.cluster.get(Ref("v1", "ConfigMap", f"{PREFIX}{slot}", scene.namespace)) is None


def deaths_of_ensure_slot(scene: SlotScene, proxy: FaultyProxy, through: Cluster, every: int) -> int:
    """The next run of the claim ends right, wherever the one before died; how many deaths were tried."""
    scene.limit = 0
    other = scene.ensure(1).record
    count = count_calls(proxy, lambda: scene.ensure(2, cluster=through))
    tried = 0
    for issue, (number, after) in enumerate(positions(count, every), 10):
        killed(proxy, number, after, lambda issue=issue: scene.ensure(issue, cluster=through))  # type: ignore[misc]
        scene.ensure(issue)
        require_whole(scene, issue)
        tried += 1
    assert scene.store().read(other.slot) == other
    assert not scene.strange_namespaces()
    claims = scene.store().view().claims
    owners = {record.claim for record in scene.records().values() if not record.free}
    assert set(claims) == owners
    return tried


def deaths_of_cleanup(
    scene: SlotScene,
    proxy: FaultyProxy,
    through: Cluster,
    every: int,
    clean: Callable[[SlotScene, Cluster, int], object],
) -> int:
    """The next clean-up frees the slot, wherever the one before died."""
    scene.limit = 0
    other = scene.ensure(1).record
    first = scene.ensure(2).record.slot
    count = count_calls(proxy, lambda: clean(scene, through, first))
    require_gone(scene, first, 2)
    tried = 0
    for issue, (number, after) in enumerate(positions(count, every), 10):
        slot = scene.ensure(issue).record.slot
        killed(proxy, number, after, lambda slot=slot: clean(scene, through, slot))  # type: ignore[misc]
        clean(scene, scene.cluster, slot)
        require_gone(scene, slot, issue)
        tried += 1
    assert scene.store().read(other.slot) == other
    assert not scene.strange_namespaces()
    return tried
