"""The private keys of a simulated card and what they do: RFC 8017 on one RSA block.

The card pads and strips by itself, or works on the raw block, as its generation does
(facts sheet card.md §6).
"""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

from .status import StatusError

# DigestInfo without its digest (RFC 8017 §9.2, note 1).
_DIGEST_INFO = {
    "sha1": bytes.fromhex("3021300906052B0E03021A05000414"),
    "sha256": bytes.fromhex("3031300D060960864801650304020105000420"),
}
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),  # noqa: S303 - CPx cards still offer it
    "sha256": hashes.SHA256(),
}


class CardKey:
    """An RSA key on a card, of the application at that path.

    ``role`` is ``signature``, ``authentication``, or ``technical``, which needs no PIN.
    """

    def __init__(self, role: str, private_key: rsa.RSAPrivateKey, application: bytes) -> None:
        self.role = role
        self.application = application
        self._key = private_key
        self._numbers = private_key.private_numbers()
        self.size = private_key.key_size // 8

    def raw(self, block: bytes) -> bytes:
        """RSADP on one block. Raises StatusError 6A80 when it isn't a block of this key."""
        n = self._numbers
        value = int.from_bytes(block)
        if len(block) != self.size or value >= n.public_numbers.n:
            raise StatusError(0x6A80)
        mod_p, mod_q = pow(value, n.dmp1, n.p), pow(value, n.dmq1, n.q)
        return (mod_q + (mod_p - mod_q) * n.iqmp % n.p * n.q).to_bytes(self.size)

    def sign_padded(self, content: bytes) -> bytes:
        """``content`` under PKCS#1 type 1 padding; at most 40 % of the modulus (§6.2)."""
        if not 0 < len(content) <= self.size * 2 // 5:
            raise StatusError(0x6700)
        return self.raw(b"\x00\x01" + b"\xff" * (self.size - len(content) - 3) + b"\x00" + content)

    def sign_pkcs1(self, digest: bytes, hash_name: str) -> bytes:
        """RSASSA-PKCS1-v1_5 of a digest. Raises StatusError 6A80 for a wrong length."""
        _check_digest(digest, hash_name)
        return self.sign_padded(_DIGEST_INFO[hash_name] + digest)

    def sign_pss(self, digest: bytes, hash_name: str) -> bytes:
        """RSASSA-PSS of a digest: MGF1 with the same hash, salt as long as the digest."""
        _check_digest(digest, hash_name)
        algorithm = _HASHES[hash_name]
        pss = padding.PSS(padding.MGF1(algorithm), padding.PSS.DIGEST_LENGTH)
        return self._key.sign(digest, pss, utils.Prehashed(algorithm))

    def decipher(self, block: bytes) -> bytes:
        """The message under PKCS#1 type 2 padding. Raises StatusError 6A80."""
        plain = self.raw(block)
        end = plain.find(b"\x00", 2)
        if plain[:2] != b"\x00\x02" or end < 10:
            raise StatusError(0x6A80)
        return plain[end + 1 :]


def _check_digest(digest: bytes, hash_name: str) -> None:
    if len(digest) != _HASHES[hash_name].digest_size:
        raise StatusError(0x6A80)
