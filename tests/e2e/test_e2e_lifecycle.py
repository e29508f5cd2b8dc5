"""The life of certificates after their order: followed, shown, renewed, revoked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from e2e_support import ORDER, REVOCATION, Insert, Told, igc, outage

from igcsante.certs.requests import build_csr, csr_pem, new_key, read_key
from igcsante.cli.connect import open_journal
from igcsante.testing.platform.options import Validation
from igcsante.testing.world import SimulatedWorld
from igcsante.ws import card_life
from igcsante.ws.contract.mapping import contract_file
from igcsante.ws.orders import reconcile
from igcsante.ws.orders.entries import Entry
from igcsante.ws.orders.journal import Journal
from igcsante.ws.soap import transport
from igcsante.ws.soap.transport import Limits

PIN = ("--pin-source", "env:E2E_PIN")
WITHDRAWAL = ("--revocation-code-source", "env:E2E_CODE", "--accept-cgu")
RETRIEVAL = (*WITHDRAWAL, *PIN)
P12 = ("--p12-password-source", "env:E2E_P12")
THREE_YEARS = ("--within", "1096")
ELSEWHERE = (
    *("--platform", "https://other.example/ws"),
    *("--mapping", str(contract_file("mapping.toml"))),
)


def sim(*arguments: str | Path, json: bool = True) -> Told:
    return igc("--profile", "sim", *(["--json"] if json else []), *arguments)


def order(service: str = "vie", *more: str) -> dict[str, Any]:
    told = sim(*ORDER, "--service", service, *(more or WITHDRAWAL))
    assert told.code == 0, told.err
    return told.lines[-1]


def status(*arguments: str | Path) -> dict[str, dict[str, Any]]:
    """The products of this machine's orders, by name."""
    told = sim("status", *PIN, *arguments)
    return {line["label"]: line for line in told.lines if line["order"] is not None}


def pair_matches(line: dict[str, Any]) -> bool:
    certificate = x509.load_pem_x509_certificate(Path(line["certificate_path"]).read_bytes())
    return read_key(Path(line["key_path"])).public_key() == certificate.public_key()


# -- igc orders ------------------------------------------------------------------------------


def test_the_history_of_an_order_can_be_read(inserted: Insert, home: Path) -> None:
    inserted("cps3")
    order("histoire")
    (shown,) = igc("orders", "show", "1", "--json").lines
    states = [step["state"] for step in shown["history"]]
    assert states == ["prepared", "sent", "ordered", "withdrawing", "withdrawn"]
    assert shown["present"] == {"key": True, "certificate": True}
    assert shown["kept"] == 3, "its own, and two issuers"
    Path(shown["key_path"]).unlink()
    told = igc("orders", "show", shown["serial"])
    assert "not there any more" in told.out
    assert "withdrawal sent" in told.out


def test_orders_can_be_listed_by_state(inserted: Insert, home: Path) -> None:
    inserted("cps3")
    order("a")
    order("b", "--order-only")
    listed = igc("orders", "--state", "ordered", "--json").lines
    assert [line["label"] for line in listed] == ["b"]
    assert len(igc("orders", "list", "--json").lines) == 2
    assert igc("orders", "--state", "refused").code == 0


def test_sync_settles_what_is_in_doubt(world: SimulatedWorld, inserted: Insert, home: Path) -> None:
    held = inserted("cps3")
    order("settled")
    with outage(world, 2, "lost-answer", lasting=True):
        assert sim(*ORDER, "--service", "doubt", *WITHDRAWAL).code == 10
    assert igc("orders", "--json").lines[0]["in_doubt"]
    held.sent.clear()
    told = sim("orders", "sync", *PIN)
    assert told.code == 0
    found = {line["label"]: line for line in told.lines}
    assert (found["doubt"]["before"], found["doubt"]["state"]) == ("unknown", "ordered")
    assert found["settled"]["state"] == "withdrawn"
    assert held.signatures == held.pins_sent == 1
    assert sim("retrieve", str(found["doubt"]["id"]), *RETRIEVAL).code == 0


def test_sync_forgets_an_order_that_the_platform_never_had(
    world: SimulatedWorld, inserted: Insert, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inserted("cps3")
    with outage(world, 2, "hang-up", lasting=True):
        assert sim(*ORDER, *WITHDRAWAL).code == 10
    (line,) = sim("orders", "sync", *PIN).lines
    assert line["in_doubt"], "it may still be on its way"
    assert "Order 1 e2e stays in doubt" in sim("orders", "sync", *PIN, json=False).out
    monkeypatch.setattr(Entry, "settled", lambda entry, at: True)
    (line,) = sim("orders", "sync", "1", *PIN).lines
    assert (line["before"], line["state"]) == ("unknown", "failed")
    assert sim("orders", "sync", *PIN).out == "", "nothing is open"


def test_an_order_that_can_be_retrieved_is_not_waited_for(inserted: Insert, home: Path) -> None:
    held = inserted("cps3")
    order("prêt", "--order-only")
    held.sent.clear()
    (line,) = sim("orders", "wait", "1", *PIN).lines
    assert line["state"] == "ordered"
    assert held.sent == [], "nothing had to be asked"


def test_waiting_for_an_order_in_doubt_ends_with_the_time_limit(
    world: SimulatedWorld, inserted: Insert, home: Path
) -> None:
    inserted("cps3")
    with outage(world, 2, "hang-up", lasting=True):
        assert sim(*ORDER, *WITHDRAWAL).code == 10
    told = sim("orders", "wait", "1", "--timeout", "0", *PIN)
    assert (told.code, told.error["code"]) == (13, "timeout")


@pytest.mark.parametrize(("timeout", "together"), [("7", 7), ("0", inf)])
def test_waiting_bounds_what_is_asked_too(
    world: SimulatedWorld,
    inserted: Insert,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    timeout: str,
    together: float,
) -> None:
    inserted("cps3")
    with outage(world, 2, "lost-answer", lasting=True):
        assert sim(*ORDER, *WITHDRAWAL).code == 10
    limits = []
    make = transport.HttpsTransport.__init__

    def noting(self: object, endpoint: str, context: object, given: Limits, *more: object) -> None:
        limits.append(given)
        make(self, endpoint, context, given, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(transport.HttpsTransport, "__init__", noting)
    assert sim("orders", "wait", "1", "--timeout", timeout, *PIN).code == 0
    assert [given.together for given in limits] == [together]


def test_sync_names_the_way_out_where_the_platform_can_not_tell(
    world: SimulatedWorld, inserted: Insert, home: Path
) -> None:
    inserted("cps3")
    with outage(world, 2, "lost-answer", lasting=True):
        assert sim(*ORDER, *WITHDRAWAL).code == 10
    text = contract_file("mapping.toml").read_text("utf-8")
    mapping = home / "noref.toml"
    mapping.write_text(text.replace('client_reference = "referenceClient"\n', ""), "utf-8")
    told = sim("orders", "sync", "--mapping", mapping, *PIN, json=False)
    assert told.code == 2
    assert "can't be looked up" in told.said
    assert "igc orders settle 1" in told.said


def test_a_person_is_asked_about_a_product_that_is_older_than_the_order(
    world: SimulatedWorld, inserted: Insert, home: Path
) -> None:
    inserted("cps3")
    with outage(world, 2, "lost-answer", lasting=True):
        assert sim(*ORDER, *WITHDRAWAL).code == 10
    (product,) = (line for line in sim("status", *PIN).lines if line["order"] == 1)
    with open_journal() as journal:
        later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        journal._database.execute("UPDATE orders SET created = ?", (later,))
    settle = ("orders", "settle", "1", "--product", product["product_id"], *PIN)
    told = sim(*settle)
    assert (told.code, "before order 1 was made" in told.error["message"]) == (2, True)
    assert igc("orders", "--json").lines[0]["in_doubt"]
    assert sim(*settle, "--yes").code == 0


def test_the_same_order_is_not_sent_again_while_the_first_is_in_doubt(
    world: SimulatedWorld, inserted: Insert, home: Path
) -> None:
    inserted("cps3")
    with outage(world, 2, "503", lasting=True):
        first = sim(*ORDER, *WITHDRAWAL)
    assert first.code == 12
    assert "Later: igc orders sync" in first.error["advice"]
    assert "again" not in first.error["advice"]
    second = sim(*ORDER, *WITHDRAWAL)
    assert second.code == 2
    assert "in doubt" in second.error["message"]
    assert len(igc("orders", "--json").lines) == 1
    assert sim(*ORDER, *WITHDRAWAL, "--reference", "another").code == 0


def test_a_person_ends_a_doubt_with_what_the_portal_shows(
    world: SimulatedWorld, inserted: Insert, home: Path
) -> None:
    held = inserted("cps3")
    order("à côté", "--order-only")
    with outage(world, 2, "lost-answer", lasting=True):
        assert sim(*ORDER, "--service", "portail", *WITHDRAWAL).code == 10
    products = {line["label"]: line["product_id"] for line in sim("status", *PIN).lines}
    refused = sim("orders", "settle", "2", "--product", products["à côté"], *PIN)
    assert (refused.code, "stays in doubt" in refused.error["message"]) == (2, True)
    assert igc("orders", "--json").lines[0]["in_doubt"]
    held.sent.clear()
    (line,) = sim("orders", "settle", "2", "--product", products["portail"], *PIN).lines
    assert (line["state"], line["product_id"]) == ("ordered", products["portail"])
    assert held.signatures == held.pins_sent == 1
    assert sim("retrieve", "2", *RETRIEVAL).code == 0


def test_a_person_says_that_nothing_was_ordered(
    world: SimulatedWorld, inserted: Insert, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = inserted("cps3")
    with outage(world, 2, "hang-up", lasting=True):
        assert sim(*ORDER, *WITHDRAWAL).code == 10
    held.sent.clear()
    settle = ("orders", "settle", "1", "--nothing-ordered")
    assert sim(*settle, "--yes").error["code"] == "platform.unavailable", "sent a moment ago"
    monkeypatch.setattr(Entry, "settled", lambda entry, at: True)
    assert "nothing was done" in sim(*settle).error["message"], "nobody said that they looked"
    assert sim("orders", "settle", "1").code == 2
    (line,) = sim(*settle, "--yes").lines
    assert (line["state"], Path(line["key_path"]).is_file()) == ("failed", True)
    assert sim(*settle, "--yes").code == 2
    assert held.sent == [], "neither card nor network"


def test_what_arrives_after_its_order_has_failed_is_named_and_brought_back(
    world: SimulatedWorld, inserted: Insert, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inserted("cps3")
    late = (*ORDER, "--order-only", "--unchecked", "--reference", "arrives-late")
    with outage(world, 1, "hang-up", lasting=True):
        assert sim(*late).code == 10
    with monkeypatch.context() as later:
        later.setattr(Entry, "settled", lambda entry, at: True)
        assert sim("orders", "sync", *PIN).lines[0]["state"] == "failed"
    assert sim("orders", "sync", *PIN).lines == [], "looked for, and not there"
    with monkeypatch.context() as elsewhere:  # it stands for the one that was on its way
        elsewhere.setenv("IGC_DATA_DIR", str(home / "elsewhere"))
        product = sim(*late, "--out", str(home / "there")).lines[-1]["product_id"]
    (line,) = status().values()
    assert (line["order"], line["product_id"]) == (1, product)
    assert "igc orders sync 1" in line["problems"][0]
    assert "igc orders sync 1" in sim("retrieve", "1", *RETRIEVAL).error["advice"]
    (line,) = sim("orders", "sync", *PIN).lines
    assert (line["before"], line["state"], line["product_id"]) == ("failed", "ordered", product)


def test_a_doubt_is_settled_at_the_platform_it_is_about(
    world: SimulatedWorld, inserted: Insert, home: Path
) -> None:
    held = inserted("cps3")
    with outage(world, 2, "hang-up", lasting=True):
        assert sim(*ORDER, *WITHDRAWAL).code == 10
    held.sent.clear()
    told = sim("orders", "settle", "1", "--product", "P-1", *PIN, *ELSEWHERE)
    assert (told.code, held.sent) == (2, [])
    assert "nothing was sent" in told.error["message"]


@pytest.mark.parametrize(
    "command",
    [
        ("revoke", "1", *REVOCATION),
        ("retrieve", "2", *RETRIEVAL),
        ("renew", "1", "--early", *RETRIEVAL),
        ("orders", "sync", "1", *PIN),
        ("orders", "wait", "2", *PIN),
    ],
    ids=lambda command: command[0] + command[1],
)
def test_a_product_of_another_platform_with_that_number_is_left_alone(
    inserted: Insert, home: Path, command: tuple[str, ...]
) -> None:
    held = inserted("cps3")
    order("issued")
    order("ordered", "--order-only")
    held.sent.clear()
    told = sim(*ELSEWHERE, *command)
    assert (told.code, held.sent) == (2, [])
    assert "nothing was sent" in told.error["message"]
    assert "https://other.example/ws" in told.error["message"]


def test_a_certificate_is_revoked_only_when_the_platform_names_the_same(
    world: SimulatedWorld, inserted: Insert, home: Path, tmp_path: Path
) -> None:
    inserted("cps3")
    order("ours")
    with Journal(tmp_path / "data" / "journal.sqlite") as journal:
        journal.update(journal.get("1"), at=datetime.now(UTC), serial="0badc0de")
    with outage(world, 2, "503") as plan:
        told = sim("revoke", "1", *REVOCATION)
    assert (told.code, plan.requests) == (2, 1), "asked, then nothing was sent"
    assert "is not that of order 1" in told.error["message"]


# -- a certificate that did not reach its files ----------------------------------------------


def test_a_certificate_that_arrived_is_written_again_without_card_or_platform(
    inserted: Insert, home: Path, tmp_path: Path
) -> None:
    held = inserted("cps3")
    issued = order("écrit", *WITHDRAWAL, *P12)
    path = Path(issued["certificate_path"])
    content = path.read_bytes()
    path.unlink()  # as when the program dies between the answer and the last of the files
    Path(issued["files"]["pkcs12"]).unlink()
    with Journal(tmp_path / "data" / "journal.sqlite") as journal:
        journal.update(journal.get("1"), at=datetime.now(UTC), certificate_path="")
    assert igc("status", "--offline", "--json").lines[0]["standing"] == "lost"
    held.sent.clear()
    told = sim("retrieve", "1", *P12)
    assert (told.code, held.sent) == (0, [])
    assert path.read_bytes() == content
    assert Path(told.lines[0]["files"]["pkcs12"]).is_file()
    assert igc("status", "--offline", "--json").lines[0]["standing"] == "active"


def test_a_certificate_that_got_lost_is_asked_for_once_more(
    world: SimulatedWorld, inserted: Insert, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inserted("cps3")
    with outage(world, 3, "lost-answer"):
        assert sim(*ORDER, *WITHDRAWAL).code == 10
    assert sim("retrieve", "1", *RETRIEVAL).code == 2
    told = sim("retrieve", "1", "--again", *RETRIEVAL)
    assert (told.code, told.error["fault"]) == (11, "MOCK-F11")
    generous = replace(world.platform.options, second_withdrawal=True)
    monkeypatch.setattr(world.platform, "options", generous)
    told = sim("retrieve", "1", "--again", *RETRIEVAL)
    assert told.code == 0, told.err
    assert pair_matches(told.lines[0])


def test_an_order_that_the_platform_validates_is_waited_for(
    world: SimulatedWorld, inserted: Insert, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inserted("cps3")
    delayed = replace(world.platform.options, validation=Validation.DELAYED)
    monkeypatch.setattr(world.platform, "options", delayed)
    (line,) = sim(*ORDER, "--order-only").lines
    assert line["state"] == "pending"
    assert sim("retrieve", "1", *RETRIEVAL).code == 2
    assert sim("orders", "wait", "1", "--timeout", "0", *PIN).code == 13
    asked = []

    def pass_by(seconds: float) -> None:
        asked.append(seconds)
        world.clock.advance(timedelta(minutes=6))

    monkeypatch.setattr(reconcile.time, "sleep", pass_by)
    try:
        (line,) = sim("orders", "wait", "1", *PIN).lines
    finally:
        world.clock.reset()
    assert line["state"] == "ordered"
    assert len(asked) == 2


# -- igc status ------------------------------------------------------------------------------


def test_status_shows_where_each_certificate_stands(inserted: Insert, home: Path) -> None:
    held = inserted("cps4")
    order("actif")
    order("attend", "--order-only")
    order("mort")
    assert sim("revoke", "3", *REVOCATION).code == 0
    held.sent.clear()
    lines = status()
    assert held.signatures == held.pins_sent == 1
    standings = {label: line["standing"] for label, line in lines.items()}
    assert standings == {"actif": "active", "attend": "to withdraw", "mort": "revoked"}
    assert lines["actif"]["days_left"] in (1094, 1095)
    assert not lines["actif"]["problems"]
    offline = {line["label"]: line for line in igc("status", "--offline", "--json").lines}
    assert {label: line["standing"] for label, line in offline.items()} == standings
    told = sim("status", *PIN, "--only", "active", json=False)
    assert "actif" in told.out and "attend" not in told.out


def test_status_warns_of_what_ends_soon_by_its_exit_code(inserted: Insert, home: Path) -> None:
    inserted("cps3")
    order("bientôt")
    assert sim("status", *PIN, "--within", "30").code == 0
    told = sim("status", *PIN, *THREE_YEARS)
    assert told.code == 14
    assert [line["due"] for line in told.lines if line["label"] == "bientôt"] == [True]
    assert "igc renew --due" in igc("status", "--offline", *THREE_YEARS).out


def test_status_finds_files_that_do_not_fit(inserted: Insert, home: Path) -> None:
    inserted("cps3")
    one, other = order("un"), order("deux")
    moved = home / "elsewhere"
    moved.mkdir()
    Path(one["certificate_path"]).rename(moved / "un.pem")
    Path(other["key_path"]).write_bytes(Path(one["key_path"]).read_bytes())
    lines = status("--files", moved)
    assert any("not there any more" in problem for problem in lines["un"]["problems"])
    assert any("not the key" in problem for problem in lines["deux"]["problems"])


def test_certificates_ordered_elsewhere_are_shown_and_matched(
    inserted: Insert, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    inserted("cps3")
    ordered = order("ailleurs")
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "another-machine"))
    lines = {line["serial"]: line for line in sim("status", *PIN, home).lines}
    line = lines[ordered["serial"]]
    assert (line["order"], line["standing"]) == (None, "active")
    assert line["certificate_path"].endswith((".cert.pem", ".cert.der"))


def test_the_end_of_the_card_is_told_whenever_it_is_used(
    inserted: Insert, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inserted("cps3")
    assert "Careful" not in sim("status", *PIN).err
    monkeypatch.setattr(card_life, "NOTICE", timedelta(days=1200))
    assert "nothing is ordered, renewed or revoked" in sim("status", *PIN).said


# -- igc renew -------------------------------------------------------------------------------


def test_what_is_due_is_renewed_once(inserted: Insert, home: Path) -> None:
    held = inserted("cps3")
    order("un")
    order("deux")
    held.sent.clear()
    told = sim("renew", "--due", *THREE_YEARS, *RETRIEVAL)
    assert told.code == 0, told.err
    assert held.signatures == held.pins_sent == 1
    ours = [line for line in told.lines if line["label"] in ("un", "deux")]
    assert len(ours) == 2
    for line in ours:
        assert line["error"] is None
        assert line["order"]["renews"] == line["renews"]
        assert pair_matches(line["order"])
    again = sim("renew", "--due", "--within", "1000", *RETRIEVAL)
    assert (again.code, again.out) == (0, "")
    told = sim("status", *PIN, *THREE_YEARS)
    old = {line["product_id"]: line for line in told.lines}
    for line in ours:
        assert old[line["renews"]]["renewed_by"] == line["order"]["product_id"]
        assert not old[line["renews"]]["due"]


def test_what_the_simulations_clock_makes_due_is_told_and_renewed(
    world: SimulatedWorld, inserted: Insert, home: Path
) -> None:
    inserted("cps3")
    first = order("horloge")
    soon = ("--within", "60")
    assert igc("--profile", "sim", "status", "--offline", *soon).code == 0
    assert "Nothing is due" in sim("renew", "--due", *RETRIEVAL).err
    world.clock.advance(timedelta(days=1040))
    try:
        for how in (("--offline",), PIN):
            told = sim("status", *how, *soon, "--only", "expiring")
            assert told.code == 14, told.err
            ours = {line["label"]: line for line in told.lines if line["order"] is not None}
            assert 50 < ours["horloge"]["days_left"] < 60
            assert "simulated world's clock" in told.err
        told = sim("renew", "--due", *RETRIEVAL)
        assert told.code == 0, told.err
        assert [line["renews"] for line in told.lines] == [first["product_id"]]
        assert "simulated world's clock" in told.err
    finally:
        world.clock.reset()
    assert "clock" not in sim("status", *PIN).err


def test_a_certificate_is_not_renewed_long_before_its_end(inserted: Insert, home: Path) -> None:
    inserted("cps3")
    order("jeune")
    told = sim("renew", "1", *RETRIEVAL)
    assert (told.code, told.lines[0]["error"]["code"]) == (2, "usage")
    assert "--early" in told.lines[0]["error"]["advice"]
    assert sim("renew", "1", "--early", *RETRIEVAL).code == 0
    told = sim("renew", "1", "--early", *RETRIEVAL)
    assert told.lines[0]["order"]["id"] == 2, "the same one, not a third"
    assert len(igc("orders", "--json").lines) == 2


def test_a_revoked_certificate_is_not_renewed(inserted: Insert, home: Path) -> None:
    inserted("cps3")
    order("mort")
    assert sim("revoke", "1", *REVOCATION).code == 0
    told = sim("renew", "1", "--early", *RETRIEVAL)
    assert told.code == 2
    assert "order a new one" in told.lines[0]["error"]["advice"]
    assert len(igc("orders", "--json").lines) == 1


@pytest.mark.parametrize("request_number", [2, 3])
def test_a_renewal_whose_answer_was_lost_is_not_ordered_twice(
    world: SimulatedWorld, inserted: Insert, home: Path, request_number: int
) -> None:
    inserted("cps3")
    order("perdu")
    with outage(world, request_number, "lost-answer", lasting=True):
        assert sim("renew", "1", "--early", *RETRIEVAL).code == 10
    told = sim("renew", "1", "--early", *RETRIEVAL)
    ours = [line for line in sim("status", *PIN).lines if line["order"] is not None]
    assert sorted(line["order"] for line in ours) == [1, 2], "the first and one successor"
    if request_number == 2:
        assert told.code == 0
        assert pair_matches(told.lines[0]["order"])
    else:
        assert told.code == 2
        assert "igc revoke 2" in told.lines[0]["error"]["advice"]


def test_the_key_of_a_successor_is_made_where_the_old_one_was(inserted: Insert, home: Path) -> None:
    inserted("cps3")
    assert sim(*ORDER, "--key", "platform", *WITHDRAWAL, *P12).code == 0
    refused = sim("renew", "1", "--early", *RETRIEVAL)
    assert (refused.code, len(igc("orders", "--json").lines)) == (2, 1)
    assert "--p12-password-source" in refused.said
    (line,) = sim("renew", "1", "--early", *RETRIEVAL, *P12).lines
    assert line["order"]["key_mode"] == "platform" and line["files"]["pkcs12"]


def test_a_key_that_was_made_elsewhere_is_renewed_by_a_request(
    inserted: Insert, home: Path
) -> None:
    inserted("cps3")
    for name in ("old", "new"):
        request = build_csr(new_key(), "ailleurs")
        (home / f"{name}.csr").write_bytes(csr_pem(request))
    assert sim(*ORDER, "--csr", home / "old.csr", *WITHDRAWAL).code == 0
    refused = sim("renew", "1", "--early", *RETRIEVAL)
    assert refused.code == 2 and "--csr" in refused.said
    (line,) = sim("renew", "1", "--early", "--csr", home / "new.csr", *RETRIEVAL).lines
    assert (line["order"]["key_mode"], line["error"]) == ("request", None)
    certificate = x509.load_pem_x509_certificate(Path(line["files"]["certificate"]).read_bytes())
    assert certificate.public_key() == request.public_key()


def test_an_order_without_certificate_is_not_renewed(inserted: Insert, home: Path) -> None:
    inserted("cps3")
    order("attend", "--order-only")
    told = sim("renew", "1", "--early", *RETRIEVAL)
    assert told.code == 2
    assert sim("renew").code == 2, "nothing is named"


# -- igc revoke ------------------------------------------------------------------------------


def test_a_revocation_is_seen_in_the_lists_and_by_ocsp(inserted: Insert, home: Path) -> None:
    inserted("cps3")
    order("vu")
    (line,) = sim("revoke", "1", *REVOCATION).lines
    assert {item["source"]: item["revoked"] for item in line["published"]} == {
        "crl": True,
        "ocsp": True,
    }


def test_a_revocation_is_done_even_when_the_lists_can_not_be_asked(
    inserted: Insert, home: Path, tmp_path: Path
) -> None:
    inserted("cps3")
    order("loin")
    config = tmp_path / "config" / "config.toml"
    lines = config.read_text().splitlines()
    config.write_text("\n".join(line for line in lines if not line.startswith("http_hosts")))
    told = sim("revoke", "1", *REVOCATION, json=False)
    assert told.code == 0
    assert "Revoked on" in told.out and "CRL: not known" in told.out
    assert "OCSP: not known" in told.out


def test_a_certificate_is_revoked_by_its_serial(
    inserted: Insert, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    inserted("cps3")
    here, other = order("ici"), order("ailleurs")
    colons = ":".join(f"{int(here['serial'], 16):032X}"[i : i + 2] for i in range(0, 32, 2))
    assert sim("revoke", colons, *REVOCATION).lines[0]["id"] == here["id"]
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "another-machine"))
    (line,) = sim("revoke", other["serial"], *REVOCATION).lines
    assert (line["state"], line["label"]) == ("revoked", "ailleurs")
    assert line["published"] == [], "the certificate is not on that machine"
    told = sim("revoke", "ab" * 16, *REVOCATION)
    assert told.code == 2 and "nothing was revoked" in told.said
