"""One picture in nine codings, with and without a window, gets one answer from the shipped model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset

import sample_dicoms
from gateway.imaging.decode import decode
from gateway.imaging.preprocess import to_model_input
from gateway.model.choice import EngineRules
from gateway.model.predictor import SHIPPED, Predictor
from tests.unit.imaging.tiny_image import everything, look_up_table, tiny_image

FOLDER = Path(*sample_dicoms.__path__)
MOST = 0.02  # between the probabilities of one picture


def codings(brightness: NDArray[np.float64]) -> dict[str, Dataset]:
    """Return the picture, brightness 0 to 1, as modalities may store it."""

    def stored(low: int, high: int, bits: int = 16, **attributes: Any) -> Dataset:
        return tiny_image(np.rint(low + brightness * (high - low)).astype(np.int64), bits, **attributes)

    lut = look_up_table(0, 16, list(range(4096)))  # promises sixteen times as much as it holds
    return {
        "with an equivalent window": stored(0, 4095, 12, **everything(12)),
        "12 of 12": stored(0, 4095, 12),
        "600 to 3000 of 12": stored(600, 3000, 12),
        "14 in 16": stored(0, 16383),
        "12 in 16": stored(0, 4095),
        "10 in 16": stored(0, 1023),
        "MONOCHROME1": stored(4095, 0, PhotometricInterpretation="MONOCHROME1"),
        "signed": stored(-2048, 2047, signed=True),
        "plus 30000": stored(30000, 34095),
        "a VOI LUT that promises 16 bits": stored(0, 4095, 12, VOILUTSequence=[lut]),
        "a window that cannot be read": stored(0, 4095, WindowCenter=[], WindowWidth="4096"),
    }


@pytest.mark.parametrize("name", ["dx_pa_normal.dcm", "dx_pa_consolidation.dcm"])
def test_the_coding_of_a_picture_does_not_change_its_answer(name: str) -> None:
    stored = dcmread(FOLDER / name).pixel_array[::3, ::3].astype(np.float64)
    pictures = codings((stored - stored.min()) / np.ptp(stored))
    predictor = Predictor.open(SHIPPED / "model.safetensors", EngineRules(device="cpu"))
    inputs = np.stack([to_model_input(decode(ds).pixels) for ds in pictures.values()])
    answers = dict(zip(pictures, predictor.predict(inputs), strict=True))
    assert len({answer.label for answer in answers.values()}) == 1, answers
    scores = [answer.score for answer in answers.values() if answer.score is not None]
    assert len(scores) == len(pictures)
    assert max(scores) - min(scores) <= MOST, dict(zip(pictures, scores, strict=True))
