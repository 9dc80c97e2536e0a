"""Nothing that a gateway does for each image, or shows for one page, reads a whole table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.records import HL7_V2, HL7_WITHDRAWAL, Patient, State
from gateway.settings import Retention
from gateway.store.clock import now
from gateway.store.commitments import Commitments
from gateway.store.entries import ImageIdentity, StoredResult
from gateway.store.ledger import Ledger
from gateway.store.orphans import _without_row
from gateway.store.outbox import Outbox
from gateway.store.patients import Patients
from gateway.store.pictures import Pictures
from gateway.store.queries.filters import Order, Search
from gateway.store.queries.images import Images
from gateway.store.queries.traffic import Traffic
from gateway.store.queries.worklist import View, Worklist
from gateway.store.requeue import Requeue, Selection
from gateway.store.retention import Cleaner
from gateway.store.schema import instances, results
from gateway.store.withdrawals import KeptMessage, messages_kept, record_withdrawal
from tests.support.ledger_rows import answer, claim, received, record_answer
from tests.support.query_plans import plans_while
from tests.support.worker import folders_in

GROWING = ("instances", "answers", "results", "deliveries", "events", "timings", "patients", "patient_keys")
PACS = "pacs"
BY_STUDY = View(by_study=True)


@pytest.fixture
def images(ledger: Ledger, tmp_path: Path) -> Ledger:
    """Three images: one waits, one has results to be delivered, one is delivered."""
    (tmp_path / "results").mkdir()
    for number in (1, 2):
        ledger.record_received(received(tmp_path, number))
    for image in claim(ledger, "earlier"):
        record_answer(ledger, image, answer(tmp_path, PACS, digest=str(image.id), uid=f"2.25.{image.id}"))
    outbox = Outbox(ledger)
    outbox.add_destination(PACS)
    (first, *_) = outbox.claim(PACS, "earlier", 1)
    outbox.record_stored(first)
    ledger.record_received(received(tmp_path, 3))
    return ledger


def reads_everything(plan: list[str], statement: str) -> list[str]:
    """Return the steps that read a table from end to end, unless they stop after some rows in its order.

    SQLite also plans to look for rows that an inserted row is missed by; it never does, as none is.
    """
    if statement.startswith("INSERT") and "SELECT" not in statement:
        return []
    in_order = "LIMIT" in statement and not any("TEMP B-TREE" in step for step in plan)
    scans = [step for step in plan if step.startswith("SCAN") and step.split()[1].startswith(GROWING)]
    return [] if in_order else scans


def answer_one(ledger: Ledger, folder: Path) -> None:
    (image,) = claim(ledger, "batch")
    record_answer(ledger, image, answer(folder, PACS, digest="3", uid="2.25.3"))
    ledger.release("batch", 0)
    ledger.open_batches("worker:")


def deliver(ledger: Ledger, _: Path) -> None:
    outbox = Outbox(ledger)
    assert outbox.next_due()
    assert outbox.destinations() == [PACS]
    (delivery,) = outbox.claim(PACS, "worker", 1)
    outbox.is_held(delivery, "worker")
    outbox.record_failure(delivery, "busy")
    (delivery,) = outbox.claim(PACS, "worker", 1)
    outbox.record_stored(delivery, to_be_committed=True)
    outbox.overdue(PACS, now())
    outbox.release("worker", PACS)
    outbox.release("worker")


def commit(ledger: Ledger, _: Path) -> None:
    outbox, commitments = Outbox(ledger), Commitments(ledger, lambda _: 5.0)
    (delivery,) = outbox.claim(PACS, "worker", 1)
    commitments.record_asked(delivery, "1.2.3", 10)
    commitments.record_taken("1.2.3")
    commitments.record_report("1.2.3", ["2.25.2"], {})


def clean(ledger: Ledger, folder: Path) -> None:
    rules = Retention(received_days=0, results_days=0, failed_days=0)
    Cleaner(rules, ledger, folders_in(folder), Pictures(folder / "pictures", 1)).clean()


def find_orphans(ledger: Ledger, folder: Path) -> None:
    with ledger.look() as connection:
        for table, name in ((instances, "spool/00"), (results, "results")):
            paths = [folder / name / f"{number:064x}.dcm" for number in range(40)]
            assert paths[0] in _without_row(connection, ledger, table, paths)


def keep_a_patient(ledger: Ledger, _: Path) -> None:
    table = Patients(ledger)
    assert [each.id for each in table.unread(above=1)] == [2, 3]
    table.keep({1: Patient("Example^Edith")})
    assert Worklist(ledger).patient_of(1)


def search(**wanted: Any) -> Callable[[Ledger, Path], object]:
    view = wanted.pop("view", View())
    return lambda ledger, _: Worklist(ledger).page(Search(**wanted), view=view)


def yesterday() -> datetime:
    return now() - timedelta(days=1)


def withdraw_messages(ledger: Ledger, folder: Path) -> None:
    image = ImageIdentity(1, "1.2.1", "1.2", "MODALITY")
    kept = KeptMessage(1, 1, image, "CXR ResNet-50", HL7_V2, "results/m.hl7")
    made = StoredResult(HL7_WITHDRAWAL, HL7_V2, folder / "w.hl7", "0" * 64)
    with ledger.transaction() as connection:
        messages_kept(connection, ["1.2.1"])
    with ledger.session() as session:
        record_withdrawal(session, kept, made, "results/w.hl7")


OPERATIONS: dict[str, Callable[[Ledger, Path], object]] = {
    "receive": lambda ledger, folder: ledger.record_received(received(folder, 4)),
    "receive again": lambda ledger, folder: ledger.record_received(received(folder, 1)),
    "what waits": lambda ledger, _: (ledger.next_due(), ledger.queued()),
    "answer": answer_one,
    "deliver": deliver,
    "commit": commit,
    "retention": clean,
    "first page": search(),
    "an old page": lambda ledger, _: Worklist(ledger).page(Search(), before=2),
    "by UID": search(uid="1.2"),
    "by sender": search(calling_ae_title="MODALITY"),
    "by sender and answer": search(calling_ae_title="MODALITY", label="Pneumonia"),
    "by state": search(state=State.DELIVERED),
    "by reason": search(reason="lateral"),
    "by answer": search(label="Pneumonia"),
    "by state, one row a study": search(state=State.DELIVERED, view=BY_STUDY),
    "first page of studies": search(view=BY_STUDY, without_own=True),
    "by patient": search(patient="exam", view=BY_STUDY),
    "sorted by patient": search(view=View(Order.PATIENT, by_study=True, with_patients=True)),
    "sorted by study date": search(view=View(Order.STUDY_DATE, by_study=True)),
    "sorted by sender": search(view=View(Order.SENDER, by_study=True)),
    "sorted by state": search(view=View(Order.STATE, by_study=True)),
    "sorted by score": search(view=View(Order.SCORE, by_study=True)),
    "an old page by score": lambda ledger, _: Worklist(ledger).page(
        Search(), before=2, view=View(Order.SCORE)
    ),
    "found and sorted": search(state=State.DELIVERED, view=View(Order.PATIENT)),
    "patients": keep_a_patient,
    "by date": lambda ledger, _: Worklist(ledger).page(Search(since=yesterday(), until=now())),
    "choices of the search": lambda ledger, _: (
        Worklist(ledger).calling_ae_titles(),
        Worklist(ledger).labels(),
        Worklist(ledger).version(),
    ),
    "report": lambda ledger, _: (Images(ledger).versions("1.2.1"), Worklist(ledger).neighbours(2)),
    "source": lambda ledger, _: Images(ledger).source_of("1.2.1"),
    "health": lambda ledger, _: (
        Traffic(ledger).queue(),
        Traffic(ledger).last_received(),
        Traffic(ledger).last_delivered(),
        Images(ledger).waiting(),
    ),
    "orphans": find_orphans,
    "withdraw messages": withdraw_messages,
    "retry one": lambda ledger, _: Requeue(ledger).retry("1.2.1"),
    "answered since": lambda ledger, _: Images(ledger).answered(Selection((), None, yesterday()).condition),
    "answered of a study": lambda ledger, _: Images(ledger).answered(Selection((), "1.2.3").condition),
    "reprocess one": lambda ledger, _: Requeue(ledger).reprocess("1.2.1"),
    "resend two": lambda ledger, _: Requeue(ledger).resend(
        Selection(("1.2.1", "1.2.2")), lambda *_: (PACS, "another")
    ),
    "resend one": lambda ledger, _: Requeue(ledger).resend(
        Selection(("1.2.1",)), lambda *_: (PACS, "another")
    ),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_table_is_read_whole(images: Ledger, tmp_path: Path, operation: str) -> None:
    plans = plans_while(images._engine, lambda: OPERATIONS[operation](images, tmp_path))
    assert plans
    assert not {each: found for each, plan in plans.items() if (found := reads_everything(plan, each))}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_null_is_judged_in_returning(images: Ledger, tmp_path: Path, operation: str) -> None:
    """SQLite 3.38 to 3.40, as in Debian 12, takes NULL for a value there."""
    for statement in plans_while(images._engine, lambda: OPERATIONS[operation](images, tmp_path)):
        _, _, returned = statement.partition("RETURNING")
        assert "IS NULL" not in returned
        assert "IS NOT NULL" not in returned
