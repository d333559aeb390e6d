"""What labels say to the agent."""

from __future__ import annotations

import pytest

from codexctl_ci.errors import ConfigError
from codexctl_ci.prompts.labels import Choice, choose, effort_of, intents_of, model_of


@pytest.mark.parametrize(
    ("labels", "model"),
    [
        (["[ai-model-gpt-5.1-codex]"], "gpt-5.1-codex"),
        (["ai-model-gpt-5"], "gpt-5"),
        (["[AI-Model-GPT-5]"], "gpt-5"),
        ([" [ ai-model-o4-mini ] "], "o4-mini"),
        (["ai-model-a", "[AI-MODEL-A]"], "a"),
        (["ai-models", "bug", "xai-model-y"], ""),
        ([], ""),
    ],
)
def test_model_of_labels(labels: list[str], model: str) -> None:
    assert model_of(labels, "issue") == model


@pytest.mark.parametrize(
    ("labels", "effort"),
    [
        (["[ai-reasoning-low]"], "low"),
        (["AI-Reasoning-Medium"], "medium"),
        (["[ai-reasoning-high]"], "high"),
        (["[ai-reasoning-xhigh]"], "xhigh"),
        (["[ai-reasoning-extra-high]"], "xhigh"),
        (["ai-low"], "low"),
        (["[ai-medium]"], "medium"),
        (["AI-HIGH"], "high"),
        (["ai-xhigh"], "xhigh"),
        (["ai-high", "[ai-reasoning-high]"], "high"),
        (["ai-highest", "ai-reasoning-", "low"], ""),
    ],
)
def test_effort_of_labels(labels: list[str], effort: str) -> None:
    assert effort_of(labels, "issue") == effort


def test_labels_that_contradict_each_other_are_an_error_naming_both() -> None:
    with pytest.raises(ConfigError, match="gpt-4 and gpt-5"):
        model_of(["[ai-model-gpt-5]", "ai-model-gpt-4"], "labels of the issue")
    with pytest.raises(ConfigError, match="high and low"):
        effort_of(["ai-high", "[ai-reasoning-low]"], "labels of the issue")


@pytest.mark.parametrize("label", ["[ai-model-]", "ai-model-a b", 'ai-model-"x', "ai-model-$(x)", "ai-model--c"])
def test_what_cannot_be_a_model_is_refused(label: str) -> None:
    with pytest.raises(ConfigError, match="name of a model"):
        model_of([label], "issue")


def test_order_of_choice() -> None:
    places = ("flag", "from_issue", "from_pull", "variable", "file", "default")
    sources = ("command line", "issue label", "pull request label", "variable", "services.yaml", "default")
    for index, source in enumerate(sources):
        values = {place: place if number >= index else "" for number, place in enumerate(places)}
        assert choose(**values) == Choice(places[index], source)


def test_intents_come_in_one_order_with_and_without_brackets() -> None:
    assert intents_of(["[Doc]", "BUG", "other", "feature", "bug"]) == ("feature", "bug", "doc")
