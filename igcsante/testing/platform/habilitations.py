"""Who may order what: habilitations by bearer, and the defaults of the simulated world.

A line is a structure, an offer with usages, a scope and a world (platform.md §1, §2). The
structures are invented and belong to no one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...identifiers import StructureId
from ...ws.model import Habilitation, Scope, Structure
from ...ws.vocabulary import Offre, ScopeKind, Usage, World

FINESS_STRUCTURE = Structure(
    StructureId.parse("10B0999003"), "CENTRE HOSPITALIER SIMULATION", "Paris (75)"
)
SIRET_STRUCTURE = Structure(
    StructureId.parse("399999999700037"), "PHARMACIE SIMULATION", "Côte-d'Or (21)"
)
_ORG = (Usage.AUTH_CLI, Usage.SIGN, Usage.CONF)
_DOMAIN = Scope(ScopeKind.DOMAINE, "ch-simulation.example")
_OTHER_DOMAIN = Scope(ScopeKind.DOMAINE, "pharmacie-simulation.example")

DEFAULT_LINES: tuple[Habilitation, ...] = (
    Habilitation(FINESS_STRUCTURE, Offre.ORG, _ORG, Scope(), World.TEST),
    Habilitation(FINESS_STRUCTURE, Offre.SERV, (Usage.SSL_SERV,), _DOMAIN, World.TEST),
    Habilitation(SIRET_STRUCTURE, Offre.ORG, _ORG, Scope(), World.TEST),
    Habilitation(SIRET_STRUCTURE, Offre.SERV, (Usage.SSL_SERV,), _OTHER_DOMAIN, World.TEST),
)


@dataclass(frozen=True)
class HabilitationRegister:
    """The lines of each bearer; a bearer that is not named has the default ones."""

    by_bearer: Mapping[str, tuple[Habilitation, ...]] = field(default_factory=dict)
    default: tuple[Habilitation, ...] = DEFAULT_LINES

    def of(self, bearer: str) -> tuple[Habilitation, ...]:
        return self.by_bearer.get(bearer, self.default)
