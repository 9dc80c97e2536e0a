"""PostgreSQL behind PgBouncer."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from gateway.errors import ConfigurationError, Retry
from gateway.settings import Settings
from gateway.store.entries import Arrival
from gateway.store.opening import open_database
from tests.support.gateway_process import wait_for
from tests.support.ledger_rows import claim, received
from tests.support.pgbouncer import pgbouncer
from tests.support.postgresql import PostgreSQL, ledger_at


def test_behind_a_pooler_of_transactions_images_are_kept_as_without_it(
    server: PostgreSQL, tmp_path: Path
) -> None:
    with pgbouncer(server, size=2) as url, ledger_at(url, tmp_path) as ledger:
        for number in range(20):  # a prepared statement would be one of the other session
            assert ledger.record_received(received(tmp_path, number)) is Arrival.NEW
        assert len(claim(ledger, "batch", 20)) == 20
        with ledger.transaction() as connection:
            shown = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in SET]
        assert shown == ["on", "10s"]
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as other:
            shown = [other.execute(f"SHOW {name}").fetchone() for name in SET * 10]
        assert shown == [("off",), ("0",)] * 10  # nothing is left in the sessions that others get


SET = ["synchronous_commit", "lock_timeout"]


def test_behind_a_pooler_of_transactions_an_acknowledged_image_survives_a_crash(
    server: PostgreSQL, tmp_path: Path
) -> None:
    with pgbouncer(server) as url, ledger_at(url, tmp_path) as ledger:
        assert ledger.record_received(received(tmp_path)) is Arrival.NEW
        server.restart()

        def arrival() -> Arrival | None:
            with suppress(Retry):  # the pooler waits before it connects to the server again
                return ledger.record_received(received(tmp_path))
            return None

        assert wait_for(arrival) is Arrival.RESENT
        assert ledger.queued() == 1


def test_a_pooler_of_statements_is_refused_with_the_remedy(server: PostgreSQL, tmp_path: Path) -> None:
    remedy = pytest.raises(ConfigurationError, match="pool_mode = transaction")
    with pgbouncer(server, mode="statement") as url, remedy:
        open_database(Settings(data_dir=tmp_path / "var", database=url))
