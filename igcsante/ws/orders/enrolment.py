"""From the key of an order to its certificate's files.

What has to be kept of the key, the key itself or the CSR of one that is elsewhere, is on disk
before the order leaves, and removed again when nothing was ordered. What the platform issues
is written beside it (:mod:`igcsante.ws.orders.delivered`).
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from ...certs.export import KEY_SUFFIX, write_key
from ...errors import ConfigError, IgcError, UsageError
from ...files import write_atomic
from ...messages import tr
from ...secret import Secret
from ..model import ProductRequest, Withdrawal, new_client_reference
from ..outcome import SETTLING, Stopwatch
from ..platform import Platform
from ..rules import MAX_COMMON_NAME, check_secret
from .attempts import is_chosen, may_arrive_late, times_sent
from .delivered import CSR_SUFFIX, keeper_of
from .doubts import InDoubtError
from .entries import UNSETTLED
from .file_names import another_stem, stem_of
from .journal import Entry, Journal, OrderState, is_of
from .lifecycle import place_order, record_order, wanted_of, withdraw
from .order_key import KeyPlace, KeySource, NewKey, OrderKey, OwnKey, key_of
from .reconcile import check_same, refresh

_NEW_KEY = NewKey()
_STOPPED = tr("stopped before it was sent")


@dataclass(frozen=True)
class Enrolment:
    """A request that was checked, its key, and where its files go. Nothing is written yet.

    ``key`` is there when it was made here; otherwise ``place`` says where it is.
    """

    request: ProductRequest
    place: KeyPlace
    key: rsa.RSAPrivateKey | None = field(repr=False)
    directory: Path
    stem: str

    def keep(self, passphrase: Secret | None = None) -> dict[str, str]:
        """Write what must not be lost of the key; what the journal should know of it.

        ``{"key_mode", "file_base", "key_path"}``. Raises StorageError, nothing written.
        """
        return keep_key(self._order_key(), self.directory / self.stem, passphrase)

    def where(self) -> dict[str, str]:
        """What :meth:`keep` gives, before anything is written."""
        return place_of_key(self._order_key(), self.directory / self.stem)

    def discard(self) -> None:
        """Remove what :meth:`keep` wrote: nothing was ordered with it."""
        discard_key(self.directory / self.stem)

    def _order_key(self) -> OrderKey:
        return OrderKey(self.place, self.request.csr, private_key=self.key)


def keep_key(key: OrderKey, base: Path, passphrase: Secret | None = None) -> dict[str, str]:
    """Write the key, or the CSR of one that is elsewhere; ``base`` is its folder and stem.

    Gives ``{"key_mode", "file_base", "key_path"}`` for the journal. Raises StorageError, nothing
    written.
    """
    base = base.absolute()
    if key.private_key is not None:
        write_key(base.parent, base.name, key.private_key, passphrase)
    elif key.csr is not None:
        write_atomic(base.with_name(base.name + CSR_SUFFIX), key.csr)
    return place_of_key(key, base)


def place_of_key(key: OrderKey, base: Path) -> dict[str, str]:
    """What the journal should know of a key; noted before :func:`keep_key` writes it."""
    base = base.absolute()
    about = {"key_mode": str(key.place), "file_base": str(base)}
    if key.private_key is not None:
        about["key_path"] = str(base.with_name(base.name + KEY_SUFFIX))
    return about


def discard_key(base: Path) -> None:
    """Remove what :func:`keep_key` wrote: nothing was ordered with it."""
    for suffix in (KEY_SUFFIX, CSR_SUFFIX):
        base.with_name(base.name + suffix).unlink(missing_ok=True)


@dataclass(frozen=True)
class Delivery:
    """What a withdrawal needs to know, checked before anything is sent.

    ``revocation_code`` will be asked for to revoke; ``accepted`` says that the beneficiary
    accepts the certificate and the CGU; the passphrase is that of the key's file; a PKCS#12
    is written when it has a password, which is that of the order when the platform made the
    key. Raises UsageError that names the field.
    """

    revocation_code: Secret
    accepted: bool
    key_passphrase: Secret | None = None
    p12_password: Secret | None = None

    def __post_init__(self) -> None:
        Withdrawal("P", self.revocation_code, self.accepted)
        if self.p12_password is not None:
            check_secret("p12_password", self.p12_password)


@dataclass(frozen=True)
class Issued:
    """A certificate that was withdrawn.

    ``files`` by kind: ``certificate``, ``certificate_der``, ``chain``, and where there is one
    ``key`` and ``pkcs12``.
    """

    entry: Entry
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    files: dict[str, Path]


def draft(directory: Path, **wanted: Any) -> ProductRequest:
    """The ProductRequest of ``wanted`` (all but the key), checked; its CSR is still to be made.

    Raises UsageError that names the field that is wrong, or when ``directory`` is no place
    to write to.
    """
    _check_writable(directory)
    reference = wanted.pop("client_reference", "") or new_client_reference()
    return ProductRequest(**wanted, csr=b"to be made", client_reference=reference)


def prepare(directory: Path, source: KeySource = _NEW_KEY, **wanted: Any) -> Enrolment:
    """A request for ``wanted`` with the key of ``source``, by default one made here.

    Raises as :func:`draft`, and what the source of the key raises.
    """
    request = draft(directory, **wanted)
    subject = request.label[:MAX_COMMON_NAME]
    key = source.order_key(subject, request.fqdns)
    request = replace(request, csr=key.csr, key_password=key.password)
    stem = stem_of(request.label, request.client_reference)
    return Enrolment(request, key.place, key.private_key, directory, stem)


def submit(
    enrolment: Enrolment,
    platform: Platform,
    journal: Journal,
    /,
    *,
    at: datetime,
    key_passphrase: Secret | None = None,
    **about: str,
) -> Entry:
    """Keep the key, then order. Raises StorageError before anything is sent, and as
    :func:`igcsante.ws.orders.lifecycle.place_order` does; the key stays unless nothing was ordered.
    Raises UsageError while another order of the same is in doubt, unless a reference was chosen.

    The journal knows of the order and its key before that is written, so that no key is left
    behind without an order. One that was stopped before it was sent is tidied up first. An order
    that is sent once more has the key of the first time, if that is there.
    """
    reference = enrolment.request.client_reference
    with journal.hold_name(tr("the order {reference}", reference=reference)):
        before = journal.find(reference)
        if before is not None and before.state is OrderState.PREPARED:
            abandon(before, journal, at=at)
        if before is None and not is_chosen(reference):
            check_no_twin(journal, enrolment.request, **about)
        entry = before or record_order(
            journal, enrolment.request, at=at, **enrolment.where(), **about
        )
        sent, written_here = times_sent(journal, entry), before is None
        earlier = _with_key_of(before, enrolment, key_passphrase)
        if before is not None and _is_named(enrolment, before):
            enrolment = replace(enrolment, stem=another_stem(enrolment.stem))
        request = (earlier or enrolment).request
        try:
            kept = earlier.where() if earlier else enrolment.keep(key_passphrase)
            written_here = earlier is None
            kept = {"key_path": "", **kept}
            entry = place_order(platform, journal, request, at=at, **kept, **about)
        except BaseException as error:
            entry = note_unsent(journal, entry, error, at=at)
            unused = entry.state.nothing_ordered or sent == times_sent(journal, entry)
            if written_here and (unused or not _is_named(enrolment, entry)):
                enrolment.discard()
            raise
        if written_here and not _is_named(enrolment, entry):  # ordered before, with another key
            enrolment.discard()
        return entry


def _with_key_of(
    before: Entry | None, enrolment: Enrolment, passphrase: Secret | None
) -> Enrolment | None:
    """The same with the key of an earlier attempt, which may still arrive, if it is there.

    None when that key has another size, or is kept under another passphrase.
    """
    key = before and key_of(before, enrolment.key, passphrase)
    if not before or not key:
        return None
    request, base = enrolment.request, Path(before.file_base)
    csr = OwnKey(key).order_key(request.label[:MAX_COMMON_NAME], request.fqdns).csr
    request = replace(request, csr=csr)
    return replace(enrolment, request=request, key=key, directory=base.parent, stem=base.name)


def _is_named(enrolment: Enrolment, entry: Entry) -> bool:
    """Whether the entry's key is that of the enrolment."""
    return entry.file_base == enrolment.where()["file_base"]


def check_no_twin(journal: Journal, request: ProductRequest, /, **about: str) -> None:
    """Raise UsageError while an order of the same is in doubt: this would be a second one.

    The rows of a batch are as many orders as there are rows.
    """
    wanted, row = wanted_of(request), about.get("batch_row", "")
    for entry in journal.each(states=UNSETTLED):
        same = all(getattr(entry, name) == value for name, value in wanted.items())
        if (
            same
            and not entry.renews
            and not (row and entry.batch_row)
            and is_of(entry, about.get("platform", ""))
        ):
            raise UsageError(
                tr(
                    "order {id} is for the same, and in doubt: it may have been ordered; nothing "
                    "was sent",
                    id=entry.id,
                ),
                advice=tr(
                    "see what became of it: igc orders sync {id}. To order another one all the "
                    "same, give it a reference of its own: --reference",
                    id=entry.id,
                ),
                order=entry.id,
            )


def note_unsent(journal: Journal, entry: Entry, error: BaseException, *, at: datetime) -> Entry:
    """The entry after ``error``: an order that was still to be sent then has FAILED."""
    entry = journal.get(str(entry.id))
    if entry.state is not OrderState.PREPARED:
        return entry
    why = error.message if isinstance(error, IgcError) else _STOPPED
    return journal.update(entry, at=at, state=OrderState.FAILED, last_error=why)


def abandon(entry: Entry, journal: Journal, *, at: datetime) -> None:
    """An order that was stopped before it was sent has FAILED, and leaves no key behind.

    Raises UsageError when another command is at work on it.
    """
    with journal.hold(entry):
        discard_key(Path(entry.file_base))
        journal.update(entry, at=at, state=OrderState.FAILED, last_error=_STOPPED)


def retrieve(
    entry: Entry,
    platform: Platform,
    journal: Journal,
    delivery: Delivery,
    *,
    at: datetime,
    again: bool = False,
) -> Issued:
    """Withdraw an order and write its files beside its key.

    The certificate is issued now, and delivered once: whatever goes wrong after that, it is
    written, or else the error says where it is; a private key is never shown. ``again`` asks
    for one that was issued and did not arrive, which a platform may refuse. Raises UsageError
    when the entry can't be withdrawn, its key is not there, or the platform has something else
    under its number (nothing was withdrawn), InDoubtError while nobody can tell whether it can,
    and as :func:`igcsante.ws.orders.lifecycle.withdraw`.
    """
    watch = Stopwatch(at)
    lost = entry.state is OrderState.WITHDRAWN and not entry.certificate_path
    if again and lost:
        with contextlib.suppress(ConfigError):  # a contract that lacks this question
            check_same(entry, platform.get_product(entry.product_id))
    else:
        entry = _ready(entry, platform, journal, at)
    keeper = keeper_of(entry, delivery.key_passphrase, delivery.p12_password)
    by_platform = entry.key_mode == KeyPlace.PLATFORM
    withdrawal = Withdrawal(
        entry.product_id,
        delivery.revocation_code,
        delivery.accepted,
        key_password=delivery.p12_password if by_platform else None,
    )
    entry = withdraw(
        platform,
        journal,
        entry,
        withdrawal,
        at=watch.now(),
        save=keeper.save,
        flaw=keeper.flaw,
    )
    (certificate, chain), files = keeper.issued(entry)
    return Issued(entry, certificate, chain, files)


def _ready(entry: Entry, platform: Platform, journal: Journal, at: datetime) -> Entry:
    """The entry, up to date, once it can be withdrawn.

    Raises UsageError when it can't, InDoubtError while nobody can tell.
    """
    check_retrievable(entry)
    if entry.state is not OrderState.ORDERED or not entry.product_id:
        entry = refresh(platform, journal, entry, at=at)
        if entry.state in UNSETTLED:
            raise InDoubtError(entry, at)
        check_retrievable(entry)
    elif at - entry.updated >= SETTLING:  # by now its number may be another product's
        with contextlib.suppress(ConfigError):
            entry = refresh(platform, journal, entry, at=at)
        check_retrievable(entry)
    if entry.state is OrderState.PENDING:
        raise UsageError(
            tr(
                "order {id} can't be retrieved yet: {meaning}",
                id=entry.id,
                meaning=entry.state.meaning,
            ),
            advice=tr("wait for it: igc orders wait {id}", id=entry.id),
        )
    return entry


def check_retrievable(entry: Entry) -> None:
    """Raise UsageError for an order whose state is final and leaves nothing to retrieve."""
    waiting = entry.state in (OrderState.ORDERED, OrderState.PENDING)
    if not waiting and not entry.state.in_doubt:
        raise UsageError(
            tr(
                "order {id} can't be retrieved: {meaning}",
                id=entry.id,
                meaning=entry.state.meaning,
            ),
            advice=_what_now(entry),
        )


def _what_now(entry: Entry) -> str:
    if may_arrive_late(entry):
        return tr("if the platform has it all the same: igc orders sync {id}", id=entry.id)
    if entry.state is not OrderState.WITHDRAWN:
        return ""
    if entry.certificate_path:
        return tr("it is in {path}", path=entry.certificate_path)
    return tr(
        "a certificate is delivered once, and this one did not arrive. Ask once more, which the "
        "platform may refuse: igc retrieve {id} --again. Otherwise revoke it (igc revoke {id}), "
        "then order again",
        id=entry.id,
    )


def _check_writable(directory: Path) -> None:
    existing = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise UsageError(
            tr("nothing can be written to {directory}", directory=directory),
            advice=tr("choose another folder: --out DIR"),
        )
