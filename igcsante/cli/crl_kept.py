"""The kept lists as ``igc crl`` speaks of them: all, those of a name, an entry of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UsageError
from ..instants import iso
from ..messages import tr
from ..text import printable
from .crl_print import issuer_name
from .output import talk

if TYPE_CHECKING:
    from ..certs.crl.store import CrlStore, StoredCrl


def open_store() -> CrlStore:
    """The kept lists, after a warning of those that are damaged."""
    from ..certs.crl.store import CrlStore

    store = CrlStore()
    for error in store.damaged():
        talk(
            tr(
                "Warning: {message}. No certificate of its issuer is good until "
                "it is fetched or indexed again",
                message=printable(error.message),
            )
        )
    for stored in store.lists():
        if damage := _damage(store, stored):
            talk(
                tr(
                    "Warning: {path}: {damage}; fetch or index it again",
                    path=printable(str(stored.path)),
                    damage=damage,
                )
            )
    return store


def _damage(store: CrlStore, stored: StoredCrl) -> str | None:
    """What is wrong with a list that can be read one way or another."""
    from ..certs.crl.kept import has_damaged_index, is_intact

    if has_damaged_index(store, stored):
        if is_intact(stored):
            return tr(
                "the index of a kept list is damaged. Checks read the list itself, more slowly"
            )
        return tr(
            "a kept list is damaged, and so is its index. What it says of some certificates "
            "can't be told"
        )
    if not is_intact(stored):
        return tr("the file of a kept list is damaged. Checks go on by its index, which is whole")
    return None


def none_is_whole(store: CrlStore) -> bool:
    """Whether lists are kept, of which none can be read, not even by its index."""
    from ..certs.crl.kept import has_damaged_index, is_intact

    found = store.lists()
    if not found:
        return bool(store.damaged())
    return all(has_damaged_index(store, stored) and not is_intact(stored) for stored in found)


def matching(store: CrlStore, name: str) -> tuple[StoredCrl, ...]:
    """The lists with ``name`` in their issuer or address, at least one. Raises UsageError."""
    wanted = name.casefold()
    found = [
        item
        for item in store.lists()
        if wanted in item.issuer.casefold() or wanted in item.source.casefold()
    ]
    if not found:
        raise UsageError(
            tr("no list of {name!r} is kept", name=name),
            advice=tr("see them all with: igc crl list"),
        )
    return tuple(found)


def the_one(store: CrlStore, name: str) -> StoredCrl:
    """The only list of that name. Raises UsageError."""
    found = matching(store, name)
    if len(found) > 1:
        several = "; ".join(issuer_name(item) for item in found)
        raise UsageError(
            tr(
                "{count} lists have {name!r} in their name: {several}",
                count=len(found),
                name=name,
                several=several,
            )
        )
    return found[0]


def lookup(store: CrlStore, stored: StoredCrl, serial: str) -> dict[str, str | None]:
    """The entry of a serial number; its date is None when it is not in the list.

    Raises UsageError, and UnreadableError for a list whose file is damaged.
    """
    from ..certs.crl.kept import require_intact
    from ..certs.x509.names import read_serial

    value = read_serial(serial)
    if value is None:
        raise UsageError(
            tr("{serial!r} is no serial number", serial=serial[:80]),
            advice=tr("1 to 20 octets in hexadecimal, not zero"),
        )
    require_intact(stored)
    found = store.open(stored).lookup(value)
    return {
        "serial": f"{value:x}",
        "date": iso(found.date) if found else None,
        "reason": found.reason if found else None,
    }
