"""``igc card pin``, ``sign``, ``random`` and ``tls-check``: on simulated cards, in process."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from test_cli_schemas import CommandLine, Line

from igcsante.card import readers
from igcsante.card.transport import GET_FEATURE_REQUEST
from igcsante.cli import ask, main
from igcsante.testing.cards import (
    CardMaterial,
    CardProfile,
    SimulatedCard,
    SimulatedReader,
    load_profile,
)
from igcsante.testing.world import SimulatedWorld

GENERATIONS = pytest.mark.parametrize("generation", ["cps3", "cps4"])
CANARIES = {"PIN": "1234", "NEW": "8642", "PUK": "12345678", "WRONG": "9753", "BAD_PUK": "97531864"}
PIN = ("--pin-source", "env:PIN")
NEW = ("--new-pin-source", "env:NEW", "--yes")
CHANGE = ("card", "pin", "change", *PIN, *NEW)
UNBLOCK = ("card", "pin", "unblock", "--puk-source", "env:PUK", *NEW)


@pytest.fixture(scope="module")
def world() -> Iterator[SimulatedWorld]:
    with SimulatedWorld() as running:
        (running.directory / "config.toml").write_text(running.profile_toml())
        yield running


@functools.cache
def _card(world: SimulatedWorld, name: str) -> tuple[CardProfile, CardMaterial]:
    profile = load_profile(name)
    return profile, world.card_material(profile)


@pytest.fixture
def igc(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> CommandLine:
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    for name, value in CANARIES.items():
        monkeypatch.setenv(name, value)
    return CommandLine(capsys)


@pytest.fixture
def insert(
    world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., SimulatedReader]:
    """``insert("cps3", pin_tries_left=0)``: that card is in this machine's only reader."""
    monkeypatch.setenv("IGC_CONFIG_DIR", str(world.directory))

    def put(name: str, **changes: Any) -> SimulatedReader:
        profile, material = _card(world, name)
        card = SimulatedCard(replace(profile, **changes), material)
        reader = SimulatedReader("Simulated reader", card)
        monkeypatch.setattr(readers, "system_readers", lambda: [reader])
        return reader

    return put


# -- pin -----------------------------------------------------------------------------------------


@GENERATIONS
def test_status_spends_no_try(igc: CommandLine, insert: Any, generation: str) -> None:
    insert(generation, pin_tries_left=1)
    for _ in range(3):
        (line,) = igc("card", "pin", "status")
    assert (line["pin"]["tries_left"], line["pin"]["blocked"]) == (1, False)
    assert (line["pin"]["min_length"], line["pin"]["max_length"]) == (4, 4)
    assert line["puk"]["tries_left"] == 10
    assert line["keypad"] is False


@GENERATIONS
def test_pin_is_changed_blocked_and_unblocked(
    igc: CommandLine, insert: Any, generation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(generation)
    assert igc("card", "pin", "verify", *PIN)[0]["action"] == "verified"
    assert igc(*CHANGE)[0]["action"] == "changed"
    verify = ("card", "pin", "verify", "--pin-source")
    assert igc(*verify, "env:PIN")[0]["error"]["tries_left"] == 2
    assert igc.code == 4
    assert igc(*verify, "env:WRONG")[0]["error"]["tries_left"] == 1
    assert (igc(*verify, "env:WRONG")[0]["error"]["code"], igc.code) == ("card.pin.refused", 5)
    (blocked,) = igc(*verify, "env:WRONG", "--use-last-try")
    assert (blocked["error"]["code"], igc.code) == ("card.pin.blocked", 5)
    assert "igc card pin unblock" in blocked["error"]["advice"]
    monkeypatch.setenv("NEW", "1357")
    (wrong,) = igc("card", "pin", "unblock", "--puk-source", "env:BAD_PUK", *NEW)
    assert (wrong["error"]["secret"], wrong["error"]["tries_left"], igc.code) == ("PUK", 9, 4)
    assert igc(*UNBLOCK)[0]["action"] == "unblocked"
    assert igc(*verify, "env:NEW")[0]["action"] == "verified"
    assert igc("card", "pin", "status")[0]["pin"]["tries_left"] == 3


@pytest.mark.parametrize("command", [CHANGE, UNBLOCK])
def test_nothing_is_changed_without_agreement(
    igc: CommandLine, insert: Any, command: tuple[str, ...]
) -> None:
    reader = insert("cps3")
    sent: list[bytes] = []
    transmit = reader.card.transmit
    reader.card.transmit = lambda raw: sent.append(raw) or transmit(raw)
    (line,) = igc(*(word for word in command if word != "--yes"))
    assert (line["error"]["code"], igc.code) == ("usage", 2)
    assert not [raw for raw in sent if raw[1] in (0x20, 0x24, 0x2C)]


def test_without_terminal_the_missing_source_is_named(igc: CommandLine, insert: Any) -> None:
    insert("cps3")
    (line,) = igc("card", "pin", "change", *PIN, "--yes")
    assert "--new-pin-source" in line["error"]["advice"]


@GENERATIONS
def test_people_and_programs_see_no_secret(
    igc: CommandLine,
    insert: Any,
    generation: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    insert(generation)
    told = ""
    for form in ([], ["--json"], ["--trace"]):
        for command in (
            ["card", "pin", "status"],
            [*CHANGE],
            ["card", "pin", "verify", "--pin-source", "env:WRONG"],
            ["card", "pin", "unblock", "--puk-source", "env:BAD_PUK", *NEW],
            [*UNBLOCK],
        ):
            main.run([*command, *form])
            captured = capsys.readouterr()
            told += captured.out + captured.err
    for canary in CANARIES.values():
        assert canary not in told
        assert canary.encode().hex() not in told.lower().replace(" ", "")
    assert "PIN is changed" in told


def test_keypad_is_used_when_no_source_is_given(
    igc: CommandLine, insert: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    reader = insert("cps3")
    create = reader.createConnection

    def create_connection() -> Any:
        connection = create()

        def control(code: int, data: list[int] | None = None) -> list[int]:
            if code == GET_FEATURE_REQUEST:
                return list(bytes.fromhex("060442330006070442330007"))
            pins = {0x42330006: b"1234", 0x42330007: b"12348642"}[code]
            command = [0, {4: 0x20, 8: 0x24}[len(pins)], 0, 1, len(pins), *pins]
            _, sw1, sw2 = connection.transmit(command)
            return [sw1, sw2]

        connection.control = control
        return connection

    reader.createConnection = create_connection
    assert igc("card", "pin", "status")[0]["keypad"] is True
    assert main.run(["card", "pin", "verify"]) == 0
    assert "type it on the reader" in capsys.readouterr().err
    assert main.run(["card", "pin", "change", "--yes"]) == 0
    assert "twice" in capsys.readouterr().err
    assert igc("card", "pin", "verify", "--pin-source", "env:NEW")[0]["action"] == "verified"


# -- sign and random ---------------------------------------------------------------------------


def openssl(*arguments: str | Path) -> str:
    done = subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=60
    )
    return done.stdout + done.stderr


@GENERATIONS
def test_files_are_signed_so_that_openssl_verifies(
    igc: CommandLine, insert: Any, generation: str, world: SimulatedWorld, tmp_path: Path
) -> None:
    insert(generation)
    file = tmp_path / "ordonnance.txt"
    file.write_text("deux comprimés par jour")
    roots = tmp_path / "roots.pem"
    roots.write_bytes(b"".join(root.public_bytes(Encoding.PEM) for root in world.anchors))
    (line,) = igc("--profile", "sim", "card", "sign", file, *PIN)
    assert (line["format"], line["key"], line["scheme"]) == ("cms", "signature", "pkcs1-sha256")
    told = openssl(
        *("cms", "-verify", "-binary", "-inform", "DER", "-in", line["signature"]),
        *("-content", file, "-CAfile", roots, "-purpose", "any", "-out", tmp_path / "out"),
    )
    assert "Verification successful" in told
    (line,) = igc("card", "sign", "--raw", "--key", "authentication", file, *PIN)
    (certificate,) = (
        c for c in igc("card", "certs", "--out", tmp_path) if c["purpose"] == "authentication"
    )
    key = tmp_path / "key.pem"
    key.write_text(openssl("x509", "-in", certificate["file"], "-noout", "-pubkey"))
    assert line["serial"] == certificate["serial"]
    told = openssl("dgst", "-sha256", "-verify", key, "-signature", line["signature"], file)
    assert told == "Verified OK\n"


def test_what_cannot_be_signed_costs_no_try(igc: CommandLine, insert: Any, tmp_path: Path) -> None:
    insert("cps3", pin_tries_left=2)
    (tmp_path / "file").write_text("x")
    (tmp_path / "there.p7s").write_text("x")
    refused: list[tuple[tuple[str, ...], str]] = [
        (("absent",), "usage"),
        (("file", "--scheme", "pkcs1-sha1"), "usage"),
        (("file", "--scheme", "pss-sha256"), "card.incapable"),
        (("file", "--out", "there.p7s"), "storage"),
    ]
    for arguments, code in refused:
        (line,) = igc("card", "sign", *arguments, "--pin-source", "env:WRONG")
        assert line["error"]["code"] == code, arguments
    assert igc("card", "pin", "status")[0]["pin"]["tries_left"] == 2
    (line,) = igc("card", "sign", "file", "--scheme", "pkcs1-sha1", "--allow-sha1", *PIN)
    assert line["scheme"] == "pkcs1-sha1"


@GENERATIONS
def test_random_bytes(igc: CommandLine, insert: Any, generation: str) -> None:
    insert(generation)
    (line,) = igc("card", "random", "20")
    assert len(bytes.fromhex(line["bytes"])) == 20
    assert igc("card", "random", "20")[0]["bytes"] != line["bytes"]
    assert igc("card", "random", "0")[0]["error"]["code"] == "usage"


# -- tls-check -----------------------------------------------------------------------------------


def outcomes(lines: list[Line]) -> dict[str, str]:
    return {line["version"]: line["outcome"] for line in lines if "version" in line}


@GENERATIONS
def test_platform_accepts_the_card(
    igc: CommandLine, insert: Any, generation: str, world: SimulatedWorld
) -> None:
    insert(generation)
    server = urlsplit(world.endpoint).netloc
    lines = igc("--profile", "sim", "card", "tls-check", server, *PIN)
    newest = {"cps3": "key_cannot", "cps4": "accepted"}[generation]
    assert outcomes(lines) == {"TLSv1.3": newest, "TLSv1.2": "accepted"}
    assert lines[-1]["issuer_listed"] in (True, None)
    assert all(line["signatures"] <= 1 for line in lines)


def test_server_that_is_not_verified_gets_no_signature(
    igc: CommandLine, insert: Any, world: SimulatedWorld, tmp_path: Path
) -> None:
    insert("cps3")
    stranger = tmp_path / "stranger.pem"
    with SimulatedWorld() as other:
        stranger.write_bytes(other.anchors[0].public_bytes(Encoding.PEM))
    server = urlsplit(world.endpoint).netloc
    *lines, error = igc("card", "tls-check", server, "--anchors", stranger, *PIN)
    assert outcomes(lines)["TLSv1.2"] == "untrusted_server"
    assert [line["signatures"] for line in lines] == [0, 0]
    assert (error["error"]["code"], igc.code) == ("network.tls", 10)


@pytest.mark.parametrize("server", ["host", "host:0", "host:99999", ":443", "http://host:1", "a:b"])
def test_server_is_host_and_port(igc: CommandLine, insert: Any, server: str) -> None:
    insert("cps3")
    (line,) = igc("--profile", "sim", "card", "tls-check", server, *PIN)
    assert (line["error"]["code"], igc.code) == ("usage", 2)


# -- removal -------------------------------------------------------------------------------------

COMMANDS = {
    "status": ("card", "pin", "status"),
    "change": CHANGE,
    "unblock": UNBLOCK,
    "sign": ("card", "sign", "file", *PIN),
    "random": ("card", "random", "17"),
    "tls-check": ("--profile", "sim", "card", "tls-check", "SERVER", *PIN),
}


@GENERATIONS
@pytest.mark.parametrize("name", COMMANDS)
def test_removal_at_every_exchange_is_exit_3_and_no_pin_is_sent_twice(
    insert: Any,
    generation: str,
    name: str,
    world: SimulatedWorld,
    igc: CommandLine,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("x")
    server = urlsplit(world.endpoint).netloc
    command = [server if word == "SERVER" else word for word in COMMANDS[name]]
    for exchange in range(1, 100):
        reader = insert(generation)
        sent: list[bytes] = []
        transmit = reader.card.transmit
        reader.card.transmit = lambda raw, to=transmit, seen=sent: seen.append(raw) or to(raw)
        reader.remove_at(exchange)
        code = main.run(command)
        told = capsys.readouterr()
        secrets = [raw for raw in sent if raw[1] in (0x20, 0x24, 0x2C) and len(raw) > 5]
        assert len({raw[1:4] for raw in secrets}) == len(secrets), "none is sent twice"
        assert "Traceback" not in told.err and "unexpected" not in told.err
        if code == 0:
            break
        assert code == 3, told.err
        assert not (tmp_path / "file.p7s").exists()
    assert code == 0 and exchange > 3


@pytest.mark.parametrize(
    ("typed", "otherwise", "agreed"),
    [
        (["y"], False, True),
        (["YES"], False, True),
        (["o"], False, True),
        (["Oui"], False, True),
        (["n"], True, False),
        (["non"], True, False),
        ([""], False, False),
        ([""], True, True),
        (["perhaps", "o"], False, True),
    ],
)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_yes_is_understood_in_both_languages(
    monkeypatch: pytest.MonkeyPatch,
    typed: list[str],
    otherwise: bool,
    agreed: bool,
    language: str,
) -> None:
    monkeypatch.setenv("IGC_LANG", language)
    answers = iter(typed)
    monkeypatch.setattr(ask.click, "prompt", lambda *_, **__: next(answers))
    assert ask.says_yes("Really?", otherwise=otherwise) is agreed
    assert next(answers, None) is None
