"""The PKCS#12 file that the platform delivers with a key of its own making (platform.md §3).

As observed: the key under pbeWithSHA1And3-KeyTripleDES-CBC, leaf, intermediate and root in
clear, MAC HMAC-SHA1, 2048 iterations, localKeyId on key and leaf. Old algorithms, kept
because they are what integrators receive (RFC 7292; key derivation in appendix B.2).
``cryptography`` can't leave the certificates in clear, hence this module.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from asn1crypto import algos, cms, core, keys
from asn1crypto import pkcs12 as der
from asn1crypto import x509 as der_x509
from cryptography import x509
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

ITERATIONS = 2048
_KEY, _IV, _MAC = 1, 2, 3  # the purposes of RFC 7292 appendix B.3
_SHA1_BLOCK = 64


def platform_pkcs12(
    key: rsa.RSAPrivateKey,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    password: str,
) -> bytes:
    """The file as the real platform makes it, old algorithms and clear certificates."""
    local_key_id = hashlib.sha1(certificate.public_bytes(Encoding.DER)).digest()  # noqa: S324
    leaf = _certificate_bag(certificate)
    leaf["bag_attributes"] = _local_key_id(local_key_id)
    bags = [leaf, *(_certificate_bag(issuer) for issuer in chain)]
    key_bag = _key_bag(key, password)
    key_bag["bag_attributes"] = _local_key_id(local_key_id)
    safes = (der.SafeContents(bags), der.SafeContents([key_bag]))
    content = der.AuthenticatedSafe([_data_of(safe.dump()) for safe in safes]).dump()
    salt = secrets.token_bytes(8)
    mac_key = derive(password, salt, _MAC, 20)
    mac = {
        "mac": {
            "digest_algorithm": {"algorithm": "sha1"},
            "digest": hmac.new(mac_key, content, hashlib.sha1).digest(),
        },
        "mac_salt": salt,
        "iterations": ITERATIONS,
    }
    pfx = der.Pfx({"version": "v3", "auth_safe": _data_of(content), "mac_data": mac})
    return bytes(pfx.dump())


def modern_pkcs12(
    key: rsa.RSAPrivateKey,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    password: str,
) -> bytes:
    """The same content under today's algorithms."""
    protection = BestAvailableEncryption(password.encode())
    return pkcs12.serialize_key_and_certificates(None, key, certificate, chain, protection)


def derive(password: str, salt: bytes, purpose: int, length: int) -> bytes:
    """Key derivation of RFC 7292 appendix B.2 with SHA-1."""
    diversifier = bytes([purpose]) * _SHA1_BLOCK
    text = (password + "\0").encode("utf-16-be")
    block = _repeated(salt) + _repeated(text)
    derived = b""
    while len(derived) < length:
        digest = diversifier + block
        for _ in range(ITERATIONS):
            digest = hashlib.sha1(digest).digest()  # noqa: S324 - what the format demands
        derived += digest
        addend = int.from_bytes((digest * 4)[:_SHA1_BLOCK], "big") + 1
        block = b"".join(
            ((int.from_bytes(block[i : i + _SHA1_BLOCK], "big") + addend) % (1 << 512)).to_bytes(
                _SHA1_BLOCK, "big"
            )
            for i in range(0, len(block), _SHA1_BLOCK)
        )
    return derived[:length]


def _repeated(data: bytes) -> bytes:
    size = -(-len(data) // _SHA1_BLOCK) * _SHA1_BLOCK
    return (data * (size // len(data) + 1))[:size]


def _key_bag(key: rsa.RSAPrivateKey, password: str) -> der.SafeBag:
    salt = secrets.token_bytes(8)
    cipher = Cipher(
        TripleDES(derive(password, salt, _KEY, 24)), modes.CBC(derive(password, salt, _IV, 8))
    ).encryptor()
    padder = padding.PKCS7(64).padder()
    clear = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    encrypted = cipher.update(padder.update(clear) + padder.finalize()) + cipher.finalize()
    value = keys.EncryptedPrivateKeyInfo(
        {
            "encryption_algorithm": algos.EncryptionAlgorithm(
                {
                    "algorithm": "pkcs12_sha1_tripledes_3key",
                    "parameters": algos.Pbes1Params({"salt": salt, "iterations": ITERATIONS}),
                }
            ),
            "encrypted_data": encrypted,
        }
    )
    return der.SafeBag({"bag_id": "pkcs8_shrouded_key_bag", "bag_value": value})


def _certificate_bag(certificate: x509.Certificate) -> der.SafeBag:
    encoded = der_x509.Certificate.load(certificate.public_bytes(Encoding.DER))
    value = der.CertBag({"cert_id": "x509", "cert_value": core.ParsableOctetString(encoded.dump())})
    return der.SafeBag({"bag_id": "cert_bag", "bag_value": value})


def _local_key_id(identifier: bytes) -> der.Attributes:
    values = der.SetOfOctetString([core.OctetString(identifier)])
    return der.Attributes([der.Attribute({"type": "local_key_id", "values": values})])


def _data_of(content: bytes) -> cms.ContentInfo:
    return cms.ContentInfo({"content_type": "data", "content": core.OctetString(content)})
