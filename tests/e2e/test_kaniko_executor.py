"""The executor that the sandbox offers, on the node and as a Job; a real one must pass the same tests."""

import json
import subprocess
from pathlib import Path

import pytest

from sandbox.state import State
from tests.support.kubectl import Kubectl

INSECURE = ("--insecure", "--skip-tls-verify", "--insecure-pull", "--skip-tls-verify-pull")


@pytest.fixture
def project(tmp_path: Path, sandbox: State) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Dockerfile").write_text(
        f"FROM {sandbox.registry}/library/busybox:1.37.0\n"
        "ARG GREETING=none\n"
        "COPY message /message\n"
        'RUN echo "$GREETING" >/greeting\n'
        'LABEL made-by="test"\n'
        'CMD ["cat", "/greeting"]\n'
    )
    (folder / "message").write_text("from the context\n")
    return folder


def execute(sandbox: State, *flags: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    argv = [str(sandbox.kaniko_executor), "--force", *flags]
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def crane(*arguments: str) -> str:
    return subprocess.run(["crane", *arguments], capture_output=True, text=True, timeout=60, check=True).stdout


def test_builds_pushes_to_every_destination_and_says_the_digest(
    sandbox: State, project: Path, tmp_path: Path, namespace: str
) -> None:
    names = [f"{sandbox.registry}/{namespace}/app:{tag}" for tag in ("one", "two")]
    destinations = [f"--destination={name}" for name in names]
    notes = [f"--digest-file={tmp_path}/digest", f"--image-name-with-digest-file={tmp_path}/names"]

    built = execute(
        sandbox, f"--context={project}", "--dockerfile=Dockerfile", "--build-arg=GREETING=hi", "--cache=false",
        "--snapshot-mode=redo", "--single-snapshot", "--label", "a=b", *destinations, *notes, *INSECURE,
    )  # fmt: skip

    assert built.returncode == 0, built.stderr
    digest = (tmp_path / "digest").read_text()
    assert [crane("digest", "--insecure", name).strip() for name in names] == [digest, digest]
    repository = f"{sandbox.registry}/{namespace}/app"
    assert (tmp_path / "names").read_text().split() == [f"{repository}@{digest}"] * 2
    config = json.loads(crane("config", "--insecure", names[0]))["config"]
    assert config["Labels"]["made-by"] == "test"
    assert config["Labels"]["a"] == "b"


def test_image_runs_in_a_pod(sandbox: State, project: Path, kubectl: Kubectl) -> None:
    image = f"{sandbox.registry}/{kubectl.namespace}/app:1"
    built = execute(
        sandbox, f"--context=dir://{project}", "--build-arg", "GREETING=hello", "-d", image, *INSECURE
    )  # fmt: skip
    assert built.returncode == 0, built.stderr

    kubectl("run", "app", f"--image={image}", "--restart=Never")
    kubectl.wait("pod/app", "jsonpath={.status.phase}=Succeeded")

    assert kubectl("logs", "app") == "hello\n"


def test_build_argument_without_value_comes_from_the_environment(
    sandbox: State, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREETING", "from outside")
    tar = tmp_path / "image.tar"

    built = execute(
        sandbox, f"--context={project}", "--build-arg=GREETING", "--no-push", f"--tar-path={tar}",
        "--destination=app:1", f"--digest-file={tmp_path}/digest", *INSECURE,
    )  # fmt: skip

    assert built.returncode == 0, built.stderr
    assert (tmp_path / "digest").read_text().startswith("sha256:")
    exported = subprocess.run(["crane", "export", "-", "-"], stdin=tar.open("rb"), capture_output=True, check=True)
    assert b"from outside\n" in exported.stdout


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--no-such-flag",), "unknown flag: --no-such-flag"),
        (("--no-push", "--cache=maybe"), "invalid argument"),
        (("--context=.",), "you must provide --destination, or use --no-push"),
        (("--context=.", "--no-push", "--cache"), "specify cache repo with --cache-repo"),
        (("--context=.", "--no-push", "--dockerfile=Nowhere"), "please provide a valid path to a Dockerfile"),
        (("--context=.", "--no-push", "--dockerfile"), "flag needs an argument: --dockerfile"),
    ],
)
def test_wrong_command_line_is_refused(sandbox: State, project: Path, flags: tuple[str, ...], message: str) -> None:
    refused = execute(sandbox, *flags, cwd=project)

    assert refused.returncode == 1
    assert message in refused.stderr + refused.stdout


def test_failing_step_fails_the_build(sandbox: State, project: Path) -> None:
    (project / "Dockerfile").write_text(f"FROM {sandbox.registry}/library/busybox:1.37.0\nRUN exit 9\n")

    failed = execute(sandbox, f"--context={project}", "--no-push", *INSECURE)

    assert failed.returncode != 0


def test_docker_hub_names_come_from_the_mirror(sandbox: State, project: Path, tmp_path: Path) -> None:
    (project / "Dockerfile").write_text("FROM busybox:1.37.0\nRUN true\n")

    built = execute(
        sandbox, f"--context={project}", "--no-push", f"--registry-mirror={sandbox.registry}",
        f"--insecure-registry={sandbox.registry}", f"--digest-file={tmp_path}/digest",
    )  # fmt: skip

    assert built.returncode == 0, built.stderr


def test_builds_as_a_job(sandbox: State, kubectl: Kubectl) -> None:
    image = f"{sandbox.registry}/{kubectl.namespace}/from-job:1"
    dockerfile = f"FROM {sandbox.registry}/library/busybox:1.37.0\nRUN echo built >/greeting\nCMD cat /greeting\n"
    kubectl.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "context"}, "data": {"Dockerfile": dockerfile}},
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "build"},
            "spec": {
                "backoffLimit": 0,
                "template": {
                    "spec": {
                        "restartPolicy": "Never",
                        "volumes": [{"name": "context", "configMap": {"name": "context"}}],
                        "containers": [
                            {
                                "name": "kaniko",
                                "image": sandbox.kaniko_image,
                                "args": [f"--destination={image}", *INSECURE],
                                "securityContext": {"privileged": True},
                                "volumeMounts": [{"name": "context", "mountPath": "/workspace"}],
                            }
                        ],
                    }
                },
            },
        },
    )
    kubectl.wait("job/build", "condition=Complete", seconds=90)

    kubectl("run", "built", f"--image={image}", "--restart=Never")
    kubectl.wait("pod/built", "jsonpath={.status.phase}=Succeeded")

    assert kubectl("logs", "built") == "built\n"
