"""Radiographs with every kind of grey pipeline, for those who state the pipeline again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from pydicom.dataset import Dataset

from tests.support.sources import cr, dx, item


def _table(first: int, bits: int, entries: np.ndarray, vr: str = "US") -> Dataset:
    lut = item()
    lut.add_new("LUTDescriptor", vr, [len(entries), first, bits])
    lut.add_new("LUTData", "OW", entries.astype("<u2").tobytes())
    return lut


def _film(bits: int) -> np.ndarray:
    return np.round(((1 << bits) - 1) * np.linspace(0, 1, 4096) ** 2)


def _no_window(**overrides: object) -> Dataset:
    return dx(WindowCenter=None, WindowWidth=None, **overrides)


def _modality_table(step: int, **window: int) -> Dataset:
    lut = _table(0, 16, step * (4095 - np.arange(4096)))
    lut.ModalityLUTType = "US"
    return cr(ModalityLUTSequence=[lut], **window)


GREY_PIPELINES: dict[str, Callable[[], Dataset]] = {
    "window": dx,
    "narrow window": lambda: dx(WindowCenter=1500.5, WindowWidth=700),
    "two windows": lambda: dx(WindowCenter=[1500, 2000], WindowWidth=[700, 4000]),
    "no window": _no_window,
    "exact window": lambda: dx(WindowCenter=2000, WindowWidth=3000, VOILUTFunction="LINEAR_EXACT"),
    "rescaled": lambda: cr(
        RescaleSlope=0.5, RescaleIntercept=-1024, RescaleType="US", WindowCenter=0, WindowWidth=1500
    ),
    "VOI LUT": lambda: _no_window(VOILUTSequence=[_table(0, 16, _film(16))]),
    "VOI LUT of 12 bits": lambda: _no_window(VOILUTSequence=[_table(0, 12, _film(12))]),
    "VOI LUT from below zero": lambda: cr(
        RescaleSlope=1,
        RescaleIntercept=-2048,
        RescaleType="US",
        VOILUTSequence=[_table(-2048, 16, _film(16), "SS")],
    ),
    "Modality LUT": lambda: _modality_table(16, WindowCenter=32000, WindowWidth=48000),
    "Modality LUT of 12 bits": lambda: _modality_table(1, WindowCenter=2000, WindowWidth=3000),
    "MONOCHROME1": lambda: dx(PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE"),
    "rectangular shutter": lambda: dx(
        ShutterShape="RECTANGULAR",
        ShutterLeftVerticalEdge=10,
        ShutterRightVerticalEdge=100,
        ShutterUpperHorizontalEdge=12,
        ShutterLowerHorizontalEdge=90,
    ),
    "round shutter": lambda: dx(
        ShutterShape="CIRCULAR", CenterOfCircularShutter=[64, 64], RadiusOfCircularShutter=50
    ),
    "polygonal shutter": lambda: dx(
        ShutterShape="POLYGONAL", VerticesOfThePolygonalShutter=[5, 64, 100, 10, 100, 120]
    ),
}
