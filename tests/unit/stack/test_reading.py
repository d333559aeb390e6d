"""Plain data as sections: what is read how, and what is left of a section where something in it is wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from codexctl_ci.stack.reading import read
from codexctl_ci.stack.schema import EnvironmentSpec, HookStep, LocalRegistry, StackSpec, StateSpec
from codexctl_ci.stack.schema_codex import CodexSpec
from codexctl_ci.stack.schema_guardrails import Guardrails


def faults(section: Any, data: Any) -> list[str]:
    return [fault.message for fault in read(section, data)[1]]


@pytest.mark.parametrize(
    ("text", "port"), [("5000", 5000), (" 80 ", 80), ("+1", 1), ("1_0", None), ("1.0", None), ("0", None), ("", None)]
)
def test_whole_numbers(text: str, port: int | None) -> None:
    found, wrong = read(LocalRegistry, {"port": text})
    assert found is not None
    assert (found.port, bool(wrong)) == ((port, False) if port else (5000, True))


@pytest.mark.parametrize(("text", "enabled"), [("true", True), ("YES", True), ("off", False), ("0", False)])
def test_switches(text: str, enabled: bool) -> None:
    found, wrong = read(LocalRegistry, {"enabled": text})
    assert found is not None and found.enabled is enabled and not wrong


@pytest.mark.parametrize(
    ("section", "data", "message"),
    [
        (LocalRegistry, {"enabled": "maybe"}, "enabled must be true or false, not 'maybe'"),
        (LocalRegistry, {"port": "65536"}, "port: it must be less than or equal to 65535"),
        (LocalRegistry, {"name": ["x"]}, "name must be text, not a list"),
        (
            CodexSpec,
            {"timeouts": {"exec": ["1s"]}},
            "timeouts.exec must be a duration like 90s, 10m or 1h30m, not a list",
        ),
        (Guardrails, {"maxFileSize": {}}, "maxFileSize must be a whole number, not a mapping"),
        (CodexSpec, {"executor": ["pod"]}, "executor is \"['pod']\"; it must be one of auto, pod, runner"),
        (CodexSpec, {"extraTools": "jq"}, "extraTools must be a list, not 'jq'"),
        (StackSpec, {"project": "shop\n"}, "project is 'shop\\n': lower-case letters, digits and dashes only"),
        (StackSpec, {"project": "shop", "versions": "1"}, "versions must be a mapping, not '1'"),
    ],
)
def test_faults_say_what_would_be_right(section: Any, data: Any, message: str) -> None:
    assert faults(section, data) == [message]


def test_what_is_wrong_is_left_out_and_the_rest_is_there() -> None:
    data = {"project": "shop", "envFiles": ["a", ["b"], "c"], "images": {"x": {"type": "bild"}, "y": {"from": "f"}}}
    found, wrong = read(StackSpec, data)
    assert found is not None and len(wrong) == 2
    assert found.env_files == ("a", "c") and list(found.images) == ["y"]


def test_a_contradiction_is_told_only_where_everything_else_is_right() -> None:
    assert faults(HookStep, {"name": "x"}) == [": a hook has exactly one of run, use"]
    assert faults(HookStep, {"run": ["x"]}) == ["run must be text, not a list"]
    assert read(HookStep, {"run": ["x"]})[0] is None


def test_blank_keys_say_nothing_but_where_they_count() -> None:
    found, wrong = read(HookStep, {"run": "x", "when": None, "timeout": None})
    assert found is not None and not wrong
    assert (found.when, found.timeout) == ("", None)
    assert faults(StateSpec, {"other": None}) == ["unknown key other"]


def test_sections_are_made_by_name_with_defaults_of_their_own() -> None:
    first, second = CodexSpec(), CodexSpec()
    assert first == second and first.mcp is not second.mcp
    assert first.timeouts.exec == timedelta(hours=1)
    assert first.but(model="m") != first and first.but(model="m").model == "m"
    assert "image_pull_policy=None" in repr(EnvironmentSpec())
    with pytest.raises(TypeError, match="needs project"):
        StackSpec()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="has no modle"):
        CodexSpec(modle="m")  # type: ignore[call-arg]
