"""A result: one answer in one form, as a file with a kind, a media type, a name and its bytes.

The encode step builds results through the builders of `kinds`, keeps each as a file and registers it in the
ledger. A result need not be DICOM: only a DICOM result names a SOP class and a SOP instance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pydicom.dataset import Dataset

from gateway.records import FONTS, GreyImage
from gateway.results.answer import Answer
from gateway.results.fhir import BundleRules
from gateway.results.hl7 import MessageRules
from gateway.results.source_header import SourceHeader

SRClass = Literal["comprehensive-3d", "comprehensive"]
Compression = Literal["none", "jpeg-ls", "jpeg-2000", "rle"]


@dataclass(frozen=True, slots=True)
class ResultRules:
    """The settings that decide which results are built; the fields are those of `settings.Results`."""

    sr: SRClass = "comprehensive-3d"
    secondary_capture: bool = True
    compression: Compression = "none"
    lung_outline: bool = False
    hl7: MessageRules | None = None
    presentation_state: bool = False
    fhir: BundleRules | None = None
    pdf: bool = False
    pdf_fonts: tuple[str, ...] = FONTS

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> ResultRules:
        """Return the rules that the section `results` of the settings states, as `model_dump` gives it."""
        stated = dict(settings)
        message, bundle = stated.pop("hl7"), stated.pop("fhir")
        return cls(
            **stated,
            hl7=None if message is None else MessageRules(**message),
            fhir=None if bundle is None else BundleRules(**bundle),
        )


@dataclass(frozen=True, slots=True)
class AnsweredImage:
    """The parts from which every result is built.

    Attributes
    ----------
    source
        Header of the image, whose patient and study the result joins.
    grey
        The decoded radiograph.
    answer
        What the gateway says about the image.
    softcopy
        The image's own grey pipeline as attributes of a presentation state (`gateway.imaging.softcopy`).
    pages
        PDFs that were drawn already: several kinds of result hold the same one (`gateway.results.page`).
    """

    source: SourceHeader
    grey: GreyImage
    answer: Answer
    softcopy: Dataset = field(default_factory=Dataset)
    pages: dict[object, bytes] = field(default_factory=dict, compare=False, repr=False)

    def result_uid(self, kind: str) -> str:
        """Return the identity of this answer's result of a kind: the same answer, the same UID."""
        return self.answer.result_uid(self.source.dataset.SOPInstanceUID, kind)


@dataclass(frozen=True, slots=True)
class Result:
    """One result.

    Attributes
    ----------
    kind
        The builder's `kind`.
    media_type
        The builder's `media_type`.
    name
        File name, unique among all results: `result_uid` and an extension.
    content
        The whole file.
    sop_class_uid, sop_instance_uid
        Of a DICOM result; None for any other.
    """

    kind: str
    media_type: str
    name: str
    content: bytes
    sop_class_uid: str | None = None
    sop_instance_uid: str | None = None


class Builder(Protocol):
    """Builds the results of one kind; a builder inherits from this class for its defaults.

    Attributes
    ----------
    kind
        A short word in lower case, at most 32 characters. It is part of each result's identity, of log lines,
        and of the web's addresses, and therefore never changes.
    media_type
        RFC 6838; destinations accept results by `kind` and `media_type`.
    """

    kind: str
    media_type: str

    def is_wanted(self, rules: ResultRules) -> bool:  # noqa: ARG002 - for builders that settings switch
        """Tell whether the settings ask for this kind."""
        return True

    def sop_class_uid(self, rules: ResultRules) -> str | None:  # noqa: ARG002 - of DICOM kinds
        """Return the SOP class of the results; None where the kind is not DICOM."""
        return None

    def alternative(self, rules: ResultRules) -> str:  # noqa: ARG002 - of kinds that have one
        """Return the setting to change where a destination does not take this kind; empty without one."""
        return ""

    def build(self, image: AnsweredImage, rules: ResultRules) -> Result:
        """Build one result: the same image and rules always give the same bytes under the same name.

        Raises
        ------
        Reject
            If the image allows no such result.
        """
        ...
