"""A role that hangs is replaced; one that cannot be started again is tried until it can."""

import os
import resource
import signal
from pathlib import Path

import pytest

from gateway.files.data_directory import DataDirectory
from gateway.telemetry.role_status import read_role_status
from tests.support.gateway_process import GatewayProcess, running, wait_for
from tests.support.sources import dx, encoded


def send_one(gateway: GatewayProcess, folder: Path) -> None:
    file = folder / "image.dcm"
    file.write_bytes(encoded(dx()))
    (sent,) = gateway.send(file)
    assert sent.stored


@pytest.mark.slow
def test_a_worker_that_hangs_is_replaced(tmp_path: Path) -> None:
    with running(tmp_path, doubles=["instant"]) as gateway:
        hung = gateway.pause("work")
        send_one(gateway, tmp_path)
        wait_for(lambda: len(gateway.events("delivered")) == 2)
        (event,) = gateway.events("role_hangs")
        assert event["hangs"].startswith("work")
        assert gateway.role("work") != hung
        assert gateway.stop() == 0


def test_a_role_that_cannot_be_started_again_is_tried_until_it_can(gateway: GatewayProcess) -> None:
    supervisor = gateway.process.pid
    _, hard = resource.prlimit(supervisor, resource.RLIMIT_NOFILE)
    died = gateway.role("receive")
    resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (3, hard))  # no pipe, no process
    os.kill(died, signal.SIGKILL)
    (event, *_) = wait_for(lambda: gateway.events("role_not_started"))
    assert event["not_started"] == "receive"
    assert read_role_status(DataDirectory(gateway.data_dir).role_status)["work 0"].state == "serving"
    resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (hard, hard))
    wait_for(lambda: gateway.events("started"))
    assert gateway.role("receive") != died
