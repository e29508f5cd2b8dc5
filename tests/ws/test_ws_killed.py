"""Killed at any point, the next run knows where it stands: nothing is done twice or lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

# Around what the journal notes and the platform serves; in the long run around all that is done.
each_point = pytest.mark.parametrize(
    "points", ["calls", pytest.param("every", marks=pytest.mark.long)]
)
one_or_two = pytest.mark.parametrize("count", [1, pytest.param(2, marks=pytest.mark.long)])


def killed(program: str, folder: Path, *words: str) -> list[list[str]]:
    """What was wrong after each death and each way on from there."""
    command = [sys.executable, str(HERE / program), str(folder / "deaths"), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    told: list[list[str]] = json.loads(done.stdout)
    return told


def check(told: list[list[str]], certificates: int) -> None:
    """A certificate is delivered once: one that was issued while nobody listened is told as lost.

    For each: killed once it was issued, and once it was received but not noted, and seen before
    and after the doubt may end; and killed before it was issued, which then came late.
    """
    assert len(told) > 20 * certificates, "it was killed at many points"
    lost = [found for found in told if found and all(what.endswith(": lost") for what in found)]
    assert [found for found in told if found and found not in lost] == []
    assert len(lost) == 5 * certificates


@each_point
def test_an_order_killed_at_any_point_is_ordered_once(tmp_path: Path, points: str) -> None:
    check(killed("killed_order.py", tmp_path, points), 1)


@one_or_two
@each_point
def test_a_batch_killed_at_any_point_orders_each_row_once(
    tmp_path: Path, points: str, count: int
) -> None:
    check(killed("killed_client.py", tmp_path, points, str(count)), count)


@one_or_two
@each_point
def test_renewals_killed_at_any_point_are_ordered_once(
    tmp_path: Path, points: str, count: int
) -> None:
    check(killed("killed_renewal.py", tmp_path, points, str(count)), count)


@pytest.mark.parametrize(
    ("stride", "many"),
    [
        ("3", ()),
        ("9", ("many",)),
        pytest.param("1", (), marks=pytest.mark.long),
        pytest.param("1", ("many",), marks=pytest.mark.long),
    ],
)
def test_a_synchronisation_killed_at_any_point_ends_as_the_platform_has_it(
    tmp_path: Path, stride: str, many: tuple[str, ...]
) -> None:
    told = killed("killed_sync.py", tmp_path, stride, *many)
    assert len(told) > 40 // int(stride), "it was killed at many points"
    assert [found for found in told if found] == []
