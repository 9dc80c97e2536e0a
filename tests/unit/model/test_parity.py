"""The same picture as PNG, as 8-bit DICOM and as 12-bit DICOM with a window: the same probability."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, FileMetaDataset, dcmread
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from gateway.imaging.decode import decode
from gateway.model.choice import EngineRules
from gateway.model.predictor import Predictor
from gateway.training.evaluation.dataset import load_input

SAMPLE = Path(__file__).parents[3] / "sample_dicoms" / "dx_pa_voi_lut.dcm"


def picture() -> np.ndarray:
    """A chest in 8 bits whose answer is not clear, so that a difference would show."""
    return (decode(dcmread(SAMPLE)).pixels >> 8).astype(np.uint8)


def write_dicom(
    path: Path, stored: np.ndarray, bits: int, window: tuple[float, float] | None, **others: object
) -> None:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = DigitalXRayImageStorageForPresentation
    ds.SOPInstanceUID = generate_uid()
    ds.Modality = "DX"
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.SamplesPerPixel = 1
    ds.Rows, ds.Columns = stored.shape
    ds.BitsAllocated = 8 if bits == 8 else 16
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits - 1, 0
    if window:
        ds.WindowCenter, ds.WindowWidth = window
    for keyword, value in others.items():
        setattr(ds, keyword, value)
    ds.PixelData = stored.tobytes()
    ds.save_as(path, enforce_file_format=True)


def test_png_and_dicom_give_the_same_probability(tmp_path: Path) -> None:
    grey = picture()
    Image.fromarray(grey).save(tmp_path / "picture.png")
    write_dicom(tmp_path / "eight.dcm", grey, 8, (128, 256))  # all 256 values, as the PNG is shown
    # the picture in the middle of the 12-bit range, which the window (PS3.3 C.11.2.1.2) cuts out
    write_dicom(
        tmp_path / "twelve.dcm", grey.astype(np.uint16) * 8 + 1000, 12, (1000 + 4 * 255 + 0.5, 8 * 255 + 1)
    )
    inputs = np.stack([load_input(tmp_path / name) for name in ("picture.png", "eight.dcm", "twelve.dcm")])
    measured = Predictor.open(None, EngineRules(device="cpu")).measure(inputs)
    p = 1 / (1 + np.exp(-measured.log_odds))
    assert 0.1 < p[0] < 0.9
    assert p[1] == pytest.approx(p[0], abs=0.01)
    assert p[2] == pytest.approx(p[0], abs=0.01)


def test_what_a_shutter_hides_is_not_shown_to_the_model(tmp_path: Path) -> None:
    grey = picture()
    rows, columns = grey.shape
    write_dicom(tmp_path / "alone.dcm", grey, 8, None)
    edges = {
        "ShutterShape": "RECTANGULAR",
        "ShutterUpperHorizontalEdge": 31,
        "ShutterLowerHorizontalEdge": 30 + rows,
        "ShutterLeftVerticalEdge": 51,
        "ShutterRightVerticalEdge": 50 + columns,
    }
    around = np.pad(grey, ((30, 10), (50, 20)), constant_values=200)
    write_dicom(tmp_path / "shuttered.dcm", around, 8, None, **edges)
    assert np.array_equal(load_input(tmp_path / "shuttered.dcm"), load_input(tmp_path / "alone.dcm"))
