"""Names of variables whose values must not be seen."""

from __future__ import annotations

import pytest

from codexctl_ci.guardrails.secret_names import names_a_secret


@pytest.mark.parametrize(
    "name",
    [
        *("GITHUB_TOKEN", "token", "CODEXCTL_GH_PAT", "GH_PAT_2", "REGISTRY_PASS", "DB_PASSWORD2", "MYSQL_PASSWD"),
        *("APP_SECRETS", "CLIENT_SECRET_FILE", "GOOGLE_CREDENTIALS", "OPENAI_APIKEY", "CONTEXT7_API_KEY"),
        *("CODEXCTL_APP_PRIVATE_KEY", "AWS_ACCESS_KEY_ID", "ACTIONS_ID_TOKEN_REQUEST_URL"),
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert names_a_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        *("CODEXCTL_MAX_TOKENS", "APP_PATH", "PG_PATH", "LD_LIBRARY_PATH", "PATTERN", "GH_PATCH", "COMPASS_URL"),
        *("BYPASS", "_PASSAGE", "KEY", "KEYBOARD", "MONKEY", "TOKENIZER", "CODEXCTL_EPOCH"),
    ],
)
def test_names_of_other_things(name: str) -> None:
    assert not names_a_secret(name)
