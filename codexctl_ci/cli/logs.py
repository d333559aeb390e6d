"""Progress on stderr: text or one JSON object a line, with secrets masked."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from codexctl_ci.reporting.redaction import Redactor


class JsonFormatter(logging.Formatter):
    """One object a line: time (RFC 3339, UTC), level, logger, message, and what ``extra={"event": …}`` adds."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        event = getattr(record, "event", None)
        if isinstance(event, dict):
            entry |= event
        return json.dumps(entry, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """The message alone; warnings and errors say so first."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            text = f"{record.levelname.lower()}: {text}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


class RedactingFormatter(logging.Formatter):
    """Any formatter, with the run's secrets masked in what it returns."""

    def __init__(self, inner: logging.Formatter, redact: Redactor) -> None:
        super().__init__()
        self._inner = inner
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(self._inner.format(record))


def configure_logging(level: str, style: str, debug: bool, redact: Redactor) -> None:
    """Send our own log lines to stderr, and those of libraries from warning up."""
    handler = logging.StreamHandler(sys.stderr)
    inner: logging.Formatter = JsonFormatter() if style == "json" else TextFormatter()
    handler.setFormatter(RedactingFormatter(inner, redact))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("codexctl_ci").setLevel(logging.DEBUG if debug else level.upper())
