"""What a server, a database or a role prefers changes nothing that the gateway writes or reads."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from gateway.store.database import open_engine
from gateway.store.migrate import _alone
from tests.support.pgbouncer import pgbouncer
from tests.support.postgresql import PostgreSQL, ledger_at

WRITTEN = ("Röntgen 胸部", datetime(2026, 12, 1, 8, 30, tzinfo=UTC), 0.6057645627667818)
DEFAULTS = [
    "client_encoding = latin1",
    "client_encoding = sql_ascii",
    "datestyle = German",
    "extra_float_digits = -15",
]


@pytest.mark.parametrize("default", DEFAULTS)
@pytest.mark.parametrize("is_pooled", [False, True], ids=["direct", "pooled"])
def test_what_is_read_is_what_was_written_whatever_form_the_database_prefers(
    server: PostgreSQL, tmp_path: Path, default: str, is_pooled: bool
) -> None:
    with psycopg.connect(server.url, autocommit=True) as admin, ExitStack() as undo:
        admin.execute(f"ALTER DATABASE postgres SET {default}")  # type: ignore[arg-type]
        undo.callback(admin.execute, "ALTER DATABASE postgres RESET ALL")
        url = undo.enter_context(pgbouncer(server)) if is_pooled else server.url
        with ledger_at(url, tmp_path) as ledger, ledger.transaction() as connection:
            read = connection.execute(sa.select(*(sa.literal(each) for each in WRITTEN))).one()
    assert tuple(read) == WRITTEN


def test_an_upgrade_takes_its_time_whatever_limit_a_role_has(server: PostgreSQL) -> None:
    limits = ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout")
    options = "%20".join(f"-c%20{each}%3D20000" for each in limits)
    url = server.url.replace("postgresql://", "postgresql+psycopg://")
    engine = open_engine(f"{url}?options={options}")
    with _alone(engine) as connection:
        assert [connection.exec_driver_sql(f"SHOW {each}").scalar() for each in limits] == ["0"] * 3
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "20s"
    engine.dispose()
