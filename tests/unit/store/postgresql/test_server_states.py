"""PostgreSQL that refuses, is slow, crashes or fails over: what fails is for later."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from gateway.errors import ConfigurationError, Retry
from gateway.settings import Settings
from gateway.store.entries import Arrival
from gateway.store.ledger import Ledger
from gateway.store.opening import open_database
from gateway.store.postgresql import Connection
from tests.support.ledger_rows import received
from tests.support.postgresql import PostgreSQL, Standby, ledger_at


def pid(ledger: Ledger) -> int:
    with ledger.transaction() as connection:
        return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())


FULL = r"too many|remaining connection slots"


def test_a_server_out_of_connections_is_for_later(server: PostgreSQL, ledger: Ledger, tmp_path: Path) -> None:
    ledger._engine.dispose()
    taken: list[psycopg.Connection[object]] = []
    with pytest.raises(psycopg.OperationalError, match=FULL):  # noqa: PT012
        while True:
            taken.append(psycopg.connect(server.url))
    with pytest.raises(Retry, match=FULL):
        ledger.record_received(received(tmp_path))
    for each in taken:
        each.close()
    assert ledger.record_received(received(tmp_path)) is Arrival.NEW


def test_a_lock_is_not_waited_for_for_ever(server: PostgreSQL, tmp_path: Path) -> None:
    with ledger_at(server.url, tmp_path) as ledger, psycopg.connect(server.url) as other:
        with ledger._engine.connect() as connection:
            assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "10s"
        sa.event.listen(
            ledger._engine, "begin", lambda each: each.exec_driver_sql("SET LOCAL lock_timeout = 50")
        )
        other.execute("LOCK TABLE instances IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Retry, match="lock timeout"):
            ledger.record_received(received(tmp_path))
        other.rollback()
        assert ledger.record_received(received(tmp_path)) is Arrival.NEW


def test_the_server_gives_up_a_host_that_has_lost_its_power_and_its_locks(ledger: Ledger) -> None:
    names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
    with ledger.transaction() as connection:
        shown = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in names]
    assert shown == ["10", "5", "4", "30000"]


def test_a_server_that_is_slow_is_not_waited_for_for_ever(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = pid(ledger)
    monkeypatch.setattr(Connection, "patience", 0.5)
    with pytest.raises(Retry, match=r"no answer within 0.5 s"), ledger.transaction() as connection:
        connection.exec_driver_sql("SELECT pg_sleep(30)")
    monkeypatch.undo()
    assert pid(ledger) != before


def test_connections_of_a_server_that_crashed_are_replaced(
    server: PostgreSQL, ledger: Ledger, tmp_path: Path
) -> None:
    assert ledger.record_received(received(tmp_path)) is Arrival.NEW  # synchronous_commit is off there
    server.restart()
    assert ledger.record_received(received(tmp_path)) is Arrival.RESENT
    assert ledger.queued() == 1


def test_a_server_that_was_made_read_only_is_left_until_it_takes_writes(
    server: PostgreSQL, ledger: Ledger, tmp_path: Path
) -> None:
    ledger.queued()  # a connection is kept
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
        with ledger.transaction() as connection:  # a kept connection, whose session knows by now
            connection.exec_driver_sql("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
        with pytest.raises(Retry, match="read-only"):
            ledger.record_received(received(tmp_path))
        with pytest.raises(Retry, match="read-only"):
            ledger.record_received(received(tmp_path))  # refused by each new connection, too
        admin.execute("SET default_transaction_read_only = off")
        admin.execute("ALTER DATABASE postgres RESET default_transaction_read_only")
    assert ledger.record_received(received(tmp_path)) is Arrival.NEW


def test_statements_see_what_others_commit_whatever_isolation_the_server_prefers(
    server: PostgreSQL, tmp_path: Path
) -> None:
    url = f"{server.url}?options=-c%20default_transaction_isolation%3Dserializable"
    with ledger_at(url, tmp_path) as ledger, ledger.transaction() as connection:
        assert connection.exec_driver_sql("SHOW transaction_isolation").scalar() == "read committed"


def test_a_database_that_cannot_hold_every_text_is_refused_with_the_remedy(
    server: PostgreSQL, tmp_path: Path
) -> None:
    url = sa.make_url(server.url)
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    engine.dispose()
    latin = url.set(database="latin").render_as_string(hide_password=False)
    with pytest.raises(ConfigurationError, match="ENCODING 'UTF8'"):
        open_database(Settings(data_dir=tmp_path / "var", database=latin))


def test_after_a_fail_over_the_promoted_standby_is_used_and_has_every_acknowledged_image(
    tmp_path: Path,
) -> None:
    names = {"synchronous_standby_names": "*", "synchronous_commit": "off"}
    with PostgreSQL(tmp_path) as primary, Standby(primary, tmp_path) as standby:
        with pytest.raises(ConfigurationError, match="read-only"):
            open_database(Settings(data_dir=tmp_path / "var", database=standby.url))
        with psycopg.connect(primary.url, autocommit=True) as admin:
            for name, value in names.items():
                admin.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            admin.execute("SELECT pg_reload_conf()")
        both = f"postgresql://gateway@127.0.0.1:{standby.port},127.0.0.1:{primary.port}/postgres"
        with ledger_at(both, tmp_path) as ledger:
            for number in range(5):
                assert ledger.record_received(received(tmp_path, number)) is Arrival.NEW
            primary.crash()
            with pytest.raises(Retry):
                ledger.record_received(received(tmp_path, 5))
            standby.promote()
            with psycopg.connect(standby.url, autocommit=True) as admin:
                admin.execute("ALTER SYSTEM RESET ALL")
                admin.execute("SELECT pg_reload_conf()")
            arrivals = [ledger.record_received(received(tmp_path, number)) for number in range(6)]
            assert arrivals == [Arrival.RESENT] * 5 + [Arrival.NEW]
