"""The one module that starts processes: a list of words, never a shell line, in a process group of its own.

Output is read while it comes, so that nothing is lost when the time is over, and the whole group is ended then.
What left the group (``setsid``) is found by a mark in its environment, where the caller wants that and on Linux.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

_GRACE_SECONDS = 5.0


@dataclass(frozen=True)
class Finished:
    """How a process ended. ``code`` is its exit code, negative for a signal; ``timed_out`` where we ended it."""

    code: int
    stdout: bytes
    stderr: bytes
    timed_out: bool = False

    @property
    def ok(self) -> bool:
        return self.code == 0 and not self.timed_out


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes = b"",
    timeout: timedelta | None = None,
    on_line: Callable[[str], None] | None = None,
    on_start: Callable[[Callable[[], None]], object] | None = None,
    with_strays: bool = False,
) -> Finished:
    """Run ``argv`` to its end and return how it ended; a missing program raises FileNotFoundError.

    ``on_line`` gets each line of both streams as it comes, without its newline; ``on_start`` gets a function that ends
    the whole process group, for another thread to call. When ``timeout`` is over, or the caller is interrupted, the
    group gets SIGTERM and, five seconds later, SIGKILL; ``with_strays`` (for which ``env`` must be given) also what it
    started outside of the group.
    """
    # A name of its own each time: a run inside of a run keeps both.
    mark = f"CODEXCTL_STARTED_BY_{secrets.token_hex(8)}" if with_strays and env is not None else ""
    # The exact environment is the caller's choice: None inherits ours.
    child = subprocess.Popen(
        list(argv),
        env={**env, **({mark: "1"} if mark else {})} if env is not None else None,
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdin and child.stdout and child.stderr
    out, err = bytearray(), bytearray()
    threads = [
        threading.Thread(target=_drain, args=(child.stdout, out, on_line), daemon=True),
        threading.Thread(target=_drain, args=(child.stderr, err, on_line), daemon=True),
        threading.Thread(target=_feed, args=(child.stdin, stdin), daemon=True),
    ]
    for thread in threads:
        thread.start()
    if on_start is not None:
        on_start(lambda: _end(child, mark))
    timed_out = False
    try:
        child.wait(timeout.total_seconds() if timeout is not None else None)
    except subprocess.TimeoutExpired:
        timed_out = True
        _end(child, mark)
    except BaseException:
        _end(child, mark)
        raise
    # An orphan that still holds stdout must not keep us: the process itself has ended.
    for thread in threads:
        thread.join(1.0)
    return Finished(child.returncode, bytes(out), bytes(err), timed_out)


def as_user(argv: Sequence[str], user: tuple[int, int] | None) -> list[str]:
    """``argv`` to be run as another user (uid, gid), for good; as ourselves where ``user`` is None."""
    if user is None:
        return list(argv)
    uid, gid = user
    return ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs", "--", *argv]


def runs_below(name: str) -> bool:
    """Whether this process descends, as far as it can see, from a program called ``name``."""
    number = os.getpid()
    while number > 1:
        try:
            # "pid (name) state parent ...": the name may hold blanks and brackets.
            words = Path(f"/proc/{number}/stat").read_text(errors="replace")
        except OSError:
            return False
        head, _, tail = words.rpartition(")")
        if head.partition("(")[2] == name[:15]:
            return True
        number = int(tail.split()[1])
    return False


def _drain(stream: IO[bytes], into: bytearray, on_line: Callable[[str], None] | None) -> None:
    for line in stream:
        into += line
        if on_line is not None:
            on_line(line.decode("utf-8", "replace").rstrip("\r\n"))


def _feed(stream: IO[bytes], data: bytes) -> None:
    try:
        stream.write(data)
        stream.close()
    except BrokenPipeError:
        pass


def _end(child: subprocess.Popen[bytes], mark: str) -> None:
    strays: dict[int, str] = {}
    # Twice for good: the last look may have been too early for what was just being started.
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
        if mark:
            strays |= _strays(child.pid, mark)
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        for pid, began in strays.items():
            if _began(_status(pid)) == began:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE_SECONDS)
    child.wait()


def _strays(root: int, mark: str) -> dict[int, str]:
    """Processes outside of the group ``root`` that descend from it or have ``mark`` in their environment, and when each
    began."""
    known = {int(folder.name): _status(int(folder.name)) for folder in Path("/proc").glob("[0-9]*")}
    found = {root}
    for pid in known:
        with suppress(OSError):
            if mark.encode() in Path(f"/proc/{pid}/environ").read_bytes():
                found.add(pid)
    while below := {pid for pid, words in known.items() if words and int(words[1]) in found} - found:
        found |= below
    return {pid: _began(words) for pid, words in known.items() if pid in found and words and int(words[2]) != root}


def _status(pid: int) -> list[str]:
    """State, parent, group and so on of a process, empty where it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return []
    # "pid (name) state parent group ...": the name may hold blanks and brackets.
    return text.rpartition(")")[2].split()


def _began(words: list[str]) -> str:
    return words[19] if words else ""
