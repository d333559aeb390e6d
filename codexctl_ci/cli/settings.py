"""Where each option's value comes from, decided in one place.

Strongest first: command line, action input, variable, services.yaml, default. An empty string counts as unset
everywhere but in services.yaml, where the schema has already judged it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from codexctl_ci.cli.options import Option
from codexctl_ci.errors import ConfigError

T = TypeVar("T")


@dataclass(frozen=True)
class Value:
    """An option's value and its source: ``--flag``, a variable, ``services.yaml: key`` or ``default``."""

    value: Any
    source: str


@dataclass(frozen=True)
class Settings:
    """All options of one command, each with the source of its value. Read it as ``settings[options.WAIT_TIMEOUT]``."""

    values: Mapping[str, Value]

    def __getitem__(self, option: Option[T]) -> T:
        value: T = self.values[option.name].value
        return value

    def source(self, option: Option[Any]) -> str:
        """Where the option's value was found."""
        return self.values[option.name].source

    def given(self, option: Option[Any]) -> bool:
        """Whether anybody set the option, in whatever place."""
        return option.name in self.values and self.values[option.name].source != "default"

    def with_file(self, options: tuple[Option[Any], ...], document: Mapping[str, Any]) -> Settings:
        """These settings, where options that nobody set take their key from the rendered services.yaml."""
        values = dict(self.values)
        for option in options:
            if option.key and not self.given(option):
                found = _at(document, option.key)
                if found is not None and found != "":
                    values[option.name] = _read(option, _as_text(found), f"services.yaml: {option.key}")
        return replace(self, values=values)


def resolve(
    options: tuple[Option[Any], ...],
    flags: Mapping[str, str | bool | None],
    environ: Mapping[str, str],
    defaults: Mapping[str, Any] | None = None,
) -> Settings:
    """The value of every option in ``options``. ``flags`` holds what the command line gave (None: not given).

    Raises ConfigError listing every value that cannot be read, each with its source.
    """
    values: dict[str, Value] = {}
    faults: list[str] = []
    for option in options:
        try:
            values[option.name] = _resolve_one(option, flags.get(option.name), environ, defaults or {})
        except ConfigError as error:
            faults.append(str(error))
    if faults:
        raise ConfigError("\n".join(faults))
    return Settings(values)


def _resolve_one(
    option: Option[Any], flag: str | bool | None, environ: Mapping[str, str], defaults: Mapping[str, Any]
) -> Value:
    if isinstance(flag, bool):
        return Value(flag, option.flag)
    if flag:
        return _read(option, flag, option.flag)
    for variable in (option.input_variable, *option.variables):
        text = environ.get(variable, "")
        if text:
            return _read(option, text, variable)
    return Value(defaults.get(option.name, option.default), "default")


def _read(option: Option[Any], text: str, source: str) -> Value:
    try:
        return Value(option.read(text), source)
    except ValueError as error:
        message = "its value cannot be read" if option.secret else str(error)
        raise ConfigError(f"{source}: {message}") from None


def _at(document: Mapping[str, Any], path: str) -> Any:
    here: Any = document
    for part in path.split("."):
        if not isinstance(here, Mapping):
            return None
        here = here.get(part)
    return here


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, timedelta):
        return f"{value.total_seconds()}s"
    return str(value) if not isinstance(value, Path) else value.as_posix()
