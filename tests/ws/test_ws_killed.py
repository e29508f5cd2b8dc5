"""Killed at any point, the next run knows where it stands: nothing is done twice or lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
every_point = pytest.mark.long


def killed(program: str, folder: Path, *words: str) -> list[list[str]]:
    """What was wrong after each death."""
    command = [sys.executable, str(HERE / program), str(folder), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    told: list[list[str]] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize(("rows", "stride"), [(1, 4), pytest.param(2, 1, marks=every_point)])
def test_a_client_killed_at_any_point_orders_each_row_once(
    tmp_path: Path, rows: int, stride: int
) -> None:
    told = killed("killed_client.py", tmp_path, str(stride), str(rows))
    assert len(told) > 40 * rows // stride, "it was killed at many points"
    # A certificate is delivered once: one that was issued while nobody listened is told as lost.
    lost = sum(found == ["lost"] for found in told)
    assert lost <= 2 * rows and (stride > 1 or lost == 2 * rows)
    assert [found for found in told if found not in ([], ["lost"])] == []


@pytest.mark.parametrize("stride", [11, pytest.param(1, marks=every_point)])
def test_renewals_killed_at_any_point_are_ordered_once(tmp_path: Path, stride: int) -> None:
    told = killed("killed_renewal.py", tmp_path, str(stride))
    assert len(told) > 80 // stride, "it was killed at many points"
    lost = sum(found == ["lost"] for found in told)
    assert lost <= 4 and (stride > 1 or lost == 4)
    assert [found for found in told if found not in ([], ["lost"])] == []


@pytest.mark.parametrize(
    ("stride", "many"),
    [("1", ()), ("5", ("many",)), pytest.param("1", ("many",), marks=every_point)],
)
def test_a_synchronisation_killed_at_any_point_ends_as_one_that_was_not(
    tmp_path: Path, stride: str, many: tuple[str, ...]
) -> None:
    told = killed("killed_sync.py", tmp_path, stride, *many)
    assert len(told) > 20 // int(stride), "it was killed at many points"
    assert [found for found in told if found] == []
