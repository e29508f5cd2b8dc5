"""The profile that a command works with, by its options, the environment and the configuration."""

from __future__ import annotations

import click

from ..config import Profile, Resolved, resolve
from ..messages import tr
from .output import Settings, talk


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
