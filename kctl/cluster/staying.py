"""`--foreground`: the command stays for as long as the supervisor that it started."""

from __future__ import annotations

import os
import signal


def stay(supervisor: int) -> int:
    """Hands SIGINT and SIGTERM on to the supervisor and waits for its end; its exit code."""

    def stop(number: int, frame: object) -> None:
        os.kill(supervisor, signal.SIGTERM)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    _, status = os.waitpid(supervisor, 0)
    return os.waitstatus_to_exitcode(status)
