"""Canaries: PIN, revocation code, passwords are nowhere but where they must be."""

from __future__ import annotations

import base64
import http.client
import logging
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import click
import pytest
from card_commands import CHANGE, CONTACTLESS, RECORD, VERIFY, Bench, CardCommand, Run, cases
from e2e_support import (
    ORDER,
    RETRIEVAL,
    REVOCATION,
    WITHDRAWAL,
    Insert,
    Told,
    igc,
    newer_generation,
    outage,
)

from igcsante.cli.main import igc as root_command
from igcsante.testing.cards import Fault
from igcsante.testing.world import SimulatedWorld

CANARIES = {
    name: f"canari-{secrets.token_hex(12)}-é" for name in ("E2E_CODE", "E2E_P12", "E2E_PASSPHRASE")
}
SECRET_WORDS = {"pin", "puk", "password", "passphrase", "code", "secret"}
PIN, WRONG_PIN = "7391", "9137"
ENCRYPTED = ("--key-passphrase-source", "env:E2E_PASSPHRASE")


def forms(secret: str) -> list[bytes]:
    """How a secret may appear in bytes: as it is, in hexadecimal, in base 64."""
    core = re.sub(r"^canari-|-é$", "", secret).encode()
    shifted = [base64.b64encode(b"x" * shift + core)[4:-4] for shift in range(3)]
    return [core, core.hex().encode(), core.hex().upper().encode(), *shifted]


def pin_found(pin: str, data: bytes) -> bool:
    """A PIN is short: it counts where nothing makes it part of a longer number or word."""
    return any(re.search(pattern, data) for pattern in _patterns(pin))


@cache
def _patterns(pin: str) -> list[bytes]:
    """Text, hexadecimal, numbers, base 64; alone and in the command that carries it."""
    digits = pin.encode()
    apart = rb"[^0-9A-Za-z]{1,3}(?:0?x)?"
    patterns = [
        rb"(?<![0-9A-Za-z+/_.-])" + digits + rb"(?![0-9A-Za-z+/_-])",
        digits.hex().encode(),
        apart.join(b"%02x" % digit for digit in digits),
        rb"(?<![0-9])" + rb"[^0-9]{1,2}".join(b"%d" % digit for digit in digits) + rb"(?![0-9])",
        base64.b64encode(digits).rstrip(b"="),
    ]
    for header in ("00200001", "01200001", "00200002", "01200002", "00240001", "01240101"):
        command = bytes.fromhex(header) + bytes([len(digits)]) + digits
        whole = len(command) // 3 * 3  # the rest depends on what follows
        patterns.append(re.escape(base64.b64encode(command[:whole])))
    return patterns


@dataclass
class Watch:
    """Everything that commands said, and that was logged meanwhile."""

    caplog: pytest.LogCaptureFixture
    said: list[Told]

    def __call__(self, *arguments: str | Path) -> Told:
        told = igc(*arguments)
        self.said.append(told)
        return told

    def spoken(self) -> bytes:
        logged = [
            f"{record.getMessage()} {record.args!r} {record.exc_text}"
            for record in self.caplog.records
        ]
        return "\n".join([*logged, *(told.out + told.err for told in self.said)]).encode()


@pytest.fixture
def watch(
    home: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watch]:
    for name, value in {**CANARIES, "E2E_PIN": PIN}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    for name in list(logging.root.manager.loggerDict):
        caplog.set_level(1, logger=name)
    caplog.set_level(1)
    yield Watch(caplog, [])


def files_under(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                yield path, path.read_bytes()


@newer_generation
def test_secrets_are_said_logged_and_kept_nowhere(
    world: SimulatedWorld, inserted: Insert, home: Path, watch: Watch, generation: str
) -> None:
    inserted(generation, pin=PIN)
    sim = ("--profile", "sim", "--json")
    assert watch(*sim, "habilitations", "--pin-source", "env:E2E_PIN").code == 0
    assert watch(*sim, *ORDER, *WITHDRAWAL, *ENCRYPTED).code == 0
    with outage(world, 3, "T01"):  # 1 habilitations, 2 order, 3 withdrawal
        assert watch(*sim, *ORDER, *WITHDRAWAL, *ENCRYPTED).code == 12
    with outage(world, 3, "F14"):
        assert watch(*sim, *ORDER, *WITHDRAWAL, *ENCRYPTED).code == 11
    with outage(world, 1, "html", lasting=True):
        assert watch(*sim, *ORDER, *WITHDRAWAL, *ENCRYPTED).code == 12
    assert watch(*sim, "renew", "1", "--early", *RETRIEVAL, *ENCRYPTED).code == 0
    rows = home / "orders.csv"
    rows.write_text("usage,structure,service,email\nSIGN,10B0999003,canari,a@b.example\n")
    assert watch(*sim, "order", "--batch", rows, *RETRIEVAL, *ENCRYPTED).code == 0
    assert watch(*sim, "status", "--files", "--pin-source", "env:E2E_PIN").code == 0
    assert watch(*sim, "revoke", "1", *REVOCATION).code == 0
    assert watch("orders", "show", "1").code == watch("orders", "show", "1", "--json").code == 0
    assert watch("orders").code == watch("orders", "--json").code == 0
    spoken = watch.spoken()
    assert not pin_found(PIN, spoken)
    for name, secret in CANARIES.items():
        assert not any(form in spoken for form in forms(secret)), name
        for path, data in files_under(home, home.parent / "data", world.directory):
            assert not any(form in data for form in forms(secret)), f"{name} in {path}"
    for path, data in files_under(home.parent / "data"):
        assert not pin_found(PIN, data), path


def test_a_certificate_s_whole_life_tells_no_secret(
    world: SimulatedWorld, inserted: Insert, home: Path, watch: Watch
) -> None:
    inserted("cps4", pin=PIN)
    pin = ("--pin-source", "env:E2E_PIN")
    (home / "batch.csv").write_text(
        "usage,structure,service,email\n"
        + "".join(f"AUTH_CLI,10B0999003,vie-{n},pki@ch-simulation.example\n" for n in range(2))
    )
    answers = (*WITHDRAWAL, *ENCRYPTED, *pin)
    for words in (
        (*ORDER, "--order-only", *ENCRYPTED),
        ("retrieve", "1", *answers),
        (*ORDER, "--key", "platform", *WITHDRAWAL),
        ("order", "--batch", "batch.csv", *answers),
        ("renew", "1", "3", "--early", *answers),
        ("status", "--files", *pin),
        ("orders", "sync", *pin),
        ("orders", "show", "1"),
        ("revoke", "3", *REVOCATION),
    ):
        told = watch("--profile", "sim", "--json", *words)
        assert told.code == 0, told.err
    with outage(world, 1, "F15", lasting=True):
        assert watch("--profile", "sim", "revoke", "1", *REVOCATION).code == 11
    spoken = watch.spoken()
    assert not pin_found(PIN, spoken)
    for name, secret in CANARIES.items():
        assert not any(form in spoken for form in forms(secret)), name
        for path, data in files_under(home, home.parent / "data", world.directory):
            assert not any(form in data for form in forms(secret)), f"{name} in {path}"


def test_wrong_secrets_are_not_repeated(
    inserted: Insert, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    inserted("cps3", pin=PIN)
    sim = ("--profile", "sim", "--json")
    assert watch(*sim, *ORDER, *WITHDRAWAL).code == 0
    monkeypatch.setenv("E2E_PIN", WRONG_PIN)
    assert watch(*sim, "habilitations", "--pin-source", "env:E2E_PIN").code == 4
    monkeypatch.setenv("E2E_PIN", PIN)
    wrong = f"canari-{secrets.token_hex(12)}-é"
    monkeypatch.setenv("E2E_CODE", wrong)
    assert watch(*sim, "revoke", "1", *REVOCATION).code == 11
    assert watch("inspect", "--password-source", "env:E2E_CODE", *_p12()).code == 6
    spoken = watch.spoken()
    assert not pin_found(WRONG_PIN, spoken) and not pin_found(PIN, spoken)
    assert not any(form in spoken for form in forms(wrong))


def test_the_canaries_would_be_found() -> None:
    """The search itself: each form of a leak is noticed."""
    secret = CANARIES["E2E_CODE"]
    for shift in range(3):
        leak = base64.b64encode(b"?" * shift + secret.encode())
        assert any(form in leak for form in forms(secret))
    assert any(form in secret.encode().hex().encode() for form in forms(secret))
    leaks = (
        *(b"PIN 7391.", b"'7391'", b"> 002000010437333931", b"[55, 51, 57, 49]", b"55 51 57 49"),
        *(b"00 20 00 01 04 37 33 39 31", b"37:33:39:31", b"[0x37, 0x33, 0x39, 0x31]"),
        *(b"b'\\x37\\x33\\x39\\x31'", b'{"pin": "NzM5MQ=="}', b"(55,51,57,49)"),
        base64.b64encode(bytes.fromhex("002000010437333931")),
    )
    for leak in leaks:
        assert pin_found("7391", leak), leak
    for other in (b"17391", b"0.7391", b"a7391f", b"2026-11-22T10:00:01.739100"):
        assert not pin_found("7391", other), other


# -- every command that takes a PIN ------------------------------------------------------------

CARD_PIN, CARD_PUK, CARD_NEW_PIN, OTHER_PIN = "7391", "73915064", "5837", "2460"
CARD_SECRETS = {"E2E_PIN": CARD_PIN, "E2E_PUK": CARD_PUK, "E2E_NEW_PIN": CARD_NEW_PIN}
TAKES_PIN = [
    pytest.param(
        *case.values, id=case.id, marks=pytest.mark.long if case not in cases(quick=True) else ()
    )
    for case in cases()
    if case.values[1] != CONTACTLESS and {"env:E2E_PIN", "env:E2E_PUK"} & set(case.values[0].words)
]


@pytest.mark.parametrize(("command", "card"), TAKES_PIN)
def test_a_card_s_pin_and_puk_are_said_logged_and_kept_nowhere(
    world: SimulatedWorld,
    home: Path,
    watch: Watch,
    monkeypatch: pytest.MonkeyPatch,
    command: CardCommand,
    card: str,
) -> None:
    bench = Bench(world, home, monkeypatch)
    for name, value in CARD_SECRETS.items():
        monkeypatch.setenv(name, value)
    own = {"pin": CARD_PIN, "puk": CARD_PUK}
    recorded = replace(
        command, words=("card", "record", "--include-private", RECORD, "--", *command.words)
    )

    def seen(*faults: Fault, record: bool = False, **changes: str) -> Run:
        run = bench.run(
            recorded if record and command.name != "card record" else command,
            card,
            *faults,
            options=("--json", "--trace"),
            changes={**own, **changes},
            earlier=own,
        )
        watch.said.append(run.told)
        kept = dict(files_under(home, home.parent / "data")).items()
        for where, data in [("what was said", watch.spoken()), *kept]:
            for secret in CARD_SECRETS.values():
                assert not pin_found(secret, data), f"{secret} in {where}"
        return run

    whole = seen()
    assert whole.told.code == 0, whole.told.err
    assert seen(record=True).told.code == 0
    wrong = seen(record=True, pin=OTHER_PIN, puk=OTHER_PIN * 2)
    assert wrong.told.code == 4
    sent = [raw[1] in (VERIFY, CHANGE) and len(raw) > 5 for raw in whole.line.commands].index(True)
    for kind in ("remove", "reset", "sharing", "status", "oversized", "endless"):
        seen(Fault(sent + 1, kind), record=kind == "status")


@pytest.mark.parametrize("option", ["--pin", "--pin-source", "--revocation-code-source"])
def test_values_on_the_command_line_are_refused_unrepeated(
    inserted: Insert, watch: Watch, option: str
) -> None:
    held = inserted("cps3", pin=PIN)
    for words in ((option, PIN), (f"{option}={PIN}",)):
        told = watch("--profile", "sim", "revoke", "1", *words)
        assert told.code == 2
    assert not pin_found(PIN, watch.spoken())
    assert held.sent == []


def test_every_secret_is_an_option_that_names_a_source() -> None:
    options = {
        option
        for command in _commands(root_command, click.Context(root_command))
        for parameter in command.params
        for option in parameter.opts
        if SECRET_WORDS & set(option.split("-"))
    }
    assert options
    assert {option for option in options if not option.endswith("-source")} == set()


def _commands(command: click.Command, context: click.Context) -> Iterator[click.Command]:
    yield command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _commands(inner, click.Context(inner, parent=context))


def _p12() -> list[Path]:
    return list(Path.cwd().glob("*.p12"))
