"""The mock Plateforme de confiance without its transport: seven operations on a store.

The contract is ours (facts sheet platform.md §7); the ANS has published none. Each
operation is one transaction; a refusal is a FunctionalFault and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key

from ...ws.model import (
    Habilitation,
    OrderReceipt,
    Product,
    ProductPage,
    ProductSearch,
    RevocationReceipt,
    WithdrawnProduct,
)
from ...ws.vocabulary import ProductState, RevocationReason
from ..clock import utc_now
from ..pki import SimulatedPki
from ..pki.simulated import new_key
from . import mails, rules
from .csr import key_identifier, public_key_der, public_key_of
from .faults import FaultPlan, FunctionalFault
from .habilitations import HabilitationRegister
from .identity import Identity, identify
from .keeping import code_matches, hash_code, lock_key, unlock_key
from .pkcs12 import modern_pkcs12, platform_pkcs12
from .products import identifier, matches, number_of, state_of, to_product
from .rules import Demande, Options
from .store import Mail, Record, Store, Transaction

UNBOUND_URL = "https://pfc-mock.invalid"
P12_TYPE = "application/x-pkcs12"
CERTIFICATE_TYPE = "application/pkix-cert"


class MockPlatform:
    """The platform of one simulated PKI; its state is the SQLite file ``store``.

    ``url`` is where it is served, for the withdrawal links; ``clock`` gives the time of
    every operation.
    """

    def __init__(
        self,
        pki: SimulatedPki,
        store: Path,
        *,
        habilitations: HabilitationRegister | None = None,
        options: Options | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.url = UNBOUND_URL
        self.options = options or Options()
        self.faults = FaultPlan()
        self._pki = pki
        self._store = Store(store)
        self._habilitations = habilitations or HabilitationRegister()
        self._clock = clock

    def fail_next(self, kind: str) -> None:
        """Make the next request fail: ``T01``, ``F15``, ``html``, ``503``, ``hang-up``…"""
        self.faults.add(kind)

    def mails(self) -> list[Mail]:
        """Every mail that the platform would have sent, oldest first."""
        with self._store.transaction() as tx:
            return tx.mails()

    def identify(self, certificate: x509.Certificate) -> Identity:
        """The client behind a verified TLS certificate. Raises ClientRefused."""
        accept = self.options.accept_software
        return identify(certificate, self._pki, self._now(), accept_software=accept)

    def send_notices(self) -> None:
        """Tell the bearers of certificates that end within 60 days, once each."""
        now = self._now()
        with self._store.transaction() as tx:
            for record in tx.expiring(now, now + mails.NOTICE):
                mails.end_is_near(tx, record, now)
                tx.update(replace(record, notified_at=now))

    # -- the seven operations ----------------------------------------------------------

    def lister_habilitations(
        self, client: Identity, offre: str = "", texte: str = ""
    ) -> tuple[Habilitation, ...]:
        """The client's own lines; ``texte`` is looked for in name and identifier."""
        wanted = texte.casefold()
        return tuple(
            line
            for line in self._habilitations.of(client.bearer)
            if line.offre == (offre or line.offre)
            and wanted in f"{line.structure.name} {line.structure.national_id}".casefold()
        )

    def demander_produit(self, client: Identity, demande: Demande) -> OrderReceipt:
        """Take an order; the certificate is issued at its withdrawal."""
        line = rules.habilitation_for(self._habilitations.of(client.bearer), demande, client.world)
        subject = rules.subject_of(demande, line)
        rules.check_emails(demande.emails)
        public_key, locked = self._key(demande.csr, demande.mot_de_passe_cle)
        record = Record(
            bearer=client.bearer,
            offre=demande.offre,
            usage=demande.usage,
            structure_id=demande.id_structure,
            structure_name=line.structure.name,
            department=line.structure.department,
            subject=subject,
            requested_at=self._now(),
            key_id=key_identifier(public_key),
            public_key=public_key_der(public_key),
            encrypted_key=locked,
            emails=demande.emails,
            reference=demande.reference_client,
        )
        with self._store.transaction() as tx:
            return self._order(tx, record)

    def rechercher_produits(self, client: Identity, search: ProductSearch) -> ProductPage:
        """One page of the products that the client sees, newest first."""
        now = self._now()
        with self._store.transaction() as tx:
            records = [record for record in tx.all() if self._sees(client, record)]
        products = [to_product(record, now) for record in records]
        found = [product for product in products if matches(product, search)]
        start = (search.page - 1) * search.page_size
        return ProductPage(tuple(found[start : start + search.page_size]), len(found))

    def consulter_produit(self, client: Identity, product_id: str) -> Product:
        """One product."""
        with self._store.transaction() as tx:
            return to_product(self._find(tx, client, product_id), self._now())

    def retirer_produit(
        self,
        client: Identity,
        product_id: str,
        *,
        code: str,
        confirmation: str,
        acceptation: bool,
        mot_de_passe: str | None = None,
    ) -> WithdrawnProduct:
        """Issue and hand over a product, once."""
        now = self._now()
        code_hash = hash_code(code)
        with self._store.transaction() as tx:
            record = self._find(tx, client, product_id)
            if state_of(record, now) is not ProductState.A_RETIRER:
                raise FunctionalFault("F11", field="idProduit")
            if not acceptation:
                raise FunctionalFault("F13", field="acceptationBeneficiaire")
            rules.check_code(code, confirmation, self.options)
            key = _unlocked(record, mot_de_passe)
            certificate = self._issue(record, now)
            record = replace(
                record,
                withdrawn_at=now,
                certificate=certificate.public_bytes(Encoding.DER),
                serial=f"{certificate.serial_number:X}",
                not_after=certificate.not_valid_after_utc,
                code_hash=code_hash,
            )
            tx.update(record)
            mails.product_withdrawn(tx, record, now)
        return self._delivery(record, certificate, key, mot_de_passe or "", now)

    def revoquer_produit(
        self,
        client: Identity,
        *,
        code: str,
        motif: RevocationReason,
        product_id: str = "",
        serial: str = "",
    ) -> RevocationReceipt:
        """End a certificate for good; the CRL says so from now on."""
        now = self._now()
        if not product_id and not serial:
            raise FunctionalFault("F05", field="idProduit")
        if product_id and serial:
            raise FunctionalFault("F04", "Donnez l'un ou l'autre.", field="numeroSerie")
        with self._store.transaction() as tx:
            record = self._find(tx, client, product_id, serial)
            if state_of(record, now) is not ProductState.ACTIF:
                raise FunctionalFault("F11", field="idProduit")
            right = self._code_is_right(record, code)
            if right:
                date = self._pki.revoke(int(record.serial or "", 16), now).date
                record = replace(record, revoked_at=date, reason=motif)
            else:
                record = replace(record, code_failures=record.code_failures + 1)
            tx.update(record)
        if not right or record.revoked_at is None:
            raise FunctionalFault("F15", field="codeRevocation")
        return RevocationReceipt(ProductState.REVOQUE, record.revoked_at)

    def renouveler_produit(
        self,
        client: Identity,
        product_id: str,
        *,
        csr: bytes | None = None,
        mot_de_passe: str | None = None,
        emails: tuple[str, ...] = (),
    ) -> OrderReceipt:
        """Order a successor with the same subject, while the product is active."""
        now = self._now()
        if emails:
            rules.check_emails(emails)
        public_key, locked = self._key(csr, mot_de_passe)
        with self._store.transaction() as tx:
            source = self._find(tx, client, product_id)
            if state_of(source, now) is not ProductState.ACTIF:
                raise FunctionalFault("F16", field="idProduit")
            record = Record(
                bearer=client.bearer,
                offre=source.offre,
                usage=source.usage,
                structure_id=source.structure_id,
                structure_name=source.structure_name,
                department=source.department,
                subject=source.subject,
                requested_at=now,
                key_id=key_identifier(public_key),
                public_key=public_key_der(public_key),
                encrypted_key=locked,
                emails=emails or source.emails,
                renews=source.number,
            )
            receipt = self._order(tx, record)
            tx.update(replace(source, renewed_by=number_of(receipt.product_id)))
        return receipt

    # -- steps -------------------------------------------------------------------------

    def _now(self) -> datetime:
        return self._clock().astimezone(UTC).replace(microsecond=0)

    def _key(
        self, csr: bytes | None, password: str | None
    ) -> tuple[rsa.RSAPublicKey, bytes | None]:
        """The key to certify, and when it is made here, the key under its password."""
        rules.check_key_choice(csr, password, self.options)
        if csr is not None:
            return public_key_of(csr, self.options.key_sizes), None
        key = new_key(self.options.key_sizes[0])
        return key.public_key(), lock_key(key, password or "")

    def _order(self, tx: Transaction, record: Record) -> OrderReceipt:
        known = tx.by_reference(record.bearer, record.reference) if record.reference else None
        if known:
            detail = f"C'est {identifier(known.number)}."
            raise FunctionalFault("F19", detail, field="referenceClient")
        if tx.by_key(record.key_id):
            raise FunctionalFault("F08", field="csr")
        quota = self.options.pending_quota
        if quota is not None and tx.pending(record.bearer) >= quota:
            raise FunctionalFault("F18")
        number = tx.insert(record)
        url = f"{self.url}/pfc-mock/retrait/{identifier(number)}"
        mails.order_received(tx, record, number, url, record.requested_at)
        return OrderReceipt(identifier(number), ProductState.A_RETIRER, url)

    def _find(self, tx: Transaction, client: Identity, product_id: str, serial: str = "") -> Record:
        number = number_of(product_id)
        record = tx.by_serial(serial) if serial else tx.get(number) if number else None
        if record is None or not self._sees(client, record):
            raise FunctionalFault("F10", field="numeroSerie" if serial else "idProduit")
        return record

    def _sees(self, client: Identity, record: Record) -> bool:
        lines = self._habilitations.of(client.bearer)
        return rules.visible(lines, record.offre, record.structure_id)

    def _code_is_right(self, record: Record, code: str) -> bool:
        tries = self.options.code_tries
        locked = tries is not None and record.code_failures >= tries
        return not locked and record.code_hash is not None and code_matches(code, record.code_hash)

    def _issue(self, record: Record, now: datetime) -> x509.Certificate:
        key = load_der_public_key(record.public_key)
        if not isinstance(key, rsa.RSAPublicKey):
            raise FunctionalFault("F07", field="csr")
        return self._pki.issue_software(
            offre=record.offre, usage=record.usage, subject=record.subject, public_key=key, at=now
        )

    def _delivery(
        self,
        record: Record,
        certificate: x509.Certificate,
        key: rsa.RSAPrivateKey | None,
        password: str,
        now: datetime,
    ) -> WithdrawnProduct:
        chain = self._pki.chain(certificate)
        der = certificate.public_bytes(Encoding.DER)
        if key is None:
            kind, content_type, content = "cer", CERTIFICATE_TYPE, der
        else:
            make = modern_pkcs12 if self.options.modern_p12 else platform_pkcs12
            kind, content_type, content = "p12", P12_TYPE, make(key, certificate, chain, password)
        stamp = now.strftime("%Y%m%d-%H%M%S")
        return WithdrawnProduct(
            file_name=f"simulation-{kind}-EL-TEST-{record.offre}-{record.usage}-{stamp}.{kind}",
            content_type=content_type,
            content=content,
            certificate=der,
            chain=tuple(issuer.public_bytes(Encoding.DER) for issuer in chain),
        )


def _unlocked(record: Record, password: str | None) -> rsa.RSAPrivateKey | None:
    """The key made by the platform, None for a CSR. Raises F04, F05 or F14."""
    if record.encrypted_key is None:
        if password is not None:
            detail = "La clé de ce produit est chez vous."
            raise FunctionalFault("F04", detail, field="motDePasseCle")
        return None
    if password is None:
        raise FunctionalFault("F05", field="motDePasseCle")
    key = unlock_key(record.encrypted_key, password)
    if key is None:
        raise FunctionalFault("F14", field="motDePasseCle")
    return key
