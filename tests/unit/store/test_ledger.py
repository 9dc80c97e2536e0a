"""The ledger: rows, claims, answers and deliveries on a real database."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.errors import Retry
from gateway.records import Reason, State
from gateway.store import writer
from gateway.store.answers import twins
from gateway.store.clock import now
from gateway.store.database import open_engine
from gateway.store.entries import AT_ONCE, Arrival
from gateway.store.ledger import Ledger
from gateway.store.queries.images import Images
from gateway.store.workers import Workers
from tests.support.ledger_rows import answer, claim, received, record_answer, state


def test_a_resent_image_changes_nothing_and_a_changed_one_is_kept_beside(
    ledger: Ledger, tmp_path: Path
) -> None:
    assert ledger.record_received(received(tmp_path)) is Arrival.NEW
    assert ledger.record_received(received(tmp_path)) is Arrival.RESENT
    assert ledger.record_received(received(tmp_path, sha256="f" * 64)) is Arrival.CHANGED
    assert ledger.queued() == 2
    versions = Images(ledger).versions("1.2.1")
    assert [len(version.events) for version in versions] == [1, 2]


def test_a_claimed_image_is_claimed_once(ledger: Ledger, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        ledger.record_received(received(tmp_path, number))
    first, second = claim(ledger, "a", 2), claim(ledger, "b", 2)
    assert [image.sop_instance_uid for image in first] == ["1.2.1", "1.2.2"]
    assert [image.sop_instance_uid for image in second] == ["1.2.3"]
    assert ledger.next_due() is None
    assert set(ledger.open_batches()) == {"a", "b"}


def test_attempts_are_counted_and_start_anew_after_an_orderly_release(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record_received(received(tmp_path))
    (image,) = claim(ledger, "a")
    assert image.attempts == 1
    assert ledger.begin_batch("a")[0].attempts == 2
    ledger.release("a", 0, keep_count=True)
    assert claim(ledger, "b")[0].attempts == 3
    ledger.release("b", 0)
    assert claim(ledger, "c")[0].attempts == 1


def test_a_released_image_waits(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record_received(received(tmp_path))
    claim(ledger, "a")
    assert ledger.next_due() is None
    ledger.release("a", 3600)
    waits = ledger.next_due()
    assert waits is not None
    assert now() < waits
    assert not claim(ledger, "b")
    ledger.record_received(received(tmp_path, 2))
    assert ledger.next_due() == AT_ONCE


def test_a_batch_that_lost_its_images_cannot_end_them(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record_received(received(tmp_path))
    (late,) = claim(ledger, "a")
    ledger.release("a", 0)
    (current,) = claim(ledger, "b")
    assert not record_answer(ledger, late, answer(tmp_path))
    assert record_answer(ledger, current, answer(tmp_path))
    assert not record_answer(ledger, current, answer(tmp_path))


def test_without_a_route_an_answer_is_never_delivered(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record_received(received(tmp_path))
    (image,) = claim(ledger, "a")
    assert record_answer(ledger, image, answer(tmp_path))
    assert state(ledger) == (State.FAILED, Reason.NOT_ROUTED)
    (version,) = Images(ledger).versions("1.2.1")
    assert version.events[-1].data["reason"] == Reason.NOT_ROUTED


def test_the_same_picture_under_the_same_uid_is_a_twin(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record_received(received(tmp_path))
    ledger.record_received(received(tmp_path, sha256="f" * 64))
    first, second = claim(ledger, "a")
    record_answer(ledger, first, answer(tmp_path))
    with ledger.session() as session:
        assert twins(session.connection, [(first, "d"), (second, "d")]) == {second.id}
        assert not twins(session.connection, [(second, "other pixels")])
        assert ledger.end(session, second, State.INELIGIBLE, Reason.PIXELS_UNCHANGED, "same picture")
        assert not ledger.end(session, second, State.INELIGIBLE, Reason.PIXELS_UNCHANGED, "same picture")
    assert ledger.queued() == 0


def test_a_locked_database_is_for_later(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LOCK_WAIT_MS", 1)
    impatient = open_engine(f"sqlite:///{tmp_path}/gateway.sqlite")
    sa.event.listen(impatient, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=1"))
    with ledger.transaction() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(Retry, match="locked"):
            Ledger(impatient, tmp_path).record_received(received(tmp_path))
    impatient.dispose()
    assert ledger.queued() == 0


def test_silent_workers_are_found(ledger: Ledger) -> None:
    Workers(ledger).beat("here-1")
    Workers(ledger).beat("here-1")
    assert Workers(ledger).silent(60) == []
    assert Workers(ledger).silent(-1) == ["here-1"]
    Workers(ledger).forget("here-1")
    assert Workers(ledger).silent(-1) == []
