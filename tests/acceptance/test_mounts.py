"""Folders that are not mounted: acknowledged images wait, senders hear "later", and everybody says why."""

import json
import os
import signal
from pathlib import Path

from tests.support.gateway_process import GatewayProcess, wait_for
from tests.support.sources import dx, encoded


def image(folder: Path) -> tuple[str, Path]:
    """Write an image; return its SOP Instance UID and its file."""
    ds = dx()
    file = folder / f"{ds.SOPInstanceUID}.dcm"
    file.write_bytes(encoded(ds))
    return str(ds.SOPInstanceUID), file


def state(gateway: GatewayProcess, uid: str) -> str:
    return str(gateway.versions(uid)[0]["state"])


def wrong(gateway: GatewayProcess) -> dict[str, str]:
    findings = json.loads(gateway.command("doctor", "--json").stdout)
    return {each["what"]: each["told"] for each in findings if each["verdict"] == "wrong"}


def test_images_wait_for_a_spool_that_is_not_mounted(gateway: GatewayProcess, tmp_path: Path) -> None:
    (before, first), (after, second) = image(tmp_path), image(tmp_path)
    os.kill(gateway.role("work"), signal.SIGSTOP)
    assert gateway.send(first)[0].stored
    gateway.kill()
    spool = gateway.data_dir / "spool"
    spool.rename(tmp_path / "away")
    spool.mkdir()
    gateway.start()
    wait_for(lambda: gateway.events("waiting"))
    assert not gateway.send(second)[0].stored
    assert gateway.events("refused")[-1]["status"] == "0xA700"
    assert "mount the right folder" in gateway.events("refused")[-1]["reason"]
    assert {event["folder"] for event in gateway.events("folder_away")} == {str(spool)}
    assert "has no mark" in wrong(gateway)["folder spool"]
    assert state(gateway, before) == "received"
    assert list(spool.iterdir()) == []
    spool.rmdir()
    (tmp_path / "away").rename(spool)
    assert gateway.send(second)[0].stored
    wait_for(lambda: [state(gateway, uid) for uid in (before, after)] == ["delivered"] * 2)


def test_a_file_that_is_gone_from_a_mounted_spool_is_told_and_comes_back(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    uid, file = image(tmp_path)
    os.kill(gateway.role("work"), signal.SIGSTOP)
    gateway.send(file)
    kept = Path(gateway.versions(uid)[0]["source"])
    kept.rename(tmp_path / "away.dcm")
    os.kill(gateway.role("work"), signal.SIGCONT)
    wait_for(lambda: state(gateway, uid) == "failed")
    assert [event["reason"] for event in gateway.events("failed")] == ["file_missing"]
    (tmp_path / "away.dcm").rename(kept)
    assert gateway.command("retry", "--failed").returncode == 0
    wait_for(lambda: state(gateway, uid) == "delivered")
