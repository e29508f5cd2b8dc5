"""``igc card info``, ``objects``, ``activities`` and ``export``: what a person and a disk get."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509

from igcsante.card import readers
from igcsante.cli import card_certs, main
from igcsante.testing.cards import SimulatedReader
from igcsante.testing.world import SimulatedWorld

PIN = ("--pin-source", "env:PIN")

Insert = Callable[[str], None]


@pytest.fixture(scope="module")
def world() -> Iterator[SimulatedWorld]:
    with SimulatedWorld() as world:
        yield world


@pytest.fixture
def insert(world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch) -> Insert:
    monkeypatch.setenv("PIN", "1234")

    def put(name: str) -> None:
        reader = SimulatedReader(card=world.card(name))
        monkeypatch.setattr(readers, "system_readers", lambda: [reader])

    return put


@pytest.fixture
def igc(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must succeed: what it says on stdout."""

    def run(*arguments: str | Path, code: int = 0) -> str:
        capsys.readouterr()
        assert main.run([*map(str, arguments)]) == code
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        (
            "cps3",
            [
                "Card            CPS3 TEST CPS",
                "Identifier      899700990031 (RPPS)",
                "Profession      Médecin (code 10)",
                "Speciality      Médecine générale (SM) (SM54)",
                "PIN             3 of 3 tries left",
            ],
        ),
        (
            "cpe",
            [
                "Card            CPS3 TEST CDE/CPE",
                "Identifier      30B0999003/CPET0002 (FINESS)",
                "Title           Personnel santé ou social",
                "Structure       10B0999003 (FINESS)",
            ],
        ),
        ("blocked", ["PIN             blocked (igc card pin unblock)"]),
        ("cps3-contactless", ["PIN           none on this interface"]),
    ],
)
def test_the_page_of_a_card(
    igc: Callable[..., str], insert: Insert, name: str, lines: list[str]
) -> None:
    insert(name)
    page = igc("card", "info").splitlines()
    assert [line for line in lines if line not in page] == []


def test_objects_are_a_table_or_one_dump(igc: Callable[..., str], insert: Insert) -> None:
    insert("cps3")
    table = igc("card", "objects").splitlines()
    assert table[0].split() == ["Label", "Application", "Access", "Bytes"]
    assert any(line.startswith("CPS_ACTIVITY_01_PS  CPS          PIN") for line in table)
    dump = igc("card", "objects", "--read", "CPS_INFO_PS")
    assert dump.startswith("0000  E4 ") and "SM54" in dump
    igc("card", "objects", "--read", "CPS_NOTHING", code=2)


def test_a_private_object_asks_for_the_pin(igc: Callable[..., str], insert: Insert) -> None:
    insert("cps3")
    igc("card", "objects", "--read", "CPS_ACTIVITY_01_PS", code=2)  # no terminal to ask on
    assert igc("card", "objects", "--read", "CPS_ACTIVITY_01_PS", *PIN).startswith("0000  EE")


def test_the_cps2ter_part_is_dumped(igc: Callable[..., str], insert: Insert) -> None:
    insert("cps3")
    said = igc("card", "objects", "--cps2ter", *PIN).splitlines()
    assert said[0] == "CPS2TER_ACTIVITY_01" and said[1].startswith("  0000  EF ")


def test_activities_in_words(igc: Callable[..., str], insert: Insert) -> None:
    insert("full")
    said = igc("card", "activities", *PIN)
    assert said.count("Activity ") == 5
    assert "SA07 (Cabinet individuel)" in said


def test_export_leaves_private_objects_out_without_the_pin(
    igc: Callable[..., str], insert: Insert, tmp_path: Path
) -> None:
    insert("cps3")
    igc("card", "export", tmp_path / "free")
    free = {path.name for path in (tmp_path / "free").iterdir()}
    igc("card", "export", tmp_path / "all", *PIN)
    everything = {path.name for path in (tmp_path / "all").iterdir()}
    private = ("CPS_ACTIVITY_01_PS", "CPS2TER_ACTIVITY_01", "CPS_SIT_FACT")
    assert everything - free == {f"99700301-{label}.bin" for label in private}
    for path in (tmp_path / "free").glob("*.pem"):
        x509.load_pem_x509_certificate(path.read_bytes())
    for path in (tmp_path / "all").glob("*.bin"):
        assert path.stat().st_mode & 0o077 == 0


def test_export_overwrites_nothing(igc: Callable[..., str], insert: Insert, tmp_path: Path) -> None:
    insert("cps3")
    igc("card", "export", tmp_path)
    kept = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert main.run(["card", "export", str(tmp_path)]) != 0
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == kept


def test_export_writes_nothing_when_one_file_is_there_already(
    igc: Callable[..., str], insert: Insert, tmp_path: Path
) -> None:
    insert("cps3")
    there = tmp_path / "99700301-CPS_NAME_PS.bin"
    there.write_bytes(b"mine")
    assert main.run(["card", "export", str(tmp_path)]) != 0
    assert list(tmp_path.iterdir()) == [there] and there.read_bytes() == b"mine"


def test_export_tells_what_the_card_lists_and_does_not_give(
    igc: Callable[..., str],
    insert: Insert,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    insert("empty")
    main.run(["card", "export", str(tmp_path)])
    assert "Left out: CPS_LANG_PS" in capsys.readouterr().err
    assert (tmp_path / "99700307-CPS_NAME_PS.bin").read_bytes() == b""


def test_objects_whose_names_look_alike_are_all_exported() -> None:
    from igcsante.cli.card_export import _distinct

    assert list(_distinct(["a.bin", "a-2.bin", "a.bin", "b.pem"])) == [
        "a.bin",
        "a-2.bin",
        "a-3.bin",
        "b.pem",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("--json", "card", "id"),
        ("card", "--json", "id"),
        ("card", "id", "--json"),
        ("card", "--json", "--reader", "simulated", "id"),
    ],
)
def test_options_may_stand_before_between_and_after_commands(
    igc: Callable[..., str], insert: Insert, words: tuple[str, ...]
) -> None:
    insert("cps4")
    assert json.loads(igc(*words))["national_id"] == "899700990049"


def test_options_may_stand_between_groups(igc: Callable[..., str], insert: Insert) -> None:
    insert("cps4")
    assert json.loads(igc("card", "pin", "--json", "status"))["pin"]["tries_left"] == 3
    shown = igc("sim", "--json", "card", "list").splitlines()
    assert {json.loads(line)["schema"] for line in shown} == {"igc.sim.card/1"}


def test_two_certificates_of_a_purpose_get_two_files() -> None:
    entries = [SimpleNamespace(purpose=p, id=bytes([n])) for n, p in enumerate("aab")]
    names = card_certs._file_names("A/1 2", entries)  # type: ignore[arg-type]
    assert names == ["A_1_2-a-00.pem", "A_1_2-a-01.pem", "A_1_2-b.pem"]
