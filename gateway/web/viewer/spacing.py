"""Spacing of pixels in millimetres, and where it holds. `values` calls it for the viewer's ruler."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset

from gateway.dicom import header

_TOLERANCE = 1e-4  # relative: some devices write one spacing with more digits than the other
_CALIBRATIONS = {
    "FIDUCIAL": "calibrated with an object of known size",
    "GEOMETRY": "corrected for an assumed magnification",
}


@dataclass(frozen=True, slots=True)
class Spacing:
    """Distance between the centres of pixels, in mm.

    Attributes
    ----------
    row, column
        Between adjacent rows, and between adjacent columns; both are positive.
    place
        Where the distances hold, in few words.
    basis
        The attribute, and its meaning by PS3.3 10.7.1.1, in a sentence.
    """

    row: float
    column: float
    place: str
    basis: str


def spacing_of(ds: Dataset) -> Spacing | None:
    """Return the spacing that measures distances in an image best; None where none is stated.

    Pixel Spacing that equals Imager Pixel Spacing is not calibrated; Pixel Spacing that differs is. Pixel
    Spacing alone leaves it open (PS3.3 10.7.1.1). Imager Pixel Spacing holds at the detector (C.8.11.4).
    """
    in_patient = _pair(ds, "PixelSpacing")
    at_detector = _pair(ds, "ImagerPixelSpacing")
    on_film = _pair(ds, "NominalScannedPixelSpacing")
    uncalibrated = at_detector or on_film
    if in_patient and _is_calibrated(ds, in_patient, uncalibrated):
        how = _CALIBRATIONS.get(_calibration(ds), "calibrated, how is not stated")
        return Spacing(*in_patient, "calibrated", f"Pixel Spacing, {how}")
    if at_detector:
        basis = f"Imager Pixel Spacing: at the detector, larger than in the patient{_magnification(ds)}"
        return Spacing(*at_detector, "at the detector", basis)
    if on_film:
        return Spacing(*on_film, "on the film", "Nominal Scanned Pixel Spacing: on the film that was scanned")
    if in_patient:
        return Spacing(*in_patient, "calibration unknown", "Pixel Spacing, whether calibrated is not stated")
    return None


def _is_calibrated(
    ds: Dataset, in_patient: tuple[float, float], uncalibrated: tuple[float, float] | None
) -> bool:
    if _calibration(ds) in _CALIBRATIONS:
        return True
    return uncalibrated is not None and any(
        abs(one - other) > _TOLERANCE * other for one, other in zip(in_patient, uncalibrated, strict=True)
    )


def _calibration(ds: Dataset) -> str:
    return header.first_code_string(ds, "PixelSpacingCalibrationType")


def _magnification(ds: Dataset) -> str:
    factors = header.numbers(ds, "EstimatedRadiographicMagnificationFactor")
    return f" (about {factors[0]:g} times)" if len(factors) == 1 and factors[0] > 1 else ""


def _pair(ds: Dataset, keyword: str) -> tuple[float, float] | None:
    """Return row and column spacing in mm (PS3.3 10.7.1.3), None where they cannot be used."""
    values = header.numbers(ds, keyword)
    return (values[0], values[1]) if len(values) == 2 and min(values) > 0 else None
