"""What no public text settles about the platform, with the mock's choice (platform.md §0, §7.5).

Nothing here is known of the ANS's platform. A client that works with one value only rests on
an assumption: its tests should run with the others too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from ...errors import ConfigError
from ...messages import tr
from ...text import did_you_mean

MAX_DELAY_SECONDS = 60
_SIZES = (2048, 3072, 4096)


class Validation(StrEnum):
    """When an order may be withdrawn: at once, after a while, or when someone says so."""

    IMMEDIATE = "immediate"
    DELAYED = "delayed"
    MANUAL = "manual"


@dataclass(frozen=True)
class Options:
    """The mock's behaviour where the texts are silent. None: no limit.

    ``accept_software``: an ORG AUTH_CLI certificate opens a session, as a card does.
    ``refuse_in_tls``: an expired or revoked client is refused by a TLS alert, by this
    machine's clock, instead of HTTP 403 by the platform's.
    ``modern_p12``: AES-256 and SHA-256 instead of the algorithms observed (platform.md §3).
    ``key_sizes``: RSA sizes of a CSR; the platform's own keys have the first.
    ``wildcards``: ``*.domain`` as a server's name.
    ``secret_length``, ``secret_classes``: of passwords and codes; the classes are lower case,
    upper case, digits and all else.
    ``code_tries``: wrong revocation codes before even the right one is refused.
    ``pending_quota``, ``daily_quota``: products of one card to withdraw, ordered in 24 hours.
    ``withdrawal_days``: after as many days, what was not withdrawn is ANNULE.
    ``second_withdrawal``: the same certificate again, with the same code.
    ``second_renewal``: a product that has a successor gets another one.
    ``validation``: orders are EN_COURS for ``validation_minutes`` (delayed), or until
    somebody accepts or refuses them (manual).
    ``delay``: seconds before each answer.
    """

    accept_software: bool = True
    refuse_in_tls: bool = False
    modern_p12: bool = False
    key_sizes: tuple[int, ...] = (2048,)
    wildcards: bool = False
    secret_length: int = 8
    secret_classes: int = 1
    code_tries: int | None = None
    pending_quota: int | None = None
    daily_quota: int | None = None
    withdrawal_days: int | None = None
    second_withdrawal: bool = False
    second_renewal: bool = False
    validation: Validation = Validation.IMMEDIATE
    validation_minutes: int = 10
    delay: float = 0

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Options:
        """Options from the ``[options]`` of a TOML file. Raises ConfigError that names the key."""
        known = {field.name: getattr(cls, field.name) for field in fields(cls)}
        values: dict[str, Any] = {}
        for name, value in table.items():
            if name not in known:
                raise ConfigError(
                    tr("options: unknown key {name!r}", name=name),
                    advice=did_you_mean(name, known)
                    or tr("known: {names}", names=", ".join(known)),
                )
            values[name] = _CHECKS[name](name, value)
        return cls(**values)


def _switch(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(name, tr("true or false"))
    return value


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1_000_000:
        raise _wrong(name, tr("a whole number, 0 to 1000000"))
    return value


def _length(name: str, value: Any) -> int:
    if _count(name, value) > 128:
        raise _wrong(name, tr("0 to 128"))
    return int(value)


def _classes(name: str, value: Any) -> int:
    if not 1 <= _count(name, value) <= 4:
        raise _wrong(name, tr("1 to 4"))
    return int(value)


def _sizes(name: str, value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not value or any(size not in _SIZES for size in value):
        raise _wrong(name, tr("a list of 2048, 3072, 4096"))
    return tuple(value)


def _validation(name: str, value: Any) -> Validation:
    if value not in list(Validation):
        raise _wrong(name, tr("one of {names}", names=", ".join(Validation)))
    return Validation(value)


def _seconds(name: str, value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= MAX_DELAY_SECONDS:
        raise _wrong(
            name, tr("0 to {max_delay_seconds} seconds", max_delay_seconds=MAX_DELAY_SECONDS)
        )
    return float(value)


def _wrong(name: str, allowed: str) -> ConfigError:
    return ConfigError(tr("options: {name} is {allowed}", name=name, allowed=allowed))


_CHECKS = {
    "accept_software": _switch,
    "refuse_in_tls": _switch,
    "modern_p12": _switch,
    "key_sizes": _sizes,
    "wildcards": _switch,
    "secret_length": _length,
    "secret_classes": _classes,
    "code_tries": _count,
    "pending_quota": _count,
    "daily_quota": _count,
    "withdrawal_days": _count,
    "second_withdrawal": _switch,
    "second_renewal": _switch,
    "validation": _validation,
    "validation_minutes": _count,
    "delay": _seconds,
}
