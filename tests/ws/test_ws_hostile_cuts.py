"""The line breaks at any byte of an answer: nothing is ordered twice, and nothing is lost."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hostile import TlsServer, http, reset
from ws_contract import product_xml, reply

from igcsante.errors import IgcError, NetworkError
from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.ws.client import ZeepPlatform
from igcsante.ws.model import Offre, ProductRequest, Revocation, RevocationReason, Usage, Withdrawal
from igcsante.ws.orders.journal import Entry, Journal, OrderState
from igcsante.ws.orders.lifecycle import place_order, revoke, withdraw
from igcsante.ws.orders.reconcile import refresh

AT = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)  # when product_xml was requested
SERIAL = "0AFF"
ISSUED = (
    f"<dateRetrait>2026-11-22T08:31:00Z</dateRetrait><numeroSerie>{SERIAL}</numeroSerie>"
    "<dnSujet>CN=DMP</dnSujet><dnEmetteur>CN=MOCK</dnEmetteur>"
    "<debutValidite>2026-11-22T08:31:00Z</debutValidite>"
    "<finValidite>2029-11-22T08:31:00Z</finValidite>"
)
REQUEST = ProductRequest(
    offre=Offre.ORG,
    usage=Usage.AUTH_CLI,
    structure=StructureId.parse("318751275100020"),
    emails=("pki@exemple.fr",),
    service_name="DMP",
    csr=b"\x30\x01\xff",
    client_reference="ref-P-1",
)
CODE = Secret("un code de révocation")
ENDS = {"reset": reset, "close": lambda connection: connection.close()}


class Breaking:
    """A platform with one product; the answer to ``operation`` breaks off after ``cut`` bytes."""

    def __init__(self, certificate: bytes, end: Callable[[object], None], *, length: bool) -> None:
        self.certificate = base64.b64encode(certificate).decode()
        self.end, self.length = end, length
        self.operation, self.cut = "", 0
        self.done: list[str] = []

    def __call__(self, connection, body: bytes) -> None:
        (operation,) = re.findall(rb"<(?:\w+:)?(\w+Produits?)[ >]", body)[:1]
        name = operation.decode()
        answer = self.answer(name)
        if name != self.operation:
            connection.sendall(answer)
            return
        self.operation = ""
        connection.sendall(answer[: self.cut])
        self.end(connection)

    def answer(self, name: str) -> bytes:
        if name not in ("rechercherProduits", "consulterProduit"):
            self.done.append(name)
        inner = getattr(self, name)()
        answer = http(reply(name, inner))
        unknown = name == self.operation and not self.length
        return re.sub(rb"Content-Length: \d+\r\n", b"", answer) if unknown else answer

    def demanderProduit(self) -> str:  # noqa: N802 - the names of the contract
        return "<idProduit>P-1</idProduit><etat>A_RETIRER</etat>"

    def retirerProduit(self) -> str:  # noqa: N802
        return (
            "<nomFichier>a.cer</nomFichier><typeContenu>application/pkix-cert</typeContenu>"
            f"<contenu>{self.certificate}</contenu><certificat>{self.certificate}</certificat>"
        )

    def revoquerProduit(self) -> str:  # noqa: N802
        date = "<dateRevocation>2026-11-22T09:00:00Z</dateRevocation>"
        return f"<etat>REVOQUE</etat>{date}"

    def product(self) -> str:
        if "revoquerProduit" in self.done:
            revoked = "<dateRevocation>2026-11-22T09:00:00Z</dateRevocation>"
            xml = product_xml("P-1", "REVOQUE", ISSUED)
            return xml.replace("<renouvelable>", f"{revoked}<renouvelable>")
        if "retirerProduit" in self.done:
            return product_xml("P-1", "ACTIF", ISSUED)
        return product_xml("P-1")

    def consulterProduit(self) -> str:  # noqa: N802
        return f"<produit>{self.product()}</produit>"

    def rechercherProduits(self) -> str:  # noqa: N802
        found = f"<produits>{self.product()}</produits>" if self.done else ""
        return f"{found}<total>{len(self.done[:1])}</total>"


@pytest.fixture(params=ENDS)
def end(request) -> Callable[[object], None]:
    return ENDS[request.param]


@pytest.fixture
def breaking(throw_away_ca, end) -> Breaking:
    return Breaking(throw_away_ca.leaf.public_bytes(Encoding.DER), end, length=True)


@pytest.fixture
def platform(throw_away_ca, breaking) -> Iterator[ZeepPlatform]:
    with (
        TlsServer(throw_away_ca.server_file, breaking) as server,
        ZeepPlatform(server.url, throw_away_ca.client_context()) as client,
    ):
        yield client


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as opened:
        opened._database.execute("PRAGMA synchronous = OFF")
        yield opened


def cuts(breaking: Breaking, operation: str, *, every: bool) -> range | list[int]:
    """After which bytes the answer is cut: all but the last, or some of each part of it."""
    breaking.operation = operation
    answer = breaking.answer(operation)
    breaking.done.clear()
    if every:
        return range(len(answer))
    body = answer.index(b"\r\n\r\n") + 4
    some = {0, 1, 9, 12, 15, 17, 30, body - 3, body - 2, body - 1, body, body + 1}
    return sorted(some | set(range(body, len(answer), 97)) | {len(answer) - 1})


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.long)], ids=["some", "every"])
def every(request) -> bool:
    return request.param


def new_entry(journal: Journal, number: int, state: OrderState) -> Entry:
    texts = {"product_id": "P-1", "offre": "ORG", "usage": "AUTH_CLI"}
    entry = journal.record(
        f"ref-{number}", at=AT, structure=str(REQUEST.structure), label="DMP", **texts
    )
    return journal.update(entry, at=AT, state=state)


@pytest.mark.parametrize("length", [True, False], ids=["of known length", "until the end"])
def test_an_order_whose_answer_broke_is_found_again(platform, breaking, tmp_path, every, length):
    breaking.length = length
    for cut in cuts(breaking, "demanderProduit", every=every):
        breaking.operation, breaking.cut = "demanderProduit", cut
        breaking.done.clear()
        with Journal(tmp_path / str(cut) / "journal.sqlite") as journal:
            entry = place_order(platform, journal, REQUEST, at=AT)
            assert (entry.state, entry.product_id) == (OrderState.ORDERED, "P-1"), cut
            assert journal.list() == (entry,)
        assert breaking.done == ["demanderProduit"], f"ordered once, cut at {cut}"


def test_a_withdrawal_whose_answer_broke_is_known_to_be_issued(platform, breaking, journal, every):
    withdrawal = Withdrawal("P-1", CODE, True)
    for cut in cuts(breaking, "retirerProduit", every=every):
        breaking.operation, breaking.cut = "retirerProduit", cut
        breaking.done.clear()
        entry = new_entry(journal, cut, OrderState.ORDERED)
        saved: list[object] = []
        with pytest.raises(NetworkError, match="hung up") as caught:
            withdraw(platform, journal, entry, withdrawal, at=AT, save=saved.append)
        assert caught.value.fields["outcome_unknown"]
        after = journal.get(str(entry.id))
        assert (after.state, after.serial) == (OrderState.WITHDRAWN, "aff"), cut
        assert "hung up" in after.last_error
        assert saved == [], "half a certificate is never written"
        assert breaking.done == ["retirerProduit"]


def test_a_revocation_whose_answer_broke_is_known_to_be_done(platform, breaking, journal, every):
    revocation = Revocation(CODE, RevocationReason.PERTE_OU_VOL, product_id="P-1")
    for cut in cuts(breaking, "revoquerProduit", every=every):
        breaking.operation, breaking.cut = "revoquerProduit", cut
        breaking.done.clear()
        entry = new_entry(journal, cut, OrderState.WITHDRAWN)
        with pytest.raises(NetworkError, match="hung up"):
            revoke(platform, journal, entry, revocation, at=AT)
        after = journal.get(str(entry.id))
        assert after.state is OrderState.REVOKED, cut
        assert breaking.done == ["revoquerProduit"]


def test_a_question_whose_answer_broke_changes_nothing(platform, breaking, journal, every):
    for cut in cuts(breaking, "consulterProduit", every=every):
        breaking.operation, breaking.cut = "consulterProduit", cut
        entry = new_entry(journal, cut, OrderState.WITHDRAWING)
        with pytest.raises(IgcError, match="hung up"):
            refresh(platform, journal, entry, at=AT)
        assert journal.get(str(entry.id)) == entry


def test_a_whole_answer_is_taken_however_the_line_ends(platform, breaking, journal):
    whole = len(breaking.answer("demanderProduit"))
    breaking.done.clear()
    breaking.operation, breaking.cut = "demanderProduit", whole
    entry = place_order(platform, journal, REQUEST, at=AT)
    assert (entry.state, entry.last_error) == (OrderState.ORDERED, "")
