"""Two receivers on one port: limits over both, a killed one replaced alone, a stop that ends both."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.gateway_process import PATIENCE_SECONDS, GatewayProcess, running, thread_states, wait_for
from tests.support.persistent_sender import Sender
from tests.support.sources import dx, encoded
from tests.wire.requestor import Requestor

VERIFICATION = "1.2.840.10008.1.1"
REJECTED = "rejected 2/3/2"  # local limit exceeded (PS3.8 9.3.4)
LIMITS = {"max_associations": 3, "max_associations_per_peer": 2}
IMAGES = 16
HERE, THERE, ELSEWHERE = "127.0.0.1", "127.0.0.2", "127.0.0.3"


@pytest.fixture(scope="module")
def one_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    scp = {"processes": 2, **LIMITS}
    with running(tmp_path_factory.mktemp("receivers"), doubles=["instant"], scp=scp) as gateway:
        yield gateway


@contextmanager
def peer_of(gateway: GatewayProcess, receiver: int, source: str = HERE) -> Iterator[Requestor]:
    """Connect to one receiver: the other is held meanwhile."""
    (other,) = set(gateway.roles("receive")) - {receiver}
    os.kill(other, signal.SIGSTOP)
    try:
        wait_for(lambda: thread_states(other) == {"T"})
        peer = Requestor((gateway.node.host, gateway.node.port), source)
        wait_for(lambda: local_port(peer) in connected(receiver))
    finally:
        os.kill(other, signal.SIGCONT)
    with peer:
        yield peer


def local_port(peer: Requestor) -> int:
    return int(peer.socket.getsockname()[1])


def connected(pid: int) -> set[int]:
    """Return the ports of the peers that are connected to a process (Linux)."""
    links = {str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[2].split(":")[1], 16) for row in rows if f"socket:[{row[9]}]" in links}


def answer(peer: Requestor) -> str:
    """Ask for an association; return the answer in words."""
    return str(peer.associate(VERIFICATION))


def associates(gateway: GatewayProcess, receiver: int, source: str) -> bool:
    with peer_of(gateway, receiver, source) as peer:
        return answer(peer) == "accepted"


def test_both_limits_are_exact_over_both_receivers(gateway: GatewayProcess) -> None:
    first, second = gateway.roles("receive")
    with (
        peer_of(gateway, first) as one,
        peer_of(gateway, second) as two,
        peer_of(gateway, first, THERE) as three,
    ):
        assert answer(one) == answer(two) == "accepted"
        for receiver in (first, second):
            with peer_of(gateway, receiver) as too_many:
                assert answer(too_many) == REJECTED
        assert answer(three) == "accepted"
        with peer_of(gateway, second, ELSEWHERE) as too_many:
            assert answer(too_many) == REJECTED
        assert str(one.release()) == "released"
        with peer_of(gateway, second, ELSEWHERE) as next_one:
            assert answer(next_one) == "accepted"
    told = [event["why"] for event in gateway.events("association_rejected")]
    assert ["max_associations_per_peer" in why for why in told] == [True, True, False]


def test_a_killed_receiver_is_replaced_alone_and_its_places_are_free(gateway: GatewayProcess) -> None:
    first, second = gateway.roles("receive")
    with peer_of(gateway, first) as kept, peer_of(gateway, second) as lost:
        assert answer(kept) == answer(lost) == "accepted"
        os.kill(second, signal.SIGKILL)
        wait_for(lambda: gateway.events("started"))
        (died,) = gateway.events("role_died")
        assert died["died"] == "receive 1"
        assert gateway.roles("receive")[0] == first
        with peer_of(gateway, gateway.roles("receive")[1]) as successor:
            assert answer(successor) == "accepted"
        assert str(kept.release()) == "released"


def test_a_stop_ends_both_and_closes_the_port(gateway: GatewayProcess) -> None:
    first, second = gateway.roles("receive")
    with peer_of(gateway, first) as one, peer_of(gateway, second) as two:
        assert answer(one) == answer(two) == "accepted"
        assert gateway.stop() == 0
        for peer in (one, two):
            assert str(peer.hear()).startswith("aborted")
    with pytest.raises(ConnectionRefusedError):
        Requestor((gateway.node.host, gateway.node.port))
    assert "Traceback" not in gateway.stderr()


# a peer that is killed leaves the sender's socket to the garbage collector: pynetdicom does not close it
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed <socket", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_receivers_killed_under_load_lose_nothing(gateway: GatewayProcess, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.dcm" for number in range(IMAGES)]
    for number, file in enumerate(files):
        file.write_bytes(encoded(dx(InstanceNumber=number)))
    senders = [Sender(gateway, files[number::2]) for number in range(2)]
    for sender in senders:
        sender.start()
    for kill in range(1, 4):
        wait_for(lambda least=4 * kill: sum(len(each.acknowledged) for each in senders) >= least)
        os.kill(gateway.roles("receive")[kill % 2], signal.SIGKILL)
        wait_for(lambda expected=kill: len(gateway.events("started")) == expected)
    for sender in senders:
        sender.join(PATIENCE_SECONDS)
    assert sorted(file for each in senders for file in each.acknowledged) == sorted(files)
    wait_for(lambda: len(gateway.images("delivered")) == IMAGES)
    assert len(gateway.images()) == IMAGES
