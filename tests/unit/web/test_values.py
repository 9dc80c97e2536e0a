"""The file of values: the browser computes the pipeline's picture and the modality's values from it."""

from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut

from gateway.imaging.decode import decode
from gateway.web.viewer.values import read_values_file, values_file
from tests.support.sources import dx

SIGNED = {"PixelRepresentation": 1, "RescaleSlope": "0.1", "RescaleIntercept": "-3", "RescaleType": "HU"}


def modality_lut() -> Dataset:
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [4096, 0, 16], "OD"
    table.LUTData = (2 * np.arange(4096)[::-1]).tolist()
    table["LUTData"].VR = "US"
    return table


CASES: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "rescaled, signed": (SIGNED, ("modality value", "HU")),
    "MONOCHROME1": (
        {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
        ("modality value", ""),
    ),
    "Modality LUT": (
        {"ModalityLUTSequence": [modality_lut()], "RescaleSlope": None, "RescaleIntercept": None},
        ("modality value", "thousandths of optical density"),
    ),
    "no modality transformation": (
        {"RescaleSlope": None, "RescaleIntercept": None, "RescaleType": None},
        ("stored value", ""),
    ),
    "shutter": (
        {
            "ShutterShape": "CIRCULAR",
            "CenterOfCircularShutter": [40, 40],
            "RadiusOfCircularShutter": 35,
        },
        ("modality value", ""),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_file_gives_picture_and_modality_values(case: str) -> None:
    attributes, (name, unit) = CASES[case]
    ds = dx(**attributes)
    head, parts = read_values_file(values_file(ds))
    shape = head["rows"], head["columns"]
    cells = parts["cells"].reshape(shape)
    expected = apply_modality_lut(ds.pixel_array, ds)
    assert np.array_equal(parts["modality"][cells], expected)
    visible = np.unpackbits(parts["visible"])[: cells.size].reshape(shape) if "visible" in parts else 1
    assert np.array_equal(parts["grey"][cells] * visible, decode(ds).pixels)
    assert head["value"] == {"name": name, "unit": unit}
    assert (case == "shutter") == ("visible" in parts)


def test_an_image_whose_pixels_are_not_square_keeps_its_own_matrix() -> None:
    ds = dx(ImagerPixelSpacing=[0.1, 0.2])
    head, _ = read_values_file(values_file(ds))
    assert (head["rows"], head["columns"]) == (ds.Rows, ds.Columns)
    assert head["square"] == [ds.Rows, 2 * ds.Columns]
    assert head["square"] == list(decode(ds).pixels.shape)
