"""Builds the Grayscale Softcopy Presentation State of an answer (PS3.3 A.33.1).

A viewer lays it over the image itself: contours of the activation map, and the answer in words, which a
reader can switch off. Where the gateway does not answer with the finding there are words alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset
from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage

from gateway.records import DICOM, PRESENTATION_STATE, Presence
from gateway.results.answer import RESEARCH_BANNER, Answer, site_in_words, summary
from gateway.results.contours import Polygon, contours
from gateway.results.encoding import dicom_result
from gateway.results.modules import shared_modules
from gateway.results.result import AnsweredImage, Builder, Result, ResultRules

_LAYER = "AI RESEARCH ONLY"  # a CS has 16 characters
_ORANGE = [47800, 41100, 48800]  # CIELab (PS3.3 C.10.7.1.1) of the answer's colour in the Secondary Capture
_SHORT_TEXT = 1024  # characters of an ST value


class PresentationStateBuilder(Builder):
    """Builds the presentation state of an answer, where `results.presentation_state` asks for it."""

    kind = PRESENTATION_STATE
    media_type = DICOM

    def is_wanted(self, rules: ResultRules) -> bool:
        """Tell what the setting says."""
        return rules.presentation_state

    def sop_class_uid(self, rules: ResultRules) -> str:  # noqa: ARG002 - the same under all rules
        """Return Grayscale Softcopy Presentation State Storage."""
        return GrayscaleSoftcopyPresentationStateStorage

    def alternative(self, rules: ResultRules) -> str:  # noqa: ARG002
        """Return the setting that leaves presentation states out."""
        return "results.presentation_state: false"

    def build(self, image: AnsweredImage, rules: ResultRules) -> Result:  # noqa: ARG002
        """Build the state."""
        return dicom_result(self.kind, presentation_state(image))


def presentation_state(image: AnsweredImage) -> Dataset:
    """Return the state: the image's own grey pipeline, one graphic layer, and its contours and words."""
    header, answer = image.source.dataset, image.answer
    state = shared_modules(
        image.source,
        answer,
        PRESENTATION_STATE,
        GrayscaleSoftcopyPresentationStateStorage,
        modality="PR",
        number=3,
    )
    _identification(state)
    series = Dataset()
    series.SeriesInstanceUID = header.SeriesInstanceUID
    series.ReferencedImageSequence = [_reference(header)]
    state.ReferencedSeriesSequence = [series]
    state.update(image.softcopy)
    state.GraphicLayerSequence = [_layer()]
    state.GraphicAnnotationSequence = [_annotation(header, answer)]
    return state


def _identification(state: Dataset) -> None:
    """PS3.3 C.11.10; the dates of a document are not in this object."""
    state.PresentationCreationDate, state.PresentationCreationTime = state.ContentDate, state.ContentTime
    del state.ContentDate, state.ContentTime, state.ContentQualification
    del state.ContributingEquipmentSequence[0].ContributionDateTime  # dcmpschk takes none with a time zone
    state.BodyPartExamined = "CHEST"
    state.ContentLabel = _LAYER
    state.ContentDescription = RESEARCH_BANNER
    state.ContentCreatorName = ""  # of a person


def _reference(header: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = header.SOPClassUID
    item.ReferencedSOPInstanceUID = header.SOPInstanceUID
    return item


def _layer() -> Dataset:
    item = Dataset()
    item.GraphicLayer = _LAYER
    item.GraphicLayerOrder = 1
    item.GraphicLayerRecommendedDisplayCIELabValue = _ORANGE
    item.GraphicLayerDescription = "Class activation map and answer of an image classifier"
    return item


def _annotation(header: Dataset, answer: Answer) -> Dataset:
    """PS3.3 C.10.5."""
    item = Dataset()
    item.ReferencedImageSequence = [_reference(header)]
    item.GraphicLayer = _LAYER
    item.TextObjectSequence = [_words(answer)]
    if outlines := list(_outlines(header, answer)):
        item.GraphicObjectSequence = outlines
    return item


def _outlines(header: Dataset, answer: Answer) -> Iterator[Dataset]:
    """Yield the contours in the pixels of the image, whose first pixel begins at 0\\0."""
    if answer.prediction.presence is not Presence.PRESENT:
        return
    for polygon in contours(answer.prediction.activation):
        yield _polyline(polygon * (header.Columns, header.Rows))


def _polyline(points: Polygon) -> Dataset:
    item = Dataset()
    item.GraphicAnnotationUnits = "PIXEL"
    item.GraphicDimensions = 2
    item.NumberOfGraphicPoints = len(points)
    item.GraphicData = [round(float(each), 1) for each in points.ravel()]
    item.GraphicType = "POLYLINE"
    item.GraphicFilled = "N"
    return item


def _words(answer: Answer) -> Dataset:
    model = answer.model
    lines = (
        RESEARCH_BANNER,
        summary(answer.prediction),
        f"{model.name} {model.version}, {site_in_words(model)}",
    )
    item = Dataset()
    item.BoundingBoxAnnotationUnits = "DISPLAY"
    item.BoundingBoxTopLeftHandCorner = [0.02, 0.02]
    item.BoundingBoxBottomRightHandCorner = [0.6, 0.14]
    item.BoundingBoxTextHorizontalJustification = "LEFT"
    item.UnformattedTextValue = "\r\n".join(lines)[:_SHORT_TEXT]
    return item
