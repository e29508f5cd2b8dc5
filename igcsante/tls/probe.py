"""Whether a TLS server accepts a credential: one handshake of one version, and what was asked.

The request for a certificate (RFC 5246 §7.4.4, RFC 8446 §4.3.2) is read from the handshake.
A server of TLS 1.3 refuses a certificate only after the client's part is done, and some web
servers refuse with an HTTP status: so a GET request is sent, and its answer is waited for.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cryptography import x509

from ..credentials import Credential
from ..errors import IgcError, NetworkError, TimeoutExceededError, TlsError
from ..messages import reason_of, tr
from . import client_context, native, signatures_made, signing_failure

VERSIONS = {"TLSv1.3": ssl.TLSVersion.TLSv1_3, "TLSv1.2": ssl.TLSVersion.TLSv1_2}
_CERTIFICATE_REQUEST = 13
_CERTIFICATE_AUTHORITIES = 47  # extension of TLS 1.3, RFC 8446 §4.2.4
_HEADER = 4  # type and length of a handshake message
_MAX_AUTHORITIES = 1000
_STATUS_LINE = re.compile(rb"HTTP/\d\.\d (\d{3})\b")
_NO_SUCH_VERSION = {
    "TLSV1_ALERT_PROTOCOL_VERSION",
    "UNSUPPORTED_PROTOCOL",
    "WRONG_SSL_VERSION",
    "NO_PROTOCOLS_AVAILABLE",
}


class Outcome(StrEnum):
    """What became of a handshake."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNCLEAR = "unclear"
    NOT_ASKED = "not_asked"
    NOT_SIGNED = "not_signed"
    UNTRUSTED_SERVER = "untrusted_server"
    NO_VERSION = "no_version"
    KEY_CANNOT = "key_cannot"
    FAILED = "failed"


@dataclass(frozen=True)
class Probe:
    """A handshake that was tried.

    ``authorities``: the names (DER) of the authorities whose certificates the server takes,
    empty when it takes any; None when it asked for no certificate. ``http_status``: of the
    GET request, None without an HTTP answer.
    """

    version: str
    outcome: Outcome
    detail: str = ""
    authorities: tuple[bytes, ...] | None = None
    http_status: int | None = None
    cipher: str | None = None
    signatures: int = 0


def probe(
    host: str,
    port: int,
    version: str,
    credential: Credential,
    anchors: Iterable[x509.Certificate],
    *,
    timeout: float,
) -> Probe:
    """Try one TLS version, ``TLSv1.2`` or ``TLSv1.3``, with one signature at most.

    ``timeout`` is in seconds, for each step. Raises NetworkError and TimeoutExceededError
    when the server can't be reached, TlsError where OpenSSL can't be reached, and what the
    key raises (CardRemovedError, PinRequiredError…).
    """
    if not native.available():
        raise TlsError(
            tr("this Python has its OpenSSL built in, so versions can't be tried one by one"),
            advice=tr("use your system's Python"),
        )
    if version == "TLSv1.3" and all(scheme.padding != "pss" for scheme in credential.schemes):
        return Probe(
            version, Outcome.KEY_CANNOT, tr("TLS 1.3 wants PSS, which this key can't make")
        )
    context: Any = client_context(credential, anchors, max_signatures=1)
    context.minimum_version = context.maximum_version = VERSIONS[version]
    requests: list[bytes] = []
    context._msg_callback = _collector(requests)
    found = _handshake(host, port, version, context, timeout)
    failure = signing_failure(context)
    if isinstance(failure, IgcError):
        raise failure
    asked = bool(requests)
    signatures = signatures_made(context)
    outcome, detail = found.outcome, found.detail
    if outcome is Outcome.ACCEPTED and not asked:
        outcome, detail = Outcome.NOT_ASKED, tr("the server asked for no certificate")
    elif outcome is Outcome.ACCEPTED and not signatures:
        outcome, detail = Outcome.NOT_SIGNED, tr("it takes no signature that this key makes")
    elif outcome is Outcome.FAILED and signatures:
        outcome = Outcome.REFUSED
    return Probe(
        version,
        outcome,
        detail,
        _authorities(requests[0], version) if asked else None,
        found.http_status,
        found.cipher,
        signatures,
    )


def _handshake(
    host: str, port: int, version: str, context: ssl.SSLContext, timeout: float
) -> Probe:
    cipher = None
    try:
        with (
            _connected(host, port, timeout) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            chosen = secure.cipher()
            cipher = chosen[0] if chosen else None
            secure.sendall(_request(host, port))
            answer = secure.recv(4096)
    except ssl.SSLCertVerificationError as error:
        return Probe(version, Outcome.UNTRUSTED_SERVER, error.verify_message or str(error))
    except TimeoutError:
        if cipher is None:
            raise TimeoutExceededError(
                tr("{host}:{port} didn't finish its handshake", host=host, port=port)
            ) from None
        return _silent(version, cipher, tr("it gave no answer in time"))
    except ssl.SSLError as error:
        reason = error.reason or str(error)
        if reason in _NO_SUCH_VERSION:
            return Probe(
                version,
                Outcome.NO_VERSION,
                tr("the server doesn't speak {version}", version=version),
            )
        return Probe(version, Outcome.REFUSED if cipher else Outcome.FAILED, _words(reason))
    except OSError as error:
        detail = tr("the server hung up ({why})", why=reason_of(error))
        return Probe(version, Outcome.REFUSED if cipher else Outcome.FAILED, detail, cipher=cipher)
    status = _STATUS_LINE.match(answer)
    if not answer:
        return _silent(version, cipher, tr("it closed the connection"))
    return Probe(
        version,
        Outcome.ACCEPTED,
        http_status=int(status[1]) if status else None,
        cipher=cipher,
    )


def _silent(version: str, cipher: str | None, detail: str) -> Probe:
    """After a whole TLS 1.2 handshake the certificate was accepted; TLS 1.3 doesn't tell."""
    outcome = Outcome.ACCEPTED if version == "TLSv1.2" else Outcome.UNCLEAR
    return Probe(version, outcome, detail, cipher=cipher)


@contextlib.contextmanager
def _connected(host: str, port: int, timeout: float) -> Any:
    try:
        plain = socket.create_connection((host, port), timeout)
    except TimeoutError:
        raise TimeoutExceededError(
            tr("{host}:{port} can't be reached in time", host=host, port=port)
        ) from None
    except OSError as error:
        raise NetworkError(
            tr("{host}:{port} can't be reached: {why}", host=host, port=port, why=reason_of(error))
        ) from None
    with plain:
        yield plain


def _request(host: str, port: int) -> bytes:
    name = f"[{host}]" if ":" in host else host
    lines = ("GET / HTTP/1.1", f"Host: {name}:{port}", "Connection: close", "", "")
    return "\r\n".join(lines).encode("ascii", "replace")


def _words(reason: str) -> str:
    return reason.replace("_", " ").lower()


def _collector(requests: list[bytes]) -> Any:
    """What OpenSSL shows each message to (SSL_CTX_set_msg_callback(3))."""

    def collect(_: object, direction: str, *rest: Any) -> None:
        _version, _content, kind, data = rest
        if direction == "read" and kind == _CERTIFICATE_REQUEST:
            requests.append(bytes(data))

    return collect


# -- CertificateRequest ------------------------------------------------------------------------


def _authorities(message: bytes, version: str) -> tuple[bytes, ...]:
    """The names in a CertificateRequest message. Raises TlsError for one of another shape."""
    try:
        body = message[_HEADER:]
        if version == "TLSv1.3":
            return _in_extension(body)
        _, rest = _vector(body, 1)  # certificate types
        _, rest = _vector(rest, 2)  # signature algorithms
        return _names(_vector(rest, 2)[0])
    except (struct.error, ValueError):
        raise TlsError(tr("the server's request for a certificate can't be read")) from None


def _in_extension(body: bytes) -> tuple[bytes, ...]:
    _, rest = _vector(body, 1)  # context
    extensions, _ = _vector(rest, 2)
    while extensions:
        (kind,) = struct.unpack_from(">H", extensions)
        value, extensions = _vector(extensions[2:], 2)
        if kind == _CERTIFICATE_AUTHORITIES:
            return _names(_vector(value, 2)[0])
    return ()


def _names(data: bytes) -> tuple[bytes, ...]:
    names: list[bytes] = []
    while data and len(names) < _MAX_AUTHORITIES:
        name, data = _vector(data, 2)
        names.append(name)
    return tuple(names)


def _vector(data: bytes, size: int) -> tuple[bytes, bytes]:
    """A vector with a length of ``size`` bytes (RFC 8446 §3.4), and what follows it."""
    length = int.from_bytes(data[:size])
    if len(data) < size + length:
        raise ValueError("truncated")
    return data[size : size + length], data[size + length :]
