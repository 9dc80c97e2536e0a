"""The section `results`: kinds of result, and their look."""

from __future__ import annotations

from typing import Literal

from gateway.records import FONTS
from gateway.settings.messages import FHIRBundle, HL7Message
from gateway.settings.section import Section


class Results(Section):
    """Result objects."""

    sr: Literal["comprehensive-3d", "comprehensive"] = "comprehensive-3d"
    """SOP class of the report: comprehensive-3d, or comprehensive for a PACS that refuses Comprehensive 3D
    SR."""
    secondary_capture: bool = True
    """Also write a Secondary Capture."""
    compression: Literal["none", "jpeg-ls", "jpeg-2000", "rle"] = "none"
    """Lossless compression of the Secondary Capture: none, jpeg-ls, jpeg-2000 or rle; a PACS must take it."""
    lung_outline: bool = False
    """Draw the outline of the lungs that the model found, on the Secondary Capture and the report page."""
    hl7: HL7Message | None = None
    """Also write an HL7 message, for destinations of kind hl7, as {receiving_application: RIS, …}; {} has the
    defaults of `HL7Message`; null: none."""
    presentation_state: bool = False
    """Also write a Grayscale Softcopy Presentation State: the activation map as contours over the image."""
    fhir: FHIRBundle | None = None
    """Also write a FHIR Bundle, for destinations of kind fhir, as {patient_system: URI, accession_system:
    URI}; {} takes the systems from the image; null: none."""
    pdf: bool = False
    """Also write an Encapsulated PDF: one page with patient, answer, radiograph and activation map."""
    pdf_fonts: tuple[str, ...] = FONTS
    """Font files of the PDF (TrueType or OpenType), and folders that are searched for DejaVu Sans, Noto Sans
    and Droid Sans Fallback, in order of preference: each letter is of the first font that has it."""

    @property
    def draws_pages(self) -> bool:
        """Whether any kind of result holds the page of the PDF."""
        return self.pdf or any(each is not None and each.pdf for each in (self.hl7, self.fhir))
