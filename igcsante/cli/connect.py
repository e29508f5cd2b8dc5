"""From the options of a command to the parts it works with: profile, anchors, platform."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import (
    Profile,
    data_directory,
)
from ..errors import ConfigError, IgcError
from ..instants import shown
from ..messages import plural, tr
from ..text import printable
from .chosen import profile_of
from .output import Settings, talk

if TYPE_CHECKING:
    from ..certs.anchors import TrustStore
    from ..certs.network.access import Access
    from ..certs.network.proxy import ProxyLogin
    from ..certs.profile import CertificateProfile
    from ..credentials import Credential
    from ..ws.contract.wsdl import WsdlContract
    from ..ws.orders.journal import Journal
    from ..ws.patience import PatientPlatform


def access_of(profile: Profile) -> Access:
    """What may be contacted to fetch lists and answers. Raises ConfigError."""
    from ..certs.network.access import Access

    return Access.of(
        profile.http_hosts,
        ldap_hosts=profile.ldap_hosts,
        private_networks=profile.private_networks,
        proxy=profile.proxy,
        proxy_login=_proxy_login(profile),
    )


def _proxy_login(profile: Profile) -> ProxyLogin | None:
    """Who asks the proxy. The password is read when it is needed. Raises ConfigError."""
    from ..certs.network.proxy import ProxyLogin

    return ProxyLogin.of(profile.proxy_user, profile.proxy_password)


def open_journal() -> Journal:
    """The journal of the orders made from this machine."""
    from ..ws.orders.journal import Journal

    return Journal(data_directory() / "journal.sqlite")


@dataclass(frozen=True)
class Target:
    """A platform to talk to, and what verifies it. Made before anything is asked or sent."""

    settings: Settings
    profile: Profile
    endpoint: str
    store: TrustStore
    proxy: tuple[str, int] | None
    proxy_login: ProxyLogin | None
    contract: WsdlContract | None  # None: the mock's
    clock: Callable[[], datetime]


def target_of(settings: Settings) -> Target:
    """The platform that the command works with. Raises ConfigError when something is missing."""
    from ..certs.network.access import proxy_address

    profile = profile_of(settings)
    endpoint = settings.platform or profile.platform
    if not endpoint:
        raise ConfigError(
            tr("no platform is configured"),
            advice=tr(
                "give --platform URL, or a profile that names one. The ANS does not publish "
                "its web service's address or WSDL: an authorised user brings both. To try "
                "everything without it: igc demo, or igc sim platform"
            ),
        )
    store = trust_store(profile)
    if not store.roots:
        raise ConfigError(
            tr("no trust anchor: the platform's server could not be verified"),
            advice=tr(
                "import the IGC-Santé authorities: igc trust import FILE (igc trust list "
                "--json says where they are published)"
            ),
        )
    contract = _contract(settings, profile, endpoint)
    proxy = proxy_address(profile.proxy) if profile.proxy else None
    login, clock = _proxy_login(profile), clock_of(profile)
    return Target(settings, profile, endpoint, store, proxy, login, contract, clock)


def _contract(settings: Settings, profile: Profile, endpoint: str) -> WsdlContract | None:
    """WSDL and mapping, when they are given; a mistake is told before any secret is asked for."""
    from ..ws.contract.choice import mapping_for

    wsdl, path = settings.wsdl or profile.wsdl, settings.mapping or profile.mapping
    mapping = mapping_for(endpoint, wsdl, path)
    if not wsdl and not path:
        return None
    from ..ws.contract.conformity import checked

    contract, wrong = checked(mapping, wsdl)
    if wrong:
        talk(
            plural(
                "Careful: {source} and its WSDL don't agree in {count} place: {first}. "
                "See: igc ws check-mapping",
                "Careful: {source} and its WSDL don't agree in {count} places, such as {first}. "
                "See: igc ws check-mapping",
                len(wrong),
                source=contract.mapping.source,
                first=printable(
                    tr("{place}: {message}", place=wrong[0].place, message=wrong[0].message)
                ),
            )
        )
    return contract


def clock_of(profile: Profile) -> Callable[[], datetime]:
    """What tells how near an end is: this machine's clock, or the simulated world's.

    That it is another time than the real one is told.
    """
    if profile.clock is None:
        return lambda: datetime.now(UTC)
    from ..testing.clock import WorldClock

    clock = WorldClock(profile.clock)
    if clock.offset():
        talk(
            tr(
                "The simulated world's clock tells what is due: it is {now} there.",
                now=shown(clock()),
            )
        )
    return clock


def trust_store(profile: Profile, extra: tuple[Path, ...] = ()) -> TrustStore:
    """The anchors of the command line and profile, and those that were imported."""
    from ..certs.anchors import TrustStore, imported_store
    from ..certs.load import certificates_from_path

    given = [c for path in (*extra, *profile.anchors) for c in certificates_from_path(path)]
    return imported_store() + TrustStore.from_certificates(given)


def with_chain(credential: Credential, store: TrustStore) -> Credential:
    """The credential with as much of its chain as is known."""
    from ..certs.chain import issuers_of

    return replace(credential, chain=tuple(issuers_of(credential.certificate, store)))


@dataclass(frozen=True)
class Connection:
    """A platform that one is connected to, as whom, and what the journal should know of both."""

    platform: PatientPlatform
    credential: Credential
    about: dict[str, str]


@contextmanager
def connected(
    target: Target, pin_source: str | None, *, use_last_try: bool, seconds: float = inf
) -> Iterator[tuple[PatientPlatform, dict[str, str]]]:
    """As :func:`connection`: the platform, and what the journal should know."""
    with connection(target, pin_source, use_last_try=use_last_try, seconds=seconds) as found:
        yield found.platform, found.about


@contextmanager
def connection(
    target: Target, pin_source: str | None, *, use_last_try: bool, seconds: float = inf
) -> Iterator[Connection]:
    """The platform over TLS with the inserted card, and what the journal should know of both.

    The card may be the PKCS#11 token that options or profile name. One PIN check and one
    signature serve the whole command; what may be asked again is, when the platform is out of
    reach for a moment. Nothing is asked of it for longer than ``seconds`` in all. Raises
    CardError when the certificate, which is read whole here, names two holders.
    """
    from ..card.holder import check_holder
    from ..certs.crl.store import CrlStore
    from ..certs.profile import decode
    from ..tls import client_context
    from ..ws.client import ZeepPlatform
    from ..ws.patience import Patience, PatientPlatform
    from ..ws.server import revocation_check
    from ..ws.soap.transport import Limits
    from .key_holder import key_holder

    profile = target.profile
    with key_holder(target.settings) as holder:
        holder.verify_pin(pin_source, use_last_try=use_last_try)
        credential = with_chain(holder.credential(), target.store)
        certificate = decode(credential.certificate)
        check_holder(certificate)
        _tell_end_of_card(certificate, target.clock())
        context = client_context(credential, target.store.roots)
        about = {
            "profile": profile.name,
            "platform": target.endpoint,
            "card_number": certificate.card_number or "",
        }
        limits = Limits(
            profile.connect_seconds,
            profile.silence_seconds,
            profile.total_seconds,
            together=seconds,
        )
        patience = Patience(total=min(Patience.total, seconds))
        with ZeepPlatform(
            target.endpoint,
            context,
            contract=target.contract,
            limits=limits,
            proxy=target.proxy,
            proxy_login=target.proxy_login,
            credential=credential,
            server_check=revocation_check(target.store, CrlStore(), target.clock),
        ) as client:
            yield Connection(PatientPlatform(client, patience, told=_say_again), credential, about)


def _tell_end_of_card(certificate: CertificateProfile, now: datetime) -> None:
    from ..ws.card_life import end_of, notice

    end = end_of(certificate.not_before, certificate.not_after, certificate.world)
    if told := notice(end, now):
        talk(tr("Careful: {told}.", told=told))


def _say_again(error: IgcError, seconds: float) -> None:
    talk(
        tr(
            "{message}; trying again in {seconds:.1f} s…",
            message=printable(error.message),
            seconds=seconds,
        )
    )
