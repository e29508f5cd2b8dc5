"""``igc check``: are certificates valid, and are they revoked? One, or a whole fleet."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import StorageError, UsageError
from ..instants import parse_instant, shown
from ..messages import localized, tr
from . import ask, completing
from .check_options import check_options
from .command import command
from .numbers import WholeRange
from .output import Settings, grouped, quiet_card_options, shows_progress, talk

if TYPE_CHECKING:
    from ..certs.fleet.report import Finding, Outcome, Survey
    from ..certs.policy import Policy
    from .check_inputs import Intake, Reading

_FORMATS = ("text", "json", "ndjson", "csv", "nagios", "prometheus", "junit", "html")
_FAILURES = ("unreadable", "invalid", "revoked", "unknown", "stale", "ending")
_NONE = "none"
_RESUMABLE = timedelta(hours=24)
_paths = click.Path(path_type=Path)


@command("check")
@click.argument("inputs", nargs=-1, shell_complete=completing.certificates)
@grouped(
    "reading",
    click.option("--no-recursive", is_flag=True, help="Of folders, only the files right in them."),
    click.option("--password-source", help="Where the password of a PKCS#12 comes from."),
    click.option(
        "--starttls",
        type=click.Choice(["smtp", "imap", "pop3", "ldap", "ftp"]),
        help="How HOST:PORT turns to TLS.",
    ),
    click.option(
        "--server-name",
        metavar="NAME",
        help="Certificates must be for this host name or address. HOST:PORT is asked for it "
        "(SNI); without it, its certificate must be for HOST.",
    ),
    click.option("--any-name", is_flag=True, help="Let HOST:PORT have one for any name."),
    click.option(
        "--serials",
        type=_paths,
        help="Check these serial numbers, one a line, in hexadecimal: 1234 is 0x1234.",
    ),
    click.option("--issuer", type=_paths, help="The CA certificate that issued --serials."),
    click.option("--card", is_flag=True, help="The inserted card's too (see igc card)."),
    heading="What is checked",
)
@grouped(
    "given",
    click.option("--at", metavar="INSTANT", help="Check as of this instant (ISO 8601), not now."),
    click.option("--offline", is_flag=True, help="Fetch nothing: given and kept lists only."),
    click.option("--anchors", multiple=True, type=_paths, help="Trusted roots (and CAs)."),
    click.option("--untrusted", multiple=True, type=_paths, help="More CA certificates."),
    click.option("--crl", multiple=True, type=_paths, help="CRL file or folder. Repeatable."),
    click.option("--ocsp", multiple=True, type=_paths, help="OCSP response file. Repeatable."),
    heading="By what",
)
@check_options
@grouped(
    "telling",
    click.option("--format", "kind", type=click.Choice(_FORMATS), help="Default: text."),
    click.option("--out", type=_paths, help="Write this file, whole or not at all."),
    click.option(
        "--fail-on",
        metavar="KIND,…",
        help=f"What makes the exit code: {', '.join(_FAILURES)}; or none. Default: all.",
    ),
    click.option(
        "--expires-within",
        metavar="DAYS",
        type=WholeRange(0, 36_500),
        help="Good ones that end so soon are findings too (ending).",
    ),
    heading="What is told",
)
@grouped(
    "working",
    click.option(
        "--resume", type=_paths, help="Keep what is done in this file, and go on from it."
    ),
    click.option("--jobs", type=WholeRange(1, 256), default=1, help="Processes. Needs --offline."),
    click.option(
        "--engine", metavar="dask://HOST:PORT", help="Check on this Dask cluster. Needs --offline."
    ),
    heading="Long work",
)
@quiet_card_options
def check_command(**options: Any) -> int:
    """Verify certificates: chain, validity, revocation of each and of its CAs.

    \b
    Examples:
      igc check server.pem
      igc check certs/ backup.zip www.example.org:443 --expires-within 30
      igc check fleet/ --format html --out report.html
      igc check fleet/ --format prometheus --out /var/lib/node_exporter/igc.prom
      igc check --offline --anchors ca/ --crl lists/ server.pem
      igc check --serials serials.txt --issuer ca.pem

    INPUTS are files (PEM, DER, PKCS#7, PKCS#12), folders with all that is below them, archives
    (zip, tar, tar.gz), - for stdin, or HOST:PORT of a TLS server, which is contacted even with
    --offline; what it sends is not trusted, and must be for HOST. Each certificate is checked
    once.

    Anchors are those of the profile, those that were imported, and --anchors. Lists that igc
    crl keeps are used. With --at, give the CRLs of that time with --crl: those that are
    published now were made later, and say nothing of it.

    Exit code: the worst finding (see: igc help exit-codes), 14 for good ones that end within
    --expires-within. With --format nagios: 0 OK, 1 warning (ending, stale), 2 critical
    (invalid, revoked), 3 unknown.
    """
    return _check(_Asked(**options))


@dataclass(frozen=True)
class _Asked:
    """The command line, its options by what they are about."""

    settings: Settings
    policy: Policy
    inputs: tuple[str, ...]
    reading: dict[str, Any]
    given: dict[str, Any]
    telling: dict[str, Any]
    working: dict[str, Any]

    @cached_property
    def kind(self) -> str:
        """The format. Raises UsageError."""
        chosen: str | None = self.telling["kind"]
        if self.settings.json and chosen not in (None, "json", "ndjson"):
            raise UsageError(tr("--json and --format {chosen} can't both be had", chosen=chosen))
        return chosen or ("ndjson" if self.settings.json else "text")

    @property
    def out(self) -> Path | None:
        path: Path | None = self.telling["out"]
        return path


def _check(asked: _Asked) -> int:
    from .check_inputs import Intake
    from .check_run import Run

    given, resume, jobs = asked.given, asked.working["resume"], asked.working["jobs"]
    _require_place(asked.out)
    fail_on = _fail_on(asked.telling["fail_on"])
    at = _instant(given["at"], resume)
    policy = replace(asked.policy, fetch=asked.policy.fetch and not given["offline"])
    cluster = _cluster(asked.working)
    if (jobs > 1 or cluster) and policy.fetch:
        raise UsageError(
            tr("with several jobs, or a cluster, nothing is fetched during the check"),
            advice=tr("fetch the lists before with `igc crl update`, then give --offline"),
        )
    intake = Intake()
    with contextlib.closing(intake.subjects):
        _take_in(intake, asked)
        run = Run.of(asked.settings, policy, at, given, intake)
        survey = _survey(run.at, policy, fail_on, asked.telling["expires_within"], intake)
        with run.findings(resume=resume, jobs=jobs, cluster=cluster) as findings:
            _print(_with_progress(findings, intake.count, asked), survey, asked)
    return _conclude(survey, asked.kind)


def _fail_on(text: str | None) -> frozenset[Outcome]:
    from ..certs.fleet.report import outcomes

    words = [word.strip() for word in (text or ",".join(_FAILURES)).split(",")]
    if words == [_NONE]:
        return frozenset()
    if wrong := [word for word in words if word not in _FAILURES]:
        raise UsageError(
            tr("--fail-on: {wrong!r} is none of its kinds", wrong=wrong[0]),
            advice=tr(
                "they are {failures}, with commas between, or {none} alone",
                failures=", ".join(_FAILURES),
                none=_NONE,
            ),
        )
    return outcomes(words)


def _cluster(working: dict[str, Any]) -> str | None:
    """The address of the scheduler. Raises UsageError."""
    engine: str | None = working["engine"]
    if engine is None:
        return None
    scheme, _, address = engine.partition("://")
    host, _, port = address.rpartition(":")
    if scheme != "dask" or not host or not port.isdigit():
        raise UsageError(
            tr("--engine {engine}: no engine", engine=engine),
            advice=tr("one is named dask://HOST:PORT"),
        )
    if working["jobs"] > 1:
        raise UsageError(tr("--engine and --jobs can't both be had"))
    return address


def _instant(at: str | None, resume: Path | None) -> datetime | None:
    """The instant that was asked for, or that of the check that is resumed; None for now."""
    if at:
        return parse_instant(at)
    if resume is None:
        return None
    from ..certs.fleet.report_state import state_instant

    instant = state_instant(resume)
    if instant is not None and datetime.now(UTC) - instant > _RESUMABLE:
        raise UsageError(
            tr(
                "{resume}: the check that was begun there is as of {instant}, more than "
                "{resumable} hours ago; nothing was checked",
                resume=resume,
                instant=shown(instant, seconds=True),
                resumable=_RESUMABLE // timedelta(hours=1),
            ),
            advice=tr("remove it to check as of now, or go on with --at and that instant"),
        )
    return instant


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


def _take_in(intake: Intake, asked: _Asked) -> None:
    """All that there is to check. Raises UsageError when nothing was given."""
    from .check_inputs import take, take_card, take_serials

    reading = asked.reading
    serials, issuer = reading["serials"], reading["issuer"]
    if bool(serials) != bool(issuer):
        raise UsageError(tr("--serials and --issuer are given together"))
    if not (asked.inputs or serials or reading["card"]):
        raise UsageError(
            tr("nothing was given to check"),
            advice=tr("name a file, folder or HOST:PORT; see --help"),
        )
    take(intake, asked.inputs, _how_to_read(reading))
    if serials:
        from ..certs.load import certificates_from_path

        take_serials(intake, serials, certificates_from_path(issuer)[0])
    if reading["card"]:
        from .inserted import inserted_card

        with inserted_card(asked.settings) as card:
            take_card(intake, [(item.purpose, item.certificate) for item in card.certificates()])


def _how_to_read(reading: dict[str, Any]) -> Reading:
    """Raises UsageError for a name that can't be compared with anything."""
    from .check_inputs import Reading

    name = reading["server_name"]
    if name:
        from ..certs.path.server_name import ServerName

        name = str(ServerName.parse(name))
        if reading["any_name"]:
            raise UsageError(tr("--server-name and --any-name can't both be had"))
        if reading["serials"] or reading["card"]:
            raise UsageError(tr("--server-name is about certificates of servers: files, HOST:PORT"))
    return Reading(
        password=ask.optional_secret(reading["password_source"]),
        recursive=not reading["no_recursive"],
        starttls=reading["starttls"],
        server_name=name,
        any_name=reading["any_name"],
    )


# -- telling ---------------------------------------------------------------------------------

_LONG = 200  # inputs: below, it is done before a bar could be read


def _print(findings: Iterable[Finding], survey: Survey, asked: _Asked) -> None:
    from .check_formats import FORMATS
    from .output import colour

    pieces = FORMATS[asked.kind](findings, survey)
    if asked.out is None:
        for piece in pieces:
            click.echo(piece, nl=False, color=colour())
        return
    from ..files import write_atomic

    octets = (click.unstyle(piece).encode("utf-8", "backslashreplace") for piece in pieces)
    write_atomic(asked.out, octets, mode=_mode(asked.out, asked.kind), overwrite=True)


def _require_place(out: Path | None) -> None:
    """Raise StorageError, before anything is done, where no file can be written whole."""
    if out is None:
        return
    if not out.resolve().parent.is_dir():
        raise StorageError(
            tr(
                "{out}: there is no folder {parent}; nothing was checked",
                out=out,
                parent=out.resolve().parent,
            ),
            advice=tr("make it first, or choose another place"),
        )
    if out.exists() and (not out.is_file() or _is_standard_output(out)):
        raise StorageError(
            tr(
                "{out} can't be written whole or not at all: it is no regular file, or the "
                "standard output itself; nothing was checked",
                out=out,
            ),
            advice=tr("without --out the report goes to the standard output"),
        )


def _is_standard_output(out: Path) -> bool:
    """/dev/stdout, also where it is a file that the shell has opened."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return os.path.samestat(out.stat(), os.fstat(sys.stdout.fileno()))
    return False


def _mode(out: Path, kind: str) -> int:
    """Names of persons are not for everyone; what a collector of metrics reads must be."""
    with contextlib.suppress(OSError):
        return out.stat().st_mode & 0o777
    return 0o644 if kind == "prometheus" else 0o600


def _with_progress(findings: Iterable[Finding], count: int, asked: _Asked) -> Iterator[Finding]:
    """A bar on stderr, when that is a terminal, the work is long, and nothing else is shown."""
    from .check_formats import is_terminal

    kind = asked.kind
    streaming = asked.out is None and is_terminal() and kind in ("text", "ndjson", "csv", "json")
    if count < _LONG or streaming or not shows_progress():
        yield from findings
        return
    with click.progressbar(
        findings,
        length=count,
        label=localized(tr("Checking")),
        file=sys.stderr,
        show_pos=True,
        width=0,
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
