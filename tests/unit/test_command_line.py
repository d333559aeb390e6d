"""The command line as a person and a workflow call it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from codexctl_ci.cli import main as entry
from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.cli.main import main, with_repository_variables
from codexctl_ci.cli.options import Option
from codexctl_ci.cli.settings import Settings, resolve
from codexctl_ci.cli.table import COMMANDS, Command
from codexctl_ci.durations import format_duration, parse_duration
from codexctl_ci.errors import ConfigError

CASES = [(command, option) for command in COMMANDS for option in command.options]
IDS = [f"{command.name}-{option.name}" for command, option in CASES]


def samples(option: Option[Any]) -> tuple[str, str, str]:
    """Three different texts that the option accepts."""
    if option.choices:
        choices = [choice for choice in option.choices if choice]
        return (choices[0], choices[1], choices[-1])
    if option.is_flag:
        return ("true", "false", "true")
    for texts in (("11", "22", "33"), ("11s", "22m", "33h"), ("a=1", "b=2", "c=3"), ("x", "y", "z")):
        try:
            for text in texts:
                option.read(text)
        except ValueError:
            continue
        return texts
    raise AssertionError(f"no sample for {option.name}")


HEARD: list[Invocation] = []


def note(invocation: Invocation) -> None:
    HEARD.append(invocation)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Call the command line, where each command only notes how it was called; return the settings that it got."""
    noting = f"{__name__}:{note.__name__}"
    monkeypatch.setattr(entry, "COMMANDS", tuple(replace(command, run=noting) for command in COMMANDS))

    def call(words: list[str], environ: dict[str, str]) -> Settings:
        HEARD.clear()
        assert main(words, environ) == 0
        (heard,) = HEARD
        return heard.settings

    return call


def as_words(option: Option[Any], text: str) -> list[str]:
    if option.is_flag:
        return [option.flag if option.read(text) else f"--no-{option.flag[2:]}"]
    return [option.flag, text]


@pytest.mark.parametrize(("command", "option"), CASES, ids=IDS)
def test_every_option_of_every_command_takes_flag_then_input_then_variable(
    told: Callable[..., Settings], command: Command, option: Option[Any]
) -> None:
    name = command.name.split()
    flag, given, variable = samples(option)
    environ = {option.input_variable: given, option.variables[0]: variable}
    for fallback in option.fallbacks:
        environ[fallback] = "never-this"
    if option.has_flag:
        found = told([*name, *as_words(option, flag)], environ)
        assert (found[option], found.source(option)) == (option.read(flag), option.flag)
        if option.name in {known.name for known in o.GLOBAL}:
            assert told([*as_words(option, flag), *name], environ)[option] == option.read(flag)
    found = resolve(command.options, {}, environ)
    assert (found[option], found.source(option)) == (option.read(given), option.input_variable)
    environ[option.input_variable] = ""
    found = resolve(command.options, {}, environ)
    assert (found[option], found.source(option)) == (option.read(variable), option.variables[0])
    found = resolve(command.options, {}, dict.fromkeys(environ, ""), command.defaults)
    assert found[option] == command.defaults.get(option.name, option.default)
    assert not found.given(option)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command.name))
def test_every_command_hears_inputs_and_variables(told: Callable[..., Settings], command: Command) -> None:
    name = command.name.split()
    given = told(name, {option.input_variable: samples(option)[1] for option in command.options})
    variables = told(name, {option.variables[0]: samples(option)[2] for option in command.options})
    for option in command.options:
        assert given[option] == option.read(samples(option)[1])
        assert variables[option] == option.read(samples(option)[2])


@pytest.mark.parametrize("option", [x for c in COMMANDS for x in c.options if x.key], ids=lambda x: str(x.name))
def test_services_yaml_gives_what_nobody_else_gave(option: Option[Any]) -> None:
    text, other, _ = samples(option)
    document: Any = text
    for part in reversed(option.key.split(".")):
        document = {part: document}
    assert resolve((option,), {}, {}).with_file((option,), document)[option] == option.read(text)
    strong = resolve((option,), {}, {option.variables[0]: other}).with_file((option,), document)
    assert strong[option] == option.read(other)


def test_option_names_and_variables_are_unique() -> None:
    rows = {option.name: option for command in COMMANDS for option in command.options}
    variables = [option.variables[0] for option in rows.values()]
    assert len(variables) == len(set(variables))


def test_all_values_that_cannot_be_read_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve((o.SLOT, o.WAIT_TIMEOUT, o.WAIT), {"slot": "x"}, {"CODEXCTL_WAIT_TIMEOUT": "10", "CODEXCTL_WAIT": "ja"})
    text = str(caught.value)
    assert "--slot: 'x'" in text and "CODEXCTL_WAIT_TIMEOUT: '10'" in text and "CODEXCTL_WAIT: 'ja'" in text


def test_number_below_zero_is_told_why_it_is_none() -> None:
    with pytest.raises(ConfigError, match="'-3' is not a whole number of 0 or more"):
        resolve((o.ISSUE,), {"issue": "-3"}, {})


def test_value_of_a_secret_is_not_in_an_error() -> None:
    option = Option("key", int, 0, "", secret=True)
    with pytest.raises(ConfigError) as caught:
        resolve((option,), {}, {"CODEXCTL_KEY": "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("1h30m", 5400), ("250ms", 0.25), ("1.5h", 5400), ("0", 0)],
)
def test_durations_are_read_as_go_writes_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "10", "-5s", "5 s", "1d", "s", "1h30"])
def test_what_go_does_not_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


def test_durations_are_short_to_read() -> None:
    texts = [format_duration(timedelta(seconds=s)) for s in (0.44, 42, 185, 3720)]
    assert texts == ["0.4s", "42s", "3m05s", "1h02m"]


@pytest.mark.parametrize("words", [["--help"], *([*command.name.split(), "--help"] for command in COMMANDS)])
def test_help_of_every_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words, {}) == 0
    assert "Usage: codexctl-ci" in capsys.readouterr().out


def test_help_says_defaults_and_offers_only_what_means_something(capsys: pytest.CaptureFixture[str]) -> None:
    def help_of(*words: str) -> str:
        assert main([*words, "--help"], {}) == 0
        return " ".join(capsys.readouterr().out.split())

    text = help_of("ci", "apply")
    assert "[CODEXCTL_WAIT_TIMEOUT; default: 10m00s]" in text and "[CODEXCTL_WAIT; default: true]" in text
    assert "default: <project>-workspace]" in help_of("ci", "sync-sources") and "[CODEXCTL_SLOT]" in text
    assert "[CODEXCTL_REQUEST_TIMEOUT; default: 10s]" in help_of("doctor")
    for words in ("init", "schema"):
        assert "--env" not in help_of(words) and "--namespace" not in help_of(words)
    assert "--config" in help_of("init") and "--config" not in help_of("schema")
    assert main(["schema", "--env", "ai"], {}) == 2


def test_usage_errors_exit_two(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["nonsense"], ["render", "--nonsense"], ["ci", "ensure-slot", "--slot", "x"]):
        assert main(words, {}) == 2
        assert capsys.readouterr().err.strip()


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from codexctl_ci.cli.main import main; main(['--help'], {});"
        "heavy = {'pydantic', 'jinja2', 'kubernetes', 'github', 'urllib3', 'yaml', 'rich'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_applying_outside_of_slots_loads_nothing_of_them() -> None:
    code = (
        "import sys; import codexctl_ci.cli.commands.stack_deploy, codexctl_ci.cli.wiring.deploy;"
        "sys.exit(', '.join(name for name in sys.modules if name.startswith('codexctl_ci.slots')) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_rendering_loads_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    file = tmp_path / "services.yaml"
    file.write_text("project: shop\nversions: {env: '{{ env }}'}\n")
    code = (
        f"import sys; from codexctl_ci.cli.main import main; code = main(['render', '-c', {str(file)!r}], {{}});"
        "heavy = {'pydantic', 'kubernetes', 'github', 'urllib3', 'rich', 'websocket'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_repository_variables_fill_only_what_is_unset_and_ours() -> None:
    given = {"CODEXCTL_LANG": "ru", "CODEXCTL_MODEL": "b", "PATH": "/evil", "CODEXCTL_INPUT_MODEL": "evil", "X": 1}
    environ = {"CODEXCTL_REPOSITORY_VARIABLES": json.dumps(given), "CODEXCTL_MODEL": "a", "CODEXCTL_LANG": ""}
    found = with_repository_variables(environ)
    assert (found["CODEXCTL_LANG"], found["CODEXCTL_MODEL"]) == ("ru", "a")
    assert "PATH" not in found and "CODEXCTL_INPUT_MODEL" not in found
    assert with_repository_variables({"CODEXCTL_REPOSITORY_VARIABLES": "not json"})
