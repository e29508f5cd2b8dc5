"""The store of CRLs: only verified lists, never an older one, nothing lost whatever happens."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import random
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import handmade_crl as made
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from selfmade_pki import AT, DAY, Authority, ec_key, revoked_entry

from igcsante.certs.anchors import TrustStore
from igcsante.certs.check import Checker
from igcsante.certs.crl import own_key
from igcsante.certs.crl.index import IndexedCrl
from igcsante.certs.crl.kept import has_damaged_index
from igcsante.certs.crl.store import CrlStore
from igcsante.certs.fleet.snapshot import Snapshot
from igcsante.certs.offline.gather import gather
from igcsante.certs.policy import Policy
from igcsante.certs.verdict import Kind
from igcsante.certs.x509.certificate_list import Crl
from igcsante.errors import (
    CertificateInvalidError,
    IgcError,
    StatusStaleError,
    StorageError,
    UnreadableError,
)

URL = "http://crl.test/issuing.crl"
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def lists(tmp_path: Path) -> CrlStore:
    return CrlStore(tmp_path / "crl", key_file=tmp_path / "data" / "key")


def numbers(lists: CrlStore, issuer: Authority) -> list[int | None]:
    return [crl.number for crl in lists.find(issuer.subject)]


def content(lists: CrlStore) -> dict[str, bytes]:
    if not lists.directory.exists():
        return {}
    return {path.name: path.read_bytes() for path in lists.directory.iterdir()}


def test_a_list_is_kept_with_what_the_next_fetch_needs(lists: CrlStore, issuing: Authority) -> None:
    octets = issuing.crl([5, 6, 7], number=12)
    stored = lists.add(
        octets, issuing.certificate, source=URL, etag='"a"', last_modified="Sun", fetched_at=AT
    )
    assert lists.lists() == (stored,)
    assert stored.path.read_bytes() == octets
    assert (stored.number, stored.entries, stored.size, stored.indexed) == (
        12,
        3,
        len(octets),
        True,
    )
    assert (stored.source, stored.etag, stored.last_modified, stored.fetched_at) == (
        URL,
        '"a"',
        "Sun",
        AT,
    )
    assert stored.sha256 == Crl(octets).sha256
    (found,) = lists.find(issuing.subject)
    assert isinstance(found, IndexedCrl)
    assert found.lookup(6) == Crl(octets).lookup(6)
    assert found.source == URL
    assert found.signed_by(issuing.key.public_key())
    assert not found.signed_by(ec_key("ANOTHER").public_key())


def test_a_check_with_the_store_alone_tells_revoked_and_good(
    lists: CrlStore, root: Authority, issuing: Authority, store: TrustStore
) -> None:
    revoked, good = issuing.leaf(serial=41), issuing.leaf(serial=42)
    lists.add(issuing.crl([41]), issuing.certificate, source=URL)
    lists.add(root.crl([], next_update=AT + 9 * DAY), root.certificate, source=URL)
    checker = Checker(store, crl_store=lists)
    assert checker.check(revoked, at=AT).kind is Kind.REVOKED
    assert checker.check(good, at=AT).kind is Kind.GOOD


def test_files_are_for_their_owner_only(lists: CrlStore, issuing: Authority) -> None:
    lists.add(issuing.crl([1]), issuing.certificate, source=URL)
    assert stat.S_IMODE(lists.directory.stat().st_mode) == 0o700
    files = [*lists.directory.iterdir(), lists._key_file]
    assert len(files) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_a_list_that_another_key_signed_is_not_written(
    lists: CrlStore, root: Authority, issuing: Authority
) -> None:
    octets = bytearray(issuing.crl([1]))
    with pytest.raises(CertificateInvalidError):
        lists.add(bytes(octets), root.certificate, source=URL)
    for place in range(0, len(octets), 5):
        octets[place] ^= 1
        with pytest.raises((CertificateInvalidError, UnreadableError)):
            lists.add(bytes(octets), issuing.certificate, source=URL)
        octets[place] ^= 1
    assert content(lists) == {}


@pytest.mark.parametrize("octets", [b"", b"0", b"\x30\x00", bytes(100), b"\x30\x03\x02\x01\x01"])
def test_what_is_no_list_is_not_written(lists: CrlStore, issuing: Authority, octets: bytes) -> None:
    with pytest.raises(UnreadableError):
        lists.add(octets, issuing.certificate, source=URL)
    assert content(lists) == {}


def test_a_list_that_cannot_be_processed_is_not_written(
    lists: CrlStore, issuing: Authority
) -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00")
    for octets in (
        issuing.crl([revoked_entry(1, AT - DAY, (unknown, True))]),
        issuing.crl([1], extensions=[(unknown, True)]),
    ):
        with pytest.raises(UnreadableError, match="critical"):
            lists.add(octets, issuing.certificate, source=URL)
    assert content(lists) == {}


def test_numbers_and_dates_never_go_back(lists: CrlStore, issuing: Authority) -> None:
    def add(**fields: object) -> None:
        lists.add(issuing.crl([1], **fields), issuing.certificate, source=URL)

    add(number=7, this_update=AT - DAY)
    before = content(lists)
    for older in (
        {"number": 6, "this_update": AT},
        {"number": 8, "this_update": AT - 2 * DAY},
        {"number": None, "this_update": AT},
        {"number": 7, "this_update": AT - 2 * DAY},
    ):
        with pytest.raises(StatusStaleError, match="left in place"):
            add(**older)
    with pytest.raises(StatusStaleError):  # same number and date, another list
        lists.add(issuing.crl([1, 2], number=7), issuing.certificate, source=URL)
    assert content(lists) == before
    add(number=8, this_update=AT)
    assert numbers(lists, issuing) == [8]
    assert len(content(lists)) == 2


def test_the_same_list_again_renews_what_is_known_of_it(
    lists: CrlStore, issuing: Authority
) -> None:
    octets = issuing.crl([1])
    for etag in ("a", "b"):
        lists.add(octets, issuing.certificate, source=URL, etag=etag)
    assert [stored.etag for stored in lists.lists()] == ["b"]
    assert len(content(lists)) == 2


def test_keys_scopes_and_deltas_are_kept_apart(
    lists: CrlStore, root: Authority, issuing: Authority
) -> None:
    point = x509.IssuingDistributionPoint(
        [x509.UniformResourceIdentifier("http://crl.test/a")], None, True, False, None, False, False
    )
    rekeyed = root.authority("ISSUING", key=ec_key("second"))
    lists.add(issuing.crl([1], number=9), issuing.certificate, source=URL)
    lists.add(
        issuing.crl([1], number=3, extensions=[(point, True)]), issuing.certificate, source=URL
    )
    lists.add(
        issuing.crl([1], number=2, extensions=[(x509.DeltaCRLIndicator(1), True)]),
        issuing.certificate,
        source=URL,
    )
    lists.add(rekeyed.crl([1], number=1), rekeyed.certificate, source=URL)
    lists.add(root.crl([1], number=5), root.certificate, source=URL)
    assert sorted(numbers(lists, issuing)) == [1, 2, 3, 9]
    assert [found.base_number for found in lists.find(issuing.subject) if found.number == 2] == [1]
    assert numbers(lists, root) == [5]


def test_names_that_match_find_the_same_lists(lists: CrlStore, issuing: Authority) -> None:
    lists.add(issuing.crl([1]), issuing.certificate, source=URL)
    other = x509.Name(
        [
            x509.NameAttribute(item.oid, item.value.lower(), x509.name._ASN1Type.PrintableString)
            for item in issuing.subject
        ]
    )
    assert len(lists.find(other)) == 1
    assert lists.find(ec_name("NOBODY")) == ()


def ec_name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])


def test_a_list_with_entries_of_other_issuers_is_kept_and_read_in_memory(
    lists: CrlStore, root: Authority, issuing: Authority
) -> None:
    point = x509.IssuingDistributionPoint(None, None, False, False, None, True, False)
    of_root = x509.CertificateIssuer([x509.DirectoryName(root.subject)])
    octets = issuing.crl(
        [revoked_entry(4), revoked_entry(5, AT - DAY, (of_root, True))],
        extensions=[(point, True)],
    )
    stored = lists.add(octets, issuing.certificate, source=URL, etag="e")
    assert (stored.indexed, stored.entries, stored.etag) == (False, 2, "e")
    assert lists.lists() == (stored,)
    (found,) = lists.find(issuing.subject)
    assert found.lookup(5, root.subject) is not None
    assert found.lookup(5) is None
    assert found.lookup(4) is not None


def test_a_serial_number_over_20_octets_is_still_found(lists: CrlStore, issuing: Authority) -> None:
    octets = made.crl(
        issuing.subject,
        issuing.key,
        [made.entry(1 << 200, made.time(AT - DAY)), made.entry(3, made.time(AT - DAY))],
        this_update=AT - DAY,
        next_update=AT + DAY,
    )
    lists.add(octets, issuing.certificate, source=URL)
    (found,) = lists.find(issuing.subject)
    assert found.lookup(1 << 200) is not None
    assert found.lookup(3) is not None


@pytest.mark.parametrize("damage", ["changed", "cut", "gone", "swapped", "key gone", "key changed"])
def test_a_damaged_index_is_as_good_as_none(
    lists: CrlStore, root: Authority, issuing: Authority, damage: str
) -> None:
    octets = issuing.crl([5, 6])
    stored = lists.add(octets, issuing.certificate, source=URL)
    path = stored.path.with_suffix(".idx")
    whole = path.read_bytes()
    if damage == "changed":
        path.write_bytes(whole.replace(b'"size"', b'"sizf"'))
    elif damage == "cut":
        path.write_bytes(whole[:-1])
    elif damage == "gone":
        path.unlink()
    elif damage == "swapped":
        other = lists.add(root.crl([], number=4), root.certificate, source=URL)
        path.write_bytes(other.path.with_suffix(".idx").read_bytes())
    elif damage == "key gone":
        lists._key_file.unlink()
    else:
        lists._key_file.write_bytes(bytes(32))
    (found,) = lists.find(issuing.subject)
    assert type(found) is Crl
    assert found.lookup(5) is not None
    assert found.lookup(8) is None
    assert [item.number for item in lists.lists() if item.sha256 == stored.sha256] == [1]
    lists.add(octets, issuing.certificate, source=URL)  # and mended by adding the list again
    assert isinstance(lists.find(issuing.subject)[0], IndexedCrl)


def damage_a_page(path: Path) -> None:
    """Of the index of a list that names 0x41414141."""
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"AAAA", b"AAAB"))
    assert path.read_bytes() != whole


def test_the_list_is_read_in_place_of_damaged_pages_of_its_index(
    lists: CrlStore, root: Authority, issuing: Authority, store: TrustStore
) -> None:
    lists.add(root.crl([], next_update=AT + 9 * DAY), root.certificate, source=URL)
    stored = lists.add(issuing.crl([0x41414141]), issuing.certificate, source=URL)
    path = stored.path.with_suffix(".idx")
    whole = path.read_bytes()
    damage_a_page(path)
    assert has_damaged_index(lists, stored)
    checker = Checker(store, crl_store=lists)
    for serial, kind in ((0x41414141, Kind.REVOKED), (0x41414142, Kind.GOOD)):
        assert checker.check(issuing.leaf(serial=serial), at=AT).kind is kind
    lists.mend(stored)
    assert path.read_bytes() == whole
    assert not has_damaged_index(lists, stored)


def test_a_list_damaged_like_its_index_tells_nothing(
    lists: CrlStore, root: Authority, issuing: Authority, store: TrustStore
) -> None:
    lists.add(root.crl([], next_update=AT + 9 * DAY), root.certificate, source=URL)
    octets = issuing.crl([0x41414141])
    stored = lists.add(octets, issuing.certificate, source=URL)
    damage_a_page(stored.path.with_suffix(".idx"))
    stored.path.write_bytes(octets[:-1] + b"?")
    checker = Checker(store, crl_store=lists)
    for serial in (0x41414141, 7):
        verdict = checker.check(issuing.leaf(serial=serial), at=AT)
        assert verdict.kind is Kind.UNKNOWN
        (told,) = [reason.message for reason in verdict.reasons]
        assert str(stored.path) in told and "igc crl update" in told
    with pytest.raises(UnreadableError):
        lists.mend(stored)
    lists.add(octets, issuing.certificate, source=URL)
    assert checker.check(issuing.leaf(serial=7), at=AT + HOUR).kind is Kind.GOOD


def test_nobody_is_good_while_a_list_of_another_scope_is_damaged(
    lists: CrlStore, root: Authority, issuing: Authority, store: TrustStore
) -> None:
    """The damaged delta may have named anyone; what the sound list names is revoked."""
    lists.add(root.crl([], next_update=AT + 9 * DAY), root.certificate, source=URL)
    lists.add(issuing.crl([41], number=1), issuing.certificate, source=URL)
    delta = issuing.crl([42], number=2, extensions=[(x509.DeltaCRLIndicator(1), True)])
    stored = lists.add(delta, issuing.certificate, source=URL)
    certificates = TrustStore(store.roots, (*store.intermediates, issuing.certificate))
    kinds = Kind.REVOKED, Kind.REVOKED, Kind.GOOD
    for damage in (False, True):
        if damage:
            stored.path.with_suffix(".idx").unlink()
            stored.path.write_bytes(b"garbage")
            kinds = Kind.REVOKED, Kind.UNKNOWN, Kind.UNKNOWN
        told = Snapshot.of(certificates, at=AT, crl_store=lists)
        with told.opened() as opened:
            for checker in (opened, Checker(store, crl_store=lists)):
                for serial, kind in zip((41, 42, 43), kinds, strict=True):
                    verdict = checker.check(issuing.leaf(serial=serial), at=AT)
                    assert verdict.kind is kind
                    named = any(str(stored.path) in item.message for item in verdict.reasons)
                    assert named == (kind is Kind.UNKNOWN)
    with pytest.raises(UnreadableError, match="damaged"):
        told.with_lists_inside()
    with pytest.raises(UnreadableError, match="damaged"):
        gather([issuing.leaf(serial=43)], store, at=AT, policy=Policy(), crl_store=lists)


def test_a_removed_list_is_gone(lists: CrlStore, issuing: Authority) -> None:
    stored = lists.add(issuing.crl([1]), issuing.certificate, source=URL)
    lists.remove(stored)
    assert lists.lists() == lists.find(issuing.subject) == ()
    assert content(lists) == {}
    lists.remove(stored)


def test_what_dead_processes_left_is_cleared_when_it_is_old(
    lists: CrlStore, issuing: Authority
) -> None:
    lists.add(issuing.crl([1], number=1), issuing.certificate, source=URL)
    old, young = lists.directory / ".left.crl.abc", lists.directory / ".writing.crl.abc"
    alone = lists.directory / ("-".join(("a" * 16, "b" * 16, "c" * 32)) + ".idx")
    for path in (old, young, alone):
        path.write_bytes(b"x")
    for path in (old, alone):
        os.utime(path, (1, 1))
    lists.add(issuing.crl([1], number=2), issuing.certificate, source=URL)
    assert not old.exists()
    assert not alone.exists()
    assert young.exists()
    assert len(content(lists)) == 3


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path, issuing: Authority) -> None:
    (tmp_path / "file").write_bytes(b"")
    lists = CrlStore(tmp_path / "file" / "crl", key_file=tmp_path / "key")
    with pytest.raises(StorageError):
        lists.add(issuing.crl([1]), issuing.certificate, source=URL)
    with pytest.raises(IgcError):
        lists.lists()


@pytest.mark.parametrize("damage", [b"", b"garbage", "cut", "another list", "folder"])
def test_a_damaged_list_is_passed_over_and_replaced(
    lists: CrlStore, root: Authority, issuing: Authority, store: TrustStore, damage: bytes | str
) -> None:
    whole = lists.add(root.crl([], next_update=AT + 9 * DAY), root.certificate, source=URL)
    octets = issuing.crl([41], number=3)
    stored = lists.add(octets, issuing.certificate, source=URL)
    stored.path.with_suffix(".idx").unlink()
    if damage == "folder":
        stored.path.unlink()
        stored.path.mkdir()
    else:
        known = {"cut": octets[:-1], "another list": issuing.crl([7], number=9)}
        stored.path.write_bytes(known.get(damage, damage))
    assert lists.lists() == (whole,)
    assert [error.fields["path"] for error in lists.damaged()] == [str(stored.path)]
    assert lists.kept(root.subject)[1] == ()
    assert numbers(lists, root) == [1]
    verdict = Checker(store, crl_store=lists).check(issuing.leaf(serial=41), at=AT)
    assert verdict.kind is Kind.UNKNOWN
    assert any(str(stored.path) in reason.message for reason in verdict.reasons)
    if damage == "folder":
        stored.path.rmdir()
        stored.path.write_bytes(b"")
    for number in (4, 5):
        lists.add(issuing.crl([41], number=number), issuing.certificate, source=URL)
        assert numbers(lists, issuing) == [number]
    assert lists.damaged() == ()
    assert not stored.path.exists()
    assert len(content(lists)) == 4


def test_of_two_lists_of_a_scope_the_one_that_can_be_read_counts(
    lists: CrlStore, issuing: Authority
) -> None:
    older = lists.add(issuing.crl([1], number=1), issuing.certificate, source=URL)
    files = {path: path.read_bytes() for path in (older.path, older.path.with_suffix(".idx"))}
    newer = lists.add(issuing.crl([1, 2], number=2), issuing.certificate, source=URL)
    for path, octets in files.items():  # as a crash leaves them
        path.write_bytes(octets)
    newer.path.write_bytes(b"garbage")
    newer.path.with_suffix(".idx").unlink()
    assert numbers(lists, issuing) == [1]
    assert [item.number for item in lists.lists()] == [1]
    lists.add(issuing.crl([1, 2], number=2), issuing.certificate, source=URL)
    assert numbers(lists, issuing) == [2]


def test_a_snapshot_of_a_store_with_a_damaged_list_opens(
    lists: CrlStore, root: Authority, issuing: Authority, store: TrustStore
) -> None:
    lists.add(root.crl([], next_update=AT + 9 * DAY), root.certificate, source=URL)
    stored = lists.add(issuing.crl([41]), issuing.certificate, source=URL)
    stored.path.with_suffix(".idx").unlink()
    stored.path.write_bytes(b"garbage")
    certificates = TrustStore(store.roots, (*store.intermediates, issuing.certificate))
    with Snapshot.of(certificates, at=AT, crl_store=lists).opened() as checker:
        assert checker.check(issuing.leaf(serial=41), at=AT).kind is Kind.UNKNOWN


def test_a_damaged_list_is_not_sent_along(
    lists: CrlStore, issuing: Authority, store: TrustStore
) -> None:
    stored = lists.add(issuing.crl([5]), issuing.certificate, source=URL)
    told = Snapshot.of(store, at=AT, crl_store=lists)
    stored.path.write_bytes(stored.path.read_bytes()[:-1] + b"?")
    with pytest.raises(UnreadableError, match="not used"):
        told.with_lists_inside()


def test_a_full_disk_is_named_when_the_key_of_the_indexes_is_made(
    lists: CrlStore, issuing: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        raise StorageError(f"{path}: No space left on device; nothing was written")

    monkeypatch.setattr(own_key, "write_atomic", full)
    with pytest.raises(StorageError, match="No space left"):
        lists.add(issuing.crl([1]), issuing.certificate, source=URL)


def test_a_cut_key_of_the_indexes_can_be_removed(lists: CrlStore, issuing: Authority) -> None:
    lists.add(issuing.crl([1], number=1), issuing.certificate, source=URL)
    lists.key_file.write_bytes(b"short")
    with pytest.raises(UnreadableError) as caught:
        lists.add(issuing.crl([1], number=2), issuing.certificate, source=URL)
    assert str(lists.key_file) in caught.value.message
    assert "remove it" in caught.value.advice
    assert numbers(lists, issuing) == [1]
    lists.key_file.unlink()
    lists.add(issuing.crl([1], number=2), issuing.certificate, source=URL)
    assert isinstance(lists.find(issuing.subject)[0], IndexedCrl)


# -- interrupted at each step ----------------------------------------------------------------


def run_and_die(lists: CrlStore, octets: bytes, signer: x509.Certificate, step: int) -> bool:
    """``add`` in a child that is gone, as if killed, at the ``step``-th call to the system.

    True when it was; the audit hook sees each file opened, renamed, made or removed, and
    fsync is counted beside it.
    """
    child = os.fork()
    if child == 0:
        left = step

        def count(*_: object) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os._exit(9)

        events = ("open", "os.rename", "os.remove", "os.chmod", "os.mkdir", "os.link", "os.listdir")
        sys.addaudithook(lambda event, _: count() if event in events else None)
        fsync = os.fsync
        os.fsync = lambda handle: (count(), fsync(handle))[1]
        try:
            lists.add(octets, signer, source=URL)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_dying_at_any_step_leaves_the_old_or_the_new_list_whole(
    tmp_path: Path, issuing: Authority
) -> None:
    one, two, three = (issuing.crl(range(1, n + 1), number=n) for n in (1, 2, 3))
    told = []
    for step in range(1, 200):
        lists = CrlStore(tmp_path / str(step), key_file=tmp_path / "key")
        lists.add(one, issuing.certificate, source=URL)
        died = run_and_die(lists, two, issuing.certificate, step)
        (found,) = lists.find(issuing.subject)
        assert isinstance(found, IndexedCrl)
        assert found.number in (1, 2)
        assert found.lookup(1) is not None
        assert (found.lookup(2) is None) == (found.number == 1)
        told.append(found.number)
        lists.add(three, issuing.certificate, source=URL)
        assert numbers(lists, issuing) == [3]
        assert len([path for path in content(lists) if not path.startswith(".")]) <= 3
        if not died:
            break
    else:
        pytest.fail("it never came to its end")
    assert told == sorted(told)
    assert told.count(1) > 8
    assert told.count(2) > 3


def _add(directory: Path, key_file: Path, octets: bytes, signer: bytes) -> str:
    lists = CrlStore(directory, key_file=key_file)
    try:
        lists.add(octets, x509.load_der_x509_certificate(signer), source=URL)
    except StatusStaleError:
        return "older"
    return "kept"


def test_of_many_processes_the_newest_list_stays(lists: CrlStore, issuing: Authority) -> None:
    signer = issuing.certificate.public_bytes(Encoding.DER)
    order = list(range(1, 25))
    random.Random(4).shuffle(order)  # noqa: S311
    jobs = [
        (lists.directory, lists._key_file, issuing.crl([number], number=number), signer)
        for number in order
    ]
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        told = pool.starmap(_add, jobs, chunksize=1)
    assert told[order.index(24)] == "kept"
    assert numbers(lists, issuing) == [24]
    assert len(content(lists)) == 2
    assert lists.find(issuing.subject)[0].lookup(24) is not None


def test_readers_see_a_whole_list_while_it_is_replaced(lists: CrlStore, issuing: Authority) -> None:
    lists.add(issuing.crl([1], number=1), issuing.certificate, source=URL)
    done = threading.Event()
    problems: list[object] = []

    def read() -> None:
        last = 0
        while not done.is_set():
            try:
                (found,) = lists.find(issuing.subject)
                if found.lookup(1) is None or (found.number or 0) < last:
                    problems.append((found.number, last))
                last = found.number or 0
            except Exception as error:
                problems.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(2, 40):
        lists.add(issuing.crl([1], number=number), issuing.certificate, source=URL)
    done.set()
    reader.join()
    assert problems == []


@pytest.mark.long
def test_killed_again_and_again_nothing_is_lost(
    lists: CrlStore, issuing: Authority, tmp_path: Path
) -> None:
    """A process that adds ever newer lists, killed at random moments, 150 times."""
    entries = [made.entry(number, made.time(AT - 2 * DAY)) for number in range(20_000)]
    for number in range(1, 9):
        octets = made.crl(
            issuing.subject,
            issuing.key,
            entries[: -100 * number],
            number=number,
            this_update=AT - DAY + number * HOUR,
            next_update=AT + DAY,
        )
        (tmp_path / f"{number}.crl").write_bytes(octets)
    (tmp_path / "ca.der").write_bytes(issuing.certificate.public_bytes(Encoding.DER))
    program = (
        "import signal, sys; from pathlib import Path; from cryptography import x509\n"
        "from igcsante.certs.crl.store import CrlStore\n"
        "here = Path(sys.argv[1])\n"
        "lists = CrlStore(here / 'crl', key_file=here / 'data' / 'key')\n"
        "ca = x509.load_der_x509_certificate((here / 'ca.der').read_bytes())\n"
        "start = int(sys.argv[2])\n"
        "signal.setitimer(signal.ITIMER_REAL, float(sys.argv[3]))  # nobody handles it: it kills\n"
        "for number in range(start, 9):\n"
        "    lists.add((here / f'{number}.crl').read_bytes(), ca, source='x')\n"
    )
    moments, last = random.Random(), 0  # noqa: S311
    for turn in range(150):
        if turn % 15 == 0:
            while kept := lists.lists():  # below the newest, older ones that a kill left
                for stored in kept:
                    lists.remove(stored)
            last = 0
        after = str(0.0001 + moments.random() * 0.12)
        command = [sys.executable, "-c", program, tmp_path, str(last + 1), after]
        assert subprocess.run(command, check=False).returncode in (0, -signal.SIGALRM)
        found = lists.find(issuing.subject)
        if last:
            assert len(found) == 1
        for crl in found:
            assert isinstance(crl, IndexedCrl)
            number = crl.number or 0
            assert number >= last
            assert len(list(crl)) == 20_000 - 100 * number
            last = min(number, 7)
