"""The port as the supervisor holds it, and the number of its receivers."""

from __future__ import annotations

import os
import socket

import pytest

from gateway.processes.shared_port import SharedPort
from gateway.receive.port import Share
from gateway.settings import SCP
from gateway.settings.processes import receiver_count


@pytest.mark.parametrize(("cores", "receivers"), [(1, 1), (2, 1), (4, 1), (8, 2), (16, 4), (32, 8), (128, 8)])
def test_automatically_there_is_one_receiver_for_every_four_cores(
    monkeypatch: pytest.MonkeyPatch, cores: int, receivers: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert receiver_count(SCP()) == receivers
    assert receiver_count(SCP(processes="3")) == 3


def test_the_port_is_refused_once_supervisor_and_receivers_have_closed_it() -> None:
    port = SharedPort(SCP(port=0, processes="2"))
    number, receivers, listening, *_ = map(int, port.arguments(1)[1:])
    assert (number, receivers) == (1, 2)
    with Share(number, receivers, os.dup(listening)).listen(SCP()) as inherited:
        address = inherited.getsockname()
        port.close()
        socket.create_connection(address).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
