"""What systemd is told, by a socket of its own kind: ready, alive, stopping."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.processes.notify import READY, STOPPING, WATCHDOG, notify
from tests.support.gateway_process import PATIENCE_SECONDS
from tests.support.manager import Manager

ROLE = """
import sys
from gateway.processes import lifetime
lifetime.HEARTBEAT_SECONDS = 0.01
lifetime.log_event = lambda *_, **__: None
life = lifetime.Lifetime(supervised=sys.argv[1] == "supervised")
life.announce()
life.wait()
"""


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    heard = Manager(str(tmp_path / "notify"))
    yield heard
    heard.close()


@pytest.fixture
def environment(manager: Manager) -> dict[str, str]:
    return os.environ | {"NOTIFY_SOCKET": manager.variable}


def test_a_lone_role_is_ready_alive_and_stopping(manager: Manager, environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", ROLE, "alone"]
    with subprocess.Popen(command, env=environment) as role:
        assert manager.hear() == READY
        assert manager.hear_until(WATCHDOG) == [WATCHDOG]
        role.send_signal(signal.SIGTERM)
        assert set(manager.hear_until(STOPPING)[:-1]) <= {WATCHDOG}
        assert role.wait(PATIENCE_SECONDS) == 0


def test_a_supervised_role_leaves_it_to_its_supervisor(manager: Manager, environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", ROLE, "supervised"]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as role:
        assert role.stdout
        assert role.stdout.readline() == b"ready \n"
        assert role.stdout.readline() == b"\n"
        role.send_signal(signal.SIGTERM)
        assert role.wait(PATIENCE_SECONDS) == 0
    assert manager.is_silent()


def test_abstract_names_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = Manager(f"\0cxr-gateway-{os.getpid()}")
    monkeypatch.setenv("NOTIFY_SOCKET", manager.variable)
    notify(READY)
    assert manager.hear() == READY
    manager.close()


def test_a_manager_that_is_not_there_is_no_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nowhere"))
    notify(READY)
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify(READY)
    assert list(tmp_path.iterdir()) == []
