"""Every key of the configuration, described once: kind, default, option, what it is.

The fields of :class:`Profile` are the table: ``igc config``, the variables, completion and the
documents read it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import UsageError
from ..messages import Message, tr
from ..text import did_you_mean
from .kinds import Kind

# pki.md §3: where the ANS publishes lists, and its responder.
ANS_HTTP_HOSTS = ("igc-sante.esante.gouv.fr", "ocsp.esante.gouv.fr")
CARD_CACHE_CHOICES = ("auto", "always", "never")

DEFAULT_PROFILE = "default"
# The ANS's two worlds, with the defaults and nothing more: it publishes no address of the web
# service, and both worlds have the same host (platform.md §1).
BUILT_IN = (DEFAULT_PROFILE, "prod", "test")


def _about(
    kind: Kind, about: Message, *, flag: str = "", choices: tuple[str, ...] = ()
) -> dict[str, Any]:
    return {"kind": kind, "about": about, "flag": flag, "choices": choices}


@dataclass(frozen=True)
class Profile:
    """What a command works with. Paths are absolute; the hosts are ``host[:port]``.

    ``card_cache`` is ``auto`` (cards that tell when they were updated), ``always`` or ``never``.
    ``clock`` is the file of an :class:`igcsante.testing.clock.WorldClock`. ``proxy_password``
    names a source, see :func:`igcsante.secret.read_secret`.
    The time limits are those of :class:`igcsante.ws.soap.transport.Limits`.
    """

    name: str = DEFAULT_PROFILE
    platform: str | None = field(
        default=None,
        metadata=_about(
            Kind.ADDRESS, tr("Endpoint of the platform's web service."), flag="--platform"
        ),
    )
    wsdl: Path | None = field(
        default=None,
        metadata=_about(
            Kind.PATH,
            tr("WSDL of the platform. Default, on loopback only: the mock's."),
            flag="--wsdl",
        ),
    )
    mapping: Path | None = field(
        default=None,
        metadata=_about(Kind.PATH, tr("Mapping file that goes with the WSDL."), flag="--mapping"),
    )
    anchors: tuple[Path, ...] = field(
        default=(),
        metadata=_about(
            Kind.PATHS, tr("Trust anchors beside the imported ones: files or folders.")
        ),
    )
    untrusted: tuple[Path, ...] = field(
        default=(),
        metadata=_about(
            Kind.PATHS, tr("Other certificates to build chains with: files or folders.")
        ),
    )
    http_hosts: tuple[str, ...] = field(
        default=ANS_HTTP_HOSTS,
        metadata=_about(Kind.HOSTS, tr("Hosts that lists and answers may be fetched from.")),
    )
    ldap_hosts: tuple[str, ...] = field(
        default=(),
        metadata=_about(Kind.HOSTS, tr("Directories that delta lists may be fetched from.")),
    )
    private_networks: tuple[str, ...] = field(
        default=(),
        metadata=_about(Kind.NETWORKS, tr("Networks that those hosts may be in, if not public.")),
    )
    proxy: str | None = field(
        default=None,
        metadata=_about(Kind.PROXY, tr("HTTP proxy to use; that of the environment is not.")),
    )
    proxy_user: str | None = field(
        default=None, metadata=_about(Kind.TEXT, tr("Name that the proxy knows one by."))
    )
    proxy_password: str | None = field(
        default=None,
        metadata=_about(Kind.SOURCE, tr("Where the proxy's password is: env:NAME or cmd:COMMAND.")),
    )
    connect_seconds: float = field(
        default=15.0,
        metadata=_about(Kind.SECONDS, tr("Time limit to reach the platform.")),
    )
    silence_seconds: float = field(
        default=30.0,
        metadata=_about(Kind.SECONDS, tr("Time limit of each wait for the platform.")),
    )
    total_seconds: float = field(
        default=60.0,
        metadata=_about(Kind.SECONDS, tr("Time limit of a whole call to the platform.")),
    )
    reader: str | None = field(
        default=None,
        metadata=_about(
            Kind.TEXT,
            tr("Card reader or token: part of its name, or its card's serial."),
            flag="--reader",
        ),
    )
    pkcs11: Path | None = field(
        default=None,
        metadata=_about(
            Kind.PATH, tr("PKCS#11 module whose token stands for the card."), flag="--pkcs11"
        ),
    )
    card_cache: str = field(
        default="auto",
        metadata=_about(
            Kind.CHOICE,
            tr("Whether files of cards are kept: auto, always or never."),
            flag="--no-cache",
            choices=CARD_CACHE_CHOICES,
        ),
    )
    clock: Path | None = field(
        default=None,
        metadata=_about(Kind.PATH, tr("Clock of a simulated world: it tells what is due.")),
    )


class Key(NamedTuple):
    """A key of a profile. ``flag`` is the option that says it for one command, or empty."""

    name: str
    kind: Kind
    about: Message
    default: Any
    flag: str
    choices: tuple[str, ...]

    @property
    def variable(self) -> str:
        """The environment variable that counts more than a file."""
        return f"IGC_{self.name.upper()}"


KEYS: dict[str, Key] = {
    entry.name: Key(entry.name, default=entry.default, **entry.metadata)
    for entry in fields(Profile)
    if entry.metadata
}


def key_named(name: str) -> Key:
    """The key of that name. Raises UsageError that names the nearest one."""
    if name in KEYS:
        return KEYS[name]
    near = did_you_mean(name, KEYS)
    raise UsageError(
        tr("there is no key {name!r}", name=name),
        advice=tr("{near} All keys: igc config keys", near=near)
        if near
        else tr("all keys: igc config keys"),
    )
