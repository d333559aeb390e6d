"""All that is wrong in services.yaml is found in one run, each with its place and the nearest known name."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from codexctl_ci.errors import InvalidStack
from codexctl_ci.stack.references import find_cycle
from tests.support.projects import load, write_files

CLAIM = """
    apiVersion: v1
    kind: PersistentVolumeClaim
    metadata: {name: "{{ project }}-data"}
    """


def faults(folder: Path, services: str, **more: str | bool) -> list[str]:
    with pytest.raises(InvalidStack) as caught:
        load(folder, services, **more)  # type: ignore[arg-type]
    return [str(finding) for finding in caught.value.findings]


def test_everything_wrong_is_found_at_once(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        """
        project: shop
        maxSlot: 3
        maxSlots: many
        registry: r:5000
        registry: r:5001
        environments:
          ai: {from: stagin}
          staging: {imagePullPolicy: Allways}
          a: {from: b}
          b: {from: a, slotBootstrapInfra: [storag]}
        images:
          api: {type: build, repository: "r:5000/shop/api"}
          web: {type: external, from: x}
        infrastructure:
          - name: storage
            manifests: [{path: storage.yaml}]
          - name: x
            dependsOn: [api]
        services:
          - name: api
            image: {repository: "r:5000/shop/appi", tagTemplate: 1}
            dependsOn: [web, nothing]
            overlays:
              dev:
                pvcMounts: [{name: d, claimName: shop-dat, mountPath: /d}]
          - name: web
            dependsOn: [api]
          - name: Api
          - nam: db
          - name: late
            deployGroup: edg
            hooks:
              afterApply:
                - use: kubectl.wai
                - run: x
                  use: sleep
                - run: x
                  timeout: 10
        codex:
          links: {title: x}
          mcp:
            servers:
              - {name: a, type: http}
              - name: b
                type: stdio
                command: x
                env: {K: {value: 1, envRef: E}}
              - {name: B, type: sdtio, command: y}
        """,
        storage_yaml=CLAIM,
    )
    assert found == [
        "services.yaml:2:1: unknown key maxSlot (did you mean maxSlots?)",
        "services.yaml:3:1: maxSlots must be a whole number, not 'many'",
        "services.yaml:5:1: key 'registry' stands twice in one mapping, first in line 4",
        "services.yaml:7:8: environment 'ai' inherits from 'stagin', which is not there (did you mean staging?)",
        "services.yaml:8:13: environments.staging.imagePullPolicy is 'Allways'; it must be one of Always, IfNotPresent,"
        " Never (did you mean Always?)",
        "services.yaml:9:7: environments inherit in a circle: a -> b -> a",
        "services.yaml:10:37: there is no infrastructure group 'storag' (did you mean storage?)",
        "services.yaml:13:3: image 'web' of type external needs local",
        "services.yaml:18:17: group 'x' depends on service 'api'; infrastructure comes before all services",
        "services.yaml:21:13: no entry of images makes r:5000/shop/appi (did you mean r:5000/shop/api?)",
        "services.yaml:22:5: dependsOn goes in a circle: api -> web -> api",
        "services.yaml:22:22: 'api' depends on 'nothing', which is not there (known here: api, late, storage, web, x)",
        "services.yaml:25:31: no manifest makes the volume claim 'shop-dat' (known: shop-data)",
        "services.yaml:28:5: service 'Api' stands twice, first in line 20",
        "services.yaml:29:5: services[3] has no name",
        "services.yaml:29:5: unknown key services[3].nam (did you mean name?)",
        "services.yaml:31:5: services[4].deployGroup is 'edg'; it must be one of stateful, migrations, internal, edge,"
        " frontend (did you mean edge?)",
        "services.yaml:34:11: there is no built-in hook 'kubectl.wai' (did you mean kubectl.wait?)",
        "services.yaml:35:11: services[4].hooks.afterApply[1]: a hook has exactly one of run, use",
        "services.yaml:38:11: services[4].hooks.afterApply[2].timeout: '10' is not a duration; write it like 90s, 10m"
        " or 1h30m",
        "services.yaml:40:3: codex.links must be a list, not a mapping",
        "services.yaml:43:9: codex.mcp.servers[0]: a server of type http needs endpoint",
        "services.yaml:47:15: codex.mcp.servers[1].env.K: a reference has exactly one of value, envRef, varRef",
        "services.yaml:48:10: MCP server 'B' stands twice, first in line 44",
        "services.yaml:48:19: codex.mcp.servers[2].type is 'sdtio'; it must be one of stdio, http, https, cluster"
        " (did you mean stdio?)",
    ]


@pytest.mark.parametrize(
    ("services", "fault"),
    [
        ("", "services.yaml:1:1: is empty"),
        ("- a\n", "services.yaml:1:1: must be a mapping with the key project"),
        ("maxSlots: 1\n", "services.yaml:1:1: the file has no project"),
        ("project: Shop_1\n", "services.yaml:1:1: project is 'Shop_1': lower-case letters, digits and dashes only"),
        ("project: [a]\n", "services.yaml:1:1: project must be text, not a list"),
        ("project: a\nservices: {}\n", "services.yaml:2:1: services must be a list, not a mapping"),
        ("project: a\nservices: [x]\n", "services.yaml:2:12: services[0] must be a mapping, not 'x'"),
        ("project: a\nservices: [null]\n", "services.yaml:2:12: services[0] must be a mapping, not blank"),
        ("project: a\nmaxSlots: -1\n", "services.yaml:2:1: maxSlots: it must be greater than or equal to 0"),
        ("project: a\n  b: c\n", "services.yaml:2:4: not valid YAML: mapping values are not allowed in this context"),
        ("project: a\nprojects: b\n", "services.yaml:2:1: unknown key projects (did you mean project?)"),
        ("project: a\nxyz: b\n", "services.yaml:2:1: unknown key xyz"),
    ],
)
def test_single_faults(tmp_path: Path, services: str, fault: str) -> None:
    write_files(tmp_path, {"services.yaml": services})
    assert faults(tmp_path, "") == [fault]


def test_faults_of_templates_schema_references_and_manifests_are_told_in_one_run(tmp_path: Path) -> None:
    write_files(
        tmp_path, {"web.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ nine }} {{ zwoelf }}'}\n"}
    )
    services = """\
        project: shop
        versions: {web: "{{ one }}"}
        maxSlots: "{{ two }}"
        service: []
        infrastructure:
          - name: cfg
            manifests: [{path: gone.yaml}]
        services:
          - name: web
            dependsOn: [dbb]
            manifests: [{path: web.yaml}]
            image: {repository: "{{ env }}{{ three }}", tagTemplate: "{{ four }}"}
        """
    told = [fault.partition("\n")[0].partition(" (paths")[0] for fault in faults(tmp_path, services)]
    assert told == [
        "services.yaml:2:21: 'one' is undefined",
        "services.yaml:3:15: 'two' is undefined",
        "services.yaml:4:1: unknown key service (did you mean services?)",
        "services.yaml:7:17: gone.yaml: no such file",
        "services.yaml:10:17: 'web' depends on 'dbb', which is not there (known here: cfg, web)",
        "services.yaml:12:38: 'three' is undefined",
        "services.yaml:12:66: 'four' is undefined",
        "web.yaml:3:22: 'nine' is undefined",
        "web.yaml:3:33: 'zwoelf' is undefined",
    ]


def test_what_templates_lack_by_a_fault_of_the_file_is_told_once(tmp_path: Path) -> None:
    write_files(tmp_path, {"web.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ registry }}'}\n"})
    services = """\
        project: shop
        registri: here
        services: [{name: web, manifests: [{path: web.yaml}]}]
        """
    assert faults(tmp_path, services) == ["services.yaml:2:1: unknown key registri (did you mean registry?)"]


def test_pattern_of_a_namespace_that_fails_has_its_own_line(tmp_path: Path) -> None:
    services = "project: shop\nmaxSlots: x\nnamespace:\n  patterns:\n    dev: '{{ project }}-{{ nope }}'\n"
    told = [fault.partition("\n")[0] for fault in faults(tmp_path, services)]
    assert told == [
        "services.yaml:2:1: maxSlots must be a whole number, not 'x'",
        "services.yaml:5:28: 'nope' is undefined",
    ]


def test_template_that_no_word_can_stand_in_for_is_told_with_those_before_it(tmp_path: Path) -> None:
    services = "project: shop\nregistry: '{{ one }}'\nmaxSlots: x\nservices:\n{{ two\n}}\n"
    first, second = faults(tmp_path, services)
    assert first.startswith("services.yaml:2:15: 'one' is undefined") and "'two' is undefined" in second


def test_places_are_those_of_the_file_as_written(tmp_path: Path) -> None:
    services = """
        # {% set words = ['a', 'b', 'c'] %}
        project: shop
        {%- if env == 'dev' %}
        {%- set x = 1 %}
        {%- endif %}
        versions:
          {%- for word in words %}
          {{ word }}: 1
          {%- endfor %}
        services:
          - name: api
            imag: x
        """
    assert faults(tmp_path, services) == [
        "services.yaml:12:5: unknown key services[0].imag (did you mean image?)",
    ]


def test_blank_keys_are_absent_ones(tmp_path: Path) -> None:
    project = load(tmp_path, "project: a\nservices:\ncodex:\nversions:\n  api:\nimages: ~\n")
    assert project.spec.services == ()
    assert project.spec.versions == {"api": ""}


def test_numbers_keep_their_text(tmp_path: Path) -> None:
    project = load(
        tmp_path,
        """
        project: a
        versions: {api: 1.10, web: 012, flag: true, off: off}
        images:
          api: {type: build, repository: r/api, tag: 1.10, buildArgs: {N: 1.0, B: true}}
        """,
    )
    assert project.spec.versions == {"api": "1.10", "web": "012", "flag": "true", "off": "off"}
    assert project.spec.images["api"].tag == "1.10"
    assert project.spec.images["api"].build_args == {"N": "1.0", "B": "true"}


GO = """
    project: shop
    registry: '{{ envOr "R" "r" }}'
    codex:
      mcp:
        servers:
          - {name: a, type: cluster, service: {name: x, hots: y}}
    """


def test_unknown_keys_are_warnings_in_the_go_dialect(tmp_path: Path) -> None:
    project = load(tmp_path, GO)
    assert [str(warning) for warning in project.warnings] == [
        "services.yaml:6:53: unknown key codex.mcp.servers[0].service.hots"
        " (known here: name, namespace, path, port, scheme)"
    ]
    service = project.spec.codex.mcp.servers[0].service
    assert service and service.name == "x"


def test_unknown_keys_are_errors_in_the_go_dialect_when_strict(tmp_path: Path) -> None:
    assert "unknown key codex.mcp.servers[0].service.hots" in faults(tmp_path, GO, strict=True)[0]


def test_unknown_keys_are_errors_in_the_jinja_dialect(tmp_path: Path) -> None:
    assert "unknown key" in faults(tmp_path, GO.replace("""'{{ envOr "R" "r" }}'""", "x"))[0]


@pytest.mark.parametrize(
    ("edges", "cycle"),
    [
        ({}, []),
        ({"a": ["b"], "b": ["c"], "c": []}, []),
        ({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}, []),
        ({"a": ["a"]}, ["a", "a"]),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, ["b", "c", "b"]),
        ({"x": [], "a": ["b"], "b": ["c", "a"], "c": []}, ["a", "b", "a"]),
        ({"a": ["missing"]}, []),
    ],
)
def test_cycles_are_found_with_their_path(edges: dict[str, list[str]], cycle: list[str]) -> None:
    assert find_cycle(edges) == cycle


def test_a_later_group_cannot_be_waited_for_by_an_earlier_one(tmp_path: Path) -> None:
    services = """
        project: a
        services:
          - {name: db, deployGroup: stateful, dependsOn: [web]}
          - {name: web, deployGroup: frontend}
        """
    assert faults(tmp_path, services) == [
        "services.yaml:3:51: 'db' depends on 'web', which is deployed later: 'stateful' comes before 'frontend'"
    ]


def test_hooks_that_say_use_run_beside_their_script_are_let_pass(tmp_path: Path) -> None:
    project = load(tmp_path, dedent("project: a\nhooks:\n  beforeAll: [{use: run, run: echo}]\n"))
    (step,) = project.spec.hooks.before_all
    assert (step.run, step.use) == ("echo", None)


def test_the_type_of_an_image_shows_in_its_keys(tmp_path: Path) -> None:
    images = load(tmp_path, "project: a\nimages:\n  x: {from: f, local: l}\n  y: {repository: r}\n").spec.images
    assert (images["x"].type, images["y"].type) == ("external", "build")


@pytest.mark.parametrize(
    ("text", "size"), [("5Mi", 5 << 20), ("500k", 500_000), ("2 GiB", 2 << 30), ("1048576", 1 << 20)]
)
def test_sizes_are_read_with_their_unit(tmp_path: Path, text: str, size: int) -> None:
    project = load(tmp_path, f"project: shop\nguardrails: {{maxFileSize: {text}, allowProtected: [.github/**]}}\n")
    rules = project.spec.guardrails
    assert (rules.max_file_size, rules.max_files, rules.allow_protected) == (size, 500, (".github/**",))


def test_pattern_of_commit_messages_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidStack, match=r"commitMessage.*no regular expression"):
        load(tmp_path, "project: shop\nguardrails: {commitMessage: '(feat'}\n")


@pytest.mark.parametrize("text", ["-1", "5 apples", "1.5Mi"])
def test_what_is_no_size_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidStack, match="maxFileSize"):
        load(tmp_path, f"project: shop\nguardrails: {{maxFileSize: {text}}}\n")
