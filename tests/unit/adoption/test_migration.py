"""`doctor --migrate` tells of a project of the older tool what would differ, at the line where it stands."""

from __future__ import annotations

import io
import json
import re
import shutil
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from codexctl_ci import REPOSITORY
from codexctl_ci.adoption.migration_workflows import CHANGES
from codexctl_ci.adoption.wrappers import WRAPPERS
from codexctl_ci.cli.main import main
from tests.support.projects import write_files

ROOT = Path(__file__).parents[3]
OLD = "acme/codexctl"

SERVICES = """
# {{- $registry := envOr "CODEXCTL_REGISTRY_HOST" "registry.tools:5000" -}}
project: shop
registry: '{{ $registry }}'
namespace:
  patterns:
    ai: "{{ .Project }}-slot-{{ .Slot }}"
    ai-staging: "{{ .Project }}-ai-staging"
state: {backend: configmap, configmapNamespace: shop-ai-staging, configmapPrefix: shop-env-}
images:
  db:
    type: external
    from: docker.io/library/postgres:16
    local: '{{ $registry }}/mirror/postgres:16'
  api:
    type: build
    repository: '{{ $registry }}/shop/api'
    tagTemplate: '{{ .Env }}-{{ .Slot }}'
    buildArgs:
      NPM_TOKEN: '{{ envOr "NPM_TOKEN" "" }}'
      MODE: production
infrastructure:
  - name: issuer
    manifests: [{path: k8s/issuer.yaml}]
  - name: data
    when: '{{ ne .Env "dev" }}'
    manifests: [{path: k8s/data.yaml}]
    hooks:
      afterApply:
        - name: dns
          # kubectl is mentioned here only
          run: kubectl -n kube-system rollout status deployment/coredns
        - name: slots
          run: codexctl manage-env list
services:
  - name: api
    image: {repository: '{{ $registry }}/shop/api', tagTemplate: '{{ .Env }}-{{ .Slot }}'}
    manifests: [{path: k8s/api.yaml}]
  - name: codex
    replicas: 2
    when: '{{ eq .Env "ai" }}'
    manifests: [{path: k8s/codex.yaml}]
hooks:
  beforeAll:
    - {name: secrets, use: codex.ensure-codex-secrets}
codex:
  projectContext: |
    When you are done, run gh pr create.
  mcp:
    servers:
      - name: docs
        type: cluster
        service: {name: docs, host: docs.shop.svc}
"""
ISSUER = """
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {name: letsencrypt}
spec: {}
---
{{- if eq .Env "ai-staging" }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: coredns-custom
  namespace: kube-system
{{- end }}
"""
API = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      initContainers:
        - {name: wait, image: '{{ .registry }}/mirror/postgres@sha256:0123456789abcdef'}
      containers:
        - name: api
          image: api
          env:
            - {name: RUN, value: '{{ envOr "ACTIONS_RUNTIME_TOKEN" "" }}'}
            - {name: KEY, value: '{{ envOr "OPENAI_API_KEY" "" }}'}
"""
CODEX = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: codex}
spec:
  selector: {matchLabels: {app: codex}}
  template:
    metadata: {labels: {app: codex}}
    spec:
      containers:
        - name: codex
          image: codex
          env:
            - name: OPENAI_API_KEY
              valueFrom:
                secretKeyRef: {name: openai-secret, key: OPENAI_API_KEY}
            - name: GH_TOKEN
              valueFrom:
                secretKeyRef: {name: github-secret, key: CODEXCTL_GH_PAT}
"""
DATA = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "data-{{ .Slot }}"}\n'
OWN = """
on: push
jobs:
  own:
    runs-on: self-hosted
    steps:
      - uses: actions/checkout@v4
      - uses: acme/codexctl/actions/setup@v2
      - run: codexctl ci apply --env ai-staging
"""
FILES = {
    "services.yaml": SERVICES,
    "k8s/issuer.yaml": ISSUER,
    "k8s/data.yaml": DATA,
    "k8s/api.yaml": API,
    "k8s/codex.yaml": CODEX,
    ".github/workflows/own.yml": OWN,
}
TOLD = [
    ("services.yaml", "ai: ", "know", "namespace of ai", "shop-slot-7"),
    ("services.yaml", "state:", "know", "state", "Leases"),
    ("services.yaml", "  db:", "know", "images.db", "copied by digest"),
    ("services.yaml", "  api:", "know", "images.api", "only tagged"),
    ("services.yaml", "NPM_TOKEN:", "know", "build argument NPM_TOKEN", "image's history"),
    ("services.yaml", "    hooks:", "know", "hooks of data", "a retry doesn't repeat"),
    ("services.yaml", "run: kubectl", "know", "kubectl", "nobody but this line"),
    ("services.yaml", "run: codexctl", "act", "codexctl", "codexctl-ci"),
    ("services.yaml", "replicas:", "know", "doubtful", "replicas"),
    ("services.yaml", "hooks:", "know", "hooks of the stack", "filters"),
    ("services.yaml", "codex.ensure-codex-secrets", "know", "codex.ensure-codex-secrets", "nothing here needs them"),
    ("services.yaml", "gh pr create", "know", "publishing", "a step of its own"),
    ("services.yaml", "host:", "know", "doubtful", "host"),
    ("k8s/issuer.yaml", "cert-manager.io/v1", "know", "ClusterIssuer/letsencrypt cluster-wide", "no clean-up"),
    ("k8s/issuer.yaml", "apiVersion: v1", "know", "ConfigMap/coredns-custom in kube-system", "no clean-up"),
    ("k8s/api.yaml", "@sha256:", "act", "/mirror/postgres", "digest of its source"),
    ("k8s/api.yaml", "ACTIONS_RUNTIME_TOKEN", "act", "ACTIONS_RUNTIME_TOKEN", "as if unset"),
    ("k8s/codex.yaml", "name: OPENAI_API_KEY", "know", "the model's key", "works as before"),
    ("k8s/codex.yaml", "github-secret", "know", "a GitHub token", "works as before"),
    (".github/workflows/ai_cleanup.yml", "uses:", "act", "uses", f"{REPOSITORY}/.github/workflows/ai_cleanup.yml@v1"),
    (".github/workflows/ai_cleanup.yml", "uses:", "know", "here", "codex/ai-repair-<n>"),
    (".github/workflows/own.yml", "actions/setup", "act", "uses", "not here under this name"),
    (".github/workflows/own.yml", "codexctl ci apply", "act", "codexctl", "codexctl-ci"),
]
QUIET = ["MODE:", "mentioned here only", 'envOr "OPENAI_API_KEY"', "actions/checkout@", "name: data"]
"""What works as before and so is told nothing of."""


@dataclass(frozen=True)
class Told:
    """One row, with the line that it is about and the next one."""

    row: dict[str, Any]
    line: str


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return write_old(tmp_path)


def write_old(folder: Path) -> Path:
    wrappers = {wrapper.path: wrapper.text().replace(REPOSITORY, OLD) for wrapper in WRAPPERS}
    return write_files(folder, {**FILES, **wrappers})


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[Told]:
    folder = write_old(tmp_path_factory.mktemp("old"))
    with redirect_stdout(io.StringIO()) as out:
        assert main(["doctor", "--migrate", "--json", "-c", str(folder / "services.yaml")], {"PATH": "/bin"}) == 1
    lines = {path: path.read_text().split("\n") for path in folder.rglob("*") if path.is_file()}
    return [Told(row, lines[folder / row["file"]][row["line"] - 1]) for row in json.loads(out.getvalue())]


def migrate(folder: Path, capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, str]:
    code = main(["doctor", "--migrate", "-c", str(folder / "services.yaml"), *flags], {"PATH": "/bin"})
    return code, capsys.readouterr().out


@pytest.mark.parametrize(("file", "fragment", "level", "what", "now"), TOLD, ids=[f"{t[0]}-{t[3]}" for t in TOLD])
def test_difference_is_told_where_it_stands(
    told: list[Told], file: str, fragment: str, level: str, what: str, now: str
) -> None:
    found = [t for t in told if t.row["file"] == file and what in t.row["what"] and now in t.row["now"]]
    assert {t.row["level"] for t in found} == {level}, told
    assert any(fragment in t.line for t in found), found
    assert all(t.row["before"] for t in found)


def test_nothing_is_told_twice_and_nothing_of_what_stays(told: list[Told]) -> None:
    keys = [(t.row["file"], t.row["line"], t.row["what"], t.row["now"]) for t in told]
    assert len(set(keys)) == len(keys)
    for word in QUIET:
        assert any(word in text for text in FILES.values())
        assert not [t for t in told if word in t.line]


def test_people_get_the_same_as_programs(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(migrate(old, capsys, "--json")[1])
    code, out = migrate(old, capsys)
    assert code == 1
    for row in rows:
        assert f"{row['file']}:{row['line']}: {'ACT' if row['level'] == 'act' else 'know'}: {row['what']}" in out
    act = sum(row["level"] == "act" for row in rows)
    assert out.rstrip().endswith(f"{act} to change before switching, {len(rows) - act} to know")


def test_after_changing_what_it_says_nothing_is_left_to_change(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (old / ".github/workflows").iterdir():
        text = path.read_text().replace(f"{OLD}/.github", f"{REPOSITORY}/.github")
        path.write_text(
            text.replace(f"{OLD}/actions/setup@v2", f"{REPOSITORY}@v1").replace("codexctl ci", "codexctl-ci ci")
        )
    services = (old / "services.yaml").read_text().replace("run: codexctl ", "run: codexctl-ci ")
    (old / "services.yaml").write_text(services)
    api = old / "k8s/api.yaml"
    api.write_text(re.sub(r"@sha256:[0-9a-f]+", ":16", api.read_text().replace("ACTIONS_RUNTIME_TOKEN", "RUN_TOKEN")))
    code, out = migrate(old, capsys)
    assert (code, "ACT" in out) == (0, False), out


def test_example_of_the_older_tool_only_has_things_to_know(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(ROOT / "examples/go-templates", tmp_path / "project")
    code, out = migrate(tmp_path / "project", capsys)
    assert code == 0 and "0 to change" in out and "deploy/tls.yaml:3: know: ClusterIssuer/letsencrypt" in out


@pytest.mark.parametrize(
    ("services", "line", "words"),
    [
        ("project: shop\nmaxSlots: {{ .Nope.Deep }}\n", 2, "Nope"),
        ("project: shop\nservices:\n  - {name: a, dependsOn: [b]}\n", 3, "'b', which is not there"),
        ("project: shop\nservices:\n  - name: a\n    manifests: [{path: nope.yaml}]\n", 4, "no such file"),
        ('project: shop\nx: {{ .Env }}\ntemplates: {partials: ["none/*.tpl"]}\n', 0, "no file matches"),
        ("project: shop\nregistry: '{{ .Env }}' # {% if x %}{% endif %}\n", 2, "Go and Jinja templates in one file"),
    ],
)
def test_what_cannot_be_read_is_to_be_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], services: str, line: int, words: str
) -> None:
    (tmp_path / "services.yaml").write_text(services)
    code, out = migrate(tmp_path, capsys, "--json")
    faults = [row for row in json.loads(out) if row["what"] == "fault"]
    assert code == 1 and any(words in row["now"] for row in faults), out
    assert line in {row["line"] for row in faults}


def test_file_without_any_template_is_told_to_say_its_dialect(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "services.yaml").write_text("project: shop\n")
    code, out = migrate(tmp_path, capsys)
    assert code == 0 and "dialect: go" in out
    (tmp_path / "services.yaml").write_text("project: shop\ntemplates: {dialect: go}\n")
    assert migrate(tmp_path, capsys)[1].strip() == "0 to change before switching, 0 to know"


def test_page_on_migrating_has_the_same_table() -> None:
    page = (ROOT / "docs/migrate-from-codexctl.md").read_text()
    rows = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", page, re.MULTILINE))
    for change in CHANGES:
        assert re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", rows.get(change.before, "")) == change.now
