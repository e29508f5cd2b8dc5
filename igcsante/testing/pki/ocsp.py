"""A simulated OCSP responder: one delegated signer per intermediate (RFC 6960, pki.md §4).

The ANS's gabarits speak of OCSP certificates of the intermediates; how its responder behaves
otherwise (nonce, validity, ocsp-nocheck) is not public, so all of it can be chosen here, and
made wrong. Answers are encoded with asn1crypto: igcsante reads them with another library.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from asn1crypto import ocsp
from asn1crypto.keys import PublicKeyInfo
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ..clock import utc_now
from . import extensions as ext
from .authority import Authority
from .hierarchy import COUNTRY, ORGANISATION
from .simulated import SimulatedPki, new_key

MAX_REQUEST_BYTES = 64 * 1024
SIGNERS = ("delegated", "direct", "stranger", "unmeant", "expired")
NONCES = ("repeated", "ignored", "wrong")

_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class OcspBehaviour:
    """How the responder answers; the default is what is to be expected of a good one.

    ``signer``: ``delegated`` by the CA, the CA itself (``direct``), delegated by another CA
    (``stranger``), by a certificate without OCSPSigning (``unmeant``) or that is ``expired``.
    ``nonce``: ``repeated``, ``ignored`` or ``wrong``. ``status``: of the response, as RFC 6960
    names it; other than ``successful``, there is no answer. ``age`` is how long ago answers
    were made, ``lifetime`` how long they hold from then, None for no next update.
    """

    signer: str = "delegated"
    nonce: str = "repeated"
    status: str = "successful"
    no_check: bool = True
    age: timedelta = timedelta(0)
    lifetime: timedelta | None = timedelta(days=1)
    about_another: bool = False


@dataclass(frozen=True)
class OcspAnswer:
    """What to say of one certificate. ``status``: ``good``, ``revoked`` or ``unknown``.

    ``extensions`` are (dotted OID, critical, DER octets) of this answer alone.
    """

    cert_id: ocsp.CertId
    status: str
    this_update: datetime
    next_update: datetime | None = None
    revoked_on: datetime | None = None
    reason: str | None = None
    extensions: tuple[tuple[str, bool, bytes], ...] = ()

    def encoded(self) -> dict[str, Any]:
        """As asn1crypto takes it."""
        value: Any = None
        if self.status == "revoked":
            value = {"revocation_time": self.revoked_on, "revocation_reason": self.reason}
        return {
            "cert_id": self.cert_id,
            "cert_status": ocsp.CertStatus(name=self.status, value=value),
            "this_update": self.this_update,
            "next_update": self.next_update,
            "single_extensions": _encoded_extensions(self.extensions) or None,
        }


@dataclass(frozen=True)
class OcspSigner:
    """A key that signs responses, its certificate, and the certificates that are sent along."""

    certificate: x509.Certificate
    private_key: _Key
    sent: tuple[x509.Certificate, ...] = field(default=())


def cert_id(issuer: x509.Certificate, serial: int, algorithm: str = "sha1") -> ocsp.CertId:
    """The name that OCSP gives to a certificate of ``issuer``."""
    name = issuer.subject.public_bytes()
    key = issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    bits = bytes(PublicKeyInfo.load(key)["public_key"])
    return ocsp.CertId(
        {
            "hash_algorithm": {"algorithm": algorithm},
            "issuer_name_hash": hashlib.new(algorithm, name).digest(),
            "issuer_key_hash": hashlib.new(algorithm, bits).digest(),
            "serial_number": serial,
        }
    )


def ocsp_response(
    answers: Iterable[OcspAnswer],
    signer: OcspSigner,
    produced_at: datetime,
    *,
    nonce: bytes | None = None,
    extensions: Sequence[tuple[str, bool, bytes]] = (),
    by_key: bool = True,
) -> bytes:
    """A successful response, DER, signed with SHA-256; ``nonce`` without its OCTET STRING."""
    if nonce is not None:
        wrapped = ocsp.OctetString(nonce).dump()
        extensions = (*extensions, ("1.3.6.1.5.5.7.48.1.2", False, wrapped))
    data = ocsp.ResponseData(
        {
            "responder_id": _responder_id(signer.certificate, by_key=by_key),
            "produced_at": produced_at,
            "responses": [answer.encoded() for answer in answers],
            "response_extensions": _encoded_extensions(extensions) or None,
        }
    )
    is_rsa = isinstance(signer.private_key, rsa.RSAPrivateKey)
    basic = ocsp.BasicOCSPResponse(
        {
            "tbs_response_data": data,
            "signature_algorithm": {"algorithm": "sha256_rsa" if is_rsa else "sha256_ecdsa"},
            "signature": _signature(signer.private_key, data.dump()),
            "certs": [
                ocsp.Certificate.load(item.public_bytes(Encoding.DER)) for item in signer.sent
            ]
            or None,
        }
    )
    body = {"response_type": "basic_ocsp_response", "response": basic}
    return _dump(ocsp.OCSPResponse({"response_status": "successful", "response_bytes": body}))


def ocsp_refusal(status: str) -> bytes:
    """A response without answers: ``try_later``, ``unauthorized``, …"""
    return _dump(ocsp.OCSPResponse({"response_status": status}))


class OcspResponder:
    """Answers requests about the certificates of a simulated PKI."""

    def __init__(
        self,
        pki: SimulatedPki,
        behaviour: OcspBehaviour | None = None,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.behaviour = behaviour or OcspBehaviour()
        self._pki = pki
        self._clock = clock
        self._signers: dict[tuple[str, str, bool], OcspSigner] = {}
        self._lock = threading.Lock()

    def respond(self, request: bytes) -> bytes:
        """The DER response to a DER request; ``malformedRequest`` when it is none."""
        behaviour = self.behaviour
        if behaviour.status != "successful":
            return ocsp_refusal(behaviour.status)
        try:
            parsed = ocsp.OCSPRequest.load(request, strict=True)
            wanted = [item["req_cert"] for item in parsed["tbs_request"]["request_list"]]
            nonce = parsed.nonce_value
            named = {self._named(item): item for item in wanted}
        except (ValueError, TypeError, KeyError):
            return ocsp_refusal("malformed_request")
        if len(named) != 1 or None in named:
            return ocsp_refusal("unauthorized")
        ((authority, item),) = named.items()
        if authority is None:
            return ocsp_refusal("unauthorized")
        now = self._clock().replace(microsecond=0)
        return ocsp_response(
            [self._answer(authority, item, now)],
            self._signer(authority, now),
            now - behaviour.age,
            nonce=self._nonce(nonce.native if nonce is not None else None),
        )

    def _named(self, item: ocsp.CertId) -> Authority | None:
        """The authority that a request means, by both hashes."""
        algorithm = item["hash_algorithm"]["algorithm"].native
        for authority in self._pki.authorities.values():
            own = cert_id(authority.certificate, 0, algorithm)
            if all(own[key].native == item[key].native for key in _HASHES):
                return authority
        return None

    def _answer(self, authority: Authority, item: ocsp.CertId, now: datetime) -> OcspAnswer:
        behaviour, serial = self.behaviour, item["serial_number"].native
        revocation = self._pki.revocation(serial, now - behaviour.age)
        if behaviour.about_another:
            serial += 1
        status = "good" if authority.issued(serial) else "unknown"
        made = now - behaviour.age
        return OcspAnswer(
            cert_id(authority.certificate, serial, item["hash_algorithm"]["algorithm"].native),
            "revoked" if revocation else status,
            made,
            made + behaviour.lifetime if behaviour.lifetime is not None else None,
            revocation.date if revocation else None,
            _REASONS.get(revocation.reason) if revocation and revocation.reason else None,
        )

    def _nonce(self, asked: bytes | None) -> bytes | None:
        kind = self.behaviour.nonce
        if kind == "wrong":
            return bytes(32)
        return asked if kind == "repeated" else None

    def _signer(self, authority: Authority, now: datetime) -> OcspSigner:
        behaviour = self.behaviour
        if behaviour.signer == "direct":
            return OcspSigner(authority.certificate, authority.private_key)
        key = (authority.name.code, behaviour.signer, behaviour.no_check)
        with self._lock:
            known = self._signers.get(key)
            if known is None or (
                behaviour.signer != "expired" and known.certificate.not_valid_after_utc < now
            ):
                known = self._signers[key] = self._delegated(authority, now)
            return known

    def _delegated(self, authority: Authority, now: datetime) -> OcspSigner:
        behaviour = self.behaviour
        parent = authority
        if behaviour.signer == "stranger":
            others = (item for item in self._pki.authorities.values() if item != authority)
            parent = next(others)
        private_key = new_key()
        certificate = responder_certificate(
            parent,
            private_key.public_key(),
            start=now - timedelta(days=2),
            end=now + timedelta(days=-1 if behaviour.signer == "expired" else 365),
            purpose=behaviour.signer != "unmeant",
            no_check=behaviour.no_check,
        )
        return OcspSigner(certificate, private_key, (certificate,))


def responder_certificate(
    authority: Authority,
    public_key: rsa.RSAPublicKey,
    *,
    start: datetime,
    end: datetime,
    purpose: bool = True,
    no_check: bool = True,
) -> x509.Certificate:
    """The certificate by which a CA has a responder answer for it (RFC 6960 §4.2.2.2)."""
    usage = ExtendedKeyUsageOID.OCSP_SIGNING if purpose else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        x509.CertificateBuilder()
        .subject_name(
            x509.Name(
                [
                    x509.NameAttribute(NameOID.COUNTRY_NAME, COUNTRY),
                    x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
                    x509.NameAttribute(NameOID.COMMON_NAME, f"OCSP {authority.name.code}"),
                ]
            )
        )
        .public_key(public_key)
        .serial_number(authority.new_serial())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(ext.key_usage("digital_signature"), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    )
    if no_check:
        builder = builder.add_extension(x509.OCSPNoCheck(), critical=False)
    return authority.sign(builder)


_HASHES = ("issuer_name_hash", "issuer_key_hash")
_REASONS = {
    x509.ReasonFlags.unspecified: "unspecified",
    x509.ReasonFlags.key_compromise: "key_compromise",
    x509.ReasonFlags.ca_compromise: "ca_compromise",
    x509.ReasonFlags.affiliation_changed: "affiliation_changed",
    x509.ReasonFlags.superseded: "superseded",
    x509.ReasonFlags.cessation_of_operation: "cessation_of_operation",
    x509.ReasonFlags.certificate_hold: "certificate_hold",
    x509.ReasonFlags.privilege_withdrawn: "privilege_withdrawn",
    x509.ReasonFlags.aa_compromise: "aa_compromise",
}


def _responder_id(certificate: x509.Certificate, *, by_key: bool) -> ocsp.ResponderId:
    if not by_key:
        name = ocsp.Name.load(certificate.subject.public_bytes())
        return ocsp.ResponderId(name="by_name", value=name)
    digest = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
    return ocsp.ResponderId(name="by_key", value=digest)


def _encoded_extensions(given: Iterable[tuple[str, bool, bytes]]) -> list[dict[str, Any]]:
    return [
        {"extn_id": oid, "critical": critical, "extn_value": ocsp.ParsableOctetString(octets)}
        for oid, critical, octets in given
    ]


def _signature(key: _Key, data: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def _dump(response: ocsp.OCSPResponse) -> bytes:
    octets: bytes = response.dump()
    return octets
