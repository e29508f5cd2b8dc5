"""What a card may order is told by its habilitations, field by field, before the order leaves."""

from __future__ import annotations

import pytest

from igcsante.errors import NotHabilitatedError
from igcsante.identifiers import StructureId
from igcsante.ws.habilitations import check_habilitated
from igcsante.ws.model import (
    Habilitation,
    Holder,
    Offre,
    ProductRequest,
    Scope,
    ScopeKind,
    Structure,
    Usage,
    World,
)

HOSPITAL = StructureId.parse("10B0152872")
SURGERY = StructureId.parse("318751275100020")


def line(offre, usages, kind=ScopeKind.AUCUN, value="", structure=HOSPITAL):
    scope = Scope(kind, value)
    return Habilitation(Structure(structure, "X"), offre, tuple(usages), scope, World.TEST)


LINES = (
    line(Offre.ORG, (Usage.AUTH_CLI, Usage.SIGN)),
    line(Offre.SERV, (Usage.SSL_SERV,), ScopeKind.DOMAINE, "exemple.fr"),
    line(Offre.SERV, (Usage.SSL_SERV,), ScopeKind.SERVEUR, "seul.autre.fr"),
    line(Offre.SERV, (Usage.SMIME,), ScopeKind.DOMAINE_MESSAGERIE, "@mail.exemple.fr"),
    line(Offre.PRO, (Usage.SIGN,), ScopeKind.DOMAINE_MESSAGERIE, "mail.exemple.fr"),
    line(Offre.ORG, (Usage.CONF,), structure=SURGERY),
)


def order(offre=Offre.ORG, usage=Usage.AUTH_CLI, structure=HOSPITAL, **subject) -> ProductRequest:
    if offre is Offre.ORG:
        subject = {"service_name": "DMP", **subject}
    emails = ("pki@exemple.fr",)
    return ProductRequest(
        offre, usage, structure, emails, csr=b"x", client_reference="r", **subject
    )


def server(*names) -> ProductRequest:
    return order(Offre.SERV, Usage.SSL_SERV, fqdns=names)


def mailbox(address) -> ProductRequest:
    return order(Offre.SERV, Usage.SMIME, email=address)


def person(address) -> ProductRequest:
    return order(Offre.PRO, Usage.SIGN, holder=Holder("DOE", "Jane", address))


@pytest.mark.parametrize(
    "request_",
    [
        order(),
        order(usage=Usage.CONF, structure=SURGERY),
        server("exemple.fr"),
        server("a.exemple.fr", "A.B.Exemple.FR"),
        server("seul.autre.fr"),
        server("a.exemple.fr", "seul.autre.fr"),
        mailbox("boite@mail.exemple.fr"),
        mailbox("boite@MAIL.exemple.fr"),
        person("jane@mail.exemple.fr"),
    ],
)
def test_what_a_line_covers_passes(request_):
    check_habilitated(request_, LINES)


@pytest.mark.parametrize(
    ("request_", "field", "allowed"),
    [
        (order(Offre.PS, Usage.SIGN, holder=Holder("D", "J", "j@a.fr")), "offre",
         ["ORG", "SERV", "PRO"]),
        (order(structure=StructureId.parse("10B0000001")), "structure",
         ["10B0152872", "318751275100020"]),
        (order(structure=SURGERY), "usage", ["CONF"]),
        (order(usage=Usage.CONF), "usage", ["AUTH_CLI", "SIGN"]),
        (server("exemple.com"), "fqdns", ["exemple.fr and its sub-domains", "seul.autre.fr"]),
        (server("a.exemple.fr", "mauvaisexemple.fr"), "fqdns",
         ["exemple.fr and its sub-domains", "seul.autre.fr"]),
        (server("b.seul.autre.fr"), "fqdns",
         ["exemple.fr and its sub-domains", "seul.autre.fr"]),
        (mailbox("boite@exemple.fr"), "email", ["@mail.exemple.fr"]),
        (mailbox("boite@a.mail.exemple.fr"), "email", ["@mail.exemple.fr"]),
        (person("jane@exemple.fr"), "holder", ["@mail.exemple.fr"]),
    ],
)  # fmt: skip
def test_what_no_line_covers_names_its_field_and_what_is_allowed(request_, field, allowed):
    with pytest.raises(NotHabilitatedError, match="Nothing was ordered") as caught:
        check_habilitated(request_, LINES)
    assert caught.value.fields == {"field": field, "allowed": allowed}
    assert all(word in caught.value.message for word in allowed)


def test_a_card_without_any_habilitation_is_told_so():
    with pytest.raises(NotHabilitatedError, match="no habilitation at all") as caught:
        check_habilitated(order(), ())
    assert "F414" in caught.value.advice
