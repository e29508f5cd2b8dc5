"""Changes to config.toml that keep its comments and layout (tomlkit), whole or not at all.

What tomlkit writes is read again with tomllib: unless it says just what was wanted, nothing is
written. Two changes at once wait for each other.
"""

from __future__ import annotations

import contextlib
import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..errors import ConfigError, StorageError, UsageError
from ..files import lock, private_directory, write_atomic
from ..messages import Message, reason_of, tr
from ..text import did_you_mean
from .directories import config_path
from .document import MAX_CONFIG_BYTES, Document, looks_like_a_secret
from .kinds import WrongValueError, from_words
from .profile import BUILT_IN, DEFAULT_PROFILE, KEYS, key_named
from .resolve import profile_files, profile_names

DEFAULT_KEY = "default_profile"


@dataclass(frozen=True)
class Change:
    """What was written: ``value`` and ``previous`` as TOML has them, None for none."""

    path: Path
    profile: str | None  # None for default_profile
    key: str
    value: Any
    previous: Any
    new_profile: bool = False


def set_value(
    key: str, words: Sequence[str], profile: str = DEFAULT_PROFILE, path: Path | None = None
) -> Change:
    """Give a key of the profile, or ``default_profile``, the value that was typed.

    Relative paths are those in the current folder, and are written whole. Raises UsageError for
    an unknown key or a wrong value, ConfigError when the file would be wrong, StorageError
    when it can't be written; nothing is changed then.
    """
    if looks_like_a_secret(key) and key not in KEYS:
        raise UsageError(
            tr("{key} looks like a secret: none is kept in config.toml", key=key),
            advice=tr("how secrets are given: igc help secrets"),
        )
    place = _place(key, profile)
    try:
        value: Any = words[0] if key == DEFAULT_KEY else _value(key, words)
    except WrongValueError as error:
        raise UsageError(error.message, advice=error.advice) from None
    return _change(path or config_path(), place, value)


def unset_value(key: str, profile: str = DEFAULT_PROFILE, path: Path | None = None) -> Change:
    """Take a key, which may be an unknown one, out of the profile.

    Raises UsageError when it isn't there, else as :func:`set_value`.
    """
    place = (key,) if key == DEFAULT_KEY else ("profiles", profile, key)
    return _change(path or config_path(), place, None)


def require_right(path: Path, data: bytes) -> None:
    """Raise ConfigError, with line and column, unless config.toml may be so."""
    document = Document.parsed(path, data)
    name = document.default_profile
    known = [*document.profiles, *profile_names(profile_files()[1:])]
    if name is not None and name not in known:
        raise document.error(
            tr("there is no profile {name!r}", name=name),
            DEFAULT_KEY,
            advice=did_you_mean(name, known),
        )


def replace_file(path: Path, old: bytes | None, new: bytes) -> None:
    """Write ``new``, which was checked, where ``old`` still is. Raises StorageError."""
    with _alone(path):
        if _bytes(path) != old:
            raise StorageError(
                tr("{path} was changed by another program meanwhile; it was left so", path=path),
                path=str(path),
            )
        write_atomic(path, new, overwrite=True)


def _place(key: str, profile: str) -> tuple[str, ...]:
    return (key,) if key == DEFAULT_KEY else ("profiles", profile, key_named(key).name)


def _value(key: str, words: Sequence[str]) -> Any:
    from .kinds import typed

    value = from_words(KEYS[key], words, Path.cwd())
    typed(KEYS[key], value, Path())
    return value


def _change(path: Path, place: tuple[str, ...], value: Any) -> Change:
    with _alone(path):
        data = _bytes(path) or b""
        before = Document.parsed(path, data, checked=False)
        wanted = _with(before.content, place, value)
        previous = _at(before.content, place)
        if value is None and previous is None:
            if len(place) > 1:
                key_named(place[-1])
            raise UsageError(
                tr("{key} is not set in {path}", key=place[-1], path=path),
                advice=tr("what is set, and where: igc config show --origin"),
            )
        text = _edited(before.text, place, value)
        if _read(text) != wanted:
            raise ConfigError(
                tr("{path}: {key} could not be changed in this layout", path=path, key=place[-1]),
                advice=tr("change it by hand: igc config edit"),
            )
        _require_no_new_mistake(path, before.text, text)
        write_atomic(path, text.encode(), overwrite=True)
    profile = place[1] if len(place) > 1 else None
    new = bool(profile) and profile not in before.profiles and profile not in BUILT_IN
    return Change(path, profile, place[-1], value, previous, new and value is not None)


def _require_no_new_mistake(path: Path, before: str, text: str) -> None:
    """Raise ConfigError unless the file may become ``text``.

    A mistake that was there already is told at its place; one that would be new has none in the
    file as it is.
    """
    try:
        require_right(path, text.encode())
    except ConfigError as error:
        try:
            require_right(path, before.encode())
        except ConfigError as old:
            if _problem(old) == _problem(error):
                raise old from None
        raise ConfigError(
            tr("{problem}; nothing was written", problem=_problem(error)),
            advice=error.advice,
            path=str(path),
        ) from None


def _problem(error: ConfigError) -> str:
    """What is wrong, without where: as :meth:`.document.Document.error` says it."""
    message = error.message
    return message.values.get("problem", message) if isinstance(message, Message) else message


def _edited(text: str, place: tuple[str, ...], value: Any) -> str:
    """The text with the change; as it was when tomlkit can't make it."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
        table: Any = document
        for step in place[:-1]:
            if step not in table:
                table[step] = tomlkit.table(is_super_table=step == "profiles")
            table = table[step]
        if value is None:
            del table[place[-1]]
        elif place[-1] in table and isinstance(value, list):
            _set_list(table, place[-1], value)
        else:
            table[place[-1]] = value
        return _with_ends_of(text, tomlkit.dumps(document))
    except (TOMLKitError, KeyError, TypeError, ValueError, AttributeError, IndexError):
        return text


def _with_ends_of(old: str, new: str) -> str:
    """``new`` with lines that end as those of ``old``, where all of them have CR LF."""
    if "\n" not in old or re.search(r"(?<!\r)\n", old):
        return new
    return re.sub(r"(?<!\r)\n", "\r\n", new)


def _set_list(table: Any, key: str, value: list[str]) -> None:
    """The list with as little change as can be: comments between what stays are kept."""
    array = table[key]
    for index in reversed(range(len(array))):
        if array[index] not in value:
            del array[index]
    for item in value:
        if item not in array:
            array.append(item)
    if list(array) != value:
        table[key] = value


def _with(content: Any, place: tuple[str, ...], value: Any) -> dict[str, Any]:
    """What the file shall say. Raises UsageError when it holds something else there."""
    wanted: dict[str, Any] = deepcopy(dict(content))
    table = wanted
    for step in place[:-1]:
        table = table.setdefault(step, {})
        if not isinstance(table, dict):
            raise UsageError(
                tr("profiles are tables, as in [profiles.test]"),
                advice=tr("mend it with: igc config edit"),
            )
    if value is None:
        table.pop(place[-1], None)
    else:
        table[place[-1]] = value
    return wanted


def _at(content: Any, place: tuple[str, ...]) -> Any:
    for step in place:
        content = content.get(step) if isinstance(content, dict) else None
    return content


def _read(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _bytes(path: Path) -> bytes | None:
    from ..files import read_bounded

    return read_bounded(path, MAX_CONFIG_BYTES) if path.exists() else None


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """While nobody else of us changes the file."""
    private_directory(path.parent)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(path, wait=True))
        except OSError as error:
            raise StorageError(
                tr("{path}: {reason}; nothing was written", path=path, reason=reason_of(error))
            ) from None
        yield


@contextlib.contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[bool]:
    """While the lock of ``path`` is ours; False, at once, when another has it and we don't wait.

    The lock is a file beside it, which is there no longer than it is held. Raises OSError.
    """
    guard = path.with_name(f".{path.name}.lock")
    while True:
        with guard.open("ab") as stream:
            if not lock(stream, wait=wait):
                yield False
                return
            if not _is_at(guard, stream):  # whoever had it has taken the file away
                continue
            try:
                yield True
            finally:
                with contextlib.suppress(OSError):  # Windows removes no open file
                    guard.unlink()
            return


def _is_at(path: Path, stream: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False
