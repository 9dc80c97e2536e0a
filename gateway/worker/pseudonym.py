"""Which images are of one patient: keyed hashes, made where the header is read.

Patient ID and its issuer decide, as they stand; names decide nothing, since they repeat. An image without a
Patient ID has no priors.
"""

from __future__ import annotations

import hmac

from pydicom import Dataset

from gateway.dicom import header
from gateway.dicom.value_representations import conforming
from gateway.records import Pseudonym

_DIGITS = 40  # of the hash, hexadecimal
_BETWEEN = "\x1f"


def pseudonym_of(ds: Dataset, key: bytes) -> Pseudonym | None:
    """Return the pseudonym of an image's patient; None without a Patient ID. Never raises.

    Parameters
    ----------
    key
        Of the whole gateway: without it nobody finds an ID by trying all of them.
    """
    patient_id, issuer = _first(ds, "PatientID"), _first(ds, "IssuerOfPatientID") or _universal_issuer(ds)
    if not patient_id:
        return None
    birth = conforming("DA", _first(ds, "PatientBirthDate"))
    return Pseudonym(
        _hash(key, "patient", issuer, patient_id),
        _hash(key, "birth", issuer, patient_id, birth) if birth else "",
        _studied(ds),
    )


def _studied(ds: Dataset) -> str:
    date = conforming("DA", _first(ds, "StudyDate")) or ""
    time = (conforming("TM", _first(ds, "StudyTime")) or "")[:6]
    return f"{date}{time.ljust(6, '0')}" if date and time.isdecimal() else date


def _first(ds: Dataset, keyword: str) -> str:
    return next(iter(header.texts(ds, keyword)), "").strip()


def _universal_issuer(ds: Dataset) -> str:
    """Return the Universal Entity ID of the issuer (PS3.3 10.14), where it has no name."""
    qualifiers = header.items(ds, "IssuerOfPatientIDQualifiersSequence")
    return next((_first(each, "UniversalEntityID") for each in qualifiers), "")


def _hash(key: bytes, *texts: str) -> str:
    return hmac.new(key, _BETWEEN.join(texts).encode("utf-8", "surrogatepass"), "sha256").hexdigest()[
        :_DIGITS
    ]
