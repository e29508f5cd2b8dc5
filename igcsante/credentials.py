"""A credential: a certificate, its chain, and a private key that may live elsewhere.

:class:`ExternalRsaKey` gives a key that only a card (or any other token) can use the
``RSAPrivateKey`` interface of ``cryptography``, so that it signs a CSR, a CMS or a TLS
handshake like any other key.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NoReturn, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding

from .errors import CardError
from .messages import tr

AUTHENTICATION, SIGNATURE, OTHER = "authentication", "signature", "other"
TECHNICAL = "technical"  # a CPS3's key that needs no PIN, in contactless readers (card.md §7)


def purpose_of(certificate: x509.Certificate) -> str:
    """What a certificate is for, by its key usage (RFC 5280 §4.2.1.3, card.md §4.2)."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return OTHER
    if usage.content_commitment:
        return SIGNATURE
    return AUTHENTICATION if usage.digital_signature else OTHER


class RsaScheme(Enum):
    """An RSA signature scheme (RFC 8017 §8): padding, and hash in ``hashlib`` spelling.

    PSS means MGF1 with the same hash and a salt as long as the digest.
    """

    PKCS1_SHA1 = ("pkcs1", "sha1")
    PKCS1_SHA256 = ("pkcs1", "sha256")
    PKCS1_SHA384 = ("pkcs1", "sha384")
    PKCS1_SHA512 = ("pkcs1", "sha512")
    PSS_SHA1 = ("pss", "sha1")
    PSS_SHA256 = ("pss", "sha256")
    PSS_SHA384 = ("pss", "sha384")
    PSS_SHA512 = ("pss", "sha512")

    @property
    def padding(self) -> str:
        return self.value[0]

    @property
    def hash_name(self) -> str:
        return self.value[1]

    @property
    def label(self) -> str:
        """What people call it: ``pkcs1-sha256``."""
        return "-".join(self.value)


#: Broken for signatures since 2017: a key offers them only when it is asked to.
SHA1_SCHEMES = frozenset({RsaScheme.PKCS1_SHA1, RsaScheme.PSS_SHA1})
SOFTWARE_SCHEMES = frozenset(RsaScheme) - SHA1_SCHEMES


@dataclass(frozen=True)
class Credential:
    """Who we are, to a server or in a signature.

    ``chain`` holds the issuers, nearest first, without the root when it isn't known.
    ``schemes`` says what the key can sign with.
    """

    certificate: x509.Certificate
    private_key: rsa.RSAPrivateKey
    chain: tuple[x509.Certificate, ...] = ()
    schemes: frozenset[RsaScheme] = SOFTWARE_SCHEMES


class RsaSigner(Protocol):
    """What holds a private key: it signs digests and may decipher."""

    schemes: frozenset[RsaScheme]

    def sign_digest(self, digest: bytes, scheme: RsaScheme) -> bytes:
        """The signature, as long as the modulus, of a digest by ``scheme.hash_name``."""
        ...

    def decipher(self, ciphertext: bytes) -> bytes:
        """The message of a PKCS#1 v1.5 ciphertext (RFC 8017 §7.2)."""
        ...


class ExternalRsaKey(rsa.RSAPrivateKey):
    """An RSA private key whose private operation is done by an :class:`RsaSigner`.

    ``sign`` takes data, a digest (``Prehashed``) or a DigestInfo (``NoDigestInfo``). It
    raises CardError (``card.protocol``) for a padding or hash that the key can't do, and
    whatever the signer raises; the private numbers never exist here.
    """

    def __init__(self, public_key: rsa.RSAPublicKey, signer: RsaSigner) -> None:
        self._public_key = public_key
        self._signer = signer

    def sign(
        self,
        data: bytes,
        padding: AsymmetricPadding,
        algorithm: utils.Prehashed | hashes.HashAlgorithm | utils.NoDigestInfo,
    ) -> bytes:
        if isinstance(algorithm, utils.NoDigestInfo):
            hash_algorithm, digest = _read_digest_info(bytes(data))
        elif isinstance(algorithm, utils.Prehashed):
            hash_algorithm, digest = algorithm._algorithm, bytes(data)
        else:
            hash_algorithm = algorithm
            hasher = hashes.Hash(algorithm)
            hasher.update(data)
            digest = hasher.finalize()
        if len(digest) != hash_algorithm.digest_size:
            raise CardError(
                tr(
                    "a {hash_algorithm} digest is {digest_size} bytes",
                    hash_algorithm=hash_algorithm.name,
                    digest_size=hash_algorithm.digest_size,
                )
            )
        scheme = _scheme(padding, hash_algorithm)
        if scheme not in self._signer.schemes:
            raise CardError(
                tr("this key can't sign with {label}", label=scheme.label),
                advice=tr(
                    "it can with {labels}",
                    labels=", ".join(sorted(s.label for s in self._signer.schemes)),
                ),
            )
        return self._signer.sign_digest(digest, scheme)

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        if padding.name != "EMSA-PKCS1-v1_5":
            raise CardError(tr("this key deciphers PKCS#1 v1.5 only"))
        return self._signer.decipher(bytes(ciphertext))

    def public_key(self) -> rsa.RSAPublicKey:
        return self._public_key

    @property
    def key_size(self) -> int:
        return self._public_key.key_size

    def private_numbers(self) -> NoReturn:
        raise CardError(tr("the private key never leaves the card"))

    def private_bytes(self, *_: object, **__: object) -> NoReturn:
        raise CardError(tr("the private key never leaves the card"))

    def __copy__(self) -> ExternalRsaKey:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> ExternalRsaKey:
        return self


# RFC 8017 §9.2, note 1: the DER of DigestInfo before the digest.
DIGEST_INFO = {
    "sha1": bytes.fromhex("3021300906052B0E03021A05000414"),
    "sha256": bytes.fromhex("3031300D060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300D060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300D060960864801650304020305000440"),
}


def _read_digest_info(data: bytes) -> tuple[hashes.HashAlgorithm, bytes]:
    for name, prefix in DIGEST_INFO.items():
        if data.startswith(prefix):
            return _HASHES[name](), data[len(prefix) :]
    raise CardError(tr("that is no DigestInfo by {hashes}", hashes=", ".join(DIGEST_INFO)))


def _scheme(pad: AsymmetricPadding, algorithm: hashes.HashAlgorithm) -> RsaScheme:
    if isinstance(pad, padding.PKCS1v15):
        kind = "pkcs1"
    elif isinstance(pad, padding.PSS) and _salt_is_digest_long(pad, algorithm):
        kind = "pss"
    else:
        raise CardError(tr("only PKCS#1 v1.5, and PSS with MGF1 and a salt as long as the digest"))
    try:
        return RsaScheme((kind, algorithm.name))
    except ValueError:
        raise CardError(
            tr("{algorithm} can't be used with {kind}", algorithm=algorithm.name, kind=kind)
        ) from None


def _salt_is_digest_long(pad: padding.PSS, algorithm: hashes.HashAlgorithm) -> bool:
    mgf_hash = getattr(pad.mgf, "_algorithm", None)
    if mgf_hash is None or mgf_hash.name != algorithm.name:
        return False
    return pad._salt_length is padding.PSS.DIGEST_LENGTH or (
        pad._salt_length == algorithm.digest_size
    )


def cryptography_padding(scheme: RsaScheme) -> AsymmetricPadding:
    """The ``cryptography`` padding object of a scheme."""
    if scheme.padding == "pkcs1":
        return padding.PKCS1v15()
    return padding.PSS(padding.MGF1(hash_algorithm(scheme)), padding.PSS.DIGEST_LENGTH)


def hash_algorithm(scheme: RsaScheme) -> hashes.HashAlgorithm:
    """The ``cryptography`` hash object of a scheme."""
    return _HASHES[scheme.hash_name]()


_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
