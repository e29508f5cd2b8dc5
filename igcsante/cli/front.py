"""The front page: ``igc --version`` and ``igc --help``, answered before click is loaded.

click takes longer to load than Python to start. The same page comes out of click's tree when
it is asked for there (``igc help``): :class:`.command.Group` writes both.
"""

from __future__ import annotations

import errno
import os
import sys

from .. import __version__
from ..messages import translated
from . import layout, page
from .commands import ABOUT, COMMANDS, HELP_HELP, SHARED_OPTIONS, SHORT, VERSION_HELP, VERSION_LINE

USAGE = "igc [OPTIONS] COMMAND [ARGS]..."


def answer(arguments: list[str]) -> bool:
    """Print what these arguments ask for, and True; or False: it takes more than this."""
    if arguments == ["--version"]:
        return _print(version())
    if arguments in (["--help"], ["-h"]):
        return _print(text())
    return False


def version() -> str:
    """One line."""
    return VERSION_LINE % {"prog": "igc", "version": __version__}


def text(width: int = 0) -> str:
    """The page of ``igc``, in the language of the person."""
    sections = [
        (translated(page.OPTIONS), _options()),
        (translated(page.COMMANDS), [(n, translated(about)) for n, (_, about) in COMMANDS.items()]),
    ]
    return page.written(USAGE, page.Page(ABOUT), sections, width or layout.page_width(), translated)


def _options() -> list[tuple[str, str]]:
    rows = [("--version", "", VERSION_HELP)]
    rows += [(name, metavar, about) for name, (metavar, about) in SHARED_OPTIONS.items()]
    rows.append(("--help", "", HELP_HELP))
    return [
        (", ".join(filter(None, (SHORT.get(name), f"{name} {metavar}".strip()))), translated(about))
        for name, metavar, about in rows
    ]


def _print(answered: str) -> bool:
    if sys.stdout is None:  # it was closed before we started
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    try:
        sys.stdout.write(f"{answered}\n")
        sys.stdout.flush()
    except UnicodeEncodeError:
        return False
    return True
