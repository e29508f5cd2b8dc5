"""Many orders from one file: checked whole, one signature of the card, gone on with later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from e2e_support import REVOCATION, Insert, Told, files_of, igc, outage

from igcsante.testing.world import SimulatedWorld
from igcsante.ws.orders.entries import Entry
from igcsante.ws.orders.journal import Journal

HEADER = "offre;usage;structure;service;fqdn;email\n"
ORG = "ORG;AUTH_CLI;10B0999003;{};;certificats@ch-simulation.example\n"


WITHOUT_P12 = (
    *("--revocation-code-source", "env:E2E_CODE", "--accept-cgu"),
    *("--pin-source", "env:E2E_PIN"),
)


def sim(*arguments: str | Path, json: bool = True) -> Told:
    return igc("--profile", "sim", *(["--json"] if json else []), *arguments)


def batch(file: Path, *arguments: str | Path, json: bool = True) -> Told:
    return sim("order", "--batch", file, *WITHOUT_P12, *arguments, json=json)


def rows(told: Told) -> list[dict[str, Any]]:
    return [line for line in told.lines if line["schema"] == "igc.batch.row/1"]


def report(told: Told) -> dict[str, Any]:
    (line,) = [line for line in told.lines if line["schema"] == "igc.batch.report/1"]
    return line


@pytest.fixture
def services(home: Path) -> Path:
    """Three orders of services."""
    file = home / "orders.csv"
    file.write_text(HEADER + "".join(ORG.format(name) for name in ("un", "deux", "trois")))
    return file


def test_a_file_of_orders_costs_one_signature_of_the_card(
    inserted: Insert, home: Path, services: Path
) -> None:
    held = inserted("cps3")
    told = batch(services, "--out", home / "certs")
    assert told.code == 0, told.err
    assert held.signatures == held.pins_sent == 1
    assert [row["outcome"] for row in rows(told)] == ["issued"] * 3
    assert [row["place"] for row in rows(told)] == ["line 2", "line 3", "line 4"]
    assert (report(told)["issued"], report(told)["not_begun"]) == (3, 0)
    assert len(list((home / "certs").glob("*.cert.pem"))) == 3


def test_the_same_file_again_orders_nothing(inserted: Insert, home: Path, services: Path) -> None:
    inserted("cps4")
    assert batch(services).code == 0
    services.write_text(services.read_text() + ORG.format("quatre"))
    told = batch(services)
    assert [row["outcome"] for row in rows(told)] == ["already"] * 3 + ["issued"]
    assert len(igc("orders", "--json").lines) == 4
    assert report(batch(services, "--campaign", "2027", "--order-only"))["ordered"] == 4


def test_a_batch_goes_on_where_it_stopped(
    world: SimulatedWorld,
    inserted: Insert,
    home: Path,
    services: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inserted("cps3")
    with outage(world, 4, "lost-answer", lasting=True):  # habilitations, order, retrieval, order
        told = batch(services)
    assert told.code == 10
    assert [row["outcome"] for row in rows(told)] == ["issued", "failed"]
    assert report(told)["not_begun"] == 1
    assert "Run the same command again" in told.said
    monkeypatch.setattr(Entry, "settled", lambda entry, at: True)
    told = batch(services)
    assert told.code == 0, told.err
    assert [row["outcome"] for row in rows(told)] == ["already", "issued", "issued"]
    assert len(igc("orders", "--json").lines) == 3, "none was ordered twice"


def test_what_options_say_for_a_row_counts_as_its_cells_do(inserted: Insert, home: Path) -> None:
    inserted("cps3")
    file = home / "orders.csv"
    common = ("--structure", "10B0999003", "--email", "pki@ch-simulation.example", "--order-only")
    file.write_text("service\nun\n")
    assert report(batch(file, "--usage", "AUTH_CLI", *common))["ordered"] == 1
    assert report(batch(file, "--usage", "SIGN", *common))["ordered"] == 1
    file.write_text("usage;service\nauth-cli; un\n")
    assert report(batch(file, *common))["already"] == 1


def test_rows_that_were_ordered_at_another_address_are_told(
    inserted: Insert, home: Path, services: Path, tmp_path: Path
) -> None:
    inserted("cps3")
    assert batch(services, "--order-only").code == 0
    with Journal(tmp_path / "data" / "journal.sqlite") as journal:
        for entry in journal.list():
            journal.update(entry, at=entry.updated, platform="https://other.example/ws")
    told = batch(services, "--order-only")
    assert report(told)["ordered"] == 3
    assert "3 of 3 rows were ordered before, at https://other.example/ws" in told.said


def test_a_row_that_was_corrected_since_it_was_ordered_is_told_before_it_is_sent(
    inserted: Insert, home: Path, services: Path
) -> None:
    held = inserted("cps3")
    assert batch(services, "--order-only").code == 0
    services.write_text(services.read_text().replace("deux;;certificats@", "deux;;pki@"))
    held.sent.clear()
    refused = ("--pin-source", "env:NO_SUCH_PIN")  # so that it ends before the card is used
    told = batch(services, "--order-only", *refused)
    assert (told.code, held.sent) == (2, [])
    assert "1 row was ordered before with another cell" in told.said
    assert "line 3 (order 2)" in told.said
    assert report(batch(services, "--order-only"))["ordered"] == 1, "told, and ordered"
    assert "ordered before" not in batch(services, "--order-only").said
    assert "ordered before" not in batch(services, "--campaign", "2027", "--order-only").said


def test_rows_with_one_reference_are_told_before_anything_is_asked(
    inserted: Insert, home: Path
) -> None:
    held = inserted("cps3")
    file = home / "orders.csv"
    row = ORG.strip() + ";{}\n"
    names = (("un", "r1"), ("deux", "r2"), ("trois", "r1"))
    file.write_text(HEADER.strip() + ";reference\n" + "".join(row.format(*n) for n in names))
    told = batch(file)
    assert (told.code, held.sent) == (2, [])
    assert "line 4: reference: r1 is that of line 2" in told.said


def test_a_lost_row_is_told_at_the_end_and_ordered_again_once_revoked(
    world: SimulatedWorld, inserted: Insert, home: Path, services: Path
) -> None:
    inserted("cps3")
    with outage(world, 3, "lost-answer"):  # habilitations, order, retrieval
        assert batch(services).code == 10
    told = batch(services)
    assert [row["outcome"] for row in rows(told)] == ["failed", "issued", "issued"]
    assert "Only you can bring these further, as told above: line 2 (order 1)." in told.said
    assert "igc revoke 1" in rows(told)[0]["error"]["advice"]
    assert sim("revoke", "1", *REVOCATION, "--no-check").code == 0
    told = batch(services)
    assert [row["outcome"] for row in rows(told)] == ["issued", "already", "already"]


@pytest.mark.parametrize("keep_going", [False, True])
def test_a_refused_row_ends_the_batch_or_not(
    world: SimulatedWorld, inserted: Insert, home: Path, services: Path, keep_going: bool
) -> None:
    inserted("cps3")
    with outage(world, 2, "F04"):
        told = batch(services, *(["--keep-going"] if keep_going else []))
    assert told.code == 11
    outcomes = [row["outcome"] for row in rows(told)]
    assert outcomes == ["failed", *(["issued", "issued"] if keep_going else [])]
    assert batch(services).code == 0
    states = [line["state"] for line in igc("orders", "--json").lines]
    assert sorted(states) == ["refused"] + ["withdrawn"] * 3


def test_every_wrong_row_is_named_before_anything_is_asked(
    inserted: Insert, home: Path, services: Path
) -> None:
    held = inserted("cps3")
    services.write_text(
        HEADER + ORG.format("bon") + "ORG;SSL_SERV;10B0999003;x;;a@b.example\n" + "ORG;SIGN;1;y;;\n"
    )
    told = batch(services)
    assert (told.code, held.sent) == (2, [])
    assert "line 3: usage: SSL_SERV is no usage of ORG" in told.said
    assert "line 4:" in told.said
    assert files_of(home) == {"orders.csv"}


def test_what_the_card_may_not_order_is_told_before_any_order(
    inserted: Insert, home: Path, services: Path
) -> None:
    inserted("cps3")
    foreign = ORG.format("x").replace("10B0999003", "318751275100020")
    services.write_text(services.read_text() + foreign)
    told = batch(services)
    assert (told.code, told.error["code"]) == (11, "platform.not_habilitated")
    assert igc("orders", "--json").out == ""
    assert "line 5" in told.said


def test_orders_of_a_toml_file_share_its_defaults(inserted: Insert, home: Path) -> None:
    inserted("cps3")
    file = home / "orders.toml"
    file.write_text(
        """
        [defaults]
        structure = "10B0999003"
        email = ["a@ch-simulation.example", "b@ch-simulation.example"]
        [[order]]
        usage = "AUTH_CLI"
        service = "premier"
        out = "premier"
        [[order]]
        offre = "SERV"
        usage = "SSL_SERV"
        fqdn = ["www.ch-simulation.example", "api.ch-simulation.example"]
        key-bits = 2048
        """
    )
    told = batch(file, "--order-only", "--out", home / "all", json=False)
    assert told.code == 0, told.err
    assert "[1/2] order 1 premier: ordered, order 1" in told.out
    assert "[2/2] order 2 www.ch-simulation.example: ordered, order 2" in told.out
    assert list((home / "all" / "premier").glob("*.key.pem"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no order"),
        ("usage,colour\nSIGN,red\n", "no column is called 'colour'"),
        ("usage,usage\nSIGN,SIGN\n", "the name of another"),
        ("usage\nSIGN,1\n", "line 2: more cells"),
        ('usage\n"SIGN"x\n', "line 2: "),
        (b"usage\nSI\xffGN\n", "not UTF-8"),
    ],
)
def test_a_file_that_is_no_batch_is_told(
    inserted: Insert, home: Path, content: str | bytes, message: str
) -> None:
    held = inserted("cps3")
    file = home / "orders.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    told = batch(file)
    assert (told.code, held.sent) == (2, [])
    assert message in told.said
