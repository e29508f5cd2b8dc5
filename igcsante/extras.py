"""Libraries that igcsante works without: its extras, and how each is installed."""

from __future__ import annotations

from .messages import Message, tr

EXTRAS = ("card", "dask", "fast", "parquet", "pkcs11", "tlslite")  # those of users, in setup.cfg


def how_to_install(extra: str) -> Message:
    """What to do, to stand in an advice. igcsante is on no package index: whoever took its name
    there would be run, so that no command names it alone."""
    return tr(
        "install igcsante with its extra {extra} as you installed it, such as pip install "
        "'.[{extra}]' in the folder of its sources",
        extra=extra,
    )
