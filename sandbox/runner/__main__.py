"""Run the runner: `python -m sandbox.runner --listen 127.0.0.1:0 --state DIR --github DIR --act PATH ...`."""

from __future__ import annotations

import argparse
import contextlib
import json
import secrets
import signal
import sys
from pathlib import Path
from types import FrameType

from sandbox.github.client import GitHub
from sandbox.runner.records import Records
from sandbox.runner.server import RunnerServer
from sandbox.runner.service import RunnerService, RunnerSettings
from sandbox.runner.sources import snapshot


def _stop(_number: int, _frame: FrameType | None) -> None:
    sys.exit(143)


def main() -> None:
    """Serve until the process is ended. `DIR/address.json` appears when it listens and the hook is set."""
    parser = argparse.ArgumentParser(prog="sandbox.runner", description="Runs workflows with act")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="ADDR:PORT")
    parser.add_argument("--state", type=Path, required=True, metavar="DIR")
    parser.add_argument("--github", type=Path, required=True, metavar="DIR", help="the imitation's state folder")
    parser.add_argument("--act", type=Path, required=True, metavar="PATH")
    parser.add_argument(
        "--repository",
        action="append",
        default=[],
        metavar="OWNER/NAME=DIR",
        help="a folder that stands for a repository in `uses:`, at any ref; may be repeated",
    )
    parser.add_argument(
        "--environment", type=Path, metavar="FILE", help="JSON: all that steps see of this machine's environment"
    )
    parser.add_argument("--label", action="append", metavar="NAME", help="a runner label; may be repeated")
    options = parser.parse_args()
    options.state.mkdir(parents=True, exist_ok=True)
    repositories: dict[str, Path] = {}
    for item in options.repository:
        name, _, source = item.partition("=")
        repositories[name] = options.state / "repositories" / name
        snapshot(Path(source), repositories[name])
    environment = json.loads(options.environment.read_text()) if options.environment else {}
    environment.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    labels = tuple(options.label or ("self-hosted", "ai", "ai-staging"))
    settings = RunnerSettings(options.act.resolve(), options.state.resolve(), environment, repositories, labels)
    github = GitHub.from_state(options.github)
    github.person("github-actions[bot]", type="Bot")
    service = RunnerService(settings, github, Records(settings.folder))
    address, _, port = options.listen.rpartition(":")
    server = RunnerServer(address, int(port), service, secrets.token_hex(16), hook_secret=secrets.token_hex(16))
    github.hook(f"{server.url}/hook", server.hook_secret)
    note = options.state / "address.json"
    draft = note.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps({"url": server.url, "secret": server.secret}))
    draft.rename(note)
    signal.signal(signal.SIGTERM, _stop)
    print(f"listening {server.url}", flush=True)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
    finally:
        service.stop()


if __name__ == "__main__":
    main()
