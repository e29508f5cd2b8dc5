"""Lines of config.toml that are shown before they are written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..config import KEYS, Profile, config_path
from ..config.edit import set_value
from ..config.kinds import Kind, WrongValueError, from_words, typed
from ..errors import UsageError
from ..files import read_bounded

ASKED = ("platform", "wsdl", "mapping")  # what only the person has
MAX_FILE_BYTES = 8 * 1024 * 1024  # a WSDL
_BARE_KEY = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"


@dataclass(frozen=True)
class Lines:
    """Values of keys, each as words that were typed, for a profile of the file ``path``."""

    path: Path
    profile: str
    values: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, profile: str, values: Mapping[str, tuple[str, ...]]) -> Lines:
        """Raises UsageError for a value that can't be; nothing is written."""
        for key, words in values.items():
            _value(key, words)
        return cls(config_path(), profile, dict(values))

    def text(self) -> str:
        """The table as it is going to stand in the file, paths whole."""
        lines = [f"[profiles.{_key(self.profile)}]"]
        for key, words in self.values.items():
            lines.append(f"{key} = {json.dumps(_value(key, words), ensure_ascii=False)}")
        return "\n".join(lines)

    def write(self) -> None:
        """Raises IgcError: the file is right whatever happens, and what was written counts."""
        for key, words in self.values.items():
            set_value(key, words, self.profile, self.path)


def check_value(key: str, text: str) -> None:
    """Raises UsageError for what can't be the value, or names no file that can be read.

    Nothing given is a value that is given later.
    """
    if not text:
        return
    value = _value(key, (text,))
    if KEYS[key].kind is Kind.PATH:
        read_bounded(Path(str(value)).expanduser(), MAX_FILE_BYTES)


def of_simulation(simulation: Profile) -> dict[str, tuple[str, ...]]:
    """What a profile needs to work with a simulated world."""
    return {
        "platform": (simulation.platform or "",),
        "anchors": tuple(map(str, simulation.anchors)),
        "http_hosts": simulation.http_hosts,
        "clock": (str(simulation.clock),),
    }


def _value(key: str, words: tuple[str, ...]) -> object:
    try:
        value = from_words(KEYS[key], words, Path.cwd())
        typed(KEYS[key], value, Path())
    except WrongValueError as error:
        raise UsageError(error.message, advice=error.advice) from None
    return value


def _key(name: str) -> str:
    return name if name and set(name) <= set(_BARE_KEY) else json.dumps(name, ensure_ascii=False)
