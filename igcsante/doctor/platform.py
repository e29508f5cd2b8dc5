"""The platform: whether one is configured, and its server's part of a TLS handshake.

No key and no certificate of ours is used: a server that asks for one gets none, and its refusal
is what is expected (RFC 5246 §7.4.6, RFC 8446 §4.4.2).
"""

from __future__ import annotations

import http.client
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import ExitCode, IgcError
from ..hosts import is_loopback
from ..messages import plural, reason_of, tr
from . import network
from .certificates import trusted
from .check import Check, Context
from .finding import Finding, note, ok, problem, skipped, warning
from .masking import MASK, Masked, foreign, host, place, told

if TYPE_CHECKING:
    from cryptography import x509

    from ..config import Profile

_SECONDS = 4.0
_CERTIFICATE_REQUEST = 13


def _address(context: Context) -> Iterator[Finding]:
    if not context.profile.platform:
        yield note(
            tr("no platform is configured: certificates can't be ordered"),
            tr("name it in the profile, or try everything without it: igc demo"),
        )
        return
    parts = urlsplit(context.profile.platform)
    if parts.scheme != "https" or not parts.hostname:
        yield problem(
            tr("the platform's address is no https address"),
            tr("write it as https://host/path"),
            ExitCode.USAGE,
        )
        return
    yield ok(tr("the platform is {host}", host=_host(context.profile.platform)))
    found = _absent(context.profile) or _contract(context.profile)
    if found:
        yield from found
    elif bool(context.profile.wsdl) != bool(context.profile.mapping):
        yield warning(
            tr("the profile names one of WSDL and mapping file, not both"),
            tr("name both, as docs/mapping.md says; then: igc ws check-mapping"),
        )


def _absent(profile: Profile) -> list[Finding]:
    """Which files of the contract are not there."""
    return [
        problem(
            tr("the profile's {key} is not there: {path}", key=key, path=place(path)),
            tr("mend {key}; where it is set: igc config show --origin", key=key),
            ExitCode.USAGE,
        )
        for key, path in (("wsdl", profile.wsdl), ("mapping", profile.mapping))
        if path and not path.is_file()
    ]


def _contract(profile: Profile) -> list[Finding]:
    """What stands against talking as WSDL and mapping say: commands look at the same."""
    from ..ws.contract.choice import mapping_for
    from ..ws.contract.conformity import checked

    try:
        mapping = mapping_for(profile.platform or "", profile.wsdl, profile.mapping)
        named = profile.wsdl or profile.mapping
        wrong = len(checked(mapping, profile.wsdl)[1]) if named else 0
    except IgcError as error:
        return [
            problem(
                tr("the platform's contract can't be used: {why}", why=told(error)),
                foreign(error.advice) or tr("see: igc ws check-mapping"),
                error.exit_code,
            )
        ]
    if not wrong:
        return []
    return [
        warning(
            plural(
                "WSDL and mapping file don't agree in {count} place",
                "WSDL and mapping file don't agree in {count} places",
                wrong,
            ),
            tr("see: igc ws check-mapping"),
        )
    ]


def _host(url: str) -> str:
    parts = urlsplit(url)
    return host(f"{parts.hostname}:{parts.port or 443}")


@dataclass(frozen=True)
class Handshake:
    """Of a server that is trusted: the TLS version, "" when it hung up for want of a certificate
    of ours, and whether it asked for one."""

    version: str
    wants_ours: bool


def _tls(context: Context) -> Iterator[Finding]:
    url = context.profile.platform
    if not url or urlsplit(url).scheme != "https":
        yield skipped(tr("no platform is configured"))
        return
    local = is_loopback(urlsplit(url).hostname or "") and not context.profile.proxy
    if not context.online and not local:
        yield skipped(tr("it would contact other machines"), network.HOW)
        return
    roots = trusted(context).roots
    if not roots:
        yield skipped(
            tr("no trust anchor, so its server can't be verified"),
            tr("import the authorities: igc trust import"),
        )
        return
    name = _host(url)
    try:
        done = handshake(url, roots, context.profile.proxy)
    except ssl.SSLCertVerificationError as error:
        yield problem(
            tr("{host}: its certificate is not trusted: {why}", host=name, why=_reason(error)),
            tr("import the authority that issued it, if it is the right one: igc trust import"),
            ExitCode.NETWORK,
        )
        return
    except ssl.SSLError as error:
        yield problem(
            tr("{host}: no TLS handshake: {why}", host=name, why=_reason(error)),
            tr("see whether something in between intercepts TLS"),
            ExitCode.NETWORK,
        )
        return
    except OSError as error:
        why = tr("no answer in time") if isinstance(error, TimeoutError) else reason_of(error)
        yield problem(
            tr("{host} can't be reached: {why}", host=name, why=why),
            network.remedy(error, proxied=bool(context.profile.proxy)),
            ExitCode.NETWORK,
        )
        return
    if done.wants_ours:
        yield ok(
            tr(
                "{host}: its certificate is trusted, and it asks for one of ours, as it should",
                host=name,
            )
        )
    else:
        yield warning(
            tr("{host}: its certificate is trusted, and it asks for none of ours", host=name),
            tr("the platform knows its users by their card: is that its address?"),
        )


def handshake(url: str, roots: tuple[x509.Certificate, ...], proxy: str | None) -> Handshake:
    """The server's part of a handshake. Raises OSError, ssl.SSLError for what is wrong there."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from ..certs.network.access import proxy_address

    parts = urlsplit(url)
    context: Any = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asked: list[bytes] = []
    context._msg_callback = _collector(asked)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=b"".join(r.public_bytes(Encoding.DER) for r in roots))
    host, port = parts.hostname or "", parts.port or 443
    if proxy:
        connection = http.client.HTTPSConnection(
            *proxy_address(proxy), timeout=_SECONDS, context=context
        )
        connection.set_tunnel(host, port)
    else:
        connection = http.client.HTTPSConnection(host, port, timeout=_SECONDS, context=context)
    try:
        connection.connect()
        return Handshake(connection.sock.version() or "", bool(asked))
    except ssl.SSLCertVerificationError:
        raise
    except ssl.SSLError as error:
        # By the time it asks, its own certificate and key are verified.
        if asked and "ALERT" in (error.reason or ""):
            return Handshake("", wants_ours=True)
        raise
    finally:
        connection.close()


def _collector(asked: list[bytes]) -> Any:
    """What OpenSSL shows each message to (SSL_CTX_set_msg_callback(3))."""

    def collect(_: object, direction: str, *rest: Any) -> None:
        _version, _content, kind, data = rest
        if direction == "read" and kind == _CERTIFICATE_REQUEST:
            asked.append(bytes(data))

    return collect


def _reason(error: ssl.SSLError) -> str:
    told = getattr(error, "verify_message", "") or error.reason or str(error)
    text = str(told).replace("_", " ").lower()
    return Masked(re.sub(r"'[^']*'", MASK, text), text)  # the name that it is not for


CHECKS = (
    Check("platform.address", tr("Whether a platform is configured"), _address, 9.0),
    Check("platform.tls", tr("The platform's part of TLS (--online)"), _tls, 6.0),
)
