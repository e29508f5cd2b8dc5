"""What a check demands, as data: named policies that are shipped, or a TOML file of the user's.

A policy says which certificates are accepted at all (world, algorithms, usages, the inputs of
RFC 5280 §6.1.1) and how much proof of non-revocation is asked, for the leaf and for its CAs
apart. The verdict carries the policy's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from ..errors import ConfigError
from ..files import read_bounded
from ..messages import joined, tr
from ..text import did_you_mean
from ..toml_problem import toml_problem
from .x509.signatures import AlgorithmPolicy

ANY_POLICY = "2.5.29.32.0"
WORLDS = frozenset({"production", "test", "other"})
MAX_POLICY_BYTES = 64 * 1024


class Requirement(StrEnum):
    """How much a revocation status is asked for.

    ``require``: no status, or an outdated one, is the verdict. ``prefer``: asked for, and a
    revocation is final, but a status that can't be had is only a notice. ``off``: not asked.
    """

    REQUIRE = "require"
    PREFER = "prefer"
    OFF = "off"


class Source(StrEnum):
    """Where a revocation status may come from."""

    CRL = "crl"
    OCSP = "ocsp"


@dataclass(frozen=True)
class PathPolicy:
    """The inputs of RFC 5280 §6.1.1 (c) to (g), and bounds.

    ``initial_policies`` are dotted OIDs; ``max_length`` counts certificates, both ends
    included; at most ``max_candidates`` paths are tried.
    """

    initial_policies: frozenset[str] = frozenset({ANY_POLICY})
    explicit_policy: bool = False
    inhibit_mapping: bool = False
    inhibit_any_policy: bool = False
    max_length: int = 8
    max_candidates: int = 32


@dataclass(frozen=True)
class RevocationPolicy:
    """Proof of non-revocation: of the ``leaf``, of the ``cas`` above it, from which sources.

    The ``sources`` are asked in order, until one can tell; a revocation that another of them has
    at hand counts all the same. A list or answer made more than
    ``max_age`` before counts as outdated even when its next update is to come. Within
    ``grace`` after its end one still counts, with a notice: for outages.
    """

    leaf: Requirement = Requirement.REQUIRE
    cas: Requirement = Requirement.REQUIRE
    sources: tuple[Source, ...] = (Source.CRL, Source.OCSP)
    max_age: timedelta | None = None
    grace: timedelta = timedelta(0)


@dataclass(frozen=True)
class Policy:
    """What is demanded of a certificate.

    ``worlds``: of ``production`` (under a pinned anchor of the ANS only), ``test`` and
    ``other`` (all the rest). ``usages``: extended key usages by name or dotted OID that the
    leaf must allow; none means any. ``fetch``: whether lists and answers may be fetched.
    """

    name: str = "default"
    description: str = tr("Chain to a known anchor; leaf and CAs not revoked, by CRL, else by OCSP")
    worlds: frozenset[str] = WORLDS
    usages: frozenset[str] = frozenset()
    fetch: bool = True
    path: PathPolicy = field(default_factory=PathPolicy)
    revocation: RevocationPolicy = field(default_factory=RevocationPolicy)
    algorithms: AlgorithmPolicy = field(default_factory=AlgorithmPolicy)

    def with_revocation(self, requirement: Requirement) -> Policy:
        """The same with one requirement for the leaf and its CAs."""
        return replace(self, revocation=replace(self.revocation, leaf=requirement, cas=requirement))


def shipped_policies() -> tuple[Policy, ...]:
    """The named policies of the package, by name; the default one comes first."""
    from importlib import resources

    folder = resources.files(__package__) / "policies"
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".toml"))
    return Policy(), *(parse_policy((folder / name).read_bytes(), name) for name in names)


def load_policy(name_or_path: str) -> Policy:
    """A shipped policy by its name, else the one of a TOML file.

    Raises ConfigError: no such policy, an unknown key, a value of the wrong kind, another
    policy under the name of a shipped one (a verdict would name the wrong one).
    """
    if name_or_path == Policy.name:  # asked for most often, and no file is read for it
        return Policy()
    shipped = {policy.name: policy for policy in shipped_policies()}
    if name_or_path in shipped:
        return shipped[name_or_path]
    path = Path(name_or_path)
    if not path.is_file():
        raise ConfigError(
            tr(
                "there is no policy {name_or_path!r}, nor a file of that name",
                name_or_path=name_or_path,
            ),
            advice=joined(
                " ",
                filter(
                    None,
                    (
                        did_you_mean(name_or_path, shipped),
                        tr("Shipped: {names}; see: igc policy show", names=", ".join(shipped)),
                    ),
                ),
            ),
        )
    policy = parse_policy(read_bounded(path, MAX_POLICY_BYTES), name_or_path)
    if shipped.get(policy.name, policy) != policy:
        raise ConfigError(
            tr(
                "{name_or_path}: this policy is called {policy!r}, and so is a shipped one",
                name_or_path=name_or_path,
                policy=policy.name,
            ),
            advice=tr('give it a name of its own: name = "…"'),
        )
    return policy


def is_shipped(policy: Policy) -> bool:
    """Whether it is, value by value, one of the named policies of the package."""
    return any(same(policy, shipped) for shipped in shipped_policies())


def same(one: Policy, other: Policy) -> bool:
    """Whether name and all values are equal; the description changes no verdict."""
    return replace(one, description=other.description) == other


_T = TypeVar("_T")


def parse_policy(data: bytes, origin: str) -> Policy:
    """The policy of a TOML text; its name is the stem of ``origin`` unless it says another.

    What it doesn't say is as in the default policy. Raises ConfigError.
    """
    import tomllib

    try:
        table = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            tr("{origin}: not a TOML file: {error}", origin=origin, error=toml_problem(error))
        ) from None
    table = {"name": Path(origin).stem, "description": "", **table}
    return _built(Policy(), table, origin)


def _built(base: _T, table: Mapping[str, Any], where: str) -> _T:
    """``base`` with the values of the table; nested tables for nested dataclasses."""
    known = {item.name for item in fields(base)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            hint = did_you_mean(key, known) or tr("known: {names}", names=", ".join(sorted(known)))
            raise ConfigError(tr("{where}: unknown key {key!r}", where=where, key=key), advice=hint)
        default = getattr(base, key)
        if is_dataclass(default):
            if not isinstance(value, dict):
                raise ConfigError(
                    tr("{where}: {key} is a table, as in [{key}]", where=where, key=key)
                )
            values[key] = _built(default, value, f"{where}: [{key}]")
        else:
            values[key] = _value(key, default, value, where)
    return replace(base, **values)  # type: ignore[type-var]


def _value(key: str, default: object, value: Any, where: str) -> Any:
    expected, convert = _KINDS.get(key) or _kind_of(default)
    try:
        return convert(value)
    except (TypeError, ValueError, OverflowError):
        raise ConfigError(
            tr("{where}: {key} is {expected}", where=where, key=key, expected=expected)
        ) from None


_Kind = tuple[str, Callable[[Any], Any]]


def _kind_of(default: object) -> _Kind:
    if isinstance(default, bool):
        return tr("true or false"), _exactly(bool)
    if isinstance(default, int):
        return tr("a whole number, 1 or more"), _positive
    if isinstance(default, frozenset):
        return tr("a list of strings"), lambda value: frozenset(_strings(value))
    return tr("a string"), _exactly(str)


def _exactly(kind: type[_T]) -> Callable[[Any], _T]:
    def checked(value: Any) -> _T:
        if type(value) is not kind:
            raise TypeError
        return value

    return checked


def _positive(value: Any) -> int:
    number = _exactly(int)(value)
    if number < 1:
        raise ValueError
    return number


def _strings(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError
    return value


def _worlds(value: Any) -> frozenset[str]:
    worlds = frozenset(_strings(value))
    if not worlds or not worlds <= WORLDS:
        raise ValueError
    return worlds


def _hours(value: Any) -> timedelta:
    if type(value) not in (int, float) or not value >= 0:
        raise ValueError
    return timedelta(hours=value)


def _sources(value: Any) -> tuple[Source, ...]:
    sources = tuple(Source(item) for item in _strings(value))
    if not sources or len(set(sources)) != len(sources):
        raise ValueError
    return sources


_REQUIREMENT: _Kind = (tr("one of {names}", names=", ".join(Requirement)), Requirement)
_KINDS: dict[str, _Kind] = {
    "worlds": (tr("a list of {names}", names=", ".join(sorted(WORLDS))), _worlds),
    "leaf": _REQUIREMENT,
    "cas": _REQUIREMENT,
    "sources": (tr("a list of {names}", names=", ".join(Source)), _sources),
    "max_age": (tr("a number of hours"), _hours),
    "grace": (tr("a number of hours"), _hours),
}
