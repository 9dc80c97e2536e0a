"""What is committed stays, whatever the server is set to; what a database says of itself is for later."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.errors import ConfigurationError, Retry
from gateway.settings import Settings
from gateway.store.database import open_engine
from gateway.store.entries import Arrival
from gateway.store.ledger import Ledger
from gateway.store.migrate import upgrade
from gateway.store.opening import open_database
from gateway.store.server_state import risks
from gateway.store.turns import Turns
from tests.support.ledger_rows import received
from tests.support.postgresql import PostgreSQL, postgresql

SECONDS = 60.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with postgresql(tmp_path_factory.mktemp("postgresql")) as url:
        engine = open_engine(driven(url))
        upgrade(engine)
        engine.dispose()
        yield url


def driven(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture
def on_server(server: str, tmp_path: Path) -> Iterator[Ledger]:
    engine = open_engine(driven(server))
    with engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE instances CASCADE")
    yield Ledger(engine, tmp_path)
    engine.dispose()


def shown(url: str, name: str) -> str:
    engine = open_engine(url)
    with engine.connect() as connection:
        value = str(connection.exec_driver_sql(f"SHOW {name}").scalar_one())
    engine.dispose()
    return value


@pytest.mark.parametrize("stated", ["off", "local", "remote_write", "on", "remote_apply"])
@pytest.mark.parametrize("place", ["ALTER ROLE gateway", "ALTER DATABASE postgres", "url"])
def test_commits_are_synced_whatever_the_server_says(server: str, place: str, stated: str) -> None:
    admin = open_engine(driven(server))
    url = driven(server)
    if place == "url":
        url += f"?options=-c%20synchronous_commit%3D{stated}"
    else:
        with admin.begin() as connection:
            connection.exec_driver_sql(f"{place} SET synchronous_commit = {stated}")
    try:
        assert shown(url, "synchronous_commit") == ("on" if stated == "off" else stated)
    finally:
        with admin.begin() as connection:
            for each in ("ALTER ROLE gateway", "ALTER DATABASE postgres"):
                connection.exec_driver_sql(f"{each} RESET synchronous_commit")
        admin.dispose()


def test_a_server_that_does_not_sync_is_refused(tmp_path: Path) -> None:
    with PostgreSQL(tmp_path, fsync="off", full_page_writes="off") as server:
        with pytest.raises(ConfigurationError, match="fsync is off"):
            open_database(Settings(data_dir=tmp_path / "var", database=server.url))
        engine = open_engine(driven(server.url))
        assert [risk.is_fatal for risk in risks(engine)] == [True, False]
        engine.dispose()


LATER = {
    "25006": "read-only, as after a fail-over",
    "40001": "could not serialise",
    "40P01": "deadlock",
    "42501": "no right",
    "42P01": "not yet upgraded",
    "53100": "disk full",
    "53200": "out of memory",
    "53300": "too many connections",
    "55P03": "lock not available",
    "57014": "cancelled",
    "57P01": "shutting down",
    "57P03": "recovering",
    "58030": "input or output error",
    "XX001": "damaged page",
}


@pytest.mark.parametrize("code", LATER, ids=LATER.get)
def test_what_a_database_says_of_itself_is_for_later(on_server: Ledger, code: str) -> None:
    with pytest.raises(Retry, match="as the test wants"), on_server.transaction() as connection:
        connection.exec_driver_sql(
            f"DO $$ BEGIN RAISE EXCEPTION 'as the test wants' USING ERRCODE = '{code}'; END $$"
        )
    assert on_server.queued() == 0


def test_a_read_only_server_takes_no_image_and_the_next_connection_is_a_new_one(
    on_server: Ledger, tmp_path: Path
) -> None:
    pids = []
    with on_server.transaction() as connection:
        pids.append(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
        connection.exec_driver_sql("SET default_transaction_read_only = on")
    with pytest.raises(Retry, match="read-only"):
        on_server.record_received(received(tmp_path))
    assert on_server.record_received(received(tmp_path)) is Arrival.NEW
    with on_server.transaction() as connection:
        pids.append(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
    assert pids[0] != pids[1]


def test_text_that_the_database_cannot_hold_is_for_later_where_a_sender_waits(
    on_server: Ledger, tmp_path: Path
) -> None:
    with pytest.raises(Retry):
        on_server.record_received(received(tmp_path, called_ae_title="A\0"))


def test_an_image_whose_commit_was_not_answered_is_there_when_it_comes_again(
    on_server: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialect = on_server._engine.dialect
    commit = type(dialect).do_commit

    def commit_and_lose_the_answer(self: sa.Dialect, connection: object) -> None:
        commit(self, connection)
        raise sa.exc.OperationalError("COMMIT", None, Exception("the connection was lost"))

    monkeypatch.setattr(type(dialect), "do_commit", commit_and_lose_the_answer)
    with pytest.raises(Retry):
        on_server.record_received(received(tmp_path))
    monkeypatch.undo()
    assert on_server.record_received(received(tmp_path)) is Arrival.RESENT
    assert on_server.queued() == 1


def test_turns_are_handed_on_in_the_order_of_asking(tmp_path: Path) -> None:
    turns, order = Turns(tmp_path / "turn"), []
    assert turns.take(SECONDS)

    def wait(number: int) -> None:
        assert turns.take(SECONDS)
        order.append(number)
        turns.give()

    threads = []
    for number in range(5):
        threads.append(threading.Thread(target=wait, args=(number,)))
        threads[-1].start()
        while len(turns._waiting) <= number:
            threading.Event().wait(0.001)
    assert not turns.take(0)  # who does not wait goes away again
    turns.give()
    for thread in threads:
        thread.join()
    assert order == list(range(5))


def test_one_process_waits_for_the_turn_of_another(tmp_path: Path) -> None:
    here, there = Turns(tmp_path / "turn"), Turns(tmp_path / "turn")  # as two processes: each has opened it
    assert here.take(SECONDS)
    assert not there.take(0)
    here.give()
    assert there.take(0)


def test_without_a_lock_file_each_process_has_its_own_turn(tmp_path: Path) -> None:
    turns = Turns(tmp_path / "missing" / "turn")
    assert turns.take(0)
    assert not turns.take(0)
    turns.give()
    assert turns.take(0)


def test_writers_of_one_process_wait_for_each_other_not_for_luck(ledger: Ledger, tmp_path: Path) -> None:
    """SQLite itself would refuse the second one at once."""
    engine = ledger._engine
    sa.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=0"))
    engine.dispose()
    arrivals = []
    with engine.begin() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        second = threading.Thread(target=lambda: arrivals.append(ledger.record_received(received(tmp_path))))
        second.start()
        assert ledger.queued() == 0  # who only reads does not wait
    second.join()
    assert arrivals == [Arrival.NEW]


def test_a_turn_is_given_back_however_a_transaction_ends(ledger: Ledger, tmp_path: Path) -> None:
    engine = ledger._engine
    with engine.connect() as connection:
        connection.exec_driver_sql("DELETE FROM events")
        connection.rollback()
    with engine.connect() as connection:
        connection.exec_driver_sql("DELETE FROM events")
        connection.invalidate()
    with pytest.raises(Retry), ledger.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM nowhere")
    assert ledger.record_received(received(tmp_path)) is Arrival.NEW


@pytest.mark.parametrize("name", ["a?b", "a%20b", "a#b", "a b", "file:x?mode=memory", "ünï", "a'b\"c"])
def test_a_data_directory_may_have_any_name(tmp_path: Path, name: str) -> None:
    settings = Settings(data_dir=tmp_path / name)
    engine, _ = open_database(settings)
    engine.dispose()
    assert [found.name for found in tmp_path.iterdir()] == [name]
    assert settings.directory.database.stat().st_size
