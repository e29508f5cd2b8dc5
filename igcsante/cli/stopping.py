"""The signals by which a command is told to stop, and what runs until then."""

from __future__ import annotations

import signal
import threading


def asked_to_end() -> list[signal.Signals]:
    """SIGTERM, and SIGHUP, which tells that the terminal was closed.

    Not SIGHUP under nohup, which wants it ignored, nor where there is none (Windows). A closed
    terminal may tell it twice, by the kernel and by the shell.
    """
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is None or signal.getsignal(hangup) is signal.SIG_IGN:
        return [signal.SIGTERM]
    return [signal.SIGTERM, hangup]


def stop_on_signals() -> threading.Event:
    """An event that Ctrl-C, SIGTERM or a closed terminal sets."""
    stop = threading.Event()
    for number in (signal.SIGINT, *asked_to_end()):
        signal.signal(number, lambda *_: stop.set())
    return stop
