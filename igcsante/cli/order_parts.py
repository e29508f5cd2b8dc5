"""What the commands about orders share: what a withdrawal asks for, and telling what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ..errors import ConfigError, ContractError, IgcError
from . import ask
from .output import emit, say_pairs, talk

if TYPE_CHECKING:
    from ..ws.model import Habilitation
    from ..ws.orders.enrolment import Delivery, Issued
    from ..ws.orders.journal import Entry, Journal
    from ..ws.platform import Platform

_FILES = {
    "key": "Private key",
    "certificate": "Certificate",
    "certificate_der": "The same, DER",
    "chain": "Chain",
    "pkcs12": "PKCS#12",
}
CGU_QUESTION = (
    "Does the beneficiary accept the certificate and the CGU, and undertake to respect the PC?"
)


@contextmanager
def doubts_told(journal: Journal, name: str) -> Iterator[None]:
    """Say so when Ctrl-C, or SIGTERM, leaves an order of which nobody knows how far it went."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        with suppress(IgcError):
            tell_doubt(journal.get(name))
        raise


def tell_doubt(entry: Entry) -> None:
    """Say so when nobody knows how far an order went."""
    if entry.state.in_doubt:
        talk(f"Order {entry.id}: {entry.state.meaning}. Later: igc orders sync")


def habilitations_of(platform: Platform) -> tuple[Habilitation, ...] | None:
    """What the card may order; None where the contract doesn't tell it, which is said."""
    try:
        return platform.list_habilitations()
    except (ConfigError, ContractError) as error:
        talk(f"What the card may order can't be read here ({error.message}): the platform decides.")
        return None


def delivery_of(
    *,
    revocation_code_source: str | None,
    accept_cgu: bool,
    key_passphrase_source: str | None,
    p12_password_source: str | None,
) -> Delivery:
    """Ask for what a withdrawal needs. Raises UsageError when one of them can't be right."""
    from ..ws.orders.enrolment import Delivery

    code = ask.secret(
        revocation_code_source,
        "Revocation code (choose one and keep it)",
        "--revocation-code-source",
        confirm=True,
    )
    ask.agreement(accept_cgu, CGU_QUESTION, "--accept-cgu")
    return Delivery(
        code,
        accepted=True,
        key_passphrase=ask.optional_secret(key_passphrase_source),
        p12_password=ask.optional_secret(p12_password_source),
    )


def show_entry(entry: Entry, as_json: bool) -> None:
    if as_json:
        emit(entry.to_dict(), schema="igc.order/1")


def show_issued(issued: Issued, as_json: bool) -> None:
    from ..certs.x509.names import display_subject

    certificate = issued.certificate
    if as_json:
        files = {kind: str(path) for kind, path in issued.files.items()}
        emit(
            {
                **issued.entry.to_dict(),
                "not_before": certificate.not_valid_before_utc,
                "not_after": certificate.not_valid_after_utc,
                "files": files,
            },
            schema="igc.issued/1",
        )
        return
    say_pairs(
        [
            ("Subject", display_subject(certificate)),
            ("Serial", f"{certificate.serial_number:x}"),
            ("Valid", f"until {certificate.not_valid_after_utc:%Y-%m-%d}"),
            *((_FILES[kind], str(path)) for kind, path in issued.files.items()),
        ]
    )
