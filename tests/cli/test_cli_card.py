"""``igc card info``, ``objects``, ``activities`` and ``export``: what a person and a disk get."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

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
                "Speciality      Médecine générale (SM), code SM54",
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
    from igcsante.cli.card_export import distinct

    assert list(distinct(["a.bin", "a-2.bin", "a.bin", "b.pem"])) == [
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


# -- certificates that aren't valid now ------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "state", "said", "warned"),
    [
        ("cps3", "valid", "certificate valid until 20", ""),
        ("expired", "expired", "certificate EXPIRED since 20", "certificate expired on 20"),
        (
            "not-yet-valid",
            "not_yet_valid",
            "certificate NOT YET VALID: from 20",
            "certificate is not valid before 20",
        ),
    ],
)
def test_a_certificate_out_of_its_time_is_said_plainly(
    igc: Callable[..., str],
    insert: Insert,
    capsys: pytest.CaptureFixture[str],
    name: str,
    state: str,
    said: str,
    warned: str,
) -> None:
    insert(name)
    main.run(["card", "info"])
    shown = capsys.readouterr()
    assert f"Authentication  {said}" in shown.out
    assert f"Signature       {said}" in shown.out
    for purpose in ("authentication", "signature"):
        assert (f"Warning: the {purpose} {warned}" in shown.err) == bool(warned)
    info = json.loads(igc("card", "info", "--json"))
    assert {entry["validity"] for entry in info["certificates"]} == {state}
    listed = [json.loads(line) for line in igc("card", "certs", "--json").splitlines()]
    assert {entry["validity"] for entry in listed} == {state}


def test_certificates_are_listed_with_their_period_and_issuer(
    igc: Callable[..., str], insert: Insert
) -> None:
    insert("cps3")
    head, *rows = igc("card", "certs").splitlines()
    assert head.split() == ["Purpose", "Label", "From", "Validity", "Issuer"]
    assert all("valid until 20" in row and "SIMULATION" in row for row in rows)


def test_certificates_are_written_all_or_not_at_all(
    igc: Callable[..., str], insert: Insert, tmp_path: Path
) -> None:
    insert("cps3")
    there = tmp_path / "99700301-signature.pem"
    there.write_bytes(b"mine")
    igc("card", "certs", "--out", tmp_path, code=1)
    assert list(tmp_path.iterdir()) == [there] and there.read_bytes() == b"mine"


def test_two_certificates_that_share_all_but_their_bytes_get_two_files() -> None:
    entries = [SimpleNamespace(purpose="other", id=b"") for _ in range(2)]
    names = card_certs._file_names("1", entries)  # type: ignore[arg-type]
    assert len(set(names)) == 2


# -- what a contactless reader can't do ------------------------------------------------------


def test_the_technical_key_signs_without_pin(
    igc: Callable[..., str], insert: Insert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIN")
    insert("cps3-contactless")
    file = tmp_path / "file"
    file.write_bytes(b"ordonnance")
    line = json.loads(igc("card", "sign", file, "--raw", "--key", "technical", "--json"))
    assert line["key"] == "technical"
    igc("card", "certs", "--out", tmp_path)
    certificate = x509.load_pem_x509_certificate(next(tmp_path.glob("*.pem")).read_bytes())
    public_key = certificate.public_key()
    assert isinstance(public_key, rsa.RSAPublicKey)
    signature = Path(line["signature"]).read_bytes()
    public_key.verify(signature, b"ordonnance", padding.PKCS1v15(), hashes.SHA256())
    insert("cps3")
    told = igc("card", "sign", file, "--key", "technical", "--json", code=3)
    assert json.loads(told)["error"]["code"] == "card.incapable"


@pytest.mark.parametrize(
    "words",
    [
        ("pin", "status"),
        ("pin", "verify", *PIN),
        ("id",),
        ("sign", __file__, "--out", "never"),
        ("sign", __file__, "--out", "never", "--key", "technical", "--scheme", "pss-sha256"),
    ],
)
def test_what_an_interface_lacks_has_a_code_of_its_own(
    igc: Callable[..., str], insert: Insert, words: tuple[str, ...]
) -> None:
    insert("cps3-contactless")
    error = json.loads(igc("card", *words, "--json", code=3))["error"]
    assert error["code"] == "card.incapable"


@pytest.mark.parametrize(("words", "what"), [(("activities",), "activity"), (("objects",), "data")])
def test_nothing_to_list_is_said_as_it_is(
    insert: Insert, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], what: str
) -> None:
    insert("cps3-contactless")
    assert main.run(["card", *words]) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert f"This interface of the card shows no {what}" in shown.err
    assert "may have some" in shown.err and "contact reader" in shown.err


def test_a_card_without_activities_has_none(
    insert: Insert, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "none.toml").write_text('name = "none"\nlike = "cps3"\nactivities = []\n')
    insert(str(tmp_path / "none.toml"))
    assert main.run(["card", "activities", *PIN]) == 0
    assert "The card has no activity." in capsys.readouterr().err


# -- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("special", ["/dev/full", "/dev/zero", "fifo", "folder"])
def test_only_regular_files_are_signed(
    igc: Callable[..., str], insert: Insert, tmp_path: Path, special: str
) -> None:
    insert("cps3")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    out = tmp_path / "out"
    error = igc("card", "sign", tmp_path / special, "--out", out, *PIN, "--json", code=2)
    assert json.loads(error)["error"]["code"] == "usage"
    assert not out.exists()


def test_standard_input_is_signed_when_it_is_asked_for(
    igc: Callable[..., str], insert: Insert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert("cps3")
    (tmp_path / "file").write_bytes(b"ordonnance")
    igc("card", "sign", tmp_path / "file", "--raw", *PIN)
    igc("card", "sign", "-", "--raw", *PIN, code=2)  # it has no name to write beside
    with (tmp_path / "file").open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        igc("card", "sign", "-", "--raw", "--out", tmp_path / "out", *PIN)
    assert (tmp_path / "out").read_bytes() == (tmp_path / "file.sig").read_bytes()


@pytest.mark.parametrize(
    "words",
    [("sign", __file__, *PIN, "--out", "{}"), ("record", "{}", "--", "card", "id")],
)
@pytest.mark.parametrize("name", ["there", "folder/absent"])
def test_a_file_is_never_overwritten_and_its_folder_never_made(
    igc: Callable[..., str], insert: Insert, tmp_path: Path, words: tuple[str, ...], name: str
) -> None:
    insert("cps3")
    (tmp_path / "there").write_bytes(b"mine")
    filled = [word.format(tmp_path / name) for word in words]
    error: dict[str, Any] = json.loads(igc("--json", "card", *filled, code=1))["error"]
    assert error["code"] == "storage" and error["advice"]
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert (tmp_path / "there").read_bytes() == b"mine"


def test_an_answer_that_nobody_can_get_is_a_failure() -> None:
    """Standard output closed before the start, as ``igc … >&-`` does."""
    command = [sys.executable, "-m", "igcsante.cli.main", "help", "exit-codes"]
    for more in ([], ["--json"]):
        words = command if not more else [*command[:3], "sim", "card", "list", *more]
        ended = subprocess.run(
            ["sh", "-c", 'exec "$@" >&-', "sh", *words], stderr=subprocess.PIPE, text=True
        )
        assert ended.returncode == 1, words
        assert "the output can't be written" in ended.stderr


# -- settings ------------------------------------------------------------------------------------


def test_a_wrong_way_to_keep_cards_is_refused(
    igc: Callable[..., str], insert: Insert, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert("cps3")
    monkeypatch.setenv("IGC_CARD_CACHE", "bogus")
    error = json.loads(igc("card", "id", "--json", code=2))["error"]
    assert "auto, always, never" in error["advice"]
    monkeypatch.setenv("IGC_CARD_CACHE", "never")
    igc("card", "id")
    assert "always" in igc("card", "cache", "--help")
