"""From the options of a command to the parts it works with: profile, anchors, platform."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..config import (
    Profile,
    Resolved,
    cache_directory,
    data_directory,
    resolve,
)
from ..errors import ConfigError, IgcError, UsageError
from ..instants import iso
from ..messages import plural, tr
from ..text import printable
from . import ask
from .output import Settings, talk

if TYPE_CHECKING:
    from ..card.cache import CardCache
    from ..card.monitor import Exchange, Monitor
    from ..card.session import CpsCard
    from ..certs.anchors import TrustStore
    from ..certs.network.access import Access
    from ..certs.network.proxy import ProxyLogin
    from ..certs.profile import CertificateProfile
    from ..credentials import Credential
    from ..ws.contract.wsdl import WsdlContract
    from ..ws.orders.journal import Journal
    from ..ws.patience import PatientPlatform


def profile_of(settings: Settings) -> Profile:
    """The profile that the command works with, with the options that it was given."""
    return configuration_of(settings).profile


def asked_profile(settings: Settings) -> str:
    """The profile that an option or a variable chose for this command, else nothing."""
    found = configuration_of(settings)
    return found.profile.name if found.profile_was_asked_for else ""


def configuration_of(settings: Settings) -> Resolved:
    """The profile, and where each value comes from. What should be known of it is told once."""
    flags = {key: getattr(settings, key) or None for key in _FLAGS}
    if settings.no_cache:
        flags["card_cache"] = "never"
    found = resolve(settings.profile, flags)
    for notice in found.notices:
        tell_once(tr("Careful: {notice}.", notice=notice))
    return found


_FLAGS = ("platform", "wsdl", "mapping", "reader", "pkcs11")


def tell_once(text: str) -> None:
    """A line for the person, once in a command however often it is met."""
    context = click.get_current_context(silent=True)
    told = context.meta.setdefault(f"{__name__}.told", set()) if context else set()
    if text not in told:
        told.add(text)
        talk(text)


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
    from ..ws.contract.conformity import Level, findings_of
    from ..ws.contract.wsdl import WsdlContract

    contract = WsdlContract(mapping, wsdl)
    for name in contract.mapping.operations:
        contract.operation(name)
    wrong = [found for found in findings_of(contract) if found.level is Level.ERROR]
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
                now=iso(clock()),
            )
        )
    return clock


def trust_store(profile: Profile, extra: tuple[Path, ...] = ()) -> TrustStore:
    """The anchors of the command line and profile, and those that were imported."""
    from ..certs.anchors import TrustStore, imported_store
    from ..certs.load import certificates_from_path

    given = [c for path in (*extra, *profile.anchors) for c in certificates_from_path(path)]
    return imported_store() + TrustStore.from_certificates(given)


def token_module(settings: Settings, profile: Profile) -> Path | None:
    """The PKCS#11 module whose token stands for the card, None to use the card."""
    return settings.pkcs11 or profile.pkcs11


@contextmanager
def inserted_card(settings: Settings) -> Iterator[CpsCard]:
    """The card of the chosen reader, for the time of a command; traced and recorded if asked."""
    from ..card.readers import open_card

    profile = profile_of(settings)
    if token_module(settings, profile):
        raise UsageError(
            tr("this command talks to the card itself: a PKCS#11 token can't stand for it"),
            advice=tr(
                "leave out --pkcs11, or choose a profile without the key pkcs11; igc card id, "
                "certs, sign and tls-check, and the platform's commands, take a token"
            ),
        )
    name, cache = settings.reader or profile.reader, _card_cache(settings, profile)
    with open_card(name, monitor=_monitor(settings), cache=cache, waiting=_say_waiting) as card:
        yield card


def _say_waiting(reader: str) -> None:
    talk(tr("{reader}: another program is using the card; waiting…", reader=printable(reader)))


def _card_cache(settings: Settings, profile: Profile) -> CardCache | None:
    """Where files of the card are kept; a recording holds all that its command needs."""
    from ..card.cache import CardCache

    if settings.recorder is not None or profile.card_cache == "never":
        return None
    return CardCache(card_cache_directory(), without_marker=profile.card_cache == "always")


def card_cache_directory() -> Path:
    return cache_directory() / "cards"


def _monitor(settings: Settings) -> Monitor | None:
    """What looks on while the card is used."""
    monitors: list[Monitor] = []
    if settings.recorder is not None:
        monitors.append(settings.recorder)
    if settings.trace:
        from ..card.trace import Annotator

        annotate = Annotator()
        monitors.append(lambda exchange: talk(annotate(exchange)))

    def watch(exchange: Exchange) -> None:
        for monitor in monitors:
            monitor(exchange)

    return watch if monitors else None


def verify_pin(card: CpsCard, source: str | None, *, use_last_try: bool) -> None:
    """Ask for the PIN and send it once; what is said before depends on the tries left."""
    with pin_verified(card, source, use_last_try=use_last_try):
        pass


@contextmanager
def pin_verified(card: CpsCard, source: str | None, *, use_last_try: bool) -> Iterator[None]:
    """As :func:`verify_pin`; in the block no other program can make the card forget the PIN.

    A PIN that is at hand is taken first, so that one reading of the counter serves. A person is
    not asked for the PIN of a card that would refuse it, nor made to hurry: the counter is
    then read before, and once more right before the PIN is sent.
    """
    at_hand = ask.secret_at_hand(source)
    if at_hand is None:
        _check_tries(card, use_last_try=use_last_try)
        keypad = source is None and card.keypad_for("verify")
        pin = ask.card_secret(keypad, source, tr("PIN of the card"), "--pin-source")
    else:
        pin = at_hand
    with card.transaction():
        if at_hand is not None:
            _check_tries(card, use_last_try=use_last_try)
        card.verify_pin(pin, use_last_try=use_last_try)
        yield


def _check_tries(card: CpsCard, *, use_last_try: bool) -> None:
    status = card.pin_status()
    card.check_pin_policy(use_last_try=use_last_try)
    if status.tries_left < status.max_tries:
        talk(
            tr(
                "Careful: {tries_left} of {max_tries} {name} tries left.",
                tries_left=status.tries_left,
                max_tries=status.max_tries,
                name="PIN",
            )
        )


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
    from ..certs.profile import decode
    from ..tls import client_context
    from ..ws.client import ZeepPlatform
    from ..ws.patience import Patience, PatientPlatform
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
