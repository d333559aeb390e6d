import subprocess
import sys

import pytest

from codexctl_ci.templating.dialect import Dialect, detect


def modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", code + "\nimport sys; print(' '.join(sys.modules))"], stdout=subprocess.PIPE, check=True
    )
    return set(done.stdout.decode().split())


MAKE = """
from datetime import datetime, UTC
from codexctl_ci.templating.engine import make_engine
from codexctl_ci.templating.dialect import Dialect
make_engine(Dialect.{}, now=datetime(2026, 1, 1, tzinfo=UTC))
"""


def test_the_go_dialect_does_not_pay_for_jinja() -> None:
    modules = modules_after(MAKE.format("GO"))
    assert "codexctl_ci.templating.gotext.engine" in modules
    assert not any(name.partition(".")[0] in ("jinja2", "pydantic", "yaml") for name in modules)


def test_jinja_does_not_pay_for_the_go_dialect() -> None:
    modules = modules_after(MAKE.format("JINJA"))
    assert "jinja2" in modules
    assert not any(name.startswith("codexctl_ci.templating.gotext") for name in modules)


@pytest.mark.parametrize(("name", "dialect"), [("go", Dialect.GO), ("jinja", Dialect.JINJA)])
def test_the_dialects_names_are_those_of_services_yaml(name: str, dialect: Dialect) -> None:
    assert Dialect(name) is dialect


def test_a_file_without_templates_has_no_dialect() -> None:
    assert detect("", "services.yaml") is None
