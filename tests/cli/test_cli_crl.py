"""``igc crl`` and ``igc trust fetch``: on a simulated PKI that is served on loopback."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
import re
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from igcsante.certs.crl import kept
from igcsante.certs.crl.export import Row, csv_octets
from igcsante.certs.export import certificate_pem
from igcsante.cli import crl, main
from igcsante.errors import NetworkError
from igcsante.testing.http import listen
from igcsante.testing.pki import PkiServer, SimulatedPki, SoftwareSubject
from igcsante.testing.pki.leaves import StructureName
from igcsante.testing.pki.simulated import new_key

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
ORG = "ACI-EL-ORG-TEST"
HOSPITAL = StructureName("Paris (75)", "CENTRE HOSPITALIER SIMULATION", "10B0999003")


@pytest.fixture(scope="module")
def served():
    listener = listen()
    host = f"127.0.0.1:{listener.getsockname()[1]}"
    pki = SimulatedPki.create(at=NOW, base_url=f"http://{host}")
    leaf = pki.issue_software(
        offre="ORG",
        usage="AUTH_CLI",
        subject=SoftwareSubject("service", HOSPITAL),
        public_key=new_key().public_key(),
        at=NOW - dt.timedelta(days=1),
    )
    pki.revoke(leaf.serial_number, NOW - dt.timedelta(hours=1))
    with PkiServer(pki, listener) as server:
        yield SimpleNamespace(pki=pki, leaf=leaf, host=host, server=server)


@pytest.fixture
def igc(served, tmp_path, monkeypatch, capfd):
    """Runs a command with the simulated PKI's anchors; gives stdout, keeps code and stderr."""
    monkeypatch.setenv("IGC_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(crl, "_sleep", lambda seconds: pytest.fail("slept"))
    anchors = tmp_path / "config" / "anchors"
    anchors.mkdir(parents=True)
    for number, item in enumerate((*served.pki.roots, *served.pki.intermediates)):
        (anchors / f"{number}.pem").write_bytes(certificate_pem(item))
    (tmp_path / "leaf.pem").write_bytes(certificate_pem(served.leaf))
    (tmp_path / "config" / "config.toml").write_text(
        f'[profiles.default]\nanchors = ["anchors"]\nhttp_hosts = ["{served.host}"]\n'
    )

    def run(*arguments):
        capfd.readouterr()
        run.code = main.run([str(argument) for argument in arguments])
        out, run.err = capfd.readouterr()
        return out

    run.leaf, run.folder = tmp_path / "leaf.pem", tmp_path
    return run


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def with_address(text):
    """Updates of lists that the store's own certificates tell the address of."""
    return [line for line in lines(text) if line["urls"]]


def test_lists_of_known_authorities_are_fetched_once(igc):
    told = with_address(igc("crl", "update", "--json"))
    assert {line["name"] for line in told} == {"ACR-EL-TEST", "ACR-ST-TEST", "ACR-FO-TEST"}
    assert {line["outcome"] for line in told} == {"fetched"}
    again = with_address(igc("crl", "update", "--json"))
    assert {line["outcome"] for line in again} == {"not due"}
    assert "TEST AC RACINE IGC-SANTE FORT SIMULATION" in igc("crl", "list")
    assert igc.code == 0


def test_lists_that_a_certificate_needs(igc, served):
    out = igc("crl", "update", igc.leaf)
    assert (igc.code, out.count("fetched")) == (0, 2), igc.err
    assert ORG in out
    assert "ACR-ST-TEST" not in out
    serial = f"{served.leaf.serial_number:x}"
    out = igc("crl", "show", "ORGANISATIONS", "--serial", serial.upper())
    assert igc.code == 7
    assert "Revoked      20" not in out
    assert serial in out
    out = igc("crl", "show", ORG, "--serial", "1")
    assert (igc.code, "not in this list" in out) == (0, True)


def test_nothing_kept_is_said(igc):
    assert igc("crl", "list") == ""
    assert "igc crl update" in igc.err
    igc("crl", "show", "anything")
    assert igc.code == 2


def test_name_of_several_lists_is_asked_more_of(igc):
    igc("crl", "update")
    igc("crl", "show", "RACINE")
    assert (igc.code, "3 lists" in igc.err) == (2, True)


def test_without_anchors_nothing_is_fetched(igc):
    (igc.folder / "config" / "config.toml").unlink()
    igc("crl", "update")
    assert (igc.code, "igc trust import" in igc.err) == (2, True)


def test_list_of_a_file_is_verified_and_kept(igc, served):
    path = igc.folder / "list.crl"
    octets = served.pki.crl(ORG, NOW)
    path.write_bytes(octets)
    assert "1 entries" in igc("crl", "index", path)
    path.write_bytes(octets[:-1] + bytes([octets[-1] ^ 1]))
    igc("crl", "index", path)
    assert igc.code == 6
    from cryptography.x509 import load_der_x509_crl

    path.write_bytes(load_der_x509_crl(octets).public_bytes(Encoding.PEM))
    igc("crl", "index", path)
    assert igc.code == 0


def test_own_hour_is_waited_for(igc, monkeypatch):
    waited = []
    monkeypatch.setattr(crl, "_sleep", waited.append)
    for _ in range(2):
        igc("crl", "update", "--spread", "4")
    assert 0 <= waited[0] < 4 * 3600
    assert waited[0] == waited[1]
    assert "Waiting" in igc.err


def test_failures_are_told_and_the_others_updated(igc, served):
    config = igc.folder / "config" / "config.toml"
    config.write_text('[profiles.default]\nanchors = ["anchors"]\nhttp_hosts = ["igc.example"]\n')
    told = with_address(igc("crl", "update", "--json"))
    assert (igc.code, {line["outcome"] for line in told}) == (10, {"failed"})
    assert {line["error"]["code"] for line in told} == {"network"}


def test_server_that_has_enough_is_left_alone(igc, monkeypatch):
    from igcsante.certs.crl import update as crl_update

    asked = []

    def too_many(url, *_, **__):
        asked.append(url)
        raise NetworkError("too many", advice="later", status=429)

    monkeypatch.setattr(crl_update, "fetch", too_many)
    igc("crl", "update")
    assert (igc.code, len(asked)) == (10, 1)
    assert "not asked for" in igc.err


ELEMENTARY = "TEST AC IGC-SANTE ELEMENTAIRE ORGANISATIONS SIMULATION"


def update_of(igc, name=ELEMENTARY):
    (told,) = [line for line in lines(igc("crl", "update", "--json")) if line["name"] == name]
    return told


def test_a_list_whose_address_nothing_tells_is_missing(igc):
    """A script that watches the exit code learns it, as long as it is so."""
    told = igc("crl", "update")
    assert igc.code == 8
    assert ELEMENTARY in igc.err
    assert "RACINE" not in igc.err, "their lists are named by what they issued"
    assert igc.err.count("igc crl update FILE") == 1
    assert ELEMENTARY not in told, "a row without anything to show"
    missing = update_of(igc)
    assert (missing["outcome"], missing["urls"], missing["crl"]) == ("no address", [], None)
    assert missing["error"]["code"] == "certificate.unknown"


def test_an_address_that_a_certificate_told_is_remembered(igc):
    igc("crl", "update", igc.leaf)
    assert igc.code == 0
    lists = lines(igc("crl", "update", "--json"))
    (told,) = [line for line in lists if line["name"] == ORG]
    assert (told["outcome"], told["error"]) == ("not due", None)
    assert ELEMENTARY not in {line["name"] for line in lists}


@pytest.mark.parametrize(("days_ago", "error"), [(0, None), (30, ("certificate.stale", 9))])
def test_a_list_that_was_brought_is_not_missing_until_it_ends(igc, served, days_ago, error):
    path = igc.folder / "brought.crl"
    path.write_bytes(served.pki.crl(ORG, NOW - dt.timedelta(days=days_ago)))
    igc("crl", "index", path)
    told = update_of(igc)
    assert (told["outcome"], told["crl"]["source"]) == ("no address", str(path))
    found = told["error"] and (told["error"]["code"], told["error"]["exit_code"])
    assert found == error


def test_damaged_list_is_named_and_replaced(igc):
    igc("crl", "update")
    stored = lines(igc("crl", "list", "--json"))
    damaged = Path(stored[0]["path"])
    damaged.write_bytes(b"garbage")
    damaged.with_suffix(".idx").unlink()
    assert len(lines(igc("crl", "list", "--json"))) == len(stored) - 1
    assert (igc.code, str(damaged) in igc.err) == (0, True)
    told = with_address(igc("crl", "update", "--json"))
    assert str(damaged) in igc.err
    assert sorted(line["outcome"] for line in told) == ["fetched", "not due", "not due"]
    assert len(lines(igc("crl", "list", "--json"))) == len(stored)
    assert igc.err == ""


def test_lists_of_which_none_can_be_read_are_no_success(igc):
    igc("crl", "list")
    assert igc.code == 0
    igc("crl", "update")
    stored = [Path(line["path"]) for line in lines(igc("crl", "list", "--json"))]
    for path in stored:
        path.write_bytes(b"garbage")
        path.with_suffix(".idx").unlink()
    igc("crl", "list")
    assert (igc.code, "no kept list is whole" in igc.err) == (6, True)
    (told,) = lines(igc("crl", "list", "--json"))
    assert (igc.code, told["error"]["code"]) == (6, "certificate.unreadable")


def test_damaged_file_of_an_indexed_list_is_named_and_fetched_again(igc, served):
    igc("crl", "update", igc.leaf)
    (stored,) = [s for s in lines(igc("crl", "list", "--json")) if "ORGANISATIONS" in s["issuer"]]
    assert (stored["indexed"], stored["intact"]) == (True, True)
    path = Path(stored["path"])
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    for command in (("list",), ("show", ORG)):
        assert "damaged" in igc("crl", *command)
        assert (igc.code, f"Warning: {path}" in igc.err) == (0, True)
    assert json.loads(igc("crl", "show", ORG, "--json"))["intact"] is False
    for command in (("show", ORG, "--serial", "1"), ("export", ORG)):
        assert igc("crl", *command) == "", "not even a header"
        assert igc.code != 0 and "it was not used" in igc.err
    igc("bundle", "make", igc.folder / "out.zip", igc.leaf, "--offline")
    assert igc.code != 0 and "it was not used" in igc.err
    igc("check", "--offline", igc.leaf)
    assert igc.code == 7, "its index is whole"
    assert "fetched" in igc("crl", "update", igc.leaf)
    assert path.read_bytes() == whole
    igc("crl", "list")
    assert igc.err == ""


def test_damaged_page_of_an_index_is_named_and_made_anew(igc, served):
    igc("crl", "update", igc.leaf)
    stored = lines(igc("crl", "list", "--json"))
    path = Path(next(s["path"] for s in stored if "ORGANISATIONS" in s["issuer"]))
    index = path.with_suffix(".idx")
    whole = index.read_bytes()
    serial = served.leaf.serial_number.to_bytes(20)
    for command in (("update", igc.leaf), ("index", path)):
        index.write_bytes(whole.replace(serial, serial[:-1] + bytes([serial[-1] ^ 1])))
        igc("crl", "list")
        assert f"Warning: {path}: the index of a kept list is damaged" in igc.err
        igc("check", "--offline", igc.leaf)
        assert igc.code == 7, "the list itself is read"
        assert f"{served.leaf.serial_number:x}" in igc("crl", "export", ORG)
        igc("crl", *command)
        assert igc.code == 0, igc.err
        igc("crl", "list")
        assert igc.err == ""


def test_list_damaged_like_its_index_is_not_said_to_be_checked_by(igc):
    igc("crl", "update")
    path = Path(lines(igc("crl", "list", "--json"))[0]["path"])
    for suffix in (".crl", ".idx"):
        octets = path.with_suffix(suffix).read_bytes()
        path.with_suffix(suffix).write_bytes(octets[:-1] + bytes([octets[-1] ^ 1]))
    igc("crl", "list")
    assert f"Warning: {path}: a kept list is damaged, and so is its index" in igc.err
    assert "Checks go on" not in igc.err
    igc("crl", "update")
    igc("crl", "list")
    assert igc.err == ""


def test_list_is_hashed_once_a_command(igc, monkeypatch):
    igc("crl", "update")
    read, digest = [], hashlib.file_digest

    def counted(stream, kind):
        read.append(stream.name)
        return digest(stream, kind)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    monkeypatch.setattr(kept, "read_bounded", lambda path, _: pytest.fail(f"{path} read"))
    kept._sha256.cache_clear()
    igc("crl", "list")
    igc("crl", "export")
    assert sorted(read) == sorted(set(read))
    assert len(read) == 3


@pytest.mark.parametrize("written", ["", "0", "-1002", "1_002", "1 2", "xyz", "1" * 41])
def test_what_is_no_serial_number_is_refused(igc, written):
    igc("crl", "update")
    igc("crl", "show", "RACINE IGC-SANTE FORT", f"--serial={written}")
    assert (igc.code, "serial" in igc.err) == (2, True)


@pytest.mark.parametrize("written", ["nan", "inf", "-1", "25"])
def test_time_that_is_none_is_not_waited_for(igc, written):
    igc("crl", "update", f"--spread={written}")
    assert (igc.code, "--spread" in igc.err) == (2, True)


# -- export ------------------------------------------------------------------------------------


def test_entries_are_exported_as_csv(igc, served):
    igc("crl", "update", igc.leaf)
    (row,) = csv.DictReader(io.StringIO(igc("crl", "export")))
    assert row["serial"] == f"{served.leaf.serial_number:x}"
    assert row["issuer"].endswith("CN=TEST AC IGC-SANTE ELEMENTAIRE ORGANISATIONS SIMULATION")
    assert dt.datetime.fromisoformat(row["date"]) == NOW - dt.timedelta(hours=1)
    assert (row["reason"], int(row["crl_number"]) > 0) == ("", True)
    out = igc.folder / "revoked.csv"
    igc("crl", "export", ORG, "--out", out)
    assert out.read_text().splitlines()[1].endswith(row["crl_number"])
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    igc("crl", "export", "--out", out)
    assert (igc.code, "already there" in igc.err) == (1, True)
    (line,) = lines(igc("crl", "export", "--json"))
    assert line["serial"] == row["serial"]


def test_complete_lists_are_exported_as_openssl_and_nginx_take_them(igc, served):
    igc("crl", "update", igc.leaf)
    delta = igc.folder / "delta.crl"
    delta.write_bytes(served.pki.delta_crl(ORG, NOW))
    igc("crl", "index", delta)
    out = igc.folder / "lists.pem"
    igc("crl", "export", "--format", "pem", "--out", out)
    assert igc.code == 0, igc.err
    assert out.read_text() == igc("crl", "export", "--format", "pem")
    parts = re.findall(
        r"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----\n", out.read_text(), re.S
    )
    lists = [x509.load_pem_x509_crl(part.encode()) for part in parts]
    assert "".join(parts) == out.read_text()
    assert [item.get_revoked_certificate_by_serial_number(served.leaf.serial_number) is None
            for item in lists].count(False) == 1  # fmt: skip
    assert len(lists) == 2  # that of the leaf's authority and that of its root, no delta


def test_issuer_like_a_formula_is_none_in_a_table():
    row = Row("=cmd|' /C calc'!A0", "7", NOW, None, 1)
    _, line = b"".join(csv_octets([row])).decode().splitlines()
    assert line.startswith("'=cmd|")


def test_parquet_is_read_by_duckdb(igc, served):
    duckdb = pytest.importorskip("duckdb")
    pytest.importorskip("pyarrow")
    igc("crl", "update", igc.leaf)
    out = igc.folder / "revoked.parquet"
    igc("crl", "export", "--format", "parquet", "--out", out)
    assert igc.code == 0, igc.err
    table = duckdb.read_parquet(str(out)).filter("issuer like '%ORGANISATIONS%'")
    found = table.project("serial, reason, crl_number, epoch(date)").fetchall()
    ((serial, reason, number, seconds),) = found
    assert (serial, reason) == (f"{served.leaf.serial_number:x}", None)
    assert number.isdigit()
    assert seconds == (NOW - dt.timedelta(hours=1)).timestamp()
    igc("crl", "export", "--format", "parquet")
    assert (igc.code, "--out" in igc.err) == (2, True)


# -- anchors -----------------------------------------------------------------------------------


@pytest.fixture
def real(monkeypatch, igc):
    """The ANS's certificates as its site has them; ``asked`` are the addresses."""
    from igcsante.certs import anchor_fetch
    from igcsante.certs.anchors import PINNED, pinned_entry
    from igcsante.certs.load import certificates_from_path

    folder = Path(__file__).parents[2].parent / "shared" / "certs"
    if not (folder / "MANIFEST.csv").is_file():
        pytest.skip("the folder of real certificates, ../shared/certs, is not there")
    held = {
        pin.url: item.public_bytes(Encoding.DER)
        for item in certificates_from_path(folder / "ca")
        if (pin := pinned_entry(item))
    }
    site = SimpleNamespace(held=held, asked=[], pins=PINNED, wrong=set(), limit=None)

    def fetch_body(url, *_, **__):
        site.asked.append(url)
        if site.limit is not None and len(site.asked) > site.limit:
            raise NetworkError("too many", advice="later", status=429)
        other = next(octets for key, octets in held.items() if key != url)
        return other if url in site.wrong else held[url]

    monkeypatch.setattr(anchor_fetch, "fetch_body", fetch_body)
    (igc.folder / "config" / "config.toml").write_text("[profiles.default]\n")
    return site


def test_authorities_are_fetched_and_only_the_right_ones_kept(igc, real):
    url = next(iter(real.held))
    pin = next(pin for pin in real.pins if pin.url == url)
    real.wrong.add(url)
    (line,) = lines(igc("trust", "fetch", pin.name, "--json"))
    assert (igc.code, line["outcome"]) == (6, "failed")
    assert "not kept" in line["error"]["message"]
    real.wrong.clear()
    assert igc("trust", "fetch", pin.name.lower()) == f"imported: {pin.name}\n"
    assert igc("trust", "fetch", pin.name) == f"already there: {pin.name}\n"
    assert real.asked == [url] * 2
    assert pin.common_name in igc("trust", "show", pin.sha256[:8])
    assert igc("trust", "remove", pin.name) == f"removed: {pin.name}\n"
    igc("trust", "remove", pin.name)
    assert igc.code == 2


def test_fetching_authorities_stops_when_the_server_has_enough(igc, real):
    real.limit = 1
    told = lines(igc("trust", "fetch", "--world", "production", "--json"))
    assert [line["outcome"] for line in told] == ["imported", "failed"]
    assert (igc.code, len(real.asked)) == (10, 2)
    assert {line["world"] for line in told} == {"production"}


def test_network_that_is_down_is_told_once(igc, real, monkeypatch):
    from igcsante.certs import anchor_fetch

    def down(url, allowed, **_):
        real.asked.append(url)
        raise NetworkError(f"{url}: unreachable")

    monkeypatch.setattr(anchor_fetch, "fetch_body", down)
    assert igc("trust", "fetch").count("failed: ") == 1
    assert (igc.code, len(real.asked), igc.err.count("Error:")) == (10, 1, 1)
    assert "The others were not asked for" in igc.err


def test_host_that_may_not_be_asked_is_named_once(igc):
    assert igc("trust", "fetch") == ""
    assert (igc.code, igc.err.count("Error")) == (10, 1)
    assert "igc-sante.esante.gouv.fr" in igc.err
    assert "http_hosts" in igc.err
    (told,) = lines(igc("trust", "fetch", "ACR-EL", "--json"))
    assert told["error"]["code"] == "network"


@pytest.mark.parametrize("name", ["ACR", "", "zzzz", "2d9"])
def test_authority_that_is_not_known_by_that_name(igc, name):
    igc("trust", "show", name)
    assert igc.code == 2
