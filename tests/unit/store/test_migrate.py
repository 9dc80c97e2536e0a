"""Databases of every version become this one's, whole, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from gateway.errors import ConfigurationError
from gateway.store.database import make_database, open_engine
from gateway.store.entries import Arrival
from gateway.store.ledger import Ledger
from gateway.store.migrate import BASELINE, BESIDE, REVISIONS, upgrade
from gateway.store.schema import metadata
from tests.support.ledger_rows import answer, claim, received, record_answer, state
from tests.support.postgresql import postgresql
from tests.support.schemas import more_than_added

DUMP = Path(__file__).parent / "databases" / "schema_0007.sql"
TABLES = (  # parents first
    "instances",
    "results",
    "destinations",
    "deliveries",
    "events",
    "feedback",
    "timings",
    "executors",
    "folders",
    "refusals",
)
RENAMED = {"executors": "workers", "executor_id": "worker_id"}
"""Tables and key columns of earlier versions, by the name that they have now."""
OF_MODEL = ("device_uid", "weights_sha256", "threshold", "calibration", "abstention")
OF_RECORD = ("configuration", "software_version", "abstained", "steps", "repaired", "activation")
SAID = ("reader", "verdict", "comment", "time")
BEFORE_THE_RULE = "0014"
"""Newest revision of the time when all machines were stopped for every upgrade."""
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
        make_database(tmp_path / "gateway.sqlite")
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
    """Return the rows of a table; an earlier name of it will do."""
    query = sa.select(metadata.tables[RENAMED.get(table, table)])
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


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
    by_image = {row["instance_id"]: row for row in rows(engine, "answers")}
    assert {row["instance_id"]: row["answer_id"] for row in rows(engine, "results")} == {
        number: by_image[number]["id"] for number in (1, 2)
    }
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_each_file_bears_the_name_of_its_revision() -> None:
    config = Config()
    config.set_main_option("script_location", "gateway.store:migrations")
    scripts = ScriptDirectory.from_config(config)
    assert [script.revision for script in scripts.walk_revisions()] == REVISIONS[::-1]
    assert scripts.get_current_head() == REVISIONS[-1]


def test_an_image_stays_as_it_is_without_a_column_that_nobody_reads(engine: sa.Engine) -> None:
    upgrade(engine, "0011")
    old = sa.MetaData()
    old.reflect(engine, only=["instances"])
    with engine.begin() as connection:
        connection.execute(sa.insert(old.tables["instances"]).values(INSTANCE | {"deaths": 2}))
        (before,) = connection.execute(sa.select(old.tables["instances"])).mappings()
    upgrade(engine, "0012")
    new = sa.MetaData()
    new.reflect(engine, only=["instances"])
    with engine.connect() as connection:
        (after,) = connection.execute(sa.select(new.tables["instances"])).mappings()
    assert dict(after) == {name: value for name, value in before.items() if name != "deaths"}


def leave_a_newer_schema(engine: sa.Engine, oldest: str) -> None:
    """Change the database as a later version does that lets gateways from revision `oldest` on work on it."""
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE instances ADD COLUMN later INTEGER NOT NULL DEFAULT 7"))
        connection.execute(sa.text("CREATE TABLE later (id INTEGER)"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(sa.text("UPDATE compatibility SET revision = :oldest"), {"oldest": oldest})


def test_beside_a_newer_gateway_this_version_goes_on_working(engine: sa.Engine, tmp_path: Path) -> None:
    leave_a_newer_schema(engine, REVISIONS[-1])
    upgrade(engine)
    ledger = Ledger(engine, tmp_path)
    assert ledger.record_received(received(tmp_path)) is Arrival.NEW
    (image,) = claim(ledger, "batch")
    assert record_answer(ledger, image, answer(tmp_path, "pacs"))
    assert state(ledger) == ("inferred", None)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == "9999"


def test_a_newer_database_that_asks_for_a_later_version_is_refused(engine: sa.Engine) -> None:
    leave_a_newer_schema(engine, "9998")
    with pytest.raises(ConfigurationError, match="a newer gateway has written it"):
        upgrade(engine)


@pytest.mark.parametrize("revision", [each for each in REVISIONS if each > BEFORE_THE_RULE])
def test_migrations_only_add_unless_they_say_that_all_machines_are_stopped(
    engine: sa.Engine, revision: str
) -> None:
    """Where one fails: add first, remove a release later; or set `BESIDE` to its number."""
    before, after = sa.MetaData(), sa.MetaData()
    upgrade(engine, REVISIONS[REVISIONS.index(revision) - 1])
    before.reflect(engine)
    upgrade(engine, revision)
    after.reflect(engine)
    assert revision <= BESIDE or more_than_added(before, after) == []
    assert more_than_added(before, before) == []


def test_a_change_that_an_earlier_gateway_would_fail_on_is_found() -> None:
    def schema(*columns: sa.Column[Any], **more: sa.Column[Any]) -> sa.MetaData:
        found = sa.MetaData()
        sa.Table("t", found, sa.Column("id", sa.Integer, primary_key=True), *columns)
        for name, column in more.items():
            sa.Table(name, found, column)
        return found

    old = schema(sa.Column("a", sa.Text))
    added = schema(sa.Column("a", sa.Text), sa.Column("b", sa.Text), u=sa.Column("c", sa.Text))
    assert more_than_added(old, added) == []
    for worse in (
        schema(),
        schema(sa.Column("a", sa.Integer)),
        schema(sa.Column("a", sa.Text, nullable=False)),
        schema(sa.Column("a", sa.Text, unique=True)),
        schema(sa.Column("a", sa.Text), sa.Column("b", sa.Text, nullable=False)),
        sa.MetaData(),
    ):
        assert len(more_than_added(old, worse)) == 1


@pytest.fixture
def earlier(engine: sa.Engine) -> dict[str, list[dict[str, Any]]]:
    """Fill the database with all rows of one that version 0.1.0 wrote, and return them by table."""
    upgrade(engine, "0007")
    written = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    with written.connect() as connection:
        connection.connection.driver_connection.executescript(DUMP.read_text())
    old, new = sa.MetaData(), sa.MetaData()
    old.reflect(written)
    new.reflect(engine)
    content: dict[str, list[dict[str, Any]]] = {}
    with written.connect() as source, engine.begin() as target:
        for table in TABLES:
            found = source.execute(sa.select(old.tables[table])).mappings()
            content[table] = [{name: in_utc(value) for name, value in row.items()} for row in found]
            target.execute(sa.insert(new.tables[table]), content[table])
    written.dispose()
    return content


def in_utc(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def keys_of(found: list[dict[str, Any]], names: list[str]) -> list[list[Any]]:
    return sorted([row[name] for name in names] for row in found)


def test_no_row_is_lost_and_none_but_answers_is_added(
    engine: sa.Engine, earlier: dict[str, list[dict[str, Any]]]
) -> None:
    upgrade(engine)
    for table in TABLES:
        keys = [column.name for column in metadata.tables[RENAMED.get(table, table)].primary_key]
        then = [{RENAMED.get(name, name): value for name, value in row.items()} for row in earlier[table]]
        assert keys_of(rows(engine, table), keys) == keys_of(then, keys), table
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_each_standing_answer_is_what_its_image_told(
    engine: sa.Engine, earlier: dict[str, list[dict[str, Any]]]
) -> None:
    upgrade(engine)
    answers = {row["id"]: row for row in rows(engine, "answers")}
    images = {row["id"]: row for row in rows(engine, "instances")}
    for image in earlier["instances"]:
        answer = answers.get(images[image["id"]]["answer_id"])
        assert (answer is None) == (image["label"] is None)
        if answer:
            record, model = image["answer"], image["answer"]["model"]
            assert answer["instance_id"] == image["id"]
            assert (answer["label"], answer["score"]) == (image["label"], image["p_pneumonia"])
            assert (images[image["id"]]["label"], images[image["id"]]["score"]) == (
                answer["label"],
                answer["score"],
            )
            assert {name: answer[name] for name in OF_MODEL} == {name: model[name] for name in OF_MODEL}
            assert (answer["model_name"], answer["model_version"]) == (model["name"], model["version"])
            assert {name: answer[name] for name in OF_RECORD} == {name: record[name] for name in OF_RECORD}
            assert answer["pixel_digest"] == image["pixel_digest"]
            assert answer["superseded_at"] is None


def test_each_result_belongs_to_an_answer_that_stands_as_it_stood(
    engine: sa.Engine, earlier: dict[str, list[dict[str, Any]]]
) -> None:
    upgrade(engine)
    answers = {row["id"]: row for row in rows(engine, "answers")}
    kept = {row["id"]: row for row in rows(engine, "results")}
    for result in earlier["results"]:
        answer = answers[kept[result["id"]]["answer_id"]]
        assert answer["instance_id"] == result["instance_id"]
        assert answer["superseded_at"] == result["superseded_at"]
    superseded = [row for row in answers.values() if row["superseded_at"]]
    assert len(superseded) == 3
    assert {row["label"] for row in superseded} == {"Normal", "Pneumonia"}  # as the history told it


def test_each_word_of_a_reader_stays_with_the_answer_that_was_read(
    engine: sa.Engine, earlier: dict[str, list[dict[str, Any]]]
) -> None:
    upgrade(engine)
    answers = {row["id"]: row for row in rows(engine, "answers")}
    kept = {row["id"]: row for row in rows(engine, "feedback")}
    for said in earlier["feedback"]:
        answer = answers[kept[said["id"]]["answer_id"]]
        assert answer["instance_id"] == said["instance_id"]
        assert answer["score"] == pytest.approx(said["p_pneumonia"], abs=1e-6)
        copies = ("label", "threshold", "model_version", "device_uid")
        assert {name: answer[name] for name in copies} == {name: said[name] for name in copies}
        assert {name: kept[said["id"]][name] for name in SAID} == {name: said[name] for name in SAID}


def test_feedback_on_an_answer_that_has_left_no_trace_gets_an_answer_of_its_own(
    engine: sa.Engine, earlier: dict[str, list[dict[str, Any]]]
) -> None:
    old = sa.MetaData()
    old.reflect(engine, only=["feedback"])
    said = {**earlier["feedback"][0], "id": 99, "p_pneumonia": 0.25, "threshold": 0.1, "device_uid": "2.25.5"}
    with engine.begin() as connection:
        time = datetime(2020, 1, 1, tzinfo=UTC)
        connection.execute(sa.insert(old.tables["feedback"]).values(said | {"time": time}))
    upgrade(engine)
    (word,) = (row for row in rows(engine, "feedback") if row["id"] == 99)
    (answer,) = (row for row in rows(engine, "answers") if row["id"] == word["answer_id"])
    assert (answer["label"], answer["score"], answer["threshold"]) == ("Pneumonia", 0.25, 0.1)
    assert (answer["device_uid"], answer["superseded_at"]) == ("2.25.5", time)


def test_a_delivery_that_a_destination_has_is_stored(
    engine: sa.Engine, earlier: dict[str, list[dict[str, Any]]]
) -> None:
    upgrade(engine)
    now = {row["id"]: row["state"] for row in rows(engine, "deliveries")}
    words = {"delivered": "stored"}
    assert now == {row["id"]: words.get(row["state"], row["state"]) for row in earlier["deliveries"]}
    assert set(now.values()) == {"pending", "stored", "committed", "dead"}


def test_workers_and_what_they_have_in_hand_keep_their_names(
    engine: sa.Engine, earlier: dict[str, list[dict[str, Any]]]
) -> None:
    old = sa.MetaData()
    old.reflect(engine, only=["deliveries"])
    with engine.begin() as connection:
        connection.execute(sa.update(old.tables["deliveries"]).values(held_by="worker-1"))
    upgrade(engine)
    assert {row["worker_id"] for row in rows(engine, "deliveries")} == {"worker-1"}
    (worker,) = rows(engine, "workers")
    (executor,) = earlier["executors"]
    assert worker == {RENAMED.get(name, name): value for name, value in executor.items()}
