"""What may be contacted to fetch lists and answers: named hosts, at addresses that were checked.

The URL comes out of a certificate, so it is not to be believed. Only hosts that the profile
names are contacted; a name must stand for public addresses, or for some in networks that the
profile names too, and the connection goes to the very address that was checked. No proxy
setting of the environment is read.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from ...errors import ConfigError, NetworkError, TimeoutExceededError
from ...messages import tr
from .proxy import ProxyLogin

DEFAULT_PORTS = {"http": 80, "https": 443, "ldap": 389}
MAX_URL_LENGTH = 8192
_PROXY_PORT = 3128

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052 §2.1


@dataclass(frozen=True)
class Target:
    """An address that may be contacted. ``path`` is what follows the host, ``/`` at least."""

    url: str
    scheme: str
    host: str
    port: int
    path: str


@dataclass(frozen=True)
class Access:
    """``hosts`` and ``ldap_hosts`` are ``host`` or ``host:port``, in lower case.

    ``private_networks`` are those that a name may stand for although they are not public; a
    host that is named by its address needs none. ``proxy`` (host, port) takes HTTP and HTTPS;
    ``proxy_login`` is what it is told, when it wants to know who asks.
    """

    hosts: frozenset[str]
    ldap_hosts: frozenset[str] = frozenset()
    private_networks: tuple[_Network, ...] = ()
    proxy: tuple[str, int] | None = None
    proxy_login: ProxyLogin | None = None

    @classmethod
    def of(
        cls,
        hosts: Access | Iterable[str],
        *,
        ldap_hosts: Iterable[str] = (),
        private_networks: Iterable[str] = (),
        proxy: str | None = None,
        proxy_login: ProxyLogin | None = None,
    ) -> Access:
        """From texts, as a profile has them. Raises ConfigError."""
        if isinstance(hosts, Access):
            return hosts
        return cls(
            frozenset(host.lower() for host in hosts),
            frozenset(host.lower() for host in ldap_hosts),
            tuple(_network(text) for text in private_networks),
            proxy_address(proxy) if proxy else None,
            proxy_login if proxy else None,
        )

    def target(self, url: str) -> Target:
        """The parts of an address that may be contacted. Raises NetworkError."""
        parts = _parts(url)
        host, default = (parts.hostname or "").lower(), DEFAULT_PORTS[parts.scheme]
        port = default if parts.port is None else parts.port
        shown = f"[{host}]" if ":" in host else host
        named = {f"{shown}:{port}"} | ({shown} if port == default else set())
        ldap = parts.scheme == "ldap"
        if not named & (self.ldap_hosts if ldap else self.hosts):
            raise NetworkError(
                tr("{url}: the host is not among those that may be contacted", url=url),
                advice=tr(
                    "name it in {which}_hosts of the profile if it should be",
                    which="ldap" if ldap else "http",
                ),
            )
        path = parts.path or "/"
        return Target(
            url, parts.scheme, host, port, f"{path}?{parts.query}" if parts.query else path
        )

    def connect(self, target: Target, seconds: float) -> socket.socket:
        """A connection to the proxy, or else to a checked address of the target.

        Raises OSError, NetworkError for an address that is not allowed, TimeoutExceededError.
        """
        proxied = self.proxy is not None and target.scheme != "ldap"
        host, port = self.proxy if self.proxy and proxied else (target.host, target.port)
        failure: OSError | None = None
        for address in resolved(host, port, seconds):
            if not proxied:
                self._check(target.host, address)
            try:
                return socket.create_connection((address, port), timeout=seconds)
            except OSError as error:
                failure = error
        raise failure or OSError(f"{host} has no address")

    def _check(self, host: str, text: str) -> None:
        address = ipaddress.ip_address(text.partition("%")[0])
        if _literal(host) == address or all(map(self._permits, _meant(address))):
            return
        raise NetworkError(
            tr(
                "{host} stands for {address}, which is no public address: it was not contacted",
                host=host,
                address=address,
            ),
            advice=tr("name its network in private_networks of the profile if that is right"),
        )

    def _permits(self, address: _Address) -> bool:
        if any(address in network for network in self.private_networks):
            return True
        return address.is_global and not address.is_multicast


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise NetworkError(tr("{url!r} is not an address", url=url[:MAX_URL_LENGTH])) from None
    if len(url) > MAX_URL_LENGTH:
        raise NetworkError(
            tr(
                "{url!r}… is longer than {max_url_length:,} characters",
                url=url[:100],
                max_url_length=MAX_URL_LENGTH,
            )
        )
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.username is not None:
        raise NetworkError(tr("{url!r} is not an http or ldap address that is fetched", url=url))
    if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        raise NetworkError(tr("{url!r} has characters that no address has", url=url))
    return parts


def resolved(host: str, port: int, seconds: float) -> list[str]:
    """The addresses of a name, within so many seconds: the system's own limits are longer."""
    if _literal(host) is not None:
        return [host]
    outcome: list[list[str] | OSError] = []

    def resolve() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            outcome.append(list(dict.fromkeys(str(item[4][0]) for item in found)))
        except (OSError, UnicodeError) as error:
            outcome.append(error if isinstance(error, OSError) else OSError(f"{host}: no name"))

    thread = threading.Thread(target=resolve, daemon=True)
    thread.start()
    thread.join(max(seconds, 0))
    if not outcome:
        raise TimeoutExceededError(tr("{host}: its address was not found in time", host=host))
    if isinstance(outcome[0], OSError):
        raise outcome[0]
    return outcome[0]


def _literal(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _meant(address: _Address) -> list[_Address]:
    """The address and the IPv4 one that it wraps, if any: both must be permitted.

    Of an IPv4-mapped address only the IPv4 one counts, since that is what is contacted.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    if address in _NAT64:
        return [address, ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    return [address, address.sixtofour] if address.sixtofour else [address]


def _network(text: str) -> _Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise ConfigError(
            tr("private_networks: {text!r} is no network", text=text),
            advice=tr("write it as 10.0.0.0/8"),
        ) from None


def proxy_address(text: str) -> tuple[str, int]:
    """Host and port of ``http://host:port``. Raises ConfigError."""
    try:
        parts = urlsplit(text)
        port = parts.port or _PROXY_PORT
    except ValueError:
        parts, port = urlsplit(""), 0
    plain = parts.path in ("", "/") and not parts.query and parts.username is None
    if parts.scheme != "http" or not parts.hostname or not plain:
        raise ConfigError(
            tr("proxy: not the address of an HTTP proxy"),
            advice=tr(
                "write it as http://proxy.example:3128; a name and a password are proxy_user and "
                "proxy_password"
            ),
        )
    return parts.hostname, port
