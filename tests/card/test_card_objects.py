"""Data objects: listed, read within their limits, and decoded no further than is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime

import pytest
from card_material import der
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import held

from igcsante.card import pkcs15
from igcsante.card.business import (
    Activity,
    UpdateJournal,
    parse_activity,
    parse_update_journal,
    specialty_of,
)
from igcsante.card.monitor import Exchange
from igcsante.card.session import CpsCard
from igcsante.cli.card_info import read_info
from igcsante.errors import CardError, CardRemovedError, PinRequiredError, UsageError
from igcsante.secret import Secret

PIN = Secret("1234")
quick = settings(max_examples=200, deadline=None)


@pytest.fixture
def card(request: pytest.FixtureRequest) -> Iterator[CpsCard]:
    with held(request.param).opened() as opened:
        yield opened


def of(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("card", names, indirect=True)


@of("cps3", "cps4")
def test_objects_tell_label_access_and_size_before_any_pin(card: CpsCard) -> None:
    objects = {found.label: found for found in card.objects.list()}
    assert tuple(objects) == card.objects.labels()
    assert {"CPS_ID_CARD", "CPS_NAME_PS", "CPS_INFO_PS", "CPS_DATA"} <= set(objects)
    assert objects["CPS_DATA"].modifiable and not objects["CPS_DATA"].private
    assert objects["CPS_ACTIVITY_01_PS"].private
    for found in objects.values():
        assert found.application == "CPS"
        if not found.private:
            assert len(card.objects.read(found.label)) == found.size


@of("cps3", "cps4")
def test_private_objects_wait_for_the_pin(card: CpsCard) -> None:
    for ask in (card.objects.activities, lambda: card.objects.read("CPS_ACTIVITY_01_PS")):
        with pytest.raises(PinRequiredError, match="CPS_ACTIVITY_01_PS"):
            ask()
    card.verify_pin(PIN)
    (activity,) = card.objects.activities()
    assert card.objects.read("CPS_ACTIVITY_01_PS").endswith(activity.sector.encode())
    assert activity.sector_label and activity.structure


@of("full")
def test_activities_keep_their_numbers_and_their_accents(card: CpsCard) -> None:
    card.verify_pin(PIN)
    activities = card.objects.activities()
    assert [activity.number for activity in activities] == [1, 3, 4, 9, 16]
    assert "HÉBERGEMENT" in activities[1].name
    assert activities[0].structure.formatted == "cabinet RPPS 99700990064001"


@of("empty")
def test_missing_and_empty_files_break_nothing_else(card: CpsCard) -> None:
    sizes = {found.label: found.size for found in card.objects.list()}
    assert (sizes["CPS_NAME_PS"], sizes["CPS_LANG_PS"]) == (0, None)
    assert card.objects.read("CPS_NAME_PS") == b""
    assert card.objects.update_journal() is None
    with pytest.raises(CardError):
        card.objects.read("CPS_LANG_PS")
    card.verify_pin(PIN)
    assert card.objects.activities() == ()


@pytest.mark.parametrize("spoilt", ["missing", "8405"])
def test_an_activity_that_can_not_be_read_hides_no_other(spoilt: str) -> None:
    spoiled = held("full", files={"CPS_ACTIVITY_03_PS": spoilt})
    with spoiled.opened() as card:
        card.verify_pin(PIN)
        activities = card.objects.activities()
    assert [activity.number for activity in activities] == [1, 3, 4, 9, 16]
    assert [activity.number for activity in activities if activity.problem] == [3]
    assert activities[0].name and not activities[1].name


@of("cps3")
def test_an_unknown_label_names_those_that_there_are(card: CpsCard) -> None:
    with pytest.raises(UsageError) as refused:
        card.objects.read("CPS_NOTHING")
    assert "CPS_INFO_PS" in refused.value.advice


@of("cps3-contactless")
def test_a_contactless_card_shows_its_technical_certificate_only(card: CpsCard) -> None:
    assert (card.generation, card.has_pin) == ("CPS3 contactless", False)
    assert [found.purpose for found in card.certificates()] == ["technical"]
    assert card.objects.labels() == ()
    for ask in (card.pin_status, card.national_id, lambda: card.verify_pin(PIN)):
        with pytest.raises(CardError) as refused:
            ask()
        assert "chip first" in refused.value.advice


@of("cps3-contactless")
def test_the_technical_key_signs_without_a_pin(card: CpsCard) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    credential = card.credential("technical")
    signature = credential.private_key.sign(b"data", padding.PKCS1v15(), hashes.SHA256())
    public_key = credential.certificate.public_key()
    public_key.verify(signature, b"data", padding.PKCS1v15(), hashes.SHA256())


@of("full")
def test_the_cps2ter_part_opens_with_the_pin_and_lets_go(card: CpsCard) -> None:
    with pytest.raises(PinRequiredError):
        card.objects.cps2ter_files()
    assert card.national_id()  # the card answers to its other application again
    card.verify_pin(PIN)
    files = dict(card.objects.cps2ter_files())
    numbers = ("01", "03", "04", "09", "16")
    assert set(files) == {"CPS_SIT_FACT", *(f"CPS2TER_ACTIVITY_{number}" for number in numbers)}
    assert b"899700990064" in files["CPS_SIT_FACT"]
    assert len(card.objects.activities()) == 5


@of("cps4")
def test_a_cps4_has_no_cps2ter_part_of_its_own(card: CpsCard) -> None:
    assert card.objects.cps2ter_files() == ()
    card.verify_pin(PIN)
    assert card.objects.read("CPS_SIT_FACT")


@pytest.mark.parametrize("name", ["cps3", "cps4", "cps3-contactless"])
def test_a_card_pulled_out_at_any_exchange_of_its_page_is_removed(name: str) -> None:
    seen: list[Exchange] = []
    with held(name).opened(seen.append) as card:
        read_info(card)
    for exchange in range(1, len(seen) + 1):
        simulated = held(name)
        simulated.reader.remove_at(exchange)
        with pytest.raises(CardRemovedError), simulated.opened() as card:
            read_info(card)


# -- another program leaves the card in another application ----------------------------------


@pytest.mark.parametrize(
    ("name", "status"), [("cps3", 0x6E00), ("cps3", 0x6A86), ("cps4", 0x6881), ("cps4", 0x6985)]
)
@pytest.mark.parametrize(
    "ask",
    [
        lambda card: str(card.national_id()),
        lambda card: card.serial,
        lambda card: card.label(),
        lambda card: card.certificate("signature").serial_number,
        lambda card: card.pin_status(),
        lambda card: card.objects.read("CPS_INFO_PS"),
        lambda card: card.objects.list(),
        lambda card: card.objects.update_journal(),
    ],
    ids=["id", "serial", "label", "certificate", "tries", "object", "objects", "journal"],
)
def test_every_read_finds_its_application_again(
    name: str, status: int, ask: Callable[[CpsCard], object]
) -> None:
    simulated = held(name)
    with simulated.opened() as card:
        expected = ask(card)
    with simulated.opened() as card:
        simulated.card.leave_application(status)
        simulated.sent.clear()
        assert ask(card) == expected
        assert len(simulated.of(0xA4)) >= 2 or not simulated.sent  # taken back, or not needed
        assert simulated.of(0x20) in ([], ["0120000100"], ["01200001"], ["01200001"] * 2)
    with simulated.opened() as card:
        card.verify_pin(PIN)
        simulated.card.leave_application(status)
        assert ask(card) == expected


# -- what is known of the contents -----------------------------------------------------------


def test_an_activity_as_real_test_cards_have_it() -> None:
    content = der(
        0xEE,
        der(0x81, b"\x00"),
        der(0x84, b"CABINET M DOC0073574"),
        der(0x85, b"499700735741008"),
        der(0x86, b"SA07"),
    )
    assert parse_activity(1, content) == Activity(
        1, "CABINET M DOC0073574", "499700735741008", "SA07", ((0x81, b"\x00"),)
    )
    assert parse_activity(1, content).sector_label == "Cabinet individuel"


def test_an_activity_with_unknown_codes_is_shown_as_it_is() -> None:
    found = parse_activity(2, der(0xEE, der(0x84, b"\xff\xfe"), der(0x85, b"?"), der(0x86, b"ZZ")))
    assert (found.name, found.structure, found.sector_label) == ("��", None, None)
    with pytest.raises(CardError):
        parse_activity(2, der(0xE4, b""))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\xe4\x06\x83\x04SM54", "SM54"),
        (b"...SM26\x00\x00", "SM26"),
        (b"\xe4\x02\x83\x00", None),
        (b"M26", None),
        (b"", None),
        ("…é12".encode(), None),
    ],
)
def test_the_speciality_is_the_last_four_characters(content: bytes, code: str | None) -> None:
    assert specialty_of(content) == code


@pytest.mark.parametrize(
    ("content", "journal"),
    [
        (
            "EC12810720240102030405820720240102030406",
            (datetime(2024, 1, 2, 3, 4, 5), datetime(2024, 1, 2, 3, 4, 6)),
        ),
        ("EC09810720240102030405", (datetime(2024, 1, 2, 3, 4, 5), None)),
        ("EC12810720249902030405820720240102030406", (None, datetime(2024, 1, 2, 3, 4, 6))),
        ("EC0C8101018207202401020304AA", (None, None)),
        ("EC1281", (None, None)),
        ("", (None, None)),
    ],
)
def test_update_journals(content: str, journal: tuple[datetime | None, datetime | None]) -> None:
    found = parse_update_journal(bytes.fromhex(content))
    assert found == UpdateJournal(*journal)
    assert found.complete == (None not in journal)


def test_dodf_records_as_the_official_middleware_takes_them() -> None:
    dodf = bytes.fromhex(
        "3023300E0C084350535F444154410302064030050C03435053A10A300804063F000001D107"
        "3030301B0C124350535F41435449564954595F30315F50530302078004010130050C03435053"
        "A10A300804063F000001D120"
    )
    data, activity = pkcs15.parse_dodf(dodf)
    assert (data.label, data.application, data.modifiable) == ("CPS_DATA", "CPS", True)
    assert (data.private, activity.private) == (False, True)
    assert activity.path.file.hex() == "3f000001d120"


@quick
@given(st.binary(max_size=120))
def test_any_bytes_are_decoded_or_refused(content: bytes) -> None:
    specialty_of(content)
    parse_update_journal(content)
    for parse in (lambda: parse_activity(1, content), lambda: pkcs15.parse_dodf(content)):
        with suppress(CardError):
            parse()
