"""Webhooks: payloads as GitHub sends them, checked against its description, delivered in order."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import queue
import threading
import urllib.request
import uuid
from dataclasses import dataclass, field
from typing import Any

from sandbox.github.contract.checks import Completion, RestContract, Violation

Json = dict[str, Any]


@dataclass(frozen=True)
class Delivery:
    """One webhook: its event's name, the payload and whether workflows may start from it."""

    id: str
    event: str
    payload: Json
    starts_workflows: bool


POST_LIMIT_SECONDS = 120


@dataclass
class Outbox:
    """Keeps every webhook and posts it to the address that asked for them. A failed post is not repeated."""

    contract: RestContract
    violations: list[str]
    url: str | None = None
    secret: str = ""
    sent: list[Delivery] = field(default_factory=list)
    _waiting: queue.Queue[Delivery] = field(default_factory=queue.Queue)

    def start(self) -> None:
        """Begin to deliver, in a thread of its own."""
        threading.Thread(target=self._deliver, daemon=True, name="webhooks").start()

    def emit(self, event: str, payload: Json, starts_workflows: bool) -> Delivery:
        """Complete and check a payload, and queue it."""
        action = payload.get("action")
        name = f"{event.replace('_', '-')}-{action}" if action else event
        schema = self.contract.webhook_schema(name)
        full = Completion(self.contract).complete(schema, payload)
        try:
            self.contract.check_webhook(name, full)
        except Violation as reason:
            self.violations.append(str(reason))
        delivery = Delivery(str(uuid.uuid4()), event, full, starts_workflows)
        self.sent.append(delivery)
        self._waiting.put(delivery)
        return delivery

    def _deliver(self) -> None:
        while True:
            delivery = self._waiting.get()
            if self.url is None:
                continue
            body = json.dumps(delivery.payload).encode()
            signature = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
            request = urllib.request.Request(
                self.url,
                data=body,
                headers={
                    "Content-Type": "application/json",
                    "X-GitHub-Event": delivery.event,
                    "X-GitHub-Delivery": delivery.id,
                    "X-Hub-Signature-256": f"sha256={signature}",
                    "X-Sandbox-Starts-Workflows": "true" if delivery.starts_workflows else "false",
                },
            )
            # GitHub gives up after ten seconds; on a loaded machine that would lose runs for no reason of ours.
            with contextlib.suppress(OSError):
                urllib.request.urlopen(request, timeout=POST_LIMIT_SECONDS).close()
