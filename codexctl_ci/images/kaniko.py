"""The command line of Kaniko's executor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from codexctl_ci.errors import CodexctlError
from codexctl_ci.images.reference import parse_reference


class BuildFailed(CodexctlError):
    """Kaniko could not build or push."""


@dataclass(frozen=True)
class KanikoOptions:
    """How it speaks to registries. ``ignore`` are paths in its container that are no part of any image."""

    insecure: bool = False
    skip_tls_verify: bool = False
    skip_tls_verify_pull: bool = False
    plain: frozenset[str] = frozenset()
    mirrors: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    platform: str = ""


def kaniko_arguments(
    options: KanikoOptions,
    *,
    context: str,
    dockerfile: str,
    destinations: Sequence[str],
    argument_names: Iterable[str],
    labels: Mapping[str, str],
    digest_file: str,
) -> list[str]:
    """The flags for one build.

    Build arguments are given by name alone: the executor takes their values from its environment, so that no process
    list shows them.
    """
    hosts = sorted({parse_reference(each).host for each in destinations})
    plain = hosts if options.insecure else [host for host in hosts if host in options.plain]
    found = [f"--context=dir://{context}", f"--dockerfile={dockerfile}", f"--digest-file={digest_file}"]
    found += [f"--destination={each}" for each in destinations]
    found += [f"--build-arg={name}" for name in sorted(argument_names)]
    found += [f"--label={name}={value}" for name, value in sorted(labels.items())]
    # For push and pull alike, and for these registries alone.
    found += [f"--insecure-registry={host}" for host in plain]
    if options.skip_tls_verify:
        found.append("--skip-tls-verify")
    if options.skip_tls_verify_pull:
        found.append("--skip-tls-verify-pull")
    if options.insecure:
        found += ["--insecure", "--insecure-pull"]
    found += [f"--registry-mirror={mirror}" for mirror in options.mirrors]
    found += [f"--ignore-path={path}" for path in options.ignore]
    if options.platform:
        found.append(f"--custom-platform={options.platform}")
    return found
