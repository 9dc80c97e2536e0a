"""Where there is no room the network waits, and an association is not even begun."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydicom.uid import DigitalXRayImageStorageForPresentation, generate_uid

from gateway.dicom.statuses import Status
from gateway.proof.images import chest_pixels
from tests.support.receiving import A_ASSOCIATE_RJ, RawPeer, c_store_command, data_set_of, p_data, receiving
from tests.support.sources import dx, encoded

LARGE = chest_pixels(1000, 1000)  # 2 MB where 1 MiB is allowed
SENDERS = 4


def store(address: tuple[str, int]) -> int:
    uid = generate_uid(prefix=None)
    data = data_set_of(encoded(dx(pixels=LARGE, SOPInstanceUID=uid)))
    with RawPeer(address) as peer:
        peer.associate(DigitalXRayImageStorageForPresentation)
        response = peer.c_store(DigitalXRayImageStorageForPresentation, uid, data)
        peer.release()
    assert response is not None
    return int(response.Status)


def test_more_than_fits_into_memory_comes_one_after_the_other(tmp_path: Path) -> None:
    with receiving(tmp_path, max_memory_mb=1) as receiver:
        with ThreadPoolExecutor(SENDERS) as pool:
            statuses = list(pool.map(store, [receiver.address] * SENDERS))
        assert statuses == [Status.SUCCESS] * SENDERS
        assert len(receiver.rows()) == SENDERS


def test_a_sender_that_leaves_makes_room(tmp_path: Path) -> None:
    with receiving(tmp_path, max_memory_mb=1) as receiver:
        with RawPeer(receiver.address) as leaving:
            leaving.associate(DigitalXRayImageStorageForPresentation)
            leaving.send(p_data(1, 3, c_store_command(DigitalXRayImageStorageForPresentation, "1.2", True)))
            for _ in range(30):
                leaving.send(p_data(1, 0, bytes(60_000)))
        assert store(receiver.address) == Status.SUCCESS


def test_hardly_any_disk_rejects_the_association(tmp_path: Path) -> None:
    with receiving(tmp_path, reject_below_disk_mb=10**9) as receiver, RawPeer(receiver.address) as peer:
        answer = peer.associate(DigitalXRayImageStorageForPresentation)
        assert answer is not None
        assert answer[0] == A_ASSOCIATE_RJ
        (event,) = receiver.events("association_rejected")
        assert "reject_below_disk_mb" in event["why"]
