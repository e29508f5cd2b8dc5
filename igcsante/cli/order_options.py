"""The options that the commands of the platform share: the PIN, a request, a delivery."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from ..errors import UsageError
from ..messages import tr
from . import completing
from .output import grouped


def pin_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How the PIN is given, for commands that need the card's key."""
    command = click.option(
        "--use-last-try", is_flag=True, help="Send the PIN even when a single try is left."
    )(command)
    return click.option(
        "--pin-source", metavar="SOURCE", help="fd:N, env:NAME or cmd:… instead of asking."
    )(command)


def retrieval_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What a withdrawal asks for, and how its files are protected, as ``sources``."""
    return grouped(
        "sources",
        click.option("--accept-cgu", is_flag=True, help="The beneficiary accepts the CGU."),
        *(
            click.option(name, metavar="SOURCE", help=text)
            for name, text in (
                ("--revocation-code-source", "The code that will be asked for to revoke."),
                ("--p12-password-source", "Password of the PKCS#12; without it none is written."),
                ("--key-passphrase-source", "Encrypts the private key's file."),
            )
        ),
    )(command)


def request_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What is ordered, as ``wanted``: see :func:`request_fields`."""
    return grouped(
        "wanted",
        click.option(
            "--offre",
            default="ORG",
            show_default=True,
            shell_complete=completing.offres,
            help="ORG, SERV, PRO or PS.",
        ),
        click.option(
            "--usage",
            default="",
            shell_complete=completing.usages,
            help="AUTH_CLI, SIGN, CONF, SSL_SERV, SMIME or AUTH.  [required]",
        ),
        click.option(
            "--structure", default="", help="Its national id: 1 + FINESS, 3 + SIRET…  [required]"
        ),
        click.option("--service", default="", help="ORG: the service's name (becomes the CN)."),
        click.option("--fqdn", multiple=True, help="SERV SSL_SERV: a server's name. Repeatable."),
        click.option(
            "--mail", default="", help="SERV mail usages: the server's address; PRO, PS: theirs."
        ),
        click.option("--surname", default="", help="PRO, PS: the person's."),
        click.option("--given-name", default="", help="PRO, PS: the person's."),
        click.option("--national-id", default="", help="PRO, PS: 8 + RPPS, 3 + FINESS/number…"),
        click.option("--email", multiple=True, help="Whom to notify. Repeatable.  [required]"),
        click.option(
            "--reference",
            default="",
            help="A name of your own for the order: given again, it isn't ordered twice.",
        ),
    )(command)


def request_fields(
    *,
    offre: str,
    usage: str,
    structure: str,
    service: str = "",
    fqdn: tuple[str, ...] = (),
    mail: str = "",
    surname: str = "",
    given_name: str = "",
    national_id: str = "",
    email: tuple[str, ...],
    reference: str = "",
) -> dict[str, Any]:
    """The fields of a ProductRequest from the options of the same names. Raises UsageError."""
    from ..identifiers import StructureId
    from ..ws.model import Holder, Offre, Usage

    for name, value in {"usage": usage, "structure": structure, "email": email}.items():
        if not value:
            raise UsageError(
                tr("--{name} is needed", name=name), advice=tr("see: igc order --help"), field=name
            )
    person = surname or given_name or national_id
    return {
        "offre": Offre.parse(offre),
        "usage": Usage.parse(usage),
        "structure": StructureId.parse(structure),
        "emails": email,
        "service_name": service,
        "fqdns": fqdn,
        "email": "" if person else mail,
        "holder": Holder(surname, given_name, mail, national_id) if person else None,
        "client_reference": reference,
    }
