"""``--verbose`` and ``--log-file``: the steps of a command, as the loggers ``igcsante`` tell them.

Steps are made to hold no secret and nobody's name (:mod:`igcsante.steps`); what looks like one is
masked here again, whoever logged it. They are in English, as are all logs.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import click

from .. import __version__
from ..errors import StorageError
from ..messages import reason_of, tr
from ..steps import step
from .output import Settings, insist

_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_LOGGER = logging.getLogger("igcsante")
MASK = "[masked]"
_SECRETS = re.compile(
    r"(?P<where>://)[^/@\s]+(?=@)"  # a user and a password in a URL
    r"|(?P<name>\b(?:pin|puk|password|passphrase|secret|token|code|authorization)\s*[=:]\s*)"
    r"(?:'[^']*'|\"[^\"]*\"|\S+)"
    r"|\b[0-9]{8,}\b"  # identifiers of people and of cards, serial numbers
    r"|\b(?:[0-9A-Fa-f]{2}[: ]?){10,}\b",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """The text without what looks like a secret, an identifier or a serial number.

    >>> masked("http://user:word@proxy:3128, card 12345678, PIN: 1234, 3 lists")
    'http://[masked]@proxy:3128, card [masked], PIN: [masked], 3 lists'
    """
    return _SECRETS.sub(lambda m: (m["where"] or m["name"] or "") + MASK, text)


def tell_steps(settings: Settings, ctx: click.Context) -> None:
    """Until the command line ends, tell steps where ``settings`` want them. Raises StorageError."""
    wanted: list[logging.Handler] = []
    ours = {type(handler) for handler in _LOGGER.handlers}  # asked for before the command's name
    if settings.verbose and _OnStderr not in ours:
        wanted.append(_OnStderr())
    if settings.log_file and _InFile not in ours:
        wanted.append(_InFile(settings.log_file))
    level = _LOGGER.level
    for handler in wanted:
        _LOGGER.addHandler(handler)
    _LOGGER.setLevel(logging.INFO)

    started = time.monotonic()
    if wanted and not ours:
        step("cli", "igc {version}", version=__version__)

    def end() -> None:
        if not ours:
            step("cli", "done after {seconds:.2f} s", seconds=time.monotonic() - started)
        for handler in wanted:
            _LOGGER.removeHandler(handler)
            handler.close()
        _LOGGER.setLevel(level)

    if wanted:
        ctx.find_root().call_on_close(end)


class _Masking(logging.Formatter):
    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record)).replace("\r", " ").replace("\n", "\n  ")


class _OnStderr(logging.Handler):
    """A line for the person."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(_Masking("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        area = record.name.rpartition(".")[2]
        insist(click.style(f"{area}: {self.format(record)}", dim=True))


class _InFile(logging.StreamHandler[Any]):
    """A file of the person's own, added to; that it can't be written any more is told once."""

    def __init__(self, path: Path) -> None:
        try:
            number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise StorageError(
                tr("{path}: this log can't be written: {why}", path=path, why=reason_of(error)),
                advice=tr("nothing was done; choose another --log-file"),
            ) from None
        super().__init__(os.fdopen(number, "a", encoding="utf-8", errors="backslashreplace"))
        self.path = path
        self.setFormatter(_Masking(_LINE))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        _LOGGER.removeHandler(self)
        error = sys.exception()
        why = reason_of(error) if error else ""
        insist(tr("{path}: this log can't be written: {why}", path=self.path, why=why))

    def close(self) -> None:
        with contextlib.suppress(OSError):  # told already
            self.stream.close()
        super().close()
