"""A PostgreSQL server for the tests of a worker, and an empty ledger there for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.store import clock
from gateway.store.ledger import Ledger
from tests.support.postgresql import PostgreSQL, ledger_at


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgreSQL]:
    folder = tmp_path_factory.mktemp("postgresql")
    with PostgreSQL(folder, synchronous_commit="off", max_connections="20") as server:
        yield server


@pytest.fixture(autouse=True)
def the_servers_clock_is_forgotten() -> Iterator[None]:
    yield
    clock.forget()


@pytest.fixture
def ledger(server: PostgreSQL, tmp_path: Path) -> Iterator[Ledger]:
    with ledger_at(server.url, tmp_path) as ledger:
        yield ledger
