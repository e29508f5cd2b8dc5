"""scripts/bench: one figure a line, beside a peer's that can be traced to its source."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
BENCHES = REPOSITORY / "scripts/benches"
TRACES = REPOSITORY / "tests/fixtures/card_traces"
PARTS = {"token": "1.", "warm": "2.", "objects": "3.", "sign": "9.", "pss": "15."}
CARDS = ("card", "sign", "order", "--json")


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHES), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_json_has_one_complete_object_a_line() -> None:
    done = bench(*CARDS)
    assert (done.returncode, done.stderr) == (0, "")
    results = [json.loads(line) for line in done.stdout.splitlines()]
    names = [result["name"] for result in results]
    assert len(set(names)) == len(names) == 38
    for result in results:
        assert set(result) == {"name", "ours", "peer", "peer_name", "unit", "ratio"}
        assert result["ratio"] == pytest.approx(result["ours"] / result["peer"], abs=1e-4)


def test_fewer_exchanges_than_the_official_middleware() -> None:
    results = [json.loads(line) for line in bench(*CARDS).stdout.splitlines()]
    ratios = {r["name"]: r["ratio"] for r in results if r["unit"] == "exchanges"}
    assert all(ratio < 1 for ratio in ratios.values()), ratios
    for generation in ("cps3", "cps4"):
        # The page, and the very objects that the peer reads, on the same image.
        assert ratios[f"card-info/{generation}/exchanges"] <= 0.6
        assert ratios[f"card-objects/{generation}/exchanges"] <= 0.6


def test_exchanges_are_those_that_the_documentation_tells() -> None:
    told = bench("card-info", "card-objects", "--json").stdout
    results = [json.loads(line) for line in told.splitlines()]
    ours = {r["name"]: r["ours"] for r in results if r["unit"] == "exchanges"}
    assert ours == {
        "card-info/cps3/exchanges": 35,
        "card-info/cps4/exchanges": 25,
        "card-info-whole/cps3/exchanges": 38,
        "card-info-whole/cps4/exchanges": 28,
        "card-objects/cps3/exchanges": 35,
        "card-objects/cps4/exchanges": 26,
    }


def test_a_job_with_the_platform_is_one_handshake() -> None:
    (result,) = map(json.loads, bench("platform-job", "--json").stdout.splitlines())
    assert (result["ours"], result["peer"]) == (1, 4)


def test_table_is_for_people() -> None:
    done = bench("card-id")
    header, *rows = done.stdout.splitlines()
    assert header.split()[:4] == ["bench", "ours", "peer", "ratio"]
    assert len(rows) == 12
    assert rows[0].startswith("card-id/cps3/exchanges")


def test_unknown_bench_names_the_known_ones() -> None:
    done = bench("nonsense")
    assert done.returncode == 2
    assert "card-id" in done.stderr


@pytest.mark.parametrize("generation", ["cps3", "cps4"])
def test_official_figures_are_those_of_the_traces(generation: str) -> None:
    official = tomllib.loads((BENCHES / "official_exchanges.toml").read_text())[generation]
    sections = _sections((TRACES / f"{generation}.txt").read_text())
    measured = {part: sections[number] for part, number in PARTS.items() if number in sections}
    assert measured == official


@pytest.mark.parametrize("generation", ["cps3", "cps4"])
def test_the_image_is_the_one_that_the_official_middleware_read(generation: str) -> None:
    image = tomllib.loads((BENCHES / "official_exchanges.toml").read_text())["image"][generation]
    given = [line[3:-4] for line in (TRACES / f"{generation}.txt").read_text().splitlines()]
    assert len(image) >= 8
    assert {name for name, content in image.items() if content not in given} == set()


def _sections(trace: str) -> dict[str, dict[str, Any]]:
    """Exchanges and bytes of each ``==== N. …`` part of a trace."""
    sections: dict[str, dict[str, Any]] = {}
    counted: dict[str, Any] = {}
    for line in trace.splitlines():
        kind, _, text = line.partition(" ")
        if kind == "====":
            counted = sections[text.split()[0]] = {"exchanges": 0, "sent": 0, "received": 0}
        elif kind == "C>" and counted:
            counted["exchanges"] += 1
            counted["sent"] += len(bytes.fromhex(text))
        elif kind == "R<" and counted:
            counted["received"] += len(bytes.fromhex(text))
    return sections
