"""``igc check``: are certificates valid, and are they revoked? One, or a whole fleet."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import IgcError, UsageError
from ..instants import parse_instant
from . import ask
from .check_options import check_options
from .output import Settings, common_options, grouped, talk

if TYPE_CHECKING:
    from ..certs.fleet.report import Finding, Outcome, Survey
    from ..certs.policy import Policy
    from .check_inputs import Intake

_FORMATS = ("text", "json", "ndjson", "csv", "nagios", "prometheus", "junit", "html")
_FAILURES = ("unreadable", "invalid", "revoked", "unknown", "stale", "ending")
_NONE = "none"
_NAGIOS_UNKNOWN = 3
_paths = click.Path(path_type=Path)


@click.command("check")
@click.argument("inputs", nargs=-1)
@grouped(
    "reading",
    click.option("--no-recursive", is_flag=True, help="Of folders, only the files right in them."),
    click.option("--password-source", help="Where the password of a PKCS#12 comes from."),
    click.option(
        "--starttls",
        type=click.Choice(["smtp", "imap", "pop3", "ldap", "ftp"]),
        help="How HOST:PORT turns to TLS.",
    ),
    click.option("--server-name", metavar="NAME", help="Ask HOST:PORT for this name (SNI)."),
    click.option("--serials", type=_paths, help="Check these serial numbers, one a line (hex)."),
    click.option("--issuer", type=_paths, help="The CA certificate that issued --serials."),
    click.option("--card", is_flag=True, help="Check the certificates of the inserted card."),
)
@grouped(
    "given",
    click.option("--at", metavar="INSTANT", help="Check as of this instant (ISO 8601), not now."),
    click.option("--offline", is_flag=True, help="Fetch nothing: given and kept lists only."),
    click.option("--anchors", multiple=True, type=_paths, help="Trusted roots (and CAs)."),
    click.option("--untrusted", multiple=True, type=_paths, help="More CA certificates."),
    click.option("--crl", multiple=True, type=_paths, help="CRL file or folder. Repeatable."),
    click.option("--ocsp", multiple=True, type=_paths, help="OCSP response file. Repeatable."),
)
@check_options
@grouped(
    "telling",
    click.option("--format", "kind", type=click.Choice(_FORMATS), help="Default: text."),
    click.option("--output", type=_paths, help="Write this file, whole or not at all."),
    click.option(
        "--fail-on",
        metavar="KIND,…",
        help=f"What makes the exit code: {', '.join(_FAILURES)}; or none. Default: all.",
    ),
    click.option(
        "--expires-within",
        metavar="DAYS",
        type=click.IntRange(0, 36_500),
        help="Good ones that end so soon are findings too (ending).",
    ),
)
@click.option("--resume", type=_paths, help="Keep what is done in this file, and go on from it.")
@click.option("--jobs", type=click.IntRange(1, 256), default=1, help="Processes. Needs --offline.")
@common_options
def check_command(
    settings: Settings,
    policy: Policy,
    inputs: tuple[str, ...],
    reading: dict[str, Any],
    given: dict[str, Any],
    telling: dict[str, Any],
    resume: Path | None,
    jobs: int,
) -> int:
    """Verify certificates: chain, validity, revocation of each and of its CAs.

    \b
    Examples:
      igc check server.pem
      igc check certs/ backup.zip www.example.org:443 --expires-within 30
      igc check fleet/ --format html --output report.html
      igc check fleet/ --format prometheus --output /var/lib/node_exporter/igc.prom
      igc check --offline --anchors ca/ --crl lists/ server.pem
      igc check --serials serials.txt --issuer ca.pem

    INPUTS are files (PEM, DER, PKCS#7, PKCS#12), folders with all that is below them, archives
    (zip, tar, tar.gz), - for stdin, or HOST:PORT of a TLS server, which is contacted even with
    --offline; what it sends is not trusted. Each certificate is checked once.

    Anchors are those of the profile, those that were imported, and --anchors. Lists that igc
    crl keeps are used. With --at, give the CRLs of that time with --crl: those that are
    published now were made later, and say nothing of it.

    Exit code: the worst finding (see: igc help exit-codes), 14 for good ones that end within
    --expires-within. With --format nagios: 0 OK, 1 warning (ending, stale), 2 critical
    (invalid, revoked), 3 unknown.
    """
    kind = _format(settings, telling["kind"])
    if kind != "nagios":
        return _check(settings, policy, inputs, reading, given, telling, resume, jobs, kind)
    try:
        return _check(settings, policy, inputs, reading, given, telling, resume, jobs, kind)
    except IgcError as error:  # a plugin says so in its line
        from .check_formats import nagios_line

        click.echo(f"IGC UNKNOWN - {nagios_line(error.message)}")
        return _NAGIOS_UNKNOWN


def _format(settings: Settings, kind: str | None) -> str:
    if settings.json and kind not in (None, "json", "ndjson"):
        raise UsageError(f"--json and --format {kind} can't both be had")
    return kind or ("ndjson" if settings.json else "text")


def _check(
    settings: Settings,
    policy: Policy,
    inputs: tuple[str, ...],
    reading: dict[str, Any],
    given: dict[str, Any],
    telling: dict[str, Any],
    resume: Path | None,
    jobs: int,
    kind: str,
) -> int:
    from .check_inputs import Intake
    from .check_run import Run

    fail_on = _fail_on(telling["fail_on"])
    at = _instant(given["at"], resume)
    policy = replace(policy, fetch=policy.fetch and not given["offline"])
    if jobs > 1 and policy.fetch:
        raise UsageError(
            "with several jobs nothing is fetched during the check",
            advice="fetch the lists before with `igc crl update`, then give --offline",
        )
    intake = Intake()
    with contextlib.closing(intake.subjects):
        _take_in(intake, settings, inputs, reading)
        run = Run.of(settings, policy, at, given, intake)
        survey = _survey(run.at, policy, fail_on, telling["expires_within"], intake)
        with contextlib.ExitStack() as closing:
            findings = closing.enter_context(run.findings(resume=resume, jobs=jobs))
            shown = _with_progress(findings, intake.count, kind, telling["output"])
            _print(shown, survey, kind, telling["output"])
    return _conclude(survey, kind)


def _fail_on(text: str | None) -> frozenset[Outcome]:
    from ..certs.fleet.report import outcomes

    words = [word.strip() for word in (text or ",".join(_FAILURES)).split(",")]
    if words == [_NONE]:
        return frozenset()
    if wrong := [word for word in words if word not in _FAILURES]:
        raise UsageError(
            f"--fail-on: {wrong[0]!r} is none of its kinds",
            advice=f"they are {', '.join(_FAILURES)}, with commas between, or {_NONE} alone",
        )
    return outcomes(words)


def _instant(at: str | None, resume: Path | None) -> datetime | None:
    """The instant that was asked for, or that of the check that is resumed; None for now."""
    if at:
        return parse_instant(at)
    if resume is None:
        return None
    from ..certs.fleet.report_state import state_instant

    return state_instant(resume)


def _survey(
    at: datetime,
    policy: Policy,
    fail_on: frozenset[Outcome],
    days: int | None,
    intake: Intake,
) -> Survey:
    from ..certs.fleet.report import Survey

    within = None if days is None else timedelta(days=days)
    return Survey(at, policy.name, within, fail_on, intake.duplicates)


# -- reading ---------------------------------------------------------------------------------


def _take_in(
    intake: Intake, settings: Settings, inputs: tuple[str, ...], reading: dict[str, Any]
) -> None:
    """All that there is to check. Raises UsageError when nothing was given."""
    from .check_inputs import Options, take, take_card, take_serials

    serials, issuer = reading["serials"], reading["issuer"]
    if bool(serials) != bool(issuer):
        raise UsageError("--serials and --issuer are given together")
    if not (inputs or serials or reading["card"]):
        raise UsageError(
            "nothing was given to check", advice="name a file, folder or HOST:PORT; see --help"
        )
    options = Options(
        password=ask.optional_secret(reading["password_source"]),
        recursive=not reading["no_recursive"],
        starttls=reading["starttls"],
        server_name=reading["server_name"],
    )
    take(intake, inputs, options)
    if serials:
        from ..certs.load import certificates_from_path

        take_serials(intake, serials, certificates_from_path(issuer)[0])
    if reading["card"]:
        from .connect import inserted_card

        with inserted_card(settings) as card:
            take_card(intake, [(item.purpose, item.certificate) for item in card.certificates()])


# -- telling ---------------------------------------------------------------------------------

_LONG = 200  # inputs: below, it is done before a bar could be read


def _print(findings: Iterable[Finding], survey: Survey, kind: str, output: Path | None) -> None:
    from .check_formats import FORMATS
    from .output import colour

    pieces = FORMATS[kind](findings, survey)
    if output is None:
        for piece in pieces:
            click.echo(piece, nl=False, color=colour())
        return
    from ..files import write_atomic

    octets = (click.unstyle(piece).encode("utf-8", "backslashreplace") for piece in pieces)
    write_atomic(output, octets, mode=_mode(output, kind), overwrite=True)


def _mode(output: Path, kind: str) -> int:
    """Names of persons are not for everyone; what a collector of metrics reads must be."""
    with contextlib.suppress(OSError):
        return output.stat().st_mode & 0o777
    return 0o644 if kind == "prometheus" else 0o600


def _with_progress(
    findings: Iterable[Finding], count: int, kind: str, output: Path | None
) -> Iterator[Finding]:
    """A bar on stderr, when that is a terminal, the work is long, and nothing else is shown."""
    from .check_formats import is_terminal

    streaming = output is None and is_terminal() and kind in ("text", "ndjson", "csv", "json")
    watched = sys.stderr is not None and sys.stderr.isatty()
    if count < _LONG or streaming or not watched:
        yield from findings
        return
    with click.progressbar(
        findings, length=count, label="Checking", file=sys.stderr, show_pos=True, width=0
    ) as bar:
        yield from bar


def _conclude(survey: Survey, kind: str) -> int:
    """The exit code; and on stderr the sum of it, when there is more than one."""
    from .check_formats import nagios_state, summary

    if kind == "nagios":
        return nagios_state(survey)
    if survey.total + survey.duplicates > 1:
        talk(summary(survey))
    return int(survey.exit_code)
