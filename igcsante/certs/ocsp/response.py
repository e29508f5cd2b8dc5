"""An OCSP response: parsed, asked about one certificate, authenticated (RFC 6960 §4.2).

Whatever is signed is judged from the octets that were received. Something critical and
unknown, in the response or in one of its answers, makes it unusable.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtensionOID, OCSPExtensionOID, SignatureAlgorithmOID

from ...errors import UnreadableError
from ...files import read_bounded
from ...messages import tr
from ..x509 import der
from ..x509.names import PARSE_ERRORS
from ..x509.signatures import KEY_ERRORS, AlgorithmPolicy, Signed, public_key_octets
from .request import CertId, key_bits

MAX_RESPONSE_BYTES = 256 * 1024
_MAX_CERTIFICATES = 16
_MAX_ANSWERS = 1000

_STATUS_MESSAGES = {  # RFC 6960 §4.2.1 and §2.3
    ocsp.OCSPResponseStatus.MALFORMED_REQUEST: tr("it did not understand the request"),
    ocsp.OCSPResponseStatus.INTERNAL_ERROR: tr("it has an internal error"),
    ocsp.OCSPResponseStatus.TRY_LATER: tr("it can't answer now and asks to try later"),
    ocsp.OCSPResponseStatus.SIG_REQUIRED: tr("it wants signed requests"),
    ocsp.OCSPResponseStatus.UNAUTHORIZED: tr("it knows nothing of this CA, or may not tell"),
}
_RESPONSE_EXTENSIONS = {OCSPExtensionOID.NONCE, x509.ObjectIdentifier("1.3.6.1.5.5.7.48.1.9")}
_ANSWER_EXTENSIONS = {  # of CRL entries (§4.4.5), and where the answer was read from (§4.4.2)
    ExtensionOID.PRECERT_SIGNED_CERTIFICATE_TIMESTAMPS,
    x509.ObjectIdentifier("2.5.29.21"),
    x509.ObjectIdentifier("2.5.29.24"),
    x509.ObjectIdentifier("1.3.6.1.5.5.7.48.1.3"),
    x509.ObjectIdentifier("1.3.6.1.5.5.7.48.1.6"),
}
_PKCS1_V15 = {
    SignatureAlgorithmOID.RSA_WITH_SHA1,
    SignatureAlgorithmOID.RSA_WITH_SHA256,
    SignatureAlgorithmOID.RSA_WITH_SHA384,
    SignatureAlgorithmOID.RSA_WITH_SHA512,
}
_ECDSA = {
    SignatureAlgorithmOID.ECDSA_WITH_SHA1,
    SignatureAlgorithmOID.ECDSA_WITH_SHA256,
    SignatureAlgorithmOID.ECDSA_WITH_SHA384,
    SignatureAlgorithmOID.ECDSA_WITH_SHA512,
}


@dataclass(frozen=True)
class Answer:
    """What a response says of one certificate. ``kind``: ``good``, ``revoked`` or ``unknown``.

    ``next_update`` is None when newer answers are there all the time.
    """

    kind: str
    this_update: datetime
    next_update: datetime | None
    revoked_on: datetime | None = None
    reason: str | None = None


class OcspResponse:
    """One response. ``source`` says where it came from (file, URL), for evidence.

    ``refusal`` says why the responder gave no answer, None when it did; ``produced_at`` and
    all that follows is there only when it did.
    """

    def __init__(self, octets: bytes, source: str = "") -> None:
        """Raises UnreadableError when the octets are no response."""
        where = f"{source}: " if source else ""
        if len(octets) > MAX_RESPONSE_BYTES:
            raise UnreadableError(
                tr(
                    "{where}an OCSP response larger than {max_response_bytes:,}",
                    where=where,
                    max_response_bytes=MAX_RESPONSE_BYTES,
                )
            )
        try:
            self._response = ocsp.load_der_ocsp_response(octets)
            status = self._response.response_status
            self.refusal = _STATUS_MESSAGES.get(status)
            self.source = source
            self.octets = octets
            self.sha256 = hashlib.sha256(octets).hexdigest()
            if status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
                return
            self._to_be_signed, self._algorithm, self._signature = _signed_part(octets)
            self.produced_at: datetime = self._response.produced_at_utc
            self.responder_name: x509.Name | None = self._response.responder_name
            self.responder_key_hash: bytes | None = self._response.responder_key_hash
            self.certificates: tuple[x509.Certificate, ...] = tuple(self._response.certificates)
            self._extensions = list(self._response.extensions)
            self._answers = list(self._response.responses)
        except KEY_ERRORS as error:
            raise UnreadableError(
                tr(
                    "{where}not an OCSP response that can be read: {error}",
                    where=where,
                    error=error,
                )
            ) from None

    @cached_property
    def problem(self) -> str | None:
        """Why no status may be read from this response, or None."""
        for extension in self._extensions:
            if extension.critical and extension.oid not in _RESPONSE_EXTENSIONS:
                oid = extension.oid.dotted_string
                return tr("it has a critical extension {oid} that is not processed", oid=oid)
        if len(self.certificates) > _MAX_CERTIFICATES or len(self._answers) > _MAX_ANSWERS:
            return tr("it holds too many certificates or answers")
        try:
            for oid in _critical_in_answers(self._to_be_signed):
                if oid not in _ANSWER_EXTENSIONS:
                    number = oid.dotted_string
                    return tr(
                        "an answer has a critical extension {number} that is not processed",
                        number=number,
                    )
        except (IndexError, *PARSE_ERRORS) as error:
            return tr("its answers can't be read: {error}", error=error)
        return None

    @property
    def serials(self) -> frozenset[int]:
        """The serial numbers that it tells of, whosever they are."""
        if self.refusal:
            return frozenset()
        return frozenset(answer.serial_number for answer in self._answers)

    @property
    def nonce(self) -> bytes | None:
        """The nonce that it repeats, if any."""
        for extension in self._extensions:
            if isinstance(extension.value, x509.OCSPNonce):
                return extension.value.nonce
        return None

    @property
    def responder(self) -> str:
        """The responder's name for people, or the hash of its key."""
        if self.responder_name is not None:
            from ..x509.names import display

            return display(self.responder_name)
        return f"key {(self.responder_key_hash or b'').hex()}"

    def about(self, wanted: CertId) -> tuple[Answer, ...]:
        """The answers about one certificate. Raises UnreadableError."""
        try:
            return tuple(_answer(item) for item in self._answers if wanted.named_by(item))
        except KEY_ERRORS as error:
            raise UnreadableError(tr("an answer can't be read: {error}", error=error)) from None

    def is_by(self, certificate: x509.Certificate) -> bool:
        """Whether the responder says that it is this one, by name or by key."""
        try:
            if self.responder_name is not None:
                return self.responder_name == certificate.subject
            bits = key_bits(public_key_octets(certificate))
        except KEY_ERRORS:
            return False
        return hashlib.sha1(bits, usedforsecurity=False).digest() == self.responder_key_hash

    def signed_by(self, key: PublicKeyTypes) -> bool:
        """Whether ``key`` made the signature, over the octets as received."""
        try:
            parameters, algorithm = self._parameters()
        except KEY_ERRORS:
            return False
        signed = Signed(self._to_be_signed, self._signature, algorithm, parameters)
        return signed.verifies_with(key)

    def weakness(self, policy: AlgorithmPolicy) -> str | None:
        """Why the signature's algorithm isn't believed, or None."""
        try:
            return policy.hash_weakness(self._parameters()[1])
        except KEY_ERRORS:
            return tr("a signature of an unknown kind")

    def _parameters(
        self,
    ) -> tuple[padding.PSS | padding.PKCS1v15 | ec.ECDSA | None, hashes.HashAlgorithm | None]:
        """How the signature was made. Raises ValueError, UnsupportedAlgorithm."""
        oid = self._response.signature_algorithm_oid
        if oid == SignatureAlgorithmOID.RSASSA_PSS:
            return _pss(self._algorithm)
        algorithm = self._response.signature_hash_algorithm
        if oid in _PKCS1_V15:
            return padding.PKCS1v15(), algorithm
        if oid in _ECDSA and algorithm is not None:
            return ec.ECDSA(algorithm), algorithm
        raise ValueError("an unknown signature algorithm")


def ocsp_response_from_path(path: Path) -> OcspResponse:
    """The response of a file (DER). Raises UsageError, UnreadableError."""
    return OcspResponse(read_bounded(path, MAX_RESPONSE_BYTES), str(path))


def _answer(single: ocsp.OCSPSingleResponse) -> Answer:
    reason = single.revocation_reason
    return Answer(
        single.certificate_status.name.lower(),
        single.this_update_utc,
        single.next_update_utc,
        single.revocation_time_utc,
        reason.value if reason else None,
    )


def _signed_part(octets: bytes) -> tuple[bytes, bytes, bytes]:
    """Of a successful response: the ResponseData, the algorithm, the signature's octets.

    OCSPResponse {status, [0] {type, OCTET STRING}}, and in it BasicOCSPResponse {data,
    algorithm, signature, [0] certificates} (RFC 6960 §4.2.1).
    """
    _, start, end = der.element(octets)
    if end != len(octets):
        raise ValueError("octets after the response")
    _, (_, _, start, end) = der.children(octets, start, end, 3)
    ((_, _, start, end),) = der.children(octets, start, end, 2)
    _, (_, _, start, end) = der.children(octets, start, end, 3)
    ((_, _, start, stop),) = der.children(octets, start, end, 2)
    parts = der.children(octets, start, stop, 5)
    if len(parts) not in (3, 4):
        raise ValueError("not a signed structure")
    signed, algorithm, (kind, _, content, last) = parts[:3]
    if kind != der.BIT_STRING or content == last or octets[content] != 0:
        raise ValueError("the signature is not a string of whole octets")
    return (
        octets[signed[1] : signed[3]],
        octets[algorithm[1] : algorithm[3]],
        octets[content + 1 : last],
    )


def _critical_in_answers(to_be_signed: bytes) -> Iterator[x509.ObjectIdentifier]:
    """The critical ones among the singleExtensions of a ResponseData (RFC 6960 §4.2.1)."""
    _, start, end = der.element(to_be_signed)
    parts = der.children(to_be_signed, start, end, 6)
    if parts[0][0] == 0xA0:  # version
        parts = parts[1:]
    _, _, start, end = parts[2]  # after responderID and producedAt
    for _, _, inside, stop in der.children(to_be_signed, start, end, _MAX_ANSWERS):
        # after certID, certStatus (which may have the same tag) and thisUpdate
        for tag, _, content, last in der.children(to_be_signed, inside, stop, 6)[3:]:
            if tag != 0xA1:
                continue
            ((_, _, first, final),) = der.children(to_be_signed, content, last, 2)
            for _, _, a, b in der.children(to_be_signed, first, final, 100):
                fields = der.children(to_be_signed, a, b, 3)
                if len(fields) == 3 and to_be_signed[fields[1][2]]:
                    yield _oid(to_be_signed[fields[0][1] : fields[0][3]])


def _oid(element: bytes) -> x509.ObjectIdentifier:
    from asn1crypto.core import ObjectIdentifier

    return x509.ObjectIdentifier(ObjectIdentifier.load(element).dotted)


def _pss(algorithm: bytes) -> tuple[padding.PSS, hashes.HashAlgorithm]:
    """Hash and salt of id-RSASSA-PSS (RFC 4055 §3.1). Raises ValueError."""
    from asn1crypto.algos import SignedDigestAlgorithm

    parameters = SignedDigestAlgorithm.load(algorithm)["parameters"]
    name = parameters["hash_algorithm"]["algorithm"].native
    mask = parameters["mask_gen_algorithm"]["parameters"]["algorithm"].native
    known: dict[str, hashes.HashAlgorithm] = {
        "sha256": hashes.SHA256(),
        "sha384": hashes.SHA384(),
        "sha512": hashes.SHA512(),
    }
    if name not in known or mask != name:
        raise ValueError("an unknown kind of PSS")
    salt = parameters["salt_length"].native
    return padding.PSS(padding.MGF1(known[name]), salt), known[name]
