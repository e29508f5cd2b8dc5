"""The kept lists as ``igc crl`` speaks of them: all, those of a name, an entry of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UsageError
from ..instants import iso
from ..text import printable
from .crl_print import common_name
from .output import talk

if TYPE_CHECKING:
    from ..certs.crl.store import CrlStore, StoredCrl


def open_store() -> CrlStore:
    """The kept lists, after a warning of those that are damaged."""
    from ..certs.crl.kept import is_intact
    from ..certs.crl.store import CrlStore

    store = CrlStore()
    for path in store.damaged():
        talk(
            f"Warning: {printable(str(path))}: a kept list is damaged, and passed over until it is "
            "fetched or indexed again; the file can be removed"
        )
    for stored in store.lists():
        if not is_intact(stored):
            talk(
                f"Warning: {printable(str(stored.path))}: the file of a kept list is damaged. "
                "Checks go on by its index, which is whole; fetch or index it again"
            )
    return store


def matching(store: CrlStore, name: str) -> tuple[StoredCrl, ...]:
    """The lists with ``name`` in their issuer or address, at least one. Raises UsageError."""
    wanted = name.casefold()
    found = [
        item
        for item in store.lists()
        if wanted in item.issuer.casefold() or wanted in item.source.casefold()
    ]
    if not found:
        raise UsageError(f"no list of {name!r} is kept", advice="see them all with: igc crl list")
    return tuple(found)


def the_one(store: CrlStore, name: str) -> StoredCrl:
    """The only list of that name. Raises UsageError."""
    found = matching(store, name)
    if len(found) > 1:
        several = "; ".join(common_name(item) for item in found)
        raise UsageError(f"{len(found)} lists have {name!r} in their name: {several}")
    return found[0]


def lookup(store: CrlStore, stored: StoredCrl, serial: str) -> dict[str, str | None]:
    """The entry of a serial number; its date is None when it is not in the list.

    Raises UsageError, and UnreadableError for a list whose file is damaged.
    """
    from ..certs.crl.kept import octets_of
    from ..certs.crl.scan import outline
    from ..certs.x509.certificate_list import Crl

    try:
        value = int(serial.replace(":", ""), 16)
    except ValueError:
        raise UsageError(f"{serial!r} is no serial number in hexadecimal") from None
    issuer = Crl(outline(octets_of(stored)).header).issuer
    listing = next(item for item in store.find(issuer) if item.sha256 == stored.sha256)
    found = listing.lookup(value)
    return {
        "serial": f"{value:x}",
        "date": iso(found.date) if found else None,
        "reason": found.reason if found else None,
    }
