"""A gateway starts, says in one line why it cannot, restarts what dies, and stops in order."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from gateway.files.data_directory import DataDirectory
from gateway.telemetry.role_status import read_role_status
from tests.support.gateway_process import PATIENCE_SECONDS, GatewayProcess, running, wait_for
from tests.support.sources import dx, encoded


def refused(gateway: GatewayProcess) -> list[str]:
    """Start a gateway that must not start; return what it tells the person, exit status 2 checked."""
    done = gateway.refusal()
    assert done.returncode == 2, done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("gateway: ")]


def test_two_gateways_do_not_share_a_data_directory(gateway: GatewayProcess) -> None:
    (line,) = refused(gateway)
    assert "another gateway runs on" in line


def test_a_role_that_has_served_is_back_at_once_however_often_it_dies(gateway: GatewayProcess) -> None:
    for deaths in range(1, 4):
        died = gateway.role("receive")
        os.kill(died, signal.SIGKILL)
        wait_for(lambda expected=deaths: len(gateway.events("started")) == expected)
        assert gateway.role("receive") != died
    told = [(event["died"], event["restart_in_seconds"]) for event in gateway.events("role_died")]
    assert told == [("receive", 0.5)] * 3


def test_the_first_process_of_each_role_is_forked_and_stays(tmp_path: Path) -> None:
    with running(tmp_path, doubles=["instant"], web={"enabled": True, "port": 0}) as gateway:
        wait_for(lambda: len(gateway.events("started")) == 3)
        children = gateway.children()
        programs = [Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0] for pid in children]
        assert programs == ["gateway"] * 3  # as a fork shows itself; a command shows its Python
        status = DataDirectory(gateway.data_dir).role_status
        begun = time.time()
        wait_for(lambda: all(role.heard_at > begun for role in read_role_status(status).values()))
        assert gateway.children() == children


def test_a_worker_whose_engine_is_openvino_never_loads_pytorch(tmp_path: Path) -> None:
    image = tmp_path / "image.dcm"
    image.write_bytes(encoded(dx()))
    with running(tmp_path, model={"engine": "openvino"}) as gateway:
        assert gateway.send(image)[0].stored
        wait_for(lambda: gateway.images("delivered"))
        mapped = Path(f"/proc/{gateway.role('work')}/maps").read_text()
    assert "libopenvino" in mapped
    assert "libtorch" not in mapped


def test_it_stops_in_order_when_told(gateway: GatewayProcess) -> None:
    assert gateway.stop() == 0
    assert gateway.events("stopped")
    assert "Traceback" not in gateway.stderr()


def test_it_stops_in_order_when_its_terminal_ends(gateway: GatewayProcess) -> None:
    for pid in (gateway.role("receive"), gateway.process.pid):
        os.kill(pid, signal.SIGHUP)
    assert gateway.process.wait(PATIENCE_SECONDS) == 0
    assert gateway.events("stopped")


def test_roles_end_with_their_supervisor(gateway: GatewayProcess) -> None:
    children = gateway.children()
    os.kill(gateway.process.pid, signal.SIGKILL)
    gateway.process.wait()
    wait_for(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in children))


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gateway = GatewayProcess(tmp_path, scp={"port": port})
        lines = refused(gateway)
    assert any(str(port) in line for line in lines), lines
    assert not (gateway.data_dir / "spool").exists()  # no role, and no model, was started for it


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"model": {"path": "/nowhere/model.pth"}}, ["/nowhere/model.pth"]),
        ({"database": "postgresql://nobody@127.0.0.1:1/none?sslmode=none"}, ["cannot be opened", "sslmode"]),
        ({"scp": {"port": -1}, "wrong": 1, "workers": 0}, ["scp.port", "wrong", "workers"]),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, settings: dict[str, object], told: list[str]) -> None:
    lines = "\n".join(refused(GatewayProcess(tmp_path, **settings)))
    assert all(words in lines for words in told), lines
