"""Who owns which fields, and objects without their secrets."""

from __future__ import annotations

from typing import Any

from codexctl_ci.stack.masking import masked, masked_pair
from codexctl_ci.stack.objects import Manifest
from codexctl_ci.stack.ownership import has_legacy_fields, is_applied_by, named_managers, taken_over

OURS = "codexctl-ci"


def live(*entries: dict[str, Any]) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "managedFields": list(entries)}}


def entry(manager: str, operation: str, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": fields} | more


def test_legacy_fields_join_ours_and_others_stay() -> None:
    kubectl = entry("kubectl-client-side-apply", "Update", {"f:data": {"f:old": {}, "f:both": {}}})
    before = entry("before-first-apply", "Update", {"f:metadata": {"f:labels": {"f:x": {}}}})
    ours = entry(OURS, "Apply", {"f:data": {"f:both": {}, "f:new": {}}})
    other = entry("controller", "Update", {"f:status": {}}, subresource="status")
    found = taken_over(live(other, kubectl, before, ours), OURS)
    assert [(row["manager"], row["operation"]) for row in found] == [(OURS, "Apply"), ("controller", "Update")]
    assert found[0]["fieldsV1"] == {
        "f:data": {"f:both": {}, "f:new": {}, "f:old": {}},
        "f:metadata": {"f:labels": {"f:x": {}}},
    }
    assert not has_legacy_fields(live(*found)) and is_applied_by(live(*found), OURS)
    assert ours["fieldsV1"] == {"f:data": {"f:both": {}, "f:new": {}}}, "the object itself is not changed"


def test_only_kubectls_own_entries_are_legacy() -> None:
    assert has_legacy_fields(live(entry("kubectl-client-side-apply", "Update", {})))
    assert not has_legacy_fields(live(entry("kubectl-client-side-apply", "Update", {}, subresource="scale")))
    assert not has_legacy_fields(live(entry("kubectl", "Apply", {})))
    assert not has_legacy_fields({"metadata": {}})


def test_managers_are_read_from_messages_for_people() -> None:
    messages = ['conflict with "hpa" using apps/v1', 'conflict with "kubectl-edit": .spec', 'conflict with "hpa"']
    assert named_managers(messages) == ["hpa", "kubectl-edit"]


def test_values_of_a_secret_are_masked_and_a_change_shows() -> None:
    before: Manifest = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"same": "YQ==", "other": "Yg=="}}
    after: Manifest = {
        "kind": "Secret",
        "metadata": {"name": "s"},
        "data": {"same": "YQ==", "other": "Yw==", "new": "ZA=="},
    }
    old, new = masked_pair(before, after)
    assert old is not None and new is not None
    assert old["data"] == {"same": "***", "other": "***"}
    assert new["data"] == {"same": "***", "other": "*** (changed)", "new": "***"}
    assert masked({"kind": "ConfigMap", "data": {"a": "b"}})["data"] == {"a": "b"}
    assert before["data"]["same"] == "YQ=="
