"""Writing BER-TLV and DER data objects (ISO/IEC 7816-4 §5.2.2, X.690), for a card's files."""

from __future__ import annotations


def tlv(tag: int, *parts: bytes) -> bytes:
    """One data object: ``tag`` as its bytes read (0x30, 0x7F41, 0xBF8101), parts joined."""
    value = b"".join(parts)
    return tag.to_bytes((tag.bit_length() + 7) // 8) + _length(len(value)) + value


def utf8(text: str) -> bytes:
    """A UTF8String."""
    return tlv(0x0C, text.encode())


def octets(value: bytes) -> bytes:
    """An OCTET STRING."""
    return tlv(0x04, value)


def integer(value: int) -> bytes:
    """A positive INTEGER: 0x81 is ``02 02 00 81``."""
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1))


def bit_string(*bits: int) -> bytes:
    """A named BIT STRING without trailing zero bits; bit 0 comes first (X.690 §11.2.2)."""
    used = max(bits, default=-1) + 1
    size = -(-used // 8)
    value = sum(1 << (8 * size - 1 - bit) for bit in bits)
    return tlv(0x03, bytes([8 * size - used]), value.to_bytes(size))


def _length(size: int) -> bytes:
    if size < 0x80:
        return bytes([size])
    digits = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([0x80 | len(digits)]) + digits
