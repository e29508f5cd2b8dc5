"""Entries of one size, turned into records by columns: the n-th octets of all are one slice.

What :mod:`.scan` is quick by, with the standard library alone, or with numpy (extra
``[fast]``) when the list is long enough to pay for its import. Both give the same records.
"""

from __future__ import annotations

from ..x509 import der
from ..x509.der import GENERALIZED_TIME, UTC_TIME
from .record import RECORD, SERIAL

REASON_CODES = frozenset({0, 1, 2, 3, 4, 5, 6, 8, 9, 10})  # RFC 5280 §5.3.1

_TENS = bytes((digit - 0x30) % 16 << 4 for digit in range(256))
_UNITS = bytes((digit - 0x30) % 16 for digit in range(256))
_CENTURY = bytes(0x19 if pair >= 0x50 else 0x20 for pair in range(256))  # RFC 5280 §4.1.2.5.1
_SIGN = bytes(0xFF if octet & 0x80 else 0 for octet in range(256))
_NEXT = bytes((octet + 1) % 256 for octet in range(256))
_TWO_DIGITS = [bytes([number // 10 << 4 | number % 10]) for number in range(100)]
_IN_RANGE = [
    b"".join(_TWO_DIGITS[first:last])
    for first, last in ((1, 13), (1, 32), (0, 24), (0, 60), (0, 60))  # from months to seconds
]
_REASON_EXTENSION = bytes.fromhex("300a0603551d1504030a01")
_DATE_EXTENSION = bytes.fromhex("30180603551d180411180f")
_KNOWN_REASONS = bytes(REASON_CODES)


class Columns:
    """Entries of one size: a column is the n-th octet of each."""

    def __init__(self, block: bytes, size: int) -> None:
        self._block, self._size = block, size
        self.count = len(block) // size

    def records(self) -> bytearray | None:
        """The records of entries that all have one of the known shapes, else None.

        Known: serial and date, then nothing, a reason, an invalidity date, or both in that
        order.
        """
        length = self._block[3] if self._size > 4 else 0
        date = 4 + length
        if not 1 <= length <= SERIAL or date + 2 > self._size:
            return None
        if not self._are(0, bytes((der.SEQUENCE, self._size - 2, der.INTEGER, length))):
            return None
        kind = self._block[date]
        digits = {UTC_TIME: 12, GENERALIZED_TIME: 14}.get(kind, 0)
        after = date + 2 + digits + 1
        if not digits or after > self._size or not self._are(date, bytes((kind, digits + 1))):
            return None
        made = bytearray(self.count * RECORD)
        if not (
            self._are(after - 1, b"Z")
            and self._reasons(after, made)
            and self._dates(date + 2, digits, made)
        ):
            return None
        self._serials(length, made)
        return made

    def _at(self, offset: int) -> bytes:
        return self._block[offset :: self._size]

    def _are(self, offset: int, expected: bytes) -> bool:
        """Whether all the entries have these octets there."""
        return all(
            self._at(place) == self.count * bytes((octet,))
            for place, octet in enumerate(expected, offset)
        )

    def _serials(self, length: int, made: bytearray) -> None:
        for place in range(length):
            made[SERIAL - length + place :: RECORD] = self._at(4 + place)
        if length < SERIAL and not self._at(4).isascii():  # there are negative ones
            sign = self._at(4).translate(_SIGN)
            for place in range(SERIAL - length):
                made[place::RECORD] = sign

    def _dates(self, offset: int, digits: int, made: bytearray) -> bool:
        """Whether all are dates; their time of day and month are checked, not the 31 April."""
        pairs = []
        for place in range(offset, offset + digits, 2):
            tens, units = self._at(place), self._at(place + 1)
            if not (tens + units).isdigit():
                return False
            both = int.from_bytes(tens.translate(_TENS)) | int.from_bytes(units.translate(_UNITS))
            pairs.append(both.to_bytes(self.count))
        if digits == 12:
            pairs.insert(0, pairs[0].translate(_CENTURY))
        for pair, allowed in zip(pairs[2:], _IN_RANGE, strict=True):
            if pair.translate(None, allowed):
                return False
        for place, pair in enumerate(pairs):
            made[SERIAL + place :: RECORD] = pair
        return True

    def _reasons(self, offset: int, made: bytearray) -> bool:
        """Whether what follows the date is nothing or known extensions; takes the reasons."""
        left = self._size - offset
        if not left:
            return True
        if not self._are(offset, bytes((der.SEQUENCE, left - 2))):
            return False
        offset += 2
        if left in (14, 40):
            codes = self._at(offset + len(_REASON_EXTENSION))
            if not self._are(offset, _REASON_EXTENSION) or codes.translate(None, _KNOWN_REASONS):
                return False
            made[RECORD - 1 :: RECORD] = codes.translate(_NEXT)
            offset += 12
        if left in (28, 40):
            end = self._size - 1
            invalid = b"".join(self._at(place) for place in range(end - 14, end))
            return self._are(offset, _DATE_EXTENSION) and self._are(end, b"Z") and invalid.isdigit()
        return left == 14
