"""``igc export``: a certificate in the form that a program wants."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from ..messages import tr
from . import ask, completing
from .chosen import profile_of
from .command import command
from .connect import open_journal, trust_store
from .order_keys import PLATFORM
from .output import Settings, common_options, emit, say, talk

if TYPE_CHECKING:
    from cryptography import x509

    from ..certs.handover import HandedOver
    from ..secret import Secret

# certs.handover.FORMS has the same; to import it here would make --help slow, a test compares.
FORMS = ("pem", "bundle", "der", "p7b", "p12", "p12-legacy", "java", "nginx", "apache", "curl")
_KINDS = {
    "key": tr("Private key"),
    "certificate": tr("Certificate"),
    "certificate_der": tr("Certificate, DER"),
    "chain": tr("Authorities"),
    "fullchain": tr("Certificate and chain"),
    "bundle": tr("Key, certificate and chain"),
    "pkcs7": "PKCS#7",
    "pkcs12": "PKCS#12",
    "pkcs12_legacy": tr("PKCS#12, legacy"),
    "keystore": tr("Keystore"),
    "truststore": tr("Truststore"),
    "apache_client": tr("Certificate and key"),
}


@command("export")
@click.argument("source", nargs=-1, required=True, shell_complete=completing.orders_or_certificates)
@click.option(
    "--as",
    "forms",
    type=click.Choice(FORMS),
    multiple=True,
    required=True,
    help="Which form. Repeatable.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Folder of the new files.  [default: this one]",
)
@click.option("--name", default="", help="What the new files are called.  [default: as SOURCE]")
@click.option("--key-passphrase-source", metavar="SOURCE", help="Opens and locks a key's file.")
@click.option("--p12-password-source", metavar="SOURCE", help="Opens and locks a PKCS#12.")
@click.option("--plain-key", is_flag=True, help="Write the key in clear though it was locked.")
@common_options
def export_command(
    settings: Settings,
    source: tuple[str, ...],
    forms: tuple[str, ...],
    out: Path,
    name: str,
    key_passphrase_source: str | None,
    p12_password_source: str | None,
    plain_key: bool,
) -> None:
    """Write a certificate in the form that a program wants, for this program to use.

    SOURCE is an order (its number in igc orders, reference, product or serial), or the files
    of one certificate: PEM, DER, PKCS#7, PKCS#12, its key among them. What goes into the
    program's configuration is printed. No other file is overwritten.

    \b
    Forms:
      pem          certificate, chain and key, separate PEM files
      bundle       key, certificate and chain in one PEM file (HAProxy, lighttpd)
      der, p7b     the certificate, DER; with its chain, PKCS#7
      p12          PKCS#12 with AES-256 and SHA-256
      p12-legacy   PKCS#12 with Triple DES and SHA-1, for old programs
      java         keystore and truststore (PKCS#12), and JVM options
      nginx        PEM files, and directives; apache, curl likewise
    \b
    Example:
      igc export 3 --as nginx --out /etc/nginx/certs > my-service.conf
    """
    from ..certs.handover import FORMS as MAKERS
    from ..certs.handover import Protection, hand_over
    from ..certs.material import read_material

    passphrase = ask.optional_secret(key_passphrase_source)
    password = ask.optional_secret(p12_password_source)
    known = trust_store(profile_of(settings))
    takes_key = any(MAKERS[form].takes_key for form in forms)
    files, certificates, stem = _named(source, takes_key, password)
    material = read_material(
        files,
        certificates=certificates,
        key_passphrase=passphrase,
        p12_password=password,
        known=known,
    )
    protection = Protection(passphrase, password, plain_key)
    wanted = tuple(dict.fromkeys(forms))
    for done in hand_over(wanted, material, out, name or stem, protection):
        _show(done, as_json=settings.json)


def _named(
    source: Sequence[str], with_key: bool, password: Secret | None
) -> tuple[list[Path], list[x509.Certificate], str]:
    """Files to read, certificates at hand, and what to call the new files."""
    if len(source) == 1 and not Path(source[0]).exists():
        return _order(source[0], with_key, password)
    files = [Path(item) for item in source]
    return files, [], files[0].name.split(".", 1)[0]


def _order(
    name: str, with_key: bool, password: Secret | None
) -> tuple[list[Path], list[x509.Certificate], str]:
    """The files of an order that hold its key, its certificates, and what its files are called."""
    from ..certs.export import BUNDLE_SUFFIXES, KEY_SUFFIX
    from ..certs.load import certificates_from_path, load_certificates

    with open_journal() as journal:
        entry = journal.get(name)
        kept = journal.certificates(entry)
    base = Path(entry.file_base or entry.key_path.removesuffix(KEY_SUFFIX))
    if kept:
        certificates = [one for der in kept for one in load_certificates(der)]
    elif entry.certificate_path:
        chain = base.with_name(base.name + BUNDLE_SUFFIXES["chain"])
        paths = [Path(entry.certificate_path), *([chain] if chain.exists() else [])]
        certificates = [one for path in paths for one in certificates_from_path(path)]
    else:
        raise UsageError(
            tr(
                "order {id} has no certificate here: {meaning}",
                id=entry.id,
                meaning=entry.state.meaning,
            ),
            advice=tr("retrieve it first: igc retrieve {id}", id=entry.id),
        )
    files = []
    if with_key and entry.key_path:
        files = [Path(entry.key_path)]
    elif with_key and entry.key_mode == PLATFORM and password is not None:
        files = [base.with_name(base.name + BUNDLE_SUFFIXES["pkcs12"])]
    return files, certificates, base.name


def _show(done: HandedOver, *, as_json: bool) -> None:
    if as_json:
        files = {kind: str(path) for kind, path in done.files.items()}
        emit({"form": done.form, "files": files, "snippet": done.snippet}, schema="igc.export/1")
        return
    for kind, path in done.files.items():
        talk(tr("{kind}: {path}", kind=_KINDS[kind], path=path))
    if done.snippet:
        say(done.snippet.rstrip("\n"))
