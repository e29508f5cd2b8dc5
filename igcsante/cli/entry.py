"""Start of the command ``igc``: so little that Ctrl-C finds nothing else to interrupt."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as typing has it, without its cost
if TYPE_CHECKING:
    from typing import NoReturn

_INTERRUPTED = 130  # ExitCode.INTERRUPTED, which may not be loaded yet


def main() -> NoReturn:
    """Run ``igc``: see :func:`.main.main`."""
    try:
        if "_IGC_COMPLETE" in os.environ:
            from .completion import answer

            sys.exit(answer())
        if _answered(sys.argv[1:]):
            sys.exit(0)
        from .main import main as run

        run()
    except KeyboardInterrupt:  # before a command could take it, or after
        if sys.stderr is not None:
            from ..messages import localized, tr

            sys.stderr.write(localized(tr("Interrupted.")) + "\n")
        sys.exit(_INTERRUPTED)


def _answered(arguments: list[str]) -> bool:
    """Whether that was all: ``igc --version`` and ``igc --help`` take no click."""
    from . import front

    try:
        return front.answer(arguments)
    except OSError as error:
        from .main import output_lost

        sys.exit(output_lost(error))


if __name__ == "__main__":
    main()
