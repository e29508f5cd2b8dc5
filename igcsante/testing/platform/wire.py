"""Between the mock's XML and its domain: one function per operation.

Elements come in validated against the schema (``ws/contract/pfc-mock.xsd``); what the
schema can't say is checked by the rules. Answers are built in the order of the schema.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from datetime import datetime

from lxml import etree

from ...errors import UsageError
from ...identifiers import StructureId
from ...ws.model import (
    Habilitation,
    OrderReceipt,
    Product,
    ProductSearch,
    Structure,
)
from ...ws.vocabulary import Offre, ProductState, RevocationReason, Usage
from .faults import FunctionalFault
from .identity import Identity
from .rules import Demande, Titulaire
from .service import MockPlatform

NAMESPACE = "urn:x-igcsante-toolkit:pfc-mock:v1"

Operation = Callable[[MockPlatform, Identity, etree._Element], etree._Element]


def lister_habilitations(
    platform: MockPlatform, client: Identity, request: etree._Element
) -> etree._Element:
    lines = platform.lister_habilitations(
        client, _text(request, "offre"), _text(request, "texteStructure")
    )
    answer = _answer("listerHabilitations")
    for line in lines:
        _add_habilitation(answer, line)
    return answer


def demander_produit(
    platform: MockPlatform, client: Identity, request: etree._Element
) -> etree._Element:
    person = request.find("titulaire")
    demande = Demande(
        offre=Offre(_text(request, "offre")),
        usage=Usage.parse(_text(request, "usage")),
        id_structure=_text(request, "idStructure"),
        service_applicatif=_text(request, "serviceApplicatif"),
        fqdns=_texts(request, "fqdn"),
        email=_text(request, "email"),
        titulaire=None if person is None else _holder(person),
        csr=_binary(request, "csr"),
        mot_de_passe_cle=_optional(request, "motDePasseCle"),
        emails=_texts(request, "emails"),
        reference_client=_text(request, "referenceClient"),
    )
    return _receipt("demanderProduit", platform.demander_produit(client, demande))


def rechercher_produits(
    platform: MockPlatform, client: Identity, request: etree._Element
) -> etree._Element:
    offre, usage = _text(request, "offre"), _text(request, "usage")
    structure = _text(request, "idStructure")
    try:
        search = ProductSearch(
            offre=Offre(offre) if offre else None,
            structure=StructureId.parse(structure) if structure else None,
            usage=Usage.parse(usage) if usage else None,
            states=tuple(ProductState(state) for state in _texts(request, "etats")),
            label=_text(request, "libelle"),
            serial=_text(request, "numeroSerie"),
            expires_before=_moment(request, "finAvant"),
            page=int(_text(request, "page")),
            page_size=int(_text(request, "taille")),
        )
    except UsageError as error:
        field = _SEARCH_FIELDS.get(error.fields.get("field", ""), "idStructure")
        raise FunctionalFault("F04", field=field) from None
    page = platform.rechercher_produits(client, search)
    answer = _answer("rechercherProduits")
    for product in page.products:
        _add_product(answer, "produits", product)
    _add(answer, "total", str(page.total))
    return answer


_SEARCH_FIELDS = {"label": "libelle", "expires_before": "finAvant"}


def consulter_produit(
    platform: MockPlatform, client: Identity, request: etree._Element
) -> etree._Element:
    answer = _answer("consulterProduit")
    product = platform.consulter_produit(client, _text(request, "idProduit"))
    _add_product(answer, "produit", product)
    return answer


def retirer_produit(
    platform: MockPlatform, client: Identity, request: etree._Element
) -> etree._Element:
    delivery = platform.retirer_produit(
        client,
        _text(request, "idProduit"),
        code=_text(request, "codeRevocation"),
        confirmation=_text(request, "confirmationCode"),
        acceptation=_text(request, "acceptationBeneficiaire").strip() in ("true", "1"),
        mot_de_passe=_optional(request, "motDePasseCle"),
    )
    answer = _answer("retirerProduit")
    _add(answer, "nomFichier", delivery.file_name)
    _add(answer, "typeContenu", delivery.content_type)
    _add(answer, "contenu", _base64(delivery.content))
    _add(answer, "certificat", _base64(delivery.certificate))
    _add_all(answer, "chaine", map(_base64, delivery.chain))
    return answer


def revoquer_produit(
    platform: MockPlatform, client: Identity, request: etree._Element
) -> etree._Element:
    receipt = platform.revoquer_produit(
        client,
        code=_text(request, "codeRevocation"),
        motif=RevocationReason(_text(request, "motif")),
        product_id=_text(request, "idProduit"),
        serial=_text(request, "numeroSerie"),
    )
    answer = _answer("revoquerProduit")
    _add(answer, "etat", receipt.state)
    _add(answer, "dateRevocation", receipt.revoked_at.isoformat())
    return answer


def renouveler_produit(
    platform: MockPlatform, client: Identity, request: etree._Element
) -> etree._Element:
    receipt = platform.renouveler_produit(
        client,
        _text(request, "idProduit"),
        csr=_binary(request, "csr"),
        mot_de_passe=_optional(request, "motDePasseCle"),
        emails=_texts(request, "emails"),
    )
    return _receipt("renouvelerProduit", receipt)


OPERATIONS: dict[str, Operation] = {
    "listerHabilitations": lister_habilitations,
    "demanderProduit": demander_produit,
    "rechercherProduits": rechercher_produits,
    "consulterProduit": consulter_produit,
    "retirerProduit": retirer_produit,
    "revoquerProduit": revoquer_produit,
    "renouvelerProduit": renouveler_produit,
}


# -- reading ---------------------------------------------------------------------------


def _optional(element: etree._Element, name: str) -> str | None:
    found = element.find(name)
    return None if found is None else found.text or ""


def _text(element: etree._Element, name: str) -> str:
    return _optional(element, name) or ""


def _texts(element: etree._Element, name: str) -> tuple[str, ...]:
    return tuple(item.text or "" for item in element.findall(name))


def _binary(element: etree._Element, name: str) -> bytes | None:
    text = _optional(element, name)
    if text is None:
        return None
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:  # libxml2 takes more than xs:base64Binary allows
        raise FunctionalFault("F04", field=name) from None


def _moment(element: etree._Element, name: str) -> datetime | None:
    text = _optional(element, name)
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:  # xs:dateTime allows a few forms that Python doesn't
        raise FunctionalFault("F04", field=name) from None


def _holder(element: etree._Element) -> Titulaire:
    names = ("nom", "prenom", "email", "idNational")
    return Titulaire(*(_text(element, name) for name in names))


# -- writing ---------------------------------------------------------------------------


def _answer(operation: str) -> etree._Element:
    name = f"{{{NAMESPACE}}}{operation}Reponse"
    return etree.Element(name, nsmap={"pfc": NAMESPACE})


def _receipt(operation: str, receipt: OrderReceipt) -> etree._Element:
    answer = _answer(operation)
    _add(answer, "idProduit", receipt.product_id)
    _add(answer, "etat", receipt.state)
    _add(answer, "urlRetrait", receipt.withdrawal_url)
    return answer


def _add_habilitation(parent: etree._Element, line: Habilitation) -> None:
    element = etree.SubElement(parent, "habilitations")
    _add_structure(element, line.structure)
    _add(element, "offre", line.offre)
    _add_all(element, "usages", line.usages)
    scope = etree.SubElement(element, "perimetre")
    _add(scope, "type", line.scope.kind)
    _add(scope, "valeur", line.scope.value)
    _add(element, "monde", line.world)


def _add_structure(parent: etree._Element, structure: Structure) -> None:
    element = etree.SubElement(parent, "structure")
    _add(element, "idNational", str(structure.national_id))
    _add(element, "raisonSociale", structure.name)
    _add(element, "departement", structure.department)


def _add_product(parent: etree._Element, name: str, product: Product) -> None:
    element = etree.SubElement(parent, name)
    _add(element, "idProduit", product.product_id)
    _add(element, "referenceClient", product.client_reference)
    _add(element, "offre", product.offre)
    _add(element, "usage", product.usage)
    _add_structure(element, product.structure)
    _add(element, "libelle", product.label)
    _add_all(element, "sans", product.alternative_names)
    _add(element, "etat", product.state)
    _add_moment(element, "dateDemande", product.requested_at)
    _add_moment(element, "dateRetrait", product.withdrawn_at)
    _add(element, "numeroSerie", product.serial)
    _add(element, "dnSujet", product.subject)
    _add(element, "dnEmetteur", product.issuer)
    _add_moment(element, "debutValidite", product.not_before)
    _add_moment(element, "finValidite", product.not_after)
    _add(element, "modeCle", product.key_mode)
    _add_all(element, "emails", product.emails)
    _add(element, "renouvelleProduit", product.renews)
    _add(element, "renouvelePar", product.renewed_by)
    _add_moment(element, "dateRevocation", product.revoked_at)
    _add(element, "motifRevocation", product.revocation_reason or "")
    _add(element, "renouvelable", "true" if product.renewable else "false")


def _add(parent: etree._Element, name: str, text: str) -> None:
    if text:
        etree.SubElement(parent, name).text = text


def _add_all(parent: etree._Element, name: str, texts: Iterable[str]) -> None:
    for text in texts:
        _add(parent, name, text)


def _add_moment(parent: etree._Element, name: str, moment: datetime | None) -> None:
    _add(parent, name, moment.isoformat() if moment else "")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
