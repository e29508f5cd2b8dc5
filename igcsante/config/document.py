"""One configuration file: read, checked key by key, with the line of what is wrong."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..files import read_bounded
from ..messages import Message, tr
from ..text import did_you_mean, printable
from ..toml_problem import toml_problem_and_place
from .kinds import WrongValueError, typed
from .profile import KEYS, Key

MAX_CONFIG_BYTES = 1024 * 1024
TOP_LEVEL = ("default_profile", "profiles")
MAX_NAME = 100  # characters of a profile's name

# Compiled when something is wrong.
_HIDDEN_NAME = (
    r"(^|_)(pin|puk|pwd|passwd|password|passphrase|mot_de_passe|mdp|secret|token|code)s?(_|$)"
)


def looks_like_a_secret(key: str) -> bool:
    """Whether a key of this name would hold a PIN or a password."""
    return bool(re.search(_HIDDEN_NAME, key.lower().replace("-", "_")))


@dataclass(frozen=True)
class Document:
    """A file that was read. ``content`` is what tomllib makes of ``text``.

    It is right when it comes from :meth:`read` or :meth:`parsed`, unless ``checked=False``.
    """

    path: Path
    text: str
    content: Mapping[str, Any]
    notice: Message | None = None

    @classmethod
    def read(cls, path: Path, *, checked: bool = True) -> Document | None:
        """The file, None when there is none.

        Raises ConfigError that names line and column, UsageError when it can't be read,
        UnreadableError above :data:`MAX_CONFIG_BYTES`.
        """
        try:
            mode = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            pass  # reading it says why
        else:
            if not stat.S_ISREG(mode.st_mode):
                raise ConfigError(
                    tr("{path} is no regular file", path=path),
                    advice=tr("move it away, or name another folder in IGC_CONFIG_DIR"),
                    path=str(path),
                )
        data = read_bounded(path, MAX_CONFIG_BYTES)
        return cls.parsed(path, data, checked=checked, notice=_permission_notice(path))

    @classmethod
    def parsed(
        cls, path: Path, data: bytes, *, checked: bool = True, notice: Message | None = None
    ) -> Document:
        """What would be in the file ``path``. Raises ConfigError as :meth:`read`."""
        document = cls(path, *_parsed(path, data), notice)
        if checked:
            document.check()
        return document

    @property
    def default_profile(self) -> str | None:
        return self.content.get("default_profile")

    @property
    def profiles(self) -> Mapping[str, Mapping[str, Any]]:
        return self.content.get("profiles", {})  # type: ignore[no-any-return]

    def value(self, profile: str, key: Key) -> Any:
        """The value of a key that the profile has, as :class:`.profile.Profile` has it."""
        try:
            return typed(key, self.profiles[profile][key.name], self.path.parent)
        except WrongValueError as error:
            raise self.error(
                error.message, "profiles", profile, key.name, advice=error.advice
            ) from None

    def check(self) -> None:
        """Raise ConfigError for the first thing that is wrong, with its place."""
        for name in self.content:
            if name not in TOP_LEVEL:
                raise self._unknown(TOP_LEVEL, name)
        if not isinstance(self.content.get("default_profile", "default"), str):
            raise self.error(tr("default_profile is the name of a profile"), "default_profile")
        profiles = self.content.get("profiles", {})
        if not isinstance(profiles, dict):
            raise self.error(tr("profiles are tables, as in [profiles.test]"), "profiles")
        for name, table in profiles.items():
            self._check_profile(name, table)

    def _check_profile(self, name: str, table: object) -> None:
        if not name or len(name) > MAX_NAME or printable(name) != name:
            raise self.error(
                tr("a profile's name is a word that can be printed"), "profiles", name, key=True
            )
        if not isinstance(table, dict):
            raise self.error(
                tr("profiles are tables, as in [profiles.test]"), "profiles", name, key=True
            )
        for key in table:
            if key not in KEYS:
                raise self._unknown(KEYS, "profiles", name, key)
            self.value(name, KEYS[key])

    def _unknown(self, known: Collection[str], *path: str) -> ConfigError:
        key = path[-1]
        if looks_like_a_secret(key):
            return self.error(
                tr("{key} looks like a secret: none is kept in this file", key=printable(key)),
                *path,
                key=True,
                advice=tr(
                    "take it out, and change the secret if it was a real one. How secrets are "
                    "given: igc help secrets"
                ),
            )
        near = did_you_mean(key, known)
        listed = tr("known: {keys}", keys=", ".join(sorted(known)))
        return self.error(
            tr("unknown key {key!r}", key=key[:MAX_NAME]), *path, key=True, advice=near or listed
        )

    def error(
        self, problem: Message | str, *path: str, key: bool = False, advice: str = ""
    ) -> ConfigError:
        """A ConfigError about the value at ``path``, or about its key."""
        line, column = self.line_and_column(*path, key=key)
        place = f"{self.path}:{line}:{column}" if line else str(self.path)
        where: dict[str, Any] = {"line": line, "column": column} if line else {}
        return ConfigError(
            tr("{place}: {problem}", place=place, problem=problem),
            advice=advice,
            path=str(self.path),
            **where,
        )

    def line_and_column(self, *path: str, key: bool = False) -> tuple[int, int]:
        """Of the value at ``path``, or of its key; both 0 when it isn't found."""
        from .positions import line_and_column

        place = self._positions.get(path)
        if place is None:
            return 0, 0
        return line_and_column(self.text, place.key if key or place.start < 0 else place.start)

    @cached_property
    def _positions(self) -> dict[Any, Any]:
        from .positions import positions

        return positions(self.text)


def _parsed(path: Path, data: bytes) -> tuple[str, dict[str, Any]]:
    import tomllib

    problem: str
    try:
        text = data.decode("utf-8-sig")
        return text, tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem, column = tr("the text is not UTF-8"), 0
    except tomllib.TOMLDecodeError as error:
        problem, place_line, column = toml_problem_and_place(error)
        line = text.rstrip().count("\n") + 1 if place_line is None else place_line
    except RecursionError:
        problem, line, column = tr("brackets are nested too deeply"), 0, 0
    place = ":".join([str(path), *(str(n) for n in (line, column) if n)])
    raise ConfigError(
        tr("{place}: not a TOML file: {problem}", place=place, problem=problem),
        advice=tr("mend it with: igc config edit"),
        path=str(path),
        **{name: n for name, n in (("line", line), ("column", column)) if n},
    )


def _permission_notice(path: Path) -> Message | None:
    """What is to be told of a file that others can change: it names hosts, proxies, commands."""
    if os.name != "posix":
        return None
    try:
        about = path.stat()
    except OSError:
        return None
    if about.st_mode & stat.S_IWOTH:
        return tr("every user of this machine can change {path} (chmod 600 mends it)", path=path)
    if about.st_uid not in (0, os.geteuid()):
        return tr("{path} belongs to another user, who can change it", path=path)
    return None
