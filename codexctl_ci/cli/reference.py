"""Writes what can be derived from tables: the actions' action.yml, pages of reference, the examples' wrappers.

``python -m codexctl_ci.cli.reference`` in a checkout writes them; ``--check`` says which are stale, exit 1 then.
"""

from __future__ import annotations

import sys
from pathlib import Path

from codexctl_ci.adoption.wrappers import WRAPPERS
from codexctl_ci.cli.actions import ACTIONS, action_yaml
from codexctl_ci.cli.reference_pages import options_markdown, outcomes_markdown
from codexctl_ci.stack.json_schema import as_text
from codexctl_ci.stack.keys_page import keys_markdown


def files(root: Path) -> dict[Path, str]:
    """Every derived file of a checkout, and its text."""
    made = {root / "actions" / action.name / "action.yml": action_yaml(action) for action in ACTIONS}
    for services in sorted(root.glob("examples/*/services.yaml")):
        made |= {services.parent / wrapper.path: wrapper.text() for wrapper in WRAPPERS}
    pages = {
        "options.md": options_markdown(),
        "outcomes.md": outcomes_markdown(),
        "services-yaml-keys.md": keys_markdown(),
    }
    made[root / "codexctl_ci/stack/services.schema.json"] = as_text()
    return made | {root / "docs" / name: text for name, text in pages.items()}


def main(arguments: list[str]) -> int:
    """Write the files, or with ``--check`` name those that are stale."""
    made = files(Path())
    stale = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if "--check" in arguments:
            sys.stderr.write(f"{path} is stale: run `make docs`\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[path])
            sys.stderr.write(f"{path} written\n")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
