"""A container's log, line by line as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

from urllib3.exceptions import HTTPError

from codexctl_ci.errors import ApiError
from codexctl_ci.kube.transport import Transport, describe

_SILENCE = 300.0
_BREAKS = 5


def follow(transport: Transport, path: str, container: str, obj: str) -> Iterator[str]:
    """Yield the log's lines until the container has ended; a stream that breaks is opened again where it was.

    Raises ApiError where there is no such log, or where it breaks again and again with nothing said in between.
    """
    last, broken = "", 0
    while True:
        query = {"follow": "true", "timestamps": "true"} | ({"container": container} if container else {})
        if last:
            query["sinceTime"] = last
        try:
            answer = transport.stream(path, urlencode(query), what="follow the log", seconds=_SILENCE)
            try:
                for raw in _lines(answer.stream(4096, decode_content=True)):
                    when, _, line = raw.partition(" ")
                    # Asked for what came since a moment, the server gives the whole second again.
                    if _order(when) > _order(last):
                        last, broken = when, 0
                        yield line
            finally:
                answer.close()
            return
        except HTTPError as error:
            failure = ApiError("follow the log", status=0, kind="StreamBroken", obj=obj, reason=describe(error))
        except ApiError as error:
            if not error.passing:
                raise
            failure = error
        broken += 1
        if broken >= _BREAKS:
            raise failure


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace").rstrip("\r")
    if rest:
        yield rest.decode("utf-8", "replace")


def _order(when: str) -> tuple[str, str]:
    # The fraction has no trailing zeros: as text `.1Z` would come after `.12Z`.
    seconds, _, fraction = when.rstrip("Z").partition(".")
    return seconds, fraction.ljust(9, "0")
