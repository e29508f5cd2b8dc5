"""What ``--json`` prints is what its schemas say: the real commands, on simulated parts."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from jsonschema import Draft202012Validator, FormatChecker

from igcsante.card import readers
from igcsante.certs.export import certificate_pem
from igcsante.certs.handover import FORMS, SUFFIXES
from igcsante.certs.nomenclatures import CARD_TYPES, PRODUCTS
from igcsante.certs.policy import Source
from igcsante.certs.verdict import Kind
from igcsante.certs.x509.extensions import key_usage_names
from igcsante.cli import main, sim_platform, stopping
from igcsante.cli.card_keys import SCHEMES
from igcsante.cli.schemas import names, schema
from igcsante.cli.status import STANDINGS
from igcsante.errors import CardAbsentError, ExitCode, NetworkError, UsageError
from igcsante.files import write_atomic
from igcsante.identifiers import NationalId
from igcsante.testing import demo
from igcsante.testing import world as world_module
from igcsante.testing.cards import PrivatePcscd, SimulatedReader, load_profile
from igcsante.testing.pki.leaves import SOFTWARE, PersonName, SoftwareSubject, StructureName
from igcsante.testing.pki.simulated import new_key
from igcsante.testing.world import SimulatedWorld
from igcsante.tls.probe import VERSIONS, Outcome
from igcsante.ws.contract.conformity import Level
from igcsante.ws.contract.mapping import contract_file
from igcsante.ws.orders.journal import OrderState
from igcsante.ws.orders.order_key import KeyPlace
from igcsante.ws.orders.park import Standing
from igcsante.ws.vocabulary import Offre, ScopeKind, Usage, World

SOURCES = Path(main.__file__).parent
OPEN_OBJECTS = {"error", "environment", "raw_extensions"}
SECRETS = {"PIN": "1234", "CODE": "un code de révocation", "P12": "un mot de passe"}
PIN = ("--pin-source", "env:PIN")
WITHDRAWAL = ("--revocation-code-source", "env:CODE", "--accept-cgu", *PIN)
ORDER = (
    *("--profile", "sim", "order", "--usage", "AUTH_CLI", "--structure", "10B0999003"),
    *("--service", "schemas", "--email", "certificats@ch-simulation.example"),
)
STRUCTURE = StructureName("Paris (75)", "CENTRE HOSPITALIER SIMULATION", "10B0999003")
PERSON = PersonName("Médecin", "CAMILLE", "SIMULATION", "899700990031")

Line = dict[str, Any]
FORMATS = FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def _is_instant_in_utc(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).utcoffset() == timedelta()


@FORMATS.checks("uri", raises=ValueError)
def _is_url(value: object) -> bool:
    return not isinstance(value, str) or bool(urlsplit(value).scheme and urlsplit(value).netloc)


@cache
def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(schema(name), format_checker=FORMATS)


def problems(line: Line, name: str | None = None) -> list[str]:
    """What the schema that ``line`` names, or ``name``, finds wrong with it."""
    return [error.message for error in validator(name or line["schema"]).iter_errors(line)]


def spoiled(value: Any) -> Iterator[Any]:
    """``value`` with something unknown in one of the objects that we define."""
    if isinstance(value, dict):
        yield {**value, "surprise": 1}
        for key, inner in value.items():
            if key not in OPEN_OBJECTS:
                yield from ({**value, key: wrong} for wrong in spoiled(inner))
    elif isinstance(value, list) and value:
        yield from ([wrong, *value[1:]] for wrong in spoiled(value[0]))


def check_strictness(line: Line) -> None:
    """Nothing may be missing from ``line``, nothing added."""
    for key in line:
        shortened = {other: line[other] for other in line if other != key}
        assert problems(shortened, line["schema"]), f"{line['schema']} works without {key}"
    for wrong in spoiled(line):
        assert problems(wrong), f"{line['schema']} takes anything: {wrong}"


class CommandLine:
    """Runs ``igc … --json`` in this process and holds each line against its schema."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.code = 0

    def __call__(self, *arguments: str | Path) -> list[Line]:
        self._capsys.readouterr()
        self.code = main.run([*map(str, arguments), "--json"])
        lines: list[Line] = [
            json.loads(text) for text in self._capsys.readouterr().out.splitlines()
        ]
        for line in lines:
            assert problems(line) == [], line
        for line in {tuple(line): line for line in lines}.values():
            check_strictness(line)
        return lines


@pytest.fixture(scope="module")
def world() -> Iterator[SimulatedWorld]:
    with SimulatedWorld() as running:
        (running.directory / "config.toml").write_text(running.profile_toml())
        yield running


@pytest.fixture
def igc(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> CommandLine:
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return CommandLine(capsys)


@pytest.fixture
def in_world(world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch) -> SimulatedWorld:
    """The world, its profile configured, its cards in this machine's readers."""
    monkeypatch.setenv("IGC_CONFIG_DIR", str(world.directory))
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    found = [
        SimulatedReader("First", world.card("cps3")),
        SimulatedReader("Second", world.card("cps4")),
        SimulatedReader("Empty"),
    ]
    monkeypatch.setattr(readers, "system_readers", lambda: found)
    return world


@pytest.fixture
def pem(tmp_path: Path) -> Callable[[x509.Certificate], Path]:
    """Writes a certificate to a file of its own."""

    def write(certificate: x509.Certificate) -> Path:
        path = tmp_path / f"{certificate.serial_number:x}.pem"
        path.write_bytes(certificate_pem(certificate))
        return path

    return write


# -- the schemas themselves ------------------------------------------------------------------


def test_every_schema_that_is_printed_has_a_file_and_every_file_is_printed() -> None:
    sources = "".join(path.read_text("utf-8") for path in SOURCES.glob("*.py"))
    assert set(re.findall(r'schema="([^"]+)"', sources)) == set(names())
    with pytest.raises(UsageError, match="no JSON schema"):
        schema("../../setup/1")


@pytest.mark.parametrize("name", names())
def test_schema_is_valid_self_contained_and_described(name: str) -> None:
    whole = schema(name)
    Draft202012Validator.check_schema(whole)
    assert whole["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    assert whole["$id"] == f"urn:x-igcsante-toolkit:json:{name}"
    assert whole["properties"]["schema"]["const"] == name
    assert whole["title"]
    ids = {part["$id"] for part in every_part(whole) if "$id" in part}
    for part in every_part(whole):
        if part.get("$ref", "#").startswith("urn:"):
            assert part["$ref"].partition("#")[0] in ids
        for key, of_property in part.get("properties", {}).items():
            assert "description" in of_property or set(of_property) == {"const"}, key


def every_part(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from every_part(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from every_part(inner)


ORDER_FIELDS = "$defs/order/properties"
EVERY_KEY_USAGE = key_usage_names(x509.KeyUsage(*[True] * 9))
CLOSED_LISTS: list[tuple[str, str, Any]] = [
    ("igc.card.id/1", "properties/type", (name for name, _ in NationalId.TYPES.values())),
    ("igc.card.signature/1", "properties/scheme", SCHEMES),
    ("igc.card.tls/1", "properties/outcome", Outcome),
    ("igc.card.tls/1", "properties/version", VERSIONS),
    ("igc.certificate/1", "properties/card_type", [*CARD_TYPES.values(), None]),
    ("igc.certificate/1", "properties/key_usages/items", EVERY_KEY_USAGE),
    ("igc.certificate/1", "properties/offer", [*Offre, None]),
    ("igc.certificate/1", "properties/product", [*PRODUCTS.values(), None]),
    ("igc.certificate/1", "properties/usage", [*Usage, None]),
    ("igc.check/1", "$defs/kind", Kind),
    (
        "igc.check/1",
        "$defs/verdict/properties/revocation/items/properties/reason",
        [*(flag.value for flag in x509.ReasonFlags), None],
    ),
    (
        "igc.error/1",
        "$defs/error/properties/exit_code",
        set(ExitCode) - {ExitCode.GOOD, ExitCode.ENDING},
    ),
    ("igc.export/1", "properties/form", FORMS),
    ("igc.habilitation/1", "properties/offre", Offre),
    ("igc.habilitation/1", "properties/scope/properties/kind", ScopeKind),
    ("igc.habilitation/1", "properties/usages/items", Usage),
    ("igc.habilitation/1", "properties/world", World),
    ("igc.order/1", "$defs/state", OrderState),
    ("igc.order/1", f"{ORDER_FIELDS}/key_mode", ["", *KeyPlace]),
    ("igc.order/1", f"{ORDER_FIELDS}/offre", Offre),
    ("igc.order/1", f"{ORDER_FIELDS}/usage", Usage),
    ("igc.revocation/1", "$defs/published/properties/source", Source),
    ("igc.status/1", "properties/standing", Standing),
    ("igc.status/1", "properties/offre", Offre),
    ("igc.status/1", "properties/usage", Usage),
    ("igc.ws.finding/1", "properties/level", Level),
]


@pytest.mark.parametrize(("name", "place", "values"), CLOSED_LISTS)
def test_closed_list_is_that_of_the_code(name: str, place: str, values: Any) -> None:
    part: Any = schema(name)
    for key in place.split("/"):
        part = part[key]
    assert set(part["enum"]) == set(values)


def test_help_lists_the_schemas(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["help", "json"]) == 0
    told = capsys.readouterr().out
    for name in names():
        assert re.search(rf"^{re.escape(name)} +{re.escape(schema(name)['title'])}$", told, re.M)


# -- certificates --------------------------------------------------------------------------


def test_verdicts_and_unreadable_files(
    igc: CommandLine,
    in_world: SimulatedWorld,
    pem: Callable[[x509.Certificate], Path],
    tmp_path: Path,
) -> None:
    pki, now = in_world.pki, datetime.now(UTC)
    good, revoked = (pki.issue_server(("127.0.0.1",), now).certificate for _ in range(2))
    pki.revoke(revoked.serial_number, now, x509.ReasonFlags.key_compromise)
    for code in pki.authorities:
        write_atomic(tmp_path / "lists" / f"{code}.crl", pki.crl(code, now))
    check = ("--profile", "sim", "check")
    later = (now + timedelta(days=300)).isoformat()

    told = igc(*check, pem(good), pem(revoked))
    assert [line["verdict"] for line in told] == ["good", "revoked"]
    assert told[1]["revocation"][0]["reason"] == "keyCompromise"
    (line,) = igc(*check, pem(good), "--offline")
    assert line["verdict"] == "unknown"
    told = igc(*check, pem(good), pem(revoked), *("--offline", "--crl", "lists", "--at", later))
    assert [line["verdict"] for line in told] == ["stale", "stale"]
    assert told[1]["revoked_on"]
    (line,) = igc(*check, pem(good), "--at", "2001-01-01")
    assert line["verdict"] == "invalid"
    (line,) = igc("check", pem(good), *("--offline", "--anchors", pem(pki.roots[-1])))
    assert (line["verdict"], len(line["chain"])) == ("invalid", 1)

    noise = tmp_path / "noise.pem"
    noise.write_bytes(b"\x00noise" * 100)
    told = igc(*check, noise, pem(good), tmp_path / "nothing")
    assert [line.get("error", {}).get("code") for line in told] == [
        "certificate.unreadable",
        None,
        "usage",
    ]


def test_wrong_verdict_is_refused(
    igc: CommandLine, in_world: SimulatedWorld, pem: Callable[[x509.Certificate], Path]
) -> None:
    leaf = in_world.pki.issue_server(("127.0.0.1",), datetime.now(UTC)).certificate
    (line,) = igc("--profile", "sim", "check", pem(leaf))
    wrong: list[Line] = [
        {"verdict": "fine"},
        {"verdict": None},
        {"at": "2026-11-22T09:00:00+01:00"},
        {"at": 1763802000},
        {"exit_code": "0"},
        {"chain": {}},
        {"schema": "igc.check/2"},
        {"certificate": {**line["certificate"], "serial": "0x1F"}},
        {"ok": False, "error": {"code": "usage", "message": "", "advice": "", "exit_code": 2}},
    ]
    for change in wrong:
        assert problems({**line, **change}, "igc.check/1"), change


def test_inspection_of_every_simulated_product(
    igc: CommandLine, in_world: SimulatedWorld, pem: Callable[[x509.Certificate], Path]
) -> None:
    key, now = new_key(), datetime.now(UTC)
    subjects = {
        "ORG": SoftwareSubject("service", STRUCTURE),
        "SERV": SoftwareSubject("a.example", STRUCTURE, names=("a.example",), mail="a@b.example"),
        "PRO": SoftwareSubject(structure=STRUCTURE, person=PERSON, mail="a@b.example"),
        "PS": SoftwareSubject(
            person=PERSON, mail="a@b.example", profession_code=10, specialty="SM54"
        ),
    }
    issued = [
        in_world.pki.issue_software(
            offre=offre, usage=usage, subject=subjects[offre], public_key=key.public_key(), at=now
        )
        for offre, usage in SOFTWARE
    ]
    cards = [in_world.card_material(load_profile(name)) for name in ("cps3", "cps4")]
    issued += [pair.certificate for card in cards for pair in (card.authentication, card.signature)]
    told = igc("inspect", *map(pem, (*issued, *in_world.anchors)))
    assert {line["product"] for line in told} == {"card", "software", None}
    assert {line["usage"] for line in told} == {*map(str, Usage), None}


def test_inspection_of_a_strange_certificate(
    igc: CommandLine, pem: Callable[[x509.Certificate], Path]
) -> None:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    oid = x509.ObjectIdentifier("1.2.3.4")
    certificate = (
        x509.CertificateBuilder(x509.Name([]), x509.Name([]), key.public_key(), 1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.UnrecognizedExtension(oid, b"\x05\x00"), critical=True)
        .sign(key, hashes.SHA256())
    )
    (line,) = igc("inspect", pem(certificate))
    assert line["raw_extensions"] == {"1.2.3.4": "0500"}
    assert (line["hierarchy"], line["world"], line["offer"]) == ("other", "unknown", None)


def test_inspection_and_verdicts_of_real_certificates(igc: CommandLine) -> None:
    folder = Path(__file__).parents[2].parent / "shared" / "certs"
    if not (folder / "MANIFEST.csv").is_file():
        pytest.skip("the folder of real certificates, ../shared/certs, is not there")
    files = [folder / name for name in ("ca", "ee", "legacy", "negative")]
    told = igc("inspect", *files)
    assert {line["hierarchy"] for line in told} == {"IGC-SANTE", "IGC-CPS"}
    lists = ("--anchors", folder / "ca", "--crl", folder / "crl")
    told = igc("check", *files[1:], *lists, *("--offline", "--at", "2019-06-28T12:00:00Z"))
    assert {line["verdict"] for line in told} == {"good", "revoked", "invalid", "unknown"}


def test_trust_anchors(igc: CommandLine, in_world: SimulatedWorld) -> None:
    pinned = igc("trust", "list")
    assert not any(line["imported"] for line in pinned)
    anchors = in_world.directory / "anchors"
    *refused, error = igc("trust", "import", anchors)
    assert {line["outcome"] for line in refused} == {"refused"}
    assert error["error"]["code"] == "certificate.invalid"
    imported = igc("trust", "import", "--unpinned", anchors)
    assert {line["outcome"] for line in imported} == {"imported"}
    again = igc("trust", "import", "--unpinned", anchors)
    assert {line["outcome"] for line in again} == {"already there"}
    assert len(igc("trust", "list")) == len(pinned) + len(imported)


def test_one_authority_shown_fetched_and_removed(
    igc: CommandLine, in_world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    igc("trust", "import", "--unpinned", in_world.directory / "anchors")
    (imported, *_) = [line for line in igc("trust", "list") if line["imported"]]
    (shown,) = igc("trust", "show", imported["sha256"])
    assert shown["subject"] == imported["name"]
    (removed,) = igc("trust", "remove", imported["sha256"])
    assert removed["outcome"] == "removed"
    (pinned,) = igc("trust", "show", "ACR-EL")
    assert (pinned["path"], pinned["imported"]) == (None, False)
    from igcsante.certs import anchor_fetch

    def unreachable(url: str, *_: object, **__: object) -> bytes:
        raise NetworkError(f"{url}: unreachable")

    monkeypatch.setattr(anchor_fetch, "fetch_body", unreachable)
    (failed,) = igc("trust", "fetch", "ACR-EL")
    assert (failed["outcome"], failed["error"]["code"]) == ("failed", "network")


def test_lists_that_are_kept(
    igc: CommandLine,
    in_world: SimulatedWorld,
    pem: Callable[[x509.Certificate], Path],
    tmp_path: Path,
) -> None:
    server = in_world.pki.issue_server(("127.0.0.1",), datetime.now(UTC)).certificate
    in_world.pki.revoke(server.serial_number, datetime.now(UTC))
    updated = igc("--profile", "sim", "crl", "update", pem(server))
    assert {line["outcome"] for line in updated} == {"fetched"}
    again = igc("--profile", "sim", "crl", "update", pem(server))
    assert {line["outcome"] for line in again} == {"not due"}
    kept = igc("crl", "list")
    assert len(kept) == len(updated) == 2
    organisations = "ORGANISATIONS SIMULATION"
    (shown,) = igc("crl", "show", organisations)
    assert shown["entry"] is None
    (shown,) = igc("crl", "show", organisations, "--serial", f"{server.serial_number:x}")
    assert (igc.code, shown["entry"]["reason"]) == (7, None)
    entries = igc("crl", "export", organisations)
    assert entries[-1]["crl_number"] == shown["number"]
    (written,) = igc("crl", "export", "--out", tmp_path / "revoked.csv")
    assert written["size"] == (tmp_path / "revoked.csv").stat().st_size
    (indexed,) = igc("--profile", "sim", "crl", "index", shown["path"])
    assert (indexed["sha256"], indexed["source"]) == (shown["sha256"], shown["path"])
    anchors = (
        "--anchors",
        in_world.directory / "anchors",
    )  # the default profile's hosts are others
    failed = igc("crl", "update", "--force", *anchors, pem(server))
    assert {line["outcome"] for line in failed} == {"failed"}


# -- readers, cards, orders ------------------------------------------------------------------


def test_readers_and_cards(igc: CommandLine, in_world: SimulatedWorld, tmp_path: Path) -> None:
    told = igc("readers")
    assert [line["generation"] for line in told] == ["CPS3", "CPS4", None]
    for name in ("First", "Second"):
        chosen = ("--reader", name, "card")
        (identifier,) = igc(*chosen, "id")
        (info,) = igc(*chosen, "info")
        assert info["holder"]["national_id"] == identifier["national_id"]
        assert len(info["certificates"]) == len(igc(*chosen, "certs")) == 2
        written = igc(*chosen, "certs", "--out", tmp_path / name)
        assert all(Path(line["file"]).is_file() for line in written)
        objects = igc(*chosen, "objects")
        assert len(objects) == info["data_objects"]
        (read,) = igc(*chosen, "objects", "--read", "CPS_INFO_PS")
        assert len(read["value"]) == 2 * read["size"]
        (activity,) = igc(*chosen, "activities", *PIN)
        assert activity["sector_label"]
        exported = igc(*chosen, "export", tmp_path / f"all-{name}", *PIN)
        cps2ter = igc(*chosen, "objects", "--cps2ter", *PIN)
        assert len(cps2ter) == (2 if info["generation"] == "CPS3" else 0)
        assert len(exported) == 2 + len(objects) + len(cps2ter)
    (line,) = igc("card", "cache", "clear")
    assert line["cards"] == 0
    (line,) = igc("--reader", "Third", "card", "id")
    assert line["error"]["readers"] == ["First", "Second", "Empty"]


def test_orders_from_habilitation_to_revocation(
    igc: CommandLine, in_world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    (refused,) = igc("--profile", "sim", "habilitations", *PIN)
    assert refused["error"]["code"] == "usage", "two cards are inserted"
    card = SimulatedReader("Only one", in_world.card("cps4"))
    monkeypatch.setattr(readers, "system_readers", lambda: [card])
    assert igc("orders") == []
    assert igc("--profile", "sim", "habilitations", *PIN)[0]["scope"]["kind"] == "AUCUN"
    (ordered,) = igc(*ORDER, "--order-only", *PIN)
    assert ordered["state"] == "ordered"
    password = ("--p12-password-source", "env:P12")
    (issued,) = igc("--profile", "sim", "retrieve", ordered["id"], *WITHDRAWAL, *password)
    assert issued["files"]["pkcs12"]
    (other,) = igc(*ORDER, *WITHDRAWAL, "--out", "other")
    assert "pkcs12" not in other["files"]
    (by_platform,) = igc(*ORDER, *WITHDRAWAL, "--key", "platform", *password, "--out", "third")
    assert "key" not in by_platform["files"] and by_platform["files"]["pkcs12"]
    (given,) = igc("export", ordered["id"], "--as", "curl", "--out", "curl")
    assert given["snippet"] and set(given["files"]) == {"fullchain", "key", "chain"}
    code = ("--revocation-code-source", "env:CODE", "--yes", *PIN)
    (revoked,) = igc("--profile", "sim", "revoke", ordered["id"], *code)
    states = [line["state"] for line in igc("orders")]
    assert states == ["withdrawn", "withdrawn", revoked["state"]]
    (again,) = igc("--profile", "sim", "revoke", ordered["id"], *code)
    assert (igc.code, again["revoked_on"]) == (0, revoked["revoked_on"])
    monkeypatch.setenv("PIN", "9999")
    (refused,) = igc("--profile", "sim", "habilitations", *PIN)
    assert refused["error"]["tries_left"] == 2


def test_orders_followed_shown_renewed_and_made_by_the_batch(
    igc: CommandLine, in_world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    card = SimulatedReader("Only one", in_world.card("cps4"))
    monkeypatch.setattr(readers, "system_readers", lambda: [card])
    sim = ("--profile", "sim")
    (ordered,) = igc(*ORDER, "--order-only", *PIN)
    igc(*ORDER, *WITHDRAWAL)
    assert [step["state"] for step in igc("orders", "show", "1")[0]["history"]][-1] == "ordered"
    assert {line["before"] for line in igc(*sim, "orders", "sync", *PIN)} == {
        "ordered",
        "withdrawn",
    }
    assert igc(*sim, "orders", "wait", ordered["id"], *PIN)[0]["state"] == "ordered"
    ours = [line for line in igc(*sim, "status", *PIN) if line["order"]]
    assert {line["standing"] for line in ours} == {"active", "to withdraw"}
    (renewed,) = igc(*sim, "renew", "2", "--early", *WITHDRAWAL)
    assert renewed["files"]
    (refused,) = igc(*sim, "renew", "3", *WITHDRAWAL)
    assert refused["error"]["code"] == "usage"
    file = tmp_path / "orders.csv"
    file.write_text("usage,service,structure,email\nSIGN,a,10B0999003,a@b.example\n")
    made, report = igc(*sim, "order", "--batch", file, *WITHDRAWAL)
    assert (made["outcome"], report["issued"]) == ("issued", 1)
    (already, _) = igc(*sim, "order", "--batch", file, *WITHDRAWAL)
    assert already["outcome"] == "already"
    file.write_text("usage,service,structure,email\nSIGN,b,10B0999003,a@b.example\n")
    in_world.platform.fail_next("F04")
    failed, report = igc(*sim, "order", "--batch", file, *WITHDRAWAL, "--unchecked")
    assert failed["outcome"] == "failed"


def test_every_standing_can_be_asked_for() -> None:
    assert tuple(map(str, Standing)) == STANDINGS


def test_every_kind_of_exported_file_is_described() -> None:
    described = schema("igc.export/1")["$defs"]["files"]["properties"]
    assert set(described) == set(SUFFIXES)


@pytest.mark.parametrize("arguments", [["order"], ["nonsense"], ["check", "--at", "noon", "a"]])
def test_wrong_command_line_is_an_error_like_others(igc: CommandLine, arguments: list[str]) -> None:
    (line,) = igc(*arguments)
    assert (line["schema"], line["error"]["exit_code"], igc.code) == ("igc.error/1", 2, 2)


def test_findings_about_a_mapping(igc: CommandLine, tmp_path: Path) -> None:
    assert igc("ws", "check-mapping") == []
    mapping = tmp_path / "mapping.toml"
    content = contract_file("mapping.toml").read_text("utf-8")
    mapping.write_text(content.replace('"motif"', '"motive"'), "utf-8")
    *findings, error = igc("ws", "check-mapping", "--mapping", mapping)
    assert {line["level"] for line in findings} >= {"error"}
    assert error["error"]["code"] == "config"


def test_what_a_contract_offers_and_the_request_that_comes_of_it(igc: CommandLine) -> None:
    lines = igc("ws", "describe")
    assert {line["schema"] for line in lines} == {"igc.ws.operation/1", "igc.ws.need/1"}
    assert all(line["maps"] for line in lines if line["schema"] == "igc.ws.operation/1")
    (request,) = igc("ws", "dry-run", "order_product")
    assert "demanderProduit" in request["body"]


# -- simulations -----------------------------------------------------------------------------


@pytest.fixture
def demo_in_world(world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo makes no world of its own, which takes seconds."""
    monkeypatch.setattr(demo, "SimulatedWorld", lambda: nullcontext(world))


@pytest.mark.usefixtures("demo_in_world")
@pytest.mark.parametrize("card", ["cps3", "cps4"])
def test_demo_prints_every_step(igc: CommandLine, card: str) -> None:
    steps = schema("igc.demo.step/1")["$defs"]["step"]["enum"]
    assert [line["step"] for line in igc("demo", "--card", card)] == steps[:-1]
    assert steps[-1] == "failed"


@pytest.mark.usefixtures("demo_in_world")
def test_demo_prints_what_failed(igc: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_card(**_: object) -> None:
        raise CardAbsentError("no card is inserted")

    monkeypatch.setattr(demo, "open_card", no_card)
    *_, failed = igc("demo")
    assert (failed["step"], failed["after"], failed["ok"]) == ("failed", "simulation", False)
    for change in ({"step": "pin"}, {"ok": True}, {"after": "lunch"}):
        assert problems({**failed, **change}), change


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that run until a signal comes end at once."""
    event = threading.Event()
    event.set()
    monkeypatch.setattr(stopping, "stop_on_signals", lambda: event)


@pytest.mark.usefixtures("stopped")
def test_simulated_platform(igc: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    # A temporary world takes ports that are free.
    monkeypatch.setattr(world_module, "SimulatedWorld", lambda *_, **__: SimulatedWorld())
    (line,) = igc("sim", "platform")
    assert line["profile"] == "sim"
    assert problems({**line, "platform": "127.0.0.1"})


def test_what_steers_a_simulated_platform(
    igc: CommandLine, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sim_platform, "_existing_world", lambda: world)
    (clock,) = igc("sim", "clock")
    assert clock["ahead_seconds"] == 0
    assert {line["kind"] for line in igc("sim", "fail")} >= {"F01", "T04", "lost-answer"}
    for mail in igc("sim", "mails"):
        assert problems({**mail, "product_id": "1"})


@pytest.mark.usefixtures("stopped")
def test_simulated_card(
    igc: CommandLine, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world_module, "SimulatedWorld", lambda *_, **__: world)
    (line,) = igc("sim", "run", "--card", "cps3", "--pcscd")
    if line["schema"] == "igc.error/1":
        pytest.skip(line["error"]["message"])
    assert (line["card"], line["pin"]) == ("cps3", "1234")
    assert list(line["environment"]) == list(PrivatePcscd().environment())
