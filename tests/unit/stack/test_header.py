"""What is read of services.yaml as a person wrote it."""

from __future__ import annotations

from textwrap import dedent

import pytest

from codexctl_ci.stack.header import read_header


def header(text: str) -> dict[str, object]:
    found = read_header(dedent(text))
    return {**found.as_document(), "scalars": dict(found.scalars)}


def test_all_keys_of_the_header() -> None:
    found = read_header(
        dedent(
            """
            project: shop
            envFiles: [.env, versions.env]
            versions: {api: 1.10, web: }
            baseDomain:
              dev: shop.localhost
            namespace:
              patterns:
                ai: "{{ .Project }}-x-{{ .Slot }}"
            templates: {dialect: go, partials: [a/*.tpl]}
            maxSlots: 3
            """
        )
    )
    assert found.project == "shop"
    assert found.env_files == (".env", "versions.env")
    assert found.versions == {"api": "1.10", "web": ""}
    assert found.base_domain == {"dev": "shop.localhost"}
    assert found.patterns == {"ai": "{{ .Project }}-x-{{ .Slot }}"}
    assert (found.dialect, found.partials) == ("go", ("a/*.tpl",))
    assert found.scalars == {"project": "shop", "maxSlots": "3"}


def test_a_file_that_is_no_yaml_before_it_is_rendered_has_a_header_all_the_same() -> None:
    found = header(
        """
        # {{- $x := envOr "X" "y" -}}
        project: shop
        {{- if eq .Env "dev" }}
        registry: one
        {{- else }}
        registry: two
        {{- end }}
        maxSlots: {{ envOr "SLOTS" "3" }}
        versions:
          {{- if true }}
          api: 2
          {{- end }}
        services:
          {{ range .Names }}
          - name: {{ . }}
          {{ end }}
        """
    )
    assert found == {
        "project": "shop",
        "versions": {"api": "2"},
        "scalars": {"project": "shop", "registry": "one", "maxSlots": '{{ envOr "SLOTS" "3" }}'},
    }


@pytest.mark.parametrize("text", ["", "nothing", "- a\n- b\n", "project: [", "\tx", "versions: 3\nenvFiles: {a: b}\n"])
def test_nothing_in_a_header_is_fatal(text: str) -> None:
    read_header(text)


def test_quoted_keys_and_comments_behind_values() -> None:
    assert header("\"project\": shop # the name\n'registry': 'a#b'\n")["scalars"] == {
        "project": "shop",
        "registry": "a#b",
    }
