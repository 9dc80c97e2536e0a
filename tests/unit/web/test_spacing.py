"""The spacing that measures best, and where it holds (PS3.3 10.7.1.1)."""

from typing import Any

import pytest
from pydicom import Dataset

from gateway.web.viewer.spacing import spacing_of

DETECTOR = {"ImagerPixelSpacing": [0.2, 0.2]}
CASES: dict[str, tuple[dict[str, Any], tuple[float, float, str] | None]] = {
    "none": ({}, None),
    "detector alone": (DETECTOR, (0.2, 0.2, "at the detector")),
    "equal spacings are not calibrated": (
        DETECTOR | {"PixelSpacing": [0.2, 0.200001]},
        (0.2, 0.2, "at the detector"),
    ),
    "different spacings are calibrated": (
        DETECTOR | {"PixelSpacing": [0.18, 0.18]},
        (0.18, 0.18, "calibrated"),
    ),
    "calibration that is stated": (
        {"PixelSpacing": [0.18, 0.19], "PixelSpacingCalibrationType": "GEOMETRY"},
        (0.18, 0.19, "calibrated"),
    ),
    "Pixel Spacing alone": ({"PixelSpacing": [0.2, 0.2]}, (0.2, 0.2, "calibration unknown")),
    "film": ({"NominalScannedPixelSpacing": [0.1, 0.1]}, (0.1, 0.1, "on the film")),
    "zero is none": ({"PixelSpacing": [0, 0.2]}, None),
    "an unusable Pixel Spacing": (DETECTOR | {"PixelSpacing": [-1, 0.2]}, (0.2, 0.2, "at the detector")),
}


@pytest.mark.parametrize("case", CASES)
def test_the_best_spacing_is_taken_with_its_place(case: str) -> None:
    attributes, expected = CASES[case]
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    found = spacing_of(ds)
    assert (found and (found.row, found.column, found.place)) == expected


def test_the_magnification_is_told_and_not_applied() -> None:
    ds = Dataset()
    ds.ImagerPixelSpacing, ds.EstimatedRadiographicMagnificationFactor = [0.2, 0.2], "1.1"
    found = spacing_of(ds)
    assert found
    assert (found.row, "about 1.1 times" in found.basis) == (0.2, True)
