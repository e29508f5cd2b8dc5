"""``igc card tls-check``: does this server accept this card?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ConfigError, TlsError, UsageError
from ..messages import tr
from ..words import said
from .card_pin import last_try_option, pin_source_option
from .chosen import profile_of
from .command import command
from .connect import trust_store, with_chain
from .key_holder import key_holder
from .numbers import FiniteRange
from .output import Settings, card_options, emit, say, say_table, talk

if TYPE_CHECKING:
    from ..credentials import Credential
    from ..tls.probe import Probe


@command("tls-check")
@click.argument("server", metavar="HOST:PORT")
@click.option(
    "--anchors",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    help="Roots that the server's certificate must lead to, beside the imported ones.",
)
@click.option(
    "--timeout",
    type=FiniteRange(1, 120),
    default=15.0,
    show_default=True,
    help="Seconds for each step.",
)
@pin_source_option
@last_try_option
@card_options
def tls_check_command(
    settings: Settings,
    server: str,
    anchors: tuple[Path, ...],
    timeout: float,
    pin_source: str | None,
    use_last_try: bool,
) -> None:
    """See whether the TLS server at HOST:PORT accepts the card's certificate.

    TLS 1.3 and 1.2 are tried, with one signature of the card each at most, and none before
    the server is verified. Exit code 10 when it is accepted in neither.

    \b
    Example:
      igc card tls-check www.example.org:443
    """
    from ..tls.probe import VERSIONS, Outcome, probe

    host, port = _host_and_port(server)
    store = trust_store(profile_of(settings), anchors)
    if not store.roots:
        raise ConfigError(
            tr("no trust anchor: the server could not be verified"),
            advice=tr("name its root with --anchors, or import it: igc trust import FILE"),
        )
    probes = []
    with key_holder(settings) as holder:
        holder.verify_pin(pin_source, use_last_try=use_last_try)
        credential = with_chain(holder.credential(), store)
        for version in VERSIONS:
            found = probe(host, port, version, credential, store.roots, timeout=timeout)
            probes.append(found)
            if settings.json:
                emit(_line(server, found, credential), schema="igc.card.tls/1")
    if not settings.json:
        _print(probes, credential)
    if all(found.outcome is not Outcome.ACCEPTED for found in probes):
        raise TlsError(tr("{server} was not seen to accept the card", server=server))


def _host_and_port(server: str) -> tuple[str, int]:
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^\[\]:/\s]+)):([0-9]{1,5})", server)
    if not found or not 0 < int(found[3]) < 65536:
        raise UsageError(
            tr("{server!r} is not HOST:PORT", server=server),
            advice=tr("for example: example.org:443"),
        )
    return found[1] or found[2], int(found[3])


def _line(server: str, found: Probe, credential: Credential) -> dict[str, Any]:
    return {
        "server": server,
        "version": found.version,
        "outcome": str(found.outcome),
        "detail": found.detail,
        "http_status": found.http_status,
        "cipher": found.cipher,
        "signatures": found.signatures,
        "authorities": None
        if found.authorities is None
        else [_display(name) for name in found.authorities],
        "issuer_listed": _issuer_listed(found, credential),
    }


def _issuer_listed(found: Probe, credential: Credential) -> bool | None:
    if not found.authorities:
        return None
    issuers = {
        certificate.issuer.public_bytes()
        for certificate in (credential.certificate, *credential.chain)
    }
    return not issuers.isdisjoint(found.authorities)


def _print(probes: list[Probe], credential: Credential) -> None:
    rows = [
        (
            found.version,
            said(found.outcome),
            "" if found.http_status is None else str(found.http_status),
            found.detail,
        )
        for found in probes
    ]
    say_table((tr("Version"), tr("Outcome"), tr("HTTP"), ""), rows)
    for found in probes:
        if found.authorities:
            say("")
            say(tr("Authorities that the server asks for:"))
            for name in found.authorities:
                say(f"  {_display(name)}")
            if not _issuer_listed(found, credential):
                talk(tr("Warning: none of them is an issuer of the card's certificate."))
            break
    if any(found.http_status in (400, 401, 403, 495, 496) for found in probes):
        talk(tr("The HTTP status may mean that the server refuses the certificate after all."))


def _display(name: bytes) -> str:
    """An authority's name for people; its bytes when it can't be read."""
    from asn1crypto import x509 as asn1_x509

    try:
        text: str = asn1_x509.Name.load(name).human_friendly
    except (ValueError, TypeError, KeyError):
        return name.hex()
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
