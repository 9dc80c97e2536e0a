"""The systemd units: systemd knows every line, and they agree with commands and settings. None runs here."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from gateway.commands.app import COMMANDS
from gateway.processes.lifetime import HEARTBEAT_SECONDS
from gateway.processes.supervise import LOOK_SECONDS, STARTING_SECONDS
from gateway.settings import Settings
from tests.support.missing_peer import leave_out

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))
MOST_EXPOSED = "30"  # of 100, as `systemd-analyze security` counts
each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)


def analyzed(folder: Path, unit: Path, *arguments: str) -> tuple[int, str]:
    """Have systemd look at a unit whose program is one that this machine has."""
    copy = folder / unit.name
    copy.write_text(re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", unit.read_text()))
    command = ["systemd-analyze", *arguments, str(copy)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        leave_out("systemd-analyze is missing: apt-get install systemd")
    return done.returncode, done.stderr


def stated(unit: Path) -> dict[str, str]:
    lines = [line.partition("=") for line in unit.read_text().splitlines() if not line.startswith("#")]
    return {key: value for key, _, value in lines}


def test_there_is_a_unit_for_the_gateway_and_for_each_role() -> None:
    assert [each.stem.removeprefix("cxr-gateway") for each in UNITS] == [
        "-pull",
        "-receive",
        "-web",
        "-work@",
        "",
    ]


@each_unit
def test_systemd_knows_every_line(tmp_path: Path, unit: Path) -> None:
    assert analyzed(tmp_path, unit, "verify", "--man=no") == (0, "")


@each_unit
def test_the_unit_is_hardened(tmp_path: Path, unit: Path) -> None:
    status, _ = analyzed(tmp_path, unit, "security", "--offline=true", f"--threshold={MOST_EXPOSED}")
    assert status == 0


@each_unit
def test_the_unit_runs_a_command_and_gives_it_time(unit: Path) -> None:
    settings, lines = Settings.model_construct(), stated(unit)
    assert lines["ExecStart"].split()[1] in COMMANDS
    assert lines["Type"] == "notify"
    assert int(lines["TimeoutStopSec"]) > settings.shutdown_seconds + settings.scp.drain_notice_seconds
    assert int(lines["TimeoutStartSec"]) > STARTING_SECONDS
    assert int(lines["WatchdogSec"]) > 2 * max(HEARTBEAT_SECONDS, LOOK_SECONDS)


@each_unit
def test_units_have_the_user_and_folders_of_the_installation(unit: Path) -> None:
    (gateway,) = [each for each in UNITS if each.name == "cxr-gateway.service"]
    same = ("User", "ReadWritePaths", "Environment", "EnvironmentFile", "RequiresMountsFor")
    assert {key: stated(unit)[key] for key in same} == {key: stated(gateway)[key] for key in same}
