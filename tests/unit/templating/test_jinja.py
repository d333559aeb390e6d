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
    slot=3,
    vars={"TEAM": "core"},
    versions={"api": "1.10", "items": "7"},
    codex={"reviewMCPEnabled": True, "model": "", "mcp": {"servers": [{"name": "docs", "startup_timeout_sec": 20}]}},
    storage={"workspace": {"size": "5Gi", "storageClass": "fast", "accessModes": ["ReadWriteOnce"]}},
    issue_comments=[{"issue_number": 7, "author": "bob", "body": "please"}],
    extra={"registry": "registry:5000"},
)


def render(text: str, **partials: str) -> str:
    named = {name.replace("__", "/") + ".j2": partial for name, partial in partials.items()}
    engine = make_engine(Dialect.JINJA, partials=named, env={"TAG": "v1", "EMPTY": ""}, now=NOW)
    return engine.render(text, CONTEXT, file="services.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ env }}/{{ namespace }}/{{ project }}/{{ slot }}\n", "ai/shop-dev-3/shop/3\n"),
        ("{{ registry }}", "registry:5000"),
        ("{{ 'né 🎉' | tojson }}", '"né 🎉"'),
        ("{{ vars.TEAM }}|{{ vars.nope }}|{{ vars['nope'] }}", "core||"),
        ("{{ versions.items }}{{ versions.api }}", "71.10"),
        ("{% for k, v in vars.items() %}{{ k }}={{ v }}{% endfor %}", "TEAM=core"),
        ("{{ codex.review_mcp_enabled }}{{ codex.reviewMCPEnabled }}", "TrueTrue"),
        ("{{ codex.mcp.servers[0].startup_timeout_sec }}", "20"),
        ("{{ storage.workspace.storage_class }}{{ storage.workspace.accessModes[0] }}", "fastReadWriteOnce"),
        ("{{ issue_comments[0].author }}{{ issue_comments[0].issue_number }}", "bob7"),
        ("{{ now.year }} {{ now().isoformat() }}", "2026 2026-01-02T03:04:05+00:00"),
        ("{% set ns = namespace(n=1) %}{% set ns.n = ns.n + 1 %}{{ ns.n }}", "2"),
    ],
)
def test_the_context_in_its_snake_case_names(text: str, expected: str) -> None:
    assert render(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ nope | default('d') }}{{ default(nope, 'd') }}", "dd"),
        ("{{ '' | default('d') }}{{ ' \n' | default('d') }}{{ none | default('d') }}{{ [] | default('d') }}", "dddd"),
        ("{{ 0 | default(5) }}{{ false | default(true) }}{{ 'x' | default('d') }}", "0Falsex"),
        ("{{ false | default('d', true) }}", "d"),
        ("{{ codex.a.b.c | default('d') }}", "d"),
        ("{{ toLower('ÄB') }}{{ 'ÄB' | toLower }}{{ 'AB' | to_lower }}", "äbäbab"),
        ("{{ slug(' A b_C ') }}{{ 'A b' | slug }}", "a-b-ca-b"),
        ("{{ truncSHA('0123456789abcdef') }}{{ '0123456789abcdef' | trunc_sha }}", "0123456789ab0123456789ab"),
        ("{{ envOr('TAG', 'd') }}{{ envOr('EMPTY', 'd') }}{{ env_or('NOPE', 'd') }}", "v1dd"),
        ("{{ ternary(slot > 2, 'y', 'n') }}{{ (slot > 9) | ternary('y', 'n') }}", "yn"),
        ("{{ join(['a', 'b'], '-') }}{{ ['a', 1] | join('+') }}", "a-ba+1"),
        ("{{ indent(2, 'a\n\nb\n\n') }}|{{ indent(2, '') }}", "  a\n  \n  b|"),
        ("{{ trimPrefix('v1.2', 'v') }}{{ 'v1.2' | trimPrefix('v') }}", "1.21.2"),
        ("{{ quote('a\"b') }}", '"a\\"b"'),
    ],
)
def test_the_functions(text: str, expected: str) -> None:
    assert render(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{% if nope %}x{% else %}ok{% endif %}",
        "{% if codex.a.b %}x{% else %}ok{% endif %}",
        "{{ nope or 'ok' }}",
        "{{ (nope and 'x') or 'ok' }}",
        "{{ 'ok' if not nope else 'x' }}",
    ],
)
def test_a_missing_key_is_false_where_a_condition_asks_for_it(text: str) -> None:
    assert render(text) == "ok"


@pytest.mark.parametrize(
    "text",
    [
        "{{ nope }}",
        "{{ codex.nope }}",
        "{{ codex['nope'] }}",
        "{{ codex.nope.deeper }}",
        "{{ nope == 1 }}",
        "{% for x in nope %}{% endfor %}",
        "{{ nope ~ 'x' }}",
        "{{ nope | upper }}",
        "{{ toLower(nope) }}",
        "{{ join(nope, ',') }}",
        "{{ ternary(nope, 1, 2) }}",
        "{{ nope or nope }}",
        "{{ issue_comments[9] }}",
    ],
)
def test_a_missing_key_is_an_error_anywhere_else(text: str) -> None:
    with pytest.raises(TemplateError) as caught:
        render(f"a: 1\nb: {text}\n")
    assert caught.value.where == f"services.yaml:2:{caught.value.column}"
    assert f"b: {text}" in str(caught.value)
    # The name where the problem says it, else its action.
    where = text.index("nope") if "'nope'" in caught.value.problem else text.index("{")
    assert caught.value.column == len("b: ") + where + 1


@pytest.mark.parametrize(
    ("text", "line", "column", "quoted"),
    [
        ("a\nb: {{ 1 / 0 }}\nc", 2, 4, "b: {{ 1 / 0 }}"),
        ("a\n\n{% if %}\n", 3, 1, "{% if %}"),
        ("{% for x in [1] %}\n  {{ x.y.z }}\n{% endfor %}", 2, 8, "{{ x.y.z }}"),
        ("a\n{{ 'x' | nofilter }}", 2, 10, "nofilter"),
        ("a\n{% include 'nope' %}", 2, 13, "{% include 'nope' %}"),
        ("{% macro m() %}\n{{ nope }}\n{% endmacro %}\nx\n{{ m() }}", 2, 4, "{{ nope }}"),
        ("a\n{{ ternary(1, 2, 3) }}", 2, 1, "ternary(1"),
        ("{% if env %}\nx", 1, 4, "{% if env %}"),
        ("a\n{{ env }} {{ nope }}", 2, 14, "{{ nope }}"),
    ],
)
def test_an_error_names_its_place_and_shows_the_line(text: str, line: int, column: int, quoted: str) -> None:
    with pytest.raises(TemplateError) as caught:
        render(text)
    assert caught.value.where == f"services.yaml:{line}:{column}"
    assert quoted in caught.value.source_line
    assert quoted in str(caught.value)


@pytest.mark.parametrize(
    ("text", "known"),
    [("{{ namespce }}", "namespace"), ("{{ codex.modell }}", "model"), ("{{ registri }}", "registry")],
)
def test_a_misspelt_name_is_told_the_nearest(text: str, known: str) -> None:
    with pytest.raises(TemplateError, match=f"did you mean '{known}'"):
        render(text)


def test_an_error_in_a_partial_names_the_partial() -> None:
    with pytest.raises(TemplateError) as caught:
        render("a\n{% include 'b.j2' %}", deploy__b="one\ntwo {{ nope }}\n")
    assert caught.value.where == "deploy/b.j2:2:8"
    assert "two {{ nope }}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{% include 'p/plain.j2' %}", "plain ai"),
        ("{{ include('plain.j2') }}", "plain ai"),
        ("{{ include('named.j2', {'who': 'me'}) }}", "me in ai"),
        ("{% import 'macros.j2' as m %}{{ m.label('x') }}", "label x of "),
        ("{{ label('x') }}", "label x of shop"),
        ("{% from 'macros.j2' import label with context %}{{ label('x') }}", "label x of shop"),
        ("{% extends 'base.j2' %}{% block body %}mine{% endblock %}", "<mine>"),
        ("{{ include('plain.j2') | upper }}", "PLAIN AI"),
    ],
)
def test_partials_are_available_by_name(text: str, expected: str) -> None:
    partials = {
        "p__plain": "plain {{ env }}",
        "p__named": "{{ who }} in {{ env }}",
        "p__macros": "{% macro label(x) %}label {{ x }} of {{ project | default('') }}{% endmacro %}",
        "p__base": "<{% block body %}{% endblock %}>",
    }
    assert render(text, **partials) == expected


def test_two_definitions_of_a_macro_name_both_files() -> None:
    with pytest.raises(TemplateError, match=r"'m' is defined in a\.j2 and in b\.j2") as caught:
        render("x", a="{% macro m() %}{% endmacro %}", b="\n{% macro m() %}{% endmacro %}")
    assert caught.value.where == "b.j2:2"


def test_a_short_name_that_two_partials_share_names_both_and_their_full_names_work() -> None:
    partials = {"a__x": "1", "b__x": "2"}
    assert render("{% include 'a/x.j2' %}{% include 'b/x.j2' %}", **partials) == "12"
    with pytest.raises(TemplateError, match=r"a/x\.j2 or b/x\.j2"):
        render("{% include 'x.j2' %}", **partials)


@pytest.mark.parametrize("name", ["/etc/passwd", "../../etc/passwd", "services.yaml", "nope.j2"])
def test_nothing_is_read_from_disk(name: str) -> None:
    with pytest.raises(TemplateError, match="there is no partial"):
        render("{% include '" + name + "' %}")


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__ }}",
        "{{ ''.__class__ | default('x') }}",
        "{% if ''.__class__ %}{% endif %}",
        "{{ ''['__class__'] }}",
        "{{ [].__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ self.__init__ }}",
        "{{ env.format.__globals__ }}",
        "{{ '{0.__class__}'.format(env) }}",
        "{{ env | attr('__class__') }}",
        "{{ envOr.__globals__ }}",
        "{{ include.__code__ }}",
        "{{ vars.update({'a': 'b'}) }}",
        "{{ [].append(1) }}",
        "{{ codex.clear() }}",
        "{{ codex._spellings }}",
    ],
)
def test_internals_are_out_of_reach(text: str) -> None:
    with pytest.raises(TemplateError):
        render(text)


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in range(10**9) %}{% endfor %}",
        "{{ 'a' * 10**9 }}",
        "{{ 10**9 * [1] }}",
        "{{ 2 ** (10**6) }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    ],
)
def test_no_template_takes_all_there_is(text: str) -> None:
    with pytest.raises(TemplateError):
        render(text)


def test_newlines_at_the_end_stay() -> None:
    assert render("a: 1\n\n") == "a: 1\n\n"
