"""The first bytes of a certificate: serial number, validity and subject (RFC 5280 §4.1).

A card gives a certificate in parts, each an exchange that takes its time; the subject comes
before the public key and the extensions, in the first few hundred bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...errors import UnreadableError
from ...messages import tr
from .der import SEQUENCE
from .names import PARSE_ERRORS, Attributes

MAX_SUBJECT_END = 8 * 1024
_MORE = 256  # bytes to read on when those read so far don't tell
_VERSION = 0xA0
_FIELDS_BEFORE = 4  # serialNumber, signature, issuer, validity; version comes first, optional


def subject_end(start: bytes) -> int:
    """How many first bytes of a DER certificate reach to the end of its subject.

    ``start`` are those at hand. When they don't tell yet the answer is some more than they
    are, never beyond the certificate. Raises UnreadableError when they begin no certificate,
    or one whose subject ends after 8 KiB.
    """
    return _fields(start)[1]


@dataclass(frozen=True)
class Beginning:
    """What a certificate says before its public key. ``subject``: ``{OID: (values)}``."""

    serial_number: int
    not_before: datetime
    not_after: datetime
    subject: Attributes


def parse_beginning(start: bytes) -> Beginning:
    """Read ``subject_end`` bytes or more of a certificate. Raises UnreadableError."""
    from asn1crypto.core import Integer
    from asn1crypto.x509 import Name, Validity

    fields, end = _fields(start)
    if len(fields) <= _FIELDS_BEFORE or end > len(start):
        raise UnreadableError(tr("the certificate is cut before the end of its subject"))
    serial, _, _, validity, subject = (start[begin:stop] for begin, _, stop in fields)
    try:
        dates = Validity.load(validity, strict=True)
        return Beginning(
            serial_number=Integer.load(serial, strict=True).native,
            not_before=dates["not_before"].native,
            not_after=dates["not_after"].native,
            subject=_attributes(Name.load(subject, strict=True)),
        )
    except PARSE_ERRORS as error:
        raise UnreadableError(tr("the certificate can't be read: {error}", error=error)) from None


def _attributes(name: Any) -> Attributes:
    found: Attributes = {}
    for rdn in name.chosen:
        for item in rdn:
            oid, value = item["type"].dotted, str(item["value"].native)
            found[oid] = (*found.get(oid, ()), value)
    return found


def _fields(start: bytes) -> tuple[list[tuple[int, int, int]], int]:
    """(offset, content start, end) of serialNumber … subject, and where the subject ends.

    While the headers at hand don't reach that far, there are fewer fields, and the end is
    some bytes further on.
    """
    certificate = _header(start, 0)
    body = certificate and _header(start, certificate[1])
    if any(found and found[0] != SEQUENCE for found in (certificate, body)):
        raise UnreadableError(tr("that is not the beginning of a certificate"))
    if not certificate or not body:
        return [], len(start) + _MORE
    position, whole = body[1], certificate[2]
    fields: list[tuple[int, int, int]] = []
    while len(fields) <= _FIELDS_BEFORE and (header := _header(start, position)):
        tag, content, end = header
        if tag != _VERSION or fields:
            fields.append((position, content, end))
        position = end
    if position > min(MAX_SUBJECT_END, whole):
        raise UnreadableError(tr("the subject of a certificate is not where it should be"))
    if len(fields) > _FIELDS_BEFORE:
        return fields, position
    return fields, min(max(position, len(start)) + _MORE, whole)


def _header(data: bytes, position: int) -> tuple[int, int, int] | None:
    """Tag, content start and end of an element, None when its header isn't within ``data``."""
    if position + 2 > len(data):
        return None
    tag, length, content = data[position], data[position + 1], position + 2
    if length & 0x80:
        octets = length & 0x7F
        if not 1 <= octets <= 4:
            raise UnreadableError(tr("a length in the certificate is out of bounds"))
        if content + octets > len(data):
            return None
        length, content = int.from_bytes(data[content : content + octets]), content + octets
    return tag, content, content + length
