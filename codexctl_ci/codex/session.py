"""One run of Codex from start to end: started or joined, followed by offset, its ending told truthfully."""

from __future__ import annotations

import json
import logging
import re
from collections import deque
from collections.abc import Callable
from datetime import timedelta

from codexctl_ci.codex.events import Event, EventReader, Noise, RunView, is_thread_id
from codexctl_ci.codex.places import Place
from codexctl_ci.codex.progress import describe, plain_lines
from codexctl_ci.codex.remote import ALL_READ, LOST, Pace, PlaceGone, Remote, RunState
from codexctl_ci.durations import format_duration
from codexctl_ci.errors import ApiError, CodexctlError
from codexctl_ci.ports import AgentEnding, AgentRequest

log = logging.getLogger(__name__)

_KEPT_LINES = 30
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}\Z")
_HEARTBEAT = timedelta(seconds=60)
# Beyond its own timeouts the script needs seconds to end the tree; later than this it is not doing so.
_GRACE = timedelta(seconds=60)


class CodexRuntime:
    """Runs Codex in a place. ``workdir`` is the working copy there; ``say`` gets lines for the log."""

    def __init__(self, place: Place, workdir: str, say: Callable[[str], None], pace: Pace | None = None) -> None:
        self._place = place
        self._workdir = workdir
        self._say = say
        self._pace = pace or Pace()

    def knows_thread(self, thread_id: str) -> bool:
        """Whether a thread can be resumed here."""
        return is_thread_id(thread_id) and Remote(self._place, self._workdir, "probe", self._pace).knows_thread(
            thread_id
        )

    def run(self, request: AgentRequest, on_thread: Callable[[str], None]) -> AgentEnding:
        """Run to the end, or join. See ``ports.AgentRuntime``."""
        if request.resume and not is_thread_id(request.resume):
            raise CodexctlError("the thread to resume has no id that Codex gives", reason=request.resume[:80])
        if not _KEY.match(request.key):
            raise ValueError(f"{request.key!r} cannot be the key of a run")
        following = _Following(self._say, on_thread, self._pace)
        remote: Remote | None = None
        try:
            remote = Remote(self._place, self._workdir, request.key, self._pace)
            joined = self._begin(remote, request)
            state = following.until_end(remote, request)
            ending = following.ending(remote, state, request, joined)
            remote.collected()
            return ending
        except PlaceGone as gone:
            return following.broken(str(gone), stopped=bool(_gone(self._place)))
        except ApiError as error:
            if remote is None:
                raise
            # A slot that was cleaned up meanwhile refuses us; whatever it is, the run has an ending that says so.
            return following.broken(str(error), stopped=False)
        except CodexctlError:
            raise
        except BaseException:
            # Cancelled: the agent must not go on without anybody who waits for it.
            if remote is not None:
                self._end(remote, "cancelled")
            raise

    def _begin(self, remote: Remote, request: AgentRequest) -> bool:
        """Start, or join what is there; whether it was there."""
        state = remote.state()
        again = state.word == "finished" and state.collected and not (state.code == 0 and state.reason == "ended")
        if state.word == "lost" or again:
            remote.rotate()
            state = RunState("new")
        if state.word == "new":
            baseline = _baseline(remote, request.resume)
            remote.put("baseline.json", json.dumps(baseline).encode())
            if request.max_tokens:
                # Codex counts over the whole thread.
                remote.put("limit", str(baseline[0] + baseline[2] + request.max_tokens).encode())
            remote.put("tree.before", remote.tree().encode())
            remote.put("config.toml", request.config_toml.encode())
            remote.put("prompt.md", request.prompt.encode("utf-8", "replace"))
            remote.start(request.total_timeout, request.idle_timeout, request.resume, request.pass_through)
            log.info("the agent runs in %s for at most %s", self._place, format_duration(request.total_timeout))
            return False
        log.info("joined the run of the agent in %s", self._place)
        return True

    def _end(self, remote: Remote, reason: str) -> bool:
        try:
            if remote.stop(reason):
                return True
        except (CodexctlError, KeyboardInterrupt):
            pass
        log.warning("the agent's processes did not end; ending %s", self._place)
        try:
            self._place.destroy()
        except CodexctlError as error:
            log.warning("%s", error)
        return False


class _Following:
    def __init__(self, say: Callable[[str], None], on_thread: Callable[[str], None], pace: Pace) -> None:
        self._say = say
        self._on_thread = on_thread
        self._pace = pace
        self._view = RunView()
        self._reader = EventReader()
        self._offset = 0
        self._told = False
        self._last: deque[str] = deque(maxlen=_KEPT_LINES)
        self._spoke = pace.clock()

    def until_end(self, remote: Remote, request: AgentRequest) -> RunState:
        """Read events until there are no more. Raises PlaceGone."""
        patience = remote.patience()
        begun = self._pace.clock()
        latest = (request.total_timeout + _GRACE).total_seconds()
        while True:
            before = self._offset
            try:
                code = remote.follow(self._offset, self._take)
                patience.regained()
            except ApiError as error:
                if error.kind == "StreamBroken":
                    log.debug("%s: the stream broke at %d bytes, opening it again", remote.place, self._offset)
                if self._offset > before:
                    patience.regained()
                patience.lost(error)
                code = -1
            if code == ALL_READ:
                return remote.state()
            if code == LOST:
                state = remote.state()
                if state.word == "finished":
                    continue
                raise PlaceGone("the agent is gone", obj=str(remote.place), reason=_why_lost(remote.place))
            if self._pace.clock() - begun > latest:
                # The script keeps the time itself; that it did not means that it was ended.
                return RunState("finished", 137, "total", clean=remote.stop("total"))
            self._beat(begun)

    def ending(self, remote: Remote, state: RunState, request: AgentRequest, joined: bool) -> AgentEnding:
        """What came of a run that is over."""
        for line in self._reader.close():
            self._handle(line)
        stderr = remote.log_tail(_KEPT_LINES)
        conclusion, reason = judge(self._view, state, request, stderr)
        if not state.clean:
            remote.place.destroy()
        baseline = _read_counts(remote.read("baseline.json"))
        total = (self._view.input_tokens, self._view.cached_input_tokens, self._view.output_tokens)
        if not any(total):
            # A turn that did not end tells nothing of what it used.
            total = _recorded(remote.tokens())
        before = remote.read("tree.before").decode("ascii", "replace").strip()
        spent = [max(0, now - before) for now, before in zip(total, baseline, strict=True)]
        if self._view.thread_id and any(total):
            remote.remember(f"{self._view.thread_id}.json", json.dumps(total).encode())
        if conclusion != "ended":
            self._last.extend(f"codex {line}" for line in plain_lines("\n".join(stderr), most=_KEPT_LINES))
        return AgentEnding(
            conclusion=conclusion,
            reason=reason,
            thread_id=self._view.thread_id,
            final_message=self._view.final_message,
            input_tokens=spent[0],
            cached_input_tokens=spent[1],
            output_tokens=spent[2],
            last_log_lines=tuple(self._last),
            joined=joined,
            stopped=state.clean,
            tree_changed=_differ(before, remote.tree()),
        )

    def broken(self, reason: str, *, stopped: bool) -> AgentEnding:
        """The ending where the place itself was lost."""
        return AgentEnding(
            conclusion="infra_error",
            reason=reason,
            thread_id=self._view.thread_id,
            final_message=self._view.final_message,
            last_log_lines=tuple(self._last),
            stopped=stopped,
        )

    def _take(self, piece: bytes) -> None:
        self._offset += len(piece)
        for line in self._reader.feed(piece):
            self._handle(line)

    def _handle(self, line: Event | Noise) -> None:
        if isinstance(line, Event):
            self._view.take(line)
            if self._view.thread_id and not self._told:
                self._told = True
                self._on_thread(self._view.thread_id)
        for text in describe(line):
            self._spoke = self._pace.clock()
            self._last.append(text)
            self._say(text)

    def _beat(self, begun: float) -> None:
        now = self._pace.clock()
        if now - self._spoke >= _HEARTBEAT.total_seconds():
            self._spoke = now
            age = format_duration(timedelta(seconds=now - begun))
            self._say(f"agent … still at work after {age}, {self._view.items} steps done")


def judge(view: RunView, state: RunState, request: AgentRequest, stderr: list[str]) -> tuple[str, str]:
    """Conclusion and reason of a run that is over: ``ended``, ``agent_error``, ``infra_error`` or ``timeout``."""
    last = next((line.strip() for line in reversed(stderr) if line.strip()), "")
    far = f", {view.items} steps done"
    if state.reason == "total":
        return "timeout", f"not done after {format_duration(request.total_timeout)}{far}"
    if state.reason == "idle":
        return "timeout", f"no sign of life for {format_duration(request.idle_timeout)}{far}"
    if state.reason == "tokens":
        return "timeout", f"stopped at the limit of {request.max_tokens:,} tokens{far}"
    if state.reason in ("ended", "full") and view.completed and state.code == 0:
        return "ended", ""
    if view.failed:
        return "agent_error", view.failed
    if state.reason == "full":
        return "agent_error", "no room is left on the workspace's volume"
    if state.reason != "ended":
        return "infra_error", f"the agent's process was ended from outside ({state.reason})"
    if state.code in (126, 127):
        return "infra_error", last or "neither codex nor npx is installed in the agent's place"
    if state.code > 128:
        return "infra_error", f"the agent's process was killed by signal {state.code - 128}" + (
            ", most likely for lack of memory" if state.code == 137 else ""
        )
    return (
        "agent_error",
        last or view.last_error or f"codex ended with exit code {state.code} in the middle of its turn",
    )


def _differ(before: str, after: str) -> bool:
    if before[:4] != after[:4] or not after:
        log.warning("what the agent changed can't be told here; publishing will tell")
        return True
    return before != after


def _baseline(remote: Remote, thread: str) -> tuple[int, int, int]:
    # Codex counts a thread's tokens from its beginning, over all its runs.
    return _read_counts(remote.recall(f"{thread}.json")) if thread else (0, 0, 0)


def _read_counts(data: bytes) -> tuple[int, int, int]:
    try:
        counts = json.loads(data)
        first, second, third = (int(count) for count in counts)
    except (ValueError, TypeError):
        return (0, 0, 0)
    return (first, second, third)


def _recorded(text: str) -> tuple[int, int, int]:
    try:
        used = json.loads(text)
        return (int(used["input_tokens"]), int(used["cached_input_tokens"]), int(used["output_tokens"]))
    except (ValueError, TypeError, KeyError):
        return (0, 0, 0)


def _why_lost(place: Place) -> str:
    ended = place.last_end()
    return f"its container was restarted: {ended}" if ended else "its container was restarted"


def _gone(place: Place) -> str:
    try:
        return place.gone()
    except CodexctlError:
        return ""
