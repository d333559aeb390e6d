"""Registries and builders from a command's settings."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path, PurePosixPath

from codexctl_ci import process
from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.cli.wiring.cluster import cache_dir, open_cluster
from codexctl_ci.errors import ConfigError
from codexctl_ci.guardrails.secret_names import names_a_secret
from codexctl_ci.images.connection import Trust, proxies_of
from codexctl_ci.images.credentials import load_docker_config
from codexctl_ci.images.file_hashes import FileHashes
from codexctl_ci.images.kaniko import KanikoOptions
from codexctl_ci.images.recipes import Recipes
from codexctl_ci.images.reference import parse_reference
from codexctl_ci.images.registry import Registries
from codexctl_ci.ports import ClusterApi, ImageBuilder
from codexctl_ci.readiness.outcome import WaitResult
from codexctl_ci.stack.images import BuiltImage, ExternalImage
from codexctl_ci.stack.objects import Ref
from codexctl_ci.stack.project import Project

_CLOUD_LOGIN = ("AWS_", "GOOGLE_", "AZURE_", "DOCKER_", "KANIKO_")
_SYSTEM = ("/", "/usr", "/usr/local")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm/v7"}


def open_registries(inv: Invocation, project: Project, images: Iterable[ExternalImage | BuiltImage]) -> Registries:
    """All registries, with Docker's own logins. Where the settings say so, those of the project's images are plain."""
    environ, own = inv.environ, own_hosts(images)
    unchecked = own if inv.settings[o.KANIKO_SKIP_TLS_VERIFY] else frozenset()
    mirrors = mirrors_of(inv)
    trust = Trust(
        plain=(
            own | {mirror.partition("/")[0] for mirror in mirrors} if inv.settings[o.KANIKO_INSECURE] else frozenset()
        )
        | _local(project),
        unchecked=unchecked,
        unchecked_everywhere=inv.settings[o.KANIKO_SKIP_TLS_VERIFY_PULL],
        ca_file=environ.get("SSL_CERT_FILE") or environ.get("REQUESTS_CA_BUNDLE") or "",
        proxies=proxies_of(environ),
    )
    return Registries(trust, load_docker_config(environ, inv.redact.register), mirrors)


def own_hosts(images: Iterable[ExternalImage | BuiltImage]) -> frozenset[str]:
    """The registries that hold the project's images."""
    return frozenset(parse_reference(image.reference).host for image in images)


def _local(project: Project) -> frozenset[str]:
    local = project.environment.local_registry
    if local is None or not local.enabled:
        return frozenset()
    return frozenset({f"localhost:{local.port}", *([f"{local.name}:{local.port}"] if local.name else [])})


def mirrors_of(inv: Invocation) -> tuple[str, ...]:
    """Pull-through caches of Docker Hub, by the option or as Kaniko's own variable names them."""
    parts = (part.strip() for given in inv.settings[o.REGISTRY_MIRROR] for part in given.split(";"))
    return tuple(part for part in parts if part)


def open_recipes(inv: Invocation, project: Project) -> Recipes:
    """What the project's builds are made from."""
    machine = platform.machine()

    def is_secret(name: str, value: str) -> bool:
        return names_a_secret(name) or inv.redact.finds(value)

    root = checkout_root(inv, project)
    return Recipes(
        root,
        f"linux/{_MACHINES.get(machine, machine)}",
        "kaniko",
        is_secret,
        FileHashes(_remembered(inv, root)),
        partial(_revision, inv.environ, root),
    )


def _remembered(inv: Invocation, root: Path) -> Path | None:
    name = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    cache = cache_dir(inv)
    return cache / "contexts" / f"{name}.json" if cache else None


def _revision(environ: Mapping[str, str], root: Path) -> str:
    argv = ["git", "-c", "safe.directory=*", "-C", str(root), "rev-parse", "--verify", "--quiet", "HEAD"]
    try:
        done = process.run(argv, env={"PATH": environ.get("PATH", os.defpath), "GIT_CONFIG_GLOBAL": os.devnull})
    except OSError:
        return ""
    return done.stdout.decode().strip() if done.ok else ""


def project_root(project: Project) -> Path:
    """The folder that holds services.yaml."""
    return Path(project.context.project_root)


def checkout_root(inv: Invocation, project: Project) -> Path:
    """The code that images are built from: the checkout that --source names, else where services.yaml lies."""
    source = inv.settings[o.SOURCE] if o.SOURCE.name in inv.settings.values else ""
    return Path(source).resolve() if source else project_root(project)


def uses_job(inv: Invocation) -> bool:
    """Whether images are built by Jobs in the cluster: asked for, or no executor may run here."""
    builder = inv.settings[o.BUILDER]
    if builder != "auto":
        return builder == "job"
    return not Path(inv.settings[o.KANIKO_EXECUTOR]).exists() or (bool(inv.settings[o.KANIKO_IMAGE]) and on_runner(inv))


def on_runner(inv: Invocation) -> bool:
    """Whether Kaniko here would unpack images over a runner of which nobody has said that it is made for that."""
    return not inv.settings[o.KANIKO_RUNNER] and process.runs_below("Runner.Worker")


def spoils(inv: Invocation) -> bool:
    """Whether Kaniko may not run here: it would unpack images over a runner that isn't made for that."""
    return on_runner(inv) and not made_for_kaniko(Path(inv.settings[o.KANIKO_EXECUTOR]), inv.environ)


def made_for_kaniko(executor: Path, environ: Mapping[str, str], root: Path = Path("/")) -> bool:
    """Whether the machine with this ``root`` is a container whose image has Kaniko where Kaniko's own image has it.

    Whoever put it there built the runner for builds; an executor at another place, or on a machine, tells nothing.
    """
    contained = bool(environ.get("KUBERNETES_SERVICE_HOST")) or any(
        (root / mark).exists() for mark in (".dockerenv", "run/.containerenv")
    )
    return contained and executor == root / "kaniko" / "executor" and executor.is_file()


def open_builder(
    inv: Invocation,
    project: Project,
    images: Iterable[ExternalImage | BuiltImage],
    pushed: Callable[[str], str | None],
    cluster: ClusterApi | None = None,
    folder: PurePosixPath | None = None,
) -> ImageBuilder:
    """Kaniko, where the settings want it. Raises ConfigError where it can be had nowhere.

    ``pushed`` tells the digest of an image; ``cluster`` is the identity that Jobs go with, None for our own. They take
    the sources from ``folder`` in the workspace volume, else from the environment's own.
    """
    chosen = list(images)
    for image in chosen:
        if isinstance(image, BuiltImage):
            for name, value in image.build_args.items():
                if names_a_secret(name):
                    inv.redact.register(value)
    return _jobs(inv, project, chosen, pushed, cluster, folder) if uses_job(inv) else _executor(inv, project)


def _executor(inv: Invocation, project: Project) -> ImageBuilder:
    from codexctl_ci.images.kaniko_executor import KanikoExecutor

    if spoils(inv):
        raise ConfigError(
            "Kaniko would unpack images over the runner that this job runs on",
            hint="build in Jobs (--kaniko-image), in a container of its own (`container:` of the job), or on a runner "
            "whose image has Kaniko at /kaniko/executor; where this runner is made for builds and thrown away after "
            "the job, say so with --kaniko-runner",
        )
    root = checkout_root(inv, project)
    options = _options(inv, project, tuple(str(path) for path in _kept(root)))
    return KanikoExecutor(Path(inv.settings[o.KANIKO_EXECUTOR]), root, options, _harmless(inv.environ))


def _jobs(
    inv: Invocation,
    project: Project,
    images: Iterable[ExternalImage | BuiltImage],
    pushed: Callable[[str], str | None],
    cluster: ClusterApi | None,
    folder: PurePosixPath | None,
) -> ImageBuilder:
    from codexctl_ci.cli.wiring.workspace import claim_of, folder_of, sources_in
    from codexctl_ci.images.kaniko_job import KanikoJobs
    from codexctl_ci.images.kaniko_manifest import JobPlace
    from codexctl_ci.operations.wait import wait_until_ready

    settings, environ = inv.settings, inv.environ
    if not settings[o.KANIKO_IMAGE]:
        raise ConfigError(
            f"there is no Kaniko at {settings[o.KANIKO_EXECUTOR]}, and no image for build Jobs",
            hint="run this in a container that has it (--kaniko-executor), or name Kaniko's image with --kaniko-image",
        )
    api = cluster or open_cluster(inv, project.environment)
    sources = sources_in(folder or folder_of(inv, project.env, project.slot))
    authorities = environ.get("SSL_CERT_FILE") or environ.get("REQUESTS_CA_BUNDLE") or ""
    recipes = open_recipes(inv, project)
    bases = [base for image in images if isinstance(image, BuiltImage) for base in recipes.bases(image)]
    hosts = own_hosts(images) | {parse_reference(base).host for base in bases}
    place = JobPlace(
        namespace=project.namespace,
        claim=claim_of(inv, project),
        sources=sources.as_posix(),
        image=settings[o.KANIKO_IMAGE],
        gather_image=settings[o.SYNC_IMAGE],
        environ={f"{scheme.upper()}_PROXY": value for scheme, value in proxies_of(environ).items()},
        docker_config=load_docker_config(environ, inv.redact.register).text_for(sorted(hosts)),
        authorities=Path(authorities).read_text() if authorities else "",
        privileged=settings[o.KANIKO_PRIVILEGED],
    )

    def wait(ref: Ref) -> WaitResult:
        return wait_until_ready(api, [ref], timeout=place.timeout + timedelta(minutes=1))

    options = _options(inv, project)
    parallel = max(1, settings[o.MAX_PARALLEL])
    return KanikoJobs(api, wait, recipes.dockerfile, pushed, place, options, parallel=parallel)


def _options(inv: Invocation, project: Project, ignore: tuple[str, ...] = ()) -> KanikoOptions:
    return KanikoOptions(
        insecure=inv.settings[o.KANIKO_INSECURE],
        skip_tls_verify=inv.settings[o.KANIKO_SKIP_TLS_VERIFY],
        skip_tls_verify_pull=inv.settings[o.KANIKO_SKIP_TLS_VERIFY_PULL],
        plain=_local(project),
        mirrors=mirrors_of(inv),
        ignore=ignore,
    )


def _kept(root: Path) -> list[Path]:
    """What Kaniko must neither take into an image nor clean away: the project, and the Python that runs us."""
    found = {root, Path(sys.prefix), Path(sys.base_prefix)}
    return sorted(path for path in found if str(path) not in _SYSTEM)


def _harmless(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what a build has no business with. Logins for registries of clouds stay."""
    return {name: value for name, value in environ.items() if _concerns_builds(name)}


def _concerns_builds(name: str) -> bool:
    if name == "KANIKO_REGISTRY_MIRROR":
        return False
    return name.startswith(_CLOUD_LOGIN) or not (names_a_secret(name) or name.startswith(("CODEXCTL_", "ACTIONS_")))
