"""Certificates and CRLs out of whatever they are delivered in.

PEM (several blocks, any line ends, text between them: RFC 7468), DER, PKCS#7 bundles
(RFC 5652, the ANS's ``.p7b``) and PKCS#12 (RFC 7292). Private keys are passed over.
Sizes and the cost of a password are bounded, whatever the file says.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509

from ..errors import UnreadableError, UsageError
from ..files import MAX_INPUT_BYTES, read_bounded
from ..messages import reason_of, tr
from ..secret import Secret
from .x509 import der
from .x509.certificate_list import Crl
from .x509.signatures import KEY_ERRORS

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.serialization import pkcs12

MAX_CONTAINER_BYTES = 16 * 1024 * 1024
MAX_CRL_BYTES = MAX_INPUT_BYTES
MAX_KDF_ITERATIONS = 5_000_000

CERTIFICATE_SUFFIXES = {".pem", ".cer", ".crt", ".der", ".p7b", ".p7c"}
PKCS12_SUFFIXES = {".p12", ".pfx"}
_CRL_SUFFIXES = {".crl", ".pem", ".der"}
_WHAT_WE_READ = tr("PEM, DER, PKCS#7 (.p7b) and PKCS#12 (.p12) files are read")


@dataclass(frozen=True)
class Contents:
    """What a file held. ``format`` is PEM, DER, PKCS#7 or PKCS#12."""

    format: str
    certificates: tuple[x509.Certificate, ...] = ()
    crls: tuple[Crl, ...] = ()


def load(data: bytes, password: Secret | None = None, *, source: str = "") -> Contents:
    """Everything that the octets of a file hold. ``source`` names it in errors and evidence.

    Raises UnreadableError, also for a PKCS#12 without its right password.
    """
    if not data.strip():
        raise UnreadableError(tr("{source} is empty", source=source or tr("the input")))
    try:
        if b"-----BEGIN " in data:
            return _pem(data, source)
        return _der(data, password, source)
    except UnreadableError as error:
        message = error.message
        raise UnreadableError(
            tr("{source}: {message}", source=source, message=message) if source else message,
            advice=error.advice or _WHAT_WE_READ,
            **error.fields,
        ) from None


def load_certificates(
    data: bytes, password: Secret | None = None, *, source: str = ""
) -> tuple[x509.Certificate, ...]:
    """The certificates in the octets of a file, at least one. Raises UnreadableError."""
    found = load(data, password, source=source).certificates
    if not found:
        raise UnreadableError(tr("{source} holds no certificate", source=source or tr("the input")))
    return found


def load_crls(data: bytes, *, source: str = "") -> tuple[Crl, ...]:
    """The CRLs in the octets of a file, at least one. Raises UnreadableError."""
    found = load(data, source=source).crls
    if not found:
        raise UnreadableError(tr("{source} holds no CRL", source=source or tr("the input")))
    return found


def certificates_from_path(
    path: Path, password: Secret | None = None
) -> tuple[x509.Certificate, ...]:
    """The certificates of a file, or of the certificate files right in a folder.

    In a folder, files are told by their suffix (.pem .cer .crt .der .p7b .p7c) and those
    with only a key or a CRL are passed over. Raises UsageError when the path can't be
    opened, UnreadableError when a file can't be understood or nothing is found.
    """
    if not path.is_dir():
        data = read_bounded(path, MAX_CONTAINER_BYTES)
        return load_certificates(data, password, source=str(path))
    found = [
        certificate
        for contents in _folder(path, CERTIFICATE_SUFFIXES, MAX_CONTAINER_BYTES)
        for certificate in contents.certificates
    ]
    return tuple(dict.fromkeys(found)) or _nothing(path, tr("certificate"), CERTIFICATE_SUFFIXES)


def crls_from_path(path: Path) -> tuple[Crl, ...]:
    """The CRLs of a file, or of the CRL files (.crl .pem .der) right in a folder.

    Raises as :func:`certificates_from_path` does.
    """
    if not path.is_dir():
        return load_crls(read_bounded(path, MAX_CRL_BYTES), source=str(path))
    found = [
        crl for contents in _folder(path, _CRL_SUFFIXES, MAX_CRL_BYTES) for crl in contents.crls
    ]
    return tuple(found) or _nothing(path, "CRL", _CRL_SUFFIXES)


def _folder(path: Path, suffixes: set[str], limit: int) -> Iterator[Contents]:
    for file in _files(path, suffixes):
        yield load(read_bounded(file, limit), source=str(file))


def _files(path: Path, suffixes: set[str]) -> list[Path]:
    try:
        found = sorted(item for item in path.iterdir() if item.suffix.lower() in suffixes)
    except OSError as error:
        raise UsageError(tr("{path}: {why}", path=path, why=reason_of(error))) from None
    return [item for item in found if item.is_file()]


def _nothing(path: Path, what: str, suffixes: set[str]) -> Any:
    raise UnreadableError(
        tr("{path}: no {what} in this folder", path=path, what=what),
        advice=tr(
            "files right in it are read when they end in {suffixes}",
            suffixes=" ".join(sorted(suffixes)),
        ),
    )


# -- PEM -----------------------------------------------------------------------------------

_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9][A-Z0-9 ]{0,39})-----")


@dataclass(frozen=True)
class PemBlock:
    """One block: its label, and what stands between its begin and its end."""

    label: str
    body: bytes

    @property
    def is_private_key(self) -> bool:
        return "PRIVATE KEY" in self.label

    def octets(self) -> bytes:
        """What it encodes. Raises UnreadableError."""
        try:
            return base64.b64decode(b"".join(self.body.split()), validate=True)
        except binascii.Error:
            raise UnreadableError(
                tr("a PEM block {label} is not base64", label=self.label)
            ) from None


def pem_blocks(data: bytes) -> Iterator[PemBlock]:
    """The blocks in a text, in its order. Raises UnreadableError for one that has no end."""
    position = 0
    while begin := _BEGIN.search(data, position):
        label = begin.group(1)
        end = data.find(b"-----END " + label + b"-----", begin.end())
        if end < 0:
            raise UnreadableError(tr("a PEM block {label} has no end", label=label.decode()))
        position = end
        yield PemBlock(label.decode(), data[begin.end() : end])


def _pem(data: bytes, source: str) -> Contents:
    certificates: list[x509.Certificate] = []
    crls: list[Crl] = []
    for block in pem_blocks(data):
        if block.is_private_key:
            continue
        octets = block.octets()
        if block.label in ("CERTIFICATE", "X509 CERTIFICATE"):
            certificates.append(_certificate(octets))
        elif block.label == "X509 CRL":
            crls.append(Crl(octets, source))
        elif block.label in ("PKCS7", "CMS"):
            certificates += _pkcs7(octets)
    return Contents("PEM", tuple(certificates), tuple(crls))


_PKCS12_VERSION = bytes((der.INTEGER, 1, 3))  # RFC 7292 §4: what every PFX starts with


# -- DER, PKCS#7, PKCS#12 ------------------------------------------------------------------


def _der(data: bytes, password: Secret | None, source: str) -> Contents:
    first = _start_of_content(data)
    if first[:1] == bytes((der.OID,)):
        return Contents("PKCS#7", _pkcs7(data))
    if first == _PKCS12_VERSION:
        return Contents("PKCS#12", _pkcs12(data, password))
    if first[:1] == bytes((der.INTEGER,)):
        raise UnreadableError(tr("a private key, or something else that is no certificate"))
    if first[:1] != bytes((der.SEQUENCE,)):
        raise UnreadableError(tr("neither a certificate, nor a CRL, nor a container of them"))
    try:
        return Contents("DER", certificates=(_certificate(data),))
    except UnreadableError as error:
        try:
            return Contents("DER", crls=(Crl(data, source),))
        except UnreadableError:
            raise error from None


def _start_of_content(data: bytes) -> bytes:
    """The first three octets inside the outer SEQUENCE, in DER or BER; empty without one."""
    if len(data) < 2 or data[0] != der.SEQUENCE:
        return b""
    octets = data[1] & 0x7F if data[1] & 0x80 else 0
    return data[2 + octets : 5 + octets]


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Serial numbers that aren't positive and BER are findings, not news for a terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _certificate(octets: bytes) -> x509.Certificate:
    try:
        with _without_warnings():
            return x509.load_der_x509_certificate(octets)
    except KEY_ERRORS as error:
        raise UnreadableError(
            tr("not a certificate that can be read: {error}", error=error)
        ) from None


def _pkcs7(octets: bytes) -> tuple[x509.Certificate, ...]:
    from cryptography.hazmat.primitives.serialization import pkcs7

    try:
        with _without_warnings():
            return tuple(pkcs7.load_der_pkcs7_certificates(octets))
    except KEY_ERRORS as error:
        raise UnreadableError(
            tr("not a PKCS#7 bundle that can be read: {error}", error=error)
        ) from None


def _pkcs12(octets: bytes, password: Secret | None) -> tuple[x509.Certificate, ...]:
    found = open_pkcs12(octets, password)
    held = [found.cert, *found.additional_certs]
    return tuple(item.certificate for item in held if item is not None)


def open_pkcs12(octets: bytes, password: Secret | None = None) -> pkcs12.PKCS12KeyAndCertificates:
    """A PKCS#12 file, its private key too. Without a password, one that needs none.

    Raises UnreadableError, also when opening it would take too long.
    """
    from cryptography.hazmat.primitives.serialization import pkcs12

    _bound_key_derivation(octets)
    secrets = [password.reveal()] if password else [None, b""]
    for secret in secrets:
        try:
            with _without_warnings():
                return pkcs12.load_pkcs12(octets, secret)
        except KEY_ERRORS:
            continue
    raise UnreadableError(
        tr("a PKCS#12 file that this password does not open")
        if password
        else tr("a PKCS#12 file that needs its password"),
        advice=tr("give the password that was chosen when the file was made"),
    )


def _bound_key_derivation(octets: bytes) -> None:
    """Refuse a PKCS#12 whose iteration counts would keep the machine busy for minutes."""
    from asn1crypto.pkcs12 import Pfx

    try:
        pfx = Pfx.load(octets)
        counts = []
        if pfx["mac_data"].native:
            counts.append(pfx["mac_data"]["iterations"].native)
            kind = pfx["mac_data"]["mac"]["digest_algorithm"]["algorithm"].native
            if not kind.startswith("sha"):  # PBMAC1, RFC 9579: counts its iterations elsewhere
                raise UnreadableError(tr("a PKCS#12 file with a kind of MAC that is not read"))
        for content in pfx.authenticated_safe:
            if content["content_type"].native == "encrypted_data":
                encrypted = content["content"]["encrypted_content_info"]
                counts.append(encrypted["content_encryption_algorithm"].kdf_iterations)
    except KEY_ERRORS as error:
        raise UnreadableError(
            tr("not a PKCS#12 file that can be read: {error}", error=error)
        ) from None
    if any(count > MAX_KDF_ITERATIONS for count in counts):
        raise UnreadableError(
            tr(
                "a PKCS#12 file that asks for more than {max_kdf_iterations:,} iterations",
                max_kdf_iterations=MAX_KDF_ITERATIONS,
            )
        )
