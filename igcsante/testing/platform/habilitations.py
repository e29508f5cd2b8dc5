"""Who may order what: habilitations by bearer (platform.md §1, §2).

A bearer is a card, by its number, or a software certificate, by its structure's identifier.
An administrator may have several, as when a card is renewed and its habilitations go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import ConfigError, UsageError
from ...identifiers import StructureId
from ...messages import tr
from ...text import did_you_mean
from ...ws.model import Habilitation, Scope, Structure
from ...ws.rules import check_text, checked_fqdn
from ...ws.vocabulary import USAGES, Offre, ScopeKind, Usage, World

EVERY_OTHER_CARD = "*"
MAX_LINES = 1000  # of one answer, by the contract

_LIMITS = {
    "domain": ScopeKind.DOMAINE,
    "server": ScopeKind.SERVEUR,
    "mail_domain": ScopeKind.DOMAINE_MESSAGERIE,
}


@dataclass(frozen=True)
class HabilitationRegister:
    """The lines of each bearer; a bearer that is not named has the default ones.

    ``names`` tells who has a card, when that is known.
    """

    by_bearer: Mapping[str, tuple[Habilitation, ...]] = field(default_factory=dict)
    default: tuple[Habilitation, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    def of(self, bearer: str) -> tuple[Habilitation, ...]:
        return self.by_bearer.get(bearer, self.default)


def read_register(structures: Any, administrators: Any) -> HabilitationRegister:
    """The ``[[structures]]`` and ``[[administrators]]`` of a TOML file.

    Raises ConfigError that names the entry and its key.
    """
    known = dict(_structure(table, where) for table, where in _tables("structures", structures))
    by_bearer: dict[str, tuple[Habilitation, ...]] = {}
    names: dict[str, str] = {}
    for table, where in _tables("administrators", administrators):
        name, cards, lines = _administrator(table, where, known)
        for card in cards:
            if card in by_bearer:
                raise ConfigError(
                    tr("{where}: the card {card} has another administrator", where=where, card=card)
                )
            by_bearer[card], names[card] = lines, name
    default = by_bearer.pop(EVERY_OTHER_CARD, ())
    return HabilitationRegister(by_bearer, default, names)


def _structure(table: dict[str, Any], where: str) -> tuple[str, Structure]:
    _check_keys(table, where, needed=("id", "name"), allowed=("department",))
    values = {key: _text(table, key, where) for key in table}
    try:
        identifier = StructureId.parse(values["id"])
    except UsageError as error:
        raise ConfigError(tr("{where}: {message}", where=where, message=error.message)) from None
    structure = Structure(identifier, values["name"], values.get("department", "Paris (75)"))
    return str(identifier), structure


def _administrator(
    table: dict[str, Any], where: str, structures: Mapping[str, Structure]
) -> tuple[str, list[str], tuple[Habilitation, ...]]:
    _check_keys(table, where, needed=("cards", "habilitations"), allowed=("name",))
    cards = table["cards"]
    if not isinstance(cards, list) or not all(isinstance(card, str) and card for card in cards):
        raise ConfigError(tr("{where}: cards is a list of card numbers, as text", where=where))
    lines = [
        _habilitation(line, f"{where}, {at}", structures)
        for line, at in _tables("habilitations", table["habilitations"])
    ]
    if len(lines) > MAX_LINES:
        raise ConfigError(
            tr("{where}: at most {max_lines} habilitations", where=where, max_lines=MAX_LINES)
        )
    name = _text(table, "name", where) if "name" in table else ""
    return name, cards, tuple(lines)


def _habilitation(
    table: dict[str, Any], where: str, structures: Mapping[str, Structure]
) -> Habilitation:
    _check_keys(table, where, needed=("structure", "offre", "usages"), allowed=("world", *_LIMITS))
    structure = structures.get(_text(table, "structure", where))
    if structure is None:
        hint = did_you_mean(table["structure"], list(structures))
        raise ConfigError(
            tr("{where}: no structure {table!r}", where=where, table=table["structure"]),
            advice=hint,
        )
    if not isinstance(table["usages"], list) or not table["usages"]:
        raise ConfigError(tr("{where}: usages is a list", where=where))
    try:
        offre = Offre.parse(_text(table, "offre", where))
        usages = tuple(Usage.parse(str(usage)) for usage in table["usages"])
        world = World.parse(_text(table, "world", where)) if "world" in table else World.TEST
    except UsageError as error:
        raise ConfigError(
            tr("{where}: {message}", where=where, message=error.message), advice=error.advice
        ) from None
    foreign = [usage for usage in usages if usage not in USAGES[offre]]
    if foreign:
        raise ConfigError(
            tr(
                "{where}: {foreign} is no usage of {offre}",
                where=where,
                foreign=foreign[0],
                offre=offre,
            ),
            advice=tr("it has {names}", names=", ".join(USAGES[offre])),
        )
    return Habilitation(structure, offre, usages, _scope(table, where), world)


def _scope(table: dict[str, Any], where: str) -> Scope:
    limits = [key for key in _LIMITS if key in table]
    if not limits:
        return Scope()
    if len(limits) > 1:
        raise ConfigError(
            tr("{where}: {limits}: one limit only", where=where, limits=" and ".join(limits))
        )
    value = _text(table, limits[0], where)
    try:
        checked_fqdn(value.removeprefix("@"))
    except UsageError:
        raise ConfigError(
            tr(
                "{where}: {limits}: {value!r} is no full host name",
                where=where,
                limits=limits[0],
                value=value,
            )
        ) from None
    return Scope(_LIMITS[limits[0]], value.lower())


def _tables(name: str, value: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Each table of a list, and how to name it."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ConfigError(tr("{name} is a list of tables, as in [[{name}]]", name=name))
    for number, table in enumerate(value, 1):
        yield table, f"{name} {number}"


def _check_keys(
    table: dict[str, Any], where: str, *, needed: tuple[str, ...], allowed: tuple[str, ...]
) -> None:
    known = (*needed, *allowed)
    for key in table:
        if key not in known:
            hint = did_you_mean(key, known) or tr("known: {names}", names=", ".join(known))
            raise ConfigError(tr("{where}: unknown key {key!r}", where=where, key=key), advice=hint)
    for key in needed:
        if key not in table:
            raise ConfigError(tr("{where}: {key} is missing", where=where, key=key))


def _text(table: dict[str, Any], key: str, where: str) -> str:
    value = table[key]
    try:
        if not isinstance(value, str):
            raise UsageError("")
        check_text(key, value, 255)
    except UsageError:
        raise ConfigError(tr("{where}: {key} is a text, not empty", where=where, key=key)) from None
    return value
