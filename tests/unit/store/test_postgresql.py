"""PostgreSQL as it is run in hospitals: what was acknowledged is there, and what fails is for later."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from gateway.errors import ConfigurationError, Retry
from gateway.records import Description
from gateway.settings import Settings
from gateway.store import clock
from gateway.store.answers import Answered
from gateway.store.database import open_engine
from gateway.store.database_errors import BUG_CLASSES, LATER_ALL_THE_SAME, is_for_later
from gateway.store.entries import Arrival
from gateway.store.ledger import Ledger
from gateway.store.migrate import _alone, upgrade
from gateway.store.opening import open_database
from gateway.store.outbox import Outbox
from gateway.store.postgresql import Connection
from gateway.store.queries.images import Images
from gateway.store.schema import answers, instances
from tests.support.commit_thief import CommitThief, Theft
from tests.support.gateway_process import wait_for
from tests.support.ledger_rows import answer, claim, received, record_answer, state
from tests.support.pgbouncer import pgbouncer
from tests.support.postgresql import PostgreSQL, Standby


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgreSQL]:
    folder = tmp_path_factory.mktemp("postgresql")
    with PostgreSQL(folder, synchronous_commit="off", max_connections="20") as server:
        yield server


@pytest.fixture(autouse=True)
def the_servers_clock_is_forgotten() -> Iterator[None]:
    yield
    clock.forget()


@contextmanager
def ledger_at(url: str, folder: Path) -> Iterator[Ledger]:
    """Open an empty ledger."""
    engine = open_engine(Settings(data_dir=folder, database=url).database_url)
    upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE instances CASCADE")
    yield Ledger(engine, folder)
    engine.dispose()


@pytest.fixture
def ledger(server: PostgreSQL, tmp_path: Path) -> Iterator[Ledger]:
    with ledger_at(server.url, tmp_path) as ledger:
        yield ledger


@pytest.fixture
def thief(server: PostgreSQL) -> Iterator[CommitThief]:
    with CommitThief(server.port) as thief:
        yield thief


def through(thief: CommitThief) -> str:
    return f"postgresql://gateway@127.0.0.1:{thief.port}/postgres"


def history(ledger: Ledger) -> list[str]:
    (image,) = Images(ledger).newest()
    return [event.event for event in Images(ledger).versions(image.sop_instance_uid)[0].events]


def pid(ledger: Ledger) -> int:
    with ledger.transaction() as connection:
        return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())


# --- a commit whose answer is lost


@pytest.mark.parametrize("theft", [Theft.ANSWER, Theft.SILENCE], ids=lambda theft: theft.name)
def test_an_image_whose_commit_was_not_answered_is_looked_up_before_the_sender_hears(
    thief: CommitThief, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theft: Theft
) -> None:
    with ledger_at(through(thief), tmp_path) as ledger:
        monkeypatch.setattr(Connection, "patience", 5.0)
        with capture_logs() as log, thief.steals(theft):
            assert ledger.record_received(received(tmp_path)) is Arrival.NEW
        assert [entry["event"] for entry in log] == ["received"]
        assert (ledger.queued(), history(ledger)) == (1, ["received"])


def test_an_image_whose_commit_never_reached_the_server_is_not_acknowledged(
    thief: CommitThief, tmp_path: Path
) -> None:
    with ledger_at(through(thief), tmp_path) as ledger:
        with capture_logs() as log, thief.steals(Theft.COMMIT), pytest.raises(Retry):
            ledger.record_received(received(tmp_path))
        assert log == []
        assert ledger.record_received(received(tmp_path)) is Arrival.NEW
        assert (ledger.queued(), history(ledger)) == (1, ["received"])


def test_images_that_share_a_lost_commit_are_each_acknowledged(thief: CommitThief, tmp_path: Path) -> None:
    with ledger_at(through(thief), tmp_path) as ledger:
        ledger.record_received(received(tmp_path, 2))
        receipts = [received(tmp_path, number) for number in (1, 2, 3)]
        with thief.steals(Theft.ANSWER), ledger.session() as session:
            arrivals = [ledger._record_receipt(session, _receipt(each)) for each in receipts]
        assert arrivals == [Arrival.NEW, Arrival.RESENT, Arrival.NEW]
        assert ledger.queued() == 3


def _receipt(image: object) -> object:
    from gateway.store.ledger import _Receipt

    return _Receipt(image, 0, None)  # type: ignore[arg-type]


def test_an_answer_whose_commit_was_not_answered_is_recorded_once(thief: CommitThief, tmp_path: Path) -> None:
    with ledger_at(through(thief), tmp_path) as ledger:
        ledger.record_received(received(tmp_path))
        (image,) = claim(ledger, "batch")
        with capture_logs() as log, thief.steals(Theft.ANSWER):
            assert record_answer(ledger, image, answer(tmp_path, "pacs"))
        assert [entry["event"] for entry in log].count("inferred") == 1
        assert state(ledger) == ("inferred", None)
        with ledger.transaction() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(answers)) == 1


def test_a_commit_that_cannot_be_looked_up_is_for_later_and_the_image_is_known_when_it_comes_again(
    server: PostgreSQL, thief: CommitThief, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ledger_at(through(thief), tmp_path) as ledger:
        commit = type(ledger._engine.dialect).do_commit

        def commit_and_crash(self: sa.Dialect, connection: object) -> None:
            try:
                commit(self, connection)
            finally:
                server.crash()

        monkeypatch.setattr(type(ledger._engine.dialect), "do_commit", commit_and_crash)
        with thief.steals(Theft.ANSWER), pytest.raises(Retry):
            ledger.record_received(received(tmp_path))
        monkeypatch.undo()
        server.start()
        assert ledger.record_received(received(tmp_path)) is Arrival.RESENT
        assert ledger.queued() == 1


@contextmanager
def cancelling_commits_that_wait(server: PostgreSQL) -> Iterator[None]:
    """Let commits wait for a standby that there is not, and cancel each wait, as an administrator may."""
    waiting = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    over = threading.Event()

    def cancel() -> None:
        while not over.wait(0.02):
            admin.execute(waiting)

    with psycopg.connect(server.url, autocommit=True) as admin, ThreadPoolExecutor() as pool:
        admin.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        admin.execute("SELECT pg_reload_conf()")
        cancelling = pool.submit(cancel)
        try:
            yield
        finally:
            over.set()
            cancelling.result()
            admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
            admin.execute("SELECT pg_reload_conf()")


def test_an_image_that_the_standby_may_lack_as_the_wait_for_it_was_cancelled_is_not_acknowledged(
    server: PostgreSQL, ledger: Ledger, tmp_path: Path
) -> None:
    with capture_logs() as log, cancelling_commits_that_wait(server):
        wait_for(lambda: waits_for_standby(ledger))
        with pytest.raises(Retry, match="canceling wait for synchronous replication"):
            ledger.record_received(received(tmp_path))
    assert log == []
    wait_for(lambda: not waits_for_standby(ledger))
    assert ledger.record_received(received(tmp_path)) is Arrival.RESENT


def waits_for_standby(ledger: Ledger) -> bool:
    with ledger.look() as connection:
        return bool(connection.exec_driver_sql("SHOW synchronous_standby_names").scalar())


# --- classes of errors

CODES = sorted({code for code in psycopg.errors._sqlcodes if len(code) == 5})


@pytest.mark.parametrize("code", CODES)
def test_every_error_that_postgresql_knows_is_for_later_unless_it_is_a_bug(code: str) -> None:
    error = sa.exc.DBAPIError.instance("", None, psycopg.errors.lookup(code)(), psycopg.Error)
    is_bug = code[:2] in BUG_CLASSES and code not in LATER_ALL_THE_SAME
    assert is_for_later(error) is not is_bug


@pytest.mark.parametrize(
    ("error", "later"),
    [
        (psycopg.OperationalError("the connection is lost"), True),
        (psycopg.InterfaceError("the connection is closed"), True),
        (psycopg.errors.lookup("25006")(), True),
        (psycopg.DataError("a NUL in a text"), False),
        (psycopg.errors.lookup("42601")(), False),
        (psycopg.errors.lookup("23505")(), False),
    ],
)
def test_errors_of_the_driver_are_for_later_unless_a_value_is_wrong(
    error: psycopg.Error, later: bool
) -> None:
    assert is_for_later(sa.exc.DBAPIError.instance("", None, error, psycopg.Error)) is later


def test_a_pool_without_a_free_connection_is_for_later() -> None:
    assert is_for_later(sa.exc.TimeoutError())
    assert not is_for_later(sa.exc.ArgumentError())


# --- states of a server

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
    engine = open_engine(sa.make_url(f"{server.url}?options={options}").set(drivername="postgresql+psycopg"))
    with _alone(engine) as connection:
        assert [connection.exec_driver_sql(f"SHOW {each}").scalar() for each in limits] == ["0"] * 3
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "20s"
    engine.dispose()


# --- a standby


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


# --- a pooler


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


# --- clocks


def test_machines_whose_clocks_differ_agree_by_the_servers(tmp_path: Path) -> None:
    """The other machine is this one: to a server whose clock is ahead, both are behind."""
    with PostgreSQL(tmp_path, clock_ahead_seconds=300) as server, ledger_at(server.url, tmp_path) as ledger:
        assert 290 < (clock.now() - datetime.now(UTC)).total_seconds() < 310
        with ledger.transaction() as connection:  # as the other machine writes
            connection.exec_driver_sql(
                "INSERT INTO workers (worker_id, beat_at) VALUES ('elsewhere-1', clock_timestamp())"
            )
        assert ledger.silent_workers(60) == []
        ledger.record_received(received(tmp_path))
        claim(ledger, "batch")
        ledger.release("batch", 100)
        with ledger.transaction() as connection:
            waits = connection.exec_driver_sql(
                "SELECT not_before - clock_timestamp() FROM instances"
            ).scalar()
        assert timedelta(seconds=50) < waits <= timedelta(seconds=100)
        assert not ledger.beat("here-1")
        assert claim(ledger, "too early") == []


def test_between_two_looks_the_ledgers_clock_counts_on(monkeypatch: pytest.MonkeyPatch) -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    monkeypatch.setattr(clock, "counter", lambda: 100.0)
    clock.note(noon, 100.0)
    monkeypatch.setattr(clock, "counter", lambda: 107.0)
    assert (clock.now(), clock.is_old()) == (noon + timedelta(seconds=7), False)
    clock.note(noon, 102.0)  # an answer that took 5 s
    assert clock.now() == noon + timedelta(seconds=7)
    monkeypatch.setattr(clock, "counter", lambda: 101.0 + clock.FRESH_SECONDS)
    assert clock.is_old()


# --- rows of a batch


def test_the_answers_of_a_batch_are_shown_with_their_descriptions(ledger: Ledger, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        ledger.record_received(received(tmp_path, number))
    descriptions = [Description("Thorax", "Maker", 0.5, 0.25), Description("", "Maker", None, None), None]
    answered = [
        Answered(image, [answer(tmp_path, "pacs", uid=f"2.25.{image.id}")], description)
        for image, description in zip(claim(ledger, "batch"), descriptions, strict=True)
    ]
    with ledger.session() as session:
        ledger.record_answers(session, answered)
    columns = ("label", "study_description", "scanner", "brightness", "contrast")
    query = sa.select(*(instances.c[name] for name in columns)).order_by(instances.c.id)
    with ledger.look() as connection:
        rows = [tuple(row) for row in connection.execute(query)]
    assert rows == [
        ("Pneumonia", "Thorax", "Maker", 0.5, 0.25),
        ("Pneumonia", "", "Maker", None, None),
        ("Pneumonia", None, None, None, None),
    ]


# --- two couriers at once


def test_an_image_is_delivered_though_its_last_two_deliveries_end_at_the_same_moment(
    ledger: Ledger, tmp_path: Path
) -> None:
    ledger.record_received(received(tmp_path))
    (image,) = claim(ledger, "batch")
    record_answer(ledger, image, answer(tmp_path, "pacs", "outbox"))
    outbox = Outbox(ledger)
    (at_pacs,), (at_outbox,) = (outbox.claim(name, "worker", 1) for name in ("pacs", "outbox"))
    with ThreadPoolExecutor(1) as another:
        ended: list[Future[None]] = []

        def end_the_other_one(_: sa.Connection) -> None:
            if not ended:  # it commits, too
                ended.append(another.submit(outbox.record_stored, at_outbox))
                wait_for(lambda: ended[0].done() or waits_for_a_lock(ledger))

        sa.event.listen(ledger._engine, "commit", end_the_other_one)
        outbox.record_stored(at_pacs)
        ended[0].result()
    assert state(ledger) == ("delivered", None)


def waits_for_a_lock(ledger: Ledger) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with ledger.look() as connection:
        return bool(connection.exec_driver_sql(query).scalar_one())
