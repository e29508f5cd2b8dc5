"""Several habilitations for one structure: an order is allowed under the one that covers it."""

from __future__ import annotations

import pytest

from igcsante.identifiers import StructureId
from igcsante.testing.platform.faults import FunctionalFault
from igcsante.testing.platform.rules import Demande, Options, habilitation_for, subject_of
from igcsante.ws.model import Habilitation, Offre, Scope, ScopeKind, Structure, Usage, World

STRUCTURE = Structure(StructureId.parse("10B0999003"), "X", "Paris (75)")


def line(kind: ScopeKind, value: str, world: World = World.TEST) -> Habilitation:
    return Habilitation(STRUCTURE, Offre.SERV, (Usage.SSL_SERV,), Scope(kind, value), world)


LINES = (
    line(ScopeKind.SERVEUR, "un.exemple.fr"),
    line(ScopeKind.SERVEUR, "deux.exemple.fr"),
    line(ScopeKind.DOMAINE, "autre.fr"),
    line(ScopeKind.DOMAINE, "prod.fr", World.PROD),
)


def order(*names: str) -> Demande:
    return Demande(Offre.SERV, Usage.SSL_SERV, "10B0999003", fqdns=names)


def subject(*names: str) -> str:
    demande = order(*names)
    return subject_of(demande, habilitation_for(LINES, demande, World.TEST), Options()).common_name


@pytest.mark.parametrize("name", ["un.exemple.fr", "deux.exemple.fr", "a.autre.fr"])
def test_every_line_of_a_structure_counts(name: str) -> None:
    assert subject(name) == name


@pytest.mark.parametrize("names", [("trois.exemple.fr",), ("a.prod.fr",), ("a.autre.fr", "x.fr")])
def test_what_no_line_covers_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(FunctionalFault) as caught:
        subject(*names)
    assert caught.value.number == "F03"
