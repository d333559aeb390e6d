"""Builds as Jobs on a real cluster, from a real volume into a real registry."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
import urllib3

from codexctl_ci.cli.main import main
from codexctl_ci.errors import ApiError
from codexctl_ci.images.kaniko import KanikoOptions
from codexctl_ci.images.kaniko_manifest import JobPlace, build_job, build_secret
from codexctl_ci.kube.client import Cluster
from codexctl_ci.operations.wait import wait_until_ready
from codexctl_ci.ports import Watching
from codexctl_ci.stack.images import BuiltImage
from codexctl_ci.stack.objects import Manifest, Ref, ref_of
from sandbox.state import State
from tests.support.signals import heed_interrupts

pytestmark = pytest.mark.sandbox

IMAGE = "busybox:1.37.0"
MANAGED = "app.kubernetes.io/managed-by=codexctl-ci"
SERVICES = """\
project: shop
namespace: {patterns: {dev: NAMESPACE}}
images:
  api:
    type: build
    repository: REGISTRY/NAMESPACE/api
    tag: v1
    context: api
    dockerfile: api/Dockerfile
    buildArgs: {BASE: "REGISTRY/library/busybox:1.37.0", NPM_TOKEN: npm-hunter2-token}
    buildContexts: {common: shared}
  web:
    type: build
    repository: REGISTRY/NAMESPACE/web
    tag: v1
    context: web
    dockerfile: web/Dockerfile
"""
FILES = {
    "api/Dockerfile": (
        "ARG BASE\nFROM $BASE\nARG NPM_TOKEN\nCOPY --from=common greeting /greeting\nCOPY main.py /main.py\n"
        'RUN case "$NPM_TOKEN" in npm-hunt*) ;; *) exit 1 ;; esac\n'
    ),
    "api/main.py": "print()\n",
    "api/.dockerignore": "*\n!main.py\n",
    "shared/greeting": "hello\n",
    "web/Dockerfile": "FROM scratch\nCOPY page /page\n",
    "web/page": "page\n",
}


@dataclass
class Shop:
    root: Path
    namespace: str
    state: State
    cluster: Cluster

    def run(self, *words: str) -> int:
        return main(list(words), self.environ())

    def environ(self) -> dict[str, str]:
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.root),
            "KUBECONFIG": str(self.state.kubeconfig),
            "CODEXCTL_CONFIG": str(self.root / "services.yaml"),
            "CODEXCTL_KANIKO_IMAGE": self.state.kaniko_image,
            "CODEXCTL_KANIKO_PRIVILEGED": "true",
            "CODEXCTL_KANIKO_INSECURE": "true",
            "CODEXCTL_BUILDER": "job",
        }

    def builds(self) -> list[Manifest]:
        return self.cluster.list("batch/v1", "Job", self.namespace, labels=MANAGED).items

    def config(self, name: str, tag: str) -> str:
        """An image's configuration, its history too."""
        url = f"http://{self.state.registry}/v2/{self.namespace}/{name}"
        accept = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
        manifest = urllib3.request("GET", f"{url}/manifests/{tag}", headers=accept).json()
        return urllib3.request("GET", f"{url}/blobs/{manifest['config']['digest']}").data.decode()

    def tags(self, name: str) -> list[str]:
        answer = urllib3.request("GET", f"http://{self.state.registry}/v2/{self.namespace}/{name}/tags/list")
        return sorted(json.loads(answer.data).get("tags") or [])


@pytest.fixture
def shop(sandbox: State, cluster: Cluster, namespace: str, tmp_path: Path) -> Iterator[Shop]:
    text = SERVICES.replace("REGISTRY", sandbox.registry).replace("NAMESPACE", namespace)
    (tmp_path / "services.yaml").write_text(text)
    for path, content in FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(content)
    put(cluster, namespace)
    yield Shop(tmp_path, namespace, sandbox, cluster)


def put(cluster: Cluster, namespace: str) -> None:
    """The workspace's claim, with the sources in it."""
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "shop-workspace", "namespace": namespace},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    script = "set -e; cd /workspace; mkdir -p codex/envs/dev/src; cd codex/envs/dev/src; mkdir api web shared\n"
    environ = []
    for number, (path, content) in enumerate(FILES.items()):
        environ.append({"name": f"F{number}", "value": content})
        script += f'printf %s "$F{number}" > {path}\n'
    mount = {"name": "w", "mountPath": "/workspace"}
    pod = {
        "restartPolicy": "Never",
        "containers": [
            {"name": "put", "image": IMAGE, "command": ["sh", "-c", script], "env": environ, "volumeMounts": [mount]}
        ],
        "volumes": [{"name": "w", "persistentVolumeClaim": {"claimName": "shop-workspace"}}],
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "put", "namespace": namespace},
        "spec": {"template": {"spec": pod}},
    }
    refs = [ref_of(cluster.apply(claim)), ref_of(cluster.apply(job))]
    assert wait_until_ready(cluster, refs, timeout=timedelta(seconds=60)).ready


@contextmanager
def jobs_seen(shop: Shop) -> Iterator[dict[str, Manifest]]:
    """Each build Job and its pod as they were last seen, by name; they are gone when their build has ended."""
    seen: dict[str, Manifest] = {}
    listings = [("batch/v1", "Job", MANAGED), ("v1", "Pod", "codexctl.io/image")]
    with ExitStack() as stack:
        for api_version, kind, labels in listings:
            begin = shop.cluster.list(api_version, kind, shop.namespace, labels=labels)
            watch = shop.cluster.watch(
                api_version,
                kind,
                shop.namespace,
                since=begin.resource_version,
                labels=labels,
                timeout=timedelta(seconds=120),
            )
            thread = threading.Thread(target=note, args=(watch, seen), daemon=True)
            thread.start()
            # Entered first, left last: the thread ends when its watch is closed.
            stack.callback(thread.join)
            stack.callback(watch.close)
        yield seen


def note(watch: Watching, seen: dict[str, Manifest]) -> None:
    for change in watch:
        if change.kind != "DELETED":
            seen[change.object["metadata"]["name"]] = change.object


def until_nothing_is_left(shop: Shop) -> None:
    """Wait, with a bound, until Jobs, their pods and Secrets of builds are gone."""
    for api_version, kind in (("batch/v1", "Job"), ("v1", "Pod"), ("v1", "Secret")):
        listing = shop.cluster.list(api_version, kind, shop.namespace, labels=MANAGED)
        left = {item["metadata"]["name"] for item in listing.items}
        watch = shop.cluster.watch(
            api_version,
            kind,
            shop.namespace,
            since=listing.resource_version,
            labels=MANAGED,
            timeout=timedelta(seconds=60),
        )
        for change in watch if left else ():
            left -= {change.object["metadata"]["name"]} if change.kind == "DELETED" else set()
            if not left:
                break
        assert not left, f"{kind} of builds are still there: {left}"


def test_images_are_built_side_by_side_not_twice_and_nothing_stays(
    shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    with jobs_seen(shop) as seen:
        assert shop.run("images", "build") == 0
    for name in ("api", "web"):
        key, version = shop.tags(name)
        assert key.startswith("ck-") and version == "v1"
    jobs = [each for each in seen.values() if each["kind"] == "Job"]
    assert len(jobs) == 2 and len(seen) == 4 and "hunter2" not in json.dumps(seen)
    begun = [job["status"]["startTime"] for job in jobs]
    ended = [job["status"]["completionTime"] for job in jobs]
    assert max(begun) <= min(ended)
    said = capfd.readouterr()
    assert "hunter2" not in said.out + said.err
    # The log is followed while it builds, the image's name in front.
    assert "image api | [1/2] STEP" in said.err and "image web | STEP" in said.err and "image api | Pushed" in said.err
    assert "hunter2" not in shop.config("api", "v1")
    until_nothing_is_left(shop)
    assert shop.run("images", "build") == 0
    assert capfd.readouterr().out.count("the same content is there") == 2


def test_no_more_jobs_at_once_than_wanted(shop: Shop) -> None:
    with jobs_seen(shop) as seen:
        assert shop.run("images", "build", "--max-parallel", "1") == 0
    jobs = sorted((each for each in seen.values() if each["kind"] == "Job"), key=lambda job: job["status"]["startTime"])
    assert jobs[0]["status"]["completionTime"] <= jobs[1]["status"]["startTime"]


def test_failed_build_shows_its_last_lines(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    text = (shop.root / "services.yaml").read_text().replace("npm-hunter2-token", "wrong-token-value")
    (shop.root / "services.yaml").write_text(text)
    assert shop.run("images", "build") == 1
    said = capfd.readouterr().err
    assert "image api" in said and "the build Job failed" in said and "BackoffLimitExceeded" in said
    assert shop.tags("web") and not shop.tags("api")
    until_nothing_is_left(shop)


def test_jobs_fit_where_pods_must_keep_the_baseline(shop: Shop) -> None:
    enforce = {"pod-security.kubernetes.io/enforce": "baseline"}
    shop.cluster.patch(Ref("v1", "Namespace", shop.namespace), {"metadata": {"labels": enforce}})
    image = BuiltImage("api", "r/api", "v1", build_args={"T": "t"}, build_contexts={"common": "shared"})
    place = JobPlace(shop.namespace, "shop-workspace", "src", "kaniko:1", IMAGE, docker_config="{}", authorities="-")
    secret = build_secret("build-api", image, "FROM a", place)

    def pod(where: JobPlace) -> Manifest:
        job = build_job("build-api", image, ["r/api:ck-1"], {}, where, KanikoOptions(), secret)
        template = job["spec"]["template"]
        metadata = {"name": "build-api", "namespace": shop.namespace}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}

    assert shop.cluster.apply(pod(place), dry_run=True)["spec"]["containers"][0]["resources"]["requests"]
    with pytest.raises(ApiError, match="baseline"):
        shop.cluster.apply(pod(replace(place, privileged=True)), dry_run=True)


def begin_build(shop: Shop) -> subprocess.Popen[bytes]:
    """``images build`` as a process, just after its first Job has appeared."""
    build = subprocess.Popen(
        [sys.executable, "-m", "codexctl_ci", "images", "build"], env=shop.environ(), preexec_fn=heed_interrupts
    )
    for change in shop.cluster.watch("batch/v1", "Job", shop.namespace, since="", timeout=timedelta(seconds=60)):
        if change.object["metadata"]["name"].startswith("build-api"):
            break
    return build


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_build_leaves_nothing(shop: Shop, number: signal.Signals) -> None:
    build = begin_build(shop)
    build.send_signal(number)
    assert build.wait(60) == 130
    until_nothing_is_left(shop)


def test_build_of_a_killed_run_is_joined_and_taken_away(shop: Shop) -> None:
    killed = begin_build(shop)
    killed.kill()
    killed.wait()
    (begun,) = (job["metadata"]["uid"] for job in shop.builds() if job["metadata"]["name"].startswith("build-api"))
    with jobs_seen(shop) as seen:
        assert shop.run("images", "build") == 0
    assert {job["metadata"]["uid"] for name, job in seen.items() if job["kind"] == "Job" and "-api-" in name} <= {begun}
    until_nothing_is_left(shop)
