"""Mirroring and building from the command line, with a real registry and the stand-in for Kaniko's executor."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from codexctl_ci.cli.main import main
from tests.support.registry import TestRegistry, running_registry

pytestmark = pytest.mark.sandbox

EXECUTOR = os.environ.get("SANDBOX_KANIKO_EXECUTOR") or str(
    Path(__file__).parents[2] / "sandbox" / "kaniko" / "executor"
)

SERVICES = """\
project: shop
images:
  base: {type: external, from: "UPSTREAM/up/base:1", local: "REGISTRY/shop/base:1"}
  api:
    type: build
    repository: REGISTRY/shop/api
    tag: v1
    context: api
    dockerfile: api/Dockerfile
    buildArgs: {BASE: "REGISTRY/shop/base:1", NPM_TOKEN: '{{ envOr("NPM_TOKEN", "") }}'}
    buildContexts: {common: shared}
  web:
    type: build
    repository: REGISTRY/shop/web
    tag: v1
    dockerfile: web/Dockerfile
    buildArgs: {API: "REGISTRY/shop/api:v1"}
"""


@dataclass
class Shop:
    root: Path
    upstream: TestRegistry
    registry: TestRegistry
    name: str

    def run(self, *words: str, **environ: str) -> tuple[int, dict[str, str]]:
        """Exit code, and for each image what was done."""
        (self.root / "summary").unlink(missing_ok=True)
        code = main(list(words), {**self.environ(), **environ})
        return code, self._actions()

    def environ(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "CODEXCTL_KANIKO_EXECUTOR": EXECUTOR,
            "CODEXCTL_KANIKO_INSECURE": "true",
            "CODEXCTL_CONFIG": str(self.root / "project" / "services.yaml"),
            "SANDBOX_KANIKO_STORAGE": str(self.root / "storage"),
            "NPM_TOKEN": "npm-hunter2-token",
            "GITHUB_STEP_SUMMARY": str(self.root / "summary"),
        }

    def config(self, name: str, version: str) -> tuple[str, dict[str, str]]:
        """An image's configuration with history as text, and its labels."""
        manifest = json.loads(self.registry.manifest(f"{self.name}/{name}", version)[2])
        text = self.registry.blob(f"{self.name}/{name}", manifest["config"]["digest"]).decode()
        return text, json.loads(text)["config"]["Labels"]

    def _actions(self) -> dict[str, str]:
        summary = self.root / "summary"
        rows = summary.read_text().splitlines() if summary.exists() else []
        cells = [[cell.strip() for cell in row.split("|")] for row in rows if row.startswith("| ")]
        return {row[1]: row[2] for row in cells[2:]}


def unpacked(label: str) -> dict[str, str]:
    """What the label says that the image was made of."""
    found: dict[str, str] = json.loads(zlib.decompress(base64.urlsafe_b64decode(label + "===")))[1]
    return found


@pytest.fixture(scope="module")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestRegistry, TestRegistry]]:
    folder = tmp_path_factory.mktemp("registries")
    with running_registry(folder / "up") as up, running_registry(folder / "own") as own:
        yield up, own


@pytest.fixture
def shop(registries: tuple[TestRegistry, TestRegistry], tmp_path: Path, request: pytest.FixtureRequest) -> Shop:
    up, own = registries
    name = request.node.name.replace("_", "-").lower()
    project = tmp_path / "project"
    text = SERVICES.replace("UPSTREAM/up", f"{up.host}/{name}").replace("REGISTRY/shop", f"{own.host}/{name}")
    for folder in ("api", "web", "shared"):
        (project / folder).mkdir(parents=True)
    (project / "services.yaml").write_text(text)
    (project / "api" / "Dockerfile").write_text(
        "ARG BASE\nFROM $BASE\nARG NPM_TOKEN\nCOPY --from=common greeting /greeting\nCOPY main.py /main.py\n"
    )
    (project / "api" / "main.py").write_text("print()\n")
    (project / "shared" / "greeting").write_text("hello\n")
    (project / "web" / "Dockerfile").write_text("ARG API\nFROM $API\nCOPY web/page /page\n")
    (project / "web" / "page").write_text("page\n")
    (project / ".dockerignore").write_text("*\n!web\n")
    up.push(f"{name}/base:1", {"bin": b"hello"}, ("linux/amd64", "linux/arm64"))
    return Shop(tmp_path, up, own, name)


def test_first_run_brings_everything_and_the_second_does_nothing(shop: Shop) -> None:
    assert shop.run("ci", "images") == (0, {"base": "copy", "api": "build", "web": "build"})
    heads, puts = len(shop.registry.requests("HEAD", "/manifests/")), len(shop.registry.requests("PUT"))
    sources = len(shop.upstream.requests("HEAD"))
    assert shop.run("ci", "images") == (0, {"base": "none", "api": "none", "web": "none"})
    # One for each image; the bases of both builds are images of the plan.
    assert len(shop.registry.requests("HEAD", "/manifests/")) - heads == 3
    assert len(shop.upstream.requests("HEAD")) - sources == 1
    assert len(shop.registry.requests("PUT")) == puts


def test_mirror_has_the_digest_of_its_source_with_all_platforms(shop: Shop) -> None:
    shop.run("images", "mirror")
    status, digest, body = shop.registry.manifest(f"{shop.name}/base", "1")
    assert status == 200 and digest == shop.upstream.manifest(f"{shop.name}/base", "1")[1]
    assert [entry["platform"]["architecture"] for entry in json.loads(body)["manifests"]] == ["amd64", "arm64"]


def test_changed_file_builds_its_image_and_those_that_stand_on_it(shop: Shop) -> None:
    shop.run("ci", "images")
    (shop.root / "project" / "web" / "page").write_text("another\n")
    assert shop.run("ci", "images")[1] == {"base": "none", "api": "none", "web": "build"}
    (shop.root / "project" / "shared" / "greeting").write_text("bonjour\n")
    assert shop.run("ci", "images")[1] == {"base": "none", "api": "build", "web": "build"}
    (shop.root / "project" / "shared" / "greeting").write_text("hello\n")
    assert shop.run("ci", "images")[1] == {"base": "none", "api": "tag", "web": "tag"}


def test_secret_argument_is_in_no_log_and_no_arguments(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    wrapper, processes = shop.root / "executor", shop.root / "processes"
    wrapper.write_text(
        f'#!/bin/sh\ncat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" "\\n" >>{processes}\necho "token: $NPM_TOKEN"\n'
        f'exec {EXECUTOR} "$@"\n'
    )
    wrapper.chmod(0o755)
    code, _ = shop.run("ci", "images", CODEXCTL_KANIKO_EXECUTOR=str(wrapper), CODEXCTL_LOG_LEVEL="debug")
    text = "".join(capfd.readouterr())
    assert code == 0 and "token: ***" in text and "hunter2" not in text
    assert "--build-arg=NPM_TOKEN\n" in processes.read_text() and "hunter2" not in processes.read_text()
    assert "hunter2" not in shop.config("api", "v1")[0]
    left = [path for path in shop.root.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]
    assert left == []


def test_executor_does_not_unpack_over_a_runner(shop: Shop) -> None:
    """The process of a runner that carries out a job is called Runner.Worker."""
    worker = shop.root / "Runner.Worker"
    worker.symlink_to("/bin/sh")

    def build(**more: str) -> subprocess.CompletedProcess[str]:
        script = f"{sys.executable} -m codexctl_ci ci images; exit $?"
        environ = {**shop.environ(), **more}
        return subprocess.run([str(worker), "-c", script], env=environ, stderr=subprocess.PIPE, text=True, check=False)

    refused = build()
    assert refused.returncode == 2 and "over the runner" in refused.stderr and "--kaniko-runner" in refused.stderr
    assert shop.registry.manifest(f"{shop.name}/api", "v1")[0] == 404
    assert build(CODEXCTL_KANIKO_RUNNER="true").returncode == 0


IN_A_ROOT_OF_ITS_OWN = """
set -e
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay none -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
for folder in /proc /dev /tmp; do mount --rbind $folder "$1/root$folder"; done
rm -f "$1/root/.dockerenv"
mkdir -p "$1/root/kaniko"
printf '#!/bin/sh\\necho reached; exit 1\\n' >"$1/root/kaniko/executor"
chmod 755 "$1/root/kaniko/executor"
shift
exec chroot "$0/root" "$@"
"""


def test_runner_whose_image_has_kaniko_needs_no_word_more(shop: Shop) -> None:
    worker = shop.root / "Runner.Worker"
    worker.symlink_to("/bin/sh")
    environ = {**shop.environ(), "PYTHONPATH": str(Path.cwd())}
    del environ["CODEXCTL_KANIKO_EXECUTOR"]
    script = f"{sys.executable} -m codexctl_ci ci images; exit $?"

    def build(name: str, **more: str) -> tuple[int, str]:
        root = shop.root / name
        root.mkdir()
        argv = ["unshare", "--mount", "sh", "-c", IN_A_ROOT_OF_ITS_OWN, str(root), str(root), str(worker), "-c", script]
        done = subprocess.run(argv, env={**environ, **more}, stderr=subprocess.PIPE, text=True, check=False)
        return done.returncode, done.stderr

    code, said = build("pod", KUBERNETES_SERVICE_HOST="10.0.0.1")
    assert code == 1 and "Kaniko ended with exit code 1: reached" in said, said
    code, said = build("machine")
    assert code == 2 and "over the runner" in said and "reached" not in said, said


def test_failed_build_names_the_image_and_leaves_out_what_stands_on_it(
    shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    (shop.root / "project" / "api" / "Dockerfile").write_text("ARG BASE\nFROM $BASE\nCOPY missing /x\n")
    code, actions = shop.run("ci", "images")
    text = capfd.readouterr().err
    assert code == 1 and actions == {"base": "copy", "api": "failed", "web": "failed"}
    assert "image api: Kaniko ended with exit code" in text and "web: left out, it stands on api" in text


def test_plan_says_which_file_argument_or_base_changed(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    def changed() -> dict[str, list[str]]:
        capfd.readouterr()
        assert shop.run("images", "plan", "-o", "json")[0] == 0
        return {row["name"]: row["changed"] for row in json.loads(capfd.readouterr().out)}

    assert shop.run("ci", "images")[0] == 0 and changed() == {"base": [], "api": [], "web": []}
    project = shop.root / "project"
    (project / "api" / "main.py").chmod(0o755)
    (project / "shared" / "more").write_text("")
    assert changed()["api"] == ["api/main.py changed", "shared/more is new"]
    (project / "services.yaml").write_text((project / "services.yaml").read_text().replace("BASE:", "LEVEL: 1, BASE:"))
    assert changed()["api"] == ["argument LEVEL is new", "api/main.py changed", "shared/more is new"]
    (project / "web" / "page").write_text("another\n")
    shop.upstream.push(f"{shop.name}/base:1", {"bin": b"hello again"})
    shop.run("images", "mirror")
    assert changed()["api"][1].startswith(f"base {shop.registry.host}/{shop.name}/base:1 moved from ")
    capfd.readouterr()
    shop.run("images", "plan")
    assert "api, on which it stands, will be built" in capfd.readouterr().out


def test_image_is_labelled_with_key_and_revision_and_nothing_of_a_secret(shop: Shop) -> None:
    project = shop.root / "project"
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        given = {"HOME": str(shop.root), "PATH": os.environ["PATH"]}
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        subprocess.run(["git", *identity, *words], cwd=project, env=given, check=True)
    assert shop.run("ci", "images")[0] == 0
    config, labels = shop.config("api", "v1")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project, stdout=subprocess.PIPE, text=True, check=True)
    assert labels["org.opencontainers.image.revision"] == head.stdout.strip()
    assert shop.registry.manifest(f"{shop.name}/api", labels["io.codexctl.content-key"])[0] == 200
    assert "hunter2" not in config
    made_of = unpacked(labels["io.codexctl.made-of"])
    assert made_of["argument NPM_TOKEN"] == "secret" and "file api/main.py" in made_of
    digests = [hashlib.new(name, b"npm-hunter2-token").hexdigest()[:8] for name in ("sha256", "sha1", "md5")]
    assert not [digest for digest in digests if digest in json.dumps([made_of, labels])]


def test_plan_changes_nothing(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    puts = len(shop.registry.requests("PUT"))
    assert shop.run("images", "plan", "-o", "json")[0] == 0
    rows = json.loads(capfd.readouterr().out)
    assert [(row["name"], row["action"]) for row in rows] == [("base", "copy"), ("api", "build"), ("web", "build")]
    assert "will be built" in rows[2]["why"] and len(shop.registry.requests("PUT")) == puts


def test_without_any_kaniko_the_error_says_what_to_do(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    code, _ = shop.run("images", "build", CODEXCTL_KANIKO_EXECUTOR="/nowhere/executor")
    assert code == 2 and "--kaniko-executor" in capfd.readouterr().err
