"""Being told to end, by Ctrl-C or SIGTERM: a job stops in good order; told once more, it ends at once."""

import os
import signal
import sys
import threading
import time
from types import FrameType

STOPPED = "stopped; run the same command to resume"
EXIT_CODE = 130
AGAIN_S = 1.0
"""Assumed: what comes sooner is the same wish; a terminal tells all processes, and the one above tells them, too."""
LOST_S, SWALLOWED_S = 0.1, 3.0
"""Assumed: so soon KeyboardInterrupt is raised again where it came to nothing, known to be lost or not."""

_told_s: float | None = None
"""When it was first told."""
_ends_by_itself = False
"""Whether only its end is left of the job."""
_show_lost = sys.__unraisablehook__
"""What showed exceptions that Python dropped."""


def listen_while_loading() -> None:
    """For the first statement of a job's file, before what takes long to import: nothing is begun yet, and told now it
    says so and ends at once."""
    _listen(lambda _, __: _end_now())


def listen() -> None:
    """From now on both raise KeyboardInterrupt in the main thread, once; SIGINT only where it was not ignored, as it is
    in the background of a shell."""
    global _told_s, _ends_by_itself, _show_lost
    _told_s, _ends_by_itself = None, False
    if sys.unraisablehook is not _unraisable:
        _show_lost, sys.unraisablehook = sys.unraisablehook, _unraisable
    listen_again()


def listen_again() -> None:
    """Take back the handlers that a library has set. Elsewhere than in the main thread nothing happens."""
    _listen(_told)


def listen_no_longer() -> None:
    """The job's end is all that is left, and an exception would break it off: told once it goes on to its end."""
    global _ends_by_itself
    _ends_by_itself = True
    if sys.unraisablehook is _unraisable:
        sys.unraisablehook = _show_lost
    if _told_s is not None and _is_main():
        signal.setitimer(signal.ITIMER_REAL, 0)


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()


def _listen(handler: "signal._HANDLER") -> None:
    if not _is_main():
        return
    signal.signal(signal.SIGTERM, handler)
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, handler)


def _told(_: int, __: FrameType | None) -> None:
    global _told_s
    now_s = time.monotonic()
    if _told_s is None:
        _told_s = now_s
        if not _ends_by_itself:
            _look_again(SWALLOWED_S)
            raise KeyboardInterrupt
    elif now_s - _told_s > AGAIN_S:
        _end_now()


def _end_now() -> None:
    os.write(2, f"error: {STOPPED}\n".encode())
    os._exit(EXIT_CODE)  # whatever waits; files are there whole or not at all


def _look_again(after_s: float) -> None:
    signal.signal(signal.SIGALRM, _looked)
    signal.setitimer(signal.ITIMER_REAL, after_s, SWALLOWED_S)


def _looked(_: int, __: FrameType | None) -> None:
    """Raise it once more, unless it is just being handled: what tidies up is not to be broken off."""
    handled = sys.exc_info()[1]
    while handled is not None and not isinstance(handled, KeyboardInterrupt):
        handled = handled.__context__
    if handled is None:
        raise KeyboardInterrupt


def _unraisable(lost: "sys.UnraisableHookArgs") -> None:
    """Where nothing can be raised (`__del__`, a callback of a weak reference, some modules as they are imported) Python
    drops an exception, and shows its trace."""
    if lost.exc_type is KeyboardInterrupt and _is_main():
        _look_again(LOST_S)
    else:
        _show_lost(lost)
