"""Configuration: named profiles in one TOML file, and where igcsante keeps its things.

A profile says which platform, trust anchors and reader a command uses::

    [profiles.test]
    platform = "https://pfc.example/…"     # endpoint of the web service
    wsdl = "pfc.wsdl"                      # its WSDL, and the mapping file that goes with it:
    mapping = "pfc.toml"                   # docs/mapping.md; by default those of the mock
    anchors = ["anchors"]                  # files or folders; relative to this file
    http_hosts = ["igc-sante.esante.gouv.fr"]   # hosts that lists and answers are fetched from
    ldap_hosts = ["annuaire-igc.esante.gouv.fr"]   # where delta lists are; none by default
    private_networks = ["10.0.0.0/8"]      # networks that those hosts may be in, if not public
    proxy = "http://proxy.example:3128"    # for these fetches and the platform; the
                                           # environment's is not used
    connect_seconds = 15                   # time limits of a call to the platform: to reach it,
    silence_seconds = 30                   # for each wait once connected,
    total_seconds = 60                     # for the whole call
    pkcs11 = "/usr/lib/module.so"          # a PKCS#11 module whose token stands for the card
    card_cache = "never"                   # read everything from the card, each time
    clock = "clock.json"                   # that of a simulated world: it tells what is due

Folders come from platformdirs; ``IGC_CONFIG_DIR`` and ``IGC_DATA_DIR`` replace them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from .errors import ConfigError
from .files import read_bounded
from .text import did_you_mean

MAX_CONFIG_BYTES = 1024 * 1024
ANS_HTTP_HOSTS = ("igc-sante.esante.gouv.fr", "ocsp.esante.gouv.fr")
CARD_CACHE_CHOICES = ("auto", "always", "never")


def config_directory() -> Path:
    """Where ``config.toml`` is."""
    if given := os.environ.get("IGC_CONFIG_DIR"):
        return Path(given)
    from platformdirs import user_config_path

    return user_config_path("igcsante")


def cache_directory() -> Path:
    """Where what can be had again is kept: revocation lists, OCSP answers, files of cards."""
    if given := os.environ.get("IGC_DATA_DIR"):
        return Path(given) / "cache"
    from platformdirs import user_cache_path

    return user_cache_path("igcsante")


def data_directory() -> Path:
    """Where the order journal, the trust store and the simulated world are."""
    if given := os.environ.get("IGC_DATA_DIR"):
        return Path(given)
    from platformdirs import user_data_path

    return user_data_path("igcsante")


@dataclass(frozen=True)
class Profile:
    """What a command works with. Paths are absolute; the hosts are ``host[:port]``.

    ``card_cache`` is ``auto`` (cards that tell when they were updated), ``always`` or ``never``.
    ``clock`` is the file of an :class:`igcsante.testing.clock.WorldClock`.
    The time limits are those of :class:`igcsante.ws.soap.transport.Limits`.
    """

    name: str = "default"
    platform: str | None = None
    anchors: tuple[Path, ...] = ()
    untrusted: tuple[Path, ...] = ()
    reader: str | None = None
    wsdl: Path | None = None
    mapping: Path | None = None
    http_hosts: tuple[str, ...] = ANS_HTTP_HOSTS
    ldap_hosts: tuple[str, ...] = ()
    private_networks: tuple[str, ...] = ()
    proxy: str | None = None
    pkcs11: Path | None = None
    card_cache: str = "auto"
    clock: Path | None = None
    connect_seconds: float = 15.0
    silence_seconds: float = 30.0
    total_seconds: float = 60.0


_PATH_LISTS = {"anchors", "untrusted"}
_PATHS = {"wsdl", "mapping", "pkcs11", "clock"}
_TEXT_LISTS = {"http_hosts", "ldap_hosts", "private_networks"}
_SECONDS = {"connect_seconds", "silence_seconds", "total_seconds"}
_MAX_SECONDS = 3600
_CHOICES = {"card_cache": CARD_CACHE_CHOICES}


def load_profile(name: str | None, *, extra_files: tuple[Path, ...] = ()) -> Profile:
    """The profile ``name``, from config.toml, else from ``extra_files``.

    Without a name: the profile called ``default``, or an empty one when there is none.
    Raises ConfigError that names the file, for an unknown profile, an unknown key (with
    the nearest known one) or a value of the wrong kind.
    """
    wanted = name or "default"
    known: list[str] = []
    for path in (config_directory() / "config.toml", *extra_files):
        profiles = _read_profiles(path)
        if wanted in profiles:
            return _profile(wanted, profiles[wanted], path)
        known += profiles
    if name is None or name == "default":
        return Profile()
    where = config_directory() / "config.toml"
    raise ConfigError(
        f"there is no profile {wanted!r}",
        advice=f"{did_you_mean(wanted, known)} Profiles are read from {where}; "
        "`igc sim platform` makes the profile sim".lstrip(),
    )


def _read_profiles(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    import tomllib

    try:
        content = tomllib.loads(read_bounded(path, MAX_CONFIG_BYTES).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from None
    profiles = content.get("profiles", {})
    if not isinstance(profiles, dict) or not all(isinstance(p, dict) for p in profiles.values()):
        raise ConfigError(f"{path}: profiles are tables, as in [profiles.test]")
    return profiles


def _profile(name: str, table: dict[str, Any], path: Path) -> Profile:
    known = {field.name for field in fields(Profile)} - {"name"}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            hint = did_you_mean(key, known) or "known: " + ", ".join(sorted(known))
            raise ConfigError(f"{path}: profile {name!r} has an unknown key {key!r}", advice=hint)
        values[key] = _value(key, value, path)
    return Profile(name=name, **values)


def _value(key: str, value: Any, path: Path) -> Any:
    if key in _PATH_LISTS | _TEXT_LISTS:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ConfigError(f"{path}: {key} is a list of strings")
        if key in _TEXT_LISTS:
            return tuple(value)
        return tuple(_path(item, path) for item in value)
    if key in _SECONDS:
        return _seconds(key, value, path)
    if not isinstance(value, str):
        raise ConfigError(f"{path}: {key} is a string")
    if value not in _CHOICES.get(key, (value,)):
        raise ConfigError(f"{path}: {key} is one of " + ", ".join(_CHOICES[key]))
    return _path(value, path) if key in _PATHS else value


def _seconds(key: str, value: Any, path: Path) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value <= _MAX_SECONDS:
        raise ConfigError(f"{path}: {key} is a number of seconds, {_MAX_SECONDS} at most")
    return float(value)


def _path(value: str, config: Path) -> Path:
    try:
        return config.parent / Path(value).expanduser()
    except RuntimeError:
        raise ConfigError(f"{config}: {value!r} names no home folder") from None
