"""The HTML of the mock's portal, in French as those who use it: functions of plain data.

Everything that comes from outside is escaped; there is no script. Each page has one heading,
landmarks and a link past the navigation; tables have captions and headed columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from html import escape
from urllib.parse import urlencode

from ...instants import iso, shown
from ...text import printable
from ...ws.model import Habilitation, Product, ProductPage, ProductSearch
from ...ws.vocabulary import Offre, ProductState, ScopeKind
from ..pki import SimulatedPki
from .faults import FUNCTIONAL, INCIDENTS, TECHNICAL
from .habilitations import EVERY_OTHER_CARD, HabilitationRegister
from .options import Options
from .records import Mail

_NAVIGATION = (
    ("", "Produits"),
    ("courriels", "Courriels"),
    ("autorites", "Autorités"),
    ("habilitations", "Habilitations"),
    ("reglages", "Réglages"),
)
_STATES = {
    ProductState.EN_COURS: "en cours",
    ProductState.A_RETIRER: "à retirer",
    ProductState.ACTIF: "actif",
    ProductState.EXPIRE: "expiré",
    ProductState.REVOQUE: "révoqué",
    ProductState.REFUSE: "refusé",
    ProductState.ANNULE: "annulé",
}
_SCOPES = {
    ScopeKind.AUCUN: "",
    ScopeKind.DOMAINE: "domaine et sous-domaines : ",
    ScopeKind.SERVEUR: "ce serveur seul : ",
    ScopeKind.DOMAINE_MESSAGERIE: "domaine de messagerie : ",
}


@dataclass(frozen=True)
class Page:
    """Where in the navigation, heading, and the HTML below it."""

    place: str
    heading: str
    body: str


def layout(page: Page, base: str, now: datetime) -> str:
    """A whole document."""
    links = "".join(
        f'<li><a href="{base}{path}"{_current(path, page)}>{name}</a></li>'
        for path, name in _NAVIGATION
    )
    return f"""<!DOCTYPE html>
<html lang="fr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(page.heading)} – plateforme simulée</title>
<link rel="stylesheet" href="{base}style.css">
<link rel="icon" href="data:,">
</head>
<body>
<a class="skip" href="#contenu">Aller au contenu</a>
<header>
<p class="simulation"><strong>SIMULATION.</strong> Ce n'est pas la plateforme de l'ANS : contrat,
règles et données sont inventés.</p>
<nav aria-label="Rubriques"><ul>{links}</ul></nav>
</header>
<main id="contenu">
<h1>{escape(page.heading)}</h1>
{page.body}
</main>
<footer><p>Heure de cette plateforme : {_time(now)}</p></footer>
</body>
</html>
"""


def _current(path: str, page: Page) -> str:
    return ' aria-current="page"' if path == page.place else ""


def products(found: ProductPage, search: ProductSearch, counts: Mapping[ProductState, int]) -> Page:
    """The products of one search."""
    rows = [
        [
            f'<a href="produits/{item.product_id}">{item.product_id}</a>',
            _state(item.state),
            f"{item.offre} {item.usage}",
            _text(item.label),
            _text(f"{item.structure.name} ({item.structure.national_id})"),
            _time(item.requested_at),
            _time(item.not_after),
        ]
        for item in found.products
    ]
    heads = ("Produit", "État", "Type", "Libellé", "Structure", "Demandé le", "Fin de validité")
    state = search.states[0] if search.states else ""
    wanted = {"etat": str(state), "offre": str(search.offre or ""), "texte": search.label}
    body = (
        _filter(search, counts)
        + _table(f"Produits : {found.total}", heads, rows)
        + _pager(found.total, search.page, search.page_size, wanted)
    )
    return Page("", "Produits", body)


def _filter(search: ProductSearch, counts: Mapping[ProductState, int]) -> str:
    states = [("", "tous")] + [(s, f"{_STATES[s]} ({counts[s]})") for s in _STATES]
    offres = [("", "toutes"), *((offre, str(offre)) for offre in Offre)]
    return f"""<form class="filter" action="./" role="search" aria-label="Produits">
<label>État <select name="etat">{_options(states, search.states)}</select></label>
<label>Offre <select name="offre">{_options(offres, (search.offre,))}</select></label>
<label>Libellé <input name="texte" value="{_text(search.label)}" maxlength="64"></label>
<button>Chercher</button>
</form>"""


def _options(choices: Iterable[tuple[str, str]], chosen: Sequence[object]) -> str:
    return "".join(
        f'<option value="{escape(value)}"{" selected" if value in chosen else ""}>'
        f"{escape(text)}</option>"
        for value, text in choices
    )


def product(item: Product, bearer: str, mails: Sequence[Mail], token: str) -> Page:
    """One product, and the mails about it; ``token`` is that of its forms."""
    structure = item.structure
    reason = str(item.revocation_reason or "")
    pairs = [
        ("État", _state(item.state)),
        ("Type", f"{item.offre} {item.usage}"),
        ("Libellé", _text(item.label)),
        ("Autres noms", _text(", ".join(item.alternative_names))),
        ("Structure", _text(f"{structure.name} ({structure.national_id})")),
        ("Demandé le", _time(item.requested_at)),
        ("Demandé par", _text(bearer)),
        ("Référence client", _text(item.client_reference)),
        ("Clé", {"CSR": "chez le client"}.get(item.key_mode, "faite par la plateforme")),
        ("Retiré le", _time(item.withdrawn_at)),
        ("Sujet", _text(item.subject)),
        ("Émetteur", _text(item.issuer)),
        ("Numéro de série", f"<code>{_text(item.serial)}</code>" if item.serial else ""),
        ("Validité", " – ".join(filter(None, (_time(item.not_before), _time(item.not_after))))),
        ("Renouvelle", _product_link(item.renews)),
        ("Renouvelé par", _product_link(item.renewed_by)),
        ("Révoqué le", " ".join(filter(None, (_time(item.revoked_at), _text(reason))))),
        ("Courriels à", _text(", ".join(item.emails))),
    ]
    told = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in pairs if value)
    body = f"<dl>{told}</dl>"
    if item.serial:
        body += f'<p><a href="{item.product_id}.pem" download>Certificat (PEM)</a></p>'
    if item.state is ProductState.EN_COURS:
        body += _form(
            f"{item.product_id}/decision",
            token,
            '<button name="decision" value="accepter">Accepter la demande</button> '
            '<button name="decision" value="refuser">Refuser la demande</button>',
        )
    return Page("", item.product_id, body + "<h2>Courriels</h2>" + _mail_list(mails))


def mails(found: Sequence[Mail], total: int, number: int, size: int) -> Page:
    """The mail sink."""
    told = f"<p>{total} courriels ; aucun n'a été envoyé.</p>"
    return Page("courriels", "Courriels", told + _mail_list(found) + _pager(total, number, size))


def _mail_list(found: Sequence[Mail]) -> str:
    if not found:
        return '<p class="empty">Aucun.</p>'
    return "".join(
        f"<article><h3>{_text(mail.subject)}</h3><p>à {_text(mail.recipient)}, {_time(mail.at)}</p>"
        f"<pre>{escape(mail.body)}</pre></article>"
        for mail in found
    )


def authorities(pki: SimulatedPki, now: datetime) -> Page:
    """The simulated PKI: certificates, CRLs, how much is revoked."""
    rows = []
    for code, authority in pki.authorities.items():
        certificate, name = authority.certificate, authority.name
        paths = (
            (name.certificate_path, "certificat"),
            (name.crl_path, "CRL"),
            (name.delta_path, "delta"),
        )
        links = " ".join(
            f'<a href="{escape(pki.base_url + path)}" aria-label="{kind} de {code}">{kind}</a>'
            for path, kind in paths
        )
        rows.append(
            [
                f"<code>{code}</code>",
                _text(certificate.subject.rfc4514_string()),
                _time(certificate.not_valid_after_utc),
                str(pki.revoked_count(code, now)),
                links,
            ]
        )
    heads = ("Code", "Nom", "Fin de validité", "Révoqués", "Fichiers")
    note = "<p>Personne ne doit faire confiance à ces autorités hors de cette simulation.</p>"
    return Page("autorites", "Autorités", note + _table("Autorités simulées", heads, rows))


def habilitations(register: HabilitationRegister) -> Page:
    """Who may order what."""
    everyone = [*register.by_bearer.items(), (EVERY_OTHER_CARD, register.default)]
    rows = []
    for bearer, lines in everyone:
        who = "toute autre carte" if bearer == EVERY_OTHER_CARD else bearer
        name = register.names.get(bearer, "")
        rows += [
            [_text(f"{name} ({who})" if name else who), *_habilitation(line)] for line in lines
        ]
    heads = ("Carte", "Structure", "Offre", "Usages", "Périmètre", "Monde")
    return Page("habilitations", "Habilitations", _table("Habilitations", heads, rows))


def _habilitation(line: Habilitation) -> list[str]:
    return [
        _text(f"{line.structure.name} ({line.structure.national_id})"),
        str(line.offre),
        ", ".join(line.usages),
        _SCOPES[line.scope.kind] + _text(line.scope.value),
        str(line.world),
    ]


def settings(options: Options, planned: Sequence[str], token: str, *, clock: bool) -> Page:
    """Options, the clock, what shall go wrong; ``token`` is that of the forms."""
    body = ""
    if clock:
        body += "<h2>Horloge</h2>" + _form(
            "horloge",
            token,
            '<label>Avancer de <input name="jours" type="number" min="-36525" max="36525" '
            'value="30" required> jours</label> <button>Avancer</button>',
        )
        body += _form(
            "horloge", token, '<button name="jours" value="">Revenir à l\'heure réelle</button>'
        )
    kinds = [
        *((kind, f"{kind} : {text}") for kind, text in (FUNCTIONAL | TECHNICAL).items()),
        *((kind, f"{kind} : {text}") for kind, text in INCIDENTS.items()),
    ]
    body += "<h2>Pannes</h2>" + _form(
        "pannes",
        token,
        f'<label>La requête suivante échoue : <select name="panne">{_options(kinds, ())}</select>'
        "</label> <button>Prévoir</button>",
    )
    body += f"<p>Prévues : {_text(', '.join(planned)) or 'aucune'}.</p>"
    rows = [
        [f"<code>{item.name}</code>", _text(_shown(getattr(options, item.name)))]
        for item in fields(options)
    ]
    body += "<h2>Options</h2>" + _table("Options de cette plateforme", ("Option", "Valeur"), rows)
    return Page("reglages", "Réglages", body)


def failure(status: str, message: str) -> Page:
    """What can't be shown or done."""
    return Page("erreur", status.partition(" ")[0], f'<p role="alert">{_text(message)}</p>')


# -- parts -----------------------------------------------------------------------------


def _form(action: str, token: str, content: str) -> str:
    hidden = f'<input type="hidden" name="jeton" value="{escape(token)}">'
    return f'<form method="post" action="{escape(action)}">{hidden}{content}</form>'


def _table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """``rows`` are HTML, the first cell of each heads its row."""
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>' + "".join(f"<td>{c}</td>" for c in row[1:]) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" role="region" aria-label="{caption}" tabindex="0"><table>'
        f"<caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
        "</table></div>"
    )


def _pager(total: int, number: int, size: int, query: Mapping[str, str] | None = None) -> str:
    last = max(1, -(-total // size))
    if last == 1:
        return ""
    given = {name: value for name, value in (query or {}).items() if value}

    def link(page: int, text: str) -> str:
        target = urlencode({**given, "page": page})
        return f'<a href="?{escape(target)}">{text}</a>' if 1 <= page <= last else ""

    links = f"{link(number - 1, 'précédente')} {link(number + 1, 'suivante')}"
    return f'<nav aria-label="Pages"><p>Page {number} sur {last} {links}</p></nav>'


def _state(state: ProductState) -> str:
    return f'<span class="state {state.lower()}">{_STATES[state]}</span>'


def _product_link(product_id: str) -> str:
    return f'<a href="{product_id}">{product_id}</a>' if product_id else ""


def _time(moment: datetime | None) -> str:
    if moment is None:
        return ""
    return f'<time datetime="{iso(moment)}">{shown(moment)}</time>'


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "oui" if value else "non"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "sans limite" if value is None else str(value)


def _text(value: str) -> str:
    return escape(printable(value))
