"""Doors from the machine into a sandbox: ports of 127.0.0.1 that lead to addresses inside, for as long as it is up.

A socket belongs to the network that it was made in. So the listening sockets are made outside and handed to a process
inside, which connects from there and ends with the sandbox, as every process in it does.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sandbox.lifecycle import enter_argv
from sandbox.state import State

TREE = Path(__file__).resolve().parents[1]


def open_doors(state: State, targets: Sequence[str]) -> list[int]:
    """Free ports of 127.0.0.1, one for each target (`host:port` as it is called inside), in their order.

    They accept connections at once, whether there is anybody at the target or not.
    """
    listening = [socket.create_server(("127.0.0.1", 0)) for _ in targets]
    pairs = [f"{door.fileno()}={target}" for door, target in zip(listening, targets, strict=True)]
    with (state.home / "logs" / "doors.log").open("ab") as log:
        subprocess.Popen(
            # The state's file tells people, and whoever looks for traces, to which sandbox it belongs.
            enter_argv(state, [sys.executable, "-m", "sandbox.doors", str(state.file), *pairs], TREE),
            env={**os.environ, **state.environment()},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[door.fileno() for door in listening],
            start_new_session=True,
        )
    ports = [int(door.getsockname()[1]) for door in listening]
    for door in listening:
        door.close()
    return ports


async def _serve(pairs: Sequence[str]) -> None:
    for pair in pairs:
        number, _, target = pair.partition("=")
        host, _, port = target.rpartition(":")
        door = socket.socket(fileno=int(number))
        await asyncio.start_server(partial(_connect, host, int(port)), sock=door)
    await asyncio.Event().wait()


async def _connect(host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        far_reader, far_writer = await asyncio.open_connection(host, port)
    except OSError as error:
        print(f"{host}:{port}: {error}", file=sys.stderr, flush=True)
        writer.close()
        return
    await asyncio.gather(_pass(reader, far_writer), _pass(far_reader, writer))
    for end in (far_writer, writer):
        end.close()


async def _pass(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    with contextlib.suppress(OSError):
        target.write_eof()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[2:]))
