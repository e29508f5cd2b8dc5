"""``igc check``: is a certificate valid, and is it revoked?"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ExitCode, IgcError
from ..instants import parse_instant
from ..text import printable
from . import ask
from .output import Settings, common_options, emit, say, talk, wrapped

if TYPE_CHECKING:
    from cryptography import x509

    from ..certs.verdict import Verdict

_COLOURS = {"good": "green", "revoked": "red", "invalid": "red", "unknown": "yellow"}
_WORST_FIRST = (
    ExitCode.INVALID,
    ExitCode.REVOKED,
    ExitCode.UNKNOWN,
    ExitCode.STALE,
    ExitCode.GOOD,
)
_paths = click.Path(path_type=Path)


@click.command("check")
@click.argument("files", nargs=-1, required=True, type=_paths)
@click.option("--at", metavar="INSTANT", help="Check as of this instant (ISO 8601), not now.")
@click.option("--offline", is_flag=True, help="Fetch nothing: use the given CRLs only.")
@click.option("--anchors", multiple=True, type=_paths, help="Trusted roots (and CAs). Repeatable.")
@click.option("--untrusted", multiple=True, type=_paths, help="More CA certificates. Repeatable.")
@click.option("--password-source", help="Where the password of a PKCS#12 comes from.")
@click.option("--crl", multiple=True, type=_paths, help="CRL file or folder. Repeatable.")
@common_options
def check_command(
    settings: Settings,
    files: tuple[Path, ...],
    at: str | None,
    offline: bool,
    anchors: tuple[Path, ...],
    untrusted: tuple[Path, ...],
    crl: tuple[Path, ...],
    password_source: str | None,
) -> int:
    """Verify the certificates in FILES: chain, validity, revocation of each and of its CAs.

    FILES hold certificates as PEM, DER, PKCS#7 or PKCS#12; a folder stands for its files.
    Anchors are those of the profile, those that were imported, and --anchors. With --at, give
    the CRLs of that time with --crl: those that are published now were made later, and say
    nothing of it. Exit code: the worst verdict (see: igc help exit-codes).

    \b
    Examples:
      igc check server.pem
      igc check --offline --anchors ca/ --crl lists/ server.pem
    """
    from ..certs.check import Checker
    from ..certs.fetch import CrlFetcher
    from ..certs.load import certificates_by_file, certificates_from_path, crls_from_path
    from .connect import profile_of, trust_store

    instant = parse_instant(at) if at else datetime.now(UTC)
    password = ask.optional_secret(password_source)
    profile = profile_of(settings)
    store = trust_store(profile, anchors)
    extra = [c for path in (*untrusted, *profile.untrusted) for c in certificates_from_path(path)]
    crls = [item for path in crl for item in crls_from_path(path)]
    read = {path: found for given in files for path, found in certificates_by_file(given, password)}
    inside = [c for found in read.values() if not isinstance(found, IgcError) for c in found]
    checker = Checker(
        store,
        untrusted=(*extra, *inside),
        crls=crls,
        fetcher=None if offline else CrlFetcher(profile.http_hosts),
    )
    codes = []
    for path, found in read.items():
        if isinstance(found, IgcError):
            codes.append(found.exit_code)
            _print_unreadable(path, found, settings.json)
            continue
        for certificate in _leaves(found):
            verdict = checker.check(certificate, at=instant)
            codes.append(verdict.exit_code)
            _print_verdict(path, verdict, settings.json)
    return int(_worst(codes))


def _leaves(certificates: tuple[x509.Certificate, ...]) -> list[x509.Certificate]:
    """Those that are no authority; when all are, the first."""
    from ..certs.extensions import Extensions

    leaves = [item for item in certificates if not Extensions(item).is_authority]
    return leaves or [certificates[0]]


def _worst(codes: list[ExitCode]) -> ExitCode:
    others = [code for code in codes if code not in _WORST_FIRST]
    return others[0] if others else min(codes, key=_WORST_FIRST.index, default=ExitCode.GOOD)


def _print_verdict(path: Path, verdict: Verdict, as_json: bool) -> None:
    if as_json:
        emit({"file": str(path), **verdict.to_dict()}, schema="igc.check/1")
        return
    from ..certs.names import display_subject

    kind = str(verdict.kind)
    word = click.style(kind.upper(), fg=_COLOURS.get(kind, "yellow"), bold=True)
    say(f"{word}  {printable(str(path))}")
    for reason in verdict.reasons:
        say(f"    {printable(str(reason))}")
    if verdict.exit_code is ExitCode.GOOD:
        for authority, evidence in zip(verdict.chain[1:], verdict.evidence, strict=True):
            say(f"    issued by {printable(display_subject(authority))}")
            say(
                f"        not in its CRL {evidence.number or ''} of {evidence.this_update:%Y-%m-%d}"
            )


def _print_unreadable(path: Path, error: IgcError, as_json: bool) -> None:
    if as_json:
        emit({"file": str(path), "ok": False, "error": error.to_dict()}, schema="igc.check/1")
        return
    say(f"{click.style('UNREADABLE', fg='red', bold=True)}  {printable(str(path))}")
    say(f"    {printable(error.message.removeprefix(f'{path}: '))}")
    if error.advice:
        talk(wrapped(error.advice, indent="    "))
