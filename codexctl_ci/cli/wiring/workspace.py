"""The workspace volume from a command's settings: where sources lie, and the pod through which we see them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from codexctl_ci import process
from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.cli.wiring.staging import Repairs
from codexctl_ci.errors import ConfigError
from codexctl_ci.operations.slot_access import SlotScoped
from codexctl_ci.operations.slot_store import SlotStore
from codexctl_ci.operations.sync_sources import Synced, sync_sources
from codexctl_ci.ports import ClusterApi
from codexctl_ci.slots.records import SlotRecord, SourceTree
from codexctl_ci.stack.project import Project
from codexctl_ci.workspace.checkout import Checkout
from codexctl_ci.workspace.ignoring import ignored
from codexctl_ci.workspace.manifest import tree_id
from codexctl_ci.workspace.mounted import MountedTree, MountFault, is_same_volume
from codexctl_ci.workspace.slot_tree import VolumeSlotTree
from codexctl_ci.workspace.sync_pod import NAME, sync_pod
from codexctl_ci.workspace.tree_state import Note, TreeState
from codexctl_ci.workspace.volume import VolumeTree

log = logging.getLogger(__name__)

_TREE_OF = {"ai-repair": "ai-staging"}
_ASIDE = "deploy"

Recorder = Callable[[Callable[[SourceTree], SourceTree]], None]


def folder_of(inv: Invocation, env: str, slot: int) -> PurePosixPath:
    """The environment's folder, relative to the volume's root. Raises ConfigError for one outside of it."""
    mount = PurePosixPath(inv.settings[o.WORKSPACE_MOUNT].as_posix())
    base = mount / (inv.settings[o.CODE_ROOT_BASE] or PurePosixPath("codex", "envs"))
    if not base.is_relative_to(mount) or ".." in base.parts:
        raise ConfigError(
            f"{base} does not lie below the workspace's mount {mount}",
            where=inv.settings.source(o.CODE_ROOT_BASE),
            hint="set CODEXCTL_CODE_ROOT_BASE below CODEXCTL_WORKSPACE_MOUNT",
        )
    return base.relative_to(mount) / (str(slot) if slot and env not in _TREE_OF else _TREE_OF.get(env, env))


def sources_in(folder: PurePosixPath) -> PurePosixPath:
    """Where the files lie in an environment's folder."""
    return folder / "src"


def claim_of(inv: Invocation, project: Project) -> str:
    """The name of the workspace's volume claim."""
    return inv.settings[o.WORKSPACE_PVC] or f"{project.name}-workspace"


def sync(
    inv: Invocation,
    project: Project,
    cluster: ClusterApi,
    *,
    record: SlotRecord | None = None,
    change: Recorder | None = None,
    check: Callable[[], None] = lambda: None,
) -> Synced:
    """The checkout that --source names into the environment's tree.

    ``record`` and ``change``: the slot's, if any. ``check`` is called before each write past the API.
    """
    checkout = _checkout(inv, project)
    image = inv.settings[o.SYNC_IMAGE]
    slot = project.slot if record is not None and not record.keeps_namespace else 0
    owner = f"{record.claim_uid} {record.epoch}" if record is not None else project.env
    with sync_pod(cluster, project.namespace, claim_of(inv, project), image) as pod:
        volume = VolumeTree(pod, folder_of(inv, project.env, slot))
        note = volume.note()
        # Of staging's tree nobody can tell: a repair's agent works in it.
        tree = record.tree if record is not None else replace(note.tree, touched=project.env in _TREE_OF.values())
        if inv.settings[o.DISCARD_CHANGES]:
            # What no repository holds can't even be compared.
            volume.discard_odd()
        for side in _sides(inv, volume, tree, record, note.owner == owner, check):

            def noted(alter: Callable[[SourceTree], SourceTree], side: TreeState = side) -> None:
                nonlocal tree
                tree = alter(tree)
                if change is not None:
                    change(alter)
                else:
                    side.put_note(Note(tree, owner))

            try:
                done = sync_sources(
                    checkout,
                    side,
                    tree,
                    noted,
                    tree_id,
                    _ignored_in(inv, side),
                    discard_changes=inv.settings[o.DISCARD_CHANGES],
                )
                break
            except MountFault as fault:
                log.warning("%s; the sources go through a pod", fault)
        left = Note(SourceTree(done.commit, done.tree), owner)
        if change is not None and note != left:
            # Staging's own deploys look beside the tree, not into a slot's record.
            side.put_note(left)
        return done


def _sides(
    inv: Invocation,
    volume: VolumeTree,
    tree: SourceTree,
    record: SlotRecord | None,
    known: bool,
    check: Callable[[], None],
) -> tuple[MountedTree | VolumeTree, ...]:
    """The ways to the tree, the quickest first. Where an agent ran only a pod of the slot goes.

    ``known``: the note beside the tree is from this life of the slot. Who had its number before may have left a tree
    that an agent worked in.
    """
    agents = tree.touched or (record is not None and (record.keeps_namespace or record.agent is not None))
    if agents or not (known or volume.is_empty()):
        return (volume,)
    mounted = MountedTree(inv.settings[o.WORKSPACE_MOUNT], volume.folder, process.run, check)
    return (mounted, volume) if is_same_volume(mounted, volume.show_word) else (volume,)


def sync_staging(inv: Invocation, project: Project, cluster: ClusterApi, repairs: Repairs) -> Synced:
    """The same into staging's tree. Raises SlotBusy where a repair is at work in it."""
    with repairs.tree() as lock:
        if lock is None:
            return sync(inv, project, cluster)
        guarded = SlotScoped(cluster, cluster, project.namespace, lock.check)
        if not lock.record.tree.synced:
            return sync(inv, project, guarded)

        def change(alter: Callable[[SourceTree], SourceTree]) -> None:
            # A tree that nobody touched would be one that a repair's agent is about to begin in.
            lock.update(lambda known: replace(known, tree=replace(alter(known.tree), touched=True)))

        return sync(inv, project, guarded, record=lock.record, change=change)


def sync_aside(inv: Invocation, project: Project, cluster: ClusterApi) -> PurePosixPath:
    """The same checkout beside a tree that must be left alone, for builds in the cluster; the folder it is in."""
    checkout = _checkout(inv, project)
    folder = folder_of(inv, project.env, project.slot) / _ASIDE
    # Whoever has the tree may work through a pod of its own at this moment.
    name = f"{NAME}-{_ASIDE}"
    with sync_pod(cluster, project.namespace, claim_of(inv, project), inv.settings[o.SYNC_IMAGE], name=name) as pod:
        sync_sources(checkout, VolumeTree(pod, folder), SourceTree(), lambda alter: None, tree_id, frozenset)
    return folder


def _checkout(inv: Invocation, project: Project) -> Checkout:
    root = Path(project.context.project_root)
    source = Path(inv.settings[o.SOURCE]) if inv.settings[o.SOURCE] else root
    return Checkout(source, process.run, inv.environ, instructions=root)


def _ignored_in(inv: Invocation, side: TreeState) -> Callable[[tuple[str, ...]], frozenset[str]]:
    return lambda paths: ignored(paths, side.rules(), process.run, inv.environ)


@contextmanager
def open_volume(inv: Invocation, project: Project, cluster: ClusterApi, record: SlotRecord) -> Iterator[VolumeTree]:
    """The slot's sources in the workspace volume, for the body of a ``with``."""
    slot = 0 if record.keeps_namespace else record.slot
    with sync_pod(cluster, record.namespace, claim_of(inv, project), inv.settings[o.SYNC_IMAGE]) as pod:
        yield VolumeTree(pod, folder_of(inv, record.env, slot))


@contextmanager
def open_slot_tree(
    inv: Invocation, project: Project, cluster: ClusterApi, store: SlotStore, record: SlotRecord
) -> Iterator[VolumeSlotTree]:
    """The slot's sources for publishing, for the body of a ``with``."""
    epoch = record.epoch

    def change(alter: Callable[[SourceTree], SourceTree]) -> None:
        store.update(record.slot, lambda known: replace(known, tree=alter(known.tree)), epoch=epoch)

    with open_volume(inv, project, cluster, record) as volume:
        yield VolumeSlotTree(
            volume,
            record.tree,
            lambda paths, of: _ignored_in(inv, of)(paths),
            change,
        )
