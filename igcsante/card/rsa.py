"""RSA encodings that a card leaves to its host: RFC 8017 §7.2 and §9.2."""

from __future__ import annotations

import hmac

from ..credentials import DIGEST_INFO, RsaScheme
from ..errors import CardError
from ..messages import tr

_MIN_FILL = 8


def digest_info(digest: bytes, scheme: RsaScheme) -> bytes:
    """The DER DigestInfo of a digest by the scheme's hash."""
    return DIGEST_INFO[scheme.hash_name] + digest


def signature_block(digest: bytes, scheme: RsaScheme, size: int) -> bytes:
    """The EMSA-PKCS1-v1_5 encoding in ``size`` bytes. Raises CardError when it can't fit."""
    info = digest_info(digest, scheme)
    fill = size - len(info) - 3
    if fill < _MIN_FILL:
        raise CardError(tr("the key is too short for this hash"))
    return b"\x00\x01" + b"\xff" * fill + b"\x00" + info


def encryption_message(block: bytes) -> bytes:
    """The message in an EME-PKCS1-v1_5 block (type 2).

    Raises CardError, the same for every defect. Python can't promise constant time: don't
    decipher for strangers who may ask many times (RFC 8017 §7.2.2, note).
    """
    separator = block.find(0, 2)
    well_formed = hmac.compare_digest(block[:2], b"\x00\x02") & (separator >= 2 + _MIN_FILL)
    if not well_formed:
        raise CardError(tr("the ciphertext can't be deciphered"))
    return block[separator + 1 :]
