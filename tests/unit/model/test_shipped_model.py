"""The shipped model before real images: a chest is answered, whatever else there is gets no answer."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.model.choice import EngineRules
from gateway.model.predictor import SHIPPED, Predictor
from gateway.records import UNDETERMINED
from gateway.training.evaluation.dataset import load_input
from tests.fuzz.corpus import PYDICOM, PYDICOM_DATA

CHEST = PYDICOM_DATA / "RG1_UNCR.dcm"  # of an adult; its collimator's edges are in millimetres
NO_CHEST = {
    "lower leg": PYDICOM_DATA / "RG3_UNCR.dcm",
    "CT of a head": PYDICOM_DATA / "693_UNCR.dcm",
    "CT of a spine": PYDICOM_DATA / "bad_sequence.dcm",
    "MR of an abdomen": PYDICOM_DATA / "MR-SIEMENS-DICOM-WithOverlays.dcm",
    "MR of a shoulder": PYDICOM_DATA / "MR2_UNCR.dcm",
    "ultrasound of a heart": PYDICOM_DATA / "JPGLosslessP14SV1_1s_1f_8b.dcm",
    "test pattern": PYDICOM_DATA / "vlut_04.dcm",
    "MR, 64 x 64": PYDICOM / "test_files" / "MR_small.dcm",
    **{
        path.stem: path
        for path in sorted(Path(matplotlib.get_data_path(), "sample_data").glob("*.[jp][pn]g"))
    },
}
TURNS = {
    "upside-down": lambda tensor: tensor[:, ::-1],
    "turned by 180 degrees": lambda tensor: tensor[:, ::-1, ::-1],
    "turned to the left": lambda tensor: np.rot90(tensor, axes=(1, 2)),
    "inverted": np.negative,
}


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.open(SHIPPED / "model.safetensors", EngineRules(device="cpu"))


def label_of(tensor: NDArray[np.float32], predictor: Predictor) -> str:
    (prediction,) = predictor.predict(np.ascontiguousarray(tensor)[None])
    return prediction.label


def test_a_chest_is_answered(predictor: Predictor) -> None:
    assert label_of(load_input(CHEST), predictor) != UNDETERMINED


@pytest.mark.parametrize("turn", TURNS)
def test_a_chest_that_lies_wrong_is_not(turn: str, predictor: Predictor) -> None:
    assert label_of(TURNS[turn](load_input(CHEST)), predictor) == UNDETERMINED


@pytest.mark.parametrize("name", NO_CHEST)
def test_anything_else_is_not(name: str, predictor: Predictor) -> None:
    assert label_of(load_input(NO_CHEST[name]), predictor) == UNDETERMINED
