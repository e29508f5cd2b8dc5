"""``igc bundle``: a check with all that it rests on, in one file; and the same check again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import CertificateInvalidError, UnreadableError
from ..instants import iso, parse_instant, shown
from ..messages import localized, tr
from ..text import printable
from ..words import said
from . import ask, completing
from .check_options import check_options
from .command import group
from .output import Settings, common_options, emit, grouped, print_error, say, say_pairs

if TYPE_CHECKING:
    from cryptography import x509

    from ..certs.offline.bundle import Bundle, Examination
    from ..certs.policy import Policy
    from ..certs.verdict import Verdict
    from ..secret import Secret

_COLOURS = {"good": "green", "revoked": "red", "invalid": "red", "unknown": "yellow"}
_paths = click.Path(path_type=Path)


@group("bundle")
@common_options
def bundle_command(settings: Settings) -> None:
    """Keep a check for later: certificates, anchors, lists, OCSP answers, policy and verdict.

    A bundle is a ZIP file that needs no network and nothing of this machine to be checked
    again, years later, at the same instant. It isn't signed: note the SHA-256 that make tells,
    or sign the file.

    \b
    Examples:
      igc bundle make proof.zip server.pem
      igc bundle check proof.zip
    """


@bundle_command.command("make")
@click.argument("out", type=_paths)
@click.argument(
    "files", nargs=-1, required=True, type=_paths, shell_complete=completing.certificates
)
@click.option("--at", metavar="INSTANT", help="Check as of this instant (ISO 8601), not now.")
@click.option("--offline", is_flag=True, help="Fetch nothing: given and kept lists only.")
@grouped(
    "given",
    click.option("--anchors", multiple=True, type=_paths, help="Trusted roots (and CAs)."),
    click.option("--untrusted", multiple=True, type=_paths, help="More CA certificates."),
    click.option("--crl", multiple=True, type=_paths, help="CRL file or folder. Repeatable."),
    click.option("--ocsp", multiple=True, type=_paths, help="OCSP response file. Repeatable."),
)
@click.option("--password-source", help="Where the password of a PKCS#12 comes from.")
@check_options
@common_options
def bundle_make(
    settings: Settings,
    policy: Policy,
    out: Path,
    files: tuple[Path, ...],
    at: str | None,
    offline: bool,
    given: dict[str, tuple[Path, ...]],
    password_source: str | None,
) -> None:
    """Check the certificates in FILES, and write OUT, a new file, with all that it took.

    Exit code 0 once it is written, whatever the verdict: that is in it.

    \b
    Examples:
      igc bundle make 2026-11-22.igc.zip server.pem
      igc bundle make proof.zip signer.pem --at 2026-01-05 --crl lists/
    """
    from ..certs.offline.bundle import write

    password = ask.optional_secret(password_source)
    instant = parse_instant(at) if at else datetime.now(UTC)
    inside = _certificates(files, password)
    bundle = _gathered(settings, policy, inside, instant, given, offline=offline)
    if not at:  # what was fetched just now was made just now
        bundle = replace(bundle, at=datetime.now(UTC))
    bundle = bundle.ordered()
    sha256, told = write(out, bundle)
    if settings.json:
        emit(
            {**_described(out, bundle, sha256), "verdicts": _documents(told)}, schema="igc.bundle/1"
        )
        return
    for verdict in told:
        _say_verdict(verdict)
    _say_bundle(out, bundle, sha256)


def _gathered(
    settings: Settings,
    policy: Policy,
    inside: list[x509.Certificate],
    at: datetime,
    given: dict[str, tuple[Path, ...]],
    *,
    offline: bool,
) -> Bundle:
    """The check made, with the network unless ``offline``, and what it took."""
    from ..certs.crl.store import CrlStore
    from ..certs.load import crls_from_path
    from ..certs.network.fetch import CrlFetcher
    from ..certs.ocsp.cache import OcspCache
    from ..certs.ocsp.client import OcspClient
    from ..certs.ocsp.response import ocsp_response_from_path
    from ..certs.offline.gather import gather
    from .chosen import profile_of
    from .connect import access_of, trust_store

    profile = profile_of(settings)
    access = access_of(profile)
    more = _certificates((*given["untrusted"], *profile.untrusted))
    return gather(
        [item for item in inside if not _is_authority(item)] or inside,
        trust_store(profile, given["anchors"]),
        at=at,
        policy=policy,
        untrusted=(*more, *filter(_is_authority, inside)),
        crls=[crl for path in given["crl"] for crl in crls_from_path(path)],
        responses=map(ocsp_response_from_path, given["ocsp"]),
        crl_store=CrlStore(),
        fetcher=None if offline else CrlFetcher(access),
        client=None if offline else OcspClient(access),
        cache=None if offline else OcspCache(),
    )


@bundle_command.command("check")
@click.argument("file", type=_paths)
@click.option(
    "--anchors",
    multiple=True,
    type=_paths,
    help="Believe only these roots, not the pinned or imported ones. Repeatable.",
)
@click.option(
    "--policy",
    metavar="NAME|FILE",
    help="The policy that the bundle must have been made with. Default: any shipped one.",
)
@click.option("--sha256", metavar="HEX", help="The bundle must be the file of this SHA-256.")
@common_options
def bundle_check(
    settings: Settings,
    file: Path,
    anchors: tuple[Path, ...],
    policy: str | None,
    sha256: str | None,
) -> int:
    """Verify the digests in FILE, check again at its instant from its content alone, compare.

    The anchors in a bundle are believed when their fingerprint is pinned (igc trust list), or
    when you imported them; with --anchors, only when they are among those. Its policy is
    believed when it is a shipped one (igc policy show), or equal to yours: --policy. Exit code:
    that of the verdict (the worst one), or 6 when the bundle can't be believed.

    \b
    Examples:
      igc bundle check proof.zip
      igc bundle check proof.zip --anchors authorities/
    """
    from ..certs.offline.bundle import MAX_BUNDLE_BYTES, examine
    from ..certs.policy import load_policy
    from ..files import read_bounded

    known = _known_anchor(settings, anchors)
    expected = load_policy(policy) if policy else None
    data = read_bounded(file, MAX_BUNDLE_BYTES)
    try:
        found = examine(data, known, expected)
    except UnreadableError as error:
        raise UnreadableError(
            tr("{path}: {message}", path=file, message=error.message), advice=error.advice
        ) from None
    if sha256 and sha256.replace(":", "").lower() != found.sha256:
        raise CertificateInvalidError(
            tr(
                "{file}: another bundle than the one asked for: its SHA-256 is {sha256}",
                file=file,
                sha256=found.sha256,
            )
        )
    if settings.json:
        emit(
            {**_described(file, found.bundle, found.sha256), **_judged(found)},
            schema="igc.bundle.check/1",
        )
    else:
        for verdict in found.verdicts:
            _say_verdict(verdict, believed=found.believed)
        _say_bundle(file, found.bundle, found.sha256)
    return _outcome(file, found, insisting=bool(anchors), policy=policy)


def _outcome(file: Path, found: Examination, *, insisting: bool, policy: str | None) -> int:
    """The exit code, and on stderr why the bundle isn't believed."""
    from ..certs.anchors import fingerprint
    from ..certs.x509.names import display_subject

    refusal = None
    if found.unknown_anchors:
        names = "; ".join(
            f"{display_subject(root)} ({fingerprint(root)})" for root in found.unknown_anchors
        )
        refusal = CertificateInvalidError(
            tr(
                "{file}: its verdict is not believed, since it rests on an anchor that "
                "--anchors doesn't hold: {names}",
                file=file,
                names=names,
            )
            if insisting
            else tr(
                "{file}: its verdict is not believed, since it rests on an anchor that "
                "only the bundle vouches for: {names}",
                file=file,
                names=names,
            ),
            advice=tr(
                "if you know that anchor by other means, give yours with --anchors, or "
                "import it with `igc trust import --unpinned`"
            ),
        )
    elif not found.policy_expected:
        refusal = _other_policy(file, found.bundle.policy, policy)
    elif found.differences:
        refusal = CertificateInvalidError(
            tr(
                "{file}: the check doesn't give the recorded verdict: {differences}",
                file=file,
                differences=found.differences[0],
            ),
            advice=tr("the verdict above is that of the check that was made now"),
        )
    if refusal is None:
        return max((int(v.exit_code) for v in found.verdicts), key=_severity)
    print_error(refusal, as_json=False)
    return int(refusal.exit_code)


def _other_policy(file: Path, made_with: Policy, asked: str | None) -> CertificateInvalidError:
    from ..certs.policy import is_shipped, shipped_policies

    name = made_with.name
    what = tr("its own ({name!r}), not one that is shipped", name=name)
    if is_shipped(made_with):
        what = tr("{name!r}, which is shipped", name=name)
    elif name in {policy.name for policy in shipped_policies()}:
        what = tr("its own, under the name of the shipped one {name!r}", name=name)
    told = tr(
        "{file}: its verdict is not believed, since the policy is {what}", file=file, what=what
    )
    if asked:
        told = tr("{told}, and not {asked!r}, which --policy asks for", told=told, asked=asked)
    return CertificateInvalidError(
        told,
        advice=tr("if it was to be made with a policy that you know, give that one with --policy"),
    )


def _severity(code: int) -> int:
    """Invalid, revoked, unknown, stale, good: 6 to 9 and 0."""
    return -code if code else -100


def _known_anchor(
    settings: Settings, anchors: tuple[Path, ...]
) -> Callable[[x509.Certificate], bool]:
    from ..certs.anchors import pinned_entry
    from .chosen import profile_of
    from .connect import trust_store

    if anchors:
        return set(_certificates(anchors)).__contains__
    own = set(trust_store(profile_of(settings)).roots)
    return lambda root: root in own or pinned_entry(root) is not None


# -- what is given -------------------------------------------------------------------------


def _certificates(
    paths: tuple[Path, ...], password: Secret | None = None
) -> list[x509.Certificate]:
    from ..certs.load import certificates_from_path

    return [c for path in paths for c in certificates_from_path(path, password)]


def _is_authority(certificate: x509.Certificate) -> bool:
    from ..certs.x509.extensions import Extensions

    return Extensions(certificate).is_authority


# -- what is told --------------------------------------------------------------------------


def _described(file: Path, bundle: Bundle, sha256: str) -> dict[str, Any]:
    from ..certs.policy import is_shipped

    return {
        "file": file,
        "sha256": sha256,
        "at": iso(bundle.at),
        "policy": bundle.policy.name,
        "shipped_policy": is_shipped(bundle.policy),
        "anchors": [_anchor(root) for root in bundle.store.roots],
        "crls": len(bundle.crls),
        "ocsp_responses": len(bundle.responses),
    }


def _anchor(root: x509.Certificate) -> dict[str, Any]:
    from ..certs.anchors import fingerprint, pinned_entry
    from ..certs.x509.names import display_subject

    pin = pinned_entry(root)
    return {
        "subject": display_subject(root),
        "sha256": fingerprint(root),
        "pin": pin.source if pin else None,
    }


def _judged(found: Examination) -> dict[str, Any]:
    return {
        "believed": found.believed,
        "policy_expected": found.policy_expected,
        "differences": list(found.differences),
        "unknown_anchors": [_anchor(root) for root in found.unknown_anchors],
        "verdicts": _documents(found.verdicts),
    }


def _documents(verdicts: tuple[Verdict, ...]) -> list[Any]:
    return [verdict.to_dict() for verdict in verdicts]


def _say_verdict(verdict: Verdict, *, believed: bool = True) -> None:
    from ..certs.x509.names import display_subject

    kind = str(verdict.kind)
    word = click.style(localized(said(kind)).upper(), fg=_COLOURS.get(kind, "yellow"), bold=True)
    if not believed:
        told = localized(tr("NOT BELIEVED (the bundle says {kind})", kind=said(kind)))
        word = click.style(told, fg="red", bold=True)
    say(f"{word}  {printable(display_subject(verdict.certificate))}")
    for reason in (*verdict.reasons, *verdict.notices):
        say(f"    {printable(localized(reason.message))}")


def _say_bundle(file: Path, bundle: Bundle, sha256: str) -> None:
    from ..certs.policy import is_shipped

    known = tr("shipped")
    if not is_shipped(bundle.policy):
        known = tr("its own, not one that is shipped")
    say("")
    say_pairs(
        [
            (tr("Bundle"), str(file)),
            (tr("SHA-256"), sha256),
            (tr("At"), shown(bundle.at, seconds=True)),
            (tr("Policy"), tr("{name} ({known})", name=bundle.policy.name, known=known)),
            *((tr("Anchor"), _anchor_text(root)) for root in bundle.store.roots),
            (
                tr("Evidence"),
                tr(
                    "{count} CRL, {count_2} OCSP responses",
                    count=len(bundle.crls),
                    count_2=len(bundle.responses),
                ),
            ),
        ]
    )


def _anchor_text(root: x509.Certificate) -> str:
    told = _anchor(root)
    if told["pin"]:
        return tr("{subject} (pin {source})", subject=told["subject"], source=said(told["pin"]))
    return tr("{subject} (no pin)", subject=told["subject"])
