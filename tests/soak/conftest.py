"""Slots on a real API server."""

from tests.support.slot_fixtures import cluster, connection, proxy, scene, through

__all__ = ["cluster", "connection", "proxy", "scene", "through"]
