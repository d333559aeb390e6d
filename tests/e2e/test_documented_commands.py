"""The commands that a newcomer copies from the pages, in their order, in one shell, against a real cluster.

What is not here is stood in for: pip's download (what it would install is checked), Docker and Helm (the files that
they are given must be there).
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from codexctl_ci import REPOSITORY
from sandbox.state import State
from tests.support.cluster import new_name
from tests.support.kubectl import Kubectl
from tests.support.pages import PAGES, ROOT, blocks
from tests.support.projects import load

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(300)]

STANDING_IN = f"""
set -euo pipefail
codexctl-ci() {{ PYTHONPATH={shlex.quote(str(ROOT))} {shlex.quote(sys.executable)} -m codexctl_ci "$@"; }}
python3() {{ case "$*" in "-m venv "*) set -- "$@" --without-pip;; esac; command python3 "$@"; }}
pip() {{ test "$*" = "install git+https://github.com/{REPOSITORY}@v1"; }}
files() {{
  while [ $# -gt 0 ]; do
    case "$1" in -f) test -s "$2" || {{ echo "no file $2" >&2; return 1; }}; shift;; esac
    shift
  done
}}
docker() {{ files "$@"; }}
helm() {{ files "$@"; }}
"""


@dataclass(frozen=True)
class Newcomer:
    """A person with a repository, a clone of this one, and a cluster."""

    name: str
    home: Path
    state: State

    @property
    def project(self) -> Path:
        return self.home / self.name

    @property
    def clone(self) -> Path:
        return self.home / "clone"

    def types(self, *lines: str, folder: Path | None = None) -> str:
        """Run these lines in one shell, in the project unless told otherwise, and return what they printed. Fails the
        test where one of them fails."""
        text = "\n".join(lines)
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "KUBECONFIG": str(self.state.kubeconfig),
            "CODEXCTL_KANIKO_INSECURE": "true",
            "CODEXCTL_KANIKO_EXECUTOR": str(self.state.kaniko_executor),
            "CODEX_IMAGE": f"{self.state.registry}/codexctl-ci/codex:latest",
            "SANDBOX_KANIKO_STORAGE": str(self.state.kaniko_storage),
        }
        # The doctor's 1 is no mistake of the reader's: something is still missing on the way.
        text = re.sub(r"^(codexctl-ci doctor)\b", r"\1 || test $? = 1", text, flags=re.MULTILINE)
        script = STANDING_IN + self.filled(text)
        done = subprocess.run(
            ["bash", "-x", "-c", script],
            cwd=folder or self.project,
            env=environment,
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def filled(self, text: str) -> str:
        """With values for what stands in capitals, and names that no other test has."""
        secret = self.home / "secret"
        values = {
            r"\bREGISTRY\b": self.state.registry,
            r"\bFILE-WITH-[A-Z-]+": str(secret),
            r"\bNAME\b": self.name,
            r"\bpantry\b": self.name,
            r"\bcodex-model\b": f"{self.name}-model",
        }
        for pattern, value in values.items():
            text = re.sub(pattern, value, text)
        return text


@pytest.fixture
def newcomer(sandbox: State, admin: Kubectl, tmp_path: Path) -> Iterator[Newcomer]:
    person = Newcomer(new_name("first"), tmp_path, sandbox)
    minimal = ROOT / "examples/minimal"
    shutil.copytree(minimal / "web", person.project / "web")
    dockerfile = (minimal / "Dockerfile").read_text().replace("docker.io/", f"{sandbox.registry}/")
    # Busybox's httpd is deaf to the signal that asks it to end, and would be waited for.
    obedient = 'CMD ["sh", "-c", "trap exit TERM; httpd -p 8080 -h /web; while :; do sleep 1; done"]\n'
    (person.project / "Dockerfile").write_text(re.sub(r"^CMD .*\n", obedient, dockerfile, flags=re.MULTILINE))
    shutil.copytree(ROOT / "examples/cluster", person.clone / "examples/cluster")
    for file in (person.clone / "examples/cluster").iterdir():
        file.write_text(person.filled(file.read_text()))
    (tmp_path / "secret").write_text("sk-nothing")
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=person.project, check=True)
    yield person
    for kind in ("namespaces", "clusterroles", "clusterrolebindings", "validatingadmissionpolicies"):
        mine = [
            item["metadata"]["name"] for item in admin.get(kind)["items"] if person.name in item["metadata"]["name"]
        ]
        if mine:
            admin("delete", kind, *mine, "--wait=false")


def shell(page: str) -> list[str]:
    return [block.text for block in blocks(ROOT / page, "sh")]


def test_getting_started_from_a_dockerfile_to_a_stack_that_is_ready(newcomer: Newcomer) -> None:
    describe, images, deploy, doctor = shell("docs/getting-started.md")
    said = newcomer.types(describe, images, "codexctl-ci ci images --env dev", deploy, doctor)
    assert f"namespace: {newcomer.name}-dev-1" in said
    assert f"{newcomer.state.registry}/{newcomer.name}/{newcomer.name}:dev-0-local" in said
    assert re.search(r"^ok +project +stack of ai ", said, re.MULTILINE)


def test_installing_goes_through_and_what_it_prepares_is_there(newcomer: Newcomer, admin: Kubectl) -> None:
    cluster, image, runners, doctor = shell("docs/install.md")
    (newcomer.project / "services.yaml").write_text(f"project: {newcomer.name}\n")
    newcomer.types(cluster, image, runners, folder=newcomer.clone)
    newcomer.types(doctor)
    accounts = admin.within(f"{newcomer.name}-runners").get("serviceaccounts")["items"]
    assert f"{newcomer.name}-runner" in {item["metadata"]["name"] for item in accounts}
    assert admin.within(f"{newcomer.name}-model").get("deployments")["items"]


@pytest.mark.parametrize("example", ["minimal", "project-example", "go-templates"])
def test_readme_of_an_example_shows_what_comes_of_it(newcomer: Newcomer, example: str) -> None:
    shutil.copytree(ROOT / "examples" / example, newcomer.project, dirs_exist_ok=True)
    said = newcomer.types(*shell(f"examples/{example}/README.md"))
    assert "kind: Deployment" in said


def test_api_server_takes_the_manifests_that_pages_show(kubectl: Kubectl, tmp_path: Path) -> None:
    project = load(tmp_path, "project: shop\n")
    shown = [block for page in PAGES for block in blocks(page, "yaml") if "apiVersion:" in block.text]
    assert shown
    for block in shown:
        kubectl("apply", "--dry-run=server", "-f", "-", stdin=project.render_text(block.text, str(block)))
