"""The cache of cards: what it spares, what it never holds, and when it is not believed."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulated import Held, held

from igcsante.card.cache import CardCache
from igcsante.card.monitor import Exchange
from igcsante.card.readers import open_card
from igcsante.card.session import CpsCard
from igcsante.secret import Secret

CARD, MARKER = "CPS3 12345678", b"marker"
FILES = {b"F\x3f\x00": b"content", b"O\x3f\x01": b""}


@pytest.fixture
def cache(tmp_path: Path) -> CardCache:
    return CardCache(tmp_path / "cards")


def counted(card: Held, cache: CardCache | None, work=CpsCard.national_id) -> tuple[int, object]:
    """How many exchanges a piece of work takes, the opening included, and what it gave."""
    seen: list[Exchange] = []
    with open_card(readers=[card.reader], monitor=seen.append, cache=cache) as opened:
        told = work(opened)
    return len(seen), told


# -- with cards ------------------------------------------------------------------------------


@pytest.mark.parametrize(("generation", "most"), [("cps3", 6), ("cps4", 3)])
def test_the_identifier_of_a_known_card_takes_few_exchanges(
    cache: CardCache, generation: str, most: int
) -> None:
    card = held(generation)
    always = CardCache(cache.directory, without_marker=True)
    without, told = counted(card, None)
    first, same = counted(card, always)
    again, still = counted(card, always)
    assert told == same == still
    assert again <= most < without <= first


def test_nothing_is_kept_of_a_card_without_marker(cache: CardCache) -> None:
    card = held("cps4")
    without, _ = counted(card, None)
    assert counted(card, cache)[0] == counted(card, cache)[0] == without
    assert cache.clear() == 0


@pytest.mark.parametrize("generation", ["cps3", "cps4"])
def test_everything_is_as_without_cache(cache: CardCache, generation: str) -> None:
    def everything(card: CpsCard) -> list[object]:
        told = [card.national_id(), card.serial, card.label(), card.pin_status()]
        card.verify_pin(Secret("1234"))
        certificates = card.certificates()
        assert card.credential().certificate == card.certificate()
        return [*told, certificates, card.objects.list(), card.objects.activities()]

    card = held(generation)
    always = CardCache(cache.directory, without_marker=True)
    _, told = counted(card, None, everything)
    fewer, same = counted(card, always, everything)
    for _ in range(2):
        fewer, same = counted(card, always, everything)
        assert same == told
    assert fewer < counted(card, None, everything)[0]


def test_what_was_read_in_part_is_read_on(cache: CardCache) -> None:
    card = held("cps3")
    counted(card, cache)
    _, certificate = counted(card, cache, CpsCard.certificate)
    assert certificate == counted(card, None, CpsCard.certificate)[1]
    assert counted(card, cache, CpsCard.certificate)[0] <= 6


def test_an_update_of_the_card_is_noticed(cache: CardCache) -> None:
    before, after = (
        held("cps3", files={"EF_ACTUA": f"EC12810720240102030405820720240102{hour}0406"})
        for hour in ("03", "04")
    )
    first, _ = counted(before, cache)
    assert counted(before, cache)[0] <= 6
    assert counted(after, cache)[0] == first
    assert counted(after, cache)[0] <= 6


@pytest.mark.parametrize("journal", ["missing", "empty", "EC0081", "FF", "EC8400000000"])
def test_without_a_sound_marker_nothing_is_kept(cache: CardCache, journal: str) -> None:
    card = held("cps3", files={"EF_ACTUA": journal})
    told = counted(card, None)[1]
    assert counted(card, cache)[1] == counted(card, cache)[1] == told
    assert cache.clear() == 0


def test_another_card_has_files_of_its_own(cache: CardCache) -> None:
    counted(held("cps3"), cache)
    _, other = counted(held("cps3", serial="00000018"), cache, lambda card: card.serial)
    assert other == "00000018"
    counted(held("cps3", serial="00000018"), cache)
    assert cache.clear() == 2


def test_no_data_object_and_no_pin_is_kept(cache: CardCache) -> None:
    def everything(card: CpsCard) -> None:
        card.verify_pin(Secret("7391"))
        card.certificates()
        for label in card.objects.labels():
            card.objects.read(label)

    card = held("cps3", pin="7391")
    always = CardCache(cache.directory, without_marker=True)
    counted(card, always, everything)
    (entry,) = always.directory.iterdir()
    content = entry.read_bytes()
    with card.opened() as opened:
        opened.verify_pin(Secret("7391"))
        for label in opened.objects.labels():
            value = opened.objects.read(label)
            if value.strip(b"\0"):
                assert value.hex().encode() not in content, label
    assert b'd107": ' not in content and b"37333931" not in content


def test_only_the_owner_reads_it(cache: CardCache) -> None:
    card = held("cps3")
    counted(card, cache)
    (entry,) = cache.directory.iterdir()
    assert stat.S_IMODE(cache.directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(entry.stat().st_mode) == 0o600
    with card.opened() as opened:
        assert opened.serial not in entry.name


def test_a_folder_that_others_may_write_is_not_believed(cache: CardCache) -> None:
    card = held("cps3")
    counted(card, cache)
    cache.directory.chmod(0o777)
    without, _ = counted(card, None)
    assert counted(card, cache)[0] >= without


def test_a_folder_that_can_not_be_made_harms_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    broken = CardCache(tmp_path / "file" / "cards")
    card = held("cps3")
    assert counted(card, broken)[1] == counted(card, None)[1]


def test_a_damaged_entry_is_read_anew(cache: CardCache) -> None:
    card = held("cps3")
    first, told = counted(card, cache)
    (entry,) = cache.directory.iterdir()
    whole = entry.read_bytes()
    for damage in (b"", whole[:-1], whole[:40] + b"X" + whole[41:], bytes(32) + whole[32:]):
        entry.write_bytes(damage)
        assert counted(card, cache) == (first, told)
        assert entry.read_bytes() == whole


# -- files alone -----------------------------------------------------------------------------


def test_files_come_back_for_their_card_and_marker_only(cache: CardCache) -> None:
    cache.save(CARD, MARKER, FILES)
    assert cache.load(CARD, MARKER) == FILES
    assert cache.load(CARD, b"") == cache.load("CPS4 12345678", MARKER) == {}
    (entry,) = cache.directory.iterdir()
    cache.save("CPS3 00000018", MARKER, {})
    other = next(path for path in cache.directory.iterdir() if path != entry)
    other.write_bytes(entry.read_bytes())
    assert cache.load("CPS3 00000018", MARKER) == {}, "a file under another card's name"


def test_clearing_forgets_all_cards(cache: CardCache) -> None:
    assert cache.clear() == 0
    cache.save(CARD, MARKER, FILES)
    assert cache.clear() == 1
    assert cache.load(CARD, MARKER) == {}


@pytest.fixture
def entry(cache: CardCache) -> Iterator[Path]:
    cache.save(CARD, MARKER, FILES)
    yield next(cache.directory.iterdir())


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 10_000), value=st.integers(1, 255))
def test_any_changed_byte_is_noticed(
    cache: CardCache, entry: Path, position: int, value: int
) -> None:
    cache.save(CARD, MARKER, FILES)
    content = bytearray(entry.read_bytes())
    content[position % len(content)] ^= value
    entry.write_bytes(content)
    assert cache.load(CARD, MARKER) == {}
