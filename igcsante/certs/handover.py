"""A certificate in the form that a program wants: which files it takes, and how it names them.

A form is a set of files beside each other, written together or not at all; those of a program
come with what to put into its configuration (:mod:`.snippets`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from ..errors import UsageError
from ..files import read_bounded, write_together
from ..messages import tr
from ..secret import Secret
from .export import (
    BUNDLE_SUFFIXES,
    KEY_SUFFIX,
    Pkcs12Profile,
    certificate_der,
    certificate_pem,
    chain_pem,
    file_stem,
    java_truststore,
    pkcs7_der,
    pkcs12_bytes,
)
from .material import Material
from .requests import key_pem, key_pem_pkcs1
from .snippets import apache, curl, java, nginx

MIN_JAVA_PASSWORD = 6  # keytool refuses shorter ones


@dataclass(frozen=True)
class Protection:
    """How what is secret is written: ``key_passphrase`` locks keys, ``p12_password`` PKCS#12.

    ``plain_key`` allows a key that was locked to be written in clear.
    """

    key_passphrase: Secret | None = None
    p12_password: Secret | None = None
    plain_key: bool = False

    @property
    def locks_keys(self) -> bool:
        return self.key_passphrase is not None and not self.plain_key


@dataclass(frozen=True)
class Form:
    """``files`` gives the octets by kind, ``snippet`` the configuration, from their paths."""

    files: Callable[[Material, Protection, str], dict[str, bytes]]
    snippet: Callable[[Material, dict[str, Path], bool], str] | None = None
    takes_key: bool = True


@dataclass(frozen=True)
class HandedOver:
    """What was written: files by kind, and what goes into the program's configuration."""

    form: str
    files: dict[str, Path]
    snippet: str = ""


def hand_over(
    forms: Sequence[str], material: Material, directory: Path, stem: str, protection: Protection
) -> tuple[HandedOver, ...]:
    """Write the files of some forms into ``directory``, 0600, their names starting with ``stem``.

    What forms have in common is written once. A file that is there already with the same
    octets is left as it is. Raises UsageError (a key, password or issuer that a form needs is
    missing), StorageError when another file is in the way; nothing is written then.
    """
    file_stem(stem)
    contents: dict[str, bytes] = {}
    done = []
    for name in forms:
        form = FORMS[name]
        made = form.files(material, protection, stem)
        contents = made | contents
        paths = {kind: directory.absolute() / (stem + SUFFIXES[kind]) for kind in made}
        snippet = form.snippet(material, paths, protection.locks_keys) if form.snippet else ""
        done.append(HandedOver(name, paths, snippet))
    new = {directory.absolute() / (stem + SUFFIXES[kind]): data for kind, data in contents.items()}
    write_together({path: data for path, data in new.items() if not _is_there(path, data)})
    return tuple(done)


def _is_there(path: Path, data: bytes) -> bool:
    with suppress(UsageError):
        return path.is_file() and read_bounded(path) == data
    return False


# -- kinds of files --------------------------------------------------------------------------

SUFFIXES = {
    **BUNDLE_SUFFIXES,
    "key": KEY_SUFFIX,
    "fullchain": ".fullchain.pem",
    "bundle": ".bundle.pem",
    "pkcs7": ".p7b",
    "pkcs12_legacy": ".legacy.p12",
    "keystore": ".keystore.p12",
    "truststore": ".truststore.p12",
    "apache_client": ".apache.pem",
}


def _pem(material: Material, protection: Protection, stem: str) -> dict[str, bytes]:
    files = {"certificate": certificate_pem(material.certificate), **_authorities(material)}
    return {**files, **_key(material, protection)} if material.key else files


def _bundle(material: Material, protection: Protection, stem: str) -> dict[str, bytes]:
    return {"bundle": _key(material, protection)["key"] + _fullchain(material)}


def _der(material: Material, protection: Protection, stem: str) -> dict[str, bytes]:
    return {"certificate_der": certificate_der(material.certificate)}


def _pkcs7(material: Material, protection: Protection, stem: str) -> dict[str, bytes]:
    return {"pkcs7": pkcs7_der((material.certificate, *material.authorities))}


def _pkcs12(material: Material, protection: Protection, stem: str) -> dict[str, bytes]:
    return {"pkcs12": _pkcs12_octets(material, protection, stem, Pkcs12Profile.MODERN)}


def _pkcs12_legacy(material: Material, protection: Protection, stem: str) -> dict[str, bytes]:
    return {"pkcs12_legacy": _pkcs12_octets(material, protection, stem, Pkcs12Profile.LEGACY)}


def _java(material: Material, protection: Protection, stem: str) -> dict[str, bytes]:
    password = _p12_password(protection)
    if len(password) < MIN_JAVA_PASSWORD:
        raise UsageError(
            tr(
                "Java wants a password of {min_java_password} characters at least",
                min_java_password=MIN_JAVA_PASSWORD,
            )
        )
    if not material.authorities:
        raise UsageError(
            tr("the issuers are not known, so Java could trust nobody"),
            advice=tr("give their certificates too, or import them: igc trust import FILE"),
        )
    return {
        "keystore": _pkcs12_octets(material, protection, stem, Pkcs12Profile.MODERN),
        "truststore": java_truststore(material.authorities, password),
    }


def _program(material: Material, protection: Protection, stem: str) -> dict[str, bytes]:
    """What nginx and curl take: the certificate with its chain, the key, whom to trust."""
    fullchain = {"fullchain": _fullchain(material)}
    return {**fullchain, **_key(material, protection), **_authorities(material)}


def _apache(material: Material, protection: Protection, stem: str) -> dict[str, bytes]:
    """As a client, Apache takes one file and reads PKCS#1 keys in clear only (mod_ssl)."""
    if "serverAuth" in material.purposes:
        return _program(material, protection, stem)
    if protection.locks_keys or (material.key_was_locked and not protection.plain_key):
        raise UsageError(
            tr(
                "Apache presents a client certificate only with a key in clear: nothing was written"
            ),
            advice=tr("give --plain-key if the folder is safe"),
        )
    key = key_pem_pkcs1(_require_key(material))
    return {"apache_client": certificate_pem(material.certificate) + key, **_authorities(material)}


FORMS: dict[str, Form] = {
    "pem": Form(_pem),
    "bundle": Form(_bundle),
    "der": Form(_der, takes_key=False),
    "p7b": Form(_pkcs7, takes_key=False),
    "p12": Form(_pkcs12),
    "p12-legacy": Form(_pkcs12_legacy),
    "java": Form(_java, java),
    "nginx": Form(_program, nginx),
    "apache": Form(_apache, apache),
    "curl": Form(_program, curl),
}


# -- their octets ----------------------------------------------------------------------------


def _fullchain(material: Material) -> bytes:
    return chain_pem((material.certificate, *material.chain))


def _authorities(material: Material) -> dict[str, bytes]:
    return {"chain": chain_pem(material.authorities)} if material.authorities else {}


def _key(material: Material, protection: Protection) -> dict[str, bytes]:
    key = _require_key(material)
    if material.key_was_locked and not protection.locks_keys and not protection.plain_key:
        raise UsageError(
            tr("the key was protected, and would be written in clear: nothing was written"),
            advice=tr(
                "give --key-passphrase-source to lock it, or --plain-key if the folder is safe"
            ),
        )
    return {"key": key_pem(key, protection.key_passphrase if protection.locks_keys else None)}


def _pkcs12_octets(
    material: Material, protection: Protection, stem: str, profile: Pkcs12Profile
) -> bytes:
    return pkcs12_bytes(
        stem,
        _require_key(material),
        material.certificate,
        material.authorities,
        _p12_password(protection),
        profile,
    )


def _p12_password(protection: Protection) -> Secret:
    if protection.p12_password is None:
        raise UsageError(
            tr("a PKCS#12 file needs a password"), advice=tr("give it with --p12-password-source")
        )
    return protection.p12_password


def _require_key(material: Material) -> rsa.RSAPrivateKey:
    if material.key is None:
        raise UsageError(
            tr("this form needs the private key, which is not among the files"),
            advice=tr("give its file too; a key in a card or a token can't be exported"),
        )
    return material.key
