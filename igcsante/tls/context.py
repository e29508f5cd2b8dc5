"""What every context of ours keeps: its signer, its anchors, and verification for good.

HTTP libraries change the context they are given: requests adds certifi's roots, urllib3
sets ``verify_mode``. A server that gets a card's signature is verified against the
anchors chosen at the start and nothing else, so those calls have no effect here.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from socket import socket
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ..errors import TlsError
from ..messages import tr
from .signing import BoundedSigner

Peer = tuple[str, int]  # verified host name, port


class VerifyingContext(ssl.SSLContext):
    """A client context: TLS 1.2 or newer, 1.2 at most for a signer without PSS."""

    def __new__(cls, *_: object) -> VerifyingContext:
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, signer: BoundedSigner, anchors: Sequence[x509.Certificate]) -> None:
        self.signer = signer
        self.minimum_version = ssl.TLSVersion.TLSv1_2
        if not signer.has_pss:
            self.maximum_version = ssl.TLSVersion.TLSv1_2
        self.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        super().load_verify_locations(cadata=b"".join(map(der, anchors)))

    def load_verify_locations(self, *_: Any, **__: Any) -> None:
        """Has no effect: the anchors are the only roots."""

    def load_default_certs(self, purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH) -> None:
        """Has no effect: the anchors are the only roots."""

    def set_default_verify_paths(self) -> None:
        """Has no effect: the anchors are the only roots."""

    @property  # type: ignore[override] # an int, says the stub of the C class
    def verify_mode(self) -> ssl.VerifyMode:
        return ssl.CERT_REQUIRED

    @verify_mode.setter
    def verify_mode(self, value: ssl.VerifyMode) -> None:
        if value != ssl.CERT_REQUIRED:
            raise TlsError(tr("a server that gets a card's signature is always verified"))

    @property
    def check_hostname(self) -> bool:
        return True

    @check_hostname.setter
    def check_hostname(self, value: bool) -> None:
        if not value:
            raise TlsError(tr("the host name of a server that gets a card's signature is verified"))


def peer_of(sock: socket, server_hostname: str | bytes | None) -> Peer | None:
    """Whom a session belongs to; None when that can't be told."""
    try:
        return str(server_hostname), sock.getpeername()[1]
    except (OSError, IndexError):
        return None  # hung up already, or no TCP socket


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
