"""One verified TLS connection to the platform, that carries SOAP messages and nothing else.

``http.client`` over the given ``ssl.SSLContext``, whose anchors alone vouch for the server
(requests would add certifi's roots to it). No redirect, cookie, compression or retry, and no
proxy but a named one. Every wait is bounded, and so is the whole exchange; so is the answer. The
connection is kept for the next call: opening one costs a signature of the card.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import io
import math
import re
import selectors
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from ...certs.network.proxy import ProxyLogin
from ...errors import (
    ContractError,
    NetworkError,
    TimeoutExceededError,
    TlsError,
    UsageError,
)
from ...messages import reason_of, tr
from ...steps import step
from ...tls import signing_failure
from ..server import ServerCheck
from .route import Deadline, Route

DEFAULT_PORT = 443
_PRINTABLE_ASCII = re.compile(r"[!-~]+", re.ASCII)


@dataclass(frozen=True)
class Limits:
    """Time limits in seconds, and the size of an answer in bytes.

    ``connect`` bounds reaching the host, then the handshake; ``silence`` each wait for
    data; ``total`` a call, once connected; ``together`` everything, from the moment on that the
    transport is made.
    """

    connect: float = 15.0
    silence: float = 30.0
    total: float = 60.0
    answer_bytes: int = 4 * 1024 * 1024
    together: float = math.inf


@dataclass(frozen=True)
class Answer:
    """What came back: HTTP status, media type in lower case, body.

    ``retry_after``: how many seconds the server asks to wait (RFC 9110 §10.2.3).
    ``content_type``: the media type with its parameters, as it came.
    """

    status: int
    media_type: str
    content: bytes
    retry_after: int | None = None
    content_type: str = ""


class HttpsTransport:
    """POSTs to one ``https://`` endpoint, one call at a time. Close it after use.

    ``proxy`` is the host and port of an HTTP proxy to go through, ``proxy_login`` what it is told
    when it wants to know who asks; ``server_check`` raises what speaks against the host's
    certificate, once for each connection and before anything is sent on it. An error raised once
    the request may have left carries ``outcome_unknown=True``.
    """

    def __init__(
        self,
        endpoint: str,
        context: ssl.SSLContext,
        limits: Limits,
        proxy: tuple[str, int] | None = None,
        proxy_login: ProxyLogin | None = None,
        server_check: ServerCheck | None = None,
    ) -> None:
        if context.verify_mode is not ssl.CERT_REQUIRED or not context.check_hostname:
            raise UsageError(tr("the TLS context does not verify the server, so it is not used"))
        url = _checked_endpoint(endpoint)
        self.host = url.hostname or ""
        self._target = url.path or "/"
        if url.query:
            self._target += f"?{url.query}"
        self._context = context
        self._limits = limits
        self._server_check = server_check
        route = Route(self.host, url.port or DEFAULT_PORT, proxy, proxy_login)
        self._connection = _Connection(route, context, limits)

    def post(self, body: bytes, headers: dict[str, str], *, target: str = "") -> Answer:
        """Send ``body`` and read the whole answer.

        ``target`` is a path on the same server, by default that of the endpoint.

        Raises NetworkError, TlsError, TimeoutExceededError, ContractError (too large, a
        redirect), or what the card raised while it signed in the handshake.
        """
        if not self._connection.usable:
            self._connection.close()
            self._connect()
        try:
            return self._exchange(body, headers, target or self._target)
        except BaseException:
            self._connection.close()
            raise

    @property
    def tls_version(self) -> str | None:
        """``TLSv1.2`` or ``TLSv1.3`` while connected, else None."""
        return self._connection.sock.version() if self._connection.sock else None

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _connect(self) -> None:
        try:
            self._connection.connect()
        except TimeoutError:
            raise TimeoutExceededError(
                tr(
                    "{host} did not finish its TLS handshake within {connect:g} s",
                    host=self.host,
                    connect=min(self._limits.connect, self._limits.together),
                )
            ) from None
        except ssl.SSLError as error:
            raise _handshake_failure(self.host, self._context, error) from None
        except OSError as error:
            raise signing_failure(self._context) or TlsError(
                tr(
                    "{host} hung up in the TLS handshake: {why}",
                    host=self.host,
                    why=reason_of(error),
                ),
                advice=tr("is that the address of a platform, and of its TLS port?"),
            ) from None
        if self._server_check is not None:
            try:
                self._server_check(self.host, self._server_certificate())
            except BaseException:
                self._connection.close()
                raise

    def _server_certificate(self) -> x509.Certificate:
        try:
            der = self._connection.sock.getpeercert(binary_form=True)
            return x509.load_der_x509_certificate(der)
        except ValueError as error:
            raise TlsError(
                tr(
                    "the certificate of {host} can't be read: {why}; nothing was sent",
                    host=self.host,
                    why=reason_of(error),
                )
            ) from None

    def _exchange(self, body: bytes, headers: dict[str, str], target: str) -> Answer:
        try:
            self._connection.start()
            # A server that turns us down may close before it has read all: hear it out.
            with contextlib.suppress(ConnectionError, ssl.SSLEOFError):
                self._connection.request("POST", target, body, headers)
            with contextlib.closing(self._connection.getresponse()) as response:
                answer = self._read(response)
                step(
                    "platform",
                    "POST {host}: HTTP {status}, {size} bytes",
                    host=self.host,
                    status=answer.status,
                    size=len(answer.content),
                )
                return answer
        except TimeoutError:
            raise TimeoutExceededError(
                tr("{host} did not answer in time", host=self.host), outcome_unknown=True
            ) from None
        except ssl.SSLError as error:
            # With TLS 1.3 the server refuses our certificate after the handshake. Any other alert,
            # or one that comes amid an answer, says nothing of what was done before it.
            if self._connection.in_head and _refuses_certificate(error):
                raise _handshake_failure(self.host, self._context, error) from None
            raise _broken(self.host) from None
        except (OSError, http.client.HTTPException, ValueError):
            raise _broken(self.host) from None

    def _read(self, response: http.client.HTTPResponse) -> Answer:
        if 300 <= response.status < 400:
            raise ContractError(
                tr(
                    "{host} redirects elsewhere (HTTP {status}); it is not followed",
                    host=self.host,
                    status=response.status,
                ),
                advice=tr("give the address of the web service itself"),
                outcome_unknown=True,
            )
        content = response.read(self._limits.answer_bytes + 1)
        if len(content) > self._limits.answer_bytes:
            raise ContractError(
                tr(
                    "the answer of {host} is larger than {answer_bytes:,} bytes",
                    host=self.host,
                    answer_bytes=self._limits.answer_bytes,
                ),
                outcome_unknown=True,
            )
        if response.length or response.headers.get("Content-Encoding", "identity") != "identity":
            raise http.client.IncompleteRead(b"")
        if response.will_close:
            self._connection.close()
        media_type = response.headers.get_content_type().lower()
        wait = response.headers.get("Retry-After", "")
        seconds = int(wait) if re.fullmatch(r"[0-9]{1,6}", wait) else None
        content_type = response.headers.get("Content-Type", "")
        return Answer(response.status, media_type, content, seconds, content_type)


def _checked_endpoint(endpoint: str) -> Any:
    try:
        url = urlsplit(endpoint)
        valid = url.scheme == "https" and url.hostname and url.port != 0 and not url.fragment
    except ValueError:
        valid = False
    if not valid or url.username is not None or not _PRINTABLE_ASCII.fullmatch(endpoint):
        raise UsageError(
            tr("the platform's address should look like https://host[:port]/path"),
            advice=tr("it comes from --platform or from the profile"),
        )
    return url


def _broken(host: str) -> NetworkError:
    return NetworkError(
        tr("{host} hung up in the middle of a call", host=host), outcome_unknown=True
    )


def _handshake_failure(host: str, context: ssl.SSLContext, error: ssl.SSLError) -> BaseException:
    if failure := signing_failure(context):
        return failure
    if isinstance(error, ssl.SSLCertVerificationError):
        advice = (
            tr("give the address by the name that its certificate has")
            if error.verify_code in _OTHER_NAME
            else tr(
                "if it is the right one, import its authorities: igc trust import, or anchors "
                "in the profile; a proxy that opens TLS connections must let this one through "
                "as it is"
            )
        )
        return TlsError(
            tr(
                "the certificate of {host} is not trusted: {verify_message}",
                host=host,
                verify_message=error.verify_message,
            ),
            advice=advice,
        )
    reason: str = tr("the handshake failed")
    if error.reason:
        reason = error.reason.replace("_", " ").lower()
    return TlsError(
        tr("no TLS connection with {host}: {reason}", host=host, reason=reason),
        advice=tr("the platform refuses this card's certificate")
        if _refuses_certificate(error)
        else tr("is that the address of a platform, and of its TLS port?"),
    )


def _refuses_certificate(error: ssl.SSLError) -> bool:
    """Whether it is an alert about our certificate (RFC 8446 §6.2), as OpenSSL names them."""
    reason = error.reason or ""
    return "ALERT" in reason and any(
        name in reason for name in ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED")
    )


# X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH (OpenSSL's x509_vfy.h)
_OTHER_NAME = {62, 64}


class _Connection(http.client.HTTPSConnection):
    """A connection whose waits all count against the limits of the call."""

    debuglevel = 0  # even when someone sets http.client's own: it prints what is sent
    sock: Any

    def __init__(self, route: Route, context: ssl.SSLContext, limits: Limits) -> None:
        super().__init__(route.host, route.port, context=context)
        self._tls, self._route, self._limits = context, route, limits
        self._end = Deadline(limits.together)
        self.in_head = False

    def connect(self) -> None:
        """Reach the host, then agree with it on TLS: each within ``limits.connect``."""
        plain = self._route.open(min(self._limits.connect, self._end.left()))
        try:
            plain.settimeout(min(self._limits.connect, self._end.left()))
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise

    @property
    def usable(self) -> bool:
        """Open, and the other end has not hung up or spoken out of turn."""
        if self.sock is None or self.sock.pending():
            return False
        with selectors.DefaultSelector() as selector:
            selector.register(self.sock, selectors.EVENT_READ)
            return not selector.select(0)

    def start(self) -> None:
        """Begin a call: its time runs from now."""
        self._deadline = Deadline(min(self._limits.total, self._end.left()))
        self.in_head = True
        self.sock.settimeout(self.wait())
        self.response_class = functools.partial(_timed_response, self)  # type: ignore[assignment]

    def getresponse(self) -> http.client.HTTPResponse:
        """The answer, its head read."""
        response = super().getresponse()
        self.in_head = False
        return response

    def wait(self) -> float:
        """How long the next wait may last, in seconds. Raises TimeoutError when none is left."""
        return min(self._deadline.left(), self._limits.silence)


def _timed_response(connection: _Connection, sock: Any, **options: Any) -> http.client.HTTPResponse:
    response = http.client.HTTPResponse(sock, **options)
    response.fp.close()
    response.fp = io.BufferedReader(_TimedStream(connection, sock))
    return response


class _TimedStream(io.RawIOBase):
    """Reads a socket, each time with what is left of the call's time."""

    def __init__(self, connection: _Connection, sock: Any) -> None:
        self._connection = connection
        self._socket = sock
        self._stream = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(self._connection.wait())
        count: int | None = self._stream.readinto(buffer)
        if not count and self._connection.in_head:  # http.client takes that for its end
            raise ConnectionResetError
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()
