"""From a card profile and its keys to the files of a card (facts sheet card.md §3 and §15).

What a real card is known to hold is as the sheet says: the master file's EFs, the AIDs, DF
0001, 5031 and 5032, D107 and D120…, labels and CKA_IDs. **Ours, because nothing public
tells**: the numbers of the other files (7002-7006, B1xx, C1xx, D100-D102), the manufacturer
in TokenInfo, the label of the PIN, the dates of EF_ACTUA, and the contents of CPS_ID_CARD,
CPS_NAME_PS and CPS_INFO_PS, which follow the container style of CPS_ACTIVITY (a one-byte
``Ex`` tag, ``8x`` members, UTF-8).
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ...identifiers import luhn_valid
from . import pkcs15
from .der import tlv
from .files import MF, Access, Directory, File, FileSystem, TransparentFile
from .material import CardMaterial, KeyPair
from .profile import CARD_TYPES, Activity, CardProfile

ISSUER_NUMBER = "8025000001"  # 80 health, 250 France, 00001 the ANS
ROOT_AID = bytes.fromhex("8025000001FF0100")
APPLICATION_AID = bytes.fromhex("E828BD080F8025000001FF0010")
APPLICATION = MF + b"\x00\x01"
PIN_REFERENCE, PUK_REFERENCE = 1, 2
PIN_AUTH_ID, PUK_AUTH_ID = b"\x01", b"\x02"

_EF_ATR = bytes.fromhex(
    # A real CPS3's, the stray leading 80 included (card.md §3).
    "80 4301B8 460404B0ECC1 4703940180 4F088025000001FF0100"
    "E0100202010402020104020201000202010078 0806062B8122F87802 82029000"
)
_UPDATE_JOURNAL = tlv(
    0xEC, tlv(0x81, bytes.fromhex("20240102030405")), tlv(0x82, bytes.fromhex("20240102030406"))
)
_CPS_DATA_BYTES = 64
_TEST_CATEGORY = 0x80  # TRE_G01: 00 a card, 80 a test card

_SIGNATURE_USAGE = (pkcs15.NON_REPUDIATION,)
_AUTHENTICATION_USAGE = (pkcs15.DECRYPT, pkcs15.SIGN)
_PRIVATE_ACCESS = (pkcs15.SENSITIVE, pkcs15.ALWAYS_SENSITIVE, pkcs15.NEVER_EXTRACTABLE)


@dataclass(frozen=True)
class KeySlot:
    """A key's place on a card: reference in MSE, last byte of CKA_ID, number of its files."""

    role: str  # "signature" or "authentication"
    reference: int
    id_byte: int
    number: int

    @property
    def identifier(self) -> bytes:
        """CKA_ID: the application's AID and one byte (card.md §8)."""
        return APPLICATION_AID + bytes([self.id_byte])


KEY_SLOTS = {
    "cps3": (KeySlot("signature", 0x81, 0x01, 1), KeySlot("authentication", 0x82, 0x02, 2)),
    "cps4": (KeySlot("signature", 0x10, 0x10, 1), KeySlot("authentication", 0x20, 0x20, 2)),
}
_LABELS = {
    "signature": ("CPS_PRIV_SIG", "CPS_PUB_SIG", "Certificat de Signature CPS"),
    "authentication": ("CPS_PRIV_AUT", "CPS_PUB_AUT", "Certificat d'Authentification CPS"),
}


def build_image(profile: CardProfile, material: CardMaterial) -> FileSystem:
    """The file system of a freshly made card."""
    slots = KEY_SLOTS[profile.generation]
    pairs = {"signature": material.signature, "authentication": material.authentication}
    return FileSystem(
        [
            *_master_files(profile),
            Directory(APPLICATION, APPLICATION_AID),
            *_directory_files(profile, slots),
            *(file for slot in slots for file in _key_files(slot, pairs[slot.role])),
            *_data_files(profile),
        ]
    )


def serial_file(serial: str) -> bytes:
    """EF.SN.ICC: ``5A 0A``, issuer number, 8 digits, Luhn digit, filler F (card.md §3)."""
    digits = ISSUER_NUMBER + serial
    check = next(digit for digit in "0123456789" if luhn_valid(digits + digit))
    return tlv(0x5A, bytes.fromhex(f"{digits}{check}F"))


def application_template(label: str = "CPS") -> bytes:
    """EF.DIR, with the contact application only."""
    return tlv(0x61, tlv(0x4F, APPLICATION_AID), tlv(0x50, label.encode()), tlv(0x51, APPLICATION))


def activity(situation: Activity) -> bytes:
    """CPS_ACTIVITY_nn_PS: ``EE``{84 raison sociale, 85 Struct_IdNat, 86 secteur} (§3.2)."""
    values = (situation.raison_sociale, situation.structure_id, situation.secteur)
    return _container(0xEE, dict(zip((0x84, 0x85, 0x86), values, strict=True)))


def _master_files(profile: CardProfile) -> list[File]:
    return [
        Directory(MF),
        TransparentFile(MF + b"\xd0\x03", serial_file(profile.serial), sfi=0x1C, contactless=True),
        TransparentFile(
            MF + b"\x2f\x00", application_template(), 0x1E, update=Access.ISSUER, contactless=True
        ),
        TransparentFile(MF + b"\x2f\x01", _EF_ATR, 0x1D, update=Access.ISSUER, contactless=True),
        TransparentFile(MF + b"\xd0\x10", _UPDATE_JOURNAL),
    ]


def _directory_files(profile: CardProfile, slots: tuple[KeySlot, ...]) -> list[File]:
    names = {"aodf": 0x7001, "prkdf": 0x7002, "pukdf": 0x7003, "cdf": 0x7004, "dodf": 0x7006}
    paths = {name: _path(number) for name, number in names.items()}
    pins = [
        pkcs15.Pin("PIN porteur", PIN_AUTH_ID, PIN_REFERENCE, 4, unblocked_by=PUK_AUTH_ID),
        pkcs15.Pin(
            "PUK", PUK_AUTH_ID, PUK_REFERENCE, 8,
            (pkcs15.INITIALIZED, pkcs15.UNBLOCKING_PIN, pkcs15.SO_PIN),
        ),
    ]  # fmt: skip
    contents = {
        _path(0x5031): pkcs15.object_directory(paths),
        _path(0x5032): pkcs15.token_info("IGCSANTE SIMULATION", profile.label),
        paths["aodf"]: pkcs15.authentication_directory(pins),
        paths["prkdf"]: pkcs15.key_directory([_private_key(slot) for slot in slots]),
        paths["pukdf"]: pkcs15.key_directory([_public_key(slot) for slot in slots]),
        paths["cdf"]: pkcs15.certificate_directory([_certificate(slot) for slot in slots]),
        paths["dodf"]: pkcs15.data_directory(_data_objects(profile)),
    }
    return [TransparentFile(path, content) for path, content in contents.items()]


def _private_key(slot: KeySlot) -> pkcs15.Key:
    usage = _SIGNATURE_USAGE if slot.role == "signature" else _AUTHENTICATION_USAGE
    return pkcs15.Key(
        _LABELS[slot.role][0], slot.identifier, slot.reference, usage,
        APPLICATION, _PRIVATE_ACCESS, PIN_AUTH_ID,
    )  # fmt: skip


def _public_key(slot: KeySlot) -> pkcs15.Key:
    usage = (pkcs15.VERIFY,) if slot.role == "signature" else (pkcs15.ENCRYPT, pkcs15.VERIFY)
    return pkcs15.Key(
        _LABELS[slot.role][1], slot.identifier, slot.reference, usage,
        _path(0xB100 + slot.number), (pkcs15.LOCAL,),
    )  # fmt: skip


def _certificate(slot: KeySlot) -> pkcs15.Certificate:
    return pkcs15.Certificate(_LABELS[slot.role][2], slot.identifier, _path(0xC100 + slot.number))


def _key_files(slot: KeySlot, pair: KeyPair) -> list[File]:
    public_key = pair.private_key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    certificate = pair.certificate.public_bytes(Encoding.DER)
    return [
        TransparentFile(_path(0xB100 + slot.number), public_key),
        TransparentFile(_path(0xC100 + slot.number), certificate),
    ]


def _data_objects(profile: CardProfile) -> list[pkcs15.DataObject]:
    situations = [
        pkcs15.DataObject(f"CPS_ACTIVITY_{n + 1:02}_PS", _path(0xD120 + n), auth_id=PIN_AUTH_ID)
        for n in range(len(profile.activities))
    ]
    return [
        pkcs15.DataObject("CPS_DATA", _path(0xD107), modifiable=True),
        pkcs15.DataObject("CPS_ID_CARD", _path(0xD100)),
        pkcs15.DataObject("CPS_NAME_PS", _path(0xD101)),
        pkcs15.DataObject("CPS_INFO_PS", _path(0xD102)),
        *situations,
    ]


def _data_files(profile: CardProfile) -> list[File]:
    category = _TEST_CATEGORY if profile.test else 0
    identity = tlv(
        0xE1,
        tlv(0x80, bytes([category])),
        tlv(0x81, bytes([CARD_TYPES[profile.card_type]])),
        tlv(0x82, f"{ISSUER_NUMBER}/{profile.card_number}".encode()),
    )
    holder = _container(
        0xE2, {0x80: str(profile.national_id), 0x81: profile.surname, 0x82: profile.given_name}
    )
    profession = "" if profile.profession_code is None else f"{profile.profession_code:02}"
    # The specialty comes last: readers take the last four characters (§3.2).
    information = _container(
        0xE4,
        {
            0x80: str(profile.national_id),
            0x81: profession,
            0x82: profile.title,
            0x83: profile.specialty,
        },
    )
    return [
        TransparentFile(_path(0xD107), bytes(_CPS_DATA_BYTES), update=Access.PIN),
        TransparentFile(_path(0xD100), identity),
        TransparentFile(_path(0xD101), holder),
        TransparentFile(_path(0xD102), information),
        *(
            TransparentFile(_path(0xD120 + n), activity(situation), read=Access.PIN)
            for n, situation in enumerate(profile.activities)
        ),
    ]


def _container(tag: int, members: dict[int, str]) -> bytes:
    return tlv(tag, *(tlv(member, text.encode()) for member, text in members.items()))


def _path(number: int) -> bytes:
    return APPLICATION + number.to_bytes(2)
