"""The script beside the agent, called from here: each call safe to repeat, repeated while contact is lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib import resources

from codexctl_ci.codex.places import Place
from codexctl_ci.errors import ApiError, CodexctlError
from codexctl_ci.ports import ExecResult

log = logging.getLogger(__name__)

ALL_READ, MORE, LOST = 0, 75, 76

# The one piece of script in an argument. $1: working copy, $2: size of the script that comes on stdin.
_BOOT = """umask 077
home=${CODEX_HOME:-}
if [ -z "$home" ]; then
  home=$1/.codexctl/codex
  mkdir -p "$home" && echo '*' >"$1/.codexctl/.gitignore" || exit 1
fi
mkdir -p "$home/codexctl" || exit 1
head -c "$2" >"$home/codexctl/agent.sh.$$" && mv "$home/codexctl/agent.sh.$$" "$home/codexctl/agent.sh" || exit 1
echo "$home"
"""
_KILLED = 128 + 9
_CALL = timedelta(seconds=60)
_TREE = timedelta(minutes=10)
_READ_LIMIT = 64 * 1024


class PlaceGone(CodexctlError):
    """The place where the agent runs is no more, or has been out of reach for too long."""


@dataclass(frozen=True)
class Pace:
    """How long to wait between tries, and how long in all, before a place counts as out of reach.

    ``doubt``: how long a refusal is doubted where we were let in before: an API server that has just started knows no
    rights yet.
    """

    first: timedelta = timedelta(seconds=0.5)
    longest: timedelta = timedelta(seconds=10)
    patience: timedelta = timedelta(minutes=5)
    doubt: timedelta = timedelta(seconds=60)
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True)
class RunState:
    """What the script says of a run. ``word`` is ``new``, ``running``, ``lost`` or ``finished``."""

    word: str
    code: int = 0
    reason: str = ""
    clean: bool = True
    collected: bool = False


class Remote:
    """The script in its place, for one run."""

    def __init__(self, place: Place, workdir: str, key: str, pace: Pace | None = None) -> None:
        self.place = place
        self._workdir = workdir
        self._pace = pace or Pace()
        self._let_in = False
        self.home = self._boot()
        self._script = f"{self.home}/codexctl/agent.sh"
        self.run_folder = f"{self.home}/codexctl/runs/{key}"

    def _boot(self) -> str:
        script = resources.files("codexctl_ci.codex").joinpath("agent.sh").read_bytes()
        done = self._repeated(["sh", "-c", _BOOT, "agent", self._workdir, str(len(script))], stdin=script)
        home = done.stdout.decode("utf-8", "replace").strip()
        if done.code != 0 or not home.startswith("/"):
            raise CodexctlError(
                "the agent's folder can't be written",
                obj=str(self.place),
                reason=done.stderr.decode("utf-8", "replace").strip()[-300:],
                hint=f"{self._workdir} (or CODEX_HOME) must be a writable folder on the workspace volume",
            )
        return home

    def state(self) -> RunState:
        """How the run stands."""
        words = self._script_call("state").stdout.decode("utf-8", "replace").split()
        if len(words) == 5 and words[0] == "finished" and words[1].isdigit():
            return RunState("finished", int(words[1]), words[2], words[3] == "clean", words[4] == "yes")
        if len(words) == 1 and words[0] in ("new", "running", "lost"):
            return RunState(words[0])
        raise CodexctlError("the agent's state can't be read", obj=str(self.place), reason=" ".join(words)[:200])

    def put(self, name: str, data: bytes) -> None:
        """Write a file into the run's folder."""
        self._put(self.run_folder, name, data)

    def read(self, name: str) -> bytes:
        """The beginning of a file in the run's folder, empty where it is not there."""
        return self._read(f"{self.run_folder}/{name}")

    def remember(self, name: str, data: bytes) -> None:
        """Write a file that outlives the run."""
        self._put(f"{self.home}/codexctl/kept", name, data)

    def recall(self, name: str) -> bytes:
        """What ``remember`` wrote, empty where it wrote nothing."""
        return self._read(f"{self.home}/codexctl/kept/{name}")

    def _put(self, folder: str, name: str, data: bytes) -> None:
        done = self._repeated(["sh", self._script, "put", folder, name, str(len(data))], stdin=data)
        if done.code != 0:
            reason = done.stderr.decode("utf-8", "replace").strip()[-300:]
            raise CodexctlError(f"{name} can't be written", obj=str(self.place), reason=reason)

    def _read(self, path: str) -> bytes:
        words = ["sh", "-c", 'head -c "$2" "$1" 2>/dev/null', "agent", path, str(_READ_LIMIT)]
        return self._repeated(words).stdout

    def start(self, total: timedelta, idle: timedelta, thread: str, keep: Sequence[str]) -> None:
        """Start the agent, or join the run that somebody else started."""
        seconds = (str(max(1, int(total.total_seconds()))), str(max(1, int(idle.total_seconds()))))
        owner = str(self.place.owner())
        self._script_call("start", self.home, self._workdir, *seconds, thread or "-", owner, *keep)

    def follow(self, offset: int, on_bytes: Callable[[bytes], None]) -> int:
        """Hand on events from ``offset`` for one window; ALL_READ, MORE or LOST. Raises ApiError, unrepeated."""
        window = max(1, int(self.place.window.total_seconds()))
        done = self.place.execute(
            ["sh", self._script, "follow", self.run_folder, str(offset), str(window)],
            on_stdout=on_bytes,
            timeout=timedelta(seconds=window + 30),
        )
        self._let_in = True
        return done.code

    def stop(self, reason: str) -> bool:
        """End the process tree. False where something is left."""
        return self._script_call("stop", reason).code == 0

    def tokens(self) -> str:
        """What the thread has used by Codex's own record, as JSON; empty where nobody can say."""
        return self._script_call("tokens", self.home).stdout.decode("utf-8", "replace").strip()

    def log_tail(self, lines: int) -> list[str]:
        """The last lines that Codex wrote beside its events."""
        return self._script_call("log", str(lines)).stdout.decode("utf-8", "replace").splitlines()

    def tree(self) -> str:
        """A word for the content of the working copy: equal for equal content alone. Empty where nobody can say."""
        words = self._script_call("tree", self._workdir, timeout=_TREE).stdout.decode("ascii", "replace").split()
        return words[0] if len(words) == 1 and words[0].startswith(("git-", "all-")) else ""

    def collected(self) -> None:
        """Say that the ending has been read."""
        self._script_call("collected")

    def rotate(self) -> None:
        """Put the run aside, so that its key is new again."""
        self._script_call("rotate")

    def knows_thread(self, thread: str) -> bool:
        """Whether Codex has the thread's record here."""
        words = ["sh", "-c", 'find "$1/sessions" -name "*$2*" 2>/dev/null | head -n 1', "agent", self.home, thread]
        return bool(self._repeated(words).stdout.strip())

    def wait(self, seconds: float) -> None:
        """Pause."""
        self._pace.sleep(seconds)

    def patience(self) -> Patience:
        """A new count of lost contact."""
        return Patience(self.place, self._pace, let_in=self._let_in)

    def _script_call(self, mode: str, *words: str, timeout: timedelta | None = None) -> ExecResult:
        return self._repeated(["sh", self._script, mode, self.run_folder, *words], timeout=timeout)

    def _repeated(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: timedelta | None = None) -> ExecResult:
        patience = self.patience()
        while True:
            try:
                done = self.place.execute(argv, stdin=stdin, timeout=timeout or _CALL)
                self._let_in = True
                if done.code != _KILLED:
                    return done
                # With its container, as it restarts: what the command said may be half of it.
                raise ApiError("the command was killed", status=0, kind="Killed", obj=str(self.place))
            except ApiError as error:
                patience.lost(error)


class Patience:
    """Counts how long contact is lost, waits between tries, and says when it is over."""

    def __init__(self, place: Place, pace: Pace, *, let_in: bool = False) -> None:
        self._place = place
        self._pace = pace
        self._let_in = let_in
        self._since: float | None = None
        self._refused: float | None = None
        self._pause = pace.first.total_seconds()

    def regained(self) -> None:
        """Contact is there again."""
        self._let_in = True
        self._since = self._refused = None
        self._pause = self._pace.first.total_seconds()

    def lost(self, error: ApiError) -> None:
        """Wait before the next try. Raises PlaceGone where there is no point in one, or the error if it is final."""
        reason = ""
        try:
            reason = self._place.gone()
        except ApiError as silent:
            if not silent.passing and not self._doubtful(silent):
                raise
        if reason:
            raise PlaceGone("the place of the agent is gone", obj=str(self._place), reason=reason) from error
        # A container that restarts refuses commands with 4xx and 500 alike: only rights are final.
        now = self._pace.clock()
        self._since = now if self._since is None else self._since
        if error.status in (401, 403) and not self._doubtful(error):
            raise error
        if now - self._since > self._pace.patience.total_seconds():
            raise PlaceGone(
                "the place of the agent is out of reach",
                obj=str(self._place),
                reason=str(error),
                hint="the agent may still be running there; run this job again to join it",
            ) from error
        log.debug("%s: %s; trying again in %.1f s", self._place, error, self._pause)
        self._pace.sleep(self._pause)
        self._pause = min(self._pause * 2, self._pace.longest.total_seconds())

    def _doubtful(self, error: ApiError) -> bool:
        """Whether a refusal may be that of a server which doesn't know our rights yet."""
        if error.status not in (401, 403) or not self._let_in:
            return False
        now = self._pace.clock()
        self._refused = now if self._refused is None else self._refused
        return now - self._refused <= self._pace.doubt.total_seconds()
