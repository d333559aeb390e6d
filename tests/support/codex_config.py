"""The agent's configuration as the product makes it, sent to a scripted model."""

from __future__ import annotations

from codexctl_ci.prompts.agent_config import AgentSettings, ConfigBlock, build_config
from codexctl_ci.prompts.labels import Choice
from tests.support.responses_server import Model

NONE = Choice("", "default")


def config_for(model: Model, host: str = "127.0.0.1", *blocks: str) -> str:
    """config.toml for ``model``, with more ``blocks`` of services.yaml."""
    more = [ConfigBlock(f"block {number}", text) for number, text in enumerate(blocks)]
    provider = ConfigBlock("provider", model.provider_toml(host))
    return build_config(AgentSettings(NONE, NONE, "test", blocks=(provider, *more))).toml
