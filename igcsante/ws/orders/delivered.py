"""What a withdrawal delivers, onto disk: certificate, chain, PKCS#12, beside the key.

A certificate is delivered once. All that could stop it from being written is looked at before
it is asked for; whatever goes wrong after that, it is written, or else shown.
"""

from __future__ import annotations

import base64
import ssl
import textwrap
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
from ...certs.load import load_certificates, open_pkcs12
from ...certs.requests import MAX_CSR_BYTES, read_csr, read_key
from ...errors import ContractError, StorageError, UnreadableError, UsageError
from ...files import read_bounded, write_atomic
from ...secret import Secret
from ..model import WithdrawnProduct
from .journal import Entry
from .order_key import KeyPlace

CSR_SUFFIX = ".csr.pem"
Certificates = tuple[x509.Certificate, tuple[x509.Certificate, ...]]


class Keeper(ABC):
    """Writes what is delivered for one order; ``trouble`` is what went wrong, if anything."""

    def __init__(self, directory: Path, stem: str) -> None:
        """Raises StorageError when a file of that name is already there."""
        require_bundle_free(directory, stem)
        self.directory, self.stem = directory, stem
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

    def issued(self, entry: Entry) -> tuple[Certificates, dict[str, Path]]:
        """What was saved, once the journal knows of it. Raises StorageError if not all was."""
        if self.trouble is not None and not isinstance(self.trouble, Exception):
            raise self.trouble
        if self.trouble is not None or self.certificates is None:
            raise StorageError(
                f"the certificate was issued and is in {entry.certificate_path}; its other files "
                f"could not be made: {self.trouble}",
                advice="keep what is there: it is delivered once",
            ) from None
        return self.certificates, self.files

    def _rescue(self, product: WithdrawnProduct, trouble: BaseException) -> Path:
        """Write what came, as it came; where that fails, the error shows it."""
        path = self._path("certificate")
        try:
            for kind, octets in self._bare(product).items():
                write_atomic(self._path(kind), octets)
        except StorageError:
            raise StorageError(
                f"the certificate was issued, but could not be written: {trouble}",
                advice="keep it from here:\n" + self._as_text(product),
            ) from None
        return path

    def _bare(self, product: WithdrawnProduct) -> dict[str, bytes]:
        return {"certificate": ssl.DER_cert_to_PEM_cert(product.certificate).encode()}

    def _as_text(self, product: WithdrawnProduct) -> str:
        return "".join(map(ssl.DER_cert_to_PEM_cert, (product.certificate, *product.chain)))

    def _path(self, kind: str) -> Path:
        return self.directory / (self.stem + BUNDLE_SUFFIXES[kind])


class _KeyHere(Keeper):
    """The key is in a file of ours."""

    def __init__(
        self, directory: Path, stem: str, path: Path, passphrase: Secret | None, p12: Secret | None
    ) -> None:
        self._key = read_key(path, passphrase)
        self._p12_password = p12
        super().__init__(directory, stem)
        self.files["key"] = path

    def public_key(self, product: WithdrawnProduct) -> PublicKeyTypes:
        return self._key.public_key()

    def pkcs12(self, product: WithdrawnProduct, certificates: Certificates) -> bytes | None:
        if self._p12_password is None:
            return None
        return pkcs12_bytes(self.stem, self._key, *certificates, self._p12_password)


class _KeyElsewhere(Keeper):
    """The key is in a token, or wherever the CSR came from: the CSR says which it is."""

    def __init__(self, directory: Path, stem: str) -> None:
        path = directory / (stem + CSR_SUFFIX)
        request = read_csr(read_bounded(path, MAX_CSR_BYTES), source=str(path))
        self._public_key = request.public_key()
        super().__init__(directory, stem)

    def public_key(self, product: WithdrawnProduct) -> PublicKeyTypes:
        return self._public_key


class _KeyOfPlatform(Keeper):
    """The key comes with the certificate, in the platform's PKCS#12 and nowhere else."""

    def __init__(self, directory: Path, stem: str, password: Secret) -> None:
        self._password = password
        super().__init__(directory, stem)

    def public_key(self, product: WithdrawnProduct) -> PublicKeyTypes:
        return key_in_pkcs12(product.content, self._password)

    def pkcs12(self, product: WithdrawnProduct, certificates: Certificates) -> bytes | None:
        return product.content

    def _bare(self, product: WithdrawnProduct) -> dict[str, bytes]:
        return {"pkcs12": product.content, **super()._bare(product)}

    def _as_text(self, product: WithdrawnProduct) -> str:
        octets = textwrap.fill(base64.b64encode(product.content).decode(), 64)
        pem = f"-----BEGIN PKCS12-----\n{octets}\n-----END PKCS12-----\n"
        return super()._as_text(product) + pem


def keeper_of(entry: Entry, key_passphrase: Secret | None, p12_password: Secret | None) -> Keeper:
    """What will write the files of an order, checked as far as can be before it is withdrawn.

    Raises UsageError (a key, its passphrase or a password that is missing), UnreadableError,
    StorageError when a file of that name is already there.
    """
    place = KeyPlace(entry.key_mode or KeyPlace.HERE)
    base = Path(entry.file_base or entry.key_path.removesuffix(KEY_SUFFIX))
    if place is KeyPlace.HERE:
        return _KeyHere(base.parent, base.name, Path(entry.key_path), key_passphrase, p12_password)
    if place is not KeyPlace.PLATFORM:
        if p12_password is not None:
            raise UsageError(
                f"order {entry.id}: its key is not here, so no PKCS#12 can be made of it",
                advice="leave out --p12-password-source",
                field="p12_password",
            )
        return _KeyElsewhere(base.parent, base.name)
    if p12_password is None:
        raise UsageError(
            f"order {entry.id}: the platform made its key, and wants the password that was "
            "chosen at the order",
            advice="give it with --p12-password-source; when it is lost, order again",
            field="key_password",
        )
    return _KeyOfPlatform(base.parent, base.name, p12_password)


def key_in_pkcs12(content: bytes, password: Secret) -> PublicKeyTypes:
    """The key that the platform delivers. Raises UnreadableError, ContractError without one."""
    key = open_pkcs12(content, password).key
    if key is None:
        raise ContractError("the platform's PKCS#12 holds no private key")
    return key.public_key()


def _certificates(product: WithdrawnProduct) -> Certificates:
    try:
        (certificate,) = load_certificates(product.certificate)
        return certificate, tuple(c for der in product.chain for c in load_certificates(der))
    except (UnreadableError, ValueError):
        raise ContractError("the platform's certificates are not readable") from None
