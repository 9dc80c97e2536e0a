"""Whether an image names another patient than before is told from headers that can be read, or told later."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.errors import Retry
from gateway.store.entries import AnsweredVersion, StoredInstance
from gateway.worker.patient import patient_changes
from tests.support.sources import dx, encoded


def again(folder: Path, *earlier: Path) -> StoredInstance:
    """Return an image of which these data sets have their answers."""
    path = folder / "again.dcm"
    path.write_bytes(encoded(dx(PatientID="P-2")))
    answered = tuple(AnsweredVersion(each, None) for each in earlier)
    return StoredInstance(9, "1.2.1", "1.2", "TESTS", path, "a", 1, datetime.now(UTC), answered=answered)


def test_another_patient_is_told(tmp_path: Path) -> None:
    earlier = tmp_path / "earlier.dcm"
    earlier.write_bytes(encoded(dx(PatientID="P-1")))
    assert patient_changes(again(tmp_path, earlier)) == ("Patient ID",)


def test_a_header_that_cannot_be_read_now_is_no_sign_of_the_same_patient(tmp_path: Path) -> None:
    earlier = tmp_path / "earlier.dcm"
    earlier.mkdir()  # opens as a disk that fails does
    with pytest.raises(Retry, match="the patient cannot be compared"):
        patient_changes(again(tmp_path, earlier))


def test_a_deleted_data_set_says_nothing(tmp_path: Path) -> None:
    assert patient_changes(again(tmp_path, tmp_path / "deleted.dcm")) == ()
