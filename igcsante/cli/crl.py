"""``igc crl``: the revocation lists that are kept on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from ..errors import ExitCode, UnreadableError, UsageError
from ..messages import tr
from ..text import printable
from . import completing
from .command import group
from .crl_kept import lookup, matching, none_is_whole, open_store, the_one
from .crl_print import (
    count,
    described,
    entry_pairs,
    issuer_name,
    print_kept,
    print_stored,
    print_updates,
)
from .numbers import FiniteRange
from .output import Settings, common_options, emit, print_error, say, say_pairs, talk

if TYPE_CHECKING:
    from ..certs.crl.store import CrlStore
    from ..certs.crl.update import CrlUpdater, Published, Update

_TOO_MANY = 429
_paths = click.Path(path_type=Path)
_anchors = click.option(
    "--anchors", multiple=True, type=_paths, help="Trusted roots (and CAs). Repeatable."
)
_sleep: Callable[[float], None] = time.sleep


@group("crl")
@common_options
def crl_command(settings: Settings) -> None:
    """Keep revocation lists: fetch, verify, index, list, export.

    A list is believed only if a known authority signed it. The lists are kept in the user's
    cache, with indexes that make a check take milliseconds whatever their size.

    \b
    Examples:
      igc crl update                           fetch what may be newer
      igc crl list
      igc crl show ACI-EL-ORG --serial 1f2e3d  is it in the list?
    """


@crl_command.command("update")
@click.argument("files", nargs=-1, type=_paths, shell_complete=completing.certificates)
@_anchors
@click.option("--delta", is_flag=True, help="Of FILES, the delta lists too (published in LDAP).")
@click.option("--force", is_flag=True, help="Fetch also what can't be newer yet.")
@click.option(
    "--spread",
    metavar="HOURS",
    type=FiniteRange(0, 24),
    help="First wait this machine's own time, up to so many hours.",
)
@common_options
def crl_update(
    settings: Settings,
    files: tuple[Path, ...],
    anchors: tuple[Path, ...],
    delta: bool,
    force: bool,
    spread: float | None,
) -> int:
    """Fetch the lists that may be newer than those that are kept.

    Without FILES: those of every known authority. With FILES (certificates): only the lists
    that these and their CAs need. The ANS publishes every morning from 07:00, and asks that
    each list be fetched once a day, at hours that are spread over its users. A list is
    therefore asked for once a publication, under a condition; --spread waits a time that was
    drawn once for this machine and stays the same every day: for a crontab. With a systemd
    timer, use RandomizedDelaySec and FixedRandomDelay instead.

    Exit code: that of the first list that could not be had; the others are updated. An
    authority that nothing tells the list's address of counts too, unless a list of it is kept
    and in force: 8 when there is none, 9 when it has ended.

    \b
    Examples:
      igc crl update
      igc crl update server.pem             its lists only
      0 7 * * * igc crl update --spread 4   in a crontab
    """
    if spread:
        _wait(spread)
    updater, wanted = _updater(settings, open_store(), anchors, files, delta=delta)
    at = datetime.now(UTC)
    updates = []
    for update in _update_all(updater, wanted, at, force=force):
        updates.append(update)
        _tell(update, settings.json)
    _drop_outdated_answers(at)
    if not settings.json:
        _tell_missing(updates)
        print_updates(updates)
    return _worst(updates)


@crl_command.command("list")
@common_options
def crl_list(settings: Settings) -> None:
    """List what is kept: issuer, number, dates, size.

    \b
    Example:
      igc crl list
    """
    store, now = open_store(), datetime.now(UTC)
    found, damaged = store.lists(), none_is_whole(store)
    if settings.json:
        for stored in found:
            emit(described(stored), schema="igc.crl/1")
    elif found:
        print_kept(found, now)
    elif not damaged:
        talk(tr("No list is kept yet: igc crl update fetches those of the known authorities."))
    if damaged:
        raise UnreadableError(
            tr("no kept list is whole: what they say of a certificate can't be told"),
            advice=tr("fetch them again (igc crl update), or give them once more (igc crl index)"),
        )


@crl_command.command("show")
@click.argument("name", shell_complete=completing.kept_lists)
@click.option("--serial", metavar="HEX", help="Also look up this serial number (hexadecimal).")
@common_options
def crl_show(settings: Settings, name: str, serial: str | None) -> int:
    """Tell all about the list of an issuer: NAME is a part of its name or address.

    With --serial, exit code 7 when it is in the list.

    \b
    Examples:
      igc crl show ACI-EL-ORG
      igc crl show ACI-EL-ORG --serial 1f2e3d
    """
    store = open_store()
    stored = the_one(store, name)
    entry = None if serial is None else lookup(store, stored, serial)
    if settings.json:
        emit({**described(stored), "entry": entry}, schema="igc.crl.show/1")
    else:
        print_stored(stored)
        if entry:
            say_pairs([("", ""), *((key, value or "") for key, value in entry_pairs(entry))])
    return int(ExitCode.REVOKED if entry and entry["date"] else ExitCode.GOOD)


@crl_command.command("index")
@click.argument("files", nargs=-1, required=True, type=_paths)
@_anchors
@common_options
def crl_index(settings: Settings, files: tuple[Path, ...], anchors: tuple[Path, ...]) -> None:
    """Verify the lists in FILES (DER or PEM) and keep them, as if they had been fetched.

    \b
    Example:
      igc crl index downloaded.crl
    """
    updater, _ = _updater(settings, open_store(), anchors, ())
    at = datetime.now(UTC)
    for path in files:
        stored = updater.add(_der_of(path), source=str(path), at=at)
        if settings.json:
            emit(described(stored), schema="igc.crl/1")
        else:
            entries = count(stored.entries)
            say(
                tr(
                    "kept: {stored}, {entries} entries",
                    stored=printable(issuer_name(stored)),
                    entries=entries,
                )
            )


@crl_command.command("export")
@click.argument("name", required=False, shell_complete=completing.kept_lists)
@click.option("--format", "kind", type=click.Choice(["csv", "parquet", "pem"]), default="csv")
@click.option("--out", type=_paths, help="A new file. Without it, CSV and PEM go to stdout.")
@common_options
def crl_export(settings: Settings, name: str | None, kind: str, out: Path | None) -> None:
    """Write the entries of the lists as a table: issuer, serial, date, reason, crl_number.

    All lists, or those whose issuer or address has NAME in it. Parquet needs pyarrow (extra
    parquet). With --format pem, the complete lists themselves, as nginx, Apache and HAProxy
    take them.

    \b
    Examples:
      igc crl export --out revoked.csv
      igc crl export ACI-EL-ORG --format parquet --out revoked.parquet
      igc crl export --format pem --out lists.pem
    """
    from ..certs.crl.export import csv_octets, parquet_octets, pem_octets, rows
    from ..files import write_atomic

    store = open_store()
    lists = matching(store, name) if name else store.lists()
    if out is None and settings.json:
        for row in rows(store, lists):
            number = None if row.crl_number is None else str(row.crl_number)
            emit({**row._asdict(), "crl_number": number}, schema="igc.crl.entry/1")
        return
    if out is None:
        if kind == "parquet":
            raise UsageError(
                tr("a Parquet file is not for a terminal"), advice=tr("name it with --out")
            )
        for piece in pem_octets(lists) if kind == "pem" else csv_octets(rows(store, lists)):
            click.echo(piece, nl=False)
        return
    if kind == "pem":
        write_atomic(out, pem_octets(lists))
    else:
        table = rows(store, lists)
        write_atomic(out, parquet_octets(table) if kind == "parquet" else csv_octets(table))
    if settings.json:
        emit({"file": out, "format": kind, "size": out.stat().st_size}, schema="igc.crl.export/1")
    else:
        talk(tr("written: {out}", out=printable(str(out))))


# -- updating --------------------------------------------------------------------------------


def _wait(hours: float) -> None:
    from ..certs.crl.publication import own_delay
    from ..config import data_directory

    seconds = own_delay(hours, data_directory()).total_seconds()
    talk(tr("Waiting {seconds:.0f} minutes, as every day on this machine.", seconds=seconds / 60))
    _sleep(seconds)


def _updater(
    settings: Settings,
    store: CrlStore,
    anchors: tuple[Path, ...],
    files: tuple[Path, ...],
    *,
    delta: bool = False,
) -> tuple[CrlUpdater, tuple[Published, ...]]:
    """The updater, and the lists that are wanted."""
    from ..certs.chain import issuers_of
    from ..certs.crl.update import (
        CrlUpdater,
        lists_of_authorities,
        lists_of_certificates,
    )
    from ..certs.load import certificates_from_path
    from .chosen import profile_of
    from .connect import access_of, trust_store

    profile = profile_of(settings)
    trust = trust_store(profile, anchors)
    if not trust.roots:
        raise UsageError(
            tr("no trust anchor is known, so no list can be verified"),
            advice=tr(
                "import the ANS's with `igc trust import` or `igc trust fetch`, or give --anchors"
            ),
        )
    untrusted = [c for path in profile.untrusted for c in certificates_from_path(path)]
    given = [c for path in files for c in certificates_from_path(path)]
    if files:
        above = [issuer for item in given for issuer in issuers_of(item, trust)]
        wanted = lists_of_certificates(dict.fromkeys((*given, *above)), delta=delta)
    else:
        wanted = lists_of_authorities(trust, store.lists())
    updater = CrlUpdater(store, trust, access_of(profile), untrusted=(*untrusted, *given))
    return updater, wanted


def _update_all(
    updater: CrlUpdater, wanted: tuple[Published, ...], at: datetime, *, force: bool
) -> Iterator[Update]:
    """One after the other; a server that says "too many requests" is left alone."""
    silent: set[str | None] = set()
    for published in wanted:
        if silent & {urlsplit(url).hostname for url in published.urls}:
            talk(
                tr(
                    "{published}: not asked for, its server has enough of us",
                    published=printable(published.name),
                )
            )
            continue
        update = updater.update(published, at=at, force=force)
        if update.error and update.error.fields.get("status") == _TOO_MANY:
            silent.add(urlsplit(published.urls[0]).hostname)
        yield update


def _tell(update: Update, as_json: bool) -> None:
    if as_json:
        emit(
            {
                "name": update.published.name,
                "urls": update.published.urls,
                "outcome": update.outcome,
                "crl": described(update.stored) if update.stored else None,
                "error": update.error.to_dict() if update.error else None,
            },
            schema="igc.crl.update/1",
        )
    elif update.error and not _is_missing(update):
        print_error(update.error, as_json=False)


def _is_missing(update: Update) -> bool:
    return not update.published.urls and update.stored is None


def _tell_missing(updates: Iterable[Update]) -> None:
    """All of them at once: what helps is the same for each."""
    missing = [update for update in updates if _is_missing(update)]
    if missing and (error := missing[0].error):
        unknown = ", ".join(update.published.name for update in missing)
        message = tr(
            "missing, as no address of them is known: the lists of {unknown}",
            unknown=printable(unknown),
        )
        print_error(type(error)(message, advice=error.advice), as_json=False)


def _worst(updates: list[Update]) -> int:
    return next((int(item.error.exit_code) for item in updates if item.error), int(ExitCode.GOOD))


def _drop_outdated_answers(at: datetime) -> None:
    from ..certs.ocsp.cache import OcspCache

    OcspCache().drop_outdated(at)


def _der_of(path: Path) -> bytes:
    """The CRL of a file, DER."""
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_pem_x509_crl

    from ..certs.load import MAX_CRL_BYTES
    from ..certs.x509.names import PARSE_ERRORS
    from ..files import read_bounded

    octets = read_bounded(path, MAX_CRL_BYTES)
    if b"-----BEGIN" not in octets[:1000]:
        return octets
    try:
        return load_pem_x509_crl(octets).public_bytes(Encoding.DER)
    except PARSE_ERRORS as error:
        raise UnreadableError(
            tr("{path}: no CRL that can be read: {error}", path=path, error=error)
        ) from None
