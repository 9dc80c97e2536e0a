"""`gateway predict` without a network or a database: every file has its line, in order."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gateway.errors import GatewayError
from gateway.files.folders import find_files
from gateway.proof.images import chest_pixels
from gateway.records import Prediction
from gateway.worker import predict
from gateway.worker.predict import predict_files, write_results
from tests.support.sources import dx, encoded
from tests.support.worker import FakePredictor, settings_in


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def write_png(folder: Path, name: str) -> Path:
    path = folder / name
    Image.fromarray((chest_pixels() >> 4).astype(np.uint8)).save(path)
    return path


def test_files_below_folders_are_found_in_order(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    last, first = write(tmp_path / "b", "2.dcm", b""), write(tmp_path, "1.dcm", b"")
    assert find_files([tmp_path]) == [first, last]
    assert find_files([last, first]) == [last, first]


@pytest.mark.parametrize(("name", "problem"), [("none", "no such file"), ("empty", "no files there")])
def test_paths_without_a_file_are_named(tmp_path: Path, name: str, problem: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(GatewayError, match=problem):
        find_files([tmp_path / name])


def test_every_file_has_its_line_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict, "BATCH", 2)
    files = [
        write(tmp_path, "1.dcm", encoded(dx())),
        write(tmp_path, "2.dcm", b"no DICOM file"),
        write_png(tmp_path, "3.png"),
        write(tmp_path, "4.dcm", encoded(dx(BodyPartExamined="HAND", AnatomicRegionSequence=None))),
        write(tmp_path, "5.dcm", encoded(dx())),
    ]
    predictor = FakePredictor()
    predictions = list(predict_files(files, predictor, settings_in(tmp_path)))
    assert [each.line["file"] for each in predictions] == [str(file) for file in files]
    assert [each.line["label"] for each in predictions] == [
        "Normal",
        "Undetermined",
        "Normal",
        "Undetermined",
        "Normal",
    ]
    assert [each.failed for each in predictions] == [False, True, False, False, False]
    assert [each.line["reason"] for each in predictions] == [None, "undecodable", None, "not_chest", None]
    assert predictor.passes == [1, 1, 1]


class Meeting(FakePredictor):
    """Answers no batch before another one is on its way, too."""

    def __init__(self) -> None:
        super().__init__()
        self._both = threading.Barrier(2, timeout=60)

    @property
    def passes_at_once(self) -> int:
        return 2

    def predict(self, images: NDArray[np.float32]) -> list[Prediction]:
        self._both.wait()
        return super().predict(images)


def test_batches_overlap_where_the_engine_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict, "BATCH", 1)
    files = [write_png(tmp_path, f"{number}.png") for number in range(4)]
    predictions = predict_files(files, Meeting(), settings_in(tmp_path))
    assert [each.line["file"] for each in predictions] == [str(file) for file in files]


def test_results_are_written_below_their_study(tmp_path: Path) -> None:
    source = dx()
    file = write(tmp_path, "1.dcm", encoded(source))
    (prediction,) = predict_files([file], FakePredictor(), settings_in(tmp_path), with_results=True)
    paths = write_results(prediction, tmp_path / "out")
    assert sorted(paths) == ["sc", "sr"]
    assert {Path(path).parent.name for path in paths.values()} == {source.StudyInstanceUID}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = write(tmp_path, "1.dcm", encoded(dx()))
    (prediction,) = predict_files([file], FakePredictor(), settings_in(tmp_path), with_results=True)
    write(tmp_path, "out", b"a file stands in the way")
    with pytest.raises(GatewayError, match="out"):
        write_results(prediction, tmp_path / "out")


def test_a_pipe_is_no_file_to_wait_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.dcm")
    with pytest.raises(GatewayError, match="neither a file nor a folder"):
        find_files([tmp_path / "pipe.dcm"])
