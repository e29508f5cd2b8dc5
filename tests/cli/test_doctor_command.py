"""``igc doctor``: a page that can be read aloud, lines that a program reads, exit codes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from igcsante.card import readers
from igcsante.cli import doctor as command
from igcsante.cli import main
from igcsante.cli.schemas import schema
from igcsante.doctor import CHECKS, Check, Finding, Status
from igcsante.doctor.finding import note, ok, problem, skipped, warning
from igcsante.testing.cards import SimulatedReader
from igcsante.testing.world import SimulatedWorld

Igc = Callable[..., str]


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without cards, configuration or data, 80 columns wide."""
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("IGC_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("IGC_LANG", "en")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(readers, "system_readers", list)


@pytest.fixture
def igc(capsys: pytest.CaptureFixture[str]) -> Igc:
    """What a command says on stdout."""

    def run(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        assert main.run(list(arguments)) == code
        return capsys.readouterr().out

    return run


def lines(text: str) -> list[dict[str, Any]]:
    """Each line, which is as its schema says."""
    found = [json.loads(line) for line in text.splitlines()]
    for line in found:
        assert list(Draft202012Validator(schema(line["schema"])).iter_errors(line)) == []
        for key in line:
            less = {k: v for k, v in line.items() if k != key}
            assert not Draft202012Validator(schema(line["schema"])).is_valid(less)
    return found


def test_the_page_fits_and_each_status_is_a_word(igc: Igc, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IGC_DATA_DIR", "IGC_CONFIG_DIR"):
        monkeypatch.setenv(name, "/none/igc")  # a longer path can't be cut
    page = igc("doctor")
    assert max(map(len, page.splitlines())) <= 80
    statuses = re.findall(r"^  (\w+)  +\S", page, re.M)
    assert set(statuses) <= {status.value for status in Status}
    assert "\x1b" not in page
    assert re.search(r"^  warning  .*\n(?: {11}.*\n)* {11}To do: ", page, re.M)
    assert "[certificates.anchors]" in page
    assert "[card.state, card.certificates,\n           card.tries]" in page


def told(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    check = Check("clock.local", "", lambda _: findings)
    monkeypatch.setattr("igcsante.doctor.chosen", lambda _: (check,))


def test_things_that_masks_make_alike_are_all_told(
    igc: Igc, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(monkeypatch, *(problem("*** is gone", "find it") for _ in range(2)))
    page = igc("doctor", code=1)
    assert page.count("*** is gone") == 2 and page.endswith("\n2 problems.\n")


def test_quiet_tells_only_what_is_wrong(igc: Igc, monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, ok("fine"), note("well"), warning("late", "hurry"), skipped("dark"))
    page = igc("-q", "doctor")
    assert page.startswith("Clock\n  warning  late [clock.local]\n")
    assert not [word for word in ("fine", "well", "dark") if word in page]
    told(monkeypatch, ok("fine"))
    assert igc("doctor", "-q") == "Nothing is wrong.\n"


@pytest.mark.parametrize("how", [[], ["--json"]])
@pytest.mark.parametrize(("last", "code"), [(ok("fine"), 0), (problem("bad", "", 6), 6)])
def test_who_reads_the_first_line_only_gets_the_exit_code_of_all(
    monkeypatch: pytest.MonkeyPatch, how: list[str], last: Finding, code: int
) -> None:
    def close(*_: object, **__: object) -> None:
        raise BrokenPipeError

    told(monkeypatch, ok("fine"), last)
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # another stands there afterwards
    monkeypatch.setattr(command, "say", close)
    monkeypatch.setattr(command, "emit", close)
    assert main.run(["doctor", *how]) == code
    sys.stdout.close()


def test_the_list_is_that_of_the_checks(igc: Igc) -> None:
    listed = igc("doctor", "--list")
    assert all(re.search(rf"^{re.escape(check.id)} +\S", listed, re.M) for check in CHECKS)
    found = lines(igc("doctor", "--list", "--json"))
    assert [line["id"] for line in found] == [check.id for check in CHECKS]
    assert {line["group"] for line in found} == set(command._GROUPS)


def test_some_checks_alone(igc: Igc) -> None:
    found = lines(igc("doctor", "clock.local", "network", "--json"))
    assert {line["check"] for line in found[:-1]} == {
        "clock.local", "network.proxy", "network.hosts",
    }  # fmt: skip
    igc("doctor", "nonsense", code=2)


def test_json_ends_with_the_count_and_the_exit_code(igc: Igc, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    *found, end = lines(igc("doctor", "storage.folders", "clock.local", "--json", code=1))
    assert end["schema"] == "igc.doctor/1" and end["exit_code"] == 1
    statuses = [line["status"] for line in found]
    assert end["counts"] == {status.value: statuses.count(status.value) for status in Status}
    assert {line["exit_code"] for line in found if line["status"] == "problem"} == {1}


def test_words_and_schemas_know_every_status_and_group() -> None:
    properties = schema("igc.doctor.finding/1")["properties"]
    assert set(properties["status"]["enum"]) == set(command._WORDS) == set(Status)
    groups = list(dict.fromkeys(check.group for check in CHECKS))
    assert properties["group"]["enum"] == list(command._GROUPS) == groups


def test_a_blocked_pin_gives_the_exit_code_of_pins(
    igc: Igc, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SimulatedWorld() as world:
        reader = SimulatedReader("Simulated reader", world.card("blocked"))
    monkeypatch.setattr(readers, "system_readers", lambda: [reader])
    page = igc("doctor", "card", code=5)
    assert "problem  Simulated reader: the PIN is blocked [card.tries]" in page
    assert "To do: set a new one with the PUK: igc card pin unblock" in page
    assert page.endswith("\n1 problem.\n")


def test_hosts_are_told_before_they_are_contacted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IGC_HTTP_HOSTS", "127.0.0.1:9")
    main.run(["doctor", "--online", "network.hosts"])
    assert capsys.readouterr().err == "This contacts: 127.0.0.1:9\n"


def test_the_list_needs_no_library_that_costs() -> None:
    code = (
        "import sys; from igcsante.cli import main; main.run(['doctor', '--list']);"
        "print(sorted({'zeep', 'smartcard', 'lxml', 'requests', 'asn1crypto'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
