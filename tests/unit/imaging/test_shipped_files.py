"""The files that come with pydicom: each is a picture or is rejected, and nothing else happens."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from gateway.errors import Reject
from gateway.imaging.decode import decode
from gateway.imaging.eligibility import EligibilityRules, eligibility
from gateway.records import Eligible, GreyImage, Ineligible

FOLDER = Path(pydicom.__file__).parent / "data"
FILES = sorted([*FOLDER.glob("test_files/*.dcm"), *FOLDER.glob("charset_files/*.dcm")])


def _read(path: Path) -> Dataset:
    with warnings.catch_warnings():  # pydicom's, of what is wrong with the file
        warnings.simplefilter("ignore")
        return dcmread(path, force=True)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_decode_gives_a_picture_or_rejects(path: Path) -> None:
    try:
        outcome = decode(_read(path))
    except Reject:
        return
    assert isinstance(outcome, GreyImage)
    assert np.ptp(outcome.pixels) > 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_select_gives_a_verdict(path: Path) -> None:
    assert isinstance(eligibility(_read(path), EligibilityRules()), Eligible | Ineligible)
