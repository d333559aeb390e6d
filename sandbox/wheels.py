"""The product's Python packages as files, so that actions can set themselves up where there is no package index."""

from pathlib import Path

from sandbox.bootstrap.cache import cache_root, digest, ensure
from sandbox.bootstrap.programs import run
from sandbox.bootstrap.progress import Progress


def ensure_wheels(tree: Path, progress: Progress) -> Path:
    """Returns the folder with a wheel of each locked runtime requirement, for this machine's Python."""
    python, lock = tree / ".venv" / "bin" / "python", tree / "requirements" / "runtime.txt"
    version = run([python, "-c", "import sys, sysconfig; print(sys.version_info[:2], sysconfig.get_platform())"])

    def download(folder: Path) -> None:
        with progress.step("the product's own packages, for actions to install", expect="20 s"):
            pip: list[str | Path] = [python, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
            run([*pip, "--require-hashes", "--only-binary", ":all:", "--dest", folder, "-r", lock])

    return ensure(cache_root() / "wheels" / f"runtime-{digest(version, lock)}", download)


def pip_configuration(wheels: Path) -> str:
    """`/etc/pip.conf` of a machine that installs from the folder `wheels` alone."""
    return f"[global]\nno-index = true\nfind-links = {wheels}\ndisable-pip-version-check = true\n"


def uv_configuration(wheels: Path) -> str:
    """The same for uv: `/etc/uv/uv.toml`."""
    return f'no-index = true\nfind-links = ["{wheels}"]\n'
