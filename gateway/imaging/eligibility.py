"""ELIGIBILITY: decides by the header alone whether an image is a frontal chest radiograph due an answer.

The worker's pipeline and `gateway predict` call it before decoding. It never raises: unreadable attributes
count as absent. Rules are tried in the order of `_RULES`; the first refusal gives the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pydicom.dataset import Dataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
)

from gateway.dicom import header
from gateway.imaging.age import age_of
from gateway.imaging.anatomy import refuse_animal, refuse_computed_image, refuse_other_anatomy
from gateway.imaging.image_pixel import MAX_MEGAPIXELS
from gateway.imaging.own_result import is_own_result
from gateway.imaging.view import judge_view
from gateway.records import Eligible, Ineligible, Reason

_MODALITIES = {"CR", "DX"}
_SOP_CLASSES = {
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
}
_AGES_DIFFER = "Patient's Age and Patient's Birth Date differ by more than two years"


@dataclass(frozen=True, slots=True)
class EligibilityRules:
    """The part of the eligibility rules that the settings decide (settings section `select`).

    Attributes
    ----------
    secondary_capture
        Whether Secondary Captures with Modality CR or DX (converted radiographs) are eligible.
    min_age_years, max_age_years
        Inclusive limits in years; None: no limit. An unknown age is within the limits.
    max_megapixels
        Limit on the number of pixels, in millions, that decoding applies.
    own_device_uids
        Device UIDs of this gateway's models, past and present: an image that carries one is its own result.
    """

    secondary_capture: bool = False
    min_age_years: float | None = 1.0
    max_age_years: float | None = None
    max_megapixels: float = MAX_MEGAPIXELS
    own_device_uids: frozenset[str] = field(default_factory=frozenset)


def eligibility(ds: Dataset, rules: EligibilityRules) -> Eligible | Ineligible:
    """Return `Eligible` with the view, or `Ineligible` with the reason of the first rule that refuses."""
    for refuse in _RULES:
        refusal = refuse(ds, rules)
        if refusal:
            return refusal
    verdict = judge_view(ds)
    if isinstance(verdict, Eligible) and age_of(ds).contradictory:
        return replace(verdict, notes=(*verdict.notes, _AGES_DIFFER))
    return verdict


def _own_result(ds: Dataset, rules: EligibilityRules) -> Ineligible | None:
    if is_own_result(ds, rules.own_device_uids):
        return Ineligible(Reason.OWN_RESULT, "It is a result of a CXR Gateway.")
    return None


def _other_modality(ds: Dataset, _: EligibilityRules) -> Ineligible | None:
    modality = header.first_code_string(ds, "Modality")
    if modality not in _MODALITIES:
        stated = header.quoted(modality) if modality else "absent"
        return Ineligible(Reason.NOT_RADIOGRAPH, f"Modality is {stated}, not CR or DX.")
    if not _SOP_CLASSES.intersection(header.texts(ds, "SOPClassUID")):
        return Ineligible(Reason.NOT_RADIOGRAPH, "The SOP Class is not one of CR, DX or Secondary Capture.")
    return None


def _secondary_capture(ds: Dataset, rules: EligibilityRules) -> Ineligible | None:
    if SecondaryCaptureImageStorage in header.texts(ds, "SOPClassUID") and not rules.secondary_capture:
        return Ineligible(Reason.SECONDARY_CAPTURE, "The configuration admits no Secondary Captures.")
    return None


def _for_processing(ds: Dataset, _: EligibilityRules) -> Ineligible | None:
    by_class = DigitalXRayImageStorageForProcessing in header.texts(ds, "SOPClassUID")
    if by_class or "FOR PROCESSING" in header.code_strings(ds, "PresentationIntentType"):
        return Ineligible(Reason.FOR_PROCESSING, "The image is FOR PROCESSING, not for presentation.")
    return None


def _quality_control(ds: Dataset, _: EligibilityRules) -> Ineligible | None:
    if "YES" in header.code_strings(ds, "QualityControlImage"):
        return Ineligible(Reason.QUALITY_CONTROL, "Quality Control Image is YES.")
    return None


def _pixels(ds: Dataset, _: EligibilityRules) -> Ineligible | None:
    if (header.integer(ds, "NumberOfFrames") or 1) > 1:
        return Ineligible(Reason.MULTI_FRAME, "The image has more than one frame.")
    interpretation = header.first_code_string(ds, "PhotometricInterpretation") or "MONOCHROME"
    if not interpretation.startswith("MONOCHROME") or (header.integer(ds, "SamplesPerPixel") or 1) > 1:
        return Ineligible(Reason.COLOUR, f"Photometric Interpretation is {header.quoted(interpretation)}.")
    return None


def _animal(ds: Dataset, _: EligibilityRules) -> Ineligible | None:
    return refuse_animal(ds)


def _computed_image(ds: Dataset, _: EligibilityRules) -> Ineligible | None:
    return refuse_computed_image(ds)


def _anatomy(ds: Dataset, _: EligibilityRules) -> Ineligible | None:
    return refuse_other_anatomy(ds)


def _age(ds: Dataset, rules: EligibilityRules) -> Ineligible | None:
    """Require every known age to be within the limits."""
    age = age_of(ds)
    contradiction = f"; {_AGES_DIFFER}" if age.contradictory else ""
    if rules.min_age_years is not None and any(known < rules.min_age_years for known in age.known):
        limit = f"select.min_age_years ({rules.min_age_years:g})"
        return Ineligible(Reason.AGE_OUT_OF_RANGE, f"The patient is younger than {limit}{contradiction}.")
    if rules.max_age_years is not None and any(known > rules.max_age_years for known in age.known):
        limit = f"select.max_age_years ({rules.max_age_years:g})"
        return Ineligible(Reason.AGE_OUT_OF_RANGE, f"The patient is older than {limit}{contradiction}.")
    return None


_RULES: tuple[Callable[[Dataset, EligibilityRules], Ineligible | None], ...] = (
    _own_result,
    _other_modality,
    _secondary_capture,
    _for_processing,
    _quality_control,
    _pixels,
    _animal,
    _computed_image,
    _anatomy,
    _age,
)
