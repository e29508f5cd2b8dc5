"""DER elements, just enough to slice signed octets out of a structure (X.690 §8.1, §10.1).

``cryptography`` re-encodes what it parsed; a signature is checked over the octets that
were received.
"""

from __future__ import annotations

INTEGER, BIT_STRING, OCTET_STRING, OID, SEQUENCE = 0x02, 0x03, 0x04, 0x06, 0x30
TIMES = UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
MAX_OID_OCTETS = 64


def element(data: bytes, offset: int = 0) -> tuple[int, int, int]:
    """Tag, content start and end of the element at ``offset``. Raises ValueError.

    One-octet tags and definite lengths only, within ``data``.
    """
    if offset + 2 > len(data):
        raise ValueError("truncated element")
    tag, length, start = data[offset], data[offset + 1], offset + 2
    if tag & 0x1F == 0x1F:
        raise ValueError("multi-octet tag")
    if length & 0x80:
        octets = length & 0x7F
        if not 1 <= octets <= 4 or start + octets > len(data):
            raise ValueError("length out of bounds")
        length, start = int.from_bytes(data[start : start + octets]), start + octets
    end = start + length
    if end > len(data):
        raise ValueError("truncated element")
    return tag, start, end


def children(data: bytes, start: int, end: int, limit: int) -> list[tuple[int, int, int, int]]:
    """(tag, offset, content start, end) of the first ``limit`` elements within [start, end)."""
    found: list[tuple[int, int, int, int]] = []
    offset = start
    while offset < end and len(found) < limit:
        tag, content, stop = element(data, offset)
        if stop > end:
            raise ValueError("element longer than what holds it")
        found.append((tag, offset, content, stop))
        offset = stop
    return found


def signed_part(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Of a SEQUENCE {toBeSigned, algorithm, signature}: the elements of the first two, and
    the octets of the signature. Raises ValueError, also for a signature with unused bits:
    what no signature covers must have one form only.
    """
    tag, start, end = element(data)
    parts = children(data, start, end, 4)
    if tag != SEQUENCE or end != len(data) or len(parts) != 3:
        raise ValueError("not a signed structure")
    signed, algorithm, (kind, _, content, stop) = parts
    if kind != BIT_STRING or content == stop or data[content] != 0:
        raise ValueError("the signature is not a string of whole octets")
    return data[signed[1] : signed[3]], data[algorithm[1] : algorithm[3]], data[content + 1 : stop]


def encoded(tag: int, content: bytes) -> bytes:
    """The element of that tag and content, of less than 4 GiB."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(octets))) + octets + content


def object_identifier(content: bytes) -> str:
    """The dotted form of the content of an OBJECT IDENTIFIER (X.690 §8.19). Raises ValueError."""
    if not 1 <= len(content) <= MAX_OID_OCTETS or content[-1] & 0x80:
        raise ValueError("not an object identifier")
    arcs = [0]
    for octet in content:
        if arcs[-1] == 0 and octet == 0x80:
            raise ValueError("an object identifier with a padded arc")
        arcs[-1] = arcs[-1] << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(0)
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:-1])))
