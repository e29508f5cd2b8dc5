"""The rules of the mock platform: pure functions over an order and habilitations.

They follow the official process as far as the texts show it (platform.md §4, §7.4, §7.5,
§7.7); whatever the texts leave open is an option. A broken rule raises FunctionalFault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from ...errors import UsageError
from ...ws.model import Habilitation, Structure
from ...ws.rules import check_email, check_text, checked_fqdns
from ...ws.rules import check_emails as check_addresses
from ...ws.vocabulary import USAGES, Offre, ScopeKind, Usage, World
from ..pki import PersonName, SoftwareSubject, StructureName
from .faults import FunctionalFault
from .options import Options

_T = TypeVar("_T")

MAX_NAME = 64
# A PRO or PS certificate has a profession in its DN; the request carries none (invented).
PERSON_TITLES = {Offre.PRO: "Personnel santé ou social", Offre.PS: "Professionnel de santé"}


@dataclass(frozen=True)
class Titulaire:
    """The person of a PRO or PS order."""

    nom: str
    prenom: str
    email: str
    id_national: str = ""


@dataclass(frozen=True)
class Demande:
    """An order as it came in; ``champs`` of the subject are empty when absent."""

    offre: Offre
    usage: Usage
    id_structure: str
    service_applicatif: str = ""
    fqdns: tuple[str, ...] = ()
    email: str = ""
    titulaire: Titulaire | None = None
    csr: bytes | None = field(default=None, repr=False)
    mot_de_passe_cle: str | None = field(default=None, repr=False)
    emails: tuple[str, ...] = ()
    reference_client: str = ""


def visible(lines: Iterable[Habilitation], offre: str, structure_id: str) -> bool:
    """Whether one sees the products of an offer and structure: one's own only (§7.7, 1)."""
    return any(
        line.offre == offre and str(line.structure.national_id) == structure_id for line in lines
    )


def habilitation_for(lines: Iterable[Habilitation], demande: Demande, world: World) -> Habilitation:
    """The line under which an order is allowed, one whose scope covers it if there is.

    Raises F01, F02 or F17.
    """
    if demande.usage not in USAGES[demande.offre]:
        raise FunctionalFault("F02", field="usage")
    allowed = [
        line
        for line in lines
        if line.offre == demande.offre
        and str(line.structure.national_id) == demande.id_structure
        and demande.usage in line.usages
    ]
    if not allowed:
        raise FunctionalFault("F01", field="idStructure")
    fitting = [line for line in allowed if line.world == world]
    if not fitting:
        raise FunctionalFault("F17", field="idStructure")
    names = _limited_names(demande)
    covering = (line for line in fitting if all(_in_scope(name, line) for name in names))
    return next(covering, fitting[0])


def _limited_names(demande: Demande) -> tuple[str, ...]:
    """What a scope is about: host names, domains of addresses."""
    person = (demande.titulaire.email,) if demande.titulaire else ()
    domains = (address.rpartition("@")[2] for address in (demande.email, *person) if address)
    return tuple(name.lower().replace("*", "any") for name in (*demande.fqdns, *domains))


def subject_of(demande: Demande, line: Habilitation, options: Options) -> SoftwareSubject:
    """The subject of the certificate, rebuilt from habilitation and order (§7.5).

    Raises F03, F04 or F05.
    """
    wanted = _subject_field(demande.offre, demande.usage)
    given = {
        "serviceApplicatif": demande.service_applicatif,
        "fqdn": demande.fqdns,
        "email": demande.email,
        "titulaire": demande.titulaire,
    }
    if not given[wanted]:
        raise FunctionalFault("F05", field=wanted)
    for name, value in given.items():
        if value and name != wanted:
            raise FunctionalFault("F04", "Il n'est pas attendu pour cet usage.", field=name)
    if wanted == "fqdn":
        return _server_subject(demande, line, wildcards=options.wildcards)
    return _SUBJECTS[wanted](demande, line)


def _subject_field(offre: Offre, usage: Usage) -> str:
    if offre is Offre.ORG:
        return "serviceApplicatif"
    if offre is Offre.SERV:
        return "fqdn" if usage is Usage.SSL_SERV else "email"
    return "titulaire"


def _service_subject(demande: Demande, line: Habilitation) -> SoftwareSubject:
    name = demande.service_applicatif
    _checked("serviceApplicatif", lambda: check_text("serviceApplicatif", name, MAX_NAME))
    return SoftwareSubject(name, _structure_name(line.structure))


def _server_subject(demande: Demande, line: Habilitation, *, wildcards: bool) -> SoftwareSubject:
    star = "*." if wildcards else ""
    _checked("fqdn", lambda: checked_fqdns([name.removeprefix(star) for name in demande.fqdns]))
    names = tuple(dict.fromkeys(name.lower() for name in demande.fqdns))
    if len(names[0]) > MAX_NAME:
        raise FunctionalFault("F04", field="fqdn")
    for name in names:
        if not _in_scope(name.replace("*", "any"), line):
            raise FunctionalFault("F03", field="fqdn")
    return SoftwareSubject(names[0], _structure_name(line.structure), names=names)


def _mailbox_subject(demande: Demande, line: Habilitation) -> SoftwareSubject:
    _check_mail("email", demande.email, line)
    structure = _structure_name(line.structure)
    return SoftwareSubject(demande.email[:MAX_NAME], structure, mail=demande.email)


def _person_subject(demande: Demande, line: Habilitation) -> SoftwareSubject:
    person = demande.titulaire
    if person is None:
        raise FunctionalFault("F05", field="titulaire")
    _checked("titulaire", lambda: check_text("nom", person.nom, MAX_NAME))
    _checked("titulaire", lambda: check_text("prenom", person.prenom, MAX_NAME))
    if not person.id_national:
        raise FunctionalFault("F05", field="idNational")
    _checked("idNational", lambda: check_text("idNational", person.id_national, MAX_NAME))
    _check_mail("email", person.email, line)
    name = PersonName(PERSON_TITLES[demande.offre], person.prenom, person.nom, person.id_national)
    # PS has no OU: the certificate names the professional alone (§7.7, 12).
    structure = None if demande.offre is Offre.PS else _structure_name(line.structure)
    return SoftwareSubject(person.id_national, structure, person=name, mail=person.email)


_SUBJECTS: dict[str, Callable[[Demande, Habilitation], SoftwareSubject]] = {
    "serviceApplicatif": _service_subject,
    "email": _mailbox_subject,
    "titulaire": _person_subject,
}


def check_emails(emails: Iterable[str]) -> None:
    """The addresses to notify. Raises F04 or F05."""
    addresses = tuple(emails)
    if not addresses:
        raise FunctionalFault("F05", field="emails")
    _checked("emails", lambda: check_addresses(addresses, at_least=1))


def check_key_choice(csr: bytes | None, password: str | None, options: Options) -> None:
    """A CSR or a password for the platform's key (§7.7, 3). Raises F04 or F09."""
    if (csr is None) == (password is None):
        raise FunctionalFault("F09", field="csr")
    if password is not None:
        check_secret("motDePasseCle", password, options)


def check_code(code: str, confirmation: str, options: Options) -> None:
    """The revocation code chosen at withdrawal (§7.7, 4). Raises F04 or F12."""
    if code != confirmation:
        raise FunctionalFault("F12", field="confirmationCode")
    check_secret("codeRevocation", code, options)


def check_secret(name: str, secret: str, options: Options) -> None:
    """Raises F04 for a password or code that is too short or too plain."""
    if len(secret) < options.secret_length:
        detail = f"Il faut au moins {options.secret_length} caractères."
        raise FunctionalFault("F04", detail, field=name)
    if len({_character_class(character) for character in secret}) < options.secret_classes:
        detail = (
            f"Il faut {options.secret_classes} sortes de caractères parmi minuscules, "
            "majuscules, chiffres et autres."
        )
        raise FunctionalFault("F04", detail, field=name)


def _character_class(character: str) -> str:
    for kind in ("islower", "isupper", "isdigit"):
        if getattr(character, kind)():
            return kind
    return "other"


def _check_mail(name: str, address: str, line: Habilitation) -> None:
    _checked(name, lambda: check_email(name, address))
    if not _in_scope(address.rpartition("@")[2].lower(), line):
        raise FunctionalFault("F03", field=name)


def _in_scope(name: str, line: Habilitation) -> bool:
    """A domain covers its sub-domains, a server or mail domain only itself (§7.7, 11)."""
    limit = line.scope.value.lower().removeprefix("@")
    if line.scope.kind is ScopeKind.AUCUN:
        return True
    inside = line.scope.kind is ScopeKind.DOMAINE and name.endswith("." + limit)
    return name == limit or inside


def _structure_name(structure: Structure) -> StructureName:
    return StructureName(structure.department, structure.name, str(structure.national_id))


def _checked(name: str, check: Callable[[], _T]) -> _T:
    try:
        return check()
    except UsageError:
        raise FunctionalFault("F04", field=name) from None
