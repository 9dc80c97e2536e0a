"""Where there is no room the network waits, and an association is not even begun."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydicom.uid import DigitalXRayImageStorageForPresentation, generate_uid

from gateway.dicom.statuses import Status
from gateway.proof.images import chest_pixels
from tests.support.receiving import data_set_of, receiving
from tests.support.sources import dx, encoded
from tests.wire import pdus
from tests.wire.requestor import Requestor

LARGE = chest_pixels(1000, 1000)  # 2 MB where 1 MiB is allowed
SENDERS = 4


def store(address: tuple[str, int]) -> int:
    uid = generate_uid(prefix=None)
    data = data_set_of(encoded(dx(pixels=LARGE, SOPInstanceUID=uid)))
    with Requestor(address) as peer:
        peer.associate(DigitalXRayImageStorageForPresentation)
        status = peer.store(DigitalXRayImageStorageForPresentation, uid, data).status
        peer.release()
    return status


def test_more_than_fits_into_memory_comes_one_after_the_other(tmp_path: Path) -> None:
    with receiving(tmp_path, max_memory_mb=1) as receiver:
        with ThreadPoolExecutor(SENDERS) as pool:
            statuses = list(pool.map(store, [receiver.address] * SENDERS))
        assert statuses == [Status.SUCCESS] * SENDERS
        assert len(receiver.rows()) == SENDERS


def test_a_sender_that_leaves_makes_room(tmp_path: Path) -> None:
    with receiving(tmp_path, max_memory_mb=1) as receiver:
        with Requestor(receiver.address) as leaving:
            leaving.associate(DigitalXRayImageStorageForPresentation)
            request = pdus.c_store_rq(DigitalXRayImageStorageForPresentation, "1.2")
            leaving.say(pdus.p_data(1, request, command=True))
            leaving.say([pdus.p_data(1, bytes(60_000), command=False, last=False)] * 30)
        assert store(receiver.address) == Status.SUCCESS


def test_hardly_any_disk_rejects_the_association(tmp_path: Path) -> None:
    with receiving(tmp_path, reject_below_disk_mb=10**9) as receiver, Requestor(receiver.address) as peer:
        assert str(peer.associate(DigitalXRayImageStorageForPresentation)) == "rejected 2/3/1"
        (event,) = receiver.events("association_rejected")
        assert "reject_below_disk_mb" in event["why"]
