"""Databases of every version become this one's, whole, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from gateway.errors import ConfigurationError
from gateway.store.database import open_engine
from gateway.store.migrate import BASELINE, upgrade
from gateway.store.schema import metadata
from tests.support.postgresql import postgresql

TIME = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - as SQLite keeps it
INSTANCE = {
    "id": 1,
    "sop_class_uid": "1.2",
    "sop_instance_uid": "1.2.3",
    "study_instance_uid": "1.2.3.4",
    "series_instance_uid": "1.2.3.5",
    "transfer_syntax_uid": "1.2.840.10008.1.2.1",
    "calling_ae_title": "MODALITY",
    "called_ae_title": "CXR_GATEWAY",
    "peer_address": "10.1.2.3",
    "sha256": "ab",
    "size_bytes": 7,
    "path": "spool/ab/ab.dcm",
    "received_at": TIME,
    "state": "inferred",
    "state_at": TIME,
}
RESULT = {
    "id": 1,
    "instance_id": 1,
    "kind": "sr",
    "sop_class_uid": "1.2",
    "sop_instance_uid": "2.25.1",
    "path": "results/x.dcm",
    "sha256": "cd",
    "created_at": TIME,
}
DELIVERY = {"result_id": 1, "destination": "pacs", "state_at": TIME}
OLD_ROWS: list[tuple[str, dict[str, Any]]] = [
    ("instances", INSTANCE),
    ("instances", INSTANCE | {"id": 2, "sha256": "ef", "state": "delivered"}),  # nobody had it
    ("results", RESULT),
    ("results", RESULT | {"id": 2, "instance_id": 2, "sop_instance_uid": "2.25.2"}),
    ("deliveries", DELIVERY | {"id": 1, "state": "pending"}),
    ("deliveries", DELIVERY | {"id": 2, "state": "delivered", "destination": "archive"}),
    ("events", {"id": 1, "instance_id": 1, "time": TIME, "event": "received", "data": {}}),
    ("executors", {"executor_id": "here-1", "beat_at": TIME}),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with postgresql(tmp_path_factory.mktemp("postgresql")) as url:
        yield url.replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """Return an empty database."""
    if request.param == "sqlite":
        engine = open_engine(f"sqlite:///{tmp_path}/gateway.sqlite")
    else:
        engine = open_engine(request.getfixturevalue("server"))
        with engine.begin() as connection:
            connection.execute(sa.text("DROP SCHEMA public CASCADE"))
            connection.execute(sa.text("CREATE SCHEMA public"))
    yield engine
    engine.dispose()


def insert_old_rows(engine: sa.Engine) -> None:
    old = sa.MetaData()
    old.reflect(engine)
    with engine.begin() as connection:
        for table, row in OLD_ROWS:
            connection.execute(sa.insert(old.tables[table]).values(row))


def rows(engine: sa.Engine, table: str) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(metadata.tables[table])).mappings()]


def test_the_last_revision_is_the_schema(engine: sa.Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: upgrade(engine), range(4)))  # as the roles of one gateway do
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


@pytest.mark.parametrize("versioned", [True, False], ids=["with revision", "from before revisions"])
def test_an_older_database_is_upgraded_whole(engine: sa.Engine, versioned: bool) -> None:
    upgrade(engine, BASELINE)
    insert_old_rows(engine)
    if not versioned:
        with engine.begin() as connection:
            connection.execute(sa.text("DROP TABLE alembic_version"))
    upgrade(engine)
    for table in {name for name, _ in OLD_ROWS}:
        assert len(rows(engine, table)) == [name for name, _ in OLD_ROWS].count(table)
    assert {row["destination"]: row["open"] for row in rows(engine, "deliveries")} == {
        "pacs": True,
        "archive": False,
    }
    assert [(row["state"], row["reason"]) for row in rows(engine, "instances")] == [
        ("inferred", None),
        ("failed", "not_routed"),
    ]
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_newer_database_is_refused(engine: sa.Engine) -> None:
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="a newer gateway has written it"):
        upgrade(engine)
