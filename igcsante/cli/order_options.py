"""The options that the commands of the platform share: the PIN, a request, a delivery."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

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
    """What is ordered, as ``wanted``."""
    return grouped(
        "wanted",
        click.option("--offre", default="ORG", show_default=True, help="ORG, SERV, PRO or PS."),
        click.option(
            "--usage", required=True, help="AUTH_CLI, SIGN, CONF, SSL_SERV, SMIME or AUTH."
        ),
        click.option("--structure", required=True, help="Its national id: 1 + FINESS, 3 + SIRET…"),
        click.option("--service", default="", help="ORG: the service's name (becomes the CN)."),
        click.option("--fqdn", multiple=True, help="SERV SSL_SERV: a server's name. Repeatable."),
        click.option("--mail", default="", help="SERV mail usages: the server's address."),
        click.option("--email", multiple=True, required=True, help="Whom to notify. Repeatable."),
    )(command)
