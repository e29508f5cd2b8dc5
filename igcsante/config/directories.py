"""Where igcsante keeps its things: the platform's folders (platformdirs), or those that
``IGC_CONFIG_DIR`` and ``IGC_DATA_DIR`` name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ..errors import ConfigError
from ..messages import tr


def config_directory() -> Path:
    """Where ``config.toml`` is. Raises ConfigError when this user has no home folder."""
    if given := os.environ.get("IGC_CONFIG_DIR"):
        return Path(given)
    from platformdirs import user_config_path

    return _of_user(user_config_path, "IGC_CONFIG_DIR")


def config_path() -> Path:
    """The configuration file, which may be absent."""
    return config_directory() / "config.toml"


def cache_directory() -> Path:
    """Where what can be had again is kept: revocation lists, OCSP answers, files of cards."""
    if given := os.environ.get("IGC_DATA_DIR"):
        return Path(given) / "cache"
    from platformdirs import user_cache_path

    return _of_user(user_cache_path, "IGC_DATA_DIR")


def data_directory() -> Path:
    """Where the order journal, the trust store and the simulated world are."""
    if given := os.environ.get("IGC_DATA_DIR"):
        return Path(given)
    from platformdirs import user_data_path

    return _of_user(user_data_path, "IGC_DATA_DIR")


def simulated_world_directory() -> Path:
    """Where ``igc sim platform`` keeps its world, and the profile ``sim`` with it."""
    return data_directory() / "sim"


def _of_user(path: Callable[[str], Path], variable: str) -> Path:
    """The user's folder. Without HOME and an entry in the system, platformdirs knows none: it
    raises RuntimeError, or gives ``~/…`` as it is."""
    try:
        found = path("igcsante")
    except RuntimeError:
        found = Path("~")
    if not found.is_absolute():
        raise ConfigError(
            tr("this user has no home folder"),
            advice=tr("name a folder in the variable {variable}", variable=variable),
        )
    return found
