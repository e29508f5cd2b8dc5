"""A program on a terminal of its own: what a person types, and what stands there afterwards."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import selectors
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

SECONDS = 60  # before a test gives up: never how long something may take


class Terminal:
    """``screen`` is all that was written on it so far."""

    def __init__(self, file: int, process: subprocess.Popen[bytes]) -> None:
        self._file = file
        self.process = process
        self.screen = ""

    def type(self, keys: str) -> None:
        os.write(self._file, keys.encode())

    def wait_for(self, text: str, since: int = 0) -> str:
        """All that is written, once ``text`` is among it, after so many characters."""
        end = time.monotonic() + SECONDS
        while text not in self.screen[since:]:
            assert self._read(end), f"{text!r} never came: {self.screen!r}"
        return self.screen

    def read_all(self) -> str:
        """Until the program ends."""
        end = time.monotonic() + SECONDS
        while self._read(end):
            pass
        return self.screen

    def close(self) -> None:
        """As when its window is closed: the kernel sends SIGHUP, and nothing more is typed."""
        os.close(self._file)
        self._file = -1

    def _read(self, end: float) -> bool:
        """Take more of what is written, until ``end``: False once nobody writes any more."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._file, selectors.EVENT_READ)
            ready = selector.select(max(0, end - time.monotonic()))
        assert ready, f"neither the end nor more came in time: {self.screen!r}"
        try:
            data = os.read(self._file, 65536)
        except OSError:  # EIO: the last one that had the terminal open is gone
            return False
        self.screen += data.decode(errors="replace")
        return bool(data)


def _take_terminal() -> None:
    """As a terminal's program begins, also when the tests were started with nohup."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@contextlib.contextmanager
def on_a_terminal(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    folder: Path,
    columns: int = 200,
) -> Iterator[Terminal]:
    """Run a program whose stdin, stdout and stderr are a terminal."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        [str(word) for word in command],
        stdin=its,
        stdout=its,
        stderr=its,
        env=dict(environment),
        cwd=folder,
        start_new_session=True,
        preexec_fn=_take_terminal,
    )
    os.close(its)
    terminal = Terminal(ours, process)
    try:
        yield terminal
    finally:
        process.kill()
        process.wait(SECONDS)
        with contextlib.suppress(OSError):
            terminal.close()
