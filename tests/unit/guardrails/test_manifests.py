"""YAML and manifests in a change: what parses, which Secrets everybody could read, how things are named."""

from __future__ import annotations

import pytest

from codexctl_ci.guardrails.patch import judge_change
from codexctl_ci.guardrails.policy import FileChange, Policy

SECRET = """apiVersion: v1
kind: Secret
metadata: {name: db}
stringData:
  user: app
"""
SEALED = """apiVersion: v1
kind: Secret
metadata: {name: db}
data:
  password: ENC[AES256_GCM,data:x,iv:x,tag:x,type:str]
sops:
  mac: ENC[x]
"""
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\n"


def found(path: str, text: str, before: str | None = None, policy: Policy | None = None) -> list[tuple[str, int]]:
    change = FileChange(path, "file", text.encode(), None if before is None else before.encode())
    return [(violation.rule, violation.line) for violation in judge_change([change], policy or Policy())]


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\n",
        "",
        "---\n---\n",
        "x: !Ref y\n",
        "on: push\n",
        "a: ${{ secrets.X }}\n",
        "\ufeffa: 1\n",
        "# only a comment\n",
    ],
)
def test_yaml_that_parses_passes(text: str) -> None:
    assert found("deploy/a.yaml", text) == []


@pytest.mark.parametrize("text", ["a: [1\n", "a: b: c\n", "a: 1\n\tb: 2\n", "[" * 100_000, "- " * 100_000])
def test_yaml_must_parse(text: str) -> None:
    (rule, line) = found("deploy/a.yml", text)[0]
    assert rule == "yaml" and line >= 1
    assert found("deploy/a.yml", text, policy=Policy(unparsed=("deploy/*",))) == []
    assert found("a.txt", text) == []
    # It was so before: somebody else's doing.
    assert found("deploy/a.yml", text + "#\n", text) == []


@pytest.mark.parametrize(
    "text",
    [
        "a: {{ labels('x') }}\n",
        "{{- if .Values.x }}\na: {{ .Values.x }}\n{{- end }}\n",
        "{% if x %}\na: {{ x }}\n{% endif %}\n",
        "{{ include 'everything' . | indent 2 }}\n  x: [\n",
    ],
)
def test_templates_are_no_yaml_yet(text: str) -> None:
    assert found("deploy/a.yaml", text) == []
    assert found("deploy/a.yaml.j2", text) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (SECRET, 5),
        (SECRET.replace("stringData", "data").replace("app", "YXBw"), 5),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n" + SECRET, 9),
        ("apiVersion: v1\nkind: List\nitems:\n- " + SECRET.replace("\n", "\n  "), 8),
        ('{"apiVersion": "v1", "kind": "Secret",\n"data": {"a": "YQ=="}}\n', 2),
        ('{\n\t"apiVersion": "v1",\n\t"kind": "Secret",\n\t"data": {"a": "YQ=="}\n}\n', 4),
        # Only what is encrypted passes, whatever stands beside it.
        (SEALED + "stringData: {user: app}\n", 8),
        (SECRET + "sops: {mac: x}\n", 5),
        # A template with a value in it.
        ("{% if x %}\n" + SECRET + "{% endif %}\n", 6),
        ("{{ broken(\n" + SECRET, 3),
    ],
)
def test_secret_in_plain_text_is_refused(text: str, line: int) -> None:
    path = "deploy/a.json" if text.startswith('{"') or text.startswith("{\n\t") else "deploy/a.yaml"
    assert ("plain-secret", line) in found(path, text)
    assert not [rule for rule, _ in found(path, text, policy=Policy(plain_secrets=("deploy/**",))) if rule != "yaml"]


@pytest.mark.parametrize(
    "text",
    [
        SEALED,
        SECRET.replace("app", "\"{{ env_or('DB_USER', '') }}\""),
        SECRET.replace("app", "{{ .Values.user }}"),
        SECRET.replace("app", "${DB_USER}"),
        SECRET.replace("app", '""'),
        SECRET.replace("kind: Secret", "kind: SealedSecret"),
        "kind: Secret\nname: db\n",
    ],
)
def test_secret_without_a_readable_value_passes(text: str) -> None:
    assert found("deploy/a.yaml", text) == []


def test_secret_that_stood_there_is_not_the_agents_doing() -> None:
    assert found("deploy/a.yaml", SECRET + "---\n" + CONFIG % "new", SECRET) == []
    assert found("deploy/a.yaml", SECRET + "  password: new\n", SECRET) == [("plain-secret", 6)]


@pytest.mark.parametrize("name", ["api.yaml", "api-config.yaml", "01-api.v2.yml", "api.yaml.j2"])
def test_manifests_of_lower_case_words_with_hyphens_pass(name: str) -> None:
    assert found(f"deploy/{name}", CONFIG % "api-config") == []


@pytest.mark.parametrize("name", ["API.yaml", "api_config.yaml", "apiConfig.yml", "api config.yaml"])
def test_new_manifest_has_a_name_like_the_others(name: str) -> None:
    assert found(f"deploy/{name}", CONFIG % "api") == [("name", 1)]
    assert found(f"deploy/{name}", CONFIG % "api", CONFIG % "a") == []
    assert found(f"deploy/{name}", CONFIG % "api", policy=Policy(hyphens=False)) == []
    assert found(f"src/{name}", "a: 1\n") == []


def test_objects_have_names_like_the_others() -> None:
    assert found("deploy/a.yaml", CONFIG % "Api_Config") == [("name", 4)]
    assert found("deploy/a.yaml", CONFIG % "Api_Config" + "data: {}\n", CONFIG % "Api_Config") == []
    assert found("deploy/a.yaml", CONFIG % "'{{ name }}_X'") == []
    role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: 'system:Role'}\n"
    assert found("deploy/a.yaml", role) == []
