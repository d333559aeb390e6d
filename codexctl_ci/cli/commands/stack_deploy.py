"""Commands that change the stack in the cluster, or say what would change."""

from __future__ import annotations

import json
import logging
import sys

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.cli.wiring.places import Place, opened
from codexctl_ci.cli.wiring.project import selection_of

log = logging.getLogger("codexctl_ci.apply")


def apply(inv: Invocation) -> None:
    """Apply the stack; with --wait until it is ready. Exit code 5 where it isn't in time."""
    from codexctl_ci.cli.wiring.deploy import deploy

    dry = inv.settings[o.DRY_RUN]
    with opened(inv, "apply", writes=not dry) as place:
        if dry:
            _print_plan(inv, place)
            return
        done = deploy(inv, place.project, place.cluster, place.server, selection=selection_of(inv))
    inv.output(changed=done.result.changed, ready=done.ready)
    inv.print(f"{place.project.namespace}: {done}")


def _print_plan(inv: Invocation, place: Place) -> None:
    from codexctl_ci.cli.wiring.deploy import apply_options
    from codexctl_ci.operations.apply import plan_apply
    from codexctl_ci.stack.rendering import render

    selection = selection_of(inv)
    rendered = render(place.project, selection, namespaced=place.server.namespaced)
    options = apply_options(inv, place.project, whole=selection.everything)
    plan = plan_apply(place.cluster, rendered.layers, options)
    for warning in plan.warnings:
        log.warning("%s", warning)
    names = ["first", *plan.names]
    for name, steps in zip(names, (plan.first, *plan.layers), strict=True):
        for step in steps:
            inv.print(f"{name}: {step.ref}: {step.verdict}")


def diff(inv: Invocation) -> None:
    """What an apply would change; with --exit-code 1 where something differs."""
    from codexctl_ci.cli.wiring.deploy import apply_options
    from codexctl_ci.operations.diff import diff_stack
    from codexctl_ci.reporting import diff_text
    from codexctl_ci.stack.rendering import render

    with opened(inv, "diff", writes=False) as place:
        selection = selection_of(inv)
        rendered = render(place.project, selection, namespaced=place.server.namespaced)
        options = apply_options(inv, place.project, whole=selection.everything)
        found = diff_stack(place.cluster, rendered.layers, options)
    if inv.settings[o.OUTPUT] == "json":
        inv.print(json.dumps(diff_text.as_data(found), indent=2, ensure_ascii=False))
    else:
        colour = sys.stdout.isatty() and not inv.environ.get("NO_COLOR")
        inv.print(diff_text.as_text(found, colour=colour))
    inv.summary(diff_text.as_markdown(found, f"Diff: {place.project.env} in {place.project.namespace}"))
    if inv.settings[o.EXIT_CODE] and any(one.differs for one in found):
        inv.exit_code = 1


def destroy(inv: Invocation) -> None:
    """Remove the stack from its namespace, in reverse order; the namespace itself stays."""
    with opened(inv, "destroy", writes=not inv.settings[o.DRY_RUN]) as place:
        _destroy(inv, place)


def _destroy(inv: Invocation, place: Place) -> None:
    from codexctl_ci.cli.wiring.hooks import open_hooks
    from codexctl_ci.operations.destroy import DestroyOptions, destroy_stack
    from codexctl_ci.operations.preflight import preflight
    from codexctl_ci.reporting.apply_report import destroy_markdown
    from codexctl_ci.stack.objects import ref_of
    from codexctl_ci.stack.rendering import render

    settings, project, selection = inv.settings, place.project, selection_of(inv)
    rendered = render(project, selection, namespaced=place.server.namespaced)
    options = DestroyOptions(
        project.env,
        project.namespace,
        volumes=settings[o.PRUNE_VOLUMES],
        wait=settings[o.WAIT],
        timeout=settings[o.WAIT_TIMEOUT],
        whole=selection.everything,
        dry_run=settings[o.DRY_RUN],
    )
    hooks = open_hooks(
        inv,
        project,
        place.cluster,
        rendered,
        deed="destroy",
        preflight=lambda: preflight(place.cluster, map(ref_of, rendered.manifests), project.namespace),
        find_kind=place.server.find_kind,
    )
    result = destroy_stack(place.cluster, rendered.layers, options, hooks=hooks)
    inv.summary(destroy_markdown(f"Destroy: {project.env} in {project.namespace}", result.deleted, result.kept))
    if options.dry_run:
        inv.print("".join(f"{ref} would be deleted\n" for ref in result.deleted) or "nothing would be deleted")
    else:
        # Which they are the log said as they went.
        inv.print(f"{project.namespace}: {len(result.deleted)} objects deleted")
    for ref, why in result.kept:
        inv.print(f"{ref} stays: it {why}")
    if not any(ref.kind == "Namespace" and ref.name == project.namespace for ref, _ in result.kept):
        last = "manage-env cleanup takes the slot back with it" if project.slot else "delete it yourself with all in it"
        inv.print(f"Namespace/{project.namespace} stays: {last}")
