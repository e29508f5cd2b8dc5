"""A TOML table that knows where it is, to say so when something in it is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...errors import ConfigError
from ...messages import tr
from ...text import did_you_mean


class TomlTable:
    """A table of a TOML file. ``place`` names file and table in messages."""

    def __init__(self, content: Mapping[str, Any], place: str) -> None:
        self.content = content
        self.place = place

    def __iter__(self) -> Iterator[str]:
        return iter(self.content)

    def allow(self, *known: str) -> None:
        """Raise ConfigError for a key that is none of ``known``, with the nearest one."""
        for key in self.content:
            if key not in known:
                raise ConfigError(
                    tr("{place}: unknown key {key!r}", place=self.place, key=key),
                    advice=did_you_mean(key, known) or tr("known: {names}", names=", ".join(known)),
                )

    def table(self, key: str, known: Iterable[str] | None = None) -> TomlTable:
        """The table at ``key``, empty when there is none. Raises ConfigError."""
        value = self.content.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, tr("a table"))
        inner = TomlTable(value, f"{self.place} [{key}]")
        if known is not None:
            inner.allow(*known)
        return inner

    def text(self, key: str, default: str = "", *, among: Iterable[str] = ()) -> str:
        """The string at ``key``. Raises ConfigError when it is none, or not ``among`` these."""
        value = self.content.get(key, default)
        if not isinstance(value, str):
            raise self.wrong(key, tr("a string"))
        if among and value not in among:
            raise self.wrong(key, tr("one of {names}", names=", ".join(among)))
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """The strings at ``key``, which may be one. Raises ConfigError."""
        value = self.content.get(key, [])
        if isinstance(value, str):
            return (value,)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(key, tr("a string or a list of strings"))
        return tuple(value)

    def number(self, key: str, default: int, *, most: int) -> int:
        """The whole number at ``key``, 1 to ``most``. Raises ConfigError."""
        value = self.content.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise self.wrong(key, tr("a number from 1 to {most}", most=most))
        return value

    def flattened(self) -> TomlTable:
        """The same with dotted keys: ``a.b = "c"``, which TOML reads as a table in a table."""
        return TomlTable(dict(_flat(self.content)), self.place)

    def wrong(self, key: str, wanted: str) -> ConfigError:
        """The error that says what ``key`` should be."""
        return ConfigError(
            tr("{place}: {key} should be {wanted}", place=self.place, key=key, wanted=wanted)
        )


def _flat(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, dict):
            for inner, text in _flat(value):
                yield f"{key}.{inner}", text
        else:
            yield key, value
