"""Two machines at one PostgreSQL: their clocks, their couriers, and rows that are written together."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from gateway.records import Description
from gateway.store import clock
from gateway.store.answers import Answered
from gateway.store.ledger import Ledger
from gateway.store.outbox import Outbox
from gateway.store.schema import instances
from gateway.store.workers import Workers
from tests.support.gateway_process import wait_for
from tests.support.ledger_rows import answer, claim, received, record_answer, state
from tests.support.postgresql import PostgreSQL, ledger_at


def test_machines_whose_clocks_differ_agree_by_the_servers(tmp_path: Path) -> None:
    """The other machine is this one: to a server whose clock is ahead, both are behind."""
    with PostgreSQL(tmp_path, clock_ahead_seconds=300) as server, ledger_at(server.url, tmp_path) as ledger:
        assert 290 < (clock.now() - datetime.now(UTC)).total_seconds() < 310
        with ledger.transaction() as connection:  # as the other machine writes
            connection.exec_driver_sql(
                "INSERT INTO workers (worker_id, beat_at) VALUES ('elsewhere-1', clock_timestamp())"
            )
        assert Workers(ledger).silent(60) == []
        ledger.record_received(received(tmp_path))
        claim(ledger, "batch")
        ledger.release("batch", 100)
        with ledger.transaction() as connection:
            waits = connection.exec_driver_sql(
                "SELECT not_before - clock_timestamp() FROM instances"
            ).scalar()
        assert timedelta(seconds=50) < waits <= timedelta(seconds=100)
        assert not Workers(ledger).beat("here-1")
        assert claim(ledger, "too early") == []


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
