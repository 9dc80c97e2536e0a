"""The ledger: rows, claims, answers and deliveries on a real database."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.errors import Retry
from gateway.records import Label, Reason, Received, ResultKind, State
from gateway.store.database import open_engine
from gateway.store.entries import AnswerRecord, Arrival, StoredInstance, StoredResult
from gateway.store.inquiry import Inquiry
from gateway.store.ledger import Ledger
from gateway.store.outbox import Outbox
from gateway.store.schema import create_tables


def received(tmp_path: Path, number: int = 1, **changes: Any) -> Received:
    values = Received(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.1",
        sop_instance_uid=f"1.2.{number}",
        study_instance_uid="1.2.100",
        series_instance_uid="1.2.100.1",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        calling_ae_title="MODALITY",
        called_ae_title="CXR_GATEWAY",
        peer_address="127.0.0.1",
        sha256=f"{number:064x}",
        size_bytes=10,
        path=tmp_path / "spool" / "00" / f"{number:064x}.dcm",
        received_at=datetime.now(UTC),
    )
    return replace(values, **changes)


def claim(ledger: Ledger, batch: str, limit: int = 10) -> list[StoredInstance]:
    with ledger.transaction() as connection:
        ledger.claim(connection, batch, limit)
    return ledger.begin_batch(batch)


def answer(tmp_path: Path, *destinations: str, digest: str = "d", uid: str = "2.25.1") -> AnswerRecord:
    result = StoredResult(ResultKind.SR, "1.2.3", uid, tmp_path / "results" / f"{uid}.dcm", "0" * 64)
    return AnswerRecord(digest, Label.PNEUMONIA, 0.9, {"steps": []}, (result,), destinations)


def record_answer(ledger: Ledger, instance: StoredInstance, record: AnswerRecord) -> Any:
    with ledger.transaction() as connection:
        return ledger.record_answer(connection, instance, record)


def state(ledger: Ledger, uid: str = "1.2.1") -> tuple[str, str | None]:
    (version, *_) = Inquiry(ledger).instance(uid)
    return version["state"], version["reason"]


def test_sqlite_is_durable(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/x.sqlite")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2  # FULL
    engine.dispose()


def test_a_resent_image_changes_nothing_and_a_changed_one_is_kept_beside(
    ledger: Ledger, tmp_path: Path
) -> None:
    assert ledger.record_received(received(tmp_path)) is Arrival.NEW
    assert ledger.record_received(received(tmp_path)) is Arrival.RESENT
    assert ledger.record_received(received(tmp_path, sha256="f" * 64)) is Arrival.CHANGED
    assert ledger.queued() == 2
    versions = Inquiry(ledger).instance("1.2.1")
    assert [len(version["events"]) for version in versions] == [1, 2]


def test_a_claimed_image_is_claimed_once(ledger: Ledger, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        ledger.record_received(received(tmp_path, number))
    first, second = claim(ledger, "a", 2), claim(ledger, "b", 2)
    assert [image.sop_instance_uid for image in first] == ["1.2.1", "1.2.2"]
    assert [image.sop_instance_uid for image in second] == ["1.2.3"]
    assert not ledger.has_work()
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


def test_deaths_are_counted(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record_received(received(tmp_path))
    (image,) = claim(ledger, "a")
    assert [ledger.count_death(image.id) for _ in range(2)] == [1, 2]


def test_a_released_image_waits(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record_received(received(tmp_path))
    claim(ledger, "a")
    ledger.release("a", 3600)
    assert not ledger.has_work()


def test_a_batch_that_lost_its_images_cannot_end_them(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record_received(received(tmp_path))
    (late,) = claim(ledger, "a")
    ledger.release("a", 0)
    (current,) = claim(ledger, "b")
    assert record_answer(ledger, late, answer(tmp_path)) is None
    assert record_answer(ledger, current, answer(tmp_path)) is not None
    assert record_answer(ledger, current, answer(tmp_path)) is None


def test_an_image_is_delivered_when_every_destination_has_every_result(
    ledger: Ledger, tmp_path: Path
) -> None:
    ledger.record_received(received(tmp_path))
    (image,) = claim(ledger, "a")
    deliveries = record_answer(ledger, image, answer(tmp_path, "pacs", "outbox"))
    outbox = Outbox(ledger)
    assert state(ledger) == (State.INFERRED, None)
    (pending,) = outbox.pending(deliveries["pacs"])
    outbox.record_failure(pending, "pacs", "refused")
    outbox.record_delivered(*outbox.pending(deliveries["outbox"]), "outbox")
    assert state(ledger) == (State.INFERRED, None)
    outbox.record_delivered(pending, "pacs")
    assert state(ledger) == (State.DELIVERED, None)
    assert outbox.pending(deliveries["pacs"]) == []
    (version,) = Inquiry(ledger).instance("1.2.1")
    attempts = {d["destination"]: (d["attempts"], d["last_error"]) for d in version["deliveries"]}
    assert attempts == {"pacs": (2, None), "outbox": (1, None)}
    assert version["probabilities"] == pytest.approx({"Normal": 0.1, "Pneumonia": 0.9})


def test_a_dead_delivery_fails_the_image_but_not_before_the_others_have_ended(
    ledger: Ledger, tmp_path: Path
) -> None:
    ledger.record_received(received(tmp_path))
    (image,) = claim(ledger, "a")
    deliveries = record_answer(ledger, image, answer(tmp_path, "pacs", "outbox"))
    outbox = Outbox(ledger)
    outbox.record_dead(*outbox.pending(deliveries["pacs"]), "pacs", "0xC000")
    assert state(ledger) == (State.INFERRED, None)
    outbox.record_delivered(*outbox.pending(deliveries["outbox"]), "outbox")
    assert state(ledger) == (State.FAILED, Reason.NOT_DELIVERED)


def test_without_a_destination_the_answer_is_the_end(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record_received(received(tmp_path))
    (image,) = claim(ledger, "a")
    assert record_answer(ledger, image, answer(tmp_path)) == {}
    assert state(ledger) == (State.DELIVERED, None)


def test_the_same_picture_under_the_same_uid_is_a_twin(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record_received(received(tmp_path))
    ledger.record_received(received(tmp_path, sha256="f" * 64))
    first, second = claim(ledger, "a")
    record_answer(ledger, first, answer(tmp_path))
    with ledger.transaction() as connection:
        assert ledger.has_twin(connection, second, "d")
        assert not ledger.has_twin(connection, second, "other pixels")
        assert ledger.end(connection, second, State.INELIGIBLE, Reason.PIXELS_UNCHANGED, "same picture")
        assert not ledger.end(connection, second, State.INELIGIBLE, Reason.PIXELS_UNCHANGED, "same picture")
    assert ledger.queued() == 0


def test_a_locked_database_is_for_later(ledger: Ledger, tmp_path: Path) -> None:
    impatient = open_engine(f"sqlite:///{tmp_path}/gateway.sqlite")
    sa.event.listen(impatient, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=1"))
    with ledger.transaction() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(Retry, match="locked"):
            Ledger(impatient, tmp_path).record_received(received(tmp_path))
    impatient.dispose()
    assert ledger.queued() == 0


def test_silent_workers_are_found(ledger: Ledger) -> None:
    ledger.beat("here-1")
    ledger.beat("here-1")
    assert ledger.silent_executors(60) == []
    assert ledger.silent_executors(-1) == ["here-1"]
    ledger.forget_executor("here-1")
    assert ledger.silent_executors(-1) == []


def test_tables_can_be_created_twice(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/x.sqlite")
    create_tables(engine)
    create_tables(engine)
    engine.dispose()
