"""HL7 messages, FHIR Bundles, and deliveries of them, for the tests of what leaves DICOM."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from gateway.records import GreyImage
from gateway.results.answer import Answer
from gateway.results.fhir import BundleRules
from gateway.results.hl7 import MessageRules
from gateway.results.observation_message import ObservationMessageBuilder
from gateway.results.result import AnsweredImage, Result, ResultRules
from gateway.results.source_header import source_header
from gateway.results.transaction_bundle import TransactionBundleBuilder
from gateway.store.entries import PendingDelivery
from tests.support.answers import answer
from tests.support.sources import dx

GREY = GreyImage(np.full((60, 50), 30000, np.uint16), ())


def answered(source: Dataset | None = None, given: Answer | None = None) -> AnsweredImage:
    """Return an image with its answer."""
    return AnsweredImage(source_header(source or dx()), GREY, given or answer())


def message(source: Dataset | None = None, given: Answer | None = None, **rules: Any) -> Result:
    """Return the HL7 message of an answer."""
    wanted = ResultRules(hl7=MessageRules(**rules))
    return ObservationMessageBuilder().build(answered(source, given), wanted)


def segments(result: Result, codec: str = "utf-8") -> list[list[str]]:
    """Return a message's segments, each as its fields: `fields[n]` is field n, also of MSH."""
    lines = [line.split("|") for line in result.content.decode(codec).split("\r")[:-1]]
    lines[0].insert(1, "|")
    return lines


def delivery_of(result: Result, folder: Path, number: int = 1, **changes: Any) -> PendingDelivery:
    """Return a delivery of a result that lies in a folder."""
    path = folder / result.name
    path.write_bytes(result.content)
    fields: dict[str, Any] = {
        "id": number,
        "instance_id": number,
        "source_sop_instance_uid": "1.2",
        "study_instance_uid": "1.2.3",
        "calling_ae_title": "MODALITY",
        "kind": result.kind,
        "sop_class_uid": "",
        "sop_instance_uid": "",
        "path": path,
        "begun_at": datetime.now(UTC),
        "destination": "ris",
        "media_type": result.media_type,
    }
    return PendingDelivery(**fields | changes)


def bundle(source: Dataset | None = None, given: Answer | None = None, **rules: Any) -> Result:
    """Return the FHIR Bundle of an answer."""
    wanted = ResultRules(fhir=BundleRules(**rules))
    return TransactionBundleBuilder().build(answered(source, given), wanted)
