"""DCMTK's codings of an image look as DCMTK shows them: greys, signs, odd sizes, overlays in high bits."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from gateway.imaging.decode import decode
from tests.support.codings import Pixels
from tests.support.grey_pipelines import GREY_PIPELINES
from tests.support.sources import cr, encoded

Find = Callable[[str], str]
A_GREY_STEP = 65535 / 255
ROWS, COLUMNS = 47, 33  # both odd
CODINGS = {
    "implicit": ("dcmconv", "+ti"),
    "big endian": ("dcmconv", "+tb"),
    "deflated": ("dcmconv", "+td"),
    "RLE": ("dcmcrle",),
    "JPEG-LS": ("dcmcjpls", "+el"),
    "JPEG-LS near-lossless": ("dcmcjpls", "+en", "+md", "1"),
    "JPEG Lossless SV1": ("dcmcjpeg", "+e1"),
    **{
        f"JPEG Lossless, predictor {number}": ("dcmcjpeg", "+el", "+sv", str(number))
        for number in range(1, 8)
    },
    "JPEG Extended": ("dcmcjpeg", "+ee"),
    "JPEG Baseline": ("dcmcjpeg", "+eb"),
}
LOSSLESS = [
    name for name in CODINGS if name not in ("JPEG-LS near-lossless", "JPEG Extended", "JPEG Baseline")
]


def radiograph(bits: int, *, signed: bool = False, overlay: bool = False, allocated: int = 16) -> Dataset:
    """Return an image in which every column runs from black to white through a window."""
    lowest = -(1 << (bits - 1)) if signed else 0
    values = lowest + np.linspace(0, (1 << bits) - 1, ROWS * COLUMNS).astype(np.int64).reshape(ROWS, COLUMNS)
    cells = values & ((1 << bits) - 1) if overlay else values & ((1 << allocated) - 1)
    if overlay:
        cells |= (np.indices(cells.shape).sum(axis=0) % 3 == 0).astype(np.int64) << 15
    data = cells.astype(f"<u{allocated // 8}").tobytes()
    ds = cr(
        Rows=ROWS,
        Columns=COLUMNS,
        BitsAllocated=allocated,
        BitsStored=bits,
        HighBit=bits - 1,
        PixelRepresentation=int(signed),
        PhotometricInterpretation="MONOCHROME1",
        WindowCenter=lowest + (1 << (bits - 1)),
        WindowWidth=(1 << bits) * 3 // 4,
        PixelData=data + b"\0" * (len(data) % 2),
    )
    ds["PixelData"].VR = "OW"
    if overlay:
        _declare_overlay(ds)
    return ds


def _declare_overlay(ds: Dataset) -> None:
    """Declare an overlay in bit 15 of Pixel Data, as before DICOM retired it (PS3.3-2004 C.9.2)."""
    for element, vr, value in (
        (0x0010, "US", ROWS),
        (0x0011, "US", COLUMNS),
        (0x0040, "CS", "G"),
        (0x0050, "SS", [1, 1]),
        (0x0100, "US", 16),
        (0x0102, "US", 15),
    ):
        ds.add_new(0x60000000 + element, vr, value)


def shown_by_dcmtk(path: Path, dcmtk: Find, *options: str) -> Pixels:
    """Return the picture of DCMTK, 0 to 65535, without overlays."""
    picture = path.with_suffix(".pnm")
    program = dcmtk("dcml2pnm" if "JPEG-LS" in dcmread(path).file_meta.TransferSyntaxUID.name else "dcmj2pnm")
    subprocess.run([program, "-O", "+opw", *options, path, picture], check=True, capture_output=True)
    lines = [line for line in picture.read_text().splitlines() if not line.startswith("#")]
    kind, columns, rows, highest, *greys = " ".join(lines).split()
    assert kind == "P2"
    return np.array(greys, np.int64).reshape(int(rows), int(columns)) * 65535 // int(highest)


def coded(ds: Dataset, coding: str, folder: Path, dcmtk: Find) -> Path:
    native, path = folder / "native.dcm", folder / "coded.dcm"
    native.write_bytes(encoded(ds))
    program, *options = CODINGS[coding]
    subprocess.run([dcmtk(program), *options, native, path], check=True, capture_output=True)
    return path


def assert_alike(path: Path, expected: Pixels) -> None:
    difference = np.abs(decode(dcmread(path)).pixels.astype(np.int64) - expected)
    assert difference.max() <= A_GREY_STEP, f"{difference.max() / A_GREY_STEP:.1f} grey steps"


@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("coding", LOSSLESS)
def test_lossless(coding: str, bits: int, signed: bool, tmp_path: Path, dcmtk: Find) -> None:
    path = coded(radiograph(bits, signed=signed), coding, tmp_path, dcmtk)
    assert_alike(path, shown_by_dcmtk(path, dcmtk, "+Wi", "1"))


@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize("coding", LOSSLESS)
def test_an_overlay_in_the_high_bits_is_not_part_of_the_value(
    coding: str, signed: bool, tmp_path: Path, dcmtk: Find
) -> None:
    path = coded(radiograph(12, signed=signed, overlay=True), coding, tmp_path, dcmtk)
    assert_alike(path, shown_by_dcmtk(path, dcmtk, "+Wi", "1"))


@pytest.mark.parametrize(
    ("coding", "bits", "allocated"),
    [
        ("JPEG Baseline", 8, 8),
        ("JPEG Extended", 8, 8),
        ("JPEG Extended", 12, 16),
        ("JPEG-LS near-lossless", 8, 8),
        ("JPEG-LS near-lossless", 12, 16),
    ],
)
def test_lossy(coding: str, bits: int, allocated: int, tmp_path: Path, dcmtk: Find) -> None:
    path = coded(radiograph(bits, allocated=allocated), coding, tmp_path, dcmtk)
    assert_alike(path, shown_by_dcmtk(path, dcmtk, "+Wi", "1"))


WINDOWS = ("window", "narrow window", "two windows", "rescaled", "MONOCHROME1", "Modality LUT")
TABLES = ("VOI LUT", "VOI LUT of 12 bits", "VOI LUT from below zero")


@pytest.mark.parametrize(
    ("pipeline", "option"), [*((name, "+Wi") for name in WINDOWS), *((name, "+Wl") for name in TABLES)]
)
def test_grey_pipelines(pipeline: str, option: str, tmp_path: Path, dcmtk: Find) -> None:
    path = tmp_path / "image.dcm"
    path.write_bytes(encoded(GREY_PIPELINES[pipeline]()))
    assert_alike(path, shown_by_dcmtk(path, dcmtk, option, "1"))
