"""What templates see of the outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from codexctl_ci.errors import ConfigError, InvalidStack
from codexctl_ci.stack.rendering import render
from codexctl_ci.stack.variables import Inputs, asked_names, parse_dotenv, parse_var_file
from tests.support.projects import load

CONFIG_MAP = """
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: seen}
    data:
      value: "%s"
    """


def seen(folder: Path, template: str, inputs: Inputs, services: str = "") -> str:
    services = services or "project: shop"
    lines = f"{services}\ninfrastructure:\n  - name: a\n    manifests: [{{path: a.yaml}}]\n"
    project = load(folder, lines, inputs=inputs, a_yaml=CONFIG_MAP % template)
    return str(render(project).manifests[0]["data"]["value"])


LAYERS = [
    Inputs(),
    Inputs(environ={"X": "environment"}),
    Inputs(environ={"X": "environment"}, var_file={"X": "file"}),
    Inputs(environ={"X": "environment"}, var_file={"X": "file"}, secrets={"X": "secret"}),
    Inputs(environ={"X": "environment"}, var_file={"X": "file"}, secrets={"X": "secret"}, given={"X": "vars"}),
]


@pytest.mark.parametrize(
    ("inputs", "value"), list(zip(LAYERS, ["none", "environment", "file", "secret", "vars"], strict=True))
)
def test_the_nearest_value_wins(tmp_path: Path, inputs: Inputs, value: str) -> None:
    assert seen(tmp_path, "{{ envOr('X', 'none') }}", inputs) == value


def test_env_files_stand_between_environment_and_var_file(tmp_path: Path) -> None:
    (tmp_path / "v.env").write_text("X=dotenv\n")
    services = "project: shop\nenvFiles: [v.env]"
    assert seen(tmp_path, "{{ envOr('X', '') }}", Inputs(environ={"X": "e"}), services) == "dotenv"
    assert seen(tmp_path, "{{ envOr('X', '') }}", Inputs(var_file={"X": "f"}), services) == "f"


def test_an_empty_value_counts_as_unset(tmp_path: Path) -> None:
    assert seen(tmp_path, "{{ envOr('X', 'none') }}", Inputs(environ={"X": ""})) == "none"


def test_resolved_options_are_seen_however_they_were_given(tmp_path: Path) -> None:
    inputs = Inputs(environ={"CODEXCTL_SLOT": "1"}, resolved={"CODEXCTL_SLOT": "7"})
    assert seen(tmp_path, "{{ envOr('CODEXCTL_SLOT', '') }}", inputs) == "7"


@pytest.mark.parametrize(
    "name",
    [
        "ACTIONS_RUNTIME_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "GITHUB_TOKEN",
        "GH_TOKEN",
        "RUNNER_TOKEN",
        "CODEXCTL_GH_PAT",
        "CODEXCTL_INPUT_GH_PAT",
        "CODEXCTL_APP_PRIVATE_KEY",
        "CODEXCTL_TEMPLATE_SECRETS",
    ],
)
def test_manifests_dont_see_credentials_of_the_runner_and_our_own(tmp_path: Path, name: str) -> None:
    inputs = Inputs(environ={name: "hunter2"})
    assert seen(tmp_path, f"{{{{ envOr('{name}', 'hidden') }}}}", inputs) == "hidden"


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "DATABASE_PASSWORD", "CODEXCTL_REGISTRY_HOST", "HTTPS_PROXY"])
def test_manifests_see_what_is_the_projects_own(tmp_path: Path, name: str) -> None:
    assert seen(tmp_path, f"{{{{ envOr('{name}', 'hidden') }}}}", Inputs(environ={name: "value"})) == "value"


def test_a_credential_that_services_yaml_asks_for_is_seen(tmp_path: Path) -> None:
    services = "project: shop\nregistry: \"{{ envOr('GITHUB_TOKEN', 'none') }}\""
    inputs = Inputs(environ={"GITHUB_TOKEN": "asked"})
    assert seen(tmp_path, "{{ envOr('GITHUB_TOKEN', 'hidden') }}", inputs, services) == "asked"


def test_stacks_in_the_go_dialect_render_the_teams_three_secrets(tmp_path: Path) -> None:
    inputs = Inputs(environ={"CODEXCTL_GH_PAT": "pat", "GITHUB_TOKEN": "t"})
    services = "project: shop\ntemplates: {dialect: go}"
    assert (
        seen(tmp_path, "{{ envOr `CODEXCTL_GH_PAT` `-` }} {{ envOr `GITHUB_TOKEN` `-` }}", inputs, services) == "pat -"
    )


@pytest.mark.parametrize(
    "text",
    [
        'a: "{{ envOr "NAME" "x" }}"',
        "a: '{{ envOr ''NAME'' ''x'' }}'",
        'a: "{{ envOr \\"NAME\\" \\"x\\" }}"',
        "a: {{ envOr('NAME') }}",
        "a: {{ env_or( 'NAME' ) }}",
        "a: {{ .EnvMap.NAME }}",
        "a: {{ env_map.NAME }}",
        "a: {{ env_map['NAME'] }}",
        'a: {{ index .EnvMap "NAME" }}',
    ],
)
def test_names_that_a_text_asks_for(text: str) -> None:
    assert "NAME" in asked_names(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=b", "b"),
        ("export A=b", "b"),
        ("  A = b # c", "b"),
        ("A=b#c", "b#c"),
        ("A='b # c'", "b # c"),
        ('A="b\\nc\\"" # x', 'b\nc"'),
        ("A='b\\nc'", "b\\nc"),
        ("A=", ""),
        ("A=#", ""),
        ("# x\n\nA=b\r\n", "b"),
        ('A="line\nline"', "line\nline"),
        ("A=x=y", "x=y"),
    ],
)
def test_dotenv(text: str, value: str) -> None:
    assert parse_dotenv(text, ".env") == {"A": value}


@pytest.mark.parametrize("text", ["secret", "A='secret", "1A=secret"])
def test_dotenv_faults_name_the_line_and_never_the_value(text: str) -> None:
    with pytest.raises(InvalidStack) as caught:
        parse_dotenv(f"B=1\n{text}\n", ".env")
    assert str(caught.value).startswith(".env:2:1: ") and "secret" not in str(caught.value)


def test_a_var_file_is_dotenv_or_one_json_object() -> None:
    assert parse_var_file("A=1\n", "f") == {"A": "1"}
    assert parse_var_file('{"A": "1", "B": 2, "C": true, "D": null}', "f") == {"A": "1", "B": "2", "C": "true"}
    for text in ('{"A": ', "{}x"):
        with pytest.raises(ConfigError, match="f: "):
            parse_var_file(text, "f")


def test_vars_and_user_vars(tmp_path: Path) -> None:
    inputs = Inputs(var_file={"A": "file", "B": "file"}, given={"B": "given"})
    assert (
        seen(tmp_path, "{{ vars.A }} {{ vars.B }} {{ user_vars.A }} {{ user_vars.B }}", inputs) == "file given  given"
    )
