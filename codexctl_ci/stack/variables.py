"""Where templates' variables come from, and which of the process environment they may see."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from codexctl_ci.errors import ConfigError, Finding, InvalidStack

RUNNER_CREDENTIALS = re.compile(
    r"ACTIONS_(RUNTIME|RESULTS|CACHE|ID_TOKEN)_\w+|(RUNNER|GITHUB|GH|ARC)_(\w+_)?(TOKEN|PAT|SECRET|PRIVATE_KEY|JITCONFIG)"
    r"|CODEXCTL_(INPUT_)?(GH_PAT|APP_PRIVATE_KEY|TEMPLATE_SECRETS)",
    re.IGNORECASE,
)
"""The runner's own credentials and ours: no template sees them unless services.yaml asks for them by name."""

TEAM_SECRETS = frozenset({"CODEXCTL_GH_PAT", "OPENAI_API_KEY", "CONTEXT7_API_KEY"})
"""What stacks in the Go dialect render into Secrets of their own."""

_ASKED = re.compile(
    r"""env(?:Or|_or|Required|_required)\W{1,6}([A-Za-z_]\w*)|\.EnvMap\.([A-Za-z_]\w*)|env_map\.([A-Za-z_]\w*)"""
    r"""|\.?(?:EnvMap|env_map)\W{1,6}([A-Za-z_]\w*)"""
)
_DOTENV = re.compile(r"\s*(?:export\s+)?([A-Za-z_][\w.]*)\s*=[ \t]*(.*)")


@dataclass(frozen=True)
class Inputs:
    """Values for templates, weakest first: ``environ``, files named in services.yaml, ``var_file``, ``given``.

    ``resolved`` holds CODEXCTL_ variables whose value was found in whatever place (slot, issue, language …); they
    hold over everything. ``secrets`` come between ``var_file`` and ``given``.
    """

    environ: Mapping[str, str] = field(default_factory=dict)
    var_file: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)
    resolved: Mapping[str, str] = field(default_factory=dict)

    def env_map(self, env_files: Mapping[str, str], asked: frozenset[str]) -> dict[str, str]:
        """What ``envOr`` looks into. ``asked``: the names that may be seen although they are credentials."""
        seen = {
            name: value
            for name, value in self.environ.items()
            if name in asked or not RUNNER_CREDENTIALS.fullmatch(name)
        }
        return {**seen, **env_files, **self.var_file, **self.secrets, **self.given, **self.resolved}

    @property
    def all_given(self) -> dict[str, str]:
        """What was given by file or option."""
        return {**self.var_file, **self.secrets, **self.given}


def asked_names(text: str) -> frozenset[str]:
    """The variables that ``text`` names in ``envOr`` or the environment's map."""
    return frozenset(name for groups in _ASKED.findall(text) for name in groups if name)


def parse_dotenv(text: str, file: str) -> dict[str, str]:
    """``NAME=value`` lines; quotes around a value are taken off, double ones with their escapes; ``#`` comments.

    A quoted value may span lines. Raises InvalidStack naming the line, never the value.
    """
    found: dict[str, str] = {}
    lines = text.replace("\r\n", "\n").split("\n")
    position = 0
    while position < len(lines):
        line = lines[position]
        position += 1
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _DOTENV.fullmatch(line)
        if not match:
            raise InvalidStack([Finding("is not of the form NAME=value", file, position, 1)])
        name, rest = match[1], match[2]
        mark = rest[:1]
        if mark in ("'", '"'):
            start = position
            while (end := _closing(rest, mark)) < 0 and position < len(lines):
                rest += "\n" + lines[position]
                position += 1
            if end < 0:
                raise InvalidStack([Finding(f"the value of {name} has no closing quote", file, start, 1)])
            body = rest[1:end]
            found[name] = _unescape(body) if mark == '"' else body
        else:
            found[name] = re.split(r"\s#", rest, maxsplit=1)[0].strip() if not rest.startswith("#") else ""
    return found


def _closing(text: str, mark: str) -> int:
    position = 1
    while position < len(text):
        if text[position] == "\\" and mark == '"':
            position += 2
            continue
        if text[position] == mark:
            return position
        position += 1
    return -1


def _unescape(text: str) -> str:
    known = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$"}
    return re.sub(r"\\(.)", lambda match: known.get(match[1], match[0]), text)


def parse_var_file(text: str, file: str) -> dict[str, str]:
    """Values of a --var-file: one JSON object, or dotenv. Raises ConfigError naming the file."""
    if not text.lstrip().startswith("{"):
        return parse_dotenv(text, file)
    try:
        data = json.loads(text)
    except ValueError:
        raise ConfigError("starts like JSON and is none", where=file) from None
    if not isinstance(data, dict):
        raise ConfigError("is not one JSON object", where=file)
    return {str(name): _as_text(value) for name, value in data.items() if value is not None}


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
