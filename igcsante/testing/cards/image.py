"""From a card profile and its keys to the files of a card (facts sheet card.md §3 and §15).

What a real card is known to hold is as the sheet says: the master file's EFs, the AIDs, DF
0001, 5031 and 5032, labels and CKA_IDs. **Ours, because nothing public tells**: DF 0002 of
the contactless application, the numbers of the other files (7002-7006, B1xx, C1xx), the
manufacturer in TokenInfo, the label of the PIN, and the dates of EF_ACTUA.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ...errors import UsageError
from ...identifiers import luhn_valid
from ...messages import tr
from . import pkcs15
from .der import tlv
from .files import MF, Access, Directory, FileSystem, TransparentFile
from .material import CardMaterial, KeyPair
from .objects import ISSUER_NUMBER, CardObject, card_objects
from .profile import CardProfile

ROOT_AID = bytes.fromhex("8025000001FF0100")
APPLICATION_AID = bytes.fromhex("E828BD080F8025000001FF0010")
APPLICATION = MF + b"\x00\x01"
CONTACTLESS_AID = bytes.fromhex("E828BD080F8025000001FF0020")
CONTACTLESS_APPLICATION = MF + b"\x00\x02"
PIN_REFERENCE, PUK_REFERENCE = 1, 2
PIN_AUTH_ID, PUK_AUTH_ID = b"\x01", b"\x02"

_EF_ATR = bytes.fromhex(
    # A real CPS3's, the stray leading 80 included (card.md §3).
    "80 4301B8 460404B0ECC1 4703940180 4F088025000001FF0100"
    "E0100202010402020104020201000202010078 0806062B8122F87802 82029000"
)
_PRIVATE_ACCESS = (pkcs15.SENSITIVE, pkcs15.ALWAYS_SENSITIVE, pkcs15.NEVER_EXTRACTABLE)
# A real CPS3's references (card.md §6.2). OpenSC takes them from TokenInfo; what a CPS4 tells
# there is not known.
_ALGORITHMS = {
    "cps3": (
        pkcs15.Algorithm(pkcs15.CKM_SHA_1, pkcs15.HASH, 0x10),
        pkcs15.Algorithm(pkcs15.CKM_SHA256, pkcs15.HASH, 0x40),
        pkcs15.Algorithm(pkcs15.CKM_SHA1_RSA_PKCS, pkcs15.COMPUTE_SIGNATURE, 0x12),
        pkcs15.Algorithm(pkcs15.CKM_SHA256_RSA_PKCS, pkcs15.COMPUTE_SIGNATURE, 0x42),
        pkcs15.Algorithm(pkcs15.CKM_RSA_PKCS, pkcs15.COMPUTE_SIGNATURE, 0x02),
        pkcs15.Algorithm(pkcs15.CKM_RSA_PKCS, pkcs15.DECIPHER, 0x1A),
    ),
    "cps4": (),
}
_MANUFACTURER = "IGCSANTE SIMULATION"


@dataclass(frozen=True)
class KeySlot:
    """A key's place on a card: reference in MSE, last byte of CKA_ID, number of its files."""

    role: str  # "signature", "authentication" or "technical"
    reference: int
    id_byte: int
    number: int

    @property
    def application(self) -> bytes:
        """The directory that must be current when the key is used."""
        return CONTACTLESS_APPLICATION if self.role == "technical" else APPLICATION

    @property
    def identifier(self) -> bytes:
        """CKA_ID: the application's AID and one byte (card.md §8)."""
        aid = CONTACTLESS_AID if self.role == "technical" else APPLICATION_AID
        return aid + bytes([self.id_byte])

    def path(self, folder: int) -> bytes:
        """Its file among those numbered from ``folder``: B100 public keys, C100 certificates."""
        return self.application + (folder + self.number).to_bytes(2)


KEY_SLOTS = {
    "cps3": (KeySlot("signature", 0x81, 0x01, 1), KeySlot("authentication", 0x82, 0x02, 2)),
    "cps4": (KeySlot("signature", 0x10, 0x10, 1), KeySlot("authentication", 0x20, 0x20, 2)),
}
TECHNICAL_SLOT = KeySlot("technical", 0x83, 0x03, 2)


@dataclass(frozen=True)
class _Role:
    private_label: str
    public_label: str
    certificate_label: str
    usage: tuple[int, ...]
    public_usage: tuple[int, ...]


_ROLES = {
    "signature": _Role(
        "CPS_PRIV_SIG", "CPS_PUB_SIG", "Certificat de Signature CPS",
        (pkcs15.NON_REPUDIATION,), (pkcs15.VERIFY,),
    ),
    "authentication": _Role(
        "CPS_PRIV_AUT", "CPS_PUB_AUT", "Certificat d'Authentification CPS",
        (pkcs15.DECRYPT, pkcs15.SIGN), (pkcs15.ENCRYPT, pkcs15.VERIFY),
    ),
    "technical": _Role(
        "CPS_PRIV_TECH_AUT", "", "Certificat Technique CPS", (pkcs15.SIGN,), (),
    ),
}  # fmt: skip

Files = dict[str, TransparentFile]


def build_image(profile: CardProfile, material: CardMaterial) -> FileSystem:
    """The file system of a freshly made card, with what ``profile.files`` spoils.

    Names of files: ``EF.SN``, ``EF.DIR``, ``EF.ATR``, ``EF_ACTUA``, ``EF.ODF``,
    ``EF.TokenInfo``, ``EF.AODF``, ``EF.PrKDF``, ``EF.PuKDF``, ``EF.CDF``, ``EF.DODF``, and
    the labels of public keys, certificates and data objects. Raises UsageError.
    """
    objects = card_objects(profile)
    files = _master_files(profile, material)
    files |= _application_files(profile, material, objects)
    directories = [Directory(MF), Directory(APPLICATION, APPLICATION_AID)]
    if material.technical is not None:
        directories.append(Directory(CONTACTLESS_APPLICATION, CONTACTLESS_AID))
        files |= _contactless_files(profile, material.technical)
    return FileSystem([*directories, *_spoiled(files, profile.files).values()])


def serial_file(serial: str) -> bytes:
    """EF.SN.ICC: ``5A 0A``, issuer number, 8 digits, Luhn digit, filler F (card.md §3)."""
    digits = ISSUER_NUMBER + serial
    check = next(digit for digit in "0123456789" if luhn_valid(digits + digit))
    return tlv(0x5A, bytes.fromhex(f"{digits}{check}F"))


def application_template(aid: bytes = APPLICATION_AID, path: bytes = APPLICATION) -> bytes:
    """A record of EF.DIR."""
    return tlv(0x61, tlv(0x4F, aid), tlv(0x50, b"CPS"), tlv(0x51, path))


def _update_journal(material: CardMaterial) -> bytes:
    """EF_ACTUA: the card was last updated when its certificates were put on it."""
    instant = material.authentication.certificate.not_valid_before_utc
    digits = bytes.fromhex(f"{instant:%Y%m%d%H%M%S}")
    return tlv(0xEC, tlv(0x81, digits), tlv(0x82, digits))


def _master_files(profile: CardProfile, material: CardMaterial) -> Files:
    applications = application_template()
    if material.technical is not None:
        applications += application_template(CONTACTLESS_AID, CONTACTLESS_APPLICATION)
    issuer = Access.ISSUER
    return {
        "EF.SN": TransparentFile(
            MF + b"\xd0\x03", serial_file(profile.serial), sfi=0x1C, contactless=True
        ),
        "EF.DIR": TransparentFile(
            MF + b"\x2f\x00", applications, 0x1E, update=issuer, contactless=True
        ),
        "EF.ATR": TransparentFile(MF + b"\x2f\x01", _EF_ATR, 0x1D, update=issuer, contactless=True),
        "EF_ACTUA": TransparentFile(MF + b"\xd0\x10", _update_journal(material)),
    }


def _application_files(
    profile: CardProfile, material: CardMaterial, objects: list[CardObject]
) -> Files:
    """The contact application: everything that is the holder's."""
    pairs = {"signature": material.signature, "authentication": material.authentication}
    slots = KEY_SLOTS[profile.generation]
    numbers = {"aodf": 0x7001, "prkdf": 0x7002, "pukdf": 0x7003, "cdf": 0x7004, "dodf": 0x7006}
    paths = {name: _path(number) for name, number in numbers.items()}
    contents = {
        "EF.ODF": (_path(0x5031), pkcs15.object_directory(paths)),
        "EF.TokenInfo": (
            _path(0x5032),
            pkcs15.token_info(_MANUFACTURER, profile.label, _ALGORITHMS[profile.generation]),
        ),
        "EF.AODF": (paths["aodf"], pkcs15.authentication_directory(_PINS)),
        "EF.PrKDF": (paths["prkdf"], pkcs15.key_directory([_private_key(s) for s in slots])),
        "EF.PuKDF": (paths["pukdf"], pkcs15.key_directory([_public_key(s) for s in slots])),
        "EF.CDF": (paths["cdf"], pkcs15.certificate_directory([_certificate(s) for s in slots])),
        "EF.DODF": (paths["dodf"], pkcs15.data_directory([_data_object(o) for o in objects])),
    }
    for slot in slots:
        role, pair = _ROLES[slot.role], pairs[slot.role]
        contents[role.public_label] = (slot.path(0xB100), _public_bytes(pair))
        contents[role.certificate_label] = (slot.path(0xC100), _certificate_bytes(pair))
    files = {name: TransparentFile(path, content) for name, (path, content) in contents.items()}
    return files | {entry.label: _data_file(entry) for entry in objects}


def _contactless_files(profile: CardProfile, pair: KeyPair) -> Files:
    """The contactless application: one key without a PIN, and its certificate (§15)."""
    paths = {
        "prkdf": CONTACTLESS_APPLICATION + b"\x70\x02",
        "cdf": CONTACTLESS_APPLICATION + b"\x70\x04",
    }
    token_info = pkcs15.token_info(_MANUFACTURER, profile.label)
    contents = {
        "EF.ODF contactless": (
            CONTACTLESS_APPLICATION + b"\x50\x31", pkcs15.object_directory(paths),
        ),
        "EF.TokenInfo contactless": (CONTACTLESS_APPLICATION + b"\x50\x32", token_info),
        "EF.PrKDF contactless": (
            paths["prkdf"], pkcs15.key_directory([_private_key(TECHNICAL_SLOT)]),
        ),
        "EF.CDF contactless": (
            paths["cdf"], pkcs15.certificate_directory([_certificate(TECHNICAL_SLOT)]),
        ),
        _ROLES["technical"].certificate_label: (
            TECHNICAL_SLOT.path(0xC100), _certificate_bytes(pair),
        ),
    }  # fmt: skip
    return {
        name: TransparentFile(path, content, contactless=True)
        for name, (path, content) in contents.items()
    }


def _spoiled(files: Files, changes: Mapping[str, str]) -> Files:
    for name, what in changes.items():
        if name not in files:
            raise UsageError(
                tr("the card has no file {name!r}", name=name),
                advice=tr("known: {names}", names=", ".join(files)),
            )
        if what == "missing":
            del files[name]
        else:
            content = b"" if what == "empty" else bytes.fromhex(what)
            files[name] = replace(files[name], content=content)
    return files


_PINS = [
    pkcs15.Pin("PIN porteur", PIN_AUTH_ID, PIN_REFERENCE, 4, unblocked_by=PUK_AUTH_ID),
    pkcs15.Pin(
        "PUK", PUK_AUTH_ID, PUK_REFERENCE, 8,
        (pkcs15.INITIALIZED, pkcs15.UNBLOCKING_PIN, pkcs15.SO_PIN),
    ),
]  # fmt: skip


def _private_key(slot: KeySlot) -> pkcs15.Key:
    role = _ROLES[slot.role]
    auth_id = b"" if slot.role == "technical" else PIN_AUTH_ID
    return pkcs15.Key(
        role.private_label, slot.identifier, slot.reference, role.usage,
        slot.application, _PRIVATE_ACCESS, auth_id,
    )  # fmt: skip


def _public_key(slot: KeySlot) -> pkcs15.Key:
    role = _ROLES[slot.role]
    return pkcs15.Key(
        role.public_label, slot.identifier, slot.reference, role.public_usage,
        slot.path(0xB100), (pkcs15.LOCAL,),
    )  # fmt: skip


def _certificate(slot: KeySlot) -> pkcs15.Certificate:
    label = _ROLES[slot.role].certificate_label
    return pkcs15.Certificate(label, slot.identifier, slot.path(0xC100))


def _public_bytes(pair: KeyPair) -> bytes:
    return pair.private_key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)


def _certificate_bytes(pair: KeyPair) -> bytes:
    return pair.certificate.public_bytes(Encoding.DER)


def _data_object(entry: CardObject) -> pkcs15.DataObject:
    auth_id = PIN_AUTH_ID if entry.private else b""
    return pkcs15.DataObject(entry.label, _path(entry.number), entry.modifiable, auth_id)


def _data_file(entry: CardObject) -> TransparentFile:
    read = Access.PIN if entry.private else Access.ALWAYS
    update = Access.PIN if entry.modifiable else Access.NEVER
    return TransparentFile(_path(entry.number), entry.content, read=read, update=update)


def _path(number: int) -> bytes:
    return APPLICATION + number.to_bytes(2)
