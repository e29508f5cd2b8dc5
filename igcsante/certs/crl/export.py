"""Stored lists for others: their entries as a table, CSV or Parquet, to be joined elsewhere;
themselves, as PEM, for servers that look at them (nginx, Apache, HAProxy).

Columns: ``issuer`` (RFC 4514), ``serial`` (hexadecimal), ``date``, ``reason`` (RFC 5280
§5.3.1, empty when the list tells none), ``crl_number``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

from asn1crypto import pem
from cryptography import x509

from ...errors import UnreadableError, UsageError
from ...extras import how_to_install
from ...instants import iso
from ...messages import tr
from ...text import spreadsheet_cell
from ..x509 import names
from ..x509.names import PARSE_ERRORS
from .index import IndexedCrl
from .kept import octets_of, require_intact
from .store import CrlStore, StoredCrl

_ROWS_AT_ONCE = 64 * 1024


class Row(NamedTuple):
    """One revoked certificate."""

    issuer: str
    serial: str
    date: datetime
    reason: str | None
    crl_number: int | None


def rows(store: CrlStore, lists: Iterable[StoredCrl]) -> Iterator[Row]:
    """The entries of stored lists; nothing is told unless the file of each is what was kept.

    Raises UnreadableError, UsageError or StorageError.
    """
    wanted = tuple(lists)
    for stored in wanted:
        require_intact(stored)
    return (row for stored in wanted for row in _rows(store, stored))


def csv_octets(table: Iterable[Row]) -> Iterator[bytes]:
    """A header and the rows (RFC 4180), UTF-8, in pieces.

    An issuer that a spreadsheet would take for a formula starts with an apostrophe.
    """
    yield _csv([Row._fields])
    remaining = iter(table)
    while chunk := list(islice(remaining, _ROWS_AT_ONCE)):
        yield _csv((_cell(r.issuer), r.serial, iso(r.date), r.reason, r.crl_number) for r in chunk)


_cell = lru_cache(maxsize=1024)(spreadsheet_cell)  # one issuer has many rows


def _csv(lines: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue().encode()


def parquet_octets(table: Iterable[Row]) -> bytes:
    """A Parquet file. Dates are timestamps in UTC; numbers are strings, being up to 20 octets long.

    Raises UsageError without pyarrow.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise UsageError(
            tr("Parquet files need pyarrow, which is not installed"),
            advice=tr("{install}; or use --format csv", install=how_to_install("parquet")),
        ) from None
    schema = pa.schema(
        [
            ("issuer", pa.string()),
            ("serial", pa.string()),
            ("date", pa.timestamp("ms", tz="UTC")),
            ("reason", pa.string()),
            ("crl_number", pa.string()),
        ]
    )
    remaining, stream = iter(table), io.BytesIO()
    with pq.ParquetWriter(stream, schema) as writer:
        while chunk := list(islice(remaining, _ROWS_AT_ONCE)):
            columns: list[list[Any]] = [list(column) for column in zip(*chunk, strict=True)]
            columns[4] = [None if number is None else str(number) for number in columns[4]]
            writer.write_table(pa.table(columns, schema=schema))
    return stream.getvalue()


def pem_octets(lists: Iterable[StoredCrl]) -> Iterator[bytes]:
    """The complete lists themselves, one after the other (RFC 7468 §6); delta lists are left out.

    Raises UnreadableError, before anything is given, when the file of one is not what was
    kept; UsageError when there is none.
    """
    complete = [octets_of(stored) for stored in lists if stored.base_number is None]
    if not complete:
        raise UsageError(
            tr("no complete list is kept"), advice=tr("fetch them first: igc crl update")
        )
    return (pem.armor("X509 CRL", octets) for octets in complete)


def _rows(store: CrlStore, stored: StoredCrl) -> Iterator[Row]:
    listing = store.open(stored)
    issuer = names.display(listing.issuer)
    if isinstance(listing, IndexedCrl) and listing.is_whole:
        for entry in listing:
            yield Row(issuer, f"{entry.serial:x}", entry.date, entry.reason, stored.number)
        return
    try:
        crl = x509.load_der_x509_crl(octets_of(stored))
        yield from _parsed_rows(crl, issuer, stored.number)
    except PARSE_ERRORS as error:
        raise UnreadableError(
            tr("{path}: an entry can't be read: {error}", path=stored.path, error=error)
        ) from None


def _parsed_rows(
    crl: x509.CertificateRevocationList, issuer: str, number: int | None
) -> Iterator[Row]:
    """One by one: an entry of an indirect list may name another issuer (RFC 5280 §5.3.3)."""
    for entry in crl:
        reason = None
        for extension in entry.extensions:
            if isinstance(extension.value, x509.CRLReason):
                reason = extension.value.reason.value
            elif isinstance(extension.value, x509.CertificateIssuer):
                named = extension.value.get_values_for_type(x509.DirectoryName)
                issuer = names.display(named[0]) if named else ""
        yield Row(issuer, f"{entry.serial_number:x}", entry.revocation_date_utc, reason, number)
