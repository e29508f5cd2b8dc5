"""What the commands about orders share: what a withdrawal asks for, and telling what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from ..errors import ConfigError, ContractError, IgcError
from ..messages import tr
from . import ask
from .output import as_json_line, emit, say_pairs, talk

if TYPE_CHECKING:
    from ..ws.model import Habilitation
    from ..ws.orders.enrolment import Delivery, Issued
    from ..ws.orders.journal import Entry, Journal
    from ..ws.platform import Platform

FILES = {
    "key": tr("Private key"),
    "certificate": tr("Certificate"),
    "certificate_der": tr("The same, DER"),
    "chain": tr("Chain"),
    "pkcs12": "PKCS#12",
}
SHOWN = 100  # lines for people, unless they want all
_AT_ONCE = 200  # lines of JSON
CGU_QUESTION = tr(
    "Does the beneficiary accept the certificate and the CGU, and undertake to respect the PC?"
)


@contextmanager
def doubts_told(journal: Journal, reference: str) -> Iterator[None]:
    """Say so when Ctrl-C, or a signal to end, leaves the order of that reference in doubt."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        with suppress(IgcError):
            if entry := journal.find(reference):
                tell_doubt(entry)
        raise


def tell_doubt(entry: Entry) -> None:
    """Say so when nobody knows how far an order went."""
    from ..ws.orders.doubts import later

    if entry.state.in_doubt:
        talk(later(entry))


def habilitations_of(platform: Platform) -> tuple[Habilitation, ...] | None:
    """What the card may order; None where the contract doesn't tell it, which is said."""
    try:
        return platform.list_habilitations()
    except (ConfigError, ContractError) as error:
        talk(
            tr(
                "What the card may order can't be read here ({message}): the platform decides.",
                message=error.message,
            )
        )
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
        tr("Revocation code (choose one and keep it)"),
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


def emit_each(values: Iterable[dict[str, Any]], *, schema: str) -> None:
    """Many JSON lines, made and written some at a time."""
    lines = (as_json_line(value, schema=schema) for value in values)
    while some := "".join(islice(lines, _AT_ONCE)):
        click.echo(some, nl=False)


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
            (tr("Subject"), display_subject(certificate)),
            (tr("Serial"), f"{certificate.serial_number:x}"),
            (
                tr("Valid"),
                tr(
                    "until {not_valid_after_utc:%Y-%m-%d}",
                    not_valid_after_utc=certificate.not_valid_after_utc,
                ),
            ),
            *((FILES[kind], str(path)) for kind, path in issued.files.items()),
        ]
    )
