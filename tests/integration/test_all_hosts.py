"""The limits of associations over the receivers of two hosts with one PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.receive.all_hosts import PlacesOfAllHosts
from gateway.receive.places import Full, Places
from gateway.receive.port import Share
from gateway.settings import SCP
from gateway.store.database import open_engine
from gateway.store.ledger import Ledger
from gateway.store.migrate import upgrade
from gateway.store.receivers import LEASE_SECONDS, Receivers
from gateway.store.schema import receivers
from tests.support.gateway_process import wait_for
from tests.support.postgresql import PostgreSQL

LIMITS = SCP(max_associations=3, max_associations_per_peer=2)
PEER, OTHER, THIRD = "192.0.2.1", "192.0.2.2", "192.0.2.3"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgreSQL]:
    with PostgreSQL(tmp_path_factory.mktemp("postgresql")) as running:
        yield running


@pytest.fixture
def engine(server: PostgreSQL) -> Iterator[sa.Engine]:
    engine = open_engine(server.url.replace("postgresql://", "postgresql+psycopg://"))
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(sa.delete(receivers))
    yield engine
    engine.dispose()


@pytest.fixture
def hosts(engine: sa.Engine, tmp_path: Path) -> Iterator[list[PlacesOfAllHosts]]:
    with ExitStack() as stack:
        yield [host(engine, tmp_path, stack) for _ in range(2)]


def host(engine: sa.Engine, folder: Path, stack: ExitStack) -> PlacesOfAllHosts:
    share = Share()
    rows = Receivers(Ledger(engine, folder), share.host, share.number)
    places = PlacesOfAllHosts(LIMITS, Places(LIMITS, share), rows)
    places.start()
    stack.callback(places.stop)
    return places


def test_both_limits_hold_over_both_hosts(hosts: list[PlacesOfAllHosts]) -> None:
    one, two = hosts
    assert isinstance(one.take(PEER), int)
    assert isinstance(two.take(PEER), int)
    assert one.take(PEER) is two.take(PEER) is Full.FROM_ADDRESS
    assert isinstance(two.take(OTHER), int)
    assert one.take(THIRD) is two.take(THIRD) is Full.IN_ALL


def test_a_peer_that_associates_again_at_once_elsewhere_finds_its_place(
    hosts: list[PlacesOfAllHosts],
) -> None:
    one, two = hosts
    kept = [one.take(PEER), one.take(PEER)]
    for turn in range(6):
        leaving, coming = (one, two) if turn % 2 == 0 else (two, one)
        place = kept.pop()
        assert isinstance(place, int)
        leaving.free(place)
        kept.append(coming.take(PEER))
        assert isinstance(kept[-1], int)


def test_a_host_that_stops_or_is_silent_counts_no_more(
    hosts: list[PlacesOfAllHosts], engine: sa.Engine
) -> None:
    one, two = hosts
    assert isinstance(one.take(PEER), int)
    with engine.begin() as connection:
        late = sa.text(f"now() - interval '{LEASE_SECONDS + 1} seconds'")
        row = {"host": 7, "number": 0, "places": {OTHER: 3}, "heard_at": late}
        connection.execute(sa.insert(receivers).values(row))
    assert isinstance(two.take(PEER), int)
    assert two.take(PEER) is Full.FROM_ADDRESS
    one.stop()
    assert isinstance(two.take(PEER), int)
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(receivers)) == 1


def test_while_the_database_is_away_each_host_counts_for_itself(
    hosts: list[PlacesOfAllHosts], server: PostgreSQL
) -> None:
    one, two = hosts
    assert isinstance(one.take(PEER), int)
    server.stop()
    try:
        assert [isinstance(two.take(PEER), int) for _ in range(2)] == [True, True]
        assert two.take(PEER) is Full.FROM_ADDRESS
    finally:
        server.start()
    wait_for(lambda: one.take(PEER) is Full.FROM_ADDRESS)
