"""Frozen records that pass between the stages. They know nothing of files, sockets or databases.

states.py       states of an image, reason codes, presence of the finding
image.py        an image: received, described, eligible or not, decoded
model.py        identity of a model
region.py       the part of an image that the classifier saw
prediction.py   a model's answer for one image
kinds.py        kinds of result, media types
uids.py         UIDs of the gateway's own

Callers import the names from here.
"""

from gateway.records.image import Description, Eligible, GreyImage, Ineligible, Patient, Pseudonym, Received
from gateway.records.kinds import (
    DICOM,
    ENCAPSULATED_PDF,
    FHIR,
    FHIR_JSON,
    FHIR_WITHDRAWAL,
    FONTS,
    HL7,
    HL7_V2,
    HL7_WITHDRAWAL,
    OWN_NOTE,
    PRESENTATION_STATE,
    SC,
    SR,
    WITHDRAWALS,
)
from gateway.records.model import (
    Finding,
    FittedSite,
    LungNetworkIdentity,
    ModelIdentity,
    in_sentence,
    probabilities,
)
from gateway.records.prediction import Prediction
from gateway.records.region import Box, Lungs, Outline, Region, WholeImage
from gateway.records.states import UNDETERMINED, Presence, Reason, Stage, State
from gateway.records.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, uid_from

__all__ = [
    "DICOM",
    "ENCAPSULATED_PDF",
    "FHIR",
    "FHIR_JSON",
    "FHIR_WITHDRAWAL",
    "FONTS",
    "HL7",
    "HL7_V2",
    "HL7_WITHDRAWAL",
    "IMPLEMENTATION_CLASS_UID",
    "IMPLEMENTATION_VERSION_NAME",
    "OWN_NOTE",
    "PRESENTATION_STATE",
    "SC",
    "SR",
    "UNDETERMINED",
    "WITHDRAWALS",
    "Box",
    "Description",
    "Eligible",
    "Finding",
    "FittedSite",
    "GreyImage",
    "Ineligible",
    "LungNetworkIdentity",
    "Lungs",
    "ModelIdentity",
    "Outline",
    "Patient",
    "Prediction",
    "Presence",
    "Pseudonym",
    "Reason",
    "Received",
    "Region",
    "Stage",
    "State",
    "WholeImage",
    "in_sentence",
    "probabilities",
    "uid_from",
]
