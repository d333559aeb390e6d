"""The first process inside a sandbox's namespaces: `python -m sandbox.cluster ORDER.json REPORT_FD`.

It forks the supervisor and then only collects processes that lost their parents, as a first process must. When it ends,
the kernel ends everything else in the sandbox.
"""

import json
import os
import subprocess
import sys
import traceback
from pathlib import Path


def main(order_file: str, report_fd: int) -> int:
    """Runs until the supervisor ends; the exit code is the supervisor's."""
    supervisor = os.fork()
    if supervisor == 0:
        os._exit(_supervise(Path(order_file), report_fd))
    os.close(report_fd)
    while True:
        ended, status = os.wait()
        if ended == supervisor:
            return os.waitstatus_to_exitcode(status) & 0x7F


def _supervise(order_file: Path, report_fd: int) -> int:
    from sandbox.cluster.supervisor import Order, bring_up
    from sandbox.cluster.waiting import NotUp

    raw = json.loads(order_file.read_text())
    order = Order(
        home=Path(raw["home"]),
        tree=Path(raw["tree"]),
        cache=Path(raw["cache"]),
        registry_storage=Path(raw["registry_storage"]),
        unpacked_images=Path(raw["unpacked_images"]),
        wheels=Path(raw["wheels"]),
        programs={name: Path(path) for name, path in raw["programs"].items()},
    )
    os.set_inheritable(report_fd, False)
    with os.fdopen(report_fd, "w") as report:
        try:
            supervisor = bring_up(order)
        except (NotUp, OSError, subprocess.SubprocessError) as error:
            traceback.print_exc()
            report.write(f"failed: {error}\n")
            return 1
        report.write("ready\n")
    supervisor.wait_for_end()
    try:
        supervisor.check()
    except NotUp as error:
        print(f"the sandbox ends: {error}", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
