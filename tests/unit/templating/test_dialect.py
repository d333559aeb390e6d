from pathlib import Path

import pytest

from codexctl_ci.templating.dialect import Dialect, detect
from codexctl_ci.templating.errors import TemplateError

FILES = sorted((Path(__file__).parent / "dialects").iterdir())
EXPECTED = {"go": Dialect.GO, "jinja": Dialect.JINJA, "none": None}


@pytest.mark.parametrize("file", [f for f in FILES if not f.name.startswith("both-")], ids=lambda file: file.name)
def test_the_dialect_of_a_file_is_found(file: Path) -> None:
    assert detect(file.read_text(), file.name) is EXPECTED[file.name.split("-")[0]]


def test_thirty_files_are_tried() -> None:
    assert len(FILES) >= 30


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("both-fields-and-names.yaml", ("a: {{ .Env }}", "b: {{ env }}")),
        ("both-statement-and-variable.yaml", ("b: {{ $y }}", "{% if x %}")),
    ],
)
def test_two_dialects_in_one_file_are_an_error_that_shows_a_line_of_each(name: str, lines: tuple[str, str]) -> None:
    file = Path(__file__).parent / "dialects" / name
    with pytest.raises(TemplateError) as caught:
        detect(file.read_text(), name)
    assert name in str(caught.value)
    for line in lines:
        assert line in str(caught.value)


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("{{ if .X }}", Dialect.GO),
        ("{{- if (eq 1 1) -}}", Dialect.GO),
        ("{{if(eq .X 1)}}", Dialect.GO),
        ("{{ continue }}", Dialect.GO),
        ("{{ . }}", Dialect.GO),
        ("{{.}}", Dialect.GO),
        ("{{ $ }}", Dialect.GO),
        ("{{ end }}", Dialect.GO),
        ('{{ "a" | printf "%s" }}', Dialect.GO),
        ("{{ or true false }}", Dialect.GO),
        ("{{ len (slice `abc` 1) }}", Dialect.GO),
        ("{{ name }}", Dialect.JINJA),
        ("{{-name-}}", Dialect.JINJA),
        ("{{ a.b.c }}", Dialect.JINJA),
        ("{{ a if b else c }}", Dialect.JINJA),
        ("{{ not a }}", None),
        ("{{ x is not none }}", Dialect.JINJA),
        ("{{ range(3) | join(',') }}", Dialect.JINJA),
        ("{{ loop.index }}", Dialect.JINJA),
        ("{%- set x = 1 -%}", Dialect.JINJA),
        ("{{ true }}", None),
        ("{{ 'it''s' }}", None),
        ("{{ x is divisibleby 3 }}", Dialect.JINJA),
    ],
)
def test_one_action(action: str, expected: Dialect | None) -> None:
    assert detect(f"a: {action}\n", "x.yaml") is expected


def test_an_action_that_never_ends_does_not_take_forever() -> None:
    assert detect("{{ " + '"a" ' * 2000, "x.yaml") is None
