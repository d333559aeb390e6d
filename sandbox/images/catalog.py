"""Which images the sandbox's registry holds from the start."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sandbox.bootstrap.cache import cache_root, digest, ensure
from sandbox.bootstrap.progress import Progress, SetupError
from sandbox.images.layers import Layer, debian_layer, files_layer, packages_layer
from sandbox.images.oci import Image
from sandbox.images.registry_storage import write_registry

PAUSE = "pause:1"
KANIKO_STAND_IN = "codexctl-ci/kaniko-stand-in:latest"
REAL_KANIKO = "codexctl-ci/kaniko:latest"
BUSYBOX = Path("/bin/busybox")
_HERE = Path(__file__).parent
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CODEX_FILES = ("bin/codex", "bin/codex-code-mode-host", "codex-path/rg", "codex-resources/bwrap", "codex-package.json")
_APPLETS = (
    "[ awk base64 basename cat chmod chown chroot cmp cp cut date dd df diff dirname du echo env expr false find grep"
    " gunzip gzip head hostname httpd id install kill ln ls md5sum mkdir mkfifo mktemp mv nc nproc nslookup od ping"
    " printenv printf ps pwd readlink realpath rm rmdir sed seq sh sha256sum sleep sort stat stty sync tail tar tee"
    " test timeout touch tr true tty umount uname uniq unzip vi watch wc wget which whoami xargs yes"
)


def base_images(tree: Path, real_kaniko: Path | None, progress: Progress) -> list[Image]:
    """All images; makes the layers that are missing in the cache.

    `real_kaniko` is a static executor that gets an image of its own, where there is one.
    """
    with ThreadPoolExecutor(max_workers=2) as pool:
        debian = debian_layer(progress)
        postgres = pool.submit(packages_layer, "postgresql", debian, ("postgresql",), progress)
        nginx = pool.submit(packages_layer, "nginx", debian, ("nginx-light", "gettext-base"), progress)
        buildah = pool.submit(packages_layer, "buildah", debian, ("buildah", "runc"), progress)
        images = [*_small_images(), *_debian_images(tree, debian), _postgres_image(debian, postgres.result())]
        images.append(_nginx_image(debian, nginx.result()))
        images.append(_kaniko_stand_in(tree, debian, buildah.result()))
    if real_kaniko:
        images.append(_kaniko_image(real_kaniko))
    return images


def ensure_registry(images: Sequence[Image]) -> Path:
    """Returns the folder with the storage of a registry that holds the images."""
    folder = cache_root() / "registry" / f"storage-{catalog_key(images)}"
    return ensure(folder, lambda scratch: write_registry(scratch, images))


def catalog_key(images: Sequence[Image]) -> str:
    """Changes with any content or name."""
    return digest(*(image.manifest() for image in images), repr([image.names for image in images]))


def _small_images() -> list[Image]:
    links = {f"bin/{applet}": "busybox" for applet in _APPLETS.split()}
    accounts: dict[str, tuple[bytes | Path, int]] = {
        "bin/busybox": (BUSYBOX, 0o755),
        "etc/passwd": (b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n", 0o644),
        "etc/group": (b"root:x:0:\nnobody:x:65534:\n", 0o644),
        "tmp/.keep": (b"", 0o644),
        "root/.keep": (b"", 0o644),
    }
    layer = files_layer("busybox", accounts, links)
    return [
        Image((PAUSE,), (layer,), command=("/bin/sleep", "2147483647")),
        Image(
            ("library/busybox:1.37.0", "library/busybox:latest"), (layer,), command=("sh",), environment={"PATH": _PATH}
        ),
    ]


def _debian_images(tree: Path, debian: Layer) -> list[Image]:
    environment = {"PATH": _PATH, "LANG": "C.UTF-8"}
    record = next((tree / ".venv" / "lib").glob("python*/site-packages/openai_codex_cli_bin-*/RECORD"), None)
    if record is None:
        raise SetupError("the Codex package is not in .venv; remove .venv and try again")
    package = record.parents[1] / "codex_cli_bin"
    files: dict[str, tuple[bytes | Path, int]] = {
        f"opt/codex/{name}": (package / name, 0o644 if name.endswith(".json") else 0o755) for name in _CODEX_FILES
    }
    codex = files_layer("codex", files, {"usr/local/bin/codex": "/opt/codex/bin/codex"}, version=record)
    sleep = ("sleep", "infinity")
    return [
        Image(
            ("library/debian:bookworm", "library/debian:bookworm-slim"), (debian,), ("bash",), environment=environment
        ),
        Image(("codexctl-ci/codex:latest",), (debian, codex), sleep, environment=environment),
    ]


def _postgres_image(debian: Layer, postgresql: Layer) -> Image:
    version = "15"
    script = _HERE / "postgres-entrypoint.sh"
    entrypoint = files_layer("postgres-entrypoint", {"usr/local/bin/docker-entrypoint.sh": (script, 0o755)})
    return Image(
        (f"library/postgres:{version}", "library/postgres:latest"),
        (debian, postgresql, entrypoint),
        command=("postgres",),
        entrypoint=("docker-entrypoint.sh",),
        environment={
            "PATH": f"{_PATH}:/usr/lib/postgresql/{version}/bin",
            "PGDATA": "/var/lib/postgresql/data",
            "LANG": "C.UTF-8",
        },
    )


def _nginx_image(debian: Layer, nginx: Layer) -> Image:
    entrypoint = files_layer("nginx-entrypoint", {"docker-entrypoint.sh": (_HERE / "nginx-entrypoint.sh", 0o755)})
    return Image(
        ("nginxinc/nginx-unprivileged:1.29",),
        (debian, nginx, entrypoint),
        command=(),
        entrypoint=("/docker-entrypoint.sh",),
        environment={"PATH": _PATH},
    )


def _kaniko_stand_in(tree: Path, debian: Layer, buildah: Layer) -> Image:
    executor = tree / "sandbox" / "kaniko" / "executor"
    layer = files_layer("kaniko-stand-in", {"kaniko/executor": (executor, 0o755)})
    return Image(
        (KANIKO_STAND_IN,),
        (debian, buildah, layer),
        entrypoint=("/kaniko/executor",),
        environment={"PATH": f"{_PATH}:/kaniko", "HOME": "/root", "DOCKER_CONFIG": "/kaniko/.docker"},
        working_dir="/workspace",
    )


def _kaniko_image(executor: Path) -> Image:
    layer = files_layer("kaniko", {"kaniko/executor": (executor, 0o755), "kaniko/.docker/.keep": (b"", 0o644)})
    environment = {"PATH": f"{_PATH}:/kaniko", "HOME": "/root", "DOCKER_CONFIG": "/kaniko/.docker"}
    return Image(
        (REAL_KANIKO,), (layer,), entrypoint=("/kaniko/executor",), environment=environment, working_dir="/workspace"
    )
