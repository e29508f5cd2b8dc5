"""One entry of a list in 28 octets, as an index keeps it.

The serial number in 20 octets (big-endian, two's complement), the date as ``YYYYMMDDhhmmss``
in 7 octets of two digits, and the reason code plus one, or 0 when there is none.
"""

from __future__ import annotations

from datetime import datetime
from struct import Struct

from ...errors import UnreadableError
from ...messages import tr
from ..x509.certificate_list import Revocation

SERIAL = 20  # octets: RFC 5280 §4.1.2.2 allows no longer serial number
RECORD = SERIAL + 7 + 1
RECORDS = Struct(f"{RECORD}s")

_REASONS = (
    *(None, "unspecified", "keyCompromise", "cACompromise", "affiliationChanged"),
    *("superseded", "cessationOfOperation", "certificateHold", None, "removeFromCRL"),
    *("privilegeWithdrawn", "aACompromise"),
)


def revocation(record: bytes) -> Revocation:
    """What a record says. Raises UnreadableError for one whose date is none (31 April)."""
    digits = record[SERIAL : SERIAL + 7].hex()
    try:
        date = datetime.fromisoformat(f"{digits[:8]}T{digits[8:]}Z")
    except ValueError:
        raise UnreadableError(
            tr("an entry of the CRL has no date: {digits}", digits=digits)
        ) from None
    return Revocation(int.from_bytes(record[:SERIAL], signed=True), date, _REASONS[record[-1]])
