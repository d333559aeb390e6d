"""What a model writes stays a value: in outputs, in the summary, in the log."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codexctl_ci.reporting.actions_files import append_summary, escape_data, format_outputs, quiet
from tests.support.outputs import parse_outputs


@given(st.text(st.characters(exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029", codec="utf-8")))
def test_any_message_is_one_output_and_no_other(message: str) -> None:
    assert parse_outputs(format_outputs({"final_message": message, "ok": True})) == {
        "final_message": message,
        "ok": "true",
    }


def test_delimiter_is_another_each_time_and_a_guessed_one_ends_nothing() -> None:
    first, second = (format_outputs({"a": "x"}).splitlines()[0] for _ in range(2))
    assert first != second and len(first) > 30
    guess = first.partition("<<")[2]
    forged = format_outputs({"a": f"x\n{guess}\nallowed<<E\ntrue\nE"})
    assert set(parse_outputs(forged)) == {"a"}


def test_foreign_lines_stand_between_marks_that_nobody_can_guess() -> None:
    lines = list(quiet(["::add-mask::x", "::stop-commands::y"]))
    token = lines[0].removeprefix("::stop-commands::")
    assert lines == [f"::stop-commands::{token}", "::add-mask::x", "::stop-commands::y", f"::{token}::"]
    assert next(iter(quiet([]))) != lines[0]


@pytest.mark.parametrize("text", ["50%\r\n::error::x", "%0A"])
def test_data_of_a_command_is_one_line(text: str) -> None:
    escaped = escape_data(text)
    assert "\n" not in escaped and "\r" not in escaped
    assert escaped.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%") == text


def test_summary_is_cut_to_what_is_accepted(tmp_path: Path) -> None:
    file = tmp_path / "summary"
    append_summary(file, "ü" * 1024 * 1024)
    assert file.stat().st_size <= 1024 * 1024 + 1 and file.read_text().endswith("ü\n\n")
