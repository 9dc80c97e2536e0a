"""Folders that are not mounted: acknowledged images wait, senders hear "later", and everybody says why."""

import json
import os
import signal
from pathlib import Path

from tests.support.gateway_process import GatewayProcess, running, wait_for
from tests.support.sources import dx, encoded


def image(folder: Path, number: int) -> Path:
    file = folder / f"{number}.dcm"
    file.write_bytes(encoded(dx(InstanceNumber=number)))
    return file


def wrong(gateway: GatewayProcess) -> dict[str, str]:
    findings = json.loads(gateway.command("doctor", "--json").stdout)
    return {each["what"]: each["told"] for each in findings if each["verdict"] == "wrong"}


def test_images_wait_for_a_spool_that_is_not_mounted(tmp_path: Path) -> None:
    with running(tmp_path) as gateway:
        os.kill(gateway.role("work"), signal.SIGSTOP)
        (sent,) = gateway.send(image(tmp_path, 1))
        assert sent.stored
        gateway.kill()
        spool = gateway.data_dir / "spool"
        spool.rename(tmp_path / "away")
        spool.mkdir()
        gateway.start()
        wait_for(lambda: gateway.events("waiting"))
        (sent,) = gateway.send(image(tmp_path, 2))
        assert not sent.stored
        assert gateway.events("refused")[-1]["status"] == "0xA700"
        assert "mount the right folder" in gateway.events("refused")[-1]["reason"]
        assert {event["folder"] for event in gateway.events("folder_away")} == {str(spool)}
        assert "has no mark" in wrong(gateway)["folder spool"]
        assert [each["state"] for each in gateway.images()] == ["received"]
        assert list(spool.iterdir()) == []
        spool.rmdir()
        (tmp_path / "away").rename(spool)
        (sent,) = gateway.send(image(tmp_path, 2))
        assert sent.stored
        wait_for(lambda: len(gateway.images("delivered")) == 2)


def test_a_file_that_is_gone_from_a_mounted_spool_is_told_and_comes_back(tmp_path: Path) -> None:
    with running(tmp_path) as gateway:
        os.kill(gateway.role("work"), signal.SIGSTOP)
        gateway.send(image(tmp_path, 1))
        (file,) = (gateway.data_dir / "spool").rglob("*.dcm")
        file.rename(tmp_path / "away.dcm")
        os.kill(gateway.role("work"), signal.SIGCONT)
        wait_for(lambda: gateway.images("failed"))
        assert [event["reason"] for event in gateway.events("failed")] == ["file_missing"]
        (tmp_path / "away.dcm").rename(file)
        assert gateway.command("retry", "--failed").returncode == 0
        wait_for(lambda: gateway.images("delivered"))


def test_what_is_kept_is_hidden_from_other_users(tmp_path: Path) -> None:
    with running(tmp_path, web={"enabled": True, "port": 0}) as gateway:
        gateway.send(image(tmp_path, 1))
        wait_for(lambda: gateway.images("delivered"))
        seen = [path for path in gateway.data_dir.rglob("*") if path.stat().st_mode & 0o007]
        assert seen == []
