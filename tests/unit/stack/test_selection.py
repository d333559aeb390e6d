"""What takes part: filters, ``when``, and hooks with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from codexctl_ci.errors import ConfigError
from codexctl_ci.stack.rendering import render
from codexctl_ci.stack.selection import Selection, included
from codexctl_ci.templating.dialect import Dialect
from tests.support.projects import load

STACK = """
    project: shop
    hooks:
      beforeAll: [{name: always, run: x}, {name: never, run: x, when: "no"}]
    infrastructure:
      - {name: storage, hooks: {afterApply: [{name: s, run: x}]}}
      - {name: Network}
    services:
      - {name: api, hooks: {beforeApply: [{name: a, run: x}, {name: b, run: x, when: "{{ '' }}"}]}}
      - {name: web, when: "{{ env == 'dev' }}"}
    """


def names(folder: Path, selection: Selection, env: str = "dev") -> list[str]:
    return [item.name for item in render(load(folder, STACK, env=env), selection).items]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), "storage Network api web"),
        (Selection(only_services=("api",)), "storage Network api"),
        (Selection(only_services=("API", "Web")), "storage Network api web"),
        (Selection(skip_services=("api",)), "storage Network web"),
        (Selection(only_infra=("network",)), "Network api web"),
        (Selection(skip_infra=("STORAGE", "network")), "api web"),
        (Selection(only_services=("api", "web"), skip_services=("web",)), "storage Network api"),
        (Selection(only_services=("codex",), only_infra=("codex-ai-repair-rbac",)), ""),
        (Selection(only_infra=("storage",), only_services=("web",)), "storage web"),
    ],
)
def test_filters(tmp_path: Path, selection: Selection, expected: str) -> None:
    assert " ".join(names(tmp_path, selection)) == expected


def test_names_that_are_not_there_are_an_error_all_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        names(tmp_path, Selection(only_services=("apy", "codex"), skip_infra=("api",)))
    assert str(caught.value).splitlines() == [
        "--only-services: there is no service 'apy' (did you mean api?)",
        "--skip-infra: there is no infrastructure group 'api' (known here: Network, storage)",
    ]


def test_a_when_that_says_no_leaves_the_item_out(tmp_path: Path) -> None:
    assert names(tmp_path, Selection(), env="ai-staging") == ["storage", "Network", "api"]


def test_hooks_go_with_their_item_and_with_their_own_when(tmp_path: Path) -> None:
    rendered = render(load(tmp_path, STACK), Selection(skip_infra=("storage",)))
    steps = [s.name for i in rendered.items for s in (*i.hooks.before_apply, *i.hooks.after_apply)]
    assert steps == ["a"]
    assert [step.name for step in rendered.before_all] == ["always"]


@pytest.mark.parametrize("text", ["false", "False", "0", "no", "NO", " no ", "FALSE\n"])
@pytest.mark.parametrize("dialect", list(Dialect))
def test_words_that_mean_no(text: str, dialect: Dialect) -> None:
    assert not included(text, dialect)


@pytest.mark.parametrize("text", ["true", "1", "yes", "off", "x", None])
@pytest.mark.parametrize("dialect", list(Dialect))
def test_all_else_means_yes(text: str | None, dialect: Dialect) -> None:
    assert included(text, dialect)


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_a_blank_when_leaves_out_in_jinja_and_keeps_in_go(text: str) -> None:
    assert not included(text, Dialect.JINJA)
    assert included(text, Dialect.GO)


@pytest.mark.parametrize("blank", ["''", "", "~", '"{{ if false }}x{{ end }}"', "{{ if false }}x{{ end }}"])
def test_a_go_stack_keeps_items_whose_when_renders_empty_and_skips_such_hooks(tmp_path: Path, blank: str) -> None:
    services = f"""
        project: shop
        registry: '{{{{ .Env }}}}'
        services:
          - name: api
            when: {blank}
            hooks:
              afterApply:
                - run: x
                  when: {blank}
        """
    rendered = render(load(tmp_path, services))
    assert [item.name for item in rendered.items] == ["api"]
    assert rendered.items[0].hooks.after_apply == ()


def test_a_jinja_stack_leaves_out_items_whose_when_is_blank(tmp_path: Path) -> None:
    assert render(load(tmp_path, "project: a\nservices: [{name: api, when: }]\n")).items == ()
