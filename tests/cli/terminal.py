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
        with selectors.DefaultSelector() as selector:
            selector.register(self._file, selectors.EVENT_READ)
            while text not in self.screen[since:]:
                left = end - time.monotonic()
                assert left > 0 and selector.select(left), f"{text!r} never came: {self.screen!r}"
                self._read()
        return self.screen

    def read_all(self) -> str:
        """Until the program ends."""
        with contextlib.suppress(OSError):
            while self._read():
                pass
        return self.screen

    def _read(self) -> bytes:
        data = os.read(self._file, 65536)
        self.screen += data.decode(errors="replace")
        return data


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
    try:
        yield Terminal(ours, process)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
