"""``render`` as people and workflows call it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from codexctl_ci.cli.main import main
from tests.support.projects import write_files

FILES = {
    "services.yaml": """
        project: shop
        infrastructure:
          - {name: config, manifests: [{path: config.yaml}]}
        services:
          - {name: api, manifests: [{path: api.yaml}]}
        """,
    "config.yaml": """
        apiVersion: v1
        kind: Secret
        metadata: {name: config}
        stringData: {key: "{{ envOr('OPENAI_API_KEY', '') }}", x: "{{ envOr('X', '-') }}"}
        """,
    "api.yaml": """
        apiVersion: v1
        kind: Service
        metadata: {name: api}
        spec: {ports: [{port: 80}]}
        """,
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(write_files(tmp_path, FILES))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str, **environ: str) -> tuple[int, str, str]:
    code = main(list(words), environ)
    out, err = capsys.readouterr()
    return code, out, err


def test_render_prints_one_stream(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "render")
    kinds = [(m["kind"], m["metadata"]["namespace"]) for m in yaml.safe_load_all(out)]
    assert (code, kinds) == (0, [("Secret", "shop-dev"), ("Service", "shop-dev")])


@pytest.mark.parametrize(
    ("words", "environ", "namespace"),
    [
        (["--env", "ai-staging"], {}, "shop-ai-staging"),
        ([], {"CODEXCTL_ENV": "ai-staging"}, "shop-ai-staging"),
        (["--slot", "3"], {}, "shop-dev-3"),
        ([], {"CODEXCTL_SLOT": "3"}, "shop-dev-3"),
        (["--env", "ai-repair", "--slot", "1"], {}, "shop-ai-staging"),
        ([], {"CODEXCTL_SLOT": "3", "CODEXCTL_ISSUE_NUMBER": "7"}, "shop-dev-3"),
        (["--env", "dev"], {"CODEXCTL_SLOT": "3", "CODEXCTL_ISSUE_NUMBER": "7"}, "shop-dev"),
        (["--namespace", "mine"], {}, "mine"),
        ([], {"CODEXCTL_NAMESPACE": "mine"}, "mine"),
    ],
)
def test_environment_slot_and_namespace(
    project: Path, capsys: pytest.CaptureFixture[str], words: list[str], environ: dict[str, str], namespace: str
) -> None:
    _, out, _ = run(capsys, "render", *words, **environ)
    assert {m["metadata"]["namespace"] for m in yaml.safe_load_all(out)} == {namespace}


@pytest.mark.parametrize(
    "command", ["render", "diff", "apply", "destroy", "status", "ci sync-sources", "ci ensure-ready"]
)
@pytest.mark.parametrize("option", ["--slot", "--issue", "--pr"])
def test_slot_that_is_named_where_there_are_none_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str], command: str, option: str
) -> None:
    for words, environ, said in (
        (["--env", "dev"], {}, "--env: "),
        ([], {"CODEXCTL_ENV": "ai-staging"}, "CODEXCTL_ENV: "),
    ):
        code, out, err = run(capsys, *command.split(), *words, option, "30", **environ)
        assert (code, out) == (2, "")
        assert f"{said}{option} 30 names a slot" in err and "--env ai" in err


def test_issue_without_a_slots_number_is_looked_up_and_not_taken_for_slot_0(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["render"], ["status"], ["destroy"], ["apply", "--dry-run"], ["render", "--env", "ai"]):
        for claim in (["--issue", "30"], ["--pr", "30"]):
            code, out, err = run(capsys, *words, *claim, KUBECONFIG="nowhere")
            assert (code, out) == (2, "") and "nowhere" in err
    code, out, err = run(capsys, "render", "--env", "ai")
    assert code == 0 and "shop-dev-0" in out and "no slot is named" in err


def test_secrets_of_this_run_are_masked_on_stdout_and_whole_in_files(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, err = run(capsys, "render", OPENAI_API_KEY="sk-very-secret", X="value of a Secret")
    assert "sk-very-secret" not in out and "value of a Secret" not in out and "***" in out
    assert "--output-dir writes files" in err
    assert run(capsys, "render", "--output-dir", "out", OPENAI_API_KEY="sk-very-secret")[0] == 0
    secret = project / "out" / "001-secret-config.yaml"
    assert "sk-very-secret" in secret.read_text()
    assert secret.stat().st_mode & 0o077 == 0
    assert sorted(file.name for file in secret.parent.iterdir()) == ["001-secret-config.yaml", "002-service-api.yaml"]


def test_values_for_templates_come_from_all_their_places(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "vars.json").write_text('{"X": "file"}')

    def x(*words: str, **environ: str) -> str:
        assert run(capsys, "render", "--output-dir", "out", *words, **environ)[0] == 0
        return str(yaml.safe_load((project / "out" / "001-secret-config.yaml").read_text())["stringData"]["x"])

    assert x() == "-"
    assert x(X="environment") == "environment"
    assert x(X="environment", CODEXCTL_REPOSITORY_VARIABLES='{"X": "repository"}') == "repository"
    assert x("--var-file", "vars.json", CODEXCTL_REPOSITORY_VARIABLES='{"X": "repository"}') == "file"
    assert x(CODEXCTL_VAR_FILE='{"X": "json"}') == "json"
    assert x("--var-file", "vars.json", "--vars", "X=vars") == "vars"
    assert x(CODEXCTL_TEMPLATE_SECRETS="X=a secret value") == "a secret value"


def test_filters_reach_the_rendering(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "render", "--skip-infra", "config")
    assert [m["kind"] for m in yaml.safe_load_all(out)] == ["Service"]
    code, out, err = run(capsys, "render", "--only-services", "apy")
    assert (code, out) == (2, "")
    assert "there is no service 'apy' (did you mean api?)" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--config", "other.yaml"], "other.yaml: no such file"),
        (["--env", "prod"], "there is no environment 'prod'"),
        (["--var-file", "gone"], "--var-file cannot be read"),
        (["--vars", "x"], "--vars: 'x' is not of the form key=value"),
    ],
)
def test_wrong_calls_exit_two_with_one_message(
    project: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    code, out, err = run(capsys, "render", *words)
    assert (code, out) == (2, "")
    assert message in err and "Traceback" not in err


def test_a_wrong_services_yaml_lists_all_and_exits_two(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "services.yaml").write_text("project: shop\nservice: []\nmaxSlots: x\n")
    code, out, err = run(capsys, "render")
    assert (code, out) == (2, "")
    assert "services.yaml:2:1: unknown key service (did you mean services?)" in err
    assert "services.yaml:3:1: maxSlots must be a whole number" in err


def test_services_yaml_in_another_folder_brings_its_own_root(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_files(project / "sub", FILES)
    (project / "config.yaml").unlink()
    assert run(capsys, "render", "-c", "sub/services.yaml")[0] == 0


def test_the_job_summary_says_what_was_rendered(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = project / "summary.md"
    assert run(capsys, "render", GITHUB_STEP_SUMMARY=str(summary))[0] == 0
    assert "2 objects of `dev` in `shop-dev`" in summary.read_text()


def test_resolved_options_reach_templates_however_they_were_given(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "config.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
        "data: {v: \"{{ envOr('CODEXCTL_SLOT', '-') }} {{ envOr('CODEXCTL_ISSUE_NUMBER', '-') }}"
        " {{ envOr('CODEXCTL_PR_NUMBER', '-') }}\"}\n"
    )

    def seen(*words: str, **environ: str) -> str:
        return str(next(yaml.safe_load_all(run(capsys, "render", *words, **environ)[1]))["data"]["v"])

    assert seen() == "- - -"
    assert seen("--slot", "3", "--issue", "7") == "3 7 -"
    assert seen("--slot", "3", CODEXCTL_SLOT="4", CODEXCTL_INPUT_PR="9") == "3 - 9"


RESOLVED = {
    "CODEXCTL_SLOT": ("--slot", "3", "3"),
    "CODEXCTL_ISSUE_NUMBER": ("--issue", "#7", "7"),
    "CODEXCTL_PR_NUMBER": ("--pr", "8", "8"),
    "CODEXCTL_FOCUS_ISSUE_NUMBER": ("--focus-issue", "9", "9"),
    "CODEXCTL_LANG": ("--lang", "ru", "ru"),
    "CODEXCTL_INFRA_UNHEALTHY": ("--infra-unhealthy", "yes", "true"),
    "CODEXCTL_PROMPT_MODE": ("--prompt-mode", "short", "short"),
}


@pytest.mark.parametrize("how", ["flag", "input", "variable", "nowhere"])
def test_a_go_stack_asks_envor_for_what_was_resolved_however_it_was_given(
    project: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    asked = " ".join(f'{{{{ envOr "{name}" "-" }}}}' for name in RESOLVED)
    block = f"project: shop\ncodex: {{configBlocks: [{{name: seen, toml: 'seen = \"{asked}\"'}}]}}\n"
    write_files(project, {"services.yaml": "# {{- $x := 1 -}}\n" + block})
    words: list[str] = []
    environ: dict[str, str] = {}
    for variable, (flag, value, _) in RESOLVED.items():
        if how == "flag":
            words += [flag] if flag == "--infra-unhealthy" else [flag, value]
        elif how != "nowhere":
            name = "CODEXCTL_INPUT_" + flag.strip("-").replace("-", "_").upper() if how == "input" else variable
            environ[name] = value
    code, out, _ = run(capsys, "prompt", "config", *words, **environ)
    expected = " ".join("-" if how == "nowhere" else found for _, _, found in RESOLVED.values())
    assert code == 0 and f'seen = "{expected}"' in out
