"""The images of a site that may be used: frontal chests, one of each patient, each with the model's input.

Every image that is left out has a reason of a few words. Headers are examined before any pixel is decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from gateway.commissioning.given import Given
from gateway.dicom import header
from gateway.dicom.part_10 import read_file
from gateway.dicom.unreadable import Fault, Unreadable
from gateway.imaging.copies import ALIKE, THUMBNAIL, centred
from gateway.imaging.eligibility import EligibilityRules, eligibility
from gateway.imaging.fingerprint import pixel_digest
from gateway.records import Ineligible
from gateway.worker.describe import describe
from gateway.worker.ends import End
from gateway.worker.predict import is_picture, prepare_file

COPY, SAME_PATIENT = "copy of another image", "another image of the same patient"
NO_IMAGE, DAMAGED = "no DICOM, PNG or JPEG file", "DICOM, but cut or damaged: cannot be read"

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Header:
    """An image whose header allows an answer; `patient` and `scanner` are empty where not stated."""

    given: Given
    sop_instance_uid: str = ""
    patient: str = ""
    scanner: str = ""

    @property
    def name(self) -> str:
        """As a person knows it."""
        return self.given.name


@dataclass(frozen=True)
class Candidate:
    """A decoded image.

    Attributes
    ----------
    name
        As a person knows it.
    key
        SOP Instance UID, or the pixel digest of a picture.
    digest
        Hash of the pixels.
    patient
        Patient ID and issuer; empty where not stated.
    grey
        One channel of the model's input, float32 (224, 224), -1 to 1; `commission` crops it to what the
        classifier sees.
    """

    name: str
    key: str
    digest: str
    patient: str
    scanner: str
    grey: Floats

    @cached_property
    def thumbnail(self) -> Floats:
        """The picture on 28 × 28 pixels with mean 0 and length 1: products are correlations."""
        side = self.grey.shape[0] // THUMBNAIL
        small = self.grey.reshape(THUMBNAIL, side, THUMBNAIL, side).mean((1, 3))
        (row,) = centred(small[None])
        return np.asarray(row)


class LeftOut(NamedTuple):
    """An image that was given and is not used."""

    name: str
    reason: str


class _OfPatient(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def patient(self) -> str: ...


Image = TypeVar("Image", bound=_OfPatient)


class Sorted(NamedTuple):
    """Images in use, and images left out."""

    used: list[Candidate]
    left_out: list[LeftOut]


def examine_headers(given: Sequence[Given], rules: EligibilityRules) -> tuple[list[Header], list[LeftOut]]:
    """Return the images whose headers allow an answer, and the others."""
    usable: list[Header] = []
    left_out: list[LeftOut] = []
    for each in given:
        found = _header(each, rules)
        if isinstance(found, str):
            left_out.append(LeftOut(each.name, found))
        else:
            usable.append(found)
    return usable, left_out


def one_of_each_patient(images: Iterable[Image]) -> tuple[list[Image], list[LeftOut]]:
    """Return the first image of each patient, all images whose patient is not stated, and the others."""
    first: list[Image] = []
    left_out: list[LeftOut] = []
    patients: set[str] = set()
    for each in images:
        if each.patient in patients:
            left_out.append(LeftOut(each.name, SAME_PATIENT))
            continue
        first.append(each)
        if each.patient:
            patients.add(each.patient)
    return first, left_out


def decode_all(headers: Iterable[Header], rules: EligibilityRules, advance: Callable[[], None]) -> Sorted:
    """Decode the images; of copies only the first image is used, also where they were compressed again.

    The images are in the order of their digests, so that the order of files decides nothing.
    """
    used: dict[str, Candidate] = {}
    left_out = []
    for each in headers:
        image = prepare_file(each.given.path, rules)
        if isinstance(image, End):
            left_out.append(LeftOut(each.name, image.reason.value.replace("_", " ")))
        else:
            digest = pixel_digest(image.grey)
            key = each.sop_instance_uid or digest
            found = Candidate(each.name, key, digest, each.patient, each.scanner, image.tensor[0].copy())
            if copies_of(found, used.values()):
                left_out.append(LeftOut(each.name, COPY))
            else:
                used[digest] = found
        advance()
    return Sorted([used[digest] for digest in sorted(used)], left_out)


def copies_of(image: Candidate, others: Iterable[Candidate]) -> list[Candidate]:
    """Return the images that show the same picture, perhaps in another compression, size or brightness."""
    return [
        each for each in others if each.digest == image.digest or each.thumbnail @ image.thumbnail >= ALIKE
    ]


def as_inputs(candidates: Sequence[Candidate]) -> Floats:
    """Return images as inputs of a network, float32 (n, 3, 224, 224), -1 to 1."""
    if not candidates:
        return np.empty((0, 3, 224, 224), np.float32)
    return np.repeat(np.stack([each.grey for each in candidates])[:, None], 3, axis=1)


def _header(given: Given, rules: EligibilityRules) -> Header | str:
    """Return the header of an image, or why it is not used."""
    if given.unfit:
        return given.unfit
    try:
        if is_picture(given.path):
            given.path.open("rb").close()
            return Header(given)
        source = read_file(given.path)
    except Unreadable as problem:
        return NO_IMAGE if problem.fault is Fault.NO_PREAMBLE else DAMAGED
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    verdict = eligibility(source, rules)
    if isinstance(verdict, Ineligible):
        return verdict.reason.value.replace("_", " ")
    return Header(given, str(source.get("SOPInstanceUID", "")), _patient(source), describe(source).scanner)


def _patient(source: Dataset) -> str:
    """Return Patient ID and its issuer, or nothing where no ID is stated."""
    number = " ".join(header.texts(source, "PatientID")).strip()
    return f"{number}|{' '.join(header.texts(source, 'IssuerOfPatientID'))}" if number else ""
