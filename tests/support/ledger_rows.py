"""Rows for tests of the ledger: images that arrive, are claimed and answered."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.records import DICOM, SR, Received
from gateway.store.answers import Answered
from gateway.store.entries import AnswerRecord, StoredInstance, StoredResult
from gateway.store.ledger import Ledger
from gateway.store.queries.images import Images
from tests.support.answers import MODEL


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
    ledger.claim(batch, limit)
    return ledger.begin_batch(batch)


def answer(
    tmp_path: Path, *destinations: str, digest: str = "d", uid: str = "2.25.1", **model: Any
) -> AnswerRecord:
    path = tmp_path / "results" / f"{uid}.dcm"
    result = StoredResult(SR, DICOM, path, "0" * 64, "1.2.3", uid, destinations)
    return AnswerRecord(
        model=replace(MODEL, **model),
        label="Pneumonia",
        score=0.9,
        abstained=None,
        pixel_digest=digest,
        configuration=hashlib.sha256(repr((uid, model)).encode()).hexdigest(),
        software_version="0.1.0",
        results=(result,),
        steps=("window 2048/4096",),
        activation=((0.5,) * 7,) * 7,
    )


def record_answer(ledger: Ledger, instance: StoredInstance, record: AnswerRecord) -> bool:
    with ledger.session() as session:
        return instance.id in ledger.record_answers(session, [Answered(instance, [record])])


def state(ledger: Ledger, uid: str = "1.2.1") -> tuple[str, str | None]:
    (version, *_) = Images(ledger).versions(uid)
    return version.state, version.reason
