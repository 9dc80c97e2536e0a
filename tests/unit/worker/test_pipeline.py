"""The pipeline: one image that goes wrong harms no other, and every end has its reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from gateway.records import GreyImage
from gateway.store.ledger import Ledger
from gateway.worker import image
from gateway.worker.ends import End, Settled
from gateway.worker.pipeline import Pipeline
from tests.support.ledger_rows import claim
from tests.support.sources import dx
from tests.support.worker import pipeline_in, receive, settings_in


@pytest.fixture
def pipeline(ledger: Ledger, tmp_path: Path) -> Pipeline:
    return pipeline_in(settings_in(tmp_path), ledger)[0]


def outcomes(settled: list[Settled]) -> dict[str, str]:
    """Return the reason of each image's end, `answered` where it has an answer."""
    return {
        each.instance.sop_instance_uid: each.outcome.reason.value
        if isinstance(each.outcome, End)
        else "answered"
        for each in settled
    }


def test_an_answer_has_its_results_on_disk(pipeline: Pipeline, ledger: Ledger, tmp_path: Path) -> None:
    receive(ledger, tmp_path)
    (settled,) = pipeline.answer(claim(ledger, "a"))
    assert outcomes([settled]) == {"1.2.1": "answered"}
    assert len(list((tmp_path / "results").rglob("*.dcm"))) == 2


def test_every_image_of_a_batch_has_its_own_end(pipeline: Pipeline, ledger: Ledger, tmp_path: Path) -> None:
    receive(ledger, tmp_path, 1)
    receive(
        ledger, tmp_path, 2, dx(SOPInstanceUID="1.2.2", BodyPartExamined="HAND", AnatomicRegionSequence=None)
    )
    receive(ledger, tmp_path, 3, dx(SOPInstanceUID="1.2.3", PixelData=b"\0\0"))
    receive(ledger, tmp_path, 5, b"no DICOM file")
    assert outcomes(pipeline.answer(claim(ledger, "a"))) == {
        "1.2.1": "answered",
        "1.2.2": "not_chest",
        "1.2.3": "undecodable",
        "1.2.5": "undecodable",
    }


def test_a_file_that_cannot_be_read_now_is_left_out(
    pipeline: Pipeline, ledger: Ledger, tmp_path: Path
) -> None:
    receive(ledger, tmp_path, 1)
    path = receive(ledger, tmp_path, 2, dx(SOPInstanceUID="1.2.2"))
    path.unlink()
    path.mkdir()  # reading it fails, as on a disk that is away
    assert outcomes(pipeline.answer(claim(ledger, "a"))) == {"1.2.1": "answered"}


@pytest.mark.parametrize(
    ("error", "reason"), [(MemoryError, "too_large"), (ZeroDivisionError, "internal_error")]
)
def test_an_error_of_one_decoder_is_that_images_end(
    pipeline: Pipeline,
    ledger: Ledger,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
    reason: str,
) -> None:
    decode: Callable[..., GreyImage] = image.decode  # type: ignore[attr-defined]

    def failing(ds: Dataset, *limits: float) -> GreyImage:
        if ds.SOPInstanceUID == "1.2.2":
            raise error
        return decode(ds, *limits)

    monkeypatch.setattr(image, "decode", failing)
    receive(ledger, tmp_path, 1)
    receive(ledger, tmp_path, 2, dx(SOPInstanceUID="1.2.2"))
    assert outcomes(pipeline.answer(claim(ledger, "a"))) == {"1.2.1": "answered", "1.2.2": reason}
