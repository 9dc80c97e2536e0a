"""A mount that hangs: nobody waits for ever, everybody says why, and work goes on once the mount is back."""

import json
from pathlib import Path

import pytest
import requests

from gateway.files.answering import HANGS
from tests.acceptance.test_mounts import image, state, wrong
from tests.support.frozen_disk import disk
from tests.support.gateway_process import running, wait_for
from tests.support.hung_mount import can_mount, hung


@pytest.mark.slow
@pytest.mark.skipif(not can_mount(), reason="mounting FUSE needs root")
@pytest.mark.parametrize("folder", ["spool", "results"])
def test_a_store_that_hangs_is_told_and_work_goes_on_once_it_answers(tmp_path: Path, folder: str) -> None:
    web = {"enabled": True, "port": 0}
    with running(tmp_path, doubles=["instant"], web=web) as gateway:
        site = wait_for(lambda: [each["url"] for each in gateway.events("started") if "url" in each])[-1]
        uid, file = image(tmp_path)
        with hung(gateway.data_dir / folder):
            (sent,) = gateway.send(file)
            assert sent.stored == (folder == "results")  # images do not lie there
            if not sent.stored:
                # an image within a second of the folder's last answer hangs in a call, and is cut off
                told = wait_for(lambda: gateway.events("refused") + gateway.events("association_aborted"))
                assert "does not answer" in (told[-1].get("reason") or told[-1]["why"])
            health = requests.get(f"{site}/health/ready", timeout=60)
            assert health.status_code == 503
            assert health.json()["checks"][f"folder {folder}"]["ok"] is False
            assert HANGS in wrong(gateway)[f"folder {folder}"]
            wait_for(
                lambda: [HANGS in each["reason"] for each in gateway.events("waiting")] or folder == "spool"
            )
        if not sent.stored:
            assert gateway.send(file)[0].stored
        wait_for(lambda: state(gateway, uid) == "delivered")
        assert not [each for name in ("role_died", "role_hangs", "bug") for each in gateway.events(name)]
        assert json.loads(requests.get(f"{site}/health/ready", timeout=60).text)["status"] == "ready"


@pytest.mark.slow
def test_a_data_directory_whose_disk_hangs_refuses_for_now_and_goes_on_by_itself(tmp_path: Path) -> None:
    web = {"enabled": True, "port": 0}
    scp = {"min_free_disk_mb": 1, "reject_below_disk_mb": 1}
    with (
        disk(tmp_path / "var") as data_dir,
        running(tmp_path, doubles=["instant"], web=web, scp=scp) as gateway,
    ):
        site = wait_for(lambda: [each["url"] for each in gateway.events("started") if "url" in each])[-1]
        before, file_before = image(tmp_path)
        assert gateway.send(file_before)[0].stored
        with data_dir.frozen():
            uid, file = image(tmp_path)
            sent = [each for _ in range(2) for each in gateway.send(file)]
            assert ["0xA700" in each.problem for each in sent] == [True, True], sent
            health = requests.get(f"{site}/health/ready", timeout=60)
            assert HANGS in health.json()["checks"]["disk"]["detail"]
        wait_for(lambda: gateway.send(file)[0].stored)
        wait_for(lambda: (state(gateway, before), state(gateway, uid)) == ("delivered", "delivered"))
        wait_for(lambda: requests.get(f"{site}/health/ready", timeout=60).status_code == 200)
        assert not [each for name in ("role_died", "role_hangs", "bug") for each in gateway.events(name)]
