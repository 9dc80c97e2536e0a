"""Frozen records that pass between the stages. They know nothing of files, sockets or databases."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

IMPLEMENTATION_CLASS_UID = "2.25.268574729686698727908756044073982378165"  # PS3.7 D.3.3.2
IMPLEMENTATION_VERSION_NAME = "CXR_GATEWAY"


class State(StrEnum):
    """State of an image."""

    RECEIVED = "received"  # bytes on disk and row committed; the sender was told 0x0000
    INELIGIBLE = "ineligible"  # no answer is due, for the reason given
    INFERRED = "inferred"  # SR and SC are on disk; delivery is under way
    DELIVERED = "delivered"  # every destination has the results
    FAILED = "failed"  # an answer was due and cannot be given, for the reason given


class Reason(StrEnum):
    """Why an image has no answer: reason codes of `ineligible` and `failed`."""

    # ineligible: the header says that no answer is due
    NOT_RADIOGRAPH = "not_radiograph"  # Modality is not CR or DX
    SECONDARY_CAPTURE = "secondary_capture"  # a capture, and the configuration does not admit them
    FOR_PROCESSING = "for_processing"  # Presentation Intent Type FOR PROCESSING
    OWN_RESULT = "own_result"  # the gateway's own SR or SC coming back
    NOT_CHEST = "not_chest"
    BODY_PART_UNKNOWN = "body_part_unknown"  # nothing in the header says what was imaged
    LATERAL = "lateral"
    OBLIQUE = "oblique"
    VIEW_CONFLICT = "view_conflict"  # two attributes contradict each other on the view
    QUALITY_CONTROL = "quality_control"
    MULTI_FRAME = "multi_frame"
    COLOUR = "colour"
    VETERINARY = "veterinary"
    DERIVED = "derived"  # bones suppressed or energies subtracted: not the radiograph itself
    AGE_OUT_OF_RANGE = "age_out_of_range"
    PIXELS_UNCHANGED = "pixels_unchanged"  # resent with another header; the same picture has its answer
    PATIENT_CHANGED = "patient_changed"  # the same, and the header names another patient
    REJECTION_NOTE = "rejection_note"  # a Key Object Selection that rejects images (IHE IOCM)
    REJECTED = "rejected"  # a rejection note names the image; an answer that it had is withdrawn
    # failed: an answer was due and cannot be given
    UNDECODABLE = "undecodable"  # the pixels, or the data set itself, cannot be read
    FILE_MISSING = "file_missing"  # the store does not have the received file; a person ends the waiting
    TOO_LARGE = "too_large"  # more pixels than `select.max_megapixels`, or more memory than may be used
    NO_PIXELS = "no_pixels"
    POISON = "poison"  # this image ended its sandbox more than once
    INTERNAL_ERROR = "internal_error"  # a bug; the traceback is in the log
    NOT_DELIVERED = "not_delivered"  # a destination did not take the results in time
    NOT_ROUTED = "not_routed"  # answered, but no route says where its results go


class Presence(StrEnum):
    """Presence of the finding, by the model's answer."""

    PRESENT = "present"
    ABSENT = "absent"  # of the finding: no model judges that a chest is normal
    UNDETERMINED = "undetermined"  # the model abstains; `Prediction.reason` says why


UNDETERMINED = "Undetermined"
"""The label of an abstention, whatever a model calls its classes."""


SR, SC, PRESENTATION_STATE, ENCAPSULATED_PDF = "sr", "sc", "pr", "pdf"
"""The kinds of result that the gateway itself looks for; `results.kinds` has all."""

FONTS = ("/usr/share/fonts",)
"""Folders in which the fonts of the PDF are looked for, where the settings name no others."""

HL7, FHIR = "hl7", "fhir"
"""The kinds of result that are an HL7 v2 message and a FHIR Bundle."""

OWN_NOTE, HL7_WITHDRAWAL, FHIR_WITHDRAWAL = "ko", "hl7-withdrawal", "fhir-withdrawal"
"""The kinds that follow a rejection: a note on DICOM results; a message or Bundle that withdraws another."""

WITHDRAWALS = HL7_WITHDRAWAL, FHIR_WITHDRAWAL

DICOM = "application/dicom"
"""Media type of a Part 10 file (PS3.18 8.7.3.1)."""

HL7_V2 = "application/hl7-v2"
"""Media type of an HL7 v2 message in ER7 encoding."""

FHIR_JSON = "application/fhir+json"
"""Media type of a FHIR resource in JSON (R4 3.1.0.1.10)."""


@dataclass(frozen=True, slots=True)
class Received:
    """One image as it came over the network, after its bytes reached the disk.

    Attributes
    ----------
    sop_class_uid, sop_instance_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid
        As in the data set; the first two equal the C-STORE command's.
    calling_ae_title, called_ae_title, peer_address
        Who sent it, and to which title.
    pulled_from
        The source from which the gateway fetched it; None where a peer sent it by itself.
    sha256
        Hexadecimal SHA-256 of the encoded data set (without preamble and file meta information).
    size_bytes
        Length of the encoded data set.
    path
        The Part 10 file in the spool, absolute.
    received_at
        Aware, UTC.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    calling_ae_title: str
    called_ae_title: str
    peer_address: str
    sha256: str
    size_bytes: int
    path: Path
    received_at: datetime
    pulled_from: str | None = None


@dataclass(frozen=True, slots=True)
class Pseudonym:
    """Which images are of one patient, without saying of whom, and their order in time.

    Attributes
    ----------
    patient
        Keyed hash of Patient ID and its issuer.
    birth
        Keyed hash of the date of birth; empty where the header has none.
    studied
        Study Date and Study Time, YYYYMMDDHHMMSS, without the time YYYYMMDD, or empty.
    """

    patient: str
    birth: str
    studied: str


@dataclass(frozen=True, slots=True)
class Description:
    """Search fields of an image, and statistics of its brightness, by which drift is noticed.

    Attributes
    ----------
    study_description
        As the header has it, cut to 64 characters; empty where there is none.
    scanner
        Manufacturer and model.
    brightness, contrast
        Median of the displayed grey values, and the span from their 5th to their 95th percentile, 0–1; None
        where the pixels were not decoded.
    pseudonym
        Of the patient; None where the header has no Patient ID.
    """

    study_description: str
    scanner: str
    brightness: float | None = None
    contrast: float | None = None
    pseudonym: Pseudonym | None = None


@dataclass(frozen=True, slots=True)
class Patient:
    """The patient of an image, for users who may see it; empty where the header does not tell.

    Attributes
    ----------
    name
        Person Name with its groups (PS3.5 6.2.1): alphabetic, ideographic, phonetic.
    issuer
        Issuer of the Patient ID.
    sex
        `M`, `F`, `O` or empty.
    age_years
        At the time of the study; None where unknown.
    study_date
        YYYYMMDD, or empty.
    view
        View Position, or the view that other attributes name.
    """

    name: str = ""
    patient_id: str = ""
    issuer: str = ""
    accession_number: str = ""
    sex: str = ""
    age_years: float | None = None
    study_date: str = ""
    view: str = ""


@dataclass(frozen=True, slots=True)
class Eligible:
    """The image is a frontal chest radiograph as far as its header tells.

    `view` is `AP`, `PA`, `frontal` (frontal, direction not stated) or `unknown` (no view stated); `notes`
    tell what is odd, for a person, without patient data.
    """

    view: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ineligible:
    """The image gets no answer; `detail` is one sentence for a person, without patient data."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class GreyImage:
    """A single decoded radiograph, ready for the eye and for the model.

    Attributes
    ----------
    pixels
        uint16, shape (rows, columns), 0 is black and 65535 white (MONOCHROME2), pixel aspect ratio 1.
    steps
        What was done to the stored values, in order, in words that a reviewer understands.
    """

    pixels: NDArray[np.uint16]
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """The finding that a model looks for, as a code of a coding scheme (PS3.3 8.8)."""

    code: str
    scheme: str
    meaning: str

    @property
    def in_sentence(self) -> str:
        """The meaning within a sentence: `pneumonia`, but `COVID-19 pneumonia`."""
        return in_sentence(self.meaning)


@dataclass(frozen=True, slots=True)
class LungNetworkIdentity:
    """Identity of the network that finds the lungs: the SHA-256 of its weights, and the use of its mask.

    `region` and `margin` are those of the model card.
    """

    weights_sha256: str
    region: str
    margin: float


@dataclass(frozen=True, slots=True)
class FittedSite:
    """The site to which a profile has fitted a model; see `gateway.model.profile`.

    Attributes
    ----------
    name
        The hospital's name.
    made
        Date of the profile, ISO 8601.
    sha256
        Hexadecimal SHA-256 of the profile.
    thresholds
        Scanner (manufacturer and model) and its own threshold, 0–1; other scanners have the model's.
    """

    name: str
    made: str
    sha256: str
    thresholds: tuple[tuple[str, float], ...] = ()

    def __str__(self) -> str:
        return f"{self.name}, {self.made}, SHA-256 {self.sha256}"


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Identity of a model, and the classes between which it decides.

    Attributes
    ----------
    name, version
        As on the model card.
    weights_sha256
        Hexadecimal SHA-256 of the weights file.
    threshold
        Score at and above which the finding counts as present, 0–1.
    calibration
        How logits became a probability, in words (`none`, `temperature 1.31`).
    negative, positive
        Names of the classes without and with the finding.
    finding
        As on the model card.
    abstention
        Limits beyond which the model gives no answer, in words.
    engine
        Program and precision that compute the answer (`OpenVINO float32`).
    lungs
        The lung network; None where the classifier sees whole images.
    site
        The site to which a profile has fitted the model; None: the model is as it was shipped.
    """

    name: str
    version: str
    weights_sha256: str
    threshold: float
    calibration: str
    negative: str
    positive: str
    finding: Finding
    abstention: str = "none"
    engine: str = "PyTorch float32"
    lungs: LungNetworkIdentity | None = None
    site: FittedSite | None = None

    def presence(self, score: float | None) -> Presence:
        """Return what a score says of the finding; None is an abstention."""
        if score is None:
            return Presence.UNDETERMINED
        return Presence.PRESENT if score >= self.threshold else Presence.ABSENT

    def label(self, score: float | None) -> str:
        """Return the class that a score stands for."""
        names = {Presence.PRESENT: self.positive, Presence.ABSENT: self.negative}
        return names.get(self.presence(score), UNDETERMINED)

    def probabilities(self, score: float | None) -> dict[str, float] | None:
        """Return both classes' probabilities by name, 0–1, or None of an abstention."""
        return probabilities(self.negative, self.positive, score)

    @property
    def device_uid(self) -> str:
        """Device UID of the algorithm: another one whenever weights or profile change (PS3.3 C.12.1.1.5)."""
        lungs = [self.lungs.weights_sha256] if self.lungs else []
        profile = [f"profile {self.site.sha256}"] if self.site else []
        return uid_from("|".join(["device", self.name, self.version, self.weights_sha256, *lungs, *profile]))

    def for_scanner(self, scanner: str) -> ModelIdentity:
        """Return the identity with the scanner's own threshold, where the site's profile has one."""
        own = dict(self.site.thresholds) if self.site else {}
        return replace(self, threshold=own[scanner]) if scanner in own else self


class Box(NamedTuple):
    """Edges of a part of an image, as shares of its width and height, 0–1."""

    left: float
    top: float
    right: float
    bottom: float

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return a point of this part as a point of the image."""
        return self.left + x * (self.right - self.left), self.top + y * (self.bottom - self.top)


Outline = tuple[tuple[float, float], ...]
"""A closed polygon: (x, y) of its corners, as shares of an image's width and height, 0–1."""


@dataclass(frozen=True, slots=True)
class Lungs:
    """The classifier saw the box around the lungs.

    Attributes
    ----------
    box
        The box around both lungs with its margin, within the image.
    coverage
        Share of the image that is lung, 0–1.
    outlines
        The lung on the left and the lung on the right of the image.
    hull
        Convex hull of both lungs with its margin; `box` is the box around it.
    """

    box: Box
    coverage: float
    outlines: tuple[Outline, Outline]
    hull: Outline

    outcome = "cropped"

    def within(self, part: Box) -> Lungs:
        """Return the lungs of this part of an image as those of the image."""
        left, right = (tuple(part.place(*point) for point in each) for each in self.outlines)
        return Lungs(
            box=Box(*part.place(self.box.left, self.box.top), *part.place(self.box.right, self.box.bottom)),
            coverage=self.coverage * (part.right - part.left) * (part.bottom - part.top),
            outlines=(left, right),
            hull=tuple(part.place(*point) for point in self.hull),
        )


@dataclass(frozen=True, slots=True)
class WholeImage:
    """The classifier saw the whole image.

    Attributes
    ----------
    reason
        Why it is not cropped to the lungs; completes a sentence.
    empty
        Nothing in the image looks like lungs: the model abstains.
    """

    reason: str
    empty: bool = False

    @property
    def outcome(self) -> str:
        """A word for programs: `no_lungs`, or `whole`."""
        return "no_lungs" if self.empty else "whole"


Region = Lungs | WholeImage
"""The part of an image that the classifier of a model with a lung network saw."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A model's answer for one image.

    Attributes
    ----------
    score
        Calibrated probability of the finding, 0–1; None where the model abstains.
    reason
        Why the model abstains, one sentence; None otherwise.
    activation
        Class activation map of the finding's logit over the whole image, float32, unbounded and signed:
        positive where the region speaks for the finding, 0 where the classifier did not see the image. Shape
        (7, 7) where it saw all, and its mean plus the bias is the logit; (28, 28) where the image was cropped
        to the lungs, (56, 56) where black margins were cut off.
    model
        Which model answered.
    region
        The part of the image that the classifier saw; None of a model without a lung network.
    """

    score: float | None
    reason: str | None
    activation: NDArray[np.float32]
    model: ModelIdentity
    region: Region | None = None

    def for_scanner(self, scanner: str) -> Prediction:
        """Return the prediction with the threshold of the scanner that took the image."""
        return replace(self, model=self.model.for_scanner(scanner))

    @property
    def presence(self) -> Presence:
        """Presence of the finding."""
        return self.model.presence(self.score)

    @property
    def label(self) -> str:
        """The class, or `Undetermined`."""
        return self.model.label(self.score)


class Stage(StrEnum):
    """Stages of the data path whose time is taken, and the whole of it."""

    RECEIVE = "receive"  # checked, hashed, fsynced
    DECODE = "decode"  # selected, decoded, resized
    INFER = "infer"  # the forward pass of its batch
    ENCODE = "encode"  # SR and SC
    ANSWER = "answer"  # from the reception to the answer
    DELIVER = "deliver"  # from the answer until a destination has the result


def in_sentence(meaning: str) -> str:
    """Return a term without its capital, unless it begins with an abbreviation."""
    return meaning if meaning[1:2].isupper() else meaning[:1].lower() + meaning[1:]


def probabilities(negative: str | None, positive: str | None, score: float | None) -> dict[str, float] | None:
    """Return the probabilities of two classes by name, 0–1; None where there is no score."""
    if negative is None or positive is None or score is None:
        return None
    return {negative: 1 - score, positive: score}


def uid_from(name: str) -> str:
    """Return a UID under 2.25 (PS3.5 B.2) derived from `name`: the same name, the same UID."""
    digest = hashlib.sha256(f"cxr-gateway|{name}".encode()).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}"
