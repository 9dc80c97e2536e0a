"""Whatever a database says of itself, a sender may try again and no image fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.dicom.statuses import Refuse, Status
from gateway.errors import Retry
from gateway.receive.capacity import Capacity
from gateway.receive.incoming import Sender
from gateway.receive.intake import Intake
from gateway.receive.part_10 import ArrivedFile
from gateway.settings import SCP, Settings
from gateway.store import clock
from gateway.store.database import open_engine
from gateway.store.entries import Arrival
from gateway.store.ledger import Ledger
from gateway.store.migrate import upgrade
from gateway.store.spool import Spool
from gateway.worker.answerer import ATTEMPTS_TOGETHER, Answerer
from tests.support.ledger_rows import state
from tests.support.postgresql import PostgreSQL
from tests.support.sources import dx, encoded
from tests.support.worker import pipeline_in, receive, settings_in

CODES = {
    "08006": "connection lost",
    "0A000": "a prepared statement of the earlier schema",
    "25006": "read-only, as after a fail-over",
    "26000": "a prepared statement of another session, as by a pooler",
    "40001": "could not serialise",
    "40P01": "deadlock",
    "42501": "no right",
    "53100": "disk full",
    "53300": "too many connections",
    "55P03": "lock not available",
    "57014": "cancelled",
    "57P01": "an administrator ends the session",
    "57P02": "another session crashed",
    "57P03": "recovering",
    "58030": "input or output error",
    "XX001": "damaged page",
    "ZZ999": "unknown",
}
TROUBLE = """
CREATE OR REPLACE FUNCTION trouble() RETURNS trigger AS $$
BEGIN RAISE EXCEPTION 'as the test wants' USING ERRCODE = '{code}'; END $$ LANGUAGE plpgsql
"""


@dataclass
class Database:
    """A ledger on a server, and trouble with one of its tables."""

    ledger: Ledger

    def run(self, *statements: str) -> None:
        with self.ledger.transaction() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def trouble(self, table: str, code: str) -> None:
        trigger = f"CREATE TRIGGER trouble BEFORE INSERT ON {table} EXECUTE FUNCTION trouble()"
        self.run(TROUBLE.format(code=code), trigger)

    def mend(self, table: str) -> None:
        self.run(f"DROP TRIGGER trouble ON {table}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgreSQL]:
    with PostgreSQL(tmp_path_factory.mktemp("postgresql")) as server:
        yield server


@pytest.fixture
def database(server: PostgreSQL, tmp_path: Path) -> Iterator[Database]:
    engine = open_engine(Settings(data_dir=tmp_path, database=server.url).database_url)
    upgrade(engine)
    database = Database(Ledger(engine, tmp_path))
    database.run("TRUNCATE instances, folders CASCADE")
    yield database
    engine.dispose()
    clock.forget()


@pytest.mark.parametrize("code", CODES, ids=CODES.get)
def test_a_sender_is_told_to_try_again(database: Database, tmp_path: Path, code: str) -> None:
    ledger, spool = database.ledger, Spool(tmp_path / "spool")
    intake = Intake(Capacity(SCP(), spool, ledger), spool, ledger)
    image = memoryview(encoded(dx()))
    database.trouble("instances", code)
    with pytest.raises(Refuse) as refused:
        intake.keep(ArrivedFile(image, Sender("MODALITY", "CXR_GATEWAY", "")))
    database.mend("instances")
    assert refused.value.status is Status.OUT_OF_RESOURCES
    assert intake.keep(ArrivedFile(image, Sender("MODALITY", "CXR_GATEWAY", ""))).arrival is Arrival.NEW


@pytest.mark.parametrize("code", CODES, ids=CODES.get)
def test_an_image_waits_for_its_answer_however_often_it_was_tried(
    database: Database, tmp_path: Path, code: str
) -> None:
    ledger = database.ledger
    receive(ledger, tmp_path)
    answerer = Answerer(ledger, *pipeline_in(settings_in(tmp_path), ledger))
    database.trouble("answers", code)
    for attempt in range(ATTEMPTS_TOGETHER + 2):
        database.run("UPDATE instances SET not_before = NULL")
        assert ledger.claim(f"batch {attempt}", 10) == 1
        answerer.answer(f"batch {attempt}", lambda: None)
        assert state(ledger) == ("received", None)
    database.mend("answers")
    database.run("UPDATE instances SET not_before = NULL")
    ledger.claim("last", 10)
    answerer.answer("last", lambda: None)
    assert state(ledger) == ("inferred", None)


def test_a_statement_that_is_a_bug_is_told_as_one(database: Database) -> None:
    with pytest.raises(Exception, match="syntax error") as raised:
        database.run("SELEKT 1")
    assert not isinstance(raised.value, Retry)
