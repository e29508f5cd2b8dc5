"""What a leaf has in common with others of its CA, read off its DER octets (RFC 5280 §4.1).

Certificates of one product differ in serial number, dates, holder and key; but for what these
four decide, a check decides the same for all of them. :class:`LeafReader` tells apart what is
a leaf's own and what it is ``like``. It reads common layouts only, and says None to any other.
"""

from __future__ import annotations

from typing import NamedTuple

from ..x509 import der

_MAX_REMEMBERED = 1024
_LAYOUTS_PER_LENGTH = 16

_VERSION_3 = bytes.fromhex("a003020102")
_EXTENSIONS, _SET = 0xA3, 0x31
_UTF8, _PRINTABLE = 0x0C, 0x13
_ATTRIBUTE = bytes.fromhex("06035504")  # 2.5.4.x
_PERSON = frozenset(bytes.fromhex(oid) for oid in ("0603550404", "060355042a", "060355040c"))

_RSA_HEADER = 33  # octets before the modulus, for keys of 1024 to 32768 bits
_RSA = bytes.fromhex("300d06092a864886f70d0101010500")
_EXPONENT = bytes.fromhex("0203010001")

_KEY_ID = bytes.fromhex("301d0603551d0e04160414")  # subject key identifier of 20 octets
_KEY_ID_OCTETS = 20
_ALTERNATIVE_NAMES = bytes.fromhex("0603551d1104")  # not critical
_MAIL, _DNS, _OTHER = 0x81, 0x82, 0xA0
_UPN = bytes.fromhex("060a2b060104018237140203a0")
# Card type, card number, profession, specialty (pki.md §3.2), not critical: no check reads them.
_PASSED_OVER = frozenset(
    bytes.fromhex(oid)
    for oid in (
        "06082a817a014701020204",
        "06082a817a014701020304",
        "06082a817a014701020704",
        "06082a817a014704020504",
    )
)
_PASSED_OVER_OCTETS = 11


Likeness = tuple[bytes, ...]


class Leaf(NamedTuple):
    """The parts of a certificate that its check looks at.

    ``like`` is equal for leaves about which all is decided alike, but for these parts and the
    dates. ``key`` is a SubjectPublicKeyInfo, DER; ``signed`` is what the signature covers.
    """

    signed: bytes
    signature: bytes
    serial: int
    key: bytes
    like: tuple[bytes, bytes, bytes, bool, Likeness]


class LeafReader:
    """Reads leaves; what was read of one helps with the next that is like it."""

    def __init__(self) -> None:
        self._names: set[bytes] = set()
        self._layouts: dict[int, list[_Layout]] = {}
        self._room = _MAX_REMEMBERED

    def read(self, octets: bytes) -> Leaf | None:
        """The parts of a certificate (DER), None when its layout is not a common one."""
        try:
            return self._read(octets)
        except (ValueError, IndexError):
            return None

    def _read(self, octets: bytes) -> Leaf | None:
        signed_at = _start(octets, 0)
        at = _start(octets, signed_at)
        signed_end = _end(octets, signed_at)
        if octets[at : at + 5] != _VERSION_3 or octets[at + 5] != der.INTEGER:
            return None
        serial_at, at = at + 7, _end(octets, at + 5)
        serial = int.from_bytes(octets[serial_at:at], signed=True)
        algorithm_at, issuer_at = at, _end(octets, at)
        algorithm = octets[algorithm_at:issuer_at]
        validity_at = _end(octets, issuer_at)
        subject_at = _end(octets, validity_at)
        key_at = _end(octets, subject_at)
        extensions_at = _end(octets, key_at)
        signature_at = signed_end + len(algorithm)
        if (
            serial <= 0
            or serial_at + 20 < at
            or octets[extensions_at] != _EXTENSIONS
            or _end(octets, extensions_at) != signed_end
            or octets[signed_end:signature_at] != algorithm
            or octets[signature_at] != der.BIT_STRING
            or _end(octets, signature_at) != len(octets)
        ):
            return None
        content = _start(octets, signature_at)
        person = self._is_person(octets[subject_at:key_at])
        key = octets[key_at:extensions_at]
        extensions = self._read_extensions(octets[extensions_at:signed_end])
        if (
            octets[content] != 0
            or person is None
            or extensions is None
            or key[4:19] != _RSA
            or not key[_RSA_HEADER] & 0x80
            or not key[-6] & 1
            or key[-5:] != _EXPONENT
        ):
            return None
        return Leaf(
            octets[signed_at:signed_end],
            octets[content + 1 :],
            serial,
            key,
            (
                algorithm,
                octets[issuer_at:validity_at],
                key[:_RSA_HEADER],
                person,
                extensions,
            ),
        )

    def _is_person(self, name: bytes) -> bool | None:
        """Whether a name is laid out as a person's; None when it may be unreadable."""
        person, at = False, _start(name, 0)
        while at < len(name):
            start, at = at, _end(name, at)
            part = name[start:at]
            if part in self._names:
                continue
            known = _is_person_in(part)
            if known is None:
                return None
            if known:
                person = True
            elif len(self._names) < _MAX_REMEMBERED:
                self._names.add(part)
        return person if at == len(name) else None

    def _read_extensions(self, octets: bytes) -> Likeness | None:
        """What they decide, one by one; None when they may be unreadable."""
        known = self._layouts.setdefault(len(octets), [])
        for layout in known:
            if layout.fits(octets):
                return layout.like
        new = _layout_of(octets)
        if new is None:
            return None
        if self._room and len(known) < _LAYOUTS_PER_LENGTH:
            self._room -= 1
            known.append(new)
        return new.like


class _Layout(NamedTuple):
    """Extensions of which some octets are a certificate's own: those between ``fixed`` parts.

    ``fixed`` are (start, end, octets), with all tags and lengths of what is not in ``names``,
    the places of alternative names.
    """

    fixed: tuple[tuple[int, int, bytes], ...]
    names: tuple[tuple[int, int], ...]
    like: Likeness

    def fits(self, octets: bytes) -> bool:
        """Of octets as long as those that the layout is of."""
        for start, end, wanted in self.fixed:
            if octets[start:end] != wanted:
                return False
        return all(_are_plain(octets, start, end) for start, end in self.names)


def _layout_of(octets: bytes) -> _Layout | None:
    found, names, own = list[bytes](), list[tuple[int, int]](), list[tuple[int, int]]()
    at = _start(octets, _start(octets, 0))
    while at < len(octets):
        start, at = at, _end(octets, at)
        extension = octets[start:at]
        content = _start(extension, 0)
        oid = extension[content : content + _PASSED_OVER_OCTETS]
        if extension[: len(_KEY_ID)] == _KEY_ID:
            extension = _KEY_ID
            own.append((start + len(_KEY_ID), at))
        elif oid in _PASSED_OVER:
            extension = oid
            own.append((_start(octets, start + content + len(oid) - 1), at))
        elif oid[:6] == _ALTERNATIVE_NAMES:
            value = _start(octets, start + content + 5)
            if not _are_plain(octets, value, at):
                return None
            extension = _ALTERNATIVE_NAMES
            own.append((value, at))
            names.append((value, at))
        found.append(extension)
    if at != len(octets):
        return None
    edges = zip([0, *(end for _, end in own)], [*(start for start, _ in own), at], strict=True)
    fixed = tuple((start, end, octets[start:end]) for start, end in edges)
    return _Layout(fixed, tuple(names), tuple(found))


def _is_person_in(part: bytes) -> bool | None:
    """The same of one RelativeDistinguishedName."""
    kinds, at = set[bytes](), 2
    if part[0] != _SET or _start(part, 0) != at:
        return None
    while at < len(part):
        start, at = at, at + 2 + part[at + 1]
        value = part[start + 9 : at]
        if (
            part[start] != der.SEQUENCE
            or part[start + 2 : start + 6] != _ATTRIBUTE
            or part[start + 6] & 0x80
            or part[start + 8] != len(value)
            or not value
            or not _is_text(part[start + 7], value)
            or part[start + 2 : start + 7] in kinds
        ):
            return None
        kinds.add(part[start + 2 : start + 7])
    return bool(kinds & _PERSON) if kinds and at == len(part) else None


def _is_text(kind: int, value: bytes) -> bool:
    """Raises ValueError when it is no UTF-8."""
    return value.isascii() if kind == _PRINTABLE else kind == _UTF8 and bool(value.decode())


def _are_plain(names: bytes, at: int, end: int) -> bool:
    """Whether general names are such that everyone can read: mail, DNS, user principal names."""
    if names[at] != der.SEQUENCE or _end(names, at) != end:
        return False
    at = _start(names, at)
    while at < end:
        kind, content = names[at], _start(names, at)
        at = _end(names, at)
        if kind == _OTHER:
            value = content + len(_UPN) - 1
            inner = _start(names, value)
            plain = names[content : value + 1] == _UPN and names[inner] == _UTF8
            if not plain or not _end(names, value) == at == _end(names, inner):
                return False
        elif kind not in (_MAIL, _DNS) or not names[content:at].isascii():
            return False
    return at == end


def _start(octets: bytes, at: int) -> int:
    """Where the content of the element at ``at`` starts. Raises IndexError, ValueError."""
    size = octets[at + 1]
    if size < 0x80:
        return at + 2
    if size == 0x81:
        return at + 3
    if size == 0x82:
        return at + 4
    raise ValueError("a long element")


def _end(octets: bytes, at: int) -> int:
    """Where it ends, by its length alone. Raises IndexError, ValueError."""
    size = octets[at + 1]
    if size < 0x80:
        return at + 2 + size
    if size == 0x81:
        return at + 3 + octets[at + 2]
    if size == 0x82:
        return at + 4 + (octets[at + 2] << 8 | octets[at + 3])
    raise ValueError("a long element")
