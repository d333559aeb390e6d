"""Run the model: `python -m sandbox.model --listen 127.0.0.1:0 --state DIR --key-file FILE`."""

from __future__ import annotations

import argparse
import contextlib
import json
import secrets
from pathlib import Path

from sandbox.model.playbooks import load
from sandbox.model.server import ModelServer

REGISTRY = Path(__file__).parent / "playbooks.yaml"


def main() -> None:
    """Serve until the process is ended. `DIR/address.json` appears when it listens."""
    parser = argparse.ArgumentParser(prog="sandbox.model", description="A scripted model")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="ADDR:PORT")
    parser.add_argument("--state", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--key-file", type=Path, metavar="FILE", help="accepted keys, one a line; without it DIR/key holds a new one"
    )
    parser.add_argument(
        "--playbooks",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="more playbooks; they come before the built-in ones; may be repeated",
    )
    parser.add_argument("--url", help="the address that clients use, where it differs from the one listened on")
    options = parser.parse_args()
    playbooks = [item for path in (*options.playbooks, REGISTRY) for item in load(path)]
    options.state.mkdir(parents=True, exist_ok=True)
    if options.key_file is None:
        options.key_file = options.state / "key"
        options.key_file.touch(mode=0o600)
        options.key_file.write_text(f"sk-sandbox-{secrets.token_hex(16)}\n")
    keys = options.key_file.read_text().split()
    address, _, port = options.listen.rpartition(":")
    server = ModelServer(address, int(port), keys, playbooks, options.url)
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
