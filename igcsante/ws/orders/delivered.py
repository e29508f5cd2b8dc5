"""What a withdrawal delivers, onto disk: certificate, chain, PKCS#12, beside the key.

A certificate is delivered once. All that could stop it from being written is looked at before
it is asked for; whatever goes wrong after that, it is written, or else shown. What holds a
private key is never shown: a PKCS#12 of the platform is written somewhere else, if need be.
"""

from __future__ import annotations

import secrets
import ssl
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from ...certs.export import (
    BUNDLE_SUFFIXES,
    KEY_SUFFIX,
    pkcs12_bytes,
    require_bundle_free,
    write_bundle,
)
from ...certs.load import certificates_from_path, load_certificates, open_pkcs12
from ...certs.requests import MAX_CSR_BYTES, read_csr, read_key
from ...config import data_directory
from ...errors import (
    CertificateInvalidError,
    ContractError,
    IgcError,
    StorageError,
    UnreadableError,
    UsageError,
)
from ...files import read_bounded, write_atomic
from ...messages import tr
from ...secret import Secret
from ..model import WithdrawnProduct
from .journal import Entry
from .order_key import KeyPlace

CSR_SUFFIX = ".csr.pem"
Certificates = tuple[x509.Certificate, tuple[x509.Certificate, ...]]


class Keeper(ABC):
    """Writes what is delivered for one order; ``trouble`` is what went wrong, if anything."""

    def __init__(self, order: int, base: Path) -> None:
        """Raises StorageError when a file of that name is already there."""
        self.order, self.directory, self.stem = order, base.parent, base.name
        require_bundle_free(self.directory, self.stem)
        self.certificates: Certificates | None = None
        self.files: dict[str, Path] = {}
        self.trouble: BaseException | None = None

    @abstractmethod
    def public_key(self, product: WithdrawnProduct) -> PublicKeyTypes:
        """The key that was to be certified."""

    def pkcs12(self, product: WithdrawnProduct, certificates: Certificates) -> bytes | None:
        """The PKCS#12 to write beside the certificate."""
        return None

    def save(self, product: WithdrawnProduct) -> Path:
        """Write everything, or at least what can't be had again; the certificate's path."""
        try:
            self.certificates = certificate, chain = _certificates(product)
            written = write_bundle(
                self.directory,
                self.stem,
                certificate,
                chain,
                public_key=self.public_key(product),
                pkcs12=self.pkcs12(product, self.certificates),
            )
        except BaseException as error:  # an interruption must not lose it either
            self.trouble = error
            return self._rescue(product, error)
        self.files |= written
        return written["certificate"]

    def flaw(self) -> str:
        """Why what was saved can't be used; nothing when it can."""
        another = isinstance(self.trouble, CertificateInvalidError)
        return tr("its certificate is for another key than the order's") if another else ""

    def issued(self, entry: Entry) -> tuple[Certificates, dict[str, Path]]:
        """What was saved, once the journal knows of it. Raises StorageError if not all was."""
        if self.trouble is not None and not isinstance(self.trouble, Exception):
            raise self.trouble
        if self.trouble is not None or self.certificates is None:
            raise StorageError(
                tr(
                    "the certificate was issued and is in {certificate_path}; its other files "
                    "could not be made: {trouble}",
                    certificate_path=entry.certificate_path,
                    trouble=self.trouble,
                ),
                advice=tr("keep what is there: it is delivered once"),
            ) from None
        return self.certificates, self.files

    def _rescue(self, product: WithdrawnProduct, trouble: BaseException) -> Path:
        """Write what came, as it came; where that fails, the error says where it is."""
        path = self._path("certificate")
        try:
            for kind, octets in self._bare(product).items():
                write_atomic(self._path(kind), octets)
        except StorageError:
            raise self._not_written(product, trouble) from None
        return path

    def _not_written(self, product: WithdrawnProduct, trouble: BaseException) -> StorageError:
        return StorageError(
            tr("the certificate was issued, but could not be written: {trouble}", trouble=trouble),
            advice=tr(
                "make room, then have it written from the journal: igc retrieve {order}. Should "
                "the journal lack it too, keep it from here:\n{certificates}",
                order=self.order,
                certificates="".join(
                    map(ssl.DER_cert_to_PEM_cert, (product.certificate, *product.chain))
                ),
            ),
        )

    def _bare(self, product: WithdrawnProduct) -> dict[str, bytes]:
        return {"certificate": ssl.DER_cert_to_PEM_cert(product.certificate).encode()}

    def _path(self, kind: str) -> Path:
        return self.directory / (self.stem + BUNDLE_SUFFIXES[kind])


class _KeyHere(Keeper):
    """The key is in a file of ours."""

    def __init__(
        self, order: int, base: Path, path: Path, passphrase: Secret | None, p12: Secret | None
    ) -> None:
        self._key = read_key(path, passphrase)
        self._p12_password = p12
        super().__init__(order, base)
        self.files["key"] = path

    def public_key(self, product: WithdrawnProduct) -> PublicKeyTypes:
        return self._key.public_key()

    def pkcs12(self, product: WithdrawnProduct, certificates: Certificates) -> bytes | None:
        if self._p12_password is None:
            return None
        return pkcs12_bytes(self.stem, self._key, *certificates, self._p12_password)


class _KeyElsewhere(Keeper):
    """The key is in a token, or wherever the CSR came from: the CSR says which it is."""

    def __init__(self, order: int, base: Path) -> None:
        path = base.with_name(base.name + CSR_SUFFIX)
        request = read_csr(read_bounded(path, MAX_CSR_BYTES), source=str(path))
        self._public_key = request.public_key()
        super().__init__(order, base)

    def public_key(self, product: WithdrawnProduct) -> PublicKeyTypes:
        return self._public_key


class _KeyOfPlatform(Keeper):
    """The key comes with the certificate, in the platform's PKCS#12 and nowhere else."""

    def __init__(self, order: int, base: Path, password: Secret) -> None:
        self._password = password
        super().__init__(order, base)

    def public_key(self, product: WithdrawnProduct) -> PublicKeyTypes:
        return key_in_pkcs12(product.content, self._password)

    def pkcs12(self, product: WithdrawnProduct, certificates: Certificates) -> bytes | None:
        return product.content

    def _bare(self, product: WithdrawnProduct) -> dict[str, bytes]:
        return {"pkcs12": product.content, **super()._bare(product)}

    def _not_written(self, product: WithdrawnProduct, trouble: BaseException) -> StorageError:
        """As of any other, but for the key: it goes to another disk, never into an error."""
        pkcs12 = self._path("pkcs12")
        if pkcs12.exists():
            return super()._not_written(product, trouble)
        what = tr(
            "the certificate was issued, but could not be written: {trouble}", trouble=trouble
        )
        elsewhere = _write_elsewhere(self.stem, product.content)
        if elsewhere is None:
            return StorageError(
                tr(
                    "{what}. Nor could it be anywhere else: the key that came with it is lost",
                    what=what,
                ),
                advice=tr(
                    "make room, then ask once more, which the platform may refuse: igc "
                    "retrieve {order} --again. Otherwise revoke it (igc revoke {order}), "
                    "then order again",
                    order=self.order,
                ),
            )
        return StorageError(
            tr(
                "{what}. Its PKCS#12, with the only copy of its key, is in {elsewhere}",
                what=what,
                elsewhere=elsewhere,
            ),
            advice=tr(
                "make room, move that file to {pkcs12}, then: igc retrieve {order}",
                pkcs12=pkcs12,
                order=self.order,
            ),
            path=str(elsewhere),
        )


def _write_elsewhere(stem: str, octets: bytes) -> Path | None:
    """Where there still was room for ``octets`` (0600); None when nowhere."""
    name = f"igc-{stem}-{secrets.token_hex(4)}{BUNDLE_SUFFIXES['pkcs12']}"
    for place in (data_directory, tempfile.gettempdir):
        try:
            path = Path(place()).absolute() / name
            write_atomic(path, octets)
        except (StorageError, OSError):  # no temporary folder at all is a FileNotFoundError
            continue
        return path
    return None


def keeper_of(entry: Entry, key_passphrase: Secret | None, p12_password: Secret | None) -> Keeper:
    """What will write the files of an order, checked as far as can be before it is withdrawn.

    Raises UsageError (a key, its passphrase or a password that is missing), UnreadableError,
    StorageError when a file of that name is already there.
    """
    place = KeyPlace(entry.key_mode or KeyPlace.HERE)
    base = base_of(entry)
    if place is KeyPlace.HERE:
        return _KeyHere(entry.id, base, Path(entry.key_path), key_passphrase, p12_password)
    if place is not KeyPlace.PLATFORM:
        if p12_password is not None:
            raise UsageError(
                tr("order {id}: its key is not here, so no PKCS#12 can be made of it", id=entry.id),
                advice=tr("leave out --p12-password-source"),
                field="p12_password",
            )
        return _KeyElsewhere(entry.id, base)
    if p12_password is None:
        raise UsageError(
            tr(
                "order {id}: the platform made its key, and wants the password that was "
                "chosen at the order",
                id=entry.id,
            ),
            advice=tr("give it with --p12-password-source; when it is lost, order again"),
            field="key_password",
        )
    return _KeyOfPlatform(entry.id, base, p12_password)


def base_of(entry: Entry) -> Path:
    """Folder and name, without suffix, of the files of an order."""
    return Path(entry.file_base or entry.key_path.removesuffix(KEY_SUFFIX))


def file_of(entry: Entry, kind: str) -> Path:
    """Where a file of an order goes, by kind as of BUNDLE_SUFFIXES."""
    base = base_of(entry)
    return base.with_name(base.name + BUNDLE_SUFFIXES[kind])


def written(entry: Entry, serial: str = "") -> tuple[x509.Certificate, ...]:
    """The certificate of an order and its chain from where they go, or nothing.

    The journal may not know that they were written: its disk was full. ``serial`` (lower-case
    hexadecimal) is the certificate's, where it is known.
    """
    if not base_of(entry).name:
        return ()
    try:
        certificate = certificates_from_path(file_of(entry, "certificate"))[0]
    except IgcError:
        return ()
    if serial and f"{certificate.serial_number:x}" != serial:
        return ()
    try:
        return certificate, *certificates_from_path(file_of(entry, "chain"))
    except IgcError:
        return (certificate,)


def key_in_pkcs12(content: bytes, password: Secret) -> PublicKeyTypes:
    """The key that the platform delivers. Raises UnreadableError, ContractError without one."""
    key = open_pkcs12(content, password).key
    if key is None:
        raise ContractError(tr("the platform's PKCS#12 holds no private key"))
    return key.public_key()


def _certificates(product: WithdrawnProduct) -> Certificates:
    try:
        (certificate,) = load_certificates(product.certificate)
        return certificate, tuple(c for der in product.chain for c in load_certificates(der))
    except (UnreadableError, ValueError):
        raise ContractError(tr("the platform's certificates are not readable")) from None
