from dataclasses import replace
from datetime import UTC, datetime

import pytest

from codexctl_ci.templating.context import TemplateContext
from codexctl_ci.templating.dialect import Dialect
from codexctl_ci.templating.engine import make_engine
from codexctl_ci.templating.errors import TemplateError

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CONTEXT = TemplateContext(
    env="ai",
    namespace="shop-dev-3",
    project="shop",
    project_root="/src",
    slot=3,
    env_map={"HOME": "/home"},
    vars={"TEAM": "core"},
    user_vars={"WHO": "bob"},
    versions={"api": "1.10"},
    base_domain={"ai": "example.org"},
    codex={"reviewMCPEnabled": True, "model": "", "mcp": {"servers": [{"name": "docs", "startup_timeout_sec": 20}]}},
    storage={"workspace": {"size": "5Gi", "storageClass": "fast", "accessModes": ["ReadWriteOnce"]}},
    issue_comments=[{"issue_number": 7, "author": "bob", "body": "please", "created_at": NOW}],
    review_comments=[{"pr_number": 8, "thread_id": "T1", "url": "https://example.org/1"}],
    extra={"registry": "registry:5000", "maxSlots": 4},
)


def render(text: str, partials: dict[str, str] | None = None, context: TemplateContext = CONTEXT) -> str:
    engine = make_engine(Dialect.GO, partials=partials, env={"TAG": "v1", "EMPTY": ""}, now=NOW)
    return engine.render(text, context, file="services.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ .Env }}/{{ .Namespace }}/{{ .Project }}/{{ .ProjectRoot }}/{{ .Slot }}\n", "ai/shop-dev-3/shop//src/3\n"),
        ("{{ .registry }}/{{ .maxSlots }}", "registry:5000/4"),
        ("{{ .Vars.TEAM }}{{ .UserVars.WHO }}{{ .EnvMap.HOME }}{{ .Versions.api }}", "corebob/home1.10"),
        ("[{{ .Vars.x }}{{ .UserVars.x }}{{ .EnvMap.x }}{{ .Versions.x }}{{ .BaseDomain.x }}]", "[]"),
        ('{{ index .Vars "x" }}|{{ index .BaseDomain "ai" }}', "|example.org"),
        ("{{ .Codex.ReviewMCPEnabled }}{{ (index .Codex.MCP.Servers 0).StartupTimeoutSec }}", "true20"),
        ("{{ .Storage.Workspace.Size }}{{ .Storage.Workspace.StorageClass }}", "5Gifast"),
        ("{{ range .Storage.Workspace.AccessModes }}{{ . }}{{ end }}", "ReadWriteOnce"),
        ("{{ if .Storage.Data }}x{{ else }}none{{ end }}{{ with .Storage.Data.Size }}x{{ end }}", "none"),
        (
            '{{ range .IssueComments }}{{ .IssueNumber }}{{ .Author }}{{ .CreatedAt.Format "2006" }}{{ end }}',
            "7bob2026",
        ),
        ("{{ range .ReviewComments }}{{ .PRNumber }}{{ .ThreadID }}{{ .URL }}{{ end }}", "8T1https://example.org/1"),
        ("{{ .Now.Unix }} {{ now.Year }}", "1767323045 2026"),
    ],
)
def test_the_context_in_its_pascal_case_names(text: str, expected: str) -> None:
    assert render(text) == expected


def test_the_contexts_own_time_wins_over_the_engines() -> None:
    context = replace(CONTEXT, now=datetime(2020, 1, 1, tzinfo=UTC))
    assert render("{{ .Now.Year }}", context=context) == "2020"


def test_control_lines_in_comments_set_variables_for_the_whole_file() -> None:
    text = (
        '# {{- $tag := envOr "TAG" "dev" -}}\n'
        '# {{- if eq .Env "ai" }}{{ $tag = printf "%s-%d" $tag .Slot }}{{ end }}\n'
        "project: shop\nimage: shop:{{ $tag }}\n"
    )
    assert render(text) == "##\nproject: shop\nimage: shop:v1-3\n"


@pytest.mark.parametrize(
    "text",
    [
        '{{ default .Nope "d" }}',
        '{{ .Nope | default "d" }}',
        '{{ .Codex.Nope.Deeper | default "d" }}',
        '{{ or .Nope "d" }}',
        "{{ if not .Nope }}d{{ end }}",
        "{{ if .Nope }}x{{ else }}d{{ end }}",
        "{{ if and .Nope .Nope.X }}x{{ else }}d{{ end }}",
        "{{ with .Nope.X }}x{{ else }}d{{ end }}",
        '{{ with .Nope | default "d" }}{{ . }}{{ end }}',
        '{{ envOr "EMPTY" "d" }}',
        '{{ envOr "NOPE" "d" }}',
    ],
)
def test_a_missing_key_may_be_asked_for(text: str) -> None:
    assert render(text) == "d"


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("a\nb: {{ .Nope }}", "2:7", "map has no entry for key 'Nope'"),
        ("a\n  {{ .Codex.Nope }}", "2:6", "map has no entry for key 'Nope'"),
        ('{{ if eq .Nope "x" }}{{ end }}', "1:10", "map has no entry for key 'Nope'"),
        ("a\n{{ range .Nope }}{{ end }}", "2:10", "map has no entry for key 'Nope'"),
        ("a\n{{ template `x` }}", "2:4", "template 'x' not defined"),
        ("a\n\n{{ end }}", "3:4", "unexpected {{end}}"),
        ("a\n{{ if true }}\nb", "3:2", "{{end}} is missing"),
        ("a\n{{ nope 1 }}", "2:4", "function 'nope' not defined"),
        ("a\n{{ $x }}", "2:4", "undefined variable '$x'"),
        ('a\n{{ "x }}\nb', "2:4", "unterminated quoted string"),
        ("a\n{{ index .Codex.MCP.Servers 5 }}", "2:4", "error calling index: index out of range: 5"),
        ("a\n{{ .Env.X }}", "2:4", "string has no field X"),
        ("a\n{{ .Env\n", "2:1", "unclosed action"),
        ('a\n{{ ternary .Env "a" "b" }}', "2:12", "expected bool; got string"),
    ],
)
def test_an_error_names_its_place_and_shows_the_line(text: str, place: str, reason: str) -> None:
    with pytest.raises(TemplateError) as caught:
        render(text)
    assert caught.value.where == f"services.yaml:{place}"
    assert reason in caught.value.problem
    assert text.split("\n")[caught.value.line - 1] in str(caught.value)
    assert caught.value.exit_code == 2


PARTIALS = {
    "deploy/partials/_labels.tpl": '{{ define "labels" }}app: {{ .Project }}{{ end }}',
    "deploy/partials/note.txt": "slot {{ .Slot }}\n{{ with .Nope }}{{ end }}",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{{ template "labels" . }}', "app: shop"),
        ('{{ include "labels" . | indent 2 }}', "  app: shop"),
        ('{{ include "deploy/partials/note.txt" . }}', "slot 3\n"),
        ('{{ include "note.txt" . }}', "slot 3\n"),
        ('{{ block "own" . }}mine{{ end }}{{ template "own" }}', "minemine"),
    ],
)
def test_partials_are_available_by_name(text: str, expected: str) -> None:
    assert render(text, PARTIALS) == expected


def test_what_one_file_defines_another_does_not_see() -> None:
    engine = make_engine(Dialect.GO, now=NOW)
    assert engine.render('{{ define "x" }}1{{ end }}{{ template "x" }}', CONTEXT, file="a.yaml") == "1"
    with pytest.raises(TemplateError, match="'x' not defined"):
        engine.render('{{ template "x" }}', CONTEXT, file="b.yaml")


def test_an_error_in_a_partial_names_the_partial() -> None:
    with pytest.raises(TemplateError) as caught:
        render('{{ include "b.tpl" . }}', {"p/b.tpl": "one\ntwo {{ .Nope }}"})
    assert caught.value.where == "p/b.tpl:2:8"
    assert "two {{ .Nope }}" in str(caught.value)


@pytest.mark.parametrize(
    ("partials", "text", "files"),
    [
        ({"a.tpl": '{{ define "x" }}1{{ end }}', "b.tpl": '\n{{ define "x" }}2{{ end }}'}, "", ("a.tpl", "b.tpl")),
        ({"a.tpl": '{{ define "x" }}1{{ end }}'}, '{{ define "x" }}2{{ end }}', ("a.tpl", "services.yaml")),
    ],
)
def test_two_definitions_of_one_name_name_both_files(
    partials: dict[str, str], text: str, files: tuple[str, str]
) -> None:
    with pytest.raises(TemplateError) as caught:
        render(text, partials)
    assert f"'x' is defined in {files[0]} and in {files[1]}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ range 1000000000 }}{{ end }}", "range over"),
        ("{{ range 99999 }}{{ range 99999 }}{{ end }}{{ end }}", "turns of loops"),
        ('{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}', "more than 100 deep"),
        ('{{ define "x" }}{{ include "x" . }}{{ end }}{{ template "x" . }}', "more than 100 deep"),
        ('{{ $x := "0123456789" }}{{ range 40 }}{{ $x = print $x $x }}{{ end }}', "a text of more than"),
        ('{{ range 2000 }}{{ printf "%999999d" 1 }}{{ end }}', "characters of output"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "nested too deep"),
        ('{{ slice "é" 1 }}', "no valid UTF-8"),
    ],
)
def test_no_template_takes_all_there_is(text: str, reason: str) -> None:
    with pytest.raises(TemplateError, match=reason):
        render(text)


def test_a_misspelt_key_is_told_the_nearest() -> None:
    with pytest.raises(TemplateError, match="'Namespce', did you mean 'Namespace'"):
        render("{{ .Namespce }}")


def test_a_branch_that_is_not_taken_may_hold_what_would_fail() -> None:
    assert render("{{ if false }}{{ .Nope }}{{ len 1 }}{{ template `no` }}{{ end }}ok") == "ok"
