"""The run's own secrets pass in no form."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from codexctl_ci.reporting.redaction import Redactor
from tests.support.credential_hunt import forms

SECRET = "gh&p/Planted:0123 456789"


@pytest.fixture
def redact() -> Redactor:
    made = Redactor()
    made.register(SECRET)
    return made


@pytest.mark.parametrize("lead", ["", "x", "xy", "user:"])
def test_secret_is_masked_in_base64_wherever_it_stands(redact: Redactor, lead: str) -> None:
    told = redact(base64.b64encode(f"{lead}{SECRET} and more".encode()).decode())
    assert "***" in told and not any(form in told for form in forms(SECRET[3:-3]))


@pytest.mark.parametrize("text", [SECRET, f"https://x:{quote(SECRET, safe='')}@host/", f"a\n{SECRET}\nb"])
def test_secret_is_masked_as_it_is_and_in_addresses(redact: Redactor, text: str) -> None:
    assert redact.finds(text) and "***" in redact(text)
    assert SECRET not in redact(text) and quote(SECRET, safe="") not in redact(text)


def test_lines_of_a_key_are_secret_one_by_one() -> None:
    redact = Redactor()
    redact.register("-----BEGIN KEY-----\nabcdefgh\nijklmnop\n-----END KEY-----")
    assert redact("it holds ijklmnop") == "it holds ***"


def test_short_values_and_other_text_stay(redact: Redactor) -> None:
    redact.register("abc")
    assert redact("abc, and nothing of it") == "abc, and nothing of it" and not redact.finds("abc")


def test_secret_is_masked_inside_json_too() -> None:
    redact = Redactor()
    redact.register('hun"ter\\22 ключ')
    for ascii_alone in (True, False):
        told = redact(json.dumps({"message": 'it is hun"ter\\22 ключ'}, ensure_ascii=ascii_alone))
        assert json.loads(told) == {"message": "it is ***"}
