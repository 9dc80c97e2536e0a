"""Names of peers are resolved in the background and remembered while the DNS is away."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from threading import Event, Thread
from typing import Any

import pytest

from gateway.receive import hosts
from gateway.receive.hosts import Hosts

HANGS_SECONDS = 60


class Names:
    """A DNS that answers, hangs or fails as the test says."""

    def __init__(self) -> None:
        self.addresses: list[str] | None = []
        self.answers = Event()
        self.asked = 0

    def getaddrinfo(self, _host: str, _port: object) -> list[Any]:
        self.asked += 1
        assert self.answers.wait(HANGS_SECONDS)
        if self.addresses is None:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(0, 0, 0, "", (address, 0)) for address in self.addresses]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    dns = Names()
    monkeypatch.setattr("gateway.receive.hosts.socket.getaddrinfo", dns.getaddrinfo)
    yield dns
    dns.answers.set()


def test_a_slow_name_is_waited_for_only_so_long_and_once(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "WAIT_SECONDS", 0.01)
    names.addresses = ["192.0.2.7"]
    known = Hosts(["slow.example", "192.0.2.1"])
    assert known.addresses("slow.example") is None
    assert known.addresses("slow.example") is None
    assert not known.are_known("192.0.2.7")
    assert known.addresses("192.0.2.1") == {"192.0.2.1"}
    assert names.asked == 1
    monkeypatch.setattr(hosts, "WAIT_SECONDS", HANGS_SECONDS)
    names.answers.set()
    assert known.addresses("slow.example") == {"192.0.2.7"}
    assert known.are_known("192.0.2.7")


def test_a_name_is_remembered_while_the_dns_is_away(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    names.answers.set()
    names.addresses = ["192.0.2.7"]
    known = Hosts(["pacs.example"])
    assert known.addresses("pacs.example") == {"192.0.2.7"}
    names.addresses = None
    monkeypatch.setattr(hosts, "FRESH_SECONDS", -1)
    assert known.addresses("pacs.example") == {"192.0.2.7"}
    assert known.addresses("pacs.example") == {"192.0.2.7"}


def test_a_dead_dns_resolves_nothing(names: Names) -> None:
    names.answers.set()
    names.addresses = None
    assert Hosts(["pacs.example"]).addresses("pacs.example") is None


def test_a_name_whose_lookup_could_not_be_started_is_looked_up_later(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    names.answers.set()
    names.addresses = ["192.0.2.7"]
    known = Hosts(["pacs.example"])
    with monkeypatch.context() as at_its_limit:
        at_its_limit.setattr(Thread, "start", no_thread)
        assert known.addresses("pacs.example") is None
    assert known.addresses("pacs.example") == {"192.0.2.7"}
