"""An index that anything was done to never makes a revoked certificate good, and never fails."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import handmade_crl as made
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selfmade_pki import AT, DAY, Authority

from igcsante.certs.anchors import TrustStore
from igcsante.certs.crl.store import CrlStore
from igcsante.certs.policy import Policy
from igcsante.certs.revocation import CrlSource
from igcsante.certs.verdict import Kind
from igcsante.errors import IgcError

REVOKED = (7, 0x41414141, 1 << 100)
FREE = (8, 0x41414142, (1 << 100) + 1)
MOST_BYTES = 16 * 1024 * 1024
ROOT = Authority.root("FUZZ ROOT")
ISSUING = ROOT.authority("FUZZ ISSUING")
LEAVES = {serial: ISSUING.leaf(serial=serial) for serial in (*REVOKED, *FREE)}
STORE = TrustStore.from_certificates([ROOT.certificate, ISSUING.certificate])


@dataclass(frozen=True)
class Kept:
    """A store with one list, and its index; indexes of an older list, another CA, another user."""

    lists: CrlStore
    index: Path
    whole: bytes
    others: tuple[bytes, ...]

    def kinds(self) -> dict[int, Kind]:
        source = CrlSource((), STORE, (), Policy(), crl_store=self.lists)
        return {
            serial: source.status(leaf, ISSUING.certificate, AT).kind
            for serial, leaf in LEAVES.items()
        }


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    folder = tmp_path_factory.mktemp("lists")
    lists = CrlStore(folder / "crl", key_file=folder / "key")

    def add(authority: Authority, number: int, serials: range, *more: int) -> tuple[Path, bytes]:
        octets = made.crl(
            authority.subject,
            authority.key,
            [made.entry(serial, made.time(AT - 2 * DAY)) for serial in (*serials, *more)],
            number=number,
            this_update=AT - DAY + number * (DAY / 24),
            next_update=AT + DAY,
        )
        stored = lists.add(octets, authority.certificate, source="http://lists.example/x.crl")
        path = stored.path.with_suffix(".idx")
        return path, path.read_bytes()

    _, older = add(ISSUING, 1, range(1000, 2000))
    _, foreign = add(ROOT, 1, range(1000, 2000))
    path, whole = add(ISSUING, 2, range(1000, 2000), *REVOKED)
    yield Kept(lists, path, whole, (older, foreign))


def test_the_index_is_what_tells(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.index.write_bytes(kept.whole)
    monkeypatch.setattr(CrlStore, "_in_memory", lambda *_: pytest.fail("read in memory"))
    expected = dict.fromkeys(REVOKED, Kind.REVOKED) | dict.fromkeys(FREE, Kind.GOOD)
    assert kept.kinds() == expected


def _flip(data: st.DataObject, octets: bytearray, _: tuple[bytes, ...]) -> None:
    octets[_place(data, octets)] ^= 1 << data.draw(st.integers(0, 7))


def _fill(data: st.DataObject, octets: bytearray, _: tuple[bytes, ...]) -> None:
    start, size = _place(data, octets), data.draw(st.integers(1, 2000))
    octets[start : start + size] = bytes([data.draw(st.sampled_from((0, 0x41, 0xFF)))]) * size


def _cut(data: st.DataObject, octets: bytearray, _: tuple[bytes, ...]) -> None:
    start = _place(data, octets)
    end = data.draw(st.sampled_from((start + 1, start + 35, len(octets))))
    del octets[start:end]


def _insert(data: st.DataObject, octets: bytearray, _: tuple[bytes, ...]) -> None:
    start = _place(data, octets)
    octets[start:start] = data.draw(st.binary(min_size=1, max_size=64))


def _move(data: st.DataObject, octets: bytearray, _: tuple[bytes, ...]) -> None:
    """A part over another part: an entry, a line of the directory, a page."""
    source, target = _place(data, octets), _place(data, octets)
    size = data.draw(st.sampled_from((1, 4, 24, 28, 1024)))
    part = octets[source : source + size]
    octets[target : target + len(part)] = part


def _graft(data: st.DataObject, octets: bytearray, others: tuple[bytes, ...]) -> None:
    """A part of another index in its place, or all from there on, or all of it."""
    other = data.draw(st.sampled_from(others))
    start = data.draw(st.sampled_from((0, 8, 12))) or _place(data, octets)
    size = data.draw(st.sampled_from((24, 1024, len(other))))
    octets[start : start + size] = other[start : start + size]


_Change = Callable[[st.DataObject, bytearray, tuple[bytes, ...]], None]
CHANGES: tuple[_Change, ...] = (_flip, _fill, _cut, _insert, _move, _graft)


def _place(data: st.DataObject, octets: bytearray) -> int:
    """Anywhere; more often where the header and the directory are."""
    last = max(0, len(octets) - 1)
    return data.draw(st.one_of(st.integers(0, min(last, 1500)), st.integers(0, last)))


def _try(kept: Kept, data: st.DataObject) -> None:
    octets = bytearray(kept.whole)
    for change in data.draw(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=3)):
        if octets:
            change(data, octets, kept.others)
    kept.index.write_bytes(octets)
    told = kept.kinds()
    assert {told[serial] for serial in REVOKED} <= {Kind.REVOKED, Kind.UNKNOWN}
    assert {told[serial] for serial in FREE} <= {Kind.GOOD, Kind.UNKNOWN}
    try:
        listed = kept.lists.lists()
    except IgcError:
        return
    assert {item.number for item in listed} <= {1, 2}


@settings(max_examples=200)
@given(data=st.data())
def test_changed_index_makes_no_revoked_good(kept: Kept, data: st.DataObject) -> None:
    _try(kept, data)


@pytest.mark.long
@settings(max_examples=5000)
@given(data=st.data())
def test_much_changed_index_makes_no_revoked_good(kept: Kept, data: st.DataObject) -> None:
    _try(kept, data)


@pytest.mark.parametrize("size", [1, 4, 64])
def test_no_number_in_an_index_costs_memory(kept: Kept, size: int) -> None:
    """The largest ones, wherever a length or a count may be."""
    kept.kinds()
    tracemalloc.start()
    try:
        for start in (*range(0, 1500, 41), len(kept.whole) - 64):
            octets = bytearray(kept.whole)
            octets[start : start + size] = b"\xff" * size
            kept.index.write_bytes(octets)
            kept.kinds()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MOST_BYTES


def test_index_of_an_older_list_brings_no_certificate_back(kept: Kept) -> None:
    for other in kept.others:
        kept.index.write_bytes(other)
        assert {kept.kinds()[serial] for serial in REVOKED} == {Kind.REVOKED}
