"""The table of refusals: equal ones counted, rows bounded, none lost to a database that is away."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.errors import Retry
from gateway.store import refusals as module
from gateway.store.ledger import Ledger
from gateway.store.refusals import OTHERS, Refusal, RefusalRecorder, Refusals
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event
from tests.support.database import database_in

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Refusals]:
    engine = database_in(tmp_path)
    yield Refusals(Ledger(engine, tmp_path))
    engine.dispose()


def refused(uid: str = "1.2.3", address: str = "10.0.0.1", reason: str = "cut") -> Refusal:
    return Refusal("refused", "0xC002", reason, "CR1", "CXR_GATEWAY", address, uid)


def test_equal_refusals_are_one_row_with_a_count(table: Refusals) -> None:
    table.record({refused(): 2}, NOON)
    table.record({refused(): 3, refused("1.2.4"): 1}, NOON + timedelta(hours=1))
    counted = {row.sop_instance_uid: row.times for row in table.newest(10)}
    assert counted == {"1.2.3": 5, "1.2.4": 1}
    (row,) = table.of("1.2.3")
    assert (row.first_at, row.last_at) == (NOON, NOON + timedelta(hours=1))
    assert (row.status, row.reason) == ("0xC002", "cut")
    assert table.of("") == []


def test_one_address_hides_no_other(table: Refusals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OF_ONE_ADDRESS", 5)
    table.record({refused("9.9", "10.0.0.2"): 1}, NOON)
    table.record({refused(f"1.{number}"): 1 for number in range(50)}, NOON)
    assert len(table.of("9.9")) == 1
    (others,) = [row for row in table.newest(100) if row.reason == OTHERS]
    assert (others.times, others.sop_instance_uid) == (45, "")
    assert len(table.newest(100)) == 7


def test_the_oldest_rows_go(table: Refusals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 3)
    for number in range(6):
        table.record({refused(f"1.{number}", f"10.0.0.{number}"): 1}, NOON + timedelta(minutes=number))
    assert [row.sop_instance_uid for row in table.newest(10)] == ["1.5", "1.4", "1.3"]


def test_what_the_log_is_told_is_recorded_clean(table: Refusals) -> None:
    recorder = RefusalRecorder(table)
    recorder.start()
    about = {"calling_ae_title": "CR\x1b1\0", "peer_address": "10.0.0.1"}
    log_event(Event.ASSOCIATION_REJECTED, why="the called AE title is not the gateway's", repeated=7, **about)
    log_event(Event.REFUSED, status="0xA700", reason="x" * 5000, sop_instance_uid="1.2.3", **about)
    log_event(Event.RECEIVED, sop_instance_uid="1.2.4", **about)
    recorder.stop()
    by_event = {row.event: row for row in table.newest(10)}
    assert set(by_event) == {"association_rejected", "refused"}
    assert by_event["association_rejected"].times == 7
    assert by_event["refused"].calling_ae_title == r"CR\x1b1\x00"
    assert len(by_event["refused"].reason) == 300


def test_a_database_that_is_away_loses_no_count_and_costs_no_memory(
    table: Refusals, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = RefusalRecorder(table)
    with monkeypatch.context() as patch:
        patch.setattr(table, "record", lambda _: (_ for _ in ()).throw(Retry("away")))
        for number in range(3 * module.MOST_PENDING):
            recorder.hear(Event.REFUSED, {"sop_instance_uid": f"1.{number}", "peer_address": "10.0.0.1"})
            if number % 100 == 0:
                recorder.flush()
    recorder.flush()
    rows = table.newest(2 * module.MOST_PENDING)
    assert sum(row.times for row in rows) == 3 * module.MOST_PENDING
    assert len(rows) <= module.MOST_PENDING + 2


def test_a_refusal_that_is_heard_again_while_the_database_is_away_counts_each_time(
    table: Refusals, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = RefusalRecorder(table)

    def hear(times: int) -> None:
        recorder.hear(Event.REFUSED, {"sop_instance_uid": "1.2.3", "repeated": times})

    def fail_late(_: object) -> None:
        hear(2)
        raise Retry("away")

    with monkeypatch.context() as patch:
        patch.setattr(table, "record", fail_late)
        hear(40)
        recorder.flush()
    recorder.flush()
    assert [row.times for row in table.newest(10)] == [42]
