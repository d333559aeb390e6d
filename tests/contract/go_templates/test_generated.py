import json
from pathlib import Path

import pytest

from tests.contract.go_templates.generator import Generator
from tests.contract.go_templates.program import Case, differences, go_answers
from tests.contract.go_templates.requirement import needs_go

DATA = json.loads((Path(__file__).parent / "data.json").read_text())
ENV = {"K": "v"}


def cases(seed: int, count: int) -> list[Case]:
    generator = Generator(seed)
    return [Case(generator.template(), DATA, env=ENV) for _ in range(count)]


@needs_go
def test_ten_thousand_generated_templates_render_as_go_renders_them() -> None:
    assert not list(differences(cases(seed=1, count=10_000)))[:5]


@needs_go
def test_the_generated_templates_are_worth_their_time() -> None:
    outputs = [answer.output for answer in go_answers(cases(seed=1, count=2_000))]
    rendered = [output for output in outputs if output]
    assert 0.3 < len(rendered) / len(outputs) < 0.95
    assert len(set(rendered)) > 0.6 * len(rendered)


@needs_go
@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 22))
def test_two_hundred_thousand_more(seed: int) -> None:
    assert not list(differences(cases(seed=seed, count=10_000)))[:5]
