"""One Orthanc for all tests that need no scripts in it."""

from collections.abc import Iterator

import pytest

from tests.peers.orthanc import Orthanc, running_orthanc


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with running_orthanc(tmp_path_factory.mktemp("pacs") / "orthanc") as pacs:
        yield pacs
