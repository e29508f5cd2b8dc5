"""PINs, passwords and revocation codes: where they come from, and how they stay unseen.

A secret is never an argument value. ``fd:N`` reads a file descriptor, ``env:NAME`` an
environment variable, ``cmd:…`` the first line that a command prints (design §6).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from .errors import UsageError
from .messages import reason_of, tr

MAX_SECRET_BYTES = 1024
COMMAND_SECONDS = 60


class Secret:
    """Bytes that no ``repr``, ``str``, format or traceback shows.

    >>> Secret(b"1234")
    Secret(***)
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes | str) -> None:
        self._value = value.encode() if isinstance(value, str) else bytes(value)

    def reveal(self) -> bytes:
        """The bytes themselves: call it only where they are used."""
        return self._value

    def text(self) -> str:
        """The secret as text. Raises UsageError when it isn't UTF-8."""
        try:
            return self._value.decode()
        except UnicodeDecodeError:
            raise UsageError(tr("the secret is not valid UTF-8 text")) from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __len__(self) -> int:
        return len(self._value)

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not written anywhere")


def read_secret(source: str) -> Secret:
    """The secret that ``fd:N``, ``env:NAME`` or ``cmd:COMMAND`` names.

    One line feed at the end is dropped. Raises UsageError for any other source, and when
    the source is empty, too long or fails; the message names the source, not what it held.
    """
    kind, _, rest = source.partition(":")
    reader = _READERS.get(kind)
    if reader is None or not rest:
        raise UsageError(
            tr("a secret is given as fd:N, env:NAME or cmd:COMMAND, never as a value"),
            advice=tr("for example: --pin-source env:CPS_PIN"),
        )
    value = reader(rest).removesuffix(b"\n").removesuffix(b"\r")
    if not value:
        raise UsageError(tr("the secret source {kind}: gave nothing", kind=kind))
    if len(value) > MAX_SECRET_BYTES:
        raise UsageError(
            tr(
                "the secret source {kind}: gave more than {max_secret_bytes} bytes",
                kind=kind,
                max_secret_bytes=MAX_SECRET_BYTES,
            )
        )
    return Secret(value)


def _from_descriptor(number: str) -> bytes:
    if not re.fullmatch(r"[0-9]{1,7}", number):
        raise UsageError(tr("fd: wants the number of an open file descriptor"))
    try:
        with os.fdopen(os.dup(int(number)), "rb") as stream:
            return stream.readline(MAX_SECRET_BYTES + 3)
    except OSError as error:
        raise UsageError(
            tr("file descriptor {number} can't be read: {why}", number=number, why=reason_of(error))
        ) from None


def _from_environment(name: str) -> bytes:
    if name not in os.environ:
        raise UsageError(tr("the environment variable {name} is not set", name=name))
    return (
        os.environb[os.fsencode(name)] if os.supports_bytes_environ else os.environ[name].encode()
    )


def _from_command(command: str) -> bytes:
    import shlex  # each costs as much at start-up as all of this module
    import subprocess

    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    if not words:
        raise UsageError(tr("cmd: wants a command, its quotes closed"))
    try:
        done = subprocess.run(  # noqa: S603 - the user names the command, and no shell runs it
            words, capture_output=True, timeout=COMMAND_SECONDS, check=True
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        program = Path(words[0]).name
        raise UsageError(
            tr("the command that gives the secret failed: {program}", program=program)
        ) from None
    return done.stdout.split(b"\n", 1)[0]


_READERS: dict[str, Callable[[str], bytes]] = {
    "fd": _from_descriptor,
    "env": _from_environment,
    "cmd": _from_command,
}
