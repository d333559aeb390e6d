"""Codex's configuration."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codexctl_ci.errors import ConfigError
from codexctl_ci.prompts.agent_config import AgentSettings, ConfigBlock, build_config
from codexctl_ci.prompts.labels import Choice
from codexctl_ci.prompts.mcp import ClusterService, McpServer, Reference, server_table
from codexctl_ci.prompts.toml_text import dump_toml

UNSET = Choice("", "default")
PLAIN = AgentSettings(UNSET, UNSET, "shop-dev-3")


def built(settings: AgentSettings) -> dict[str, Any]:
    return tomllib.loads(build_config(settings).toml)


def test_defaults_trust_the_pod_and_ask_nobody() -> None:
    config = built(PLAIN)
    assert config["approval_policy"] == "never" and config["sandbox_mode"] == "danger-full-access"
    assert config["model_verbosity"] == "low" and config["web_search"] == "live"
    assert "model" not in config and "model_reasoning_effort" not in config
    assert "*GH_PAT" in config["shell_environment_policy"]["exclude"]


def test_on_the_runner_codex_keeps_its_own_sandbox() -> None:
    assert built(replace(PLAIN, in_pod=False))["sandbox_mode"] == "workspace-write"


def test_chosen_model_is_stronger_than_a_block_unless_it_is_only_the_files() -> None:
    block = ConfigBlock("own", 'model = "from-block"\nmodel_provider = "proxy"\n[model_providers.proxy]\nname = "p"')
    label = replace(PLAIN, model=Choice("gpt-5", "issue label"), blocks=(block,))
    assert built(label)["model"] == "gpt-5"
    assert built(replace(label, model=Choice("gpt-5", "services.yaml")))["model"] == "from-block"
    assert built(label)["model_providers"] == {"proxy": {"name": "p"}}


def test_block_says_more_of_a_server_or_all_of_it() -> None:
    docs = McpServer("docs", "http", endpoint="docs/mcp")
    more = ConfigBlock("more", "[mcp_servers.docs]\ntool_timeout_sec = 9")
    assert built(replace(PLAIN, servers=(docs,), blocks=(more,)))["mcp_servers"] == {
        "docs": {"url": "http://docs/mcp", "tool_timeout_sec": 9}
    }
    other = ConfigBlock("other", '[mcp_servers.docs]\ncommand = "serve"')
    assert built(replace(PLAIN, servers=(docs,), blocks=(other,)))["mcp_servers"] == {"docs": {"command": "serve"}}


def test_own_template_replaces_our_defaults() -> None:
    config = built(replace(PLAIN, template='approval_policy = "never"\n', model=Choice("m", "variable")))
    assert config == {"approval_policy": "never", "model": "m"}


@pytest.mark.parametrize("text", ["a = ", "[x", 'a = "b', "a = 1\na = 2"])
def test_block_that_is_no_toml_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match="configBlocks: mine"):
        build_config(replace(PLAIN, blocks=(ConfigBlock("mine", text),)))


def test_secrets_are_references_only_and_their_variables_are_told() -> None:
    servers = (
        McpServer(
            "tools",
            "stdio",
            command="serve",
            args=("--x", 'a "b"'),
            env={"TOKEN": Reference(env_ref="TOKEN"), "KEY": Reference(env_ref="OTHER"), "MODE": Reference(value="r")},
        ),
        McpServer("docs", "http", endpoint="docs:80/mcp", headers={"X-Key": Reference(env_ref="CONTEXT7_API_KEY")}),
        McpServer("gh", "https", endpoint="gh.example/mcp", bearer_token_env_var="GH_MCP"),
    )
    made = build_config(replace(PLAIN, servers=servers))
    config = tomllib.loads(made.toml)["mcp_servers"]
    assert config["docs"] == {"url": "http://docs:80/mcp", "env_http_headers": {"X-Key": "CONTEXT7_API_KEY"}}
    assert config["gh"] == {"url": "https://gh.example/mcp", "bearer_token_env_var": "GH_MCP"}
    assert config["tools"]["command"] == "sh"
    assert config["tools"]["args"] == ["-c", 'export KEY="${OTHER-}"; exec "$@"', "sh", "serve", "--x", 'a "b"']
    assert config["tools"]["env_vars"] == ["TOKEN", "OTHER"] and config["tools"]["env"] == {"MODE": "r"}
    assert made.variables == ("CONTEXT7_API_KEY", "GH_MCP", "OTHER", "TOKEN")


@pytest.mark.parametrize(
    ("server", "url"),
    [
        (McpServer("a", "http", endpoint="x.y/mcp"), "http://x.y/mcp"),
        (McpServer("a", "https", endpoint="x.y/mcp"), "https://x.y/mcp"),
        (McpServer("a", "http", endpoint="https://x.y/mcp"), "https://x.y/mcp"),
        (McpServer("a", "cluster", service=ClusterService("s")), "http://s.here.svc.cluster.local:80/mcp"),
        (
            McpServer("a", "cluster", service=ClusterService("s", "n", 8443, "x", "https")),
            "https://s.n.svc.cluster.local:8443/x",
        ),
    ],
)
def test_addresses(server: McpServer, url: str) -> None:
    assert server_table(server, "here", {})["url"] == url


def test_values_of_template_variables() -> None:
    server = McpServer("a", "http", endpoint="x", headers={"H": Reference(var_ref="V")})
    assert server_table(server, "n", {"V": "1"})["http_headers"] == {"H": "1"}
    with pytest.raises(ConfigError, match="V has no value"):
        server_table(server, "n", {})
    optional = replace(server, headers={"H": Reference(var_ref="V", optional=True)})
    assert "http_headers" not in server_table(optional, "n", {})


@pytest.mark.parametrize(
    "server",
    [
        McpServer("a b", "stdio", command="x"),
        McpServer("a", "stdio"),
        McpServer("a", "ftp", endpoint="x"),
        McpServer("a", "http"),
        McpServer("a", "cluster"),
        McpServer("a", "stdio", command="x", env={"A;B": Reference(value="1")}),
        McpServer("a", "stdio", command="x", env={"A": Reference(env_ref="$(id)")}),
        McpServer("a", "http", endpoint="x", bearer_token_env_var="a b"),
    ],
)
def test_wrong_servers_are_errors_that_name_them(server: McpServer) -> None:
    with pytest.raises(ConfigError, match=r"codex\.mcp\.servers: a"):
        server_table(server, "n", {})


def test_names_that_differ_in_case_only_are_one_name() -> None:
    servers = (McpServer("Docs", "http", endpoint="x"), McpServer("docs", "http", endpoint="y"))
    with pytest.raises(ConfigError, match="'Docs' and 'docs'"):
        build_config(replace(PLAIN, servers=servers))


TEXTS = st.text(st.sampled_from("ab 1-_.#=[]{},'\"\\\n\t\r\b\f\x00\x1f\x7f\x85é☃\u2028😀"), max_size=12)
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_what_is_written_is_read_back(table: dict[str, Any]) -> None:
    assert tomllib.loads(dump_toml(table)) == table
