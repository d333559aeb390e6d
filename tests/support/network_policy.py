"""NetworkPolicy as packet rules, for a cluster whose network enforces none: what a policy says is then what holds.

Only what the shipped policies use is known; anything else fails. The rules live in the sandbox's own network.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.kubectl import Kubectl

_WAY = {"egress": ("to", "-s", "-d"), "ingress": ("from", "-d", "-s")}


@contextmanager
def enforced(kubectl: Kubectl, policy: str) -> Iterator[None]:
    """The policy of kubectl's namespace in force for every pod that it selects now, for the body of a ``with``."""
    spec = kubectl.get("networkpolicy", policy)["spec"]
    assert spec["podSelector"] == {}, "only policies for all pods of their namespace are known here"
    chains: list[tuple[str, str, str]] = []
    try:
        for number, address in enumerate(_addresses(kubectl)):
            for way in (kind.lower() for kind in spec["policyTypes"]):
                chain = f"TEST-{number}-{way}"
                _iptables("-N", chain)
                chains.append((chain, _WAY[way][1], address))
                _iptables("-A", chain, "-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "RETURN")
                for words in _allowed(kubectl, way, spec.get(way) or []):
                    _iptables("-A", chain, *words, "-j", "RETURN")
                _iptables("-A", chain, "-j", "REJECT")
                for hook in ("FORWARD", "INPUT") if way == "egress" else ("FORWARD",):
                    _iptables("-I", hook, _WAY[way][1], address, "-j", chain)
        yield
    finally:
        for chain, side, address in chains:
            for hook in ("FORWARD", "INPUT"):
                _iptables("-D", hook, side, address, "-j", chain, check=False)
            _iptables("-F", chain)
            _iptables("-X", chain)


def _allowed(kubectl: Kubectl, way: str, rules: list[dict[str, Any]]) -> Iterator[list[str]]:
    peers_of, _, side = _WAY[way]
    for rule in rules:
        unknown = set(rule) - {peers_of, "ports"}
        assert not unknown, f"not known here: {unknown}"
        ports = [
            ["-p", str(port.get("protocol", "TCP")).lower(), "--dport", str(port["port"])]
            for port in rule.get("ports") or []
        ]
        peers = [[side, address] for peer in rule.get(peers_of) or [] for address in _peer(kubectl, peer)]
        if peers_of in rule and not peers:
            continue
        for peer_words in peers or [[]]:
            for port_words in ports or [[]]:
                yield [*peer_words, *port_words]


def _peer(kubectl: Kubectl, peer: dict[str, Any]) -> list[str]:
    if peer == {"podSelector": {}}:
        return _addresses(kubectl)
    assert set(peer) == {"namespaceSelector"}, f"not known here: {peer}"
    selector = peer["namespaceSelector"]
    words = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for term in selector.get("matchExpressions") or []:
        assert term["operator"] == "DoesNotExist", term
        words.append(f"!{term['key']}")
    names = [space["metadata"]["name"] for space in kubectl.get("namespaces", "-l", ",".join(words))["items"]]
    return [address for name in names for address in _addresses(kubectl.within(name))]


def _addresses(kubectl: Kubectl) -> list[str]:
    pods = kubectl.get("pods")["items"]
    return [pod["status"]["podIP"] for pod in pods if (pod.get("status") or {}).get("podIP")]


def _iptables(*words: str, check: bool = True) -> None:
    subprocess.run(["iptables", "-w", *words], check=check, capture_output=True)
