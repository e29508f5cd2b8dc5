"""``igc card``: the commands that work with an inserted card."""

from __future__ import annotations

from .command import group
from .lazy import LazyGroup
from .output import Settings, card_options

# Each command lives in the module named here, as NAME_command (dashes as underscores).
COMMANDS: dict[str, tuple[str, str]] = {
    "id": ("card_info", "Print the holder's national identifier, and nothing else."),
    "info": ("card_info", "Show the card, its holder, its certificates and the PIN tries left."),
    "certs": ("card_certs", "List the card's certificates; with --out, write them as PEM files."),
    "cache": ("card_cache", "Forget what was kept of cards that were read before."),
    "objects": ("card_objects", "List the card's data objects; read one."),
    "activities": ("card_objects", "List where the holder works. Needs the PIN."),
    "export": ("card_export", "Write the card's certificates and data objects as files."),
    "record": ("card_record", "Record what a command and the card say to each other."),
    "pin": ("card_pin", "Look after the PIN: tries left, verify, change, unblock."),
    "sign": ("card_keys", "Sign a file on the card: CMS, or the bare signature."),
    "random": ("card_keys", "Print random bytes of the card."),
    "tls-check": ("card_tls", "See whether a TLS server accepts the card."),
}


@group("card", cls=LazyGroup, table=COMMANDS)
@card_options
def card_command(settings: Settings) -> None:
    """Work with a CPx card. Nothing spends a PIN try unless it asks for the PIN.

    id, certs, sign and tls-check also work with a PKCS#11 token: --pkcs11 MODULE.

    \b
    Examples:
      igc card info             the card, its holder, the tries left
      igc card id               the national identifier, for a script
      igc card sign letter.pdf  a detached signature
    """
