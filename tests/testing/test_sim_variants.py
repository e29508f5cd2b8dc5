"""What cards come in: contactless CPS3, CPS4 release candidates, and the CPS2ter volet."""

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from sim_support import AID_ROOT, answer, contactless_material, material, powered_card, send

from igcsante.card import atr, pkcs15
from igcsante.errors import UsageError
from igcsante.testing.cards import SimulatedCard, load_profile

DIGEST_INFO = "3031300D060960864801650304020105000420"
MESSAGE = b"ordonnance simulee"
ROOT = "00A4040408" + AID_ROOT


@pytest.mark.parametrize(
    ("name", "variant", "expected", "protocols"),
    [
        ("cps3", "contact", "3BAC00402A001225006480000310009000", ("T=0",)),
        ("cps3", "contactless", "3B8F80010031B86404B0ECC1739401808290000E", ("T=1",)),
        ("cps4", "contact", "3B9B188001001225006480040100009044", ("T=0", "T=1")),
        ("cps4", "release-candidate", "3B9B188001001225006480000401009044", ("T=0", "T=1")),
        ("cps4", "release-candidate-t0", "3BDC18FF00001225006480000401009000", ("T=0",)),
    ],
)
def test_variants_have_the_atr_and_protocols_of_the_sheet(
    name: str, variant: str, expected: str, protocols: tuple[str, ...]
) -> None:
    card = powered_card(name, variant=variant)
    assert card.atr.hex().upper() == expected
    assert card.protocols == protocols
    offered = {f"T={number}" for number in atr.Atr.parse(card.atr).protocols}
    assert set(protocols) <= offered
    assert atr.known(card.atr) is not None


# -- contactless -------------------------------------------------------------------------


def read(card: SimulatedCard, path: str) -> bytes:
    fcp = answer(card, f"00A40904{len(path) // 2:02X}{path}00")
    size = int.from_bytes(fcp[4:6])
    parts = range(0, size, 0xE7)
    return b"".join(answer(card, f"00B0{at:04X}{min(0xE7, size - at):02X}") for at in parts)


def test_contactless_card_lists_both_applications_and_opens_one() -> None:
    card = powered_card("cps3-contactless")
    applications = pkcs15.parse_applications(read(card, "3F002F00"))
    assert {aid.hex().upper()[-4:]: path and path.hex() for aid, path in applications.items()} == {
        "0010": "3f000001",
        "0020": "3f000002",
    }
    assert read(card, "3F00D003").hex().upper() == "5A0A8025000001997003014F"
    odf = pkcs15.parse_odf(read(card, "3F0000025031"))
    assert set(odf) == {"PrKDF", "CDF"}
    (key,) = pkcs15.parse_prkdf(read(card, "3F0000027002"))
    (entry,) = pkcs15.parse_cdf(read(card, "3F0000027004"))
    assert (key.reference, entry.label) == (0x83, "Certificat Technique CPS")
    assert key.id == entry.id == bytes.fromhex("E828BD080F8025000001FF002003")
    for path in ("3F0000015031", "3F0000017001", "3F000001D101", "3F00D010"):
        answer(card, f"00A40904{len(path) // 2:02X}{path}00")
        assert send(card, "00B0000001") == "6982"


def test_contactless_card_has_no_pin_and_signs_with_its_technical_key() -> None:
    card = powered_card("cps3-contactless")
    assert send(card, "002000010431323334") == "6A88"
    assert send(card, "00A4090C023F00") == "9000"
    assert send(card, "00CB3FFF0A4D087006BF810102A08000") == "6A88"
    assert send(card, "00A4090C043F000002") == "9000"
    assert send(card, "002241A406800102840183") == "9000"
    info = DIGEST_INFO + hashlib.sha256(MESSAGE).hexdigest()
    signature = answer(card, f"0088000033{info}00")
    technical = contactless_material().technical
    assert technical is not None
    technical.private_key.public_key().verify(
        signature, MESSAGE, padding.PKCS1v15(), hashes.SHA256()
    )
    # The personal keys stay closed, from here and from their own application.
    assert send(card, "002241A406800102840182") == "9000"
    assert send(card, f"0088000033{info}00") == "6A88"
    assert send(card, "00A4090C043F000001") == "9000"
    assert send(card, f"0088000033{info}00") == "6982"
    assert send(card, "A0A40000023F00") == "6E00"


def test_contactless_card_without_technical_key_is_refused() -> None:
    with pytest.raises(UsageError, match="technical key"):
        SimulatedCard(load_profile("cps3-contactless"), material())


# -- CPS2ter -----------------------------------------------------------------------------


def test_cps2ter_files_are_selected_one_by_one_and_want_the_pin() -> None:
    card = powered_card("cps3")
    assert send(card, "A0A40000023F00") == "9F07"
    assert send(card, "A0C0000007") == "850500003F00019000"
    assert send(card, "A0B0000001") == "9408"
    assert send(card, "A0A40000024010") == "9F07"
    template = send(card, "A0C0000007")
    assert template.startswith("850500")
    assert template.endswith("4010049000")
    size = int(template[6:8], 16)
    assert send(card, f"A0B00000{size:02X}") == "9804"
    # Class 00 is another application's now; its AID brings the IAS volet back.
    assert send(card, "00A4090C023F00") == "6E00"
    assert send(card, ROOT) == "9000"
    assert send(card, "002000010431323334") == "9000"
    for fid in ("3F00", "4010"):
        assert send(card, f"A0A4000002{fid}") == "9F07"
    content = bytes.fromhex(send(card, f"A0B00000{size:02X}"))
    assert b"CPS2TER SIMULATION" in content
    assert content.endswith(b"CENTRE HOSPITALIER SIMULATION\x90\x00")
    assert send(card, f"A0B00001{size:02X}") == "9402"
    assert send(card, ROOT) == "9000"
    assert send(card, "0020000100") == "9000"


def test_cps2ter_billing_situation_is_below_its_directory() -> None:
    card = powered_card("cps3")
    send(card, "002000010431323334")
    assert send(card, "A0A40000024000") == "9404"
    assert send(card, "A0A40000027F01") == "9F07"
    assert send(card, "A0C0000007") == "850500007F01029000"
    assert send(card, "A0A40000024000") == "9F07"
    template = bytes.fromhex(send(card, "A0C0000007"))
    content = bytes.fromhex(send(card, f"A0B00000{template[3]:02X}"))
    assert content.endswith(b"899700990031\x90\x00")


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("A0A40000024011", "9404"),  # no second situation
        ("A0A40100023F00", "6B00"),
        ("A0A4000001 3F", "6700"),
        ("A0C0000007", "6700"),
        ("A020000104 31323334", "6D00"),
    ],
)
def test_cps2ter_refuses_in_its_own_words(command: str, status: str) -> None:
    assert send(powered_card("cps3"), command) == status


def test_reset_leaves_the_cps2ter_volet() -> None:
    card = powered_card("cps3")
    send(card, "A0A40000023F00")
    card.reset()
    assert send(card, "00A4090C023F00") == "9000"
    assert send(card, "A0C0000007") == "6700"


def test_cps4_publishes_cps2ter_as_objects() -> None:
    card = powered_card("cps4")
    assert send(card, "A0A40000023F00") == "6E00"
    send(card, f"01A4040C08{AID_ROOT}")
    size = int.from_bytes(answer(card, "01A40800040001700600")[4:6])
    parts = range(0, size, 256)
    content = b"".join(answer(card, f"01B0{at:04X}{min(256, size - at) % 256:02X}") for at in parts)
    for name in ("ATR", "ID", "ICC", "NAME", "LANG", "PSINFO", "DIRAMO", "ACTIVITY_01_PS"):
        assert f"CPS2TER_{name}".encode() in content
    assert b"CPS_SIT_FACT" in content
    answer(card, "01A40800040001D11000")
    assert b"CPS2TER_ATR SIMULATION" in answer(card, "01B0000018")
    for private in ("D130", "D104"):
        answer(card, f"01A40800040001{private}00")
        assert send(card, "01B0000001") == "6982"


# -- another application in between ------------------------------------------------------


@pytest.mark.parametrize("status", [0, 0x6E00, 0x6A86])
def test_cps3_left_elsewhere_comes_back_with_its_aid(status: int) -> None:
    card = powered_card("cps3")
    send(card, "002000010431323334")
    card.leave_application(status)
    expected = f"{status or 0x6E00:04X}"
    assert send(card, "00A4090C043F000001") == expected
    assert send(card, "00B09C000C") == expected
    assert send(card, ROOT) == "9000"
    assert send(card, "00A4090C043F000001") == "9000"


def test_cps4_left_with_its_channel_closed_comes_back_with_its_aid() -> None:
    card = powered_card("cps4")
    send(card, f"01A4040C08{AID_ROOT}")
    card.leave_application(0x6881)
    assert send(card, "01A40800020001") == "6881"
    assert send(card, f"01A4040C08{AID_ROOT}") == "9000"
    assert send(card, "01A40800020001") != "6881"


def test_cps4_that_resists_needs_the_detour_of_the_official_middleware() -> None:
    card = powered_card("cps4")
    send(card, f"01A4040C08{AID_ROOT}")
    card.leave_application(0x6985)
    assert send(card, "01200001") == "6985"
    assert send(card, f"01A4040C08{AID_ROOT}") == "6985"
    assert send(card, "00A4040C088025000001FF0002") == "9000"
    assert send(card, f"01A4040C08{AID_ROOT}") == "6985"
    assert send(card, "01A4040C07A0000001510000") == "9000"
    assert send(card, "00A4040C088025000001FF0002") == "9000"
    assert send(card, f"01A4040C08{AID_ROOT}") == "9000"
    assert send(card, "01200001") == "63C3"


def test_status_that_no_card_left_elsewhere_gives_is_refused() -> None:
    with pytest.raises(UsageError, match="6E00, 6A86"):
        powered_card("cps3").leave_application(0x6881)
