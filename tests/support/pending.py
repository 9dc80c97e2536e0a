"""Objects that wait for delivery, as the ledger gives them to a destination."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from gateway.records import SC
from gateway.store.entries import PendingDelivery
from tests.support.sources import dx, encoded


def pending_object(
    folder: Path, number: int = 1, image: Dataset | None = None, **changes: Any
) -> PendingDelivery:
    """Write an object into a folder; return its delivery, by default to `pacs`."""
    image = image or dx()
    path = folder / f"{number}.dcm"
    path.write_bytes(encoded(image))
    fields: dict[str, Any] = {
        "id": number,
        "instance_id": 1,
        "source_sop_instance_uid": "1.2",
        "study_instance_uid": "1.2.3",
        "calling_ae_title": "MODALITY",
        "kind": SC,
        "sop_class_uid": str(image.SOPClassUID),
        "sop_instance_uid": str(image.SOPInstanceUID),
        "path": path,
        "begun_at": datetime.now(UTC),
        "destination": "pacs",
    }
    return PendingDelivery(**fields | changes)
