"""The daily check's units and cron line: their own commands, run against the simulation."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from igcsante.certs.export import certificate_pem
from igcsante.config import cache_directory
from igcsante.testing.clock import utc_now
from igcsante.testing.world import SimulatedWorld

IGC = str(Path(sys.executable).with_name("igc"))
CERTIFICATES, METRICS = "/etc/igcsante/certificates", "/var/lib/prometheus/node-exporter"
ENDING_SOON = 14
REVOKED = 7


def verdicts(metrics: Path) -> dict[str, float]:
    """How many certificates have each verdict."""
    families = text_string_to_metric_families(metrics.read_text())
    return {
        sample.labels["verdict"]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == "igc_check_certificates"
    }


def commands(text: str, prefix: str) -> list[str]:
    return [line.removeprefix(prefix) for line in text.splitlines() if line.startswith(prefix)]


def test_the_units_commands_update_check_and_write_metrics(
    examples: Path, igc_world: SimulatedWorld, tmp_path: Path
) -> None:
    """With --profile sim added: the machine's own anchors aren't those of the simulation."""
    certificates, metrics = tmp_path / "certificates", tmp_path / "metrics"
    for folder in (certificates, metrics):
        folder.mkdir()
    at = utc_now() - timedelta(days=3 * 365 - 20)
    ending = igc_world.pki.issue_server(("localhost",), at).certificate
    (certificates / "server.pem").write_bytes(certificate_pem(ending))

    def run(command: str) -> int:
        for theirs, ours in (
            ("/usr/local/bin/igc", f"{IGC} --profile sim"),
            (CERTIFICATES, str(certificates)),
            (METRICS, str(metrics)),
            ("--spread 4", "--spread 0"),
        ):
            command = command.replace(theirs, ours)
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=120)
        assert "Traceback" not in done.stderr
        return done.returncode

    unit = (examples / "daily-check/igc-daily-check.service").read_text()
    update, check = commands(unit, "ExecStart=")
    assert f"SuccessExitStatus={ENDING_SOON}\n" in unit
    assert run(update.removeprefix("-")) == 0
    assert run(check) == ENDING_SOON
    assert verdicts(metrics / "igc.prom")["ending"] == 1

    igc_world.pki.revoke(ending.serial_number, utc_now())
    shutil.rmtree(cache_directory() / "crl")  # as on another day
    cron = (examples / "daily-check/igc-daily-check.cron").read_text()
    (line,) = commands(cron, "0 7 * * * igcsante ")
    assert run(line) == REVOKED
    assert verdicts(metrics / "igc.prom")["revoked"] == 1


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_finds_nothing_wrong_with_the_units(examples: Path, tmp_path: Path) -> None:
    for name in ("igc-daily-check.service", "igc-daily-check.timer"):
        text = (examples / "daily-check" / name).read_text()
        (tmp_path / name).write_text(text.replace("/usr/local/bin/igc", IGC))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(tmp_path.iterdir())],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
