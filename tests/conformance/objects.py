"""SR, SC, presentation state and PDF as they are really encoded, of images that say everything or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import numpy as np
from pydicom import Dataset, dcmread

from gateway.imaging.softcopy import softcopy
from gateway.records import PRESENTATION_STATE, SC, SR, GreyImage
from gateway.results.answer import Predecessor
from gateway.results.encapsulated_pdf import encapsulated_pdf
from gateway.results.encoding import encode
from gateway.results.presentation_state import presentation_state
from gateway.results.result import AnsweredImage
from gateway.results.secondary_capture import secondary_capture
from gateway.results.source_header import source_header
from gateway.results.structured_report import SOP_CLASS, structured_report
from tests.support.answers import CROPPED, NORMAL, PNEUMONIA, UNDETERMINED, answer
from tests.support.grey_pipelines import GREY_PIPELINES
from tests.support.sources import PLAIN_CHEST_XRAY, cr, dx, encoded, item

GREY = GreyImage(np.full((60, 50), 30000, np.uint16), ())
PROCEDURE = [item(**PLAIN_CHEST_XRAY, CodingSchemeVersion="2025")]
COPIED_CODES = (
    *("ProcedureCodeSequence", "RequestedProcedureCodeSequence"),
    *("AssigningJurisdictionCodeSequence", "AssigningAgencyOrDepartmentCodeSequence"),
)
NOTHING = dict.fromkeys(
    (
        *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime"),
        *("StudyID", "AccessionNumber", "ReferringPhysicianName", "PatientOrientation"),
        *("LossyImageCompression", "BurnedInAnnotation"),
    )
)
UNIVERSAL = {"UniversalEntityID": "1.2.3", "UniversalEntityIDType": "ISO"}
ISSUER = [item(LocalNamespaceEntityID="RIS", **UNIVERSAL)]
NAMED = [item(LocalNamespaceEntityID="RIS")]
UNIVERSALLY = [item(**UNIVERSAL)]
CODES = [
    *PROCEDURE,
    item(LongCodeValue="RPID-OF-MORE-THAN-16", CodingSchemeDesignator="99SITE", CodeMeaning="Thorax"),
    item(URNCodeValue="urn:oid:1.2.3.4", CodeMeaning="Thorax"),
]
QUALIFIERS = item(
    **UNIVERSAL,
    IdentifierTypeCode="MR",
    AssigningFacilitySequence=ISSUER,
    AssigningJurisdictionCodeSequence=CODES,
    AssigningAgencyOrDepartmentCodeSequence=CODES,
)
FULL_REQUEST = item(
    IssuerOfAccessionNumberSequence=ISSUER,
    StudyInstanceUID="1.2.3",
    AccessionNumber="A-7",
    RequestedProcedureID="RP-7",
    RequestedProcedureDescription="Thorax p.a.",
    RequestedProcedureCodeSequence=CODES,
    ScheduledProcedureStepID="SPS-7",
    ScheduledProcedureStepDescription="Thorax p.a., Stativ",
)
SOURCES = (
    dx(
        PatientAge="067Y",
        PatientSize="1.80",
        PatientWeight="70.5",
        IssuerOfPatientID="HOSPITAL",
        IssuerOfPatientIDQualifiersSequence=[QUALIFIERS],
        IssuerOfAccessionNumberSequence=ISSUER,
        StudyDescription="Thorax",
        AcquisitionDate="20260517",
        AcquisitionTime="101112",
        TimezoneOffsetFromUTC="+0100",
        ProcedureCodeSequence=CODES,
        RequestAttributesSequence=[FULL_REQUEST, item(RequestedProcedureID="RP-8")],
        LossyImageCompression="01",
        LossyImageCompressionRatio="9.5",
        LossyImageCompressionMethod="ISO_10918_1",
    ),
    *(
        dx(
            ProcedureCodeSequence=[item(**PLAIN_CHEST_XRAY)],
            IssuerOfAccessionNumberSequence=issuer,
            IssuerOfPatientIDQualifiersSequence=[
                item(IdentifierTypeCode="PI", AssigningFacilitySequence=issuer)
            ],
            RequestAttributesSequence=[item(AccessionNumber="A-6", IssuerOfAccessionNumberSequence=issuer)],
        )
        for issuer in (NAMED, UNIVERSALLY)
    ),
    dx(IssuerOfPatientIDQualifiersSequence=[item(**UNIVERSAL)]),
    cr(**NOTHING),
    cr(**NOTHING, RequestAttributesSequence=[item(ScheduledProcedureStepID="SPS-9")]),
    cr(
        Modality="XX",
        RequestAttributesSequence=[item(RequestedProcedureCodeSequence=[item(**PLAIN_CHEST_XRAY)])],
    ),
)
ANSWERS = (
    answer(
        PNEUMONIA, predecessors=(Predecessor("1.2.3", "1.2.3.4", SOP_CLASS["comprehensive-3d"], "1.2.3.4.5"),)
    ),
    answer(NORMAL),
    answer(UNDETERMINED),
    answer(CROPPED),
)


def objects(kind: str) -> list[Dataset]:
    """Return the result of each answer for each image, as a reader of the file sees it."""
    return [dcmread(BytesIO(encode(ds))) for ds in _built(kind)]


def _built(kind: str) -> Iterator[Dataset]:
    pipelines = [make() for make in GREY_PIPELINES.values()] if kind == PRESENTATION_STATE else []
    for source in (*SOURCES, *pipelines):
        read = dcmread(BytesIO(encoded(source)))
        for given in ANSWERS:
            yield from _results(kind, AnsweredImage(source_header(read), GREY, given, softcopy(read)))


def _results(kind: str, image: AnsweredImage) -> Iterator[Dataset]:
    if kind == SR:
        for sr_class in SOP_CLASS:
            for with_state in (False, True):
                yield structured_report(image.source, image.answer, sr_class, with_state=with_state)
    elif kind == SC:
        yield secondary_capture(image.source, GREY, image.answer)
    elif kind == PRESENTATION_STATE:
        yield presentation_state(image)
    else:
        yield encapsulated_pdf(image, b"%PDF-1.3")
