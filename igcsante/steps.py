"""Steps that a command takes, for those who look on: ``igc --verbose``, or a program's own logs.

A library's words go to :mod:`logging`, whose loading costs a start more than most of our
modules. Nobody listens before somebody loaded it, so nobody is told then.

What is passed here is fit to be shown to anyone: hosts, operations, counts, times; no secret,
no name of a person, no identifier.
"""

from __future__ import annotations

import sys


def step(area: str, template: str, /, **values: object) -> None:
    """Log at INFO, as ``igcsante.<area>``, the template (:meth:`str.format`) with its values."""
    if logging := sys.modules.get("logging"):
        logger = logging.getLogger(f"igcsante.{area}")
        if logger.isEnabledFor(logging.INFO):
            logger.info("%s", template.format_map(values))
