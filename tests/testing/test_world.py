"""A simulated world as a whole: made once, found again, served, and used by the real client."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from igcsante.certs.anchors import TrustStore
from igcsante.certs.check import check
from igcsante.certs.load import certificates_from_path, load_crls
from igcsante.certs.profile import decode
from igcsante.certs.requests import build_csr, new_key
from igcsante.config import load_profile
from igcsante.credentials import Credential
from igcsante.errors import ConfigError, NotHabilitatedError, UsageError
from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.testing.cards import Activity
from igcsante.testing.cards import load_profile as load_card_profile
from igcsante.testing.http import listen
from igcsante.testing.platform import Options
from igcsante.testing.world import PKI_PORT, PLATFORM_PORT, SimulatedWorld
from igcsante.tls import client_context
from igcsante.ws.client import ZeepPlatform
from igcsante.ws.model import ProductRequest, Revocation, Withdrawal
from igcsante.ws.vocabulary import Offre, ProductState, Usage


@pytest.fixture(scope="module")
def world():
    with SimulatedWorld() as running:
        yield running


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder with a world that nobody serves."""
    folder = tmp_path_factory.mktemp("kept") / "sim"
    SimulatedWorld(folder)
    return folder


def test_real_client_orders_withdraws_and_revokes(world):
    profile = load_card_profile("cps3")
    pair = world.card_material(profile).authentication
    credential = Credential(pair.certificate, pair.private_key)
    context = client_context(credential, world.anchors)
    handshakes = world.server.handshakes
    key, code = new_key(), Secret("un code de révocation")
    with ZeepPlatform(world.endpoint, context) as platform:
        line = platform.list_habilitations(Offre.ORG)[0]
        request = ProductRequest(
            offre=Offre.ORG,
            usage=Usage.AUTH_CLI,
            structure=line.structure.national_id,
            emails=("certificats@ch-simulation.example",),
            service_name="service",
            csr=build_csr(key, "service").public_bytes(Encoding.DER),
        )
        receipt = platform.order_product(request)
        delivery = platform.withdraw_product(Withdrawal(receipt.product_id, code, accepted=True))
        assert platform.get_product(receipt.product_id).state is ProductState.ACTIF
        leaf, untrusted = x509.load_der_x509_certificate(delivery.certificate), delivery.chain
        assert leaf.public_key() == key.public_key()
        assert _kind(world, leaf) == "good"
        platform.revoke_product(Revocation(code, product_id=receipt.product_id))
        assert _kind(world, leaf) == "revoked"
        assert len(untrusted) == 2
        with pytest.raises(NotHabilitatedError):
            platform.order_product(replace(request, structure=StructureId.parse("10B0000000")))
    assert world.server.handshakes == handshakes + 1


def test_cards_of_a_world_keep_their_keys(world):
    profile = load_card_profile("cps4")
    first, again = world.card_material(profile), world.card_material(profile)
    assert first.authentication.certificate == again.authentication.certificate
    assert world.card("cps4").profile == profile
    other = world.card_material(replace(profile, card_number="0000000042"))
    assert other.authentication.certificate != first.authentication.certificate
    same = world.card_material(replace(profile, pin="4321", pin_tries_left=1))
    assert same.authentication.certificate == first.authentication.certificate


ELSEWHERE = Activity("CABINET SIMULATION", "10B0999011", "SA07")


def test_a_card_keeps_its_keys_when_what_they_do_not_depend_on_changes(world):
    """A note, spoiled files, the PIN's state: the same card, edited."""
    card = load_card_profile("cps4")
    serial = world.card_material(card).authentication.certificate.serial_number
    for change in (
        {"note": "edited"},
        {"files": {"CPS_NAME_PS": "missing"}},
        {"activities": (*card.activities, ELSEWHERE)},
        {"specialty": "SM54"},
        {"pin": "4321", "puk": "87654321", "pin_tries": 5, "pin_tries_left": 2},
    ):
        same = world.card_material(replace(card, **change)).authentication.certificate
        assert same.serial_number == serial, change
    for change in ({"surname": "AUTRE"}, {"state": "expired"}, {"certificate_bytes": 3000}):
        other = world.card_material(replace(card, **change)).authentication.certificate
        assert other.serial_number != serial, change


def test_a_card_that_names_a_structure_is_another_card_in_another_structure(world):
    card = load_card_profile("cpe")
    moved = replace(card, activities=(ELSEWHERE, *card.activities))
    own, other = (world.card_material(each).authentication.certificate for each in (card, moved))
    assert own != other and str(decode(other).structure_id) == ELSEWHERE.structure_id


def test_card_profile_can_be_a_file(world, tmp_path):
    source = Path(load_card_profile.__code__.co_filename).parent / "profiles" / "cps3.toml"
    file = tmp_path / "../my card.toml"
    file.write_text(
        source.read_text("utf-8").replace('name = "cps3"', 'name = "../ma carte"'), "utf-8"
    )
    assert world.card(file).profile.name == "../ma carte"
    assert all(
        path.parent == world.directory / "cards" for path in (world.directory / "cards").iterdir()
    )


def test_temporary_world_leaves_nothing_behind():
    with SimulatedWorld() as world:
        folder = world.directory
        assert folder.is_dir()
    assert not folder.exists()
    assert world.server is None


def test_kept_world_is_found_again(kept):
    one, two = SimulatedWorld(kept), SimulatedWorld(kept)
    assert one.anchors == two.anchors
    profile = load_card_profile("cps3")
    assert (
        one.card_material(profile).authentication.certificate
        == two.card_material(profile).authentication.certificate
    )


def test_profile_file_is_what_the_configuration_reads(kept, monkeypatch, tmp_path):
    monkeypatch.setenv("IGC_CONFIG_DIR", str(tmp_path))
    world = SimulatedWorld(kept)
    profile = load_profile("sim", extra_files=(kept / "profile.toml",))
    assert profile == world.profile
    assert profile.platform == world.endpoint
    assert f":{PLATFORM_PORT}/" in world.endpoint
    assert profile.http_hosts == (f"127.0.0.1:{PKI_PORT}",)
    anchors = certificates_from_path(profile.anchors[0])
    assert set(anchors) == set(world.anchors)


def test_kept_world_can_be_served_on_another_port(tmp_path):
    folder = tmp_path / "sim"
    with SimulatedWorld(folder, platform_port=0, pki_port=0) as world:
        assert f":{world.server.port}/" in (folder / "profile.toml").read_text()
        assert world.pki_server.base_url == world.pki.base_url
        pki_port = world.pki_server.port
    with SimulatedWorld(folder, platform_port=0, pki_port=0) as again:
        assert again.pki_server.port == pki_port
        assert again.endpoint.startswith(again.server.url)
    with pytest.raises(ConfigError, match=str(pki_port)):
        SimulatedWorld(folder, pki_port=pki_port + 1)


def test_world_whose_clock_is_ahead_is_served_all_the_same(tmp_path):
    """Its card too is one of that time; the server's certificate is one of ours."""
    world = SimulatedWorld(tmp_path / "sim", platform_port=0, pki_port=0)
    world.clock.advance(timedelta(days=700))
    pair = world.card_material(load_card_profile("cps3")).authentication
    assert pair.certificate.not_valid_before_utc > datetime.now(UTC) + timedelta(days=699)
    context = client_context(Credential(pair.certificate, pair.private_key), world.anchors)
    with world, ZeepPlatform(world.endpoint, context) as platform:
        assert platform.list_habilitations()


def test_settings_of_the_folder_hold_unless_others_are_given(tmp_path):
    folder = tmp_path / "sim"
    SimulatedWorld(folder, platform_port=0, pki_port=0).stop()
    (folder / "platform.toml").write_text("[options]\npending_quota = 3\n")
    assert SimulatedWorld(folder).platform.options.pending_quota == 3
    given = SimulatedWorld(folder, options=Options(daily_quota=1)).platform.options
    assert (given.pending_quota, given.daily_quota) == (None, 1)
    (folder / "platform.toml").write_text("[options]\nquota = 3\n")
    with pytest.raises(ConfigError, match="unknown key 'quota'"):
        SimulatedWorld(folder)


def test_taken_port_is_reported_and_nothing_stays_open(tmp_path):
    with listen() as taken:
        port = taken.getsockname()[1]
        world = SimulatedWorld(tmp_path / "sim", platform_port=port, pki_port=0)
        with pytest.raises(UsageError, match=f"port {port}"), world:
            pass
        listen(urlsplit(world.pki.base_url).port).close()


def test_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / "pki").mkdir()
    with pytest.raises(ConfigError, match="no simulated PKI"):
        SimulatedWorld(tmp_path, platform_port=0)


def test_two_processes_may_make_the_same_world(tmp_path):
    script = (
        "import sys, pathlib; from igcsante.testing.world import SimulatedWorld;"
        "w = SimulatedWorld(pathlib.Path(sys.argv[1]));"
        "p = w.card('cps3').profile;"
        "print([hex(c.serial_number) for c in w.anchors],"
        " w.card_material(p).authentication.certificate.serial_number)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "sim")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = {process.communicate(timeout=60)[0] for process in running}
    assert [process.returncode for process in running] == [0, 0]
    assert len(told) == 1
    leftovers = [path.name for path in (tmp_path / "sim").rglob(".*")]
    assert leftovers == []


def _kind(world: SimulatedWorld, leaf) -> str:
    at = datetime.now(UTC) + timedelta(seconds=1)
    crls = [crl for code in world.pki.authorities for crl in load_crls(world.pki.crl(code, at))]
    store = TrustStore.from_certificates(world.anchors)
    return str(check(leaf, store, crls=crls, at=at).kind)
