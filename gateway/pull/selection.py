"""Chooses before anything is fetched: which studies, series and instances may hold a radiograph due an
answer.

The words are eligibility's own (`gateway.imaging`): what is refused here would be refused there. The header
of the image decides in the end, so whatever a source leaves open is fetched.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    SecondaryCaptureImageStorage,
)

from gateway.imaging.eligibility import EligibilityRules, eligibility
from gateway.imaging.vocabulary import CHEST, OTHER_PARTS, words_of
from gateway.pull.query import FoundSeries
from gateway.records import Ineligible, Reason
from gateway.store.entries import FoundInstance, FoundStudy

MODALITIES = ("CR", "DX")
"""Modalities whose studies are asked for."""

_TOLD_BY_SERIES = {
    Reason.NOT_RADIOGRAPH,
    Reason.NOT_CHEST,
    Reason.LATERAL,
    Reason.OBLIQUE,
    Reason.VETERINARY,
    Reason.DERIVED,
}
"""Reasons that the attributes of a series can give; they are silent on everything else."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The choice by the settings section `select`.

    Attributes
    ----------
    secondary_capture
        Whether radiographs that were converted to Secondary Capture are wanted.
    """

    secondary_capture: bool = False

    @property
    def sop_classes(self) -> tuple[str, ...]:
        """The SOP classes that are fetched."""
        captures = (SecondaryCaptureImageStorage,) if self.secondary_capture else ()
        return (ComputedRadiographyImageStorage, DigitalXRayImageStorageForPresentation, *captures)

    def refuse_study(self, study: FoundStudy) -> Reason | None:
        """Return why a study is not looked into, or None."""
        if study.modalities and not set(MODALITIES).intersection(study.modalities):
            return Reason.NOT_RADIOGRAPH
        return None

    def refuse_series(self, series: FoundSeries) -> Reason | None:
        """Return why no instance of a series is fetched, or None."""
        told = {
            "SOPClassUID": ComputedRadiographyImageStorage,
            "Modality": series.modality or MODALITIES[0],
            "BodyPartExamined": series.body_part_examined,
            "SeriesDescription": series.series_description,
        }
        ds = Dataset()
        for keyword, value in told.items():
            tag = Tag(keyword)
            ds[tag] = DataElement(tag, dictionary_VR(tag), value, validation_mode=IGNORE)
        verdict = eligibility(ds, EligibilityRules())
        if not isinstance(verdict, Ineligible) or verdict.reason not in _TOLD_BY_SERIES:
            return None
        if verdict.reason is Reason.NOT_CHEST and _may_be_a_chest(series):
            return None
        return verdict.reason

    def refuse_instance(self, instance: FoundInstance) -> Reason | None:
        """Return why an instance is not fetched, or None."""
        if instance.sop_class_uid and instance.sop_class_uid not in self.sop_classes:
            return Reason.NOT_RADIOGRAPH
        return None


def _may_be_a_chest(series: FoundSeries) -> bool:
    """Tell whether the image's own Anatomic Region may say chest, against the words of the series."""
    parts = frozenset(words_of(series.body_part_examined))
    return not parts & OTHER_PARTS and bool(frozenset(words_of(series.series_description)) & CHEST)
