"""YAML that the documentation shows can be copied: each block is valid for what it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.support.pages import PAGES, ROOT, Block, blocks
from tests.support.projects import load

BLOCKS = [block for page in PAGES for block in blocks(page, "yaml")]
WORKFLOW = {"on", "jobs", "uses", "secrets", "steps", "runs-on", "with"}


def kind_of(block: Block) -> str:
    documents = [document for document in yaml.safe_load_all(block.text) if document]
    assert documents and all(isinstance(document, dict) for document in documents), block
    keys = {"on" if key is True else key for document in documents for key in document}
    return "workflow" if keys & WORKFLOW else "manifest" if "apiVersion" in keys else "stack"


def only(kind: str) -> pytest.MarkDecorator:
    found = [block for block in BLOCKS if kind_of(block) == kind]
    return pytest.mark.parametrize("block", found, ids=str)


def test_every_kind_of_block_is_met() -> None:
    assert {kind_of(block) for block in BLOCKS} == {"workflow", "manifest", "stack"}


@only("stack")
@pytest.mark.parametrize("env", ["dev", "ai"])
def test_stack_is_read_without_a_fault(block: Block, env: str, tmp_path: Path) -> None:
    text = block.text if block.text.startswith("project:") else f"project: shop\n{block.text}"
    load(tmp_path, text, env=env, slot=1 if env == "ai" else 0, strict=True)


@only("manifest")
def test_manifest_is_rendered_into_whole_objects(block: Block, tmp_path: Path) -> None:
    project = load(tmp_path, "project: shop\ninfrastructure: [{name: it, manifests: [{path: it.yaml}]}]\n")
    text = project.render_text(block.text, str(block))
    for manifest in yaml.safe_load_all(text):
        assert manifest["apiVersion"] and manifest["kind"] and manifest["metadata"]["name"], block


@only("workflow")
def test_wrapper_names_a_workflow_that_is_here_with_its_inputs_and_secrets(block: Block) -> None:
    shown = yaml.safe_load(block.text)
    named = shown.get("uses", "codexctl-ci/codexctl-ci/.github/workflows/ai_dev_issue.yml@v1")
    file = ROOT / named.removeprefix("codexctl-ci/codexctl-ci/").partition("@")[0]
    called = yaml.safe_load(file.read_text())[True]["workflow_call"]
    assert set(shown) <= {"uses", "secrets", "with"}
    assert set(shown.get("with", {})) <= set(called["inputs"]) and set(shown.get("secrets", {})) <= set(
        called["secrets"]
    )
