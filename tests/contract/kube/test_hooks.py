"""Hooks as `apply` and `destroy` run them: when, in which order, and what becomes of what they say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from codexctl_ci.cli.main import main
from codexctl_ci.kube.client import Cluster
from codexctl_ci.stack.objects import Ref
from tests.contract.kube.stacks import config_map
from tests.support.projects import write_files

pytestmark = pytest.mark.sandbox

STAGES = ("beforeApply", "afterApply", "beforeDestroy", "afterDestroy")
Call = Callable[..., int]


@pytest.fixture
def said(tmp_path: Path) -> Path:
    return tmp_path / "said"


@pytest.fixture
def environ(kubeconfig: Path, tmp_path: Path) -> dict[str, str]:
    # No profile of the machine's own in the way of what a test does.
    return {"KUBECONFIG": str(kubeconfig), "HOME": str(tmp_path), "PATH": os.environ["PATH"]}


@pytest.fixture
def call(environ: dict[str, str], namespace: str, tmp_path: Path) -> Call:
    def run(*words: str, **more: str) -> int:
        place = ["--config", str(tmp_path / "services.yaml"), "--env", "dev", "--namespace", namespace]
        return main([*words, *place], environ | more)

    return run


def note(said: Path, *words: str) -> str:
    """A script that notes words, and the ConfigMaps that are there at that moment."""
    there = f"$({shutil.which('kubectl')} -n $CODEXCTL_NAMESPACE get configmaps -l app -o name | sed 's,.*/,,' | xargs)"
    return f"echo {' '.join(words)}: {there} >> {said}"


def item(said: Path, name: str, **more: object) -> dict[str, object]:
    """A group or service of one ConfigMap that notes each of its stages."""
    hooks = {stage: [{"name": "note", "run": note(said, stage, name)}] for stage in STAGES}
    return {"name": name, "manifests": [{"path": f"{name}.yaml"}], "hooks": hooks, **more}


def write(folder: Path, said: Path, *services: dict[str, object], **more: object) -> None:
    around = {stage: [{"run": note(said, stage)}] for stage in ("beforeAll", "afterAll")}
    document = {
        "project": "shop",
        "infrastructure": [item(said, "db")],
        "services": [item(said, "web"), item(said, "off", when="no"), *services],
        "hooks": around,
        **more,
    }
    objects = {name: config_map(name, key="1") for name in ("db", "web", "off")}
    for name, manifest in objects.items():
        manifest["metadata"]["labels"] = {"app": name}
        (folder / f"{name}.yaml").write_text(json.dumps(manifest))
    write_files(folder, {"services.yaml": json.dumps(document, indent=1)})


def lines(said: Path) -> list[str]:
    """What was noted since the last look."""
    text = said.read_text() if said.exists() else ""
    said.unlink(missing_ok=True)
    return [line.rstrip(": ") for line in text.splitlines()]


def test_stages_of_apply_and_destroy_gated_by_when_and_filters(call: Call, said: Path, tmp_path: Path) -> None:
    write(tmp_path, said)
    assert call("apply") == 0
    assert lines(said) == [
        "beforeAll",
        "beforeApply db",
        "beforeApply web",
        "afterApply db: db web",
        "afterApply web: db web",
        "afterAll: db web",
    ]
    assert call("destroy", "--dry-run") == 0 and call("apply", "--dry-run") == 0
    assert lines(said) == []
    assert call("destroy", "--only-services", "web", "--skip-infra", "db") == 0
    assert lines(said) == ["beforeAll: db web", "beforeDestroy web: db web", "afterDestroy web: db", "afterAll: db"]
    assert call("apply", "--only-infra", "db", "--skip-services", "web,off") == 0
    assert [line for line in lines(said) if "web" in line or "off" in line] == []
    assert call("destroy") == 0
    assert lines(said) == [
        "beforeAll: db",
        "beforeDestroy db: db",
        "beforeDestroy web: db",
        "afterDestroy db",
        "afterDestroy web",
        "afterAll",
    ]


def test_a_layer_goes_with_its_own_hooks_around_it_and_the_last_goes_first(
    call: Call, said: Path, tmp_path: Path
) -> None:
    write(tmp_path, said)
    document = json.loads((tmp_path / "services.yaml").read_text())
    document["services"][0]["deployGroup"] = "frontend"
    (tmp_path / "services.yaml").write_text(json.dumps(document))
    assert call("apply") == 0
    assert lines(said)[1:5] == ["beforeApply db", "afterApply db: db", "beforeApply web: db", "afterApply web: db web"]
    assert call("destroy") == 0
    assert lines(said)[1:5] == [
        "beforeDestroy web: db web",
        "afterDestroy web: db",
        "beforeDestroy db: db",
        "afterDestroy db",
    ]


def test_a_hook_that_fails_stops_a_destroy_and_the_next_one_completes_it(
    call: Call, cluster: Cluster, namespace: str, said: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, said)
    assert call("apply") == 0
    document = json.loads((tmp_path / "services.yaml").read_text())
    web = document["services"][0]["hooks"]
    web["beforeDestroy"] = [
        {"name": "backup", "run": f"test -e {tmp_path}/may || {{ echo no room for $CODEXCTL_GH_PAT; exit 3; }}"}
    ]
    (tmp_path / "services.yaml").write_text(json.dumps(document))
    lines(said)
    assert call("destroy", CODEXCTL_GH_PAT="hunter2-hunter2") == 1
    err = capsys.readouterr().err
    assert "service web beforeDestroy backup" in err and "exit code 3" in err and "no room for ***" in err
    assert "hunter2" not in err
    assert lines(said) == ["beforeAll: db web", "beforeDestroy db: db web"]
    assert cluster.get(Ref("v1", "ConfigMap", "web", namespace)) is not None
    (tmp_path / "may").touch()
    assert call("destroy") == 0
    assert cluster.get(Ref("v1", "ConfigMap", "web", namespace)) is None


def test_output_is_streamed_and_redacted_and_a_timeout_ends_the_whole_group(
    environ: dict[str, str], namespace: str, said: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "gate")
    stuck = f"(trap '' TERM; echo $BASHPID > {tmp_path}/child; exec sleep 600) & wait"
    steps = [
        {"name": "talk", "run": f"echo first $PASSWORD_OF_SHOP; read line < {tmp_path}/gate; echo $line"},
        {"name": "stuck", "run": stuck, "timeout": "2s"},
    ]
    write(tmp_path, said, hooks={"beforeAll": steps})
    argv = [sys.executable, "-m", "codexctl_ci", "destroy", "--env", "dev", "--namespace", namespace]
    started = subprocess.Popen(
        argv,
        cwd=tmp_path,
        env=environ | {"PYTHONPATH": str(Path.cwd()), "PASSWORD_OF_SHOP": "hunter2-hunter2"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stderr
    heard = next(line for line in started.stderr if "first" in line)
    assert "beforeAll talk | first ***" in heard
    # It was heard while the script still waits for this.
    (tmp_path / "gate").write_text("second\n")
    assert "second" in next(line for line in started.stderr if "second" in line)
    rest = started.stderr.read()
    assert started.wait() == 1 and "did not end within 2.0s" in rest and "hunter2" not in heard + rest
    child = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
    assert not child.exists() or child.read_text().rpartition(")")[2].split()[0] == "Z"
