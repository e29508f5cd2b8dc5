"""Kinds of values: what a key may hold, in a file, in a variable, or as typed words."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import IgcError
from ..messages import tr

if TYPE_CHECKING:
    from .profile import Key

MAX_SECONDS = 3600
EMPTY_LIST = "[]"
_SHOWN = 60  # characters of a wrong value
# Compiled when they are needed: a start would pay for both.
_HOST = r"(?:[\w-][\w.-]*|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?"
_SOURCE = r"(?s:(?:env|fd|cmd):.+)"


class Kind(StrEnum):
    """What the value of a key is. The lists are arrays of strings in a file."""

    TEXT = "text"
    CHOICE = "choice"
    ADDRESS = "address"
    PROXY = "proxy"
    HOSTS = "hosts"
    NETWORKS = "networks"
    PATH = "path"
    PATHS = "paths"
    SECONDS = "seconds"
    SOURCE = "secret source"

    @property
    def is_list(self) -> bool:
        return self in (Kind.HOSTS, Kind.NETWORKS, Kind.PATHS)


class WrongValueError(IgcError):
    """A value that its key can't have; it never leaves :mod:`igcsante.config`."""


def typed(key: Key, value: object, folder: Path) -> Any:
    """The value of a TOML document as :class:`.profile.Profile` has it.

    Paths are relative to ``folder``. Raises WrongValueError, which never shows what may be a
    secret.
    """
    if key.kind.is_list:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise WrongValueError(tr("{key} is a list of strings", key=key.name))
        return tuple(_item(key, item, folder) for item in value)
    if key.kind is Kind.SECONDS:
        return _seconds(key, value)
    if not isinstance(value, str):
        raise WrongValueError(tr("{key} is a string", key=key.name))
    if not value:
        raise WrongValueError(
            tr("{key} is empty", key=key.name),
            advice=tr("leave it out, or take it out with: igc config unset {key}", key=key.name),
        )
    return _item(key, value, folder)


def from_words(key: Key, words: Sequence[str], folder: Path | None = None) -> Any:
    """What a TOML document would hold, from words that were typed.

    Relative paths are those in ``folder``, when it is given. Raises WrongValueError when there
    are several words for what is no list.
    """
    if key.kind.is_list and list(words) == [EMPTY_LIST]:
        return []
    if key.kind in (Kind.PATH, Kind.PATHS) and folder:
        words = [word if word.startswith("~") else str(folder / word) for word in words]
    if key.kind.is_list:
        return list(words)
    if len(words) != 1:
        raise WrongValueError(
            tr("{key} is one value, and {count} were given", key=key.name, count=len(words))
        )
    return _number(words[0]) if key.kind is Kind.SECONDS else words[0]


def from_variable(key: Key, text: str) -> Any:
    """What a TOML document would hold, from an environment variable.

    Lists are separated as in PATH for paths, else by commas or spaces; ``[]`` is an empty one.
    """
    if not key.kind.is_list:
        return from_words(key, [text])
    if text.strip() == EMPTY_LIST:
        return []
    items = text.split(os.pathsep) if key.kind is Kind.PATHS else re.split(r"[\s,]+", text)
    return [item for item in items if item]


def _item(key: Key, value: str, folder: Path) -> Any:
    """One string of a value, checked."""
    match key.kind:
        case Kind.PATH | Kind.PATHS:
            return _path(value, folder)
        case Kind.CHOICE if value not in key.choices:
            raise WrongValueError(
                tr("{key} can't be {value}", key=key.name, value=_shown(value)),
                advice=tr("one of: {choices}", choices=", ".join(key.choices)),
            )
        case Kind.ADDRESS | Kind.PROXY:
            _check_address(key, value)
        case Kind.HOSTS if not re.fullmatch(_HOST, value):
            raise WrongValueError(
                tr("{key}: {value} is no host", key=key.name, value=_shown(value)),
                advice=tr("write it as host or host:port, without http:// or a path"),
            )
        case Kind.NETWORKS:
            _check_network(key, value)
        case Kind.SOURCE if not re.fullmatch(_SOURCE, value):
            raise WrongValueError(
                tr("{key} names where the secret is, and never holds it", key=key.name),
                advice=tr("write it as env:NAME or cmd:COMMAND; see: igc help secrets"),
            )
    return value


def _check_address(key: Key, value: str) -> None:
    from urllib.parse import urlsplit  # costs a start 4 ms, and many profiles name no address

    try:
        parts = urlsplit(value)
        host, user, _ = parts.hostname, parts.username, parts.port
    except ValueError:
        parts, host, user = urlsplit(""), None, None
    if user is not None:
        raise WrongValueError(
            tr("{key}: no user or password stands in an address", key=key.name),
            advice=tr("for a proxy they are proxy_user and proxy_password; see: igc help secrets"),
        )
    if key.kind is Kind.PROXY:
        plain = parts.path in ("", "/") and not parts.query and not parts.fragment
        if parts.scheme != "http" or not host or not plain:
            raise WrongValueError(
                tr(
                    "{key}: {value} is not the address of an HTTP proxy",
                    key=key.name,
                    value=_shown(value),
                ),
                advice=tr("write it as http://proxy.example:3128"),
            )
    elif parts.scheme != "https" or not host:
        raise WrongValueError(
            tr("{key}: {value} is no https address", key=key.name, value=_shown(value)),
            advice=tr("write it as https://host/path"),
        )


def _check_network(key: Key, value: str) -> None:
    import ipaddress  # for the few who need one

    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise WrongValueError(
            tr("{key}: {value} is no network", key=key.name, value=_shown(value)),
            advice=tr("write it as 10.0.0.0/8"),
        ) from None


def _path(value: str, folder: Path) -> Path:
    try:
        return folder / Path(value).expanduser()
    except RuntimeError:
        raise WrongValueError(tr("{value} names no home folder", value=_shown(value))) from None


def _seconds(key: Key, value: object) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value <= MAX_SECONDS:  # type: ignore[operator]
        raise WrongValueError(
            tr(
                "{key} is a number of seconds, above 0 and {most} at most",
                key=key.name,
                most=MAX_SECONDS,
            )
        )
    return float(value)  # type: ignore[arg-type]


def _number(word: str) -> int | float | str:
    """The number that a word is; other words stay, to be refused with what is allowed."""
    try:
        number = float(word)
    except ValueError:
        return word
    return int(number) if math.isfinite(number) and number.is_integer() else number


def _shown(value: str) -> str:
    return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "…")
