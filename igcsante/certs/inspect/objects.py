"""Whatever lies in a file: certificates, requests, lists, containers, private keys.

More than :mod:`..load` reads, for showing: each part stands by itself, so that one that can't
be read doesn't hide the others. Of a private key only its kind and its public half are kept.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_ssh_private_key,
)

from ...errors import UnreadableError
from ...messages import tr
from ...secret import Secret
from ..load import PemBlock, load, open_pkcs12, pem_blocks
from ..requests import MAX_KEY_BYTES
from ..x509 import der
from ..x509.certificate_list import Crl
from ..x509.signatures import KEY_ERRORS

MAX_PARTS = 10_000


@dataclass(frozen=True)
class PrivateKey:
    """A private key without what makes it private.

    ``form`` is how it is written (PKCS#8, PKCS#1, SEC1, OpenSSH, PKCS#12); ``algorithm`` is
    ``RSA 2048`` or the like, empty when it is encrypted, as is ``public_key_sha256``.
    """

    form: str
    encrypted: bool
    algorithm: str = ""
    public_key_sha256: str = ""


@dataclass(frozen=True)
class Container:
    """A PKCS#7 or PKCS#12 file. ``protection`` says how a PKCS#12 is encrypted and authenticated;
    ``opened`` is False when its password is missing or wrong.
    """

    form: str
    protection: str = ""
    opened: bool = True
    certificates: int = 0
    friendly_name: str = ""


Item = x509.Certificate | x509.CertificateSigningRequest | Crl | PrivateKey | Container


@dataclass(frozen=True)
class Part:
    """One thing in a file, or why it can't be read. ``number`` counts from 1."""

    number: int
    item: Item | UnreadableError


def parts_of(data: bytes, password: Secret | None = None, *, source: str = "") -> tuple[Part, ...]:
    """Everything in the octets of a file, in its order; what can't be read has its error.

    ``source`` names the file in errors. Raises UnreadableError when there is nothing at all.
    """
    if not data.strip():
        raise UnreadableError(tr("{source} is empty", source=source or tr("the input")))
    where = f"{source}: " if source else ""
    found: list[Part] = []
    for item in _items(data, password, source):
        if isinstance(item, UnreadableError) and not item.message.startswith(where):
            item = UnreadableError(where + item.message, advice=item.advice)
        found.append(Part(len(found) + 1, item))
        if len(found) > MAX_PARTS:
            raise UnreadableError(
                tr("{where}more than {max_parts:,} parts", where=where, max_parts=MAX_PARTS)
            )
    if not found:
        raise UnreadableError(
            tr("{where}nothing that is shown here: no certificate, key or list", where=where)
        )
    return tuple(found)


def public_key_name(key: PublicKeyTypes) -> str:
    """``RSA 2048``, ``EC secp256r1``, ``Ed25519``…"""
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    if isinstance(key, dsa.DSAPublicKey):
        return f"DSA {key.key_size}"
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "Ed25519"
    return "Ed448" if isinstance(key, ed448.Ed448PublicKey) else tr("another kind")


def public_key_sha256(key: PublicKeyTypes) -> str:
    """SHA-256 of the SubjectPublicKeyInfo: the same for a key, its request, its certificates."""
    octets = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(octets).hexdigest()


# -- what a file holds -----------------------------------------------------------------------


def _items(data: bytes, password: Secret | None, source: str) -> Iterator[Item | UnreadableError]:
    if b"-----BEGIN " not in data:
        yield from _der(data, password, source)
        return
    blocks = pem_blocks(data)
    while True:
        try:
            block = next(blocks, None)
        except UnreadableError as error:
            yield error
            return
        if block is None:
            return
        yield from _block(block, password, source)


def _block(
    block: PemBlock, password: Secret | None, source: str
) -> Iterator[Item | UnreadableError]:
    if block.is_private_key:
        yield _attempt(lambda: _pem_key(block))
        return
    if block.label in ("PUBLIC KEY", "EC PARAMETERS", "DH PARAMETERS"):
        return
    try:
        octets = block.octets()
    except UnreadableError as error:
        yield error
        return
    if block.label in ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"):
        yield _attempt(lambda: _request(octets))
    else:
        yield from _der(octets, password, source)


def _der(data: bytes, password: Secret | None, source: str) -> Iterator[Item | UnreadableError]:
    """One DER (or BER) object."""
    kind = _kind(data)
    if kind == "pkcs12":
        yield from _pkcs12(data, password)
    elif kind == "key":
        second = _children(data, 0)[1:2]
        form = _DER_FORMS.get(second[0][0], "DER") if second else "DER"
        yield _attempt(lambda: _key(data, form))
    elif kind == "encrypted key":
        yield PrivateKey("PKCS#8", encrypted=True)
    elif kind == "request":
        yield _attempt(lambda: _request(data))
    else:
        yield from _loaded(data, source)


def _loaded(data: bytes, source: str) -> Iterator[Item | UnreadableError]:
    try:
        contents = load(data, source=source)
    except UnreadableError as error:
        yield error
        return
    if contents.format == "PKCS#7":
        yield Container("PKCS#7", certificates=len(contents.certificates))
    yield from contents.certificates
    yield from contents.crls


def _kind(data: bytes) -> str:
    """Told by the tags of the first elements inside: enough to choose who reads it."""
    if data[:1] == b"\x30" and b"\x02\x01\x03\x30" in data[:10]:  # RFC 7292 §4: version 3
        return "pkcs12"
    outer = _children(data, 0)
    tags = [tag for tag, _ in outer]
    if tags[:1] == [der.INTEGER]:
        return "key"
    inside = [tag for tag, _ in _children(data, outer[0][1])] if outer else []
    if tags == [der.SEQUENCE, der.OCTET_STRING] and inside[:1] == [der.OID]:
        return "encrypted key"  # RFC 5958 §3
    # RFC 2986 §4.1: version, subject, key and attributes. The others go on after four: lists
    # with dates, certificates of version 1 with a key.
    request = [der.INTEGER, der.SEQUENCE, der.SEQUENCE]
    if tags == [der.SEQUENCE, der.SEQUENCE, der.BIT_STRING] and inside in (
        request,
        [*request, _ATTRIBUTES],
    ):
        return "request"
    return ""


_ATTRIBUTES = 0xA0


def _children(data: bytes, offset: int) -> list[tuple[int, int]]:
    """(tag, offset) of the first elements in the one at ``offset``, as far as they can be told."""
    try:
        _, start, end = der.element(data, offset)
        return [(tag, place) for tag, place, *_ in der.children(data, start, end, 5)]
    except ValueError:
        return []


def _attempt(read: Callable[[], Item]) -> Item | UnreadableError:
    try:
        return read()
    except UnreadableError as error:
        return error


def _request(octets: bytes) -> x509.CertificateSigningRequest:
    try:
        return x509.load_der_x509_csr(octets)
    except KEY_ERRORS as error:
        raise UnreadableError(
            tr("not a certificate request that can be read: {error}", error=error)
        ) from None


# -- keys ------------------------------------------------------------------------------------

_FORMS = {
    "PRIVATE KEY": "PKCS#8",
    "ENCRYPTED PRIVATE KEY": "PKCS#8",
    "RSA PRIVATE KEY": "PKCS#1",
    "EC PRIVATE KEY": "SEC1",
}
_DER_FORMS = {  # by what follows the version: RFC 5958 §2, RFC 8017 §A.1.2, RFC 5915 §3
    der.SEQUENCE: "PKCS#8",
    der.INTEGER: "PKCS#1",
    der.OCTET_STRING: "SEC1",
}


def _pem_key(block: PemBlock) -> PrivateKey:
    form = _FORMS.get(block.label, block.label.removesuffix(" PRIVATE KEY"))
    if block.label == "ENCRYPTED PRIVATE KEY" or b"ENCRYPTED" in block.body[:200]:
        return PrivateKey(form, encrypted=True)
    if block.label == "OPENSSH PRIVATE KEY":
        return _openssh_key(block)
    return _key(block.octets(), form)


def _key(octets: bytes, form: str) -> PrivateKey:
    if len(octets) > MAX_KEY_BYTES:
        raise UnreadableError(
            tr("a private key of more than {max_key_bytes:,} bytes", max_key_bytes=MAX_KEY_BYTES)
        )
    try:
        key = load_der_private_key(octets, None, unsafe_skip_rsa_key_validation=True)
    except KEY_ERRORS:  # whose text might tell of the key
        raise UnreadableError(tr("a private key that can't be read")) from None
    return _public_half(key, form)


def _openssh_key(block: PemBlock) -> PrivateKey:
    label = block.label.encode()
    text = b"-----BEGIN %b-----%b-----END %b-----\n" % (label, block.body, label)
    if len(text) > MAX_KEY_BYTES:
        raise UnreadableError(
            tr("a private key of more than {max_key_bytes:,} bytes", max_key_bytes=MAX_KEY_BYTES)
        )
    try:
        return _public_half(load_ssh_private_key(text, None), "OpenSSH")
    except TypeError:
        return PrivateKey("OpenSSH", encrypted=True)
    except KEY_ERRORS:
        raise UnreadableError(tr("a private key that can't be read")) from None


def _public_half(key: PrivateKeyTypes, form: str) -> PrivateKey:
    try:
        public: Any = key.public_key()
        return PrivateKey(form, False, public_key_name(public), public_key_sha256(public))
    except KEY_ERRORS:
        raise UnreadableError(tr("a private key of a kind that is not read")) from None


# -- PKCS#12 -----------------------------------------------------------------------------------


def _pkcs12(data: bytes, password: Secret | None) -> Iterator[Item | UnreadableError]:
    protection = _protection(data)
    try:
        found = open_pkcs12(data, password)
    except UnreadableError as error:
        yield Container("PKCS#12", protection, opened=False)
        yield UnreadableError(error.message, advice=_HOW_TO_OPEN)
        return
    held = [item for item in (found.cert, *found.additional_certs) if item is not None]
    name = next((item.friendly_name for item in held if item.friendly_name), b"")
    yield Container("PKCS#12", protection, True, len(held), name.decode("utf-8", "replace"))
    if found.key is not None:
        key = found.key
        yield _attempt(lambda: _public_half(key, "PKCS#12"))
    yield from (item.certificate for item in held)


_HOW_TO_OPEN = tr("give its password: --password-source env:NAME (see: igc help secrets)")


def _protection(data: bytes) -> str:
    """How a PKCS#12 is authenticated and encrypted, which anybody may read; else empty."""
    from asn1crypto.pkcs12 import Pfx

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pfx = Pfx.load(data)
            told = []
            if pfx["mac_data"].native:
                kind = pfx["mac_data"]["mac"]["digest_algorithm"]["algorithm"].native
                rounds = pfx["mac_data"]["iterations"].native
                told.append(tr("MAC {kind}, {rounds:,} iterations", kind=kind, rounds=rounds))
            for content in pfx.authenticated_safe:
                if content["content_type"].native == "encrypted_data":
                    encrypted = content["content"]["encrypted_content_info"]
                    algorithm = encrypted["content_encryption_algorithm"]
                    rounds = algorithm.kdf_iterations
                    told.append(
                        tr(
                            "encrypted with {algorithm}, {rounds:,} iterations",
                            algorithm=_cipher(algorithm),
                            rounds=rounds,
                        )
                    )
    except KEY_ERRORS:
        return ""
    return "; ".join(dict.fromkeys(told))


def _cipher(algorithm: Any) -> str:
    name = algorithm["algorithm"].native
    if name == "pbes2":
        return str(algorithm["parameters"]["encryption_scheme"]["algorithm"].native)
    return str(name)
