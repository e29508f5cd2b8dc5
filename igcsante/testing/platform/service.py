"""The mock Plateforme de confiance without its transport: seven operations on a store.

The contract is ours (facts sheet platform.md §7); the ANS has published none. Each
operation is one transaction; a refusal is a FunctionalFault and changes nothing. The store is
the truth: a revocation is in it before it is in the CRL, and put there again after a crash.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
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
from .delivery import delivery, unlocked_key
from .faults import FaultPlan, FunctionalFault
from .habilitations import HabilitationRegister
from .identity import Identity, identify
from .keeping import code_matches, hash_code, lock_key
from .options import Options, Validation
from .products import identifier, may_renew, number_of, to_product
from .records import Mail, Record
from .rules import Demande
from .settings import default_settings
from .store import Store, Transaction
from .upkeep import publish_revocations, send_notices

UNBOUND_URL = "https://pfc-mock.invalid"
WITHDRAWAL_PATH = "/pfc-mock/retrait/"


class MockPlatform:
    """The platform of one simulated PKI; its state is the SQLite file ``store``.

    ``url`` is where it is served, for the withdrawal links; ``portal_url`` where its pages
    for people are, if anywhere; ``clock`` gives the time of every operation. Habilitations
    and options are the default ones of ``default.toml`` unless given.
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
        self.portal_url = ""
        self.pki = pki
        self.store = Store(store)
        self.faults = FaultPlan(self.store)
        self.options = options or default_settings().options
        self.habilitations = habilitations or default_settings().habilitations
        self.clock = clock
        publish_revocations(self.store, pki)

    def now(self) -> datetime:
        """The platform's time, to the second."""
        return self.clock().astimezone(UTC).replace(microsecond=0)

    def fail_next(self, kind: str) -> None:
        """Make the next request fail: ``T01``, ``F15``, ``html``, ``503``, ``hang-up``…"""
        self.faults.add(kind)

    def mails(self) -> list[Mail]:
        """Every mail that the platform would have sent, oldest first."""
        with self.store.reading() as tx:
            return tx.mails()

    def identify(self, certificate: x509.Certificate) -> Identity:
        """The client behind a verified TLS certificate. Raises ClientRefused."""
        accept = self.options.accept_software
        return identify(certificate, self.pki, self.now(), accept_software=accept)

    def send_notices(self) -> None:
        """The mails that are due by the platform's clock, once each."""
        send_notices(self.store, self.now(), self._withdrawal_url)

    def browse(self, search: ProductSearch) -> ProductPage:
        """What a search finds among all products, whoever may see them."""
        now = self.now()
        with self.store.reading() as tx:
            records, total = tx.search(search, now)
        return ProductPage(tuple(self._shown(record, now) for record in records), total)

    def decide(self, product_id: str, *, accept: bool) -> None:
        """Accept or refuse an order that is EN_COURS. Raises F10 or F11."""
        now = self.now()
        with self.store.transaction() as tx:
            number = number_of(product_id)
            record = tx.get(number) if number else None
            if record is None:
                raise FunctionalFault("F10", field="idProduit")
            if record.state(now) is not ProductState.EN_COURS:
                raise FunctionalFault("F11", field="idProduit")
            if accept:
                tx.update(self._available(record, now))
            else:
                tx.update(replace(record, refused_at=now))
                mails.order_refused(tx, record, now)
        self.send_notices()

    # -- the seven operations ----------------------------------------------------------

    def lister_habilitations(
        self, client: Identity, offre: str = "", texte: str = ""
    ) -> tuple[Habilitation, ...]:
        """The client's own lines; ``texte`` is looked for in name and identifier."""
        wanted = texte.casefold()
        return tuple(
            line
            for line in self.habilitations.of(client.bearer)
            if line.offre == (offre or line.offre)
            and wanted in f"{line.structure.name} {line.structure.national_id}".casefold()
        )

    def demander_produit(self, client: Identity, demande: Demande) -> OrderReceipt:
        """Take an order; the certificate is issued at its withdrawal."""
        line = rules.habilitation_for(self.habilitations.of(client.bearer), demande, client.world)
        subject = rules.subject_of(demande, line, self.options)
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
            requested_at=self.now(),
            key_id=key_identifier(public_key),
            public_key=public_key_der(public_key),
            encrypted_key=locked,
            emails=demande.emails,
            reference=demande.reference_client,
        )
        with self.store.transaction() as tx:
            return self._order(tx, record)

    def rechercher_produits(self, client: Identity, search: ProductSearch) -> ProductPage:
        """One page of the products that the client sees, newest first."""
        now = self.now()
        lines = self.habilitations.of(client.bearer)
        places = {(str(line.offre), str(line.structure.national_id)) for line in lines}
        with self.store.reading() as tx:
            records, total = tx.search(search, now, places)
        return ProductPage(tuple(self._shown(record, now) for record in records), total)

    def consulter_produit(self, client: Identity, product_id: str) -> Product:
        """One product."""
        with self.store.reading() as tx:
            return self._shown(self._find(tx, client, product_id), self.now())

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
        """Issue and hand over a product, once; again only as ``second_withdrawal`` allows."""
        now = self.now()
        code_hash = hash_code(code)  # slow on purpose: before anyone else has to wait
        with self.store.transaction() as tx:
            record = self._find(tx, client, product_id)
            again = self._may_withdraw(record, code, now)
            if not acceptation:
                raise FunctionalFault("F13", field="acceptationBeneficiaire")
            rules.check_code(code, confirmation, self.options)
            key = unlocked_key(record, mot_de_passe)
            if not again:
                record = self._issued(record, code_hash, now)
                tx.update(record)
            mails.product_withdrawn(tx, record, now)
        certificate = x509.load_der_x509_certificate(record.certificate or b"")
        chain, modern = self.pki.chain(certificate), self.options.modern_p12
        password = mot_de_passe or ""
        return delivery(record, certificate, chain, key, password, modern=modern, at=now)

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
        now = self.now()
        if not product_id and not serial:
            raise FunctionalFault("F05", field="idProduit")
        if product_id and serial:
            raise FunctionalFault("F04", "Donnez l'un ou l'autre.", field="numeroSerie")
        with self.store.transaction() as tx:
            record = self._find(tx, client, product_id, serial)
            if record.state(now) is not ProductState.ACTIF:
                raise FunctionalFault("F11", field="idProduit")
            if self._code_is_right(record, code):
                known = self.pki.revocation(int(record.serial or "", 16), now)
                record = replace(record, revoked_at=known.date if known else now, reason=motif)
            else:
                record = replace(record, code_failures=record.code_failures + 1)
            tx.update(record)
        if record.revoked_at is None:
            raise FunctionalFault("F15", field="codeRevocation")
        self.pki.revoke(int(record.serial or "", 16), record.revoked_at)
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
        """Order a successor with the same subject, while the product is active and has none."""
        now = self.now()
        if emails:
            rules.check_emails(emails)
        public_key, locked = self._key(csr, mot_de_passe)
        with self.store.transaction() as tx:
            source = self._find(tx, client, product_id)
            if source.state(now) is not ProductState.ACTIF:
                raise FunctionalFault("F16", field="idProduit")
            if not may_renew(source, self.options):
                raise FunctionalFault("F11", field="idProduit")
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
        self._check_quotas(tx, record)
        if self.options.validation is not Validation.MANUAL:
            minutes = self.options.validation_minutes
            delayed = self.options.validation is Validation.DELAYED
            delay = timedelta(minutes=minutes if delayed else 0)
            record = self._available(record, record.requested_at + delay)
        record = replace(record, number=tx.insert(record))
        url = self._withdrawal_url(record.number)
        state = record.state(record.requested_at)
        if state is ProductState.A_RETIRER:
            mails.product_available(tx, record, url, record.requested_at)
            tx.update(replace(record, announced_at=record.requested_at))
        else:
            mails.order_received(tx, record, record.requested_at)
        return OrderReceipt(identifier(record.number), state, url)

    def _check_quotas(self, tx: Transaction, record: Record) -> None:
        pending, daily = self.options.pending_quota, self.options.daily_quota
        at = record.requested_at
        if pending is not None and tx.pending(record.bearer, at) >= pending:
            raise FunctionalFault("F18")
        if daily is not None and tx.ordered_since(record.bearer, at - timedelta(days=1)) >= daily:
            raise FunctionalFault("F18")

    def _available(self, record: Record, moment: datetime) -> Record:
        """A record that can be withdrawn from a moment on."""
        days = self.options.withdrawal_days
        end = None if days is None else moment + timedelta(days=days)
        return replace(record, available_at=moment, withdraw_before=end)

    def _withdrawal_url(self, number: int) -> str:
        return f"{self.url}{WITHDRAWAL_PATH}{identifier(number)}"

    def _shown(self, record: Record, now: datetime) -> Product:
        return to_product(record, now, self.options)

    def _find(self, tx: Transaction, client: Identity, product_id: str, serial: str = "") -> Record:
        number = number_of(product_id)
        record = tx.by_serial(serial) if serial else tx.get(number) if number else None
        if record is None or not self._sees(client, record):
            raise FunctionalFault("F10", field="numeroSerie" if serial else "idProduit")
        return record

    def _sees(self, client: Identity, record: Record) -> bool:
        lines = self.habilitations.of(client.bearer)
        return rules.visible(lines, record.offre, record.structure_id)

    def _code_is_right(self, record: Record, code: str) -> bool:
        tries = self.options.code_tries
        locked = tries is not None and record.code_failures >= tries
        return not locked and record.code_hash is not None and code_matches(code, record.code_hash)

    def _may_withdraw(self, record: Record, code: str, now: datetime) -> bool:
        """Whether it is a second withdrawal. Raises F11, or F15 when the code is another."""
        state = record.state(now)
        if state is ProductState.A_RETIRER:
            return False
        if state is not ProductState.ACTIF or not self.options.second_withdrawal:
            raise FunctionalFault("F11", field="idProduit")
        if not self._code_is_right(record, code):
            raise FunctionalFault("F15", field="codeRevocation")
        return True

    def _issued(self, record: Record, code_hash: bytes, now: datetime) -> Record:
        """The record with its certificate, made now."""
        key = load_der_public_key(record.public_key)
        if not isinstance(key, rsa.RSAPublicKey):
            raise FunctionalFault("F07", field="csr")
        certificate = self.pki.issue_software(
            offre=record.offre, usage=record.usage, subject=record.subject, public_key=key, at=now
        )
        return replace(
            record,
            withdrawn_at=now,
            certificate=certificate.public_bytes(Encoding.DER),
            serial=f"{certificate.serial_number:X}",
            not_after=certificate.not_valid_after_utc,
            code_hash=code_hash,
        )
