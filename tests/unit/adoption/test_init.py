"""What `init` writes into a repository loads, renders, and takes nothing away."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from codexctl_ci.adoption.components import exposed, is_dockerfile
from codexctl_ci.adoption.draft_services import full_reference
from codexctl_ci.adoption.values import is_secret, scalar
from codexctl_ci.cli.main import main
from codexctl_ci.errors import InvalidStack
from codexctl_ci.stack.images import image_plan
from codexctl_ci.stack.project import Project
from codexctl_ci.stack.rendering import render
from codexctl_ci.stack.variables import Inputs
from tests.support.dangling import dangling
from tests.support.projects import load, open_folder, write_files

COMPOSE = """
x-common: &common
  LOG: ${LOG_LEVEL:-info}
  DATABASE_URL: postgres://shop:in-the-url@db/shop
services:
  db:
    image: postgres:${PG_VERSION:-16}
    environment: [POSTGRES_PASSWORD=in-the-list, POSTGRES_USER=shop, "MOTTO={{ nice }} 'and' \\"so\\""]
    volumes: ["data:/var/lib/postgresql/data", "./init:/docker-entrypoint-initdb.d"]
  api:
    build: ./api
    environment: {<<: *common, FLAG: yes, PRICE: 5$$}
    depends_on: [db, cache]
    command: python -m api --port 8000
    expose: [8000]
  cache: {image: redis}
  web:
    build: {context: ., dockerfile: web/Dockerfile}
    ports: ["127.0.0.1:8080:80"]
    depends_on: {api: {condition: service_started}}
  codex: {image: other}
  outside: {build: ../elsewhere}
"""
REPOSITORIES = {
    "compose": {
        "compose.yaml": COMPOSE,
        "api/Dockerfile": "FROM python:3.13\n",
        "web/Dockerfile": "FROM nginx\nEXPOSE 80\n",
        "worker.Dockerfile": "FROM busybox\n",
    },
    "dockerfiles": {
        "Dockerfile": "FROM node\nEXPOSE 3000/tcp 3001/udp\n",
        "services/mail/Dockerfile": "FROM busybox\n",
        "docker/codex.Dockerfile": "FROM busybox\nEXPOSE 9000\n",
        "node_modules/x/Dockerfile": "FROM busybox\n",
    },
    "nothing": {"README.md": "Hello\n"},
    "no-compose": {"docker-compose.yml": "services: [}\n", "Dockerfile": "FROM busybox\nEXPOSE 80\n"},
}
GIVEN = Inputs(environ={"POSTGRES_PASSWORD": "given", "DATABASE_URL": "postgres://db"})
ENVIRONMENTS = (("dev", 0), ("ai-staging", 0), ("ai", 3), ("ai-repair", 1))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.parts
    }


def begin(folder: Path, name: str, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    write_files(folder, REPOSITORIES[name])
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run(["git", "remote", "add", "origin", "git@github.com:acme/My_Shop.git"], cwd=folder, check=True)
    assert main(["init", "-c", str(folder / "services.yaml"), *words], {"PATH": os.environ["PATH"]}) == 0
    return capsys.readouterr().out


def objects(project: Project) -> dict[str, dict[str, object]]:
    return {f"{m['kind']}/{m['metadata']['name']}": m for m in render(project).manifests}


@pytest.mark.parametrize("name", REPOSITORIES)
def test_what_is_written_loads_renders_and_refers_to_nothing_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    begin(tmp_path, name, capsys)
    for env, slot in ENVIRONMENTS:
        project = open_folder(tmp_path, env=env, slot=slot, inputs=GIVEN)
        rendered = render(project)
        assert (project.warnings, rendered.warnings, project.name) == ((), (), "my-shop")
        images = {image.reference for image in image_plan(project)}
        assert dangling(rendered.manifests, images=images, registry=project.spec.registry) == []
        assert ("Deployment/codex" in objects(project)) is (slot > 0)
    workflows = sorted(path.name for path in (tmp_path / ".github" / "workflows").iterdir())
    assert len(workflows) == 8 and all(
        yaml.safe_load((tmp_path / ".github/workflows" / w).read_text()) for w in workflows
    )


def test_a_compose_file_becomes_the_stack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = begin(tmp_path, "compose", capsys)
    values = {**GIVEN.environ, "LOG_LEVEL": "debug"}
    found = objects(open_folder(tmp_path, env="ai", slot=3, inputs=Inputs(environ=values)))
    assert found["Secret/db-env"]["stringData"] == {"POSTGRES_PASSWORD": "given"}
    ((host,),) = [[rule["host"] for rule in found["Ingress/web"]["spec"]["rules"]]]  # type: ignore[index]
    assert host == "dev-3.my-shop.localhost"
    (api,) = found["Deployment/api"]["spec"]["template"]["spec"]["containers"]  # type: ignore[index]
    (db,) = found["Deployment/db"]["spec"]["template"]["spec"]["containers"]  # type: ignore[index]
    assert api["args"] == ["python", "-m", "api", "--port", "8000"]
    plain = {entry["name"]: entry.get("value") for entry in (*api["env"], *db["env"])}
    assert plain["FLAG"] == "yes" and plain["PRICE"] == "5$" and plain["LOG"] == "debug"
    assert plain["MOTTO"] == "{{ nice }} 'and' \"so\"" and plain["DATABASE_URL"] is None
    assert db["image"] == "localhost:32000/my-shop/db:16" and db["volumeMounts"][0]["name"] == "data"
    assert "Service/cache" in found, "a stock image's port is known"
    assert render(open_folder(tmp_path, inputs=GIVEN)).layers[-1].name == "frontend"
    for note in ("worker.Dockerfile is used by no service", "codex is left out", "outside: is left out", "mounted"):
        assert note in said and note in (tmp_path / "CODEXCTL-CHECKLIST.md").read_text()


def test_no_secret_of_a_compose_file_is_written_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = begin(tmp_path, "compose", capsys)
    written = {path: text for path, text in contents(tmp_path).items() if path != "compose.yaml"}
    for secret in ("in-the-list", "in-the-url"):
        assert secret not in said and not [path for path, text in written.items() if secret.encode() in text]
    assert "`DATABASE_URL`, `POSTGRES_PASSWORD`" in written["CODEXCTL-CHECKLIST.md"].decode()


def drafted(folder: Path, capsys: pytest.CaptureFixture[str], compose: str) -> str:
    write_files(folder, {"compose.yaml": compose, "Dockerfile": "FROM python:3.13\nEXPOSE 8000\n"})
    assert main(["init", "-c", str(folder / "services.yaml")], {"PATH": os.environ["PATH"]}) == 0
    return capsys.readouterr().out


def test_command_of_its_own_without_ports_is_not_waited_for_on_the_images_port(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = drafted(tmp_path, capsys, "services:\n  api: {build: .}\n  worker: {build: ., command: python work.py}\n")
    found = objects(open_folder(tmp_path))
    assert "Service/api" in found and "Service/worker" not in found
    (worker,) = found["Deployment/worker"]["spec"]["template"]["spec"]["containers"]  # type: ignore[index]
    assert "readinessProbe" not in worker and "ports" not in worker
    assert "worker runs a command of its own and names no port" in said


def test_credential_that_nobody_gives_is_an_error_that_says_where_to_set_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compose = "services:\n  db:\n    image: postgres\n    environment: "
    compose += "{POSTGRES_PASSWORD: secret, A_TOKEN: '', B_KEY: '${B:-b}'}\n"
    drafted(tmp_path, capsys, compose)
    for environ in ({}, {"POSTGRES_PASSWORD": ""}):
        with pytest.raises(
            InvalidStack, match=r"deploy/db\.yaml:\d+.*POSTGRES_PASSWORD has no value: set it in"
        ) as caught:
            render(open_folder(tmp_path, inputs=Inputs(environ=environ)))
        assert "envFiles" in str(caught.value) and "CODEXCTL_TEMPLATE_SECRETS" in str(caught.value)
    services = tmp_path / "services.yaml"
    services.write_text(services.read_text().replace("# envFiles:", "envFiles:"))
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD=mine\n")
    given = {"POSTGRES_PASSWORD": "mine", "A_TOKEN": "", "B_KEY": "b"}
    assert objects(open_folder(tmp_path))["Secret/db-env"]["stringData"] == given


def test_what_compose_says_is_taken_over_or_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compose = """
services:
  api:
    build: {context: ., target: dev, args: {LEVEL: "2", NPM_TOKEN: "${NPM_TOKEN}", SECRET: literal}}
    ports: ["8000:8000", "9000:9000", "53:53/udp"]
    deploy: {replicas: 3, resources: {limits: {memory: 1G}}}
    healthcheck: {test: curl localhost}
    restart: always
    container_name: api
    depends_on: {migrate: {condition: service_completed_successfully}}
  migrate: {build: ., command: migrate, restart: "no", ulimits: {nofile: 9}}
  db: {image: postgres, scale: 2, volumes: ["data:/data"]}
volumes: {data: {}}
"""
    said = drafted(tmp_path, capsys, compose)
    project = open_folder(tmp_path, inputs=Inputs(environ={"NPM_TOKEN": "t"}))
    found = objects(project)
    (built,) = [image.build_args for image in image_plan(project) if image.name == "api" and image.type == "build"]
    assert built == {"LEVEL": "2", "NPM_TOKEN": "t", "SECRET": ""}
    assert [port["port"] for port in found["Service/api"]["spec"]["ports"]] == [8000, 9000]  # type: ignore[index]
    assert found["Deployment/api"]["spec"]["replicas"] == 3  # type: ignore[index]
    for note in (
        "api: build.target is left out",
        "api: port 53:53/udp is left out",
        "api: deploy.resources is left out",
        "api: healthcheck is left out: make it the readinessProbe",
        "api: depends_on one that ends",
        "migrate: restart: ",
        "migrate: ulimits is left out",
        "db: 2 replicas are left out",
    ):
        assert note in said, note
    for silent in ("container_name", "api: restart", "deploy.replicas", "build.args"):
        assert silent not in said


def test_dockerfiles_alone_become_services(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin(tmp_path, "dockerfiles", capsys)
    project = open_folder(tmp_path, env="dev")
    plan = {image.name: (image.dockerfile, image.context) for image in image_plan(project) if image.type == "build"}
    assert plan == {
        "my-shop": ("Dockerfile", "."),
        "mail": ("services/mail/Dockerfile", "services/mail"),
        "codex-2": ("docker/codex.Dockerfile", "."),
    }
    assert "Service/my-shop" in objects(project) and "Service/mail" not in objects(project)


@pytest.mark.parametrize("name", REPOSITORIES)
def test_nothing_that_is_there_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    mine = {".github/workflows/ai_cleanup.yml": "mine\n", "deploy/codex.yaml": "mine too\n"}
    write_files(tmp_path, mine)
    (tmp_path / "CODEXCTL-CHECKLIST.md").symlink_to("nowhere")
    assert "would write" in begin(tmp_path, name, capsys, "--dry-run")
    assert set(contents(tmp_path)) == {*mine, *REPOSITORIES[name]}
    main(["init", "-c", str(tmp_path / "services.yaml")], {})
    assert {path: (tmp_path / path).read_text() for path in mine} == mine
    assert not (tmp_path / "nowhere").exists()
    before = contents(tmp_path)
    assert main(["init", "-c", str(tmp_path / "services.yaml")], {}) == 0
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("words", "branch"),
    [
        ("", "trunk"),
        ("branch main; switch -q -c feature", "main"),
        ("branch master", "master"),
        (
            "update-ref refs/remotes/origin/main HEAD; update-ref refs/remotes/origin/dev/all HEAD;"
            " symbolic-ref refs/remotes/origin/HEAD refs/remotes/origin/dev/all",
            "dev/all",
        ),
        ("switch -q -c {{x", "main"),
    ],
    ids=["checked-out", "main-is-there", "master-is-there", "the-servers", "odd-name"],
)
def test_staging_is_deployed_from_the_default_branch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str, branch: str
) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    for line in ["init -q -b trunk", "commit -q --allow-empty -m x", *(w.strip() for w in words.split(";") if w)]:
        subprocess.run(["git", *who, *line.split()], cwd=tmp_path, check=True)
    assert main(["init", "-c", str(tmp_path / "services.yaml")], {"PATH": os.environ["PATH"]}) == 0
    workflow = yaml.load((tmp_path / ".github/workflows/ai_staging_deploy.yml").read_text(), yaml.BaseLoader)
    assert workflow["on"] == {"push": {"branches": [branch]}}
    assert f"Push to `{branch}`" in (tmp_path / "CODEXCTL-CHECKLIST.md").read_text()


def test_a_stack_below_the_root_is_named_to_the_workflows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".git").mkdir()
    write_files(tmp_path, {"infra/app.yaml": "project: shop\n"})
    assert main(["init", "-c", str(tmp_path / "infra" / "app.yaml")], {}) == 0
    assert "app.yaml: no manifests are drafted" in capsys.readouterr().out
    (job,) = yaml.safe_load((tmp_path / ".github/workflows/ai_dev_issue.yml").read_text())["jobs"].values()
    assert job["with"] == {"working-directory": "infra", "config": "app.yaml"}
    assert sorted(path.name for path in (tmp_path / "infra").iterdir()) == ["app.yaml"]


@given(
    st.text(
        st.characters(
            codec="utf-8", exclude_characters="$\r\x85\u2028\u2029\ufeff", exclude_categories=["Cc", "Cs", "Cn"]
        )
    )
)
def test_any_value_survives_the_template(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    folder = tmp_path_factory.mktemp("value")
    manifest = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\ndata:\n  a: {scalar(value + '${X:-d}')}\n"
    manifest += f"  b: {scalar(value)}\n"
    services = "project: shop\ntemplates: {dialect: jinja}\ninfrastructure: [{name: a, manifests: [{path: a.yaml}]}]\n"
    (folder / "a.yaml").write_text(manifest, "utf-8")
    (rendered,) = render(load(folder, services)).manifests
    assert rendered["data"] == {"a": value + "d", "b": value}


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ("redis", "docker.io/library/redis:latest"),
        ("bitnami/redis:7", "docker.io/bitnami/redis:7"),
        ("ghcr.io/a/b", "ghcr.io/a/b:latest"),
        ("localhost:5000/a:1", "localhost:5000/a:1"),
        ("localhost:5000/a", "localhost:5000/a:latest"),
        ("a@sha256:00", "docker.io/library/a@sha256:00"),
        ("postgres:${V:-16}", "docker.io/library/postgres:${V:-16}"),
        ("${REGISTRY}/a:1", "${REGISTRY}/a:1"),
    ],
)
def test_images_are_named_in_full(image: str, reference: str) -> None:
    assert full_reference(image) == reference


def test_ports_and_names_are_read_as_docker_reads_them() -> None:
    assert exposed("expose 80 443/tcp 53/udp\nEXPOSE 80 # again\nEXPOSE $PORT 70000\n") == (80, 443)
    assert is_dockerfile("a/Dockerfile") and is_dockerfile("Dockerfile.dev") and is_dockerfile("x.Dockerfile")
    assert not any(map(is_dockerfile, (".devcontainer/Dockerfile", "vendor/a/Dockerfile", "Dockerfile.md", "a.txt")))
    assert is_secret("DB_PASSWORD", "") and is_secret("X", "amqp://a:b@c") and not is_secret("KEYBOARD", "us")
