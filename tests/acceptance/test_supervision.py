"""A role that hangs is replaced; a stop waits for the work in hand, and not for ever."""

import os
import resource
import signal
import threading
from pathlib import Path

import pytest

from gateway.files.data_directory import DataDirectory
from gateway.telemetry.role_status import read_role_status
from tests.support.gateway_process import PATIENCE_SECONDS, GatewayProcess, running, wait_for
from tests.support.sources import dx, encoded
from tests.support.storage_peer import storage_peer


def send_one(gateway: GatewayProcess, folder: Path) -> None:
    file = folder / "image.dcm"
    file.write_bytes(encoded(dx()))
    (sent,) = gateway.send(file)
    assert sent.stored


@pytest.mark.slow
def test_a_worker_that_hangs_is_replaced(tmp_path: Path) -> None:
    with running(tmp_path) as gateway:
        hung = gateway.role("work")
        os.kill(hung, signal.SIGSTOP)
        send_one(gateway, tmp_path)
        wait_for(lambda: len(gateway.events("delivered")) == 2)
        (event,) = gateway.events("role_hangs")
        assert event["hangs"].startswith("work")
        assert gateway.role("work") != hung
        assert gateway.stop() == 0


def test_a_worker_that_hangs_holds_up_no_other(tmp_path: Path) -> None:
    with running(tmp_path, workers=2) as gateway:
        os.kill(gateway.role("work"), signal.SIGSTOP)
        send_one(gateway, tmp_path)
        wait_for(lambda: len(gateway.events("delivered")) == 2)
        assert gateway.stop() == 0


def test_a_role_that_cannot_be_started_again_is_tried_until_it_can(tmp_path: Path) -> None:
    with running(tmp_path) as gateway:
        supervisor = gateway.process.pid
        _, hard = resource.prlimit(supervisor, resource.RLIMIT_NOFILE)
        died = gateway.role("receive")
        resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (3, hard))  # no pipe, no process
        os.kill(died, signal.SIGKILL)
        (event, *_) = wait_for(lambda: gateway.events("role_not_started"))
        assert event["not_started"] == "receive"
        assert read_role_status(DataDirectory(gateway.data_dir).role_status)["work 0"].state == "serving"
        resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (hard, hard))
        wait_for(lambda: len(gateway.events("started")) == 3)
        assert gateway.role("receive") != died
        assert gateway.stop() == 0


def test_a_stop_does_not_wait_for_a_slow_destination(tmp_path: Path) -> None:
    asked, go_on, gone_on = threading.Event(), threading.Event(), threading.Event()

    def slow(_: str) -> int:
        asked.set()
        go_on.wait(PATIENCE_SECONDS)
        gone_on.set()
        return 0x0000

    with storage_peer(slow) as peer:
        destination = {"name": "pacs", "kind": "dicom", "ae_title": "PACS"}
        destination |= {"host": peer.host, "port": peer.port}
        settings = {
            "destinations": [destination],
            "routes": [{"calling_ae_title": "*", "to": ["pacs"]}],
            "shutdown_seconds": 3,
        }
        with running(tmp_path, **settings) as gateway:
            send_one(gateway, tmp_path)
            assert asked.wait(PATIENCE_SECONDS)
            assert gateway.stop() == 0
            assert not gone_on.is_set()
            go_on.set()
            gateway.start()
            wait_for(lambda: len(gateway.events("delivered")) == 2)
            assert gateway.stop() == 0
        assert len(set(peer.received)) == 2
