"""Layers: tar files that are made once, kept in the cache and shared by images."""

import hashlib
import io
import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sandbox.bootstrap.cache import cache_root, digest, ensure, remove_tree
from sandbox.bootstrap.programs import run
from sandbox.bootstrap.progress import Progress, SetupError

APT_SOURCES = (
    Path("/etc/apt/sources.list.d/debian.sources"),
    Path("/etc/apt/sources.list.d/ubuntu.sources"),
    Path("/etc/apt/sources.list"),
)
BASE_PACKAGES = ("git", "ca-certificates", "curl", "python3", "bash", "procps", "openssh-client")
_LEAVE_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
_INSTALL = Path(__file__).with_name("install.sh")


@dataclass(frozen=True)
class Layer:
    """An uncompressed tar file and its digest (`sha256:...`)."""

    tar: Path
    digest: str


def files_layer(
    name: str,
    files: dict[str, tuple[bytes | Path, int]],
    links: dict[str, str] | None = None,
    version: bytes | Path | None = None,
) -> Layer:
    """A layer of single files: path without leading slash -> (content or file, mode), and symbolic links.

    `version` stands for the files' content where reading all of it just to see what is new would take long.
    """
    shape = repr([(path, mode) for path, (_, mode) in files.items()]) + repr(links)
    contents = [version] if version is not None else [content for content, _ in files.values()]
    key = digest(shape, *contents)

    def build(folder: Path) -> None:
        with tarfile.open(folder / "layer.tar", "w", format=tarfile.GNU_FORMAT) as tar:
            for parent in sorted({str(p) for path in (*files, *(links or {})) for p in Path(path).parents} - {"."}):
                entry = tarfile.TarInfo(parent)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if parent == "tmp" else 0o755
                tar.addfile(entry)
            for path, (content, mode) in files.items():
                entry = tarfile.TarInfo(path)
                entry.mode = mode
                with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as source:
                    entry.size = content.stat().st_size if isinstance(content, Path) else len(content)
                    tar.addfile(entry, source)
            for path, target in (links or {}).items():
                entry = tarfile.TarInfo(path)
                entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, target, 0o777
                tar.addfile(entry)

    return _layer(name, key, build)


def debian_layer(progress: Progress) -> Layer:
    """The distribution itself: the machine's own release, from the machine's own package sources."""
    codename, sources = _release(), _sources()
    key = digest(codename, sources, *BASE_PACKAGES, *_LEAVE_OUT)

    def build(folder: Path) -> None:
        with progress.step(f"base image of Debian {codename}", expect="30 s"):
            options = [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEAVE_OUT]
            options += ["--aptopt=Acquire::Languages none", "--variant=minbase", f"--include={','.join(BASE_PACKAGES)}"]
            run(["mmdebstrap", "--quiet", *options, codename, folder / "layer.tar", sources])

    return _layer("debian", key, build)


def packages_layer(name: str, base: Layer, packages: tuple[str, ...], progress: Progress) -> Layer:
    """What installing Debian `packages` changes in `base`."""
    key = digest(base.digest, _INSTALL, *packages)

    def build(folder: Path) -> None:
        with progress.step(f"image layer {name}", expect="30 s"):
            work = folder / "work"
            try:
                for part in ("lower", "upper", "overlay", "root"):
                    (work / part).mkdir(parents=True)
                run(["tar", "-xpf", base.tar, "-C", work / "lower"])
                run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", _INSTALL, work, *packages])
                _forget_volatile(work / "upper")
                _whiteouts_to_oci(work / "upper")
                run(["tar", "--numeric-owner", "--sort=name", "-cf", folder / "layer.tar", "-C", work / "upper", "."])
            finally:
                remove_tree(work)

    return _layer(name, key, build)


def _forget_volatile(upper: Path) -> None:
    for folder in ("tmp", "run", "proc", "dev", "var/cache/apt", "var/lib/apt/lists", "var/log"):
        remove_tree(upper / folder)
    (upper / "etc" / "resolv.conf").unlink(missing_ok=True)


def _whiteouts_to_oci(upper: Path) -> None:
    """Rewrites the overlay's own marks of deletion (devices 0:0, opaque folders) as layers spell them."""
    for parent, folders, files in os.walk(upper):
        for name in files:
            path = Path(parent, name)
            status = path.lstat()
            if status.st_mode & 0o170000 == 0o020000 and status.st_rdev == 0:
                path.unlink()
                path.with_name(f".wh.{name}").touch()
        for name in folders:
            path = Path(parent, name)
            if not path.is_symlink() and "trusted.overlay.opaque" in os.listxattr(path):
                (path / ".wh..wh..opq").touch()


def _layer(name: str, key: str, build: Callable[[Path], None]) -> Layer:
    def fill(folder: Path) -> None:
        build(folder)
        with (folder / "layer.tar").open("rb") as tar:
            (folder / "digest").write_text("sha256:" + hashlib.file_digest(tar, "sha256").hexdigest())

    folder = ensure(cache_root() / "layers" / f"{name}-{key}", fill)
    return Layer(folder / "layer.tar", (folder / "digest").read_text())


def _release() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    raise SetupError("/etc/os-release names no release (VERSION_CODENAME); the sandbox needs Debian or Ubuntu", code=2)


def _sources() -> Path:
    for path in APT_SOURCES:
        if path.is_file() and "deb" in path.read_text():
            return path
    raise SetupError(f"no package sources in {', '.join(map(str, APT_SOURCES))}", code=2)
