"""Start of the command ``igc``: so little that Ctrl-C finds nothing else to interrupt."""

from __future__ import annotations

import sys
from typing import NoReturn

_INTERRUPTED = 130  # ExitCode.INTERRUPTED, which may not be loaded yet


def main() -> NoReturn:
    """Run ``igc``: see :func:`.main.main`."""
    try:
        from .main import main as run

        run()
    except KeyboardInterrupt:  # before a command could take it, or after
        if sys.stderr is not None:
            sys.stderr.write("Interrupted.\n")
        sys.exit(_INTERRUPTED)
