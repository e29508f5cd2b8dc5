"""Card profiles as data: every kind of card, what it has on it, and the text to edit."""

import dataclasses
import functools
import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from sim_support import answer, powered_card, send

from igcsante.card.readers import open_card
from igcsante.certs.profile import decode
from igcsante.cli.card_info import read_info
from igcsante.errors import UsageError
from igcsante.testing.cards import (
    Activity,
    CardProfile,
    SimulatedCard,
    SimulatedReader,
    load_profile,
    parse_profile,
    profile_names,
)
from igcsante.testing.cards.profile import CARD_TYPES, STATES, VARIANTS
from igcsante.testing.cards.profile_text import profile_toml
from igcsante.testing.pki import SimulatedPki
from igcsante.testing.world import SimulatedWorld

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@functools.cache
def pki() -> SimulatedPki:
    return SimulatedPki.create(at=NOW, base_url="http://127.0.0.1:14480")


@functools.cache
def leaf(name: str) -> x509.Certificate:
    return pki().issue_card(load_profile(name), NOW).authentication.certificate


# -- certificates ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "card_type", "identifier", "structure", "upn"),
    [
        ("cps3", "CPS", "RPPS", "", "8.99700990031@carte-cps.fr"),
        ("adeli", "CPS", "ADELI", "", "0.0B6999012@carte-cps.fr"),
        ("cpf", "CPF", "étudiant", "", "9.2A99700012@carte-cps.fr"),
        ("cpe", "CPE", "FINESS", "10B0999003", "3.0B0999003.CPET0002@carte-cps.fr"),
        ("cde", "CDE", "SIREN", "2999999709", "4.999999709.CDET0001@carte-cps.fr"),
        ("cpa", "CPA", "SIRET", "399999999700037", "5.99999999700037.CPAT0001@carte-cps.fr"),
        ("cda", "CDA", "SIRET", "399999999700045", "5.99999999700045.CDAT0001@carte-cps.fr"),
    ],
)
def test_every_card_type_has_the_names_of_its_kind(
    name: str, card_type: str, identifier: str, structure: str, upn: str
) -> None:
    profile, found = load_profile(name), decode(leaf(name))
    assert profile.card_type == card_type
    assert found.national_id == profile.national_id
    assert found.national_id is not None
    assert found.national_id.type_name == identifier
    assert str(found.structure_id or "") == structure
    assert (found.upn, found.title, found.card_number) == (upn, profile.title, profile.card_number)
    assert (found.surname, found.given_name) == (profile.surname, profile.given_name)
    assert found.warnings == ()
    expected = profile.profession_code if card_type == "CPS" else None
    assert found.profession_code == expected
    authority = "FORT" if card_type in ("CPS", "CPF") else "STANDARD"
    issuer = leaf(name).issuer.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    assert issuer == f"TEST AC IGC-SANTE {authority} PERSONNES SIMULATION"


def test_every_type_comes_in_both_generations() -> None:
    shipped = [load_profile(name) for name in profile_names()]
    assert {(p.generation, p.card_type) for p in shipped} == set(
        itertools.product(("cps3", "cps4"), CARD_TYPES)
    )
    apart = [p for p in shipped if p.variant == "contact"]  # contactless is the same card
    assert len({p.serial for p in apart}) == len({p.card_number for p in apart}) == len(apart)


@pytest.mark.parametrize("name", ["cpf-cps3", "cpe-cps4", "cde-cps3", "cpa-cps3", "cda-cps4"])
def test_the_other_generation_reads_the_same(name: str) -> None:
    profile = load_profile(name)
    card = SimulatedCard(profile, pki().issue_card(profile, NOW))
    with open_card(readers=[SimulatedReader(card=card)]) as opened:
        info = read_info(opened)
    assert info["generation"] == profile.generation.upper()
    told = {"CDE": "CPE", "CDA": "CPA"}.get(profile.card_type, profile.card_type)  # one code
    assert (info["card_type"], info["label"]) == (told, profile.label)
    assert info["holder"]["national_id"] == str(profile.national_id)
    assert info["warnings"] == []


def test_states_of_certificates_are_what_they_are_called() -> None:
    after = NOW + timedelta(days=1)
    assert leaf("expired").not_valid_after_utc < NOW
    assert leaf("not-yet-valid").not_valid_before_utc > NOW
    assert leaf("opposed").not_valid_before_utc < NOW < leaf("opposed").not_valid_after_utc
    for name in ("cps3", "expired", "not-yet-valid", "opposed"):
        revocation = pki().revocation(leaf(name).serial_number, after)
        assert (revocation is not None) == (name == "opposed")
    revoked = x509.load_der_x509_crl(pki().crl("ACI-FO-PP-TEST", after))
    assert revoked.get_revoked_certificate_by_serial_number(leaf("opposed").serial_number)


@pytest.mark.parametrize("size", [0, 1500, 2200, 3000, 4096])
def test_certificates_have_the_size_that_is_asked_for(size: int) -> None:
    profile = dataclasses.replace(load_profile("cps3"), certificate_bytes=size)
    material = pki().issue_card(profile, NOW)
    for pair in (material.authentication, material.signature):
        length = len(pair.certificate.public_bytes(Encoding.DER))
        if size:
            assert abs(length - size) <= 2
        else:
            assert 1450 < length < 1800
        assert decode(pair.certificate).warnings == ()
        assert pair.certificate.issuer == pki().chain(pair.certificate)[0].subject


def test_technical_certificate_names_the_card_and_nobody() -> None:
    material = pki().issue_card(load_profile("cps3-contactless"), NOW)
    assert material.technical is not None
    technical = material.technical.certificate
    assert technical.subject.rfc4514_string() == "CN=8025000001/2900997003,C=FR"
    assert material.technical.private_key.public_key() == technical.public_key()
    assert pki().issue_card(load_profile("cps3"), NOW).technical is None


# -- what is on the card -----------------------------------------------------------------


def test_activities_are_where_their_numbers_say() -> None:
    card = powered_card("full")
    assert list(card.profile.situations) == [1, 3, 4, 9, 16]
    assert send(card, "002000010431323334") == "9000"
    for number in range(1, 17):
        select = f"00A40904063F000001D1{0x1F + number:02X}"
        if number not in card.profile.situations:
            assert send(card, select) == "6A82"
            continue
        size = int.from_bytes(answer(card, select)[4:6])
        content = answer(card, f"00B00000{size:02X}")
        situation = card.profile.situations[number]
        assert situation.raison_sociale.encode() in content
        assert content.endswith(situation.secteur.encode())
    size = int.from_bytes(answer(card, "00A40904063F0000017006")[4:6])
    parts = [answer(card, f"00B0{at:04X}{min(0xE7, size - at):02X}") for at in range(0, size, 0xE7)]
    labels = b"".join(parts)
    assert b"CPS_ACTIVITY_16_PS" in labels
    assert b"CPS_ACTIVITY_02_PS" not in labels


ACTIVITY = Activity("CABINET SIMULATION", "10B0999003", "SA07")


@pytest.mark.parametrize(
    "activities",
    [
        (ACTIVITY,) * 17,
        (dataclasses.replace(ACTIVITY, number=16), ACTIVITY),
        (dataclasses.replace(ACTIVITY, number=2), dataclasses.replace(ACTIVITY, number=2)),
    ],
)
def test_activities_that_have_no_place_are_refused(activities: tuple[Activity, ...]) -> None:
    with pytest.raises(UsageError, match="at most 16"):
        dataclasses.replace(load_profile("cps3"), activities=activities)
    with pytest.raises(UsageError, match="number"):
        dataclasses.replace(ACTIVITY, number=17)


def test_files_are_missing_empty_or_spoiled_as_the_profile_says() -> None:
    card = powered_card("cps3", files={"EF.DIR": "missing", "EF.CDF": "empty", "EF.SN": "5A00"})
    assert send(card, "00A40904043F002F00") == "6A82"
    assert answer(card, "00A40904063F0000017004")[2:6] == bytes.fromhex("80020000")
    assert send(card, "00B0000001") == "6B00"
    answer(card, "00A40904043F00D003")
    assert send(card, "00B0000002") == "5A009000"
    assert send(powered_card("empty"), "00A40904043F00D010") == "6A82"
    assert send(powered_card("empty"), "00A40904063F000001D120") == "6A82"
    with pytest.raises(UsageError, match=r"no file 'EF\.GONE'"):
        powered_card("cps3", files={"EF.GONE": "missing"})


def test_blocked_card_refuses_the_right_pin() -> None:
    card = powered_card("blocked")
    send(card, "01A4040C088025000001FF0100")
    assert send(card, "012000010431323334") == "6983"


# -- text --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", profile_names())
def test_written_profile_reads_back_the_same(name: str) -> None:
    read = parse_profile(profile_toml(load_profile(name)), "mine.toml")
    assert dataclasses.replace(read, activities=()) == dataclasses.replace(
        load_profile(name), activities=()
    )
    numbered = {n: dataclasses.replace(a, number=0) for n, a in read.situations.items()}
    original = load_profile(name).situations
    assert numbered == {n: dataclasses.replace(a, number=0) for n, a in original.items()}


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=25)


@settings(max_examples=60, deadline=None)
@given(
    surname=NAMES,
    title=st.text(st.characters(codec="utf-8"), min_size=1, max_size=16),
    state=st.sampled_from(STATES),
    tries=st.integers(0, 3),
    files=st.dictionaries(NAMES, st.sampled_from(["missing", "empty", "00FF"]), max_size=3),
    variant=st.sampled_from(VARIANTS["cps4"]),
)
def test_whatever_a_profile_holds_survives_its_text(
    surname: str, title: str, state: str, tries: int, files: dict[str, str], variant: str
) -> None:
    profile: CardProfile = dataclasses.replace(
        load_profile("cps4"),
        surname=surname,
        title=title,
        state=state,
        pin_tries_left=tries,
        files=files,
        variant=variant,
        activities=(),
    )
    assert parse_profile(profile_toml(profile), "mine.toml") == profile


def test_world_keeps_every_key_of_a_contactless_card(tmp_path: Path) -> None:
    profile = load_profile("cps3-contactless")
    first, second = (SimulatedWorld(tmp_path).card_material(profile) for _ in range(2))
    assert first.technical is not None
    assert second.technical is not None
    assert first.technical.certificate == second.technical.certificate
    assert first.authentication.certificate == second.authentication.certificate
    assert SimulatedWorld(tmp_path).card("cps3-contactless").protocols == ("T=1",)
