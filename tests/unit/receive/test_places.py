"""The places of associations, for one receiver and for several processes that share them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gateway.receive.places import Full, Places, make_places
from gateway.receive.port import ALONE, Share
from gateway.settings import SCP

LIMITS = SCP(max_associations=3, max_associations_per_peer=2)
RECEIVER = """
import sys
from threading import Thread
from gateway.receive.places import Places
from gateway.receive.port import Share
from gateway.settings import SCP
number, shared, in_all, from_address, address = sys.argv[1:]
limits = SCP(max_associations=in_all, max_associations_per_peer=from_address)
places = Places(limits, Share(int(number), 4, None, int(shared)))
print("begun", flush=True)
sys.stdin.readline()
"""
GREEDY = """
taken = []
def take():
    for _ in range(50):
        place = places.take(address)
        if isinstance(place, int):
            places.free(place)  # another may have it meanwhile
            again = places.take(address)
            if isinstance(again, int):
                taken.append(again)
threads = [Thread(target=take) for _ in range(4)]
for each in threads:
    each.start()
for each in threads:
    each.join()
print(*taken, flush=True)
sys.stdin.readline()
"""
LOCKED = """
with places._locked():
    print("locked", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def shared() -> Iterator[int]:
    descriptor = make_places(SCP(max_associations=60))
    yield descriptor
    os.close(descriptor)


@contextmanager
def receiver(
    script: str, number: int, shared: int, in_all: int = 60, from_address: int = 60, address: str = "::1"
) -> Iterator[subprocess.Popen[str]]:
    """Run a process with the places, and kill it at the end."""
    words = map(str, (number, shared, in_all, from_address, address))
    process = subprocess.Popen(
        [sys.executable, "-c", RECEIVER + script, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=[shared],
    )
    with process:
        try:
            assert heard(process) == "begun"
            yield process
        finally:
            process.kill()


def heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_both_limits_hold() -> None:
    places = Places(LIMITS, ALONE)
    first, second = places.take("192.0.2.1"), places.take("192.0.2.1")
    assert places.take("192.0.2.1") is Full.FROM_ADDRESS
    assert {first, second, places.take("192.0.2.10")} == {0, 1, 2}
    assert places.take("192.0.2.10") is Full.IN_ALL
    assert isinstance(first, int)
    places.free(first)
    assert places.take("192.0.2.1") == first


def test_the_longest_address_is_one_of_its_own() -> None:
    places = Places(LIMITS, ALONE)
    longest = "2001:0db8:1111:2222:3333:4444:5555:666"
    assert [places.take(longest + last) for last in "112"] == [0, 1, 2]


@pytest.mark.parametrize(("in_all", "from_address", "most"), [(60, 60, 60), (60, 25, 25)])
def test_the_limits_are_exact_over_processes_that_race(
    shared: int, in_all: int, from_address: int, most: int
) -> None:
    taken: list[str] = []
    with (
        receiver(GREEDY, 0, shared, in_all, from_address) as first,
        receiver(GREEDY, 1, shared, in_all, from_address) as second,
        receiver(GREEDY, 2, shared, in_all, from_address) as third,
    ):
        for each in (first, second, third):
            go(each)
        for each in (first, second, third):
            taken += heard(each).split()
    assert len(set(taken)) == len(taken) == most


def test_the_places_of_a_killed_receiver_are_free_once_its_successor_starts(shared: int) -> None:
    with receiver(GREEDY, 1, shared, from_address=40) as killed:
        go(killed)
        assert len(heard(killed).split()) == 40
    places = Places(SCP(max_associations=60), Share(0, 4, None, shared))
    kept = [places.take("192.0.2.1") for _ in range(20)]
    assert places.take("192.0.2.2") is Full.IN_ALL
    Places(SCP(max_associations=60), Share(1, 4, None, shared))
    again = [places.take(f"192.0.2.{2 + number // 20}") for number in range(40)]
    assert sorted(map(str, kept + again)) == sorted(map(str, range(60)))


def test_a_receiver_that_is_killed_while_it_takes_a_place_holds_up_no_other(shared: int) -> None:
    with receiver(LOCKED, 1, shared) as killed:
        go(killed)
        assert heard(killed) == "locked"
        killed.kill()
        killed.wait()
        assert Places(LIMITS, Share(0, 4, None, shared)).take("192.0.2.1") == 0


def test_a_receiver_with_newer_settings_keeps_to_the_places_that_there_are(shared: int) -> None:
    newer = SCP(max_associations=1000, max_associations_per_peer=1000)
    places = Places(newer, Share(0, 2, None, shared))
    taken = [places.take("192.0.2.1") for _ in range(61)]
    assert taken[:60] == list(range(60))
    assert taken[60] is Full.IN_ALL


def test_the_receiver_with_the_fewest_associations_comes_first(shared: int) -> None:
    limits = SCP(max_associations=60)
    first, second = (Places(limits, Share(number, 2, None, shared)) for number in range(2))
    assert first.is_least(0)
    first.take("192.0.2.1")
    assert not first.is_least(1)
    assert second.is_least(0)
    second.take("192.0.2.1")
    assert first.is_least(1)
    assert Places(limits, ALONE).is_least(50)
