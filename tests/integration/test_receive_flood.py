"""Who sends nothing, half of something or what is refused uses up no place, no log and no audit trail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.settings import Settings
from gateway.telemetry.audit import trail
from tests.support.gateway_process import wait_for
from tests.support.receiving import Receiver, receiving
from tests.wire import pdus
from tests.wire.requestor import Requestor, Response

HONEST, FLOODER = "127.0.0.1", "127.0.0.2"
LIMITS = {"max_associations": 4, "max_associations_per_peer": 2}
FLOOD = 60  # connections: five times what is held
REQUEST = pdus.associate(
    pdus.ASSOCIATE_RQ, [pdus.proposed_context(1, pdus.VERIFICATION, pdus.IMPLICIT_VR)], calling=b"KNOWN"
)
KNOWN = {"ae_title": "KNOWN", "host": HONEST}
SUCCESS = Response(0x0000, "")


def echoes(receiver: Receiver, source: str) -> bool:
    with Requestor(receiver.address, source) as peer:
        peer.say(REQUEST)
        return str(peer.hear()) == "accepted" and peer.ask(1, pdus.c_echo_rq()) == SUCCESS


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("peers", [[], [KNOWN]])
@pytest.mark.parametrize("source", [HONEST, FLOODER])
@pytest.mark.parametrize("begins", [b"", REQUEST[:60]])
def test_connections_that_never_associate_leave_room_for_others(
    tmp_path: Path, opened: ExitStack, peers: list[dict[str, str]], source: str, begins: bytes
) -> None:
    with receiving(tmp_path, peers=peers, **LIMITS) as receiver:
        for number in range(FLOOD):
            opened.enter_context(Requestor(receiver.address, source)).say(begins)
            if number % 10 == 0:
                assert echoes(receiver, HONEST)
        assert echoes(receiver, HONEST)
        told = [entry for entry in receiver.events("association_rejected") if entry["peer_address"] == source]
        assert len(told) == 1
        assert "too many connections" in told[0]["why"]
        opened.close()
    assert any(entry.get("repeated", 0) > 0 for entry in receiver.events("association_rejected"))


def test_a_storm_of_rejections_is_counted_in_log_and_audit_trail(tmp_path: Path) -> None:
    trail.open_trail(Settings(data_dir=tmp_path))
    try:
        with receiving(tmp_path, peers=[KNOWN]) as receiver:
            for _ in range(100):
                with Requestor(receiver.address, FLOODER) as stranger:
                    stranger.say(REQUEST)
                    assert str(stranger.hear()) == "rejected 1/1/3"
            assert len(receiver.events("association_rejected")) == 1
            assert echoes(receiver, HONEST)
        _, counted = receiver.events("association_rejected")
        assert counted["repeated"] == 99
        assert counted["calling_ae_title"] == "KNOWN"
    finally:
        trail.close_trail()
    (file,) = (tmp_path / "audit").glob("audit-*.log")
    audited = [line for line in file.read_text().splitlines() if FLOODER in line]
    assert len(audited) == 2
    assert "repeated 99 times" in audited[1]


def test_limits_count_connections_even_when_a_thread_has_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception in an association's thread closes its connection, with a line."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with receiving(tmp_path, **LIMITS) as receiver:
        with monkeypatch.context() as patched:
            patched.setattr("pynetdicom.acse.ACSE.negotiate_association", fail)
            for number in range(10):
                with Requestor(receiver.address, f"127.0.1.{number}") as peer:
                    peer.say(REQUEST)
                    assert peer.hear_all()[-1] == "closed"
        assert echoes(receiver, HONEST)
        wait_for(lambda: len(receiver.events("association_rejected")) == 10)
        assert all("ZeroDivisionError" in entry["why"] for entry in receiver.events("association_rejected"))


def test_a_host_that_cannot_be_resolved_is_a_reason_for_now(tmp_path: Path) -> None:
    with receiving(tmp_path, peers=[{"ae_title": "KNOWN", "host": "no-such-host.invalid"}]) as receiver:
        with Requestor(receiver.address) as peer:
            peer.say(REQUEST)
            assert str(peer.hear()) == "rejected 2/3/1"
        (entry,) = receiver.events("association_rejected")
        assert "no-such-host.invalid cannot be resolved" in entry["why"]
