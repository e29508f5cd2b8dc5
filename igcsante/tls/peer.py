"""The certificates that a TLS server sends, read without believing them: for a check of them.

Straight TLS, or after STARTTLS: SMTP (RFC 3207), IMAP (RFC 9051 §6.2.1), POP3 (RFC 2595),
LDAP (RFC 4511 §4.14), FTP (RFC 4217). Old versions and weak ciphers are taken too. A server that
wants a certificate of ours gets none, and may refuse to go on: by then it has proved that it has
the key of its own. One that proves nothing is refused. One deadline for all.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import time
import warnings
from collections.abc import Callable
from typing import Any

from ..errors import NetworkError, TimeoutExceededError, TlsError
from ..messages import reason_of, tr

TIMEOUT = 10.0
MAX_CERTIFICATES = 20
_MAX_DIALOGUE_BYTES = 64 * 1024
_DER = 2  # ENCODING_DER of CPython's _ssl
# Handshake messages (RFC 5246 §7.4)
_SERVER_KEY_EXCHANGE, _CERTIFICATE_REQUEST, _CLIENT_KEY_EXCHANGE = 12, 13, 16
_HANDSHAKE = 22  # content type
_LDAP_STARTTLS = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
_LDAP_SUCCESS = b"\x0a\x01\x00"  # resultCode 0, first in an LDAPResult


def server_certificates(
    host: str,
    port: int,
    *,
    starttls: str | None = None,
    server_name: str | None = None,
    timeout: float = TIMEOUT,
) -> tuple[bytes, ...]:
    """The chain (DER) in the order of the server, its own certificate first.

    ``starttls`` is one of ``STARTTLS``; ``server_name`` is asked for (SNI) instead of ``host``;
    ``timeout`` is in seconds for all of it. Raises NetworkError, TlsError and
    TimeoutExceededError.
    """
    where = f"{host}:{port}"
    deadline = time.monotonic() + timeout
    try:
        with socket.create_connection((host, port), timeout) as plain:
            if starttls:
                STARTTLS[starttls](_Dialogue(plain, deadline))
            plain.settimeout(_left(deadline))
            return _certificates(plain, _name_of(server_name or host), where)
    except TimeoutError:
        raise TimeoutExceededError(
            tr("{where} did not answer in {timeout:g} seconds", where=where, timeout=timeout)
        ) from None
    except NetworkError as error:
        told = tr("{where}: {message}", where=where, message=error.message)
        raise type(error)(told, advice=error.advice) from None
    except UnicodeError:
        raise NetworkError(tr("{where}: no name that can be looked up", where=where)) from None
    except OSError as error:
        raise NetworkError(
            tr("{where} can't be reached: {why}", where=where, why=reason_of(error))
        ) from None


def _certificates(plain: socket.socket, name: str | None, where: str) -> tuple[bytes, ...]:
    failure: OSError | None = None
    context, messages = _context(), _Messages()
    messages.of(context)
    with context.wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False) as tls:
        try:
            tls.do_handshake()
        except TimeoutError:
            raise
        except OSError as error:
            failure = error
        found = _sent(tls)
    if not found:
        raise TlsError(
            tr(
                "no TLS handshake: {failure}",
                failure=_words(failure) or tr("no certificate was sent"),
            ),
            advice=tr("a server that starts without TLS is asked with --starttls PROTOCOL"),
        )
    if failure is not None and not (messages.key_is_proved and _is_of_the_other_end(failure)):
        raise TlsError(
            tr(
                "it sent a certificate, and did not prove that it has the key of it: {failure}",
                failure=_words(failure),
            ),
            advice=tr(
                "someone may be in between, or the server is set up wrong: what it sent is not "
                "checked"
            ),
        )
    return found[:MAX_CERTIFICATES]


class _Messages:
    """Those of a handshake that came (``read``) and went (``write``), by their type."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, int]] = set()

    def of(self, context: Any) -> None:
        """CPython shows them to this attribute alone."""
        context._msg_callback = self._see

    def _see(
        self, _tls: Any, direction: str, _version: int, content: int, kind: int, _data: bytes
    ) -> None:
        if content == _HANDSHAKE:
            self._seen.add((direction, int(kind)))

    @property
    def key_is_proved(self) -> bool:
        """Whether a handshake up to TLS 1.2, that did not end, could only fail for want of ours.

        OpenSSL answers with a key of its own only once the signature under the server's is
        verified. In TLS 1.3 its refusal comes after the end; where the server's key deciphers
        (RSA key transport), only the end proves it.
        """
        return self._seen >= {
            ("read", _SERVER_KEY_EXCHANGE),
            ("read", _CERTIFICATE_REQUEST),
            ("write", _CLIENT_KEY_EXCHANGE),
        }


def _is_of_the_other_end(failure: OSError) -> bool:
    """Whether it sent an alert or hung up, and we found nothing wrong."""
    if isinstance(failure, (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return True
    return "_ALERT_" in (getattr(failure, "reason", None) or "")


def _words(failure: OSError | None) -> str:
    if failure is None:
        return ""
    reason = getattr(failure, "reason", None) or failure.strerror or type(failure).__name__
    return str(reason).replace("_", " ").lower()


def _sent(tls: ssl.SSLSocket) -> tuple[bytes, ...]:
    """What the other end has sent; a method of its own from Python 3.13 on."""
    public: Any = getattr(tls, "get_unverified_chain", None)
    try:
        chain = public() if public else tls._sslobj.get_unverified_chain()  # type: ignore[attr-defined]
    except ValueError:  # nothing came
        return ()
    return tuple(c if isinstance(c, bytes) else c.public_bytes(_DER) for c in chain or ())


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings(), contextlib.suppress(ssl.SSLError, ValueError):
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def _name_of(host: str) -> str | None:
    """What SNI may say: no addresses (RFC 6066 §3)."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host
    return None


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Dialogue:
    """Lines before TLS, octet by octet: what follows them belongs to TLS."""

    def __init__(self, plain: socket.socket, deadline: float) -> None:
        self._plain = plain
        self._deadline = deadline
        self._budget = _MAX_DIALOGUE_BYTES

    def send(self, data: bytes) -> None:
        self._plain.settimeout(_left(self._deadline))
        self._plain.sendall(data)

    def octets(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            self._budget -= 1
            self._plain.settimeout(_left(self._deadline))
            octet = self._plain.recv(1)
            if not octet or self._budget < 0:
                raise NetworkError(
                    tr("it hung up before TLS") if not octet else tr("it says too much")
                )
            data += octet
        return data

    def line(self) -> str:
        data = b""
        while not data.endswith(b"\n"):
            data += self.octets(1)
        return data.decode("utf-8", "replace").strip()

    def reply(self, expected: str) -> None:
        """A reply of SMTP or FTP, of several lines perhaps, that starts with a code."""
        line = first = self.line()
        code = first[:3]
        while line[:4] != code and line[:4] != f"{code} ":
            line = self.line()
        if code != expected:
            raise _refused(first)

    def answer(self, good: str, bad: tuple[str, ...]) -> None:
        """The next line that starts with ``good``; others are passed over, but ``bad``."""
        while not (line := self.line()).upper().startswith(good):
            if line.upper().startswith(bad):
                raise _refused(line)


def _refused(line: str) -> NetworkError:
    return NetworkError(tr("it refuses STARTTLS: {line}", line=line[:200]))


def _smtp(dialogue: _Dialogue) -> None:
    dialogue.reply("220")
    dialogue.send(b"EHLO localhost\r\n")
    dialogue.reply("250")
    dialogue.send(b"STARTTLS\r\n")
    dialogue.reply("220")


def _imap(dialogue: _Dialogue) -> None:
    dialogue.answer("* OK", ("* BYE", "* PREAUTH"))
    dialogue.send(b"a STARTTLS\r\n")
    dialogue.answer("A OK", ("A NO", "A BAD", "* BYE"))


def _pop3(dialogue: _Dialogue) -> None:
    dialogue.answer("+OK", ("-",))
    dialogue.send(b"STLS\r\n")
    dialogue.answer("+OK", ("-",))


def _ftp(dialogue: _Dialogue) -> None:
    dialogue.reply("220")
    dialogue.send(b"AUTH TLS\r\n")
    dialogue.reply("234")


def _ldap(dialogue: _Dialogue) -> None:
    dialogue.send(_LDAP_STARTTLS)
    head = dialogue.octets(2)
    size = head[1]
    if size & 0x80:
        size = int.from_bytes(dialogue.octets(size & 0x7F))
    if head[:1] != b"\x30" or size > _MAX_DIALOGUE_BYTES:
        raise NetworkError(tr("it does not speak LDAP"))
    if _LDAP_SUCCESS not in dialogue.octets(size):
        raise NetworkError(tr("it refuses STARTTLS"))


STARTTLS: dict[str, Callable[[_Dialogue], None]] = {
    "smtp": _smtp,
    "imap": _imap,
    "pop3": _pop3,
    "ldap": _ldap,
    "ftp": _ftp,
}
