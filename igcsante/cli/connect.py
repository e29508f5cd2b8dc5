"""From the options of a command to the parts it works with: profile, anchors, platform."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import Profile, cache_directory, data_directory, load_profile
from ..errors import ConfigError
from . import ask
from .output import Settings, talk

if TYPE_CHECKING:
    from ..card.cache import CardCache
    from ..card.monitor import Exchange, Monitor
    from ..card.session import CpsCard
    from ..certs.anchors import TrustStore
    from ..credentials import Credential
    from ..ws.client import ZeepPlatform
    from ..ws.journal import Journal


def simulated_world_directory() -> Path:
    """Where ``igc sim`` keeps its world, and the profile ``sim`` with it."""
    return data_directory() / "sim"


def profile_of(settings: Settings) -> Profile:
    """The profile that the command works with."""
    return load_profile(
        settings.profile, extra_files=(simulated_world_directory() / "profile.toml",)
    )


def open_journal() -> Journal:
    """The journal of the orders made from this machine."""
    from ..ws.journal import Journal

    return Journal(data_directory() / "journal.sqlite")


@dataclass(frozen=True)
class Target:
    """A platform to talk to, and what verifies it. Made before anything is asked or sent."""

    settings: Settings
    profile: Profile
    endpoint: str
    store: TrustStore


def target_of(settings: Settings) -> Target:
    """The platform that the command works with. Raises ConfigError when something is missing."""
    profile = profile_of(settings)
    endpoint = settings.platform or profile.platform
    if not endpoint:
        raise ConfigError(
            "no platform is configured",
            advice="give --platform URL, or a profile that names one. The ANS does not publish "
            "its web service's address or WSDL: an authorised user brings both. To try "
            "everything without it: igc demo, or igc sim platform",
        )
    store = trust_store(profile)
    if not store.roots:
        raise ConfigError(
            "no trust anchor: the platform's server could not be verified",
            advice="import the IGC-Santé authorities: igc trust import FILE (igc trust list "
            "--json says where they are published)",
        )
    return Target(settings, profile, endpoint, store)


def trust_store(profile: Profile, extra: tuple[Path, ...] = ()) -> TrustStore:
    """The anchors of the command line and profile, and those that were imported."""
    from ..certs.anchors import TrustStore, imported_store
    from ..certs.load import certificates_from_path

    given = [c for path in (*extra, *profile.anchors) for c in certificates_from_path(path)]
    return imported_store() + TrustStore.from_certificates(given)


@contextmanager
def inserted_card(settings: Settings) -> Iterator[CpsCard]:
    """The card of the chosen reader, for the time of a command; traced and recorded if asked."""
    from ..card.readers import open_card

    profile = profile_of(settings)
    name, cache = settings.reader or profile.reader, _card_cache(settings, profile)
    with open_card(name, monitor=_monitor(settings), cache=cache) as card:
        yield card


def _card_cache(settings: Settings, profile: Profile) -> CardCache | None:
    """Where files of the card are kept; a recording holds all that its command needs."""
    from ..card.cache import CardCache

    wanted = os.environ.get("IGC_CARD_CACHE") or profile.card_cache
    if settings.no_cache or settings.recorder is not None or wanted == "never":
        return None
    return CardCache(card_cache_directory(), without_marker=wanted == "always")


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
    status = card.pin_status()
    card.check_pin_policy(use_last_try=use_last_try)
    if status.tries_left < status.max_tries:
        talk(f"Careful: {status.tries_left} of {status.max_tries} PIN tries left.")
    keypad = source is None and card.keypad_for("verify")
    pin = ask.card_secret(keypad, source, "PIN of the card", "--pin-source")
    card.verify_pin(pin, use_last_try=use_last_try)


def with_chain(credential: Credential, store: TrustStore) -> Credential:
    """The credential with as much of its chain as is known."""
    from ..certs.chain import issuers_of

    return replace(credential, chain=tuple(issuers_of(credential.certificate, store)))


@contextmanager
def _credential(target: Target, source: str | None, *, use_last_try: bool) -> Iterator[Credential]:
    """The holder's authentication key, PIN verified, with the chain that a server wants to see.

    It is that of the card, or of the PKCS#11 token that the profile names.
    """
    from ..certs.chain import issuers_of

    if target.profile.pkcs11:
        from ..pkcs11 import open_token

        with open_token(target.profile.pkcs11) as token:
            token.check_pin_policy(use_last_try=use_last_try)
            on_reader = token.wants_pin_on_reader
            if on_reader:
                talk("Type the PIN on the reader.")
            pin = None if on_reader else ask.secret(source, "PIN of the token", "--pin-source")
            token.login(pin, use_last_try=use_last_try)
            own = token.credential()
            yield replace(own, chain=tuple(issuers_of(own.certificate, target.store)))
        return
    with inserted_card(target.settings) as card:
        verify_pin(card, source, use_last_try=use_last_try)
        yield card.credential(chain=issuers_of(card.certificate("authentication"), target.store))


@contextmanager
def connected(
    target: Target, pin_source: str | None, *, use_last_try: bool
) -> Iterator[tuple[ZeepPlatform, dict[str, str]]]:
    """The platform over TLS with the inserted card, and what the journal should know of both.

    One PIN check and one card signature serve the whole command.
    """
    from ..certs.profile import decode
    from ..tls import client_context
    from ..ws.client import ZeepPlatform

    profile = target.profile
    with _credential(target, pin_source, use_last_try=use_last_try) as credential:
        context = client_context(credential, target.store.roots)
        about = {
            "profile": profile.name,
            "platform": target.endpoint,
            "card_number": decode(credential.certificate).card_number or "",
        }
        with ZeepPlatform(
            target.endpoint, context, wsdl=profile.wsdl, mapping=profile.mapping
        ) as client:
            yield client, about
