"""Nothing acknowledged is lost and nothing is answered twice, whenever the gateway is killed."""

import random
import threading
from collections import Counter
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from tests.support.gateway_process import PATIENCE_SECONDS, running, wait_for
from tests.support.persistent_sender import Sender
from tests.support.sources import dx, encoded

IMAGES = 20
KILLS = 3


def write_images(folder: Path) -> list[Path]:
    """Write as many radiographs, each its own instance."""
    paths = []
    for number in range(IMAGES):
        path = folder / f"{number}.dcm"
        path.write_bytes(encoded(dx(InstanceNumber=number)))
        paths.append(path)
    return paths


# a peer that is killed leaves the sender's socket to the garbage collector: pynetdicom does not close it
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed <socket", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_killed_gateway_answers_everything_once(tmp_path: Path) -> None:
    chance = random.Random(1)  # noqa: S311 - repeatable moments
    (tmp_path / "images").mkdir()
    files = write_images(tmp_path / "images")
    with running(tmp_path, doubles=["instant"], workers=1) as gateway:
        sender = Sender(gateway, list(files))
        sender.start()
        for _ in range(KILLS):
            answered = len(gateway.events("inferred"))
            wait_for(
                lambda before=answered: len(gateway.events("inferred")) > before or not sender.is_alive()
            )
            threading.Event().wait(chance.uniform(0, 0.5))
            gateway.kill()
            gateway.start()
        sender.join(PATIENCE_SECONDS)
        assert not sender.is_alive()
        wait_for(lambda: len(gateway.images("delivered")) == IMAGES)
        assert gateway.stop() == 0
    assert sorted(sender.acknowledged) == sorted(files)
    assert_answered_once(files, gateway.data_dir / "outbox")


def assert_answered_once(files: list[Path], outbox: Path) -> None:
    """Each image has one SR and one SC in the outbox, and nothing else is there."""
    kinds: Counter[tuple[str, str]] = Counter()
    for path in outbox.rglob("*"):
        if path.is_file():
            result = dcmread(path, stop_before_pixels=True)
            kinds[source_of(result), result.Modality] += 1
    uids = [dcmread(file, stop_before_pixels=True).SOPInstanceUID for file in files]
    assert kinds == Counter({(uid, modality): 1 for uid in uids for modality in ("SR", "OT")})


def source_of(result: Dataset) -> str:
    """Return the SOP Instance UID of the image that an SR or SC is about."""
    if "SourceImageSequence" in result:
        return str(result.SourceImageSequence[0].ReferencedSOPInstanceUID)
    (study,) = result.CurrentRequestedProcedureEvidenceSequence
    return str(study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
