"""Which groups and services take part: filters and ``when``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from codexctl_ci.errors import ConfigError
from codexctl_ci.stack.reading import did_you_mean
from codexctl_ci.stack.schema import HookStep
from codexctl_ci.templating.dialect import Dialect

_NO = frozenset({"false", "0", "no"})


@dataclass(frozen=True)
class Selection:
    """Names to take or to leave, in any case. Filters of services and of infrastructure don't touch each other.

    ``may_be_absent``: names that a workflow supplies, which a project need not have.
    """

    only_services: tuple[str, ...] = ()
    skip_services: tuple[str, ...] = ()
    only_infra: tuple[str, ...] = ()
    skip_infra: tuple[str, ...] = ()
    may_be_absent: frozenset[str] = frozenset({"codex", "codex-ai-repair-rbac"})

    @property
    def everything(self) -> bool:
        """Whether nothing is filtered."""
        return not (self.only_services or self.skip_services or self.only_infra or self.skip_infra)

    def check(self, services: Iterable[str], infrastructure: Iterable[str]) -> None:
        """Raises ConfigError that lists every name which is not there, with the nearest that is."""
        services, infrastructure = list(services), list(infrastructure)
        faults = [
            *self._unknown("--only-services", self.only_services, "service", services),
            *self._unknown("--skip-services", self.skip_services, "service", services),
            *self._unknown("--only-infra", self.only_infra, "infrastructure group", infrastructure),
            *self._unknown("--skip-infra", self.skip_infra, "infrastructure group", infrastructure),
        ]
        if faults:
            raise ConfigError("\n".join(faults))

    def _unknown(self, flag: str, names: tuple[str, ...], what: str, known: Iterable[str]) -> list[str]:
        allowed = _low(known) | _low(self.may_be_absent)
        missing = [name for name in names if name.lower() not in allowed]
        hints = [(name, did_you_mean(name, known)) for name in missing]
        return [f"{flag}: there is no {what} {name!r}" + (f" ({hint})" if hint else "") for name, hint in hints]

    def takes_service(self, name: str) -> bool:
        """Whether the filters let the service through."""
        return _takes(name, self.only_services, self.skip_services)

    def takes_infra(self, name: str) -> bool:
        """Whether the filters let the infrastructure group through."""
        return _takes(name, self.only_infra, self.skip_infra)


def _takes(name: str, only: tuple[str, ...], skip: tuple[str, ...]) -> bool:
    low = name.lower()
    return (not only or low in _low(only)) and low not in _low(skip)


def _low(names: Iterable[str]) -> set[str]:
    return {name.lower() for name in names}


def included(when: str | None, dialect: Dialect) -> bool:
    """Whether a rendered ``when`` keeps a group or service in. In the Go dialect a blank one does."""
    if when is None:
        return True
    text = when.strip().lower()
    return text not in _NO and (bool(text) or dialect is Dialect.GO)


def active_steps(steps: Iterable[HookStep]) -> tuple[HookStep, ...]:
    """The steps whose ``when`` doesn't say no; a blank one does, in both dialects."""
    return tuple(step for step in steps if included(step.when, Dialect.JINJA))
