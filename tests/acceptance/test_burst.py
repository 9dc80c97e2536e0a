"""A burst of large images from several senders: bounded memory, nothing lost."""

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydicom.uid import DigitalXRayImageStorageForPresentation

from gateway.proof.images import chest_pixels
from tests.support.gateway_process import GatewayProcess, running, wait_for
from tests.support.receiving import data_set_of
from tests.support.sources import dx, encoded
from tests.wire.requestor import Requestor

IMAGES = 300
SENDERS = 8
ROWS, COLUMNS = 2500, 2000  # 10 MB at 16 bits a pixel
MEMORY_MB = 400
ANSWER_SECONDS = 3000.0  # a bound for what hangs


def peak_memory_mb(pid: int) -> float:
    """Return the most that the process has ever had in memory."""
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(kilobytes) / 1024


def send_burst(gateway: GatewayProcess, uids: list[str], template: bytes, template_uid: str) -> list[str]:
    """Send one image per UID over one association; return the UIDs that were acknowledged."""
    address = (gateway.node.host, gateway.node.port)
    with Requestor(address) as peer:
        peer.associate(DigitalXRayImageStorageForPresentation)
        statuses = {}
        for uid in uids:
            data = template.replace(template_uid.encode(), uid.encode())
            statuses[uid] = peer.store(DigitalXRayImageStorageForPresentation, uid, data).status
        peer.release()
    return [uid for uid, status in statuses.items() if status == 0x0000]


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_a_burst_stays_within_memory_and_loses_nothing(tmp_path: Path) -> None:
    image = dx(pixels=chest_pixels(ROWS, COLUMNS))
    template, template_uid = data_set_of(encoded(image)), str(image.SOPInstanceUID)
    uids = [f"{template_uid[:-3]}{number:03}" for number in range(IMAGES)]
    with running(tmp_path) as gateway:
        receiver = gateway.role("receive")
        with ThreadPoolExecutor(SENDERS) as pool:
            shares = [uids[number::SENDERS] for number in range(SENDERS)]
            jobs = [pool.submit(send_burst, gateway, share, template, template_uid) for share in shares]
            acknowledged = [uid for job in jobs for uid in job.result()]
        assert peak_memory_mb(receiver) < MEMORY_MB
        assert sorted(acknowledged) == sorted(uids)
        wait_for(lambda: len(gateway.events("delivered")) == 2 * IMAGES, ANSWER_SECONDS)
        assert {event["sop_instance_uid"] for event in gateway.events("delivered")} == set(uids)
    shutil.rmtree(tmp_path)  # several gigabytes
