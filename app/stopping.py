"""Being told to end, by Ctrl-C or SIGTERM: a job stops in good order; told once more, it ends at once."""

import os
import signal
import threading
import time
from types import FrameType

STOPPED = "stopped; run the same command to resume"
EXIT_CODE = 130
AGAIN_S = 1.0
"""Assumed: what comes sooner is the same wish; a terminal tells all processes, and the one above tells them, too."""

_told_s: float | None = None
"""When it was first told."""


def listen() -> None:
    """From now on both raise KeyboardInterrupt in the main thread, once; SIGINT only where it was not ignored, as it is
    in the background of a shell."""
    global _told_s
    _told_s = None
    listen_again()


def listen_again() -> None:
    """Take back the handlers that a library has set. Elsewhere than in the main thread nothing happens."""
    if threading.current_thread() is not threading.main_thread():
        return
    signal.signal(signal.SIGTERM, _told)
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, _told)


def _told(_: int, __: FrameType | None) -> None:
    global _told_s
    now_s = time.monotonic()
    if _told_s is None:
        _told_s = now_s
        raise KeyboardInterrupt
    if now_s - _told_s > AGAIN_S:
        os.write(2, f"error: {STOPPED}\n".encode())
        os._exit(EXIT_CODE)  # whatever waits; files are there whole or not at all
