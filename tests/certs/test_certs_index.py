"""A CRL read by its index says what cryptography reads in it, for whatever list."""

from __future__ import annotations

import datetime as dt
import secrets
from pathlib import Path
from random import Random

import handmade_crl as made
import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from selfmade_pki import AT, DAY, Authority, ec_key, name

from igcsante.certs.crl import index, record, scan
from igcsante.certs.crl.index import Header, IndexedCrl
from igcsante.certs.crl.index_writer import Records
from igcsante.certs.x509.certificate_list import Crl, Revocation
from igcsante.errors import IgcError, UnreadableError

KEY = b"k" * 32
REASONS = (0, 1, 2, 3, 4, 5, 6, 8, 9, 10)
ISSUER = name("ISSUING")


def signed(entries: list[bytes] | None) -> bytes:
    key = ec_key("ISSUING")
    return made.crl(ISSUER, key, entries, this_update=AT - DAY, next_update=AT + DAY)


def indexed(octets: bytes, folder: Path) -> IndexedCrl:
    outline = scan.outline(octets)
    records = Records.of(octets, outline)
    sha256 = Crl(octets).sha256
    header = Header(
        sha256, "key", outline.header.hex(), len(octets), records.entries, records.page_count
    )
    path = folder / f"{secrets.token_hex(8)}.idx"
    path.write_bytes(b"".join(records.index(header, KEY)))
    return IndexedCrl(path, KEY)


def read(octets: bytes, *, numpy: bool = False) -> list[bytes] | None:
    """The pages of records, or None for a list that is refused or not indexed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "WORTH_NUMPY", 0 if numpy else 1 << 40)
        try:
            return [bytes(page) for page in Records.of(octets, scan.outline(octets)).pages]
        except (IgcError, scan.NotIndexableError):
            return None


def expected(octets: bytes) -> dict[int, Revocation]:
    found = Crl(octets)
    serials = [entry.serial_number for entry in x509.load_der_x509_crl(octets)]
    return {serial: found.lookup(serial) for serial in serials}


dates = st.datetimes(dt.datetime(1950, 1, 1), dt.datetime(2049, 12, 31, 23, 59, 59)).map(
    lambda moment: moment.replace(microsecond=0)
)
far_dates = st.datetimes(dt.datetime(2050, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59)).map(
    lambda moment: moment.replace(microsecond=0)
)
times = st.one_of(
    dates.map(made.time), far_dates.map(lambda moment: made.time(moment, generalized=True))
)
reasons = st.builds(made.reason, st.sampled_from(REASONS), st.booleans())
invalid_since = dates.map(
    lambda moment: made.extension(made.INVALIDITY_DATE, made.time(moment, generalized=True))
)
unknown = st.binary(max_size=200).map(lambda value: made.extension(made.UNKNOWN, value))
extensions = st.one_of(
    st.just(()),
    st.tuples(reasons),
    st.tuples(invalid_since),
    st.tuples(reasons, invalid_since),
    st.tuples(invalid_since, reasons),
    st.tuples(unknown, reasons),
)
serials = st.integers(1, 20).flatmap(
    lambda size: st.integers(-(1 << 8 * size - 1), (1 << 8 * size - 1) - 1)
)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(
    st.dictionaries(serials, st.tuples(times, extensions), max_size=40),
    st.lists(serials, max_size=5),
)
def test_any_list_reads_as_in_cryptography(
    tmp_path_factory: pytest.TempPathFactory,
    listed: dict[int, tuple[bytes, tuple[bytes, ...]]],
    others: list[int],
) -> None:
    octets = signed(
        [made.entry(serial, date, *parts) for serial, (date, parts) in listed.items()] or None
    )
    assert read(octets) == read(octets, numpy=True)
    found = indexed(octets, tmp_path_factory.getbasetemp())
    wanted = expected(octets)
    assert {entry.serial: entry for entry in found} == wanted
    assert {serial: found.lookup(serial) for serial in wanted} == wanted
    assert [found.lookup(serial) for serial in others] == [wanted.get(s) for s in others]
    assert len(found) == len(wanted)


def shape(count: int, case: str) -> list[bytes]:
    """Entries of one CA: long runs of one shape, with some of others here and there."""
    random = Random(count)  # noqa: S311
    date = made.time(AT - 3 * DAY)
    entries = []
    for number in range(count):
        serial = {
            "igc": random.getrandbits(127),
            "mixed": random.getrandbits(127),
            "counted": 0x10000 + number,
            "short": random.getrandbits(random.choice((8, 16, 40, 64, 64, 64))) << 32 | number,
            "same end": number << 64,
        }[case]
        told = [made.reason(random.choice(REASONS))] if case == "mixed" and number % 3 else []
        entries.append(made.entry(serial, date, *told))
    return entries


@pytest.mark.parametrize("case", ["igc", "mixed", "counted", "short", "same end"])
@pytest.mark.parametrize("count", [1, 127, 513, 4000])
def test_long_lists_read_entry_by_entry(tmp_path: Path, case: str, count: int) -> None:
    octets = signed(shape(count, case))
    wanted = {}
    for entry in x509.load_der_x509_crl(octets):
        reason = next((item.value.reason.value for item in entry.extensions), None)
        wanted[entry.serial_number] = Revocation(
            entry.serial_number, entry.revocation_date_utc, reason
        )
    found = indexed(octets, tmp_path)
    assert {entry.serial: entry for entry in found} == wanted
    assert all(found.lookup(serial) == entry for serial, entry in wanted.items())
    assert not any(found.lookup(s + 1) for s in wanted if s + 1 not in wanted)


@pytest.mark.parametrize("case", ["igc", "mixed", "counted", "same end"])
def test_the_index_is_the_same_with_and_without_numpy(
    monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    pytest.importorskip("numpy")
    octets = signed(shape(30_000, case))
    without = read(octets)
    assert without is not None and sum(map(len, without)) == 30_000 * record.RECORD
    assert read(octets, numpy=True) == without
    monkeypatch.setattr(scan, "WORTH_NUMPY", 0)
    assert scan.with_numpy(1) is not None


def test_a_record_is_found_only_where_one_begins(tmp_path: Path) -> None:
    # The octets of the second serial number are in the first record, across its fields.
    inner = int.from_bytes(bytes(19) + b"\x05")
    octets = signed([made.entry(5 << 8, made.time(AT)), made.entry(9, made.time(AT))])
    found = indexed(octets, tmp_path)
    assert found.lookup(inner) is None
    assert found.lookup(5 << 8) is not None


def test_of_two_entries_for_one_serial_the_earliest_revocation_counts(tmp_path: Path) -> None:
    octets = signed(
        [
            made.entry(7, made.time(AT - 9 * DAY), made.reason(8)),
            made.entry(7, made.time(AT - DAY)),
            made.entry(7, made.time(AT - 3 * DAY), made.reason(1)),
        ]
    )
    assert indexed(octets, tmp_path).lookup(7) == Revocation(7, AT - 3 * DAY, "keyCompromise")


def test_an_empty_sequence_of_entries_is_an_empty_list(tmp_path: Path) -> None:
    for octets in (signed(None), signed([])):
        found = indexed(octets, tmp_path)
        assert len(found) == 0
        assert found.lookup(0) is None
        assert found.lookup(1 << 400) is None


def test_what_the_list_says_of_itself_is_kept(tmp_path: Path, issuing: Authority) -> None:
    point = x509.IssuingDistributionPoint(
        [x509.UniformResourceIdentifier("http://crl.test/a")], None, True, False, None, False, False
    )
    octets = issuing.crl(
        [3, 4], number=77, extensions=[(point, True), (x509.DeltaCRLIndicator(70), True)]
    )
    found, listing = indexed(octets, tmp_path), Crl(octets)
    for attribute in (
        *("issuer", "this_update", "next_update", "number", "base_number", "sha256"),
        *("authority_key_id", "idp", "freshest", "problem"),
    ):
        assert getattr(found, attribute) == getattr(listing, attribute), attribute
    assert len(found) == 2
    assert found.lookup(3) == found.lookup(3, issuing.subject) == listing.lookup(3)
    assert found.lookup(3, name("ANOTHER")) is None


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (made.entry(1, made.time(AT), made.extension(made.UNKNOWN, b"", True)), "critical"),
        (made.entry(1, made.time(AT), made.reason(7)), "reason"),
        (made.entry(1, made.time(AT), made.reason(1), made.reason(1)), "twice"),
        (made.entry(1, made.time(AT), made.extension(made.REASON, b"\x0a\x02\0\1")), "reason"),
        (made.entry(1, b"\x17\x0d251301000000Z"), "date|month"),
        (made.entry(1, b"\x17\x0d25123100000aZ"), "date"),
        (made.entry(1, b"\x17\x0b2512310000Z"), "date"),
        (made.entry(1, b"\x18\x1120251231000000.0Z"), "date"),
        (made.entry(1, b"\x04\x0d251231000000Z"), "date"),
        (made.sequence(b"\x02\x00", made.time(AT)), "serial"),
        (made.sequence(made.integer(1)), "fields"),
        (made.sequence(made.integer(1), made.time(AT), made.sequence()), "extensions"),
        (made.sequence(made.integer(1), made.time(AT), b"\x05\x00"), "extensions"),
        (b"\x30\x80\x00\x00", "length"),
        (b"\x31\x00", "fields"),
        (b"\x30", "truncated|bounds"),
        (b"\x30\x20\x02\x01\x01", "longer"),
    ],
)
@pytest.mark.parametrize("before", [0, 40])
def test_an_entry_that_is_none_is_refused(before: int, entry: bytes, why: str) -> None:
    good = [made.entry(number, made.time(AT)) for number in range(before)]
    octets = signed([*good, entry])
    with pytest.raises(UnreadableError, match=why):
        Records.of(octets, scan.outline(octets))


@pytest.mark.parametrize(
    "entry",
    [
        made.entry(1 << 160, made.time(AT)),
        made.entry(1, made.time(AT), made.extension(made.CERTIFICATE_ISSUER, b"\x30\x00", True)),
    ],
)
def test_what_a_record_cannot_say_is_not_indexed(entry: bytes) -> None:
    octets = signed([made.entry(2, made.time(AT)), entry])
    with pytest.raises(scan.NotIndexableError):
        Records.of(octets, scan.outline(octets))


# -- an index that was tampered with -----------------------------------------------------


@pytest.fixture(scope="module")
def small() -> tuple[bytes, list[int]]:
    listed = list(range(100, 110))
    return signed([made.entry(serial, made.time(AT - 2 * DAY)) for serial in listed]), listed


def answers(path: Path, asked: list[int]) -> list[Revocation | str | None]:
    """Each answer; ``refused`` for what isn't believed."""
    try:
        found = IndexedCrl(path, KEY)
    except UnreadableError:
        return ["refused"] * len(asked)
    told: list[Revocation | str | None] = []
    for serial in asked:
        try:
            told.append(found.lookup(serial))
        except UnreadableError:
            told.append("refused")
    return told


def test_no_octet_of_an_index_can_be_changed(
    tmp_path: Path, small: tuple[bytes, list[int]]
) -> None:
    octets, listed = small
    path = Path(indexed(octets, tmp_path)._path)
    whole = path.read_bytes()
    right = answers(path, [*listed, 5])
    assert "refused" not in right
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        told = answers(path, [*listed, 5])
        assert "refused" in told, place
        assert all(a in (b, "refused") for a, b in zip(told, right, strict=True)), place


def test_an_index_cut_or_continued_is_not_believed(
    tmp_path: Path, small: tuple[bytes, list[int]]
) -> None:
    path = Path(indexed(small[0], tmp_path)._path)
    whole = path.read_bytes()
    for cut in (*range(0, len(whole), 7), len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(UnreadableError):
            IndexedCrl(path, KEY)
    path.write_bytes(whole + b"\0")
    with pytest.raises(UnreadableError):
        IndexedCrl(path, KEY)


def test_an_index_of_another_user_is_not_believed(
    tmp_path: Path, small: tuple[bytes, list[int]]
) -> None:
    with pytest.raises(UnreadableError, match="not used"):
        IndexedCrl(Path(indexed(small[0], tmp_path)._path), b"K" * 32)


def test_pages_of_other_indexes_or_places_are_not_believed(tmp_path: Path) -> None:
    entries = shape(2000, "igc")
    one, other = (indexed(signed(half), tmp_path) for half in (entries, entries[:-1]))
    whole, foreign = (bytearray(crl._path.read_bytes()) for crl in (one, other))
    start, other_start = one._directory, other._directory
    size = index.PAGE.size
    assert len(other) == len(one) - 1
    for changed in (
        # a page of the other list, then two pages exchanged
        whole[:start] + foreign[other_start : other_start + size] + whole[start + size :],
        whole[:start]
        + whole[start + size : start + 2 * size]
        + whole[start : start + size]
        + whole[start + 2 * size :],
    ):
        one._path.write_bytes(changed)
        with pytest.raises(UnreadableError):
            list(IndexedCrl(one._path, KEY))


# -- mutations ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def victim() -> bytes:
    date = made.time(AT - DAY)
    return signed(
        [
            *(made.entry(number, date) for number in range(1 << 80, (1 << 80) + 30)),
            *(made.entry(number, date, made.reason(1)) for number in range(40, 50)),
            made.entry(99, date, made.extension(made.UNKNOWN, bytes(150))),
        ]
    )


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(data=st.data())
def test_a_mutated_list_is_refused_or_read_as_cryptography_reads_it(
    victim: bytes, data: st.DataObject
) -> None:
    changed = bytearray(victim)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(changed) - 1))
        kind = data.draw(st.sampled_from(("set", "flip", "insert", "delete")))
        if kind == "set":
            changed[place] = data.draw(st.sampled_from((0, 1, 2, 0x17, 0x18, 0x30, 0x80, 0xFF)))
        elif kind == "flip":
            changed[place] ^= 1 << data.draw(st.integers(0, 7))
        elif kind == "insert":
            changed.insert(place, data.draw(st.integers(0, 255)))
        elif len(changed) > 1:
            del changed[place]
    octets = bytes(changed)
    pages = read(octets)
    assert read(octets, numpy=True) == pages
    if pages is None:
        return
    assert sum(map(len, pages)) // record.RECORD * 3 <= len(
        octets
    )  # what is made is bounded by what was given
    try:
        wanted = [entry.serial_number for entry in x509.load_der_x509_crl(octets)]
    except ValueError:
        return  # stricter where nothing hangs on it: the header, spare octets of an integer
    have = [
        int.from_bytes(page[at : at + record.SERIAL], signed=True)
        for page in pages
        for at in range(0, len(page), record.RECORD)
    ]
    assert sorted(have) == sorted(wanted)
