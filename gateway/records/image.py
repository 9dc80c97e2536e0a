"""An image on its way: as received, in words for a search, its patient, its eligibility, its grey values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.records.states import Reason

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
