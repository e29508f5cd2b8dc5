"""The network: the proxy, and whether the hosts can be reached. Nothing but loopback is
contacted unless the person said so; then names and ports are all that is used, and the clock's
check asks for one page.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from ..errors import ConfigError, ExitCode, IgcError, NetworkError
from ..hosts import is_loopback
from ..messages import reason_of, tr
from .bounds import Call
from .check import Check, Context
from .finding import Finding, note, ok, problem, skipped
from .masking import foreign, host, told

if TYPE_CHECKING:
    from ..certs.network.access import Access, Target

SECONDS = 3.0
CONTACTING = ("network.hosts", "clock.network", "platform.tls")
HOW = tr("to let it: igc doctor --online")
_OF_A_PROXY = (407, 502, 503, 504)  # it wants a password; it can't reach the host
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
T = TypeVar("T")


def _proxy(context: Context) -> Iterator[Finding]:
    proxy = context.profile.proxy
    if proxy is None:
        yield ok(tr("no proxy is configured"))
    else:
        from ..certs.network.access import proxy_address

        try:
            name, port = proxy_address(proxy)
            address = host(f"{name}:{port}")
            yield ok(tr("the proxy {address} is configured", address=address))
        except ConfigError as error:
            yield problem(
                tr("the proxy of the profile can't be used"),
                foreign(error.advice),
                ExitCode.USAGE,
            )
    found = sorted(name for name in os.environ if name.lower() in _PROXY_VARIABLES)
    if found:
        # Their values may hold a password.
        yield note(
            tr("{names}: set in the environment, and not used", names=", ".join(found)),
            tr('a proxy is named in the profile: proxy = "http://host:port"'),
        )


def access(context: Context) -> Access:
    """What the profile lets one contact. Raises ConfigError."""
    from ..certs.network.access import Access

    profile = context.profile
    return Access.of(
        profile.http_hosts,
        ldap_hosts=profile.ldap_hosts,
        private_networks=profile.private_networks,
        proxy=profile.proxy,
    )


def _urls(context: Context) -> tuple[str, ...]:
    profile = context.profile
    http = (f"http://{host}/" for host in profile.http_hosts)
    return (*http, *(f"ldap://{host}/" for host in profile.ldap_hosts))


def allowed_urls(context: Context, scheme: str = "") -> tuple[str, ...]:
    """The addresses that may be contacted: all of them online, else those on loopback."""
    local = context.profile.proxy is None
    return tuple(
        url
        for url in _urls(context)
        if url.startswith(scheme)
        and (context.online or (local and is_loopback(urlsplit(url).hostname or "")))
    )


def contacted(check: str, context: Context) -> Iterator[str]:
    """``host:port`` of what a check contacts, the proxy among them."""
    if context.profile.proxy and check in CONTACTING:
        yield _place_of(context.profile.proxy)
    if check in ("network.hosts", "clock.network"):
        yield from map(_place_of, allowed_urls(context, "" if check == "network.hosts" else "http"))
    elif check == "platform.tls" and context.profile.platform:
        yield _place_of(context.profile.platform)


def _place_of(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "ldap": 389}.get(parts.scheme, 443)
    return f"{parts.hostname}:{port}"


def _hosts(context: Context) -> Iterator[Finding]:
    urls = allowed_urls(context)
    if not context.online and len(urls) < len(_urls(context)):
        yield skipped(tr("it would contact other machines"), HOW)
    allowed = access(context)
    for url, outcome in _all(urls, lambda url: _reach(url, allowed)):
        name = host(_place_of(url))
        if not isinstance(outcome, Exception):
            way = tr("through the proxy") if allowed.proxy else tr("directly")
            yield ok(tr("{host}: reached {way}", host=name, way=way))
        else:
            yield problem(
                tr("{host} can't be reached: {why}", host=name, why=why(outcome)),
                remedy(outcome, proxied=bool(allowed.proxy)),
                ExitCode.NETWORK,
            )


def remedy(error: BaseException, *, proxied: bool) -> str:
    """What to look at when a host was not reached."""
    if _is_of_dns(error):
        if proxied:
            return tr(
                "DNS gives no address for the proxy: see the key proxy of the profile, and which "
                "name server this machine asks"
            )
        return tr(
            "DNS gives no address for it: see which name server this machine asks, and whether "
            "the profile should name a proxy, which looks names up itself"
        )
    return tr("see whether a firewall is in between, or a proxy that the profile should name")


def _is_of_dns(error: BaseException | None) -> bool:
    """Whether a name has no address, which an error of ours may have been made of."""
    return error is not None and (
        isinstance(error, socket.gaierror) or _is_of_dns(error.__context__)
    )


def why(error: Exception) -> str:
    """Why a host was not reached."""
    if isinstance(error, OSError):
        return reason_of(error)
    if isinstance(error, IgcError) and error.exit_code is ExitCode.TIMEOUT:
        return tr("no answer in {seconds:g} seconds", seconds=SECONDS)
    return told(error)


def _reach(url: str, allowed: Access) -> None:
    """Raises OSError, NetworkError, TimeoutExceededError."""
    target = allowed.target(url)
    if allowed.proxy and target.scheme != "ldap":
        _ask(target, allowed)
        return
    allowed.connect(target, SECONDS).close()


def first_date(context: Context) -> tuple[str, datetime, datetime] | IgcError:
    """A host, the time it tells, and the time of this machine then; or why none tells it."""
    allowed = access(context)
    failure: IgcError = NetworkError(tr("no host was asked"))
    for url, outcome in _all(
        allowed_urls(context, "http"), lambda url: _date(allowed.target(url), allowed)
    ):
        if not isinstance(outcome, Exception):
            return (host(_place_of(url)), *outcome)
        if isinstance(outcome, IgcError):
            failure = outcome
    return failure


def _ask(target: Target, allowed: Access) -> tuple[str, datetime]:
    """The date of an answer, as it is written, and the time of this machine then.

    Raises NetworkError, TimeoutExceededError; also for what the proxy says in place of the host.
    """
    from ..certs.network.exchange import BrokenTransferError, Deadline, Request, exchange

    try:
        with (
            Deadline(SECONDS) as deadline,
            exchange(Request(target, {}), allowed, deadline) as answer,
        ):
            status, date = answer.status, answer.headers.get("Date") or ""
            now = datetime.now(UTC)
    except BrokenTransferError as error:
        raise NetworkError(error.args[0]) from None
    if allowed.proxy and status in _OF_A_PROXY:
        raise NetworkError(tr("the proxy answers {status}", status=status))
    return date, now


def _date(target: Target, allowed: Access) -> tuple[datetime, datetime]:
    """What the host says the time is, and this machine. Raises as :func:`_ask`."""
    said, now = _ask(target, allowed)
    try:
        theirs = parsedate_to_datetime(said)
    except ValueError:
        raise NetworkError(tr("its answer has no date")) from None
    return theirs.astimezone(UTC) if theirs.tzinfo else theirs.replace(tzinfo=UTC), now


def _all(urls: tuple[str, ...], call: Callable[[str], T]) -> Iterator[tuple[str, T | Exception]]:
    """What the call gives or raises for each address: all at once, so that dead ones cost once."""
    until = time.monotonic() + SECONDS + 0.5
    for url, running in [(url, Call(lambda url=url: call(url))) for url in urls]:  # type: ignore[misc]
        try:
            yield url, running.result(until)
        except Exception as error:
            yield url, error


CHECKS = (
    Check("network.proxy", tr("The proxy"), _proxy),
    Check("network.hosts", tr("Whether the hosts of lists answer (--online)"), _hosts, 6.0),
)
