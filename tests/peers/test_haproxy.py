"""A real HAProxy before receivers: sources, TLS, health checks."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from gateway.dicom.statuses import Status
from gateway.receive import listener
from gateway.receive.health import HealthPort
from gateway.receive.proxy_header import read_source
from gateway.settings import SCP
from tests.peers.haproxy import OWN_ADDRESS, HAProxy, balancing
from tests.support.certificates import Authority
from tests.support.gateway_process import PATIENCE_SECONDS, wait_for
from tests.support.receiving import Receiver, receiving
from tests.support.sources import dx, encoded
from tests.wire import pdus
from tests.wire.requestor import Requestor, Response

Find = Callable[[str], str]
SERVERS = ("host1", "host2")
SENDER, STRANGER = "127.0.0.1", "127.0.0.9"
BEHIND: dict[str, Any] = {
    "trusted_proxies": [OWN_ADDRESS],
    "peers": [{"ae_title": "MODALITY", "host": SENDER}],
}


@pytest.fixture
def receivers(tmp_path: Path) -> Iterator[list[Receiver]]:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with receiving(tmp_path / "one", **BEHIND) as one, receiving(tmp_path / "two", **BEHIND) as two:
        yield [one, two]


@pytest.fixture
def haproxy(receivers: list[Receiver]) -> Iterator[HAProxy]:
    with balancing(*(each.address for each in receivers)) as running:
        yield running


def storescu(dcmtk: Find, haproxy: HAProxy, image: Path) -> str:
    host, port = haproxy.address
    command = [
        dcmtk("storescu"),
        "-v",
        "-aet",
        "MODALITY",
        "-aec",
        "CXR_GATEWAY",
        host,
        str(port),
        str(image),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    return done.stdout + done.stderr


def test_images_are_spread_and_kept_under_the_address_of_their_sender(
    dcmtk: Find, haproxy: HAProxy, receivers: list[Receiver], tmp_path: Path
) -> None:
    for number in range(4):
        image = tmp_path / f"{number}.dcm"
        image.write_bytes(encoded(dx()))
        assert "Received Store Response (Success)" in storescu(dcmtk, haproxy, image)
    assert [haproxy.sessions(server) for server in SERVERS] == [2, 2]
    rows = [row for receiver in receivers for row in receiver.rows()]
    assert [row.peer_address for row in rows] == [SENDER] * 4


def test_a_stranger_is_rejected_under_its_own_address(haproxy: HAProxy, receivers: list[Receiver]) -> None:
    with Requestor(haproxy.address, STRANGER) as peer:
        answer = peer.associate(pdus.VERIFICATION.decode(), calling="MODALITY")
        assert str(answer) == "rejected 1/1/3"
    told = wait_for(lambda: [each for one in receivers for each in one.events("association_rejected")])
    assert [entry["peer_address"] for entry in told] == [STRANGER]


def test_its_health_checks_pass_and_leave_no_line(
    receivers: list[Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = list[object]()

    def counting(connection: socket.socket, deadline: float) -> object:
        source = read_source(connection, deadline)
        if source is None:
            checks.append(connection)
        return source

    monkeypatch.setattr(listener, "read_source", counting)
    with balancing(*(each.address for each in receivers)) as haproxy:
        wait_for(lambda: len(checks) >= 10)
        assert [haproxy.last_check(server) for server in SERVERS] == ["L4OK", "L4OK"]
        assert [haproxy.status(server) for server in SERVERS] == ["UP", "UP"]
    assert not [each for one in receivers for each in one.events("association_rejected")]
    assert not [each for one in receivers for each in one.events("association_aborted")]


def associates(haproxy: HAProxy) -> bool:
    with Requestor(haproxy.address, SENDER) as peer:
        answer = peer.associate(pdus.VERIFICATION.decode(), calling="MODALITY")
        peer.release()
        return str(answer) == "accepted"


def test_a_receiver_that_stops_gets_nothing_more(haproxy: HAProxy, receivers: list[Receiver]) -> None:
    receivers[0].scp.stop(10)
    for _ in range(3):  # also before the check has noticed: a refused connection goes to the other host
        assert associates(haproxy)
    wait_for(lambda: haproxy.status("host1") == "DOWN")
    assert haproxy.status("host2") == "UP"


def test_a_receiver_that_leaves_gets_nothing_more_and_finishes_what_it_has(receivers: list[Receiver]) -> None:
    ports = [HealthPort(SCP(port=0, health_port=0), lambda: None) for _ in receivers]
    for port in ports:
        port.start()
    addresses = [each.address for each in receivers]
    with balancing(*addresses, health=[port.address[1] for port in ports]) as haproxy:
        wait_for(lambda: [haproxy.last_check(server) for server in SERVERS] == ["L7OK", "L7OK"])
        with Requestor(haproxy.address, SENDER) as peer:
            assert str(peer.associate(pdus.VERIFICATION.decode(), calling="MODALITY")) == "accepted"
            leaving = SERVERS[0] if haproxy.sessions(SERVERS[0]) else SERVERS[1]
            ports[SERVERS.index(leaving)].leave()
            wait_for(lambda: haproxy.status(leaving) == "DOWN")
            before = haproxy.sessions(leaving)
            assert all(associates(haproxy) for _ in range(4))
            assert haproxy.sessions(leaving) == before
            assert peer.ask(1, pdus.c_echo_rq()) == Response(0x0000, "")
    for port in ports:
        port.stop()


@pytest.mark.parametrize(("options", "passed"), [("", "L4OK"), ("check-ssl verify none", "L6OK")])
def test_tls_goes_through_and_its_health_checks_pass(
    options: str, passed: str, tmp_path: Path, authority: Authority
) -> None:
    context = ssl.create_default_context(cafile=str(authority.ca))
    files = authority.sign("gateway").files
    with receiving(tmp_path, **BEHIND, tls=files) as receiver:
        with balancing(receiver.address, server_options=options) as haproxy:
            ae = AE("MODALITY")
            ae.add_requested_context(Verification)
            for _ in range(3):
                host, port = haproxy.address
                assoc = ae.associate(host, port, ae_title="CXR_GATEWAY", tls_args=(context, "127.0.0.1"))
                assert assoc.send_c_echo().Status == Status.SUCCESS
                assoc.release()
            wait_for(lambda: haproxy.sessions("host1") == 3)
            wait_for(lambda: haproxy.last_check("host1") == passed)
            assert haproxy.status("host1") == "UP"
        assert [entry["peer_address"] for entry in receiver.events("association_opened")] == [SENDER] * 3
        assert not receiver.events("association_rejected")
