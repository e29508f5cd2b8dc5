"""``igc ws``: the contract with the platform, a WSDL and a mapping file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ConfigError
from ..messages import plural, tr
from ..words import said
from . import completing
from .chosen import profile_of
from .command import group
from .output import Settings, contract_options, emit, say, talk

if TYPE_CHECKING:
    from ..ws.contract.mapping import ContractMapping


@group("ws")
@contract_options
def ws_command(settings: Settings) -> None:
    """Look at the contract with the platform: a WSDL and a mapping file.

    The contract that igcsante ships is that of its own mock. The ANS's is not public: an
    authorised user brings its WSDL and writes a mapping file for it.

    \b
    Examples:
      igc ws describe --wsdl FILE.wsdl                     what it offers, and what is needed
      igc ws check-mapping --wsdl FILE.wsdl --mapping FILE.toml
      igc ws dry-run order_product --wsdl FILE.wsdl --mapping FILE.toml
    """


def _files(settings: Settings) -> tuple[Path | None, Path | None]:
    """WSDL and mapping file: those of the options, else of the profile."""
    profile = profile_of(settings)
    return settings.wsdl or profile.wsdl, settings.mapping or profile.mapping


@ws_command.command("check-mapping")
@contract_options
def check_mapping_command(settings: Settings) -> None:
    """Check a mapping file against a WSDL, calling nothing. Default: those of the profile.

    \b
    Example:
      igc ws check-mapping --wsdl FILE.wsdl --mapping FILE.toml
    """
    from ..ws.contract.conformity import Level, check_mapping

    wsdl, path = _files(settings)
    own = wsdl is None and path is None
    if own:
        talk(
            tr(
                "No WSDL and no mapping file are given: this checks the contract of igcsante's "
                "own mock, which it ships, not the ANS's."
            )
        )
    findings = check_mapping(wsdl, path)
    for finding in findings:
        if settings.json:
            emit(
                {"level": finding.level, "place": finding.place, "message": finding.message},
                schema="igc.ws.finding/1",
            )
        else:
            say(
                tr(
                    "{level}: {place}: {message}",
                    level=said(finding.level),
                    place=finding.place,
                    message=finding.message,
                )
            )
    errors = sum(finding.level is Level.ERROR for finding in findings)
    if errors:
        raise ConfigError(
            plural(
                "the mapping does not fit the WSDL: {count} error",
                "the mapping does not fit the WSDL: {count} errors",
                errors,
            ),
            advice=tr("correct the places named above in the mapping file"),
        )
    if not settings.json:
        say(
            tr("The mock's mapping fits the mock's WSDL.")
            if own
            else tr("The mapping fits the WSDL.")
        )


@ws_command.command("describe")
@contract_options
def describe_command(settings: Settings) -> None:
    """Show what a WSDL offers, beside what igcsante needs. Calls nothing.

    With a mapping file, each element is shown with the field that it stands for, and what
    neither side fills is marked.

    \b
    Example:
      igc ws describe --wsdl FILE.wsdl
    """
    from ..ws.contract.describe import needed, offered
    from ..ws.contract.mapping import contract_file, load_mapping
    from .ws_print import emit_description, say_description

    wsdl, path = _files(settings)
    mapping: ContractMapping | None = load_mapping(path) if path or wsdl is None else None
    if path is None and wsdl is None:
        wsdl = contract_file("pfc-mock.wsdl")
        talk(tr("No WSDL is given: this is the contract of igcsante's own mock, not the ANS's."))
    show = emit_description if settings.json else say_description
    show(offered(wsdl, mapping), needed(mapping), mapped=mapping is not None)


@ws_command.command("dry-run")
@click.argument("operation", shell_complete=completing.operations)
@click.argument("fields", nargs=-1, metavar="[FIELD=VALUE]...")
@contract_options
def dry_run_command(settings: Settings, operation: str, fields: tuple[str, ...]) -> None:
    """Show the exact request of OPERATION, secrets masked. Sends nothing.

    OPERATION is list_habilitations, order_product, search_products, get_product,
    withdraw_product, revoke_product or renew_product. Fields that it needs and that are not
    given get sample values; no secret is ever asked for.

    \b
    Example:
      igc ws dry-run order_product offre=SERV usage=SSL_SERV csr=server.csr
    """
    from ..ws.contract.choice import mapping_for
    from ..ws.contract.wsdl import WsdlContract
    from ..ws.soap.rehearsal import rehearse
    from .ws_print import readable_request

    wsdl, path = _files(settings)
    endpoint = settings.platform or profile_of(settings).platform or ""
    contract = WsdlContract(mapping_for(endpoint, wsdl, path), wsdl)
    if contract.mapping.is_own:
        talk(tr("This is the contract of igcsante's own mock, not the ANS's."))
    request = rehearse(contract, operation, fields, endpoint=endpoint, at=datetime.now(UTC))
    signed = list(contract.mapping.security.sign)
    if settings.json:
        emit(
            {
                "operation": operation,
                "wsdl_operation": contract.mapping.operation(operation).name,
                "method": "POST",
                "address": request.address,
                "headers": request.headers,
                "body": request.body.decode("utf-8", "replace"),
                "signed": signed,
            },
            schema="igc.ws.request/1",
        )
        return
    say(readable_request(request))
    talk(tr("Nothing was sent."))
    if signed:
        talk(
            tr(
                "It would be signed with the card ({signed}): no signature is made here.",
                signed=", ".join(signed),
            )
        )
