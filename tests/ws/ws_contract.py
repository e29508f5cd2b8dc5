"""Messages of the mock's contract, written by hand so that they owe the client nothing."""

from __future__ import annotations

from lxml import etree

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
TNS = "urn:x-igcsante-toolkit:pfc-mock:v1"


def envelope(inner: str) -> str:
    return (
        f'<s:Envelope xmlns:s="{SOAP}"><s:Header><t:Avertissement xmlns:t="{TNS}">contrat '
        f"simulé, non publié par l'ANS</t:Avertissement></s:Header><s:Body>{inner}</s:Body>"
        "</s:Envelope>"
    )


def reply(operation: str, inner: str) -> str:
    return envelope(f'<t:{operation}Reponse xmlns:t="{TNS}">{inner}</t:{operation}Reponse>')


def fault(kind: str, code: str, message: str, champ: str = "") -> str:
    side = "Client" if kind == "ErreurFonctionnelle" else "Server"
    field = f"<champ>{champ}</champ>" if champ else ""
    return envelope(
        f"<s:Fault><faultcode>s:{side}</faultcode><faultstring>{message}</faultstring><detail>"
        f'<t:{kind} xmlns:t="{TNS}"><code>{code}</code><message>{message}</message>{field}'
        f"</t:{kind}></detail></s:Fault>"
    )


STRUCTURE = (
    "<structure><idNational>318751275100020</idNational>"
    "<raisonSociale>CLINIQUE D'ESSAI</raisonSociale>"
    "<departement>Côte-d'Or (21)</departement></structure>"
)


def product_xml(product_id: str = "P-1", state: str = "A_RETIRER", extra: str = "") -> str:
    """A Produit; ``extra`` goes between dateDemande and modeCle."""
    return (
        f"<idProduit>{product_id}</idProduit><referenceClient>ref-{product_id}</referenceClient>"
        f"<offre>ORG</offre><usage>AUTH_CLI</usage>{STRUCTURE}<libelle>DMP</libelle>"
        f"<etat>{state}</etat><dateDemande>2026-11-22T08:30:00Z</dateDemande>{extra}"
        "<modeCle>CSR</modeCle><emails>pki@exemple.fr</emails><renouvelable>false</renouvelable>"
    )


def soap_body(message: bytes) -> etree._Element:
    return etree.fromstring(message).find(f"{{{SOAP}}}Body")[0]
