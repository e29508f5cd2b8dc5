"""The mock platform's settings: structures, administrators, options, from one TOML file.

``default.toml`` beside this module is what holds when there is no other, and the example to
copy. Every value is checked; what is wrong is named.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path

from ...errors import ConfigError
from ...files import read_bounded
from ...messages import tr
from ...text import did_you_mean
from ...toml_problem import toml_problem
from .habilitations import HabilitationRegister, read_register
from .options import Options

MAX_BYTES = 1024 * 1024
_KEYS = ("structures", "administrators", "options")


@dataclass(frozen=True)
class PlatformSettings:
    """Who may order what, and how the platform behaves."""

    habilitations: HabilitationRegister = field(default_factory=HabilitationRegister)
    options: Options = field(default_factory=Options)


def load_settings(path: Path) -> PlatformSettings:
    """The settings in a file; without structures and administrators, the default ones.

    Raises ConfigError that names file, entry and key; UsageError when it can't be read.
    """
    try:
        return _settings(read_bounded(path, MAX_BYTES).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            tr("{path}: not a TOML file: {error}", path=path, error=toml_problem(error))
        ) from None
    except ConfigError as error:
        raise ConfigError(
            tr("{path}: {message}", path=path, message=error.message), advice=error.advice
        ) from None


def default_text() -> str:
    """The default settings as a TOML file with comments."""
    return (resources.files(__package__) / "default.toml").read_text("utf-8")


@cache
def default_settings() -> PlatformSettings:
    """The settings of ``default.toml``."""
    return _settings(default_text())


def _settings(text: str) -> PlatformSettings:
    content = tomllib.loads(text)
    for key in content:
        if key not in _KEYS:
            hint = did_you_mean(key, _KEYS) or tr("known: {names}", names=", ".join(_KEYS))
            raise ConfigError(tr("unknown key {key!r}", key=key), advice=hint)
    options = content.get("options", {})
    if not isinstance(options, dict):
        raise ConfigError(tr("options is a table: [options]"))
    if "administrators" in content or "structures" in content:
        register = read_register(content.get("structures", []), content.get("administrators", []))
    else:
        register = default_settings().habilitations
    return PlatformSettings(register, Options.from_table(options))
