"""Bundles: a check with all that it rests on, in one file that tells the same again later.

A bundle holds the certificates, the anchors and CAs, CRLs, OCSP responses, the policy, the
instant and the verdicts, with the SHA-256 of each (``SHA256SUMS``, as sha256sum reads it).
Whoever has it can check again without a network. It is not signed: who can change it can make
another one, so its verdict counts only with anchors that the reader knows by himself.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ...errors import ConfigError, IgcError, UnreadableError, UsageError
from ...files import MAX_INPUT_BYTES, write_atomic
from ...instants import iso, parse_instant
from ...messages import tr
from ..anchors import TrustStore, fingerprint
from ..check import Checker
from ..load import load
from ..ocsp.response import OcspResponse
from ..ocsp.source import OcspSource
from ..policy import Policy, Source, is_shipped, parse_policy, same
from ..policy_text import policy_toml
from ..revocation import CrlSource
from ..verdict import Verdict
from ..x509.certificate_list import Crl
from .archive import archive, members_of
from .differences import differences

FORMAT = "igcsante-bundle/1"
MAX_BUNDLE_BYTES = MAX_INPUT_BYTES
# A policy that came with a bundle may be anybody's: what it makes us do is bounded.
_MAX_LENGTH, _MAX_CANDIDATES = 32, 256

_SUMS, _ABOUT, _POLICY, _VERDICTS = "SHA256SUMS", "bundle.json", "policy.toml", "verdicts.json"
_SINGLE = {_SUMS, _ABOUT, _POLICY, _VERDICTS}
_FOLDERS = {  # of each folder, how its files end
    "anchors": "cer",
    "certificates": "cer",
    "crls": "crl",
    "intermediates": "cer",
    "ocsp": "ors",
    "untrusted": "cer",
}
_NAME = re.compile(r"([a-z]+)/[0-9]{4}\.([a-z]{3})")


@dataclass(frozen=True)
class Bundle:
    """What a check rests on: ``certificates`` are those that it is about.

    ``at`` is timezone-aware; a file keeps it to the second. ``store``, ``untrusted``, ``crls`` and
    ``responses`` are all that is known: nothing is fetched, and nothing of this machine is used.
    """

    at: datetime
    policy: Policy
    certificates: tuple[x509.Certificate, ...]
    store: TrustStore
    untrusted: tuple[x509.Certificate, ...] = ()
    crls: tuple[Crl, ...] = ()
    responses: tuple[OcspResponse, ...] = ()

    def verdicts(self) -> tuple[Verdict, ...]:
        """Check every certificate, from this content alone. Raises UsageError without a root."""
        lists = CrlSource(self.crls, self.store, self.untrusted, self.policy)
        answers = OcspSource(self.policy, responses=self.responses, responders=lists)
        checker = Checker(
            self.store,
            untrusted=self.untrusted,
            crls=self.crls,
            sources={Source.OCSP: answers},
            policy=self.policy,
        )
        return tuple(checker.check(item, at=self.at) for item in self.certificates)

    def trimmed(self) -> Bundle:
        """The same with the anchors and CAs of its chains only, if it tells the same then."""
        told = self.verdicts()
        used = {certificate for verdict in told for certificate in verdict.chain}
        roots = tuple(item for item in self.store.roots if item in used)
        intermediates = tuple(item for item in self.store.intermediates if item in used)
        if not roots:
            return self
        smaller = replace(self, store=TrustStore(roots, intermediates))
        same = not differences(_documents(told), _documents(smaller.verdicts()))
        return smaller if same else self

    def ordered(self) -> Bundle:
        """The same as a file keeps it: no duplicates, and no order that comes from elsewhere."""
        return replace(
            self,
            at=self.at.replace(microsecond=0),
            certificates=tuple(dict.fromkeys(self.certificates)),
            store=TrustStore(_by_digest(self.store.roots), _by_digest(self.store.intermediates)),
            untrusted=_by_digest(self.untrusted),
            crls=_by_sha256(self.crls),
            responses=_by_sha256(self.responses),
        )


@dataclass(frozen=True)
class Examination:
    """What became of a bundle that was checked again.

    ``verdicts`` are those of today's check at the bundle's instant, ``differences`` where they
    are not the recorded ones. ``unknown_anchors``: roots for which the bundle alone vouches.
    ``policy_expected``: whether its policy is the one that the reader asked for, or without
    such a one a shipped one, value by value. ``sha256`` is that of the whole file.
    """

    bundle: Bundle
    sha256: str
    verdicts: tuple[Verdict, ...]
    differences: tuple[str, ...]
    unknown_anchors: tuple[x509.Certificate, ...]
    policy_expected: bool

    @property
    def believed(self) -> bool:
        """Whether the verdicts count: the same again, by a policy and anchors that he knows."""
        return self.policy_expected and not self.differences and not self.unknown_anchors


def pack(bundle: Bundle) -> tuple[bytes, tuple[Verdict, ...]]:
    """The octets of a bundle file, the same for the same content, and the verdicts in them.

    Raises UsageError without a certificate or a root, or when it gets too large.
    """
    if not bundle.certificates:
        raise UsageError(tr("a bundle is about one certificate at least"))
    bundle = bundle.ordered()
    told = bundle.verdicts()
    members = {name: octets for name, octets, _ in _pieces(bundle)}
    about = {
        "format": FORMAT,
        "at": iso(bundle.at),
        "sources": {name: source for name, _, source in _pieces(bundle) if source},
    }
    members[_ABOUT] = _json(about)
    members[_POLICY] = policy_toml(bundle.policy).encode()
    members[_VERDICTS] = _json(_documents(told))
    members[_SUMS] = _sums(members)
    size = sum(len(name) * 2 + len(octets) + 200 for name, octets in members.items())
    if size > MAX_BUNDLE_BYTES:
        raise UsageError(
            tr(
                "the bundle would be larger than {max_bundle_bytes:,} bytes: nothing was written",
                max_bundle_bytes=MAX_BUNDLE_BYTES,
            ),
            advice=tr("give fewer lists, or OCSP responses instead of long lists"),
        )
    return archive(dict(sorted(members.items()))), told


def write(path: Path, bundle: Bundle) -> tuple[str, tuple[Verdict, ...]]:
    """Write a bundle (0600, never over a file): its SHA-256 and its verdicts.

    Raises UsageError, StorageError.
    """
    data, told = pack(bundle)
    write_atomic(path, data)
    return hashlib.sha256(data).hexdigest(), told


def examine(
    data: bytes, known: Callable[[x509.Certificate], bool], policy: Policy | None = None
) -> Examination:
    """Verify the digests of a bundle, check again at its instant, and compare.

    ``known`` tells whether the reader believes a root by himself; ``policy`` is the one that it
    must have been made with, by default any shipped one. Raises UnreadableError when the bundle
    is not whole: changed, cut, with something missing or added.
    """
    bundle, recorded = unpack(data)
    told = bundle.verdicts()
    return Examination(
        bundle,
        hashlib.sha256(data).hexdigest(),
        told,
        differences(recorded, _documents(told)),
        tuple(root for root in bundle.store.roots if not known(root)),
        is_shipped(bundle.policy) if policy is None else same(bundle.policy, policy),
    )


def unpack(data: bytes) -> tuple[Bundle, list[Any]]:
    """A bundle out of its octets, digests verified, and its recorded verdicts as JSON values.

    Raises UnreadableError.
    """
    if len(data) > MAX_BUNDLE_BYTES:
        raise UnreadableError(
            tr(
                "larger than {max_bundle_bytes:,} bytes, so it was not read",
                max_bundle_bytes=MAX_BUNDLE_BYTES,
            )
        )
    try:
        members = members_of(data)
        _require_whole(members)
        return _bundle(members)
    except UnreadableError as error:
        raise UnreadableError(
            tr("no bundle that can be believed: {message}", message=error.message),
            advice=tr("nothing in it was used; get it again from where it was made"),
        ) from None


# -- reading -----------------------------------------------------------------------------------


def _require_whole(members: Mapping[str, bytes]) -> None:
    """Every member is one of ours, listed, in order, and as its digest says."""
    for name in members:
        match = _NAME.fullmatch(name)
        if name not in _SINGLE and (match is None or _FOLDERS.get(match[1]) != match[2]):
            raise UnreadableError(tr("{name!r} is no part of a bundle", name=name))
    missing = sorted(_SINGLE - members.keys())
    if missing:
        raise UnreadableError(tr("{missing} is missing", missing=missing[0]))
    if list(members) != sorted(members):
        raise UnreadableError(tr("its members are out of order"))
    listed = set(members[_SUMS].splitlines(keepends=True))
    for name, octets in members.items():
        if name != _SUMS and _sum(name, octets) not in listed:
            raise UnreadableError(tr("{name} is not what its SHA-256 says", name=name))
    if members[_SUMS] != _sums(members):
        raise UnreadableError(tr("{sums} lists something else than what is there", sums=_SUMS))


def _bundle(members: Mapping[str, bytes]) -> tuple[Bundle, list[Any]]:
    about, recorded = _from_json(members, _ABOUT), _from_json(members, _VERDICTS)
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise UnreadableError(tr("{about} doesn't say {format}", about=_ABOUT, format=FORMAT))
    at, sources = about.get("at"), about.get("sources")
    if not isinstance(at, str) or not isinstance(sources, dict):
        raise UnreadableError(tr("{about} doesn't say instant and sources", about=_ABOUT))
    if not all(isinstance(source, str) for source in sources.values()):
        raise UnreadableError(tr("{about} has a source that is no text", about=_ABOUT))
    if not isinstance(recorded, list):
        raise UnreadableError(tr("{verdicts} holds no list", verdicts=_VERDICTS))

    def read(folder: str, parse: Callable[[bytes, str], _Part]) -> tuple[_Part, ...]:
        found = sorted(name for name in members if name.startswith(f"{folder}/"))
        return tuple(_part(name, members[name], sources.get(name, ""), parse) for name in found)

    bundle = Bundle(
        at=_instant(at),
        policy=_policy(members[_POLICY]),
        certificates=read("certificates", _certificate),
        store=TrustStore(read("anchors", _certificate), read("intermediates", _certificate)),
        untrusted=read("untrusted", _certificate),
        crls=read("crls", Crl),
        responses=read("ocsp", OcspResponse),
    )
    if not bundle.certificates or not bundle.store.roots:
        raise UnreadableError(tr("it holds no certificate, or no anchor"))
    return bundle, recorded


_Part = TypeVar("_Part")


def _part(name: str, octets: bytes, source: str, parse: Callable[[bytes, str], _Part]) -> _Part:
    try:
        return parse(octets, source)
    except IgcError as error:
        raise UnreadableError(tr("{name}: {message}", name=name, message=error.message)) from None


def _certificate(octets: bytes, source: str) -> x509.Certificate:
    found = load(octets, source=source).certificates
    if len(found) != 1 or found[0].public_bytes(Encoding.DER) != octets:
        raise UnreadableError(tr("not one certificate, in DER"))
    return found[0]


def _policy(octets: bytes) -> Policy:
    try:
        policy = parse_policy(octets, _POLICY)
    except ConfigError as error:
        raise UnreadableError(error.message) from None
    if policy.path.max_length > _MAX_LENGTH or policy.path.max_candidates > _MAX_CANDIDATES:
        raise UnreadableError(tr("{policy} asks for the search of too many chains", policy=_POLICY))
    return policy


def _instant(text: str) -> datetime:
    try:
        at = parse_instant(text)
        written = iso(at)
    except (UsageError, OverflowError):
        written = None
    if written != text:
        raise UnreadableError(tr("{text!r} is no instant as it is written here", text=text))
    return at


def _from_json(members: Mapping[str, bytes], name: str) -> Any:
    try:
        return json.loads(members[name])
    except (ValueError, RecursionError):
        raise UnreadableError(tr("{name} is no JSON", name=name)) from None


_Told = TypeVar("_Told", Crl, OcspResponse)


# -- writing -----------------------------------------------------------------------------------


def _by_digest(certificates: Iterable[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    return tuple(sorted(dict.fromkeys(certificates), key=fingerprint))


def _by_sha256(found: Iterable[_Told]) -> tuple[_Told, ...]:
    distinct: dict[str, _Told] = {}
    for item in found:
        distinct.setdefault(item.sha256, item)
    return tuple(item for _, item in sorted(distinct.items()))


def _pieces(bundle: Bundle) -> Iterator[tuple[str, bytes, str]]:
    """Name, octets and source of all that is kept as it was received."""
    certificates = {
        "anchors": bundle.store.roots,
        "certificates": bundle.certificates,
        "intermediates": bundle.store.intermediates,
        "untrusted": bundle.untrusted,
    }
    for folder, found in certificates.items():
        yield from _numbered(folder, ((item.public_bytes(Encoding.DER), "") for item in found))
    yield from _numbered("crls", ((item.octets, item.source) for item in bundle.crls))
    yield from _numbered("ocsp", ((item.octets, item.source) for item in bundle.responses))


def _numbered(folder: str, items: Iterable[tuple[bytes, str]]) -> Iterator[tuple[str, bytes, str]]:
    for number, (octets, source) in enumerate(items, 1):
        yield f"{folder}/{number:04}.{_FOLDERS[folder]}", octets, source


def _documents(verdicts: Iterable[Verdict]) -> list[Any]:
    plain: list[Any] = json.loads(json.dumps([verdict.to_dict() for verdict in verdicts]))
    return plain


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _sums(members: Mapping[str, bytes]) -> bytes:
    return b"".join(_sum(name, members[name]) for name in sorted(members) if name != _SUMS)


def _sum(name: str, octets: bytes) -> bytes:
    return f"{hashlib.sha256(octets).hexdigest()}  {name}\n".encode()
