"""What a team copies must render, in every environment, to what it says and to nothing that dangles.

Refresh the recorded renderings: ``GOLDENS=write python -m pytest tests/unit/stack/test_examples.py``
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

from codexctl_ci.stack.images import image_plan
from codexctl_ci.stack.project import Project
from codexctl_ci.stack.rendering import render
from codexctl_ci.stack.yaml_text import to_yaml
from tests.support.dangling import dangling
from tests.support.projects import open_folder

EXAMPLES = Path(__file__).parents[3] / "examples"
GOLDENS = Path(__file__).parent / "goldens"
STACKS = sorted(file.parent.name for file in EXAMPLES.glob("*/services.yaml"))
CASES = [
    (stack, env, slot) for stack in STACKS for env, slot in (("dev", 0), ("ai-staging", 0), ("ai", 2), ("ai-repair", 1))
]
IDS = [f"{stack}-{env}" for stack, env, _ in CASES]
WORKFLOWS = {
    "ai_staging_deploy": {"push": {"branches": ["main"]}},
    "ai_plan_issue": {"issues": {"types": ["labeled"]}},
    "ai_plan_review": {"issue_comment": {"types": ["created"]}},
    "ai_dev_issue": {"issues": {"types": ["labeled"]}},
    "ai_pr_review": {"pull_request_review": {"types": ["submitted"]}},
    "ai_repair_issue": {"issues": {"types": ["labeled"]}},
    "ai_repair_pr_review": {"pull_request_review": {"types": ["submitted"]}},
    "ai_cleanup": {"issues": {"types": ["closed"]}, "pull_request": {"types": ["closed"]}},
}


@cache
def example(stack: str, env: str, slot: int) -> Project:
    return open_folder(EXAMPLES / stack, env=env, slot=slot)


@pytest.mark.parametrize(("stack", "env", "slot"), CASES, ids=IDS)
def test_example_renders_as_recorded(stack: str, env: str, slot: int) -> None:
    project = example(stack, env, slot)
    rendered = render(project)
    layers = "".join(f"#   {layer.name}: {', '.join(item.name for item in layer.items)}\n" for layer in rendered.layers)
    hooks = [
        f"{item.name} {s.name}" for item in rendered.items for s in (*item.hooks.before_apply, *item.hooks.after_apply)
    ]
    steps = ", ".join(
        [*(step.name for step in rendered.before_all), *hooks, *(step.name for step in rendered.after_all)]
    )
    text = f"# {stack}, {env}, namespace {project.namespace}, site {project.site_host or 'none'}\n# layers:\n{layers}"
    text += (f"# hooks: {steps}\n" if steps else "") + to_yaml(rendered.manifests)
    golden = GOLDENS / f"{stack}.{env}.yaml"
    if os.environ.get("GOLDENS") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, "utf-8")
    assert text == golden.read_text("utf-8")
    assert text.count("\n---\n") == len(rendered.manifests)


@pytest.mark.parametrize(("stack", "env", "slot"), CASES, ids=IDS)
def test_whatever_an_example_refers_to_exists(stack: str, env: str, slot: int) -> None:
    project = example(stack, env, slot)
    around = render(example(stack, "ai-staging", 0)).manifests if env == "ai-repair" else ()
    own = render(project).manifests
    made = {(m["kind"], m["metadata"]["name"]) for m in around}
    images = {image.reference for image in image_plan(project)}
    assert dangling(own, images=images, registry=project.spec.registry, provided=made) == []


@pytest.mark.parametrize(("stack", "env", "slot"), CASES, ids=IDS)
def test_examples_have_nothing_doubtful(stack: str, env: str, slot: int) -> None:
    project = example(stack, env, slot)
    assert project.warnings == ()
    assert render(project).warnings == ()


def test_every_image_of_the_project_is_made_before_it_is_used_as_a_base() -> None:
    plan = {image.name: image for image in image_plan(example("project-example", "ai", 1))}
    api = plan["api"]
    assert api.type == "build"
    assert api.needs == ("python",)
    assert plan["python"].reference in api.build_args.values()


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("name", WORKFLOWS)
def test_wrappers_are_a_trigger_and_one_call(stack: str, name: str) -> None:
    file = EXAMPLES / stack / ".github" / "workflows" / f"{name}.yml"
    workflow = yaml.load(file.read_text("utf-8"), yaml.BaseLoader)
    (job,) = workflow["jobs"].values()
    assert workflow["on"] == WORKFLOWS[name]
    assert job == {"uses": f"codexctl-ci/codexctl-ci/.github/workflows/{name}.yml@v1", "secrets": "inherit"}


@pytest.mark.parametrize("stack", STACKS)
def test_there_are_no_other_wrappers(stack: str) -> None:
    files = (EXAMPLES / stack / ".github" / "workflows").iterdir()
    assert sorted(file.stem for file in files) == sorted(WORKFLOWS)


def test_the_smallest_stack_takes_ten_lines() -> None:
    lines = (EXAMPLES / "minimal" / "services.yaml").read_text("utf-8").splitlines()
    assert len([line for line in lines if line.strip() and not line.lstrip().startswith("#")]) == 10


def test_the_example_passes_its_own_tests() -> None:
    done = subprocess.run(
        [sys.executable, "-B", "-m", "unittest"],
        cwd=EXAMPLES / "project-example",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Ran 13 tests" in done.stderr


def test_the_agents_pod_has_no_secrets_and_no_foreign_rights() -> None:
    rendered = render(example("project-example", "ai", 1))
    item = next(item for item in rendered.items if item.name == "codex")
    (deployment,) = item.manifests
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert "env" not in container and "envFrom" not in container
    bindings = [m for m in rendered.manifests if m["kind"].endswith("Binding")]
    assert [(b["kind"], b["metadata"]["namespace"]) for b in bindings] == [("RoleBinding", "pantry-dev-1")]
