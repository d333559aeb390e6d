"""Run the imitation: `python -m sandbox.github --listen 127.0.0.1:0 --state DIR`."""

from __future__ import annotations

import argparse
import contextlib
import json
from pathlib import Path

from sandbox.github.server import GitHubServer


def main() -> None:
    """Serve until the process is ended. `DIR/address.json` appears when it listens."""
    parser = argparse.ArgumentParser(prog="sandbox.github", description="An imitation of GitHub")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="ADDR:PORT")
    parser.add_argument("--state", type=Path, required=True, metavar="DIR")
    parser.add_argument("--url", help="the address that clients use, where it differs from the one listened on")
    options = parser.parse_args()
    address, _, port = options.listen.rpartition(":")
    if (options.state / "repositories").exists():
        parser.error(f"{options.state} was used before: users and issues are kept in memory, so give a new folder")
    options.state.mkdir(parents=True, exist_ok=True)
    server = GitHubServer(address, int(port), options.state, options.url)
    note = options.state / "address.json"
    draft = note.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps({"url": server.url, "control_token": server.control_token}))
    draft.rename(note)
    print(f"listening {server.url}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()
