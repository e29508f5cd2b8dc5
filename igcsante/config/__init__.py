"""Configuration: named profiles in one TOML file, variables, flags; and where things are kept.

::

    default_profile = "test"               # without --profile or IGC_PROFILE

    [profiles.test]
    platform = "https://pfc.example/…"     # endpoint of the web service
    anchors = ["anchors"]                  # files or folders; relative to this file
    http_hosts = ["igc-sante.esante.gouv.fr"]   # hosts that lists and answers are fetched from
    proxy = "http://proxy.example:3128"    # the environment's proxy is not used

Every key is a field of :class:`Profile`, which describes it once; ``igc config keys`` prints
them. :func:`resolve` says what counts and why: a flag, a variable ``IGC_*``, config.toml, the
default. Nothing here needs more than the standard library but :mod:`.edit`, which writes.
"""

from .directories import (
    cache_directory,
    config_directory,
    config_path,
    data_directory,
    simulated_world_directory,
)
from .document import MAX_CONFIG_BYTES, Document
from .kinds import Kind
from .profile import (
    ANS_HTTP_HOSTS,
    BUILT_IN,
    CARD_CACHE_CHOICES,
    DEFAULT_PROFILE,
    KEYS,
    Key,
    Profile,
    key_named,
)
from .resolve import Origin, OriginKind, Resolved, load_profile, profile_names, resolve
from .variables import VARIABLES, unknown_language, unknown_variables

__all__ = [
    "ANS_HTTP_HOSTS",
    "BUILT_IN",
    "CARD_CACHE_CHOICES",
    "DEFAULT_PROFILE",
    "KEYS",
    "MAX_CONFIG_BYTES",
    "VARIABLES",
    "Document",
    "Key",
    "Kind",
    "Origin",
    "OriginKind",
    "Profile",
    "Resolved",
    "cache_directory",
    "config_directory",
    "config_path",
    "data_directory",
    "key_named",
    "load_profile",
    "profile_names",
    "resolve",
    "simulated_world_directory",
    "unknown_language",
    "unknown_variables",
]
