"""Search fields (study description, scanner) and brightness statistics of an image; no patient data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from gateway.dicom import header
from gateway.peer_text import clean
from gateway.records import Description

MAX_CHARACTERS = 64  # LO (PS3.5 6.2)


def describe(source: Dataset, tensor: NDArray[np.float32] | None = None) -> Description:
    """Describe an image by its header and, where it was decoded, its grey values.

    Parameters
    ----------
    source
        The data set as it was read. Never raises: what cannot be read counts as absent.
    tensor
        The model's input, float32 (3, 224, 224), -1–1.
    """
    maker, model = _text(source, "Manufacturer"), _text(source, "ManufacturerModelName")
    named = model.casefold().startswith(maker.casefold())
    scanner = model if named else f"{maker} {model}".strip()
    study = _text(source, "StudyDescription") or _text(source, "SeriesDescription")
    if tensor is None:
        return Description(study, scanner)
    low, median, high = np.percentile((tensor[0] + 1) / 2, (5, 50, 95))
    return Description(study, scanner, round(float(median), 4), round(float(high - low), 4))


def _text(source: Dataset, keyword: str) -> str:
    words = " ".join(header.texts(source, keyword)).split()
    return clean(" ".join(words), MAX_CHARACTERS)
