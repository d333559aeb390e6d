import json
from pathlib import Path

from tests.contract.go_templates.program import Case, differences, go_answers
from tests.contract.go_templates.requirement import needs_go

HERE = Path(__file__).parent
DATA = json.loads((HERE / "data.json").read_text())
ENV = {"K": "v", "E": ""}
PARTIALS = {
    "labels.tpl": '{{ define "label" }}app: {{ . }}{{ end }}{{ define "chain" }}{{ include "label" .Env }}{{ end }}',
    "sub/plain.tpl": "slot {{ .Slot }}\n",
}
TEMPLATES = [
    line.replace("⏎", "\n")
    for line in (HERE / "corpus.txt").read_text().split("\n")
    if line and not line.startswith("#:")
]


@needs_go
def test_the_corpus_renders_as_go_renders_it() -> None:
    assert len(TEMPLATES) >= 200
    assert not list(differences([Case(text, DATA, PARTIALS, ENV) for text in TEMPLATES]))


@needs_go
def test_the_corpus_has_both_outputs_and_failures() -> None:
    answers = go_answers([Case(text, DATA, PARTIALS, ENV) for text in TEMPLATES])
    failed = sum(answer.output is None for answer in answers)
    assert 100 < failed < len(answers) - 100


@needs_go
def test_two_definitions_of_one_name_fail_in_both() -> None:
    twice = {"a.tpl": '{{ define "x" }}1{{ end }}', "b.tpl": '{{ define "x" }}2{{ end }}'}
    empty = {"a.tpl": '{{ define "x" }}1{{ end }}', "b.tpl": '{{ define "x" }} {{ end }}'}
    assert not list(differences([Case("-", {}, twice), Case('{{ template "x" }}', {}, empty)]))
    assert go_answers([Case("-", {}, twice)])[0].output is None


@needs_go
def test_maps_with_odd_keys_print_in_go_order() -> None:
    data = {"M": {"b": 1, "B": 2, "10": 3, "9": 4, "é": 5, "": 6, "a.b": {"z": [], "y": {}}}}
    texts = ["{{ .M }}", "{{ range $k, $v := .M }}{{ $k }}:{{ $v }};{{ end }}", '{{ index .M "a.b" "y" }}']
    assert not list(differences([Case(text, data) for text in texts]))
