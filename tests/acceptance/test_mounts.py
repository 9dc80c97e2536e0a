"""Folders that are not mounted: acknowledged images wait, senders hear "later", and everybody says why."""

import json
import os
import signal
from pathlib import Path

from tests.support.gateway_process import GatewayProcess, running, wait_for
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
    gateway.pause("work")
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


def test_a_file_that_is_gone_from_a_mounted_spool_is_told_and_comes_back(tmp_path: Path) -> None:
    uid, file = image(tmp_path)
    with running(tmp_path, doubles=["instant", "soon"]) as gateway:
        gateway.pause("work")
        gateway.send(file)
        kept = Path(gateway.versions(uid)[0]["source"])
        kept.rename(tmp_path / "away.dcm")
        os.kill(gateway.role("work"), signal.SIGCONT)
        wait_for(lambda: gateway.events("file_missing"))
        waiting = gateway.versions(uid)[0]
        assert (waiting["state"], waiting["reason"]) == ("received", "file_missing")
        assert "gateway give-up" in waiting["detail"]
        assert "wait for files" in wrong(gateway)["files"]
        (tmp_path / "away.dcm").rename(kept)
        wait_for(lambda: state(gateway, uid) == "delivered")
        assert gateway.versions(uid)[0]["reason"] is None
        assert gateway.command("give-up", uid).returncode == 1  # nothing is missing


def test_only_a_person_gives_up_a_file_that_is_gone(gateway: GatewayProcess, tmp_path: Path) -> None:
    uid, file = image(tmp_path)
    gateway.pause("work")
    gateway.send(file)
    Path(gateway.versions(uid)[0]["source"]).unlink()
    os.kill(gateway.role("work"), signal.SIGCONT)
    wait_for(lambda: gateway.events("file_missing"))
    assert gateway.command("give-up", "--waiting").returncode == 0
    assert state(gateway, uid) == "failed"
    assert gateway.versions(uid)[0]["reason"] == "file_missing"
    assert gateway.send(file)[0].stored  # it comes again
    assert gateway.command("retry", uid).returncode == 0
    wait_for(lambda: state(gateway, uid) == "delivered")


def test_no_database_takes_the_place_of_one_whose_disk_is_away(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    """The empty folder below a mount looks like a first start, most of all to a role that starts again."""
    (before, first), (after, second) = image(tmp_path), image(tmp_path)
    assert gateway.send(first)[0].stored
    wait_for(lambda: state(gateway, before) == "delivered")
    gateway.data_dir.rename(tmp_path / "away")
    gateway.data_dir.mkdir()
    assert not gateway.send(second)[0].stored
    os.kill(gateway.role("receive"), signal.SIGKILL)
    wait_for(lambda: "database: cannot be opened" in gateway.stderr())
    assert "gateway.sqlite is not there: is its disk mounted?" in gateway.stderr()
    assert not list(gateway.data_dir.glob("gateway.sqlite*"))
    assert gateway.command("retry", before).returncode == 1

    for file in gateway.data_dir.glob("*/*"):  # log and audit trail of meanwhile
        file.unlink()
    for folder in gateway.data_dir.iterdir():
        folder.rmdir()
    gateway.data_dir.rmdir()
    (tmp_path / "away").rename(gateway.data_dir)
    wait_for(lambda: gateway.send(second)[0].stored)
    wait_for(lambda: state(gateway, after) == "delivered")
    assert state(gateway, before) == "delivered"
