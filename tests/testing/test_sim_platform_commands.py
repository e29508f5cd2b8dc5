"""``igc sim platform`` as a process, and the commands that steer it from another one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from igcsante.cli.main import run
from igcsante.instants import parse_instant
from igcsante.testing.cards import load_profile
from igcsante.testing.platform import load_settings
from igcsante.testing.platform.rules import Demande
from igcsante.testing.world import SimulatedWorld
from igcsante.ws.vocabulary import Offre, ProductState, Usage

SECONDS = 60


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path))
    return tmp_path / "sim"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world that is made and not served; its ports are free ones."""
    folder = tmp_path_factory.mktemp("made") / "sim"
    SimulatedWorld(folder, platform_port=0, pki_port=0).stop()
    return folder


@pytest.fixture
def world(folder: Path, made: Path) -> SimulatedWorld:
    shutil.copytree(made, folder)
    return SimulatedWorld(folder)


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run(["sim", *words]) == 0
    return capsys.readouterr().out


def test_nothing_is_steered_where_there_is_no_world(folder, capsys) -> None:
    for command in ("clock", "mails"):
        assert run(["sim", command]) == 2
        assert "igc sim platform makes one" in capsys.readouterr().err
    assert run(["sim", "fail", "T01"]) == 2
    assert not folder.exists()


def test_clock_is_moved_and_set_back(world, capsys) -> None:
    later = parse_instant(told(capsys, "clock", "--advance", "700").strip())
    assert timedelta(days=699) < later - datetime.now(UTC) < timedelta(days=701)
    assert abs(world.platform.now() - later) < timedelta(minutes=1)
    assert told(capsys, "clock", "--to", "2031-02-03T04:05:06Z").startswith("2031-02-03 04:0")
    assert world.platform.now().year == 2031
    told(capsys, "clock", "--real")
    assert abs(world.platform.now() - datetime.now(UTC)) < timedelta(minutes=1)
    assert run(["sim", "clock", "--real", "--advance", "1"]) == 2


def test_clock_file_that_is_damaged_is_named(world, folder, capsys) -> None:
    (folder / "clock.json").write_text('{"ahead": 1e300}')
    assert run(["sim", "clock"]) == 2
    assert "clock.json" in capsys.readouterr().err


def test_faults_are_planned_for_the_running_platform(world, capsys) -> None:
    told(capsys, "fail", "T01", "html")
    assert world.platform.faults.planned() == ["T01", "html"]
    assert run(["sim", "fail", "T99"]) == 2
    assert "T04" in capsys.readouterr().err
    assert "hang-up" in told(capsys, "fail")


def test_mails_are_shown_and_orders_decided(world, folder, capsys) -> None:
    (folder / "platform.toml").write_text('[options]\nvalidation = "manual"\n')
    platform = SimulatedWorld(folder).platform
    client = world.platform.identify(
        world.card_material(load_profile("cps3")).authentication.certificate
    )
    demande = Demande(
        offre=Offre.ORG,
        usage=Usage.SIGN,
        id_structure="10B0999003",
        service_applicatif="service",
        mot_de_passe_cle="mot de passe",
        emails=("a@ch.example",),
    )
    product = platform.demander_produit(client, demande).product_id
    told(capsys, "decide", product, "accept")
    assert world.platform.consulter_produit(client, product).state is ProductState.A_RETIRER
    mails = told(capsys, "mails")
    assert mails.count("a@ch.example") == 2 and f"/pfc-mock/retrait/{product}" in mails
    assert run(["sim", "decide", product, "refuse"]) == 11
    assert run(["sim", "decide", "MOCK-00000099", "refuse"]) == 11


def test_settings_that_are_printed_can_be_read_again(folder, tmp_path, capsys) -> None:
    copy = tmp_path / "mine.toml"
    copy.write_text(told(capsys, "settings"))
    assert load_settings(copy).options.second_withdrawal is False
    copy.write_text(copy.read_text().replace("delay = 0", "delay = 900"))
    assert run(["sim", "platform", "--settings", str(copy)]) == 2
    assert "mine.toml: options: delay is 0 to 60 seconds" in capsys.readouterr().err


def test_running_platform_follows_clock_and_settings(folder, tmp_path, world) -> None:
    pki_port = world.pki.base_url.rpartition(":")[2]
    settings = tmp_path / "mine.toml"
    settings.write_text('[options]\nvalidation = "manual"\n')
    command = ["sim", "platform", "--port", "0", "--pki-port", pki_port, "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "igcsante.cli.main", *command, "--settings", str(settings)],
        stdout=subprocess.PIPE,
        env=os.environ.copy(),
    ) as process:
        try:
            line = json.loads(process.stdout.readline())
            world.clock.advance(timedelta(days=4000))
            text = requests.get(line["portal"] + "reglages", timeout=SECONDS).text
            assert str(world.clock().year) in text.partition("<footer>")[2]
            assert "<td>manual</td>" in text
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == 0
