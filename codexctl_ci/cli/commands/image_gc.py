"""The command that clears builds out of the registry."""

from __future__ import annotations

import json

from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation


def gc(inv: Invocation) -> None:
    """``images gc``: builds that no slot, environment or tag uses; deleted only with --no-dry-run."""
    from codexctl_ci.cli.wiring.images import open_registries
    from codexctl_ci.cli.wiring.images_in_use import take_census
    from codexctl_ci.cli.wiring.project import open_project
    from codexctl_ci.images.stock import Stock
    from codexctl_ci.operations.gc_images import GcRules, collect_images
    from codexctl_ci.reporting import images_table
    from codexctl_ci.stack.images import BuiltImage

    project = open_project(inv)
    census = take_census(inv)
    rules = GcRules(
        used=census.used,
        kept=frozenset(image.reference for image in census.images),
        now=census.now,
        age=inv.settings[o.OLDER_THAN],
        dry_run=inv.settings[o.DRY_RUN],
    )
    repositories = {image.repository for image in census.images if isinstance(image, BuiltImage)}
    done = collect_images(Stock(open_registries(inv, project, census.images)), repositories, rules)
    if inv.settings[o.OUTPUT] == "json":
        inv.print(json.dumps(images_table.collected_data(done), indent=2))
    else:
        inv.print(images_table.collected_text(done, dry_run=rules.dry_run))
    inv.summary(images_table.collected_markdown(done, dry_run=rules.dry_run))
