"""A key that only a signer can use signs what any other key signs, and never comes out."""

from __future__ import annotations

import copy
import hashlib
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.x509.oid import NameOID

from igcsante.credentials import (
    SOFTWARE_SCHEMES,
    ExternalRsaKey,
    RsaScheme,
    cryptography_padding,
    hash_algorithm,
)
from igcsante.errors import CardError, PinRequiredError


class Signer:
    def __init__(self, key: rsa.RSAPrivateKey, *schemes: RsaScheme) -> None:
        self.key, self.schemes = key, frozenset(schemes)
        self.used: list[tuple[bytes, RsaScheme]] = []

    def sign_digest(self, digest: bytes, scheme: RsaScheme) -> bytes:
        self.used.append((digest, scheme))
        return self.key.sign(
            digest, cryptography_padding(scheme), utils.Prehashed(hash_algorithm(scheme))
        )

    def decipher(self, ciphertext: bytes) -> bytes:
        return self.key.decrypt(ciphertext, padding.PKCS1v15())


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def external(key: rsa.RSAPrivateKey, *schemes: RsaScheme) -> ExternalRsaKey:
    return ExternalRsaKey(key.public_key(), Signer(key, *schemes))


@pytest.mark.parametrize("pss", [False, True])
def test_signs_a_certificate_request_that_openssl_verifies(
    key: rsa.RSAPrivateKey, tmp_path: Path, pss: bool
) -> None:
    scheme = RsaScheme.PSS_SHA256 if pss else RsaScheme.PKCS1_SHA256
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")]))
        .sign(
            external(key, scheme),
            hashes.SHA256(),
            rsa_padding=padding.PSS(padding.MGF1(hashes.SHA256()), 32) if pss else None,
        )
    )
    assert request.is_signature_valid
    path = tmp_path / "request.pem"
    path.write_bytes(request.public_bytes(serialization.Encoding.PEM))
    done = subprocess.run(
        ["openssl", "req", "-in", path, "-verify", "-noout"], capture_output=True, check=True
    )
    assert b"verify OK" in done.stdout + done.stderr


@pytest.mark.parametrize("scheme", sorted(SOFTWARE_SCHEMES, key=lambda scheme: scheme.name))
def test_every_scheme_verifies_with_the_public_key(
    key: rsa.RSAPrivateKey, scheme: RsaScheme
) -> None:
    algorithm, pad = hash_algorithm(scheme), cryptography_padding(scheme)
    signing = external(key, scheme)
    signature = signing.sign(b"data", pad, algorithm)
    signing.public_key().verify(signature, b"data", pad, algorithm)
    digest = hashlib.new(scheme.hash_name, b"data").digest()
    signature = signing.sign(digest, pad, utils.Prehashed(algorithm))
    signing.public_key().verify(signature, b"data", pad, algorithm)


def test_the_signer_gets_the_digest_only(key: rsa.RSAPrivateKey) -> None:
    signer = Signer(key, RsaScheme.PKCS1_SHA256)
    ExternalRsaKey(key.public_key(), signer).sign(b"data", padding.PKCS1v15(), hashes.SHA256())
    assert signer.used == [(hashlib.sha256(b"data").digest(), RsaScheme.PKCS1_SHA256)]


@pytest.mark.parametrize(
    ("pad", "algorithm"),
    [
        (padding.PKCS1v15(), hashes.SHA512()),  # a scheme that this key has not
        (padding.PKCS1v15(), hashes.MD5()),  # noqa: S303
        (padding.PKCS1v15(), utils.NoDigestInfo()),
        (padding.PSS(padding.MGF1(hashes.SHA256()), 20), hashes.SHA256()),
        (padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH), hashes.SHA256()),
        (padding.PSS(padding.MGF1(hashes.SHA1()), 32), hashes.SHA256()),  # noqa: S303
        (padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None), hashes.SHA256()),
    ],
)
def test_what_the_key_can_not_do_never_reaches_the_signer(
    key: rsa.RSAPrivateKey, pad: padding.AsymmetricPadding, algorithm: hashes.HashAlgorithm
) -> None:
    signer = Signer(key, RsaScheme.PKCS1_SHA256, RsaScheme.PSS_SHA256)
    with pytest.raises(CardError):
        ExternalRsaKey(key.public_key(), signer).sign(b"data", pad, algorithm)
    assert signer.used == []


def test_digest_of_the_wrong_length_is_refused(key: rsa.RSAPrivateKey) -> None:
    with pytest.raises(CardError, match="32 bytes"):
        external(key, RsaScheme.PKCS1_SHA256).sign(
            b"short", padding.PKCS1v15(), utils.Prehashed(hashes.SHA256())
        )


def test_salt_may_be_named_or_counted(key: rsa.RSAPrivateKey) -> None:
    signing = external(key, RsaScheme.PSS_SHA256)
    for salt in (padding.PSS.DIGEST_LENGTH, 32):
        pad = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
        key.public_key().verify(
            signing.sign(b"x", pad, hashes.SHA256()), b"x", pad, hashes.SHA256()
        )


def test_what_the_signer_raises_comes_through(key: rsa.RSAPrivateKey) -> None:
    class Locked(Signer):
        def sign_digest(self, digest: bytes, scheme: RsaScheme) -> bytes:
            raise PinRequiredError("the card wants its PIN")

    signing = ExternalRsaKey(key.public_key(), Locked(key, RsaScheme.PKCS1_SHA256))
    with pytest.raises(PinRequiredError):
        signing.sign(b"x", padding.PKCS1v15(), hashes.SHA256())


def test_deciphers_pkcs1_only(key: rsa.RSAPrivateKey) -> None:
    signing = external(key)
    encrypted = key.public_key().encrypt(b"message", padding.PKCS1v15())
    assert signing.decrypt(encrypted, padding.PKCS1v15()) == b"message"
    with pytest.raises(CardError):
        signing.decrypt(encrypted, padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None))  # noqa: S303


def test_the_private_key_never_comes_out(key: rsa.RSAPrivateKey) -> None:
    signing = external(key)
    with pytest.raises(CardError):
        signing.private_numbers()
    with pytest.raises(CardError):
        signing.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    assert copy.copy(signing) is signing
    assert copy.deepcopy(signing) is signing
    assert signing.key_size == 2048
