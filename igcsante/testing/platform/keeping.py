"""How the mock keeps what must stay secret (platform.md §7.5).

The revocation code: only its scrypt hash (RFC 7914). The password of a key made here: not
at all, the key is encrypted with it, so that a lost password means a new order.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_der_private_key,
)

SALT_BYTES = 16
_COST, _BLOCK, _PARALLEL = 2**14, 8, 1


def hash_code(code: str) -> bytes:
    """Salt and scrypt hash of a revocation code."""
    salt = secrets.token_bytes(SALT_BYTES)
    return salt + _scrypt(code, salt)


def code_matches(code: str, kept: bytes) -> bool:
    """Whether ``code`` is the one that :func:`hash_code` was given."""
    salt, digest = kept[:SALT_BYTES], kept[SALT_BYTES:]
    return hmac.compare_digest(_scrypt(code, salt), digest)


def lock_key(key: rsa.RSAPrivateKey, password: str) -> bytes:
    """A private key that only ``password`` opens (PKCS#8)."""
    protection = BestAvailableEncryption(password.encode())
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, protection)


def unlock_key(locked: bytes, password: str) -> rsa.RSAPrivateKey | None:
    """The key, or None when the password is wrong."""
    try:
        key = load_der_private_key(locked, password.encode())
    except ValueError:
        return None
    return key if isinstance(key, rsa.RSAPrivateKey) else None


def _scrypt(code: str, salt: bytes) -> bytes:
    return hashlib.scrypt(code.encode(), salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL)
