"""The ASN.1 of PKCS#15 v1.1 §6 and annex A, as far as CPx cards need it, for asn1crypto.

Every SEQUENCE takes unknown fields at its end, where the standard has its "...".
"""

# asn1crypto has no type hints, and its way to declare fields is a class attribute.
# mypy: disable-error-code="misc"
# ruff: noqa: RUF012

from __future__ import annotations

from typing import Any

from asn1crypto import core

# Fields that a later edition may add at the end of a SEQUENCE ("..." in its ASN.1).
_EXTENSIONS: list[Any] = [(f"extension_{n}", core.Any, {"optional": True}) for n in range(1, 9)]
_OPTIONAL = {"optional": True}


class Path(core.Sequence):
    _fields = [
        ("ef_id_or_path", core.OctetString),
        ("index", core.Integer, _OPTIONAL),
        ("length", core.Integer, {"implicit": 0, "optional": True}),
        *_EXTENSIONS,
    ]


class ObjectFlags(core.BitString):
    _map = {0: "private", 1: "modifiable"}


class CommonObjectAttributes(core.Sequence):
    _fields = [
        ("label", core.UTF8String, _OPTIONAL),
        ("flags", ObjectFlags, _OPTIONAL),
        ("auth_id", core.OctetString, _OPTIONAL),
        ("user_consent", core.Integer, _OPTIONAL),
        ("access_control_rules", core.Sequence, _OPTIONAL),
        *_EXTENSIONS,
    ]


class CommonCertificateAttributes(core.Sequence):
    _fields = [("id", core.OctetString), *_EXTENSIONS]


class X509CertificateAttributes(core.Sequence):
    _fields = [("value", Path), *_EXTENSIONS]


class CertificateObject(core.Sequence):
    _fields = [
        ("common", CommonObjectAttributes),
        ("certificate", CommonCertificateAttributes),
        ("sub_class", core.Sequence, {"explicit": 0, "optional": True}),
        ("type", X509CertificateAttributes, {"explicit": 1}),
        *_EXTENSIONS,
    ]


class KeyUsage(core.BitString):
    _map = {
        0: "encrypt",
        1: "decrypt",
        2: "sign",
        3: "sign_recover",
        4: "wrap",
        5: "unwrap",
        6: "verify",
        7: "verify_recover",
        8: "derive",
        9: "non_repudiation",
    }


class CommonKeyAttributes(core.Sequence):
    _fields = [
        ("id", core.OctetString),
        ("usage", KeyUsage),
        ("native", core.Boolean, {"default": True}),
        ("access_flags", core.BitString, _OPTIONAL),
        ("key_reference", core.Integer, _OPTIONAL),
        *_EXTENSIONS,
    ]


class PrivateRsaKeyAttributes(core.Sequence):
    _fields = [("value", Path), ("modulus_length", core.Integer, _OPTIONAL), *_EXTENSIONS]


class PrivateKeyObject(core.Sequence):
    _fields = [
        ("common", CommonObjectAttributes),
        ("key", CommonKeyAttributes),
        ("sub_class", core.Sequence, {"explicit": 0, "optional": True}),
        ("type", PrivateRsaKeyAttributes, {"explicit": 1}),
        *_EXTENSIONS,
    ]


class PinFlags(core.BitString):
    _map = {
        0: "case_sensitive",
        1: "local",
        2: "change_disabled",
        3: "unblock_disabled",
        4: "initialized",
        5: "needs_padding",
        6: "unblocking_pin",
        7: "so_pin",
        8: "disable_allowed",
        9: "integrity_protected",
        10: "confidentiality_protected",
        11: "exchange_ref_data",
    }


class PinType(core.Enumerated):
    _map = {0: "bcd", 1: "ascii_numeric", 2: "utf8", 3: "half_nibble_bcd", 4: "iso9564_1"}


class PinAttributes(core.Sequence):
    _fields = [
        ("flags", PinFlags),
        ("type", PinType),
        ("min_length", core.Integer),
        ("stored_length", core.Integer),
        ("max_length", core.Integer, _OPTIONAL),
        ("reference", core.Integer, {"implicit": 0, "default": 0}),
        ("pad_char", core.OctetString, _OPTIONAL),
        *_EXTENSIONS,
    ]


class CommonAuthenticationAttributes(core.Sequence):
    _fields = [("auth_id", core.OctetString), *_EXTENSIONS]


class PinObject(core.Sequence):
    _fields = [
        ("common", CommonObjectAttributes),
        ("authentication", CommonAuthenticationAttributes),
        ("sub_class", core.Sequence, {"explicit": 0, "optional": True}),
        ("type", PinAttributes, {"explicit": 1}),
        *_EXTENSIONS,
    ]


class CommonDataObjectAttributes(core.Sequence):
    _fields = [
        ("application", core.UTF8String, _OPTIONAL),
        ("application_oid", core.ObjectIdentifier, _OPTIONAL),
        *_EXTENSIONS,
    ]


class DataObject(core.Sequence):
    """OpaqueDO: the value is in a file."""

    _fields = [
        ("common", CommonObjectAttributes),
        ("data", CommonDataObjectAttributes),
        ("sub_class", core.Sequence, {"explicit": 0, "optional": True}),
        ("value", Path, {"explicit": 1}),
        *_EXTENSIONS,
    ]


class TokenInfo(core.Sequence):
    _fields = [
        ("version", core.Integer),
        ("serial_number", core.OctetString, _OPTIONAL),
        ("manufacturer", core.UTF8String, _OPTIONAL),
        ("label", core.UTF8String, {"implicit": 0, "optional": True}),
        ("flags", core.BitString, _OPTIONAL),
        *_EXTENSIONS,
    ]
