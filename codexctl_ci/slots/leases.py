"""Records as objects of the API: one Lease a slot and one Lease a claim (``coordination.k8s.io/v1``).

The Lease's own fields say what any tool can read (holder, times, transitions); the rest is JSON in one annotation.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from codexctl_ci.errors import CodexctlError
from codexctl_ci.slots.claims import Claim, parse_key
from codexctl_ci.slots.records import (
    SCHEMA,
    AgentRun,
    ClaimRecord,
    Lock,
    Prepared,
    SlotRecord,
    SlotState,
    SourceTree,
    UnreadableSlot,
)
from codexctl_ci.stack.objects import Manifest, Ref

API_VERSION, KIND = "coordination.k8s.io/v1", "Lease"
RECORD = "codexctl.io/record"
MANAGED_BY = "app.kubernetes.io/managed-by"
TOOL = "codexctl-ci"
PROJECT, ENV, SLOT, CLAIM = "codexctl.io/project", "codexctl.io/env", "codexctl.io/slot", "codexctl.io/claim"


class UnreadableRecord(CodexctlError):
    """Somebody made the record of a slot or claim into something else."""


def slug(text: str) -> str:
    """``text`` as a part of an object's name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def slot_name(project: str, env: str, slot: int) -> str:
    """Name of a slot's Lease."""
    return f"codexctl-{slug(project)}-{slug(env)}-slot-{slot}"


def claim_name(project: str, claim: Claim) -> str:
    """Name of a claim's Lease: the same for every run of the claim."""
    return f"codexctl-{slug(project)}-{slug(claim.env)}-claim-{claim.kind}-{claim.number}"


def selector(project: str) -> str:
    """Label selector of all records of a project."""
    return f"{MANAGED_BY}={TOOL},{PROJECT}={project}"


def lease_ref(namespace: str, name: str) -> Ref:
    return Ref(API_VERSION, KIND, name, namespace)


def is_slot(manifest: Manifest) -> bool:
    """Whether a Lease of ours is a slot's (else it is a claim's)."""
    return SLOT in (manifest["metadata"].get("labels") or {})


def slot_body(record: SlotRecord) -> dict[str, Any]:
    """The record but for what the Lease's own fields and labels say."""
    return {
        "namespace": record.namespace,
        "state": record.state.value,
        "claim": record.claim,
        "claimUid": record.claim_uid,
        "issue": record.issue,
        "pr": record.pr,
        "run": record.holder,
        "link": record.link,
        "created": _text(record.created),
        "renewed": _text(record.renewed),
        "expires": _text(record.expires),
        "freed": _text(record.freed),
        "warned": _text(record.warned),
        "namespaceUid": record.namespace_uid,
        "adopted": record.adopted,
        "reason": record.reason,
        "threadId": record.thread_id,
        "prepared": {
            "infra": record.prepared.infra,
            "sources": record.prepared.sources,
            "images": record.prepared.images,
            "stack": record.prepared.stack,
            "healthy": record.prepared.healthy,
        },
        "tree": {
            "base": record.tree.base,
            "synced": record.tree.synced,
            "published": record.tree.published,
            "touched": record.tree.touched,
        },
        "agent": record.agent
        and {
            "key": record.agent.key,
            "deadline": _text(record.agent.deadline),
            "ended": record.agent.ended,
            "published": record.agent.published,
        },
        "lock": record.lock
        and {
            "by": record.lock.by,
            "run": record.lock.run,
            "what": record.lock.what,
            "beat": record.lock.beat,
            "seconds": record.lock.seconds,
        },
    }


def slot_to_lease(record: SlotRecord, namespace: str) -> Manifest:
    """The Lease to create or replace. It carries the record's ``resource_version``, where it has one."""
    body = {"schema": SCHEMA, **slot_body(record)}
    labels = {SLOT: str(record.slot)}
    if record.claim:
        labels[CLAIM] = parse_key(record.claim).label
    spec: dict[str, Any] = {"leaseTransitions": record.epoch}
    if record.claim:
        spec["holderIdentity"] = record.claim
    if record.created:
        spec["acquireTime"] = micro_time(record.created)
    if record.renewed:
        spec["renewTime"] = micro_time(record.renewed)
        if record.expires:
            spec["leaseDurationSeconds"] = max(1, int((record.expires - record.renewed).total_seconds()))
    name = slot_name(record.project, record.env, record.slot)
    return _lease(name, namespace, record.project, record.env, labels, body, spec, record.resource_version)


def slot_from_lease(lease: Manifest) -> SlotRecord:
    """The record in a slot's Lease. Raises UnreadableRecord where it is none, CodexctlError where it is newer than we
    know."""
    body = _body(lease)
    labels = lease["metadata"]["labels"]
    try:
        agent, lock = body.get("agent"), body.get("lock")
        if body.get("claim"):
            parse_key(body["claim"])
        prepared, tree = body.get("prepared") or {}, body.get("tree") or {}
        return SlotRecord(
            project=labels[PROJECT],
            env=labels[ENV],
            slot=int(labels[SLOT]),
            namespace=body["namespace"],
            state=SlotState(body["state"]),
            epoch=int((lease.get("spec") or {}).get("leaseTransitions") or 0),
            claim=body.get("claim", ""),
            claim_uid=body.get("claimUid", ""),
            issue=int(body.get("issue", 0)),
            pr=int(body.get("pr", 0)),
            holder=body.get("run", ""),
            link=body.get("link", ""),
            created=_time(body.get("created")),
            renewed=_time(body.get("renewed")),
            expires=_time(body.get("expires")),
            freed=_time(body.get("freed")),
            warned=_time(body.get("warned")),
            namespace_uid=body.get("namespaceUid", ""),
            adopted=bool(body.get("adopted", False)),
            reason=body.get("reason", ""),
            thread_id=body.get("threadId", ""),
            prepared=Prepared(
                infra=bool(prepared.get("infra", False)),
                sources=str(prepared.get("sources", "")),
                images=bool(prepared.get("images", False)),
                stack=str(prepared.get("stack", "")),
                healthy=bool(prepared.get("healthy", False)),
            ),
            tree=SourceTree(
                base=str(tree.get("base", "")),
                synced=str(tree.get("synced", "")),
                published=str(tree.get("published", "")),
                touched=bool(tree.get("touched", False)),
            ),
            agent=AgentRun(
                key=agent["key"],
                deadline=_when(agent["deadline"]),
                ended=bool(agent["ended"]),
                published=bool(agent["published"]),
            )
            if agent
            else None,
            lock=Lock(
                by=lock["by"],
                run=lock["run"],
                what=lock["what"],
                beat=int(lock["beat"]),
                seconds=int(lock["seconds"]),
            )
            if lock
            else None,
            resource_version=lease["metadata"].get("resourceVersion", ""),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(lease, f"{type(error).__name__}: {error}") from None


def unreadable_slot(lease: Manifest, error: UnreadableRecord) -> UnreadableSlot:
    """What a slot's Lease still says where its record can't be read. Raises ``error`` where it names no slot."""
    labels, spec = lease["metadata"]["labels"], lease.get("spec") or {}
    if ENV not in labels or not labels[SLOT].isdecimal():
        raise error
    return UnreadableSlot(labels[ENV], int(labels[SLOT]), str(spec.get("holderIdentity") or ""), error)


def claim_to_lease(record: ClaimRecord, project: str, namespace: str) -> Manifest:
    """The claim's Lease to create or replace."""
    body = {
        "schema": SCHEMA,
        "claim": record.claim.key,
        "target": record.target,
        "firm": record.firm,
        "wanted": record.wanted,
        "run": record.holder,
        "link": record.link,
    }
    spec: dict[str, Any] = {"holderIdentity": record.holder or record.claim.key}
    if record.renewed:
        spec["renewTime"] = micro_time(record.renewed)
    labels = {CLAIM: record.claim.label}
    name = claim_name(project, record.claim)
    lease = _lease(name, namespace, project, record.claim.env, labels, body, spec, record.resource_version)
    if record.uid:
        lease["metadata"]["uid"] = record.uid
    return lease


def claim_from_lease(lease: Manifest) -> ClaimRecord:
    """The record in a claim's Lease. Raises CodexctlError where it is newer than we know, or is none."""
    body = _body(lease)
    meta = lease["metadata"]
    try:
        return ClaimRecord(
            claim=parse_key(body["claim"]),
            target=int(body.get("target", 0)),
            firm=bool(body.get("firm", False)),
            wanted=int(body.get("wanted", 0)),
            holder=body.get("run", ""),
            link=body.get("link", ""),
            renewed=_time((lease.get("spec") or {}).get("renewTime")),
            created=_time(meta.get("creationTimestamp")),
            uid=meta.get("uid", ""),
            resource_version=meta.get("resourceVersion", ""),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(lease, f"{type(error).__name__}: {error}") from None


def _lease(
    name: str,
    namespace: str,
    project: str,
    env: str,
    labels: dict[str, str],
    body: dict[str, Any],
    spec: dict[str, Any],
    resource_version: str,
) -> Manifest:
    kept = {key: value for key, value in body.items() if value not in ("", None, 0, False)}
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": namespace,
        "labels": {MANAGED_BY: TOOL, PROJECT: project, ENV: env, **labels},
        "annotations": {RECORD: json.dumps(kept, separators=(",", ":"), sort_keys=True)},
    }
    if resource_version:
        metadata["resourceVersion"] = resource_version
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}


def _body(lease: Manifest) -> dict[str, Any]:
    text = (lease["metadata"].get("annotations") or {}).get(RECORD, "")
    try:
        body = json.loads(text)
        schema = int(body["schema"])
    except (ValueError, KeyError, TypeError) as error:
        raise _unreadable(lease, f"annotation {RECORD}: {error}") from None
    if schema > SCHEMA:
        raise CodexctlError(
            "the slot records were written by a newer version",
            obj=f"Lease/{lease['metadata'].get('name')}",
            reason=f"its schema is {schema}, this version knows {SCHEMA}",
            hint="update codexctl-ci to the version that the other workflows of this project use",
        )
    found: dict[str, Any] = body
    return found


def _unreadable(lease: Manifest, reason: str) -> UnreadableRecord:
    return UnreadableRecord(
        "the slot record cannot be read",
        obj=f"Lease/{lease['metadata'].get('name')}",
        reason=reason,
        hint="somebody edited it; repair its annotation, or delete the Lease once its namespace is gone",
    )


def micro_time(value: datetime) -> str:
    """``value`` as Leases write times."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _text(value: datetime | None) -> str:
    return micro_time(value) if value else ""


def _time(text: str | None) -> datetime | None:
    return _when(text) if text else None


def _when(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return value
