"""From the options of a command to the parts it works with: profile, anchors, platform."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import Profile, data_directory, load_profile
from ..errors import ConfigError
from . import ask
from .output import Settings, talk

if TYPE_CHECKING:
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
    return Target(profile, endpoint, store)


def trust_store(profile: Profile, extra: tuple[Path, ...] = ()) -> TrustStore:
    """The anchors of the command line and profile, and those that were imported."""
    from ..certs.anchors import TrustStore, imported_store
    from ..certs.load import certificates_from_path

    given = [c for path in (*extra, *profile.anchors) for c in certificates_from_path(path)]
    return imported_store() + TrustStore.from_certificates(given)


def verify_pin(card: CpsCard, source: str | None, *, use_last_try: bool) -> None:
    """Ask for the PIN and send it once; what is said before depends on the tries left."""
    status = card.pin_status()
    card.check_pin_policy(use_last_try=use_last_try)
    if status.tries_left < status.max_tries:
        talk(f"Careful: {status.tries_left} of {status.max_tries} PIN tries left.")
    pin = ask.secret(source, "PIN of the card", "--pin-source")
    card.verify_pin(pin, use_last_try=use_last_try)


def card_credential(card: CpsCard, store: TrustStore) -> Credential:
    """The card's authentication key with the chain that a server wants to see."""
    from ..certs.chain import issuers_of

    return card.credential(chain=issuers_of(card.certificate("authentication"), store))


@contextmanager
def connected(
    target: Target, reader: str | None, pin_source: str | None, *, use_last_try: bool
) -> Iterator[tuple[ZeepPlatform, dict[str, str]]]:
    """The platform over TLS with the inserted card, and what the journal should know of both.

    One PIN check and one card signature serve the whole command.
    """
    from ..card.readers import open_card
    from ..tls import client_context
    from ..ws.client import ZeepPlatform

    profile = target.profile
    with open_card(reader or profile.reader) as card:
        verify_pin(card, pin_source, use_last_try=use_last_try)
        context = client_context(card_credential(card, target.store), target.store.roots)
        about = {
            "profile": profile.name,
            "platform": target.endpoint,
            "card_number": card.card_number() or "",
        }
        with ZeepPlatform(
            target.endpoint, context, wsdl=profile.wsdl, mapping=profile.mapping
        ) as client:
            yield client, about
