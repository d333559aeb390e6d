"""Opens provisioned volumes to every user: the host-path provisioner makes their folders for root alone."""

import ctypes
import os
import struct
import threading
from pathlib import Path

_CREATED, _FOLDER_ONLY = 0x100, 0x01000000
_EVENT = struct.Struct("iIII")


def open_new_volumes(folder: Path) -> None:
    """From now on makes every new folder directly in `folder` writable for all, as it appears."""
    libc = ctypes.CDLL(None, use_errno=True)
    notifier = libc.inotify_init1(os.O_CLOEXEC)
    if notifier < 0 or libc.inotify_add_watch(notifier, os.fsencode(folder), _CREATED | _FOLDER_ONLY) < 0:
        raise OSError(ctypes.get_errno(), "cannot watch the folder of volumes", str(folder))

    def follow() -> None:
        while True:
            events, offset = os.read(notifier, 65536), 0
            while offset < len(events):
                length = _EVENT.unpack_from(events, offset)[3]
                name = events[offset + _EVENT.size : offset + _EVENT.size + length].rstrip(b"\0")
                (folder / os.fsdecode(name)).chmod(0o777)
                offset += _EVENT.size + length

    threading.Thread(target=follow, name="volumes", daemon=True).start()
