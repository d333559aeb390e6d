"""services.yaml as a template: as a whole, or value by value, in both dialects."""

from __future__ import annotations

from pathlib import Path

import pytest

from codexctl_ci.errors import ConfigError, InvalidStack
from codexctl_ci.stack.images import image_plan
from codexctl_ci.stack.rendering import render
from codexctl_ci.stack.variables import Inputs
from codexctl_ci.templating.dialect import Dialect
from codexctl_ci.templating.errors import TemplateError
from tests.support.projects import load, write_files

WHOLE = {
    Dialect.GO: """
        # {{- $name := envOr "NAME" "api" -}}
        project: shop
        registry: '{{ envOr "REGISTRY" "r:5000" }}'
        {{- if eq .Env "dev" }}
        maxSlots: 7
        {{- end }}
        images:
          {{ $name }}:
            type: build
            repository: '{{ .registry }}/{{ .Project }}/{{ $name }}'
            tag: '{{ .Env }}-{{ .Slot }}'
        """,
    Dialect.JINJA: """
        # {% set name = envOr("NAME", "api") %}
        project: shop
        registry: "{{ envOr('REGISTRY', 'r:5000') }}"
        {%- if env == "dev" %}
        maxSlots: 7
        {%- endif %}
        images:
          {{ name }}:
            type: build
            repository: "{{ registry }}/{{ project }}/{{ name }}"
            tag: "{{ env }}-{{ slot }}"
        """,
}
BY_VALUE = {
    Dialect.GO: r"""
        # {{- $name := envOr "NAME" "api" -}}
        project: shop
        registry: "{{ envOr \"REGISTRY\" \"r:5000\" }}"
        maxSlots: 7
        images:
          api:
            type: build
            repository: "{{ .registry }}/{{ .Project }}/{{ $name }}"
            tag: "{{ .Env }}-{{ printf \"%d\" .Slot }}"
        """,
    Dialect.JINJA: r"""
        # {% set name = envOr("NAME", "api") %}
        project: shop
        registry: "{{ envOr(\"REGISTRY\", \"r:5000\") }}"
        maxSlots: 7
        images:
          api:
            type: build
            repository: "{{ registry }}/{{ project }}/{{ name }}"
            tag: "{{ env }}-{{ slot }}"
        """,
}


@pytest.mark.parametrize("way", [WHOLE, BY_VALUE], ids=["whole", "by-value"])
@pytest.mark.parametrize("dialect", list(Dialect))
def test_both_ways_give_the_same_in_both_dialects(tmp_path: Path, way: dict[Dialect, str], dialect: Dialect) -> None:
    project = load(tmp_path, way[dialect], inputs=Inputs(environ={"REGISTRY": "elsewhere:1"}))
    (image,) = image_plan(project)
    assert project.dialect is dialect
    assert (project.name, project.spec.max_slots) == ("shop", 7)
    assert (image.name, image.reference) == ("api", "elsewhere:1/shop/api:dev-0")


@pytest.mark.parametrize("dialect", list(Dialect))
def test_top_level_scalars_are_seen_in_manifests_too(tmp_path: Path, dialect: Dialect) -> None:
    infra = "infrastructure: [{name: a, manifests: [{path: a.yaml}]}]\n"
    spelled = "{{ .registry }}" if dialect is Dialect.GO else "{{ registry }}"
    write_files(tmp_path, {"services.yaml": WHOLE[dialect]})
    text = (tmp_path / "services.yaml").read_text() + infra
    manifest = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{r: '{spelled}'}}\n"
    assert render(load(tmp_path, text, a_yaml=manifest)).manifests[0]["data"] == {"r": "r:5000"}


def test_first_key_that_a_control_line_pulled_into_its_comment_is_not_lost(tmp_path: Path) -> None:
    project = load(tmp_path, "# {{- $x := 1 -}}\nproject: shop\nversions: {a: 1}\nmaxSlots: {{ $x }}\n")
    assert (project.name, project.spec.versions, project.spec.max_slots) == ("shop", {"a": "1"}, 1)


def test_go_templates_see_versions_as_written_and_manifests_see_them_rendered(tmp_path: Path) -> None:
    services = """
        project: shop
        versions:
          api: '{{ envOr "V" "2.0" }}'
        images:
          api: {type: build, repository: r/api, tagTemplate: '{{ index .Versions "api" }}'}
        infrastructure:
          - name: a
            manifests: [{path: a.yaml}]
            hooks:
              beforeApply: [{run: 'echo {{ .Versions.api }}'}]
        """
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {v: '{{ .Versions.api }}'}\n"
    project = load(tmp_path, services, a_yaml=manifest)
    rendered = render(project)
    assert rendered.manifests[0]["data"] == {"v": "2.0"}
    assert rendered.items[0].hooks.before_apply[0].run == "echo 2.0"
    assert image_plan(project)[0].reference == "r/api:2.0"


@pytest.mark.parametrize("dialect", list(Dialect))
def test_storage_and_codex_are_empty_while_services_yaml_renders_and_there_afterwards(
    tmp_path: Path, dialect: Dialect
) -> None:
    size = "storage.workspace.size" if dialect is Dialect.JINJA else ".Storage.Workspace.Size"
    link = "codex.projectContext" if dialect is Dialect.JINJA else ".Codex.ProjectContext"
    early = (
        "{% if storage %}{{ env }}{% endif %}" if dialect is Dialect.JINJA else "{{ if .Storage }}{{ .Env }}{{ end }}"
    )
    services = f"""
        project: shop
        registry: 'x{early}'
        storage: {{workspace: {{size: 5Gi}}}}
        codex: {{projectContext: words}}
        hooks:
          afterAll: [{{run: 'echo {{{{ {size} | default("none") if env else 1 }}}}'}}]
        infrastructure: [{{name: a, manifests: [{{path: a.yaml}}]}}]
        """
    if dialect is Dialect.GO:
        services = services.replace(' | default("none") if env else 1', ' | default "none"')
    manifest = (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{s: '{{{{ {size} }}}} {{{{ {link} }}}}'}}\n"
    )
    project = load(tmp_path, services, a_yaml=manifest)
    assert project.spec.registry == "x"
    assert render(project).manifests[0]["data"] == {"s": "5Gi words"}
    assert render(project).after_all[0].run == "echo 5Gi"


def test_jinja_templates_in_the_header_are_rendered_before_they_are_used(tmp_path: Path) -> None:
    services = """
        project: shop
        versions: {api: "{{ envOr('V', '2.0') }}"}
        registry: "r-{{ versions.api }}"
        """
    assert load(tmp_path, services).spec.registry == "r-2.0"


@pytest.mark.parametrize(
    ("services", "manifest", "dialect"),
    [
        ("project: a", "x: '{{ .Env }}'", Dialect.GO),
        ("project: a", "x: '{{ env }}'", Dialect.JINJA),
        ("project: a", "x: 1", Dialect.JINJA),
        ("project: a\ntemplates: {dialect: go}", "x: '{{ env }}'", Dialect.GO),
        ("project: a\nregistry: '{{ .Env }}'", "x: 1", Dialect.GO),
        ("project: a\nregistry: '{{ env }}'", "x: 1", Dialect.JINJA),
        ("project: a\nregistry: '{{ now }}'", "x: 1", Dialect.GO),
    ],
)
def test_the_dialect_is_decided_once_by_services_yaml_else_by_its_manifests(
    tmp_path: Path, services: str, manifest: str, dialect: Dialect
) -> None:
    services += "\ninfrastructure: [{name: a, manifests: [{path: a.yaml}]}]\n"
    assert load(tmp_path, services, a_yaml=manifest).dialect is dialect


def test_both_dialects_in_one_file_are_refused_with_a_line_of_each(tmp_path: Path) -> None:
    with pytest.raises(TemplateError) as caught:
        load(tmp_path, "project: a\nregistry: '{{ .Env }}'\nmaxSlots: {% if env %}1{% endif %}\n")
    assert "{{ .Env }}" in str(caught.value) and "{% if env %}" in str(caught.value)


def test_a_template_that_fails_says_where(tmp_path: Path) -> None:
    with pytest.raises(TemplateError) as caught:
        load(tmp_path, 'project: a\nregistry: "{{ nothing.here }}"\n')
    assert str(caught.value).startswith("services.yaml:2")
    assert 'registry: "{{ nothing.here }}"' in str(caught.value)


def test_a_value_that_fails_by_itself_says_where(tmp_path: Path) -> None:
    with pytest.raises(TemplateError) as caught:
        load(tmp_path, 'project: a\nregistry: "{{ envOr(\\"A\\", \\"b\\") }}"\nmaxSlots: "{{ nothing }}"\n')
    assert str(caught.value).startswith("services.yaml:3")


def test_what_renders_to_no_yaml_shows_the_rendered_line(tmp_path: Path) -> None:
    inputs = Inputs(given={"X": "a: b: c"})
    with pytest.raises(InvalidStack) as caught:
        load(tmp_path, "project: a\n{% if env %}\n{% endif %}\nregistry: {{ envOr('X', '') }}\n", inputs=inputs)
    assert str(caught.value).startswith("services.yaml:4:")
    assert "registry: a: b: c" in str(caught.value)


def test_partials_are_there_for_every_template(tmp_path: Path) -> None:
    write_files(tmp_path, {"t/a.j2": "{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}"})
    project = load(tmp_path, "project: a\ntemplates: {partials: ['t/*.j2']}\nregistry: \"{{ twice('ab') }}\"\n")
    assert project.spec.registry == "abab"


def test_partials_that_match_nothing_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no file matches 't/\*\.j2'"):
        load(tmp_path, "project: a\ntemplates: {partials: ['t/*.j2']}\n")


def test_env_files_that_are_not_there_are_a_warning(tmp_path: Path) -> None:
    project = load(tmp_path, "project: a\nenvFiles: [.env]\n")
    assert [str(warning) for warning in project.warnings] == ["services.yaml: envFiles: there is no .env"]


def test_env_files_outside_the_project_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.\./x: leads out of the project"):
        load(tmp_path, "project: a\nenvFiles: [../x]\n")


CODEX = """
    project: shop
    templates: {dialect: go}
    codex:
      timeouts: {rollout: 600s}
      links: [{title: Site, path: /}]
      reviewMCPEnabled: true
      mcp: {servers: [{name: one, type: http, endpoint: e}, {name: two, type: stdio, command: c}]}
    infrastructure: [{name: a, manifests: [{path: a.yaml}]}]
    """


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ .Codex.Timeouts.Rollout }} {{ .Codex.Timeouts.Exec }} {{ .Codex.Timeouts.DeployWait }}", "600s 60m 10m"),
        ("{{ .Codex.ConfigTemplate }}.{{ .Codex.ProjectContext }}.{{ .Codex.PromptLang }}", ".."),
        ("{{ range .Codex.MCP.Servers }}{{ .Name }}{{ .Command }} {{ end }}", "one twoc "),
        ("{{ if .Codex.ReviewMCPEnabled }}yes{{ end }}", "yes"),
        ("{{ range .Codex.Links }}{{ .Title }} {{ .Path }}{{ end }}", "Site /"),
        ("{{ .Storage.Data.Size }}{{ if .Storage.Workspace.AccessModes }}x{{ end }}", ""),
        ("{{ .Env }} {{ .Namespace }} {{ .Project }} {{ .ProjectRoot }} {{ .Slot }}", "dev shop-dev shop /project 0"),
        ("{{ .Now.Year }} {{ now.Format `2006-01-02` }}", "2026 2026-01-02"),
        ("{{ .Vars.none }}{{ .UserVars.none }}{{ .EnvMap.none }}{{ .Versions.none }}{{ .BaseDomain.none }}", ""),
        ("{{ range .IssueComments }}x{{ end }}{{ len .ReviewComments }}", "0"),
    ],
)
def test_what_go_templates_see(tmp_path: Path, template: str, value: str) -> None:
    manifest = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{v: '{template}'}}\n"
    assert render(load(tmp_path, CODEX, a_yaml=manifest)).manifests[0]["data"]["v"] == value
