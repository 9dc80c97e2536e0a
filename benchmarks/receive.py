"""Rate of receiving 10 MB radiographs, every one fsynced, beside DCMTK's storescp on the same machine.

Usage: python benchmarks/receive.py [FOLDER]

The senders are DCMTK's dcmsend; the folder, a new temporary one if none is given, needs 1.5 GB.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from gateway.receive.storage_scp import StorageSCP
from gateway.settings import SCP
from gateway.store.database import open_engine
from gateway.store.ledger import Ledger
from gateway.store.schema import create_tables
from gateway.store.spool import Spool

IMAGES_PER_SENDER = 12
SENDERS = (1, 4)
ROUNDS = 3
ROWS, COLUMNS = 2500, 2048


def main() -> None:
    """Print MB/s of both receivers and their ratio, for one and for four senders."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        root = Path(temporary)
        batches = [write_batch(root / f"sender-{number}") for number in range(max(SENDERS))]
        print(f"{IMAGES_PER_SENDER} images of {image_mb():.1f} MB per sender, best of {ROUNDS} rounds")
        for count in SENDERS:
            gateway = max(rate(gateway_receiver(root / "gateway"), batches[:count]) for _ in range(ROUNDS))
            dcmtk = max(rate(dcmtk_receiver(root / "dcmtk"), batches[:count]) for _ in range(ROUNDS))
            print(
                f"{count} sender(s): gateway {gateway:6.0f} MB/s (fsynced), "
                f"storescp {dcmtk:6.0f} MB/s (not fsynced), ratio {gateway / dcmtk:.2f}"
            )


def rate(receiver: Iterator[int], batches: Sequence[Path]) -> float:
    """Return MB/s over all senders together, from the first start to the last end."""
    with contextmanager(lambda: receiver)() as port:
        start = time.perf_counter()
        senders = [subprocess.Popen(dcmsend(port, batch)) for batch in batches]
        assert [sender.wait() for sender in senders] == [0] * len(batches)
        return len(batches) * IMAGES_PER_SENDER * image_mb() / (time.perf_counter() - start)


def dcmsend(port: int, batch: Path) -> list[str]:
    """Return the command that sends one batch on one association."""
    options = ["-q", "-aec", "CXR_GATEWAY", "--scan-directories", "--no-uid-checks"]
    return ["dcmsend", *options, "127.0.0.1", str(port), str(batch)]


def gateway_receiver(folder: Path) -> Iterator[int]:
    """Run the gateway's receiver in a process of its own."""
    with emptied(folder):
        command = [sys.executable, __file__, "--receive", str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            yield int(process.stdout.readline())
            process.communicate()


def receive(folder: Path) -> None:
    """Receive into `folder` until standard input ends; print the port first."""
    engine = open_engine(f"sqlite:///{folder / 'gateway.sqlite'}")
    create_tables(engine)
    scp = StorageSCP(SCP(port=0), Spool(folder / "spool"), Ledger(engine, folder))
    scp.start()
    print(scp.address[1], flush=True)
    sys.stdin.read()
    scp.stop()


def dcmtk_receiver(folder: Path) -> Iterator[int]:
    """Run DCMTK's storescp, one process per association, writing the bytes as they come."""
    with emptied(folder), closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
        probe.close()
        options = ["--fork", "--max-pdu", "131072", "--bit-preserving", "-q", "-od", str(folder)]
        process = subprocess.Popen(["storescp", *options, str(port)])
        wait_until_listening(port)
        yield port
        process.terminate()
        process.wait()


def wait_until_listening(port: int) -> None:
    """Connect until somebody answers."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            continue
        return


@contextmanager
def emptied(folder: Path) -> Iterator[None]:
    """Provide an empty folder and remove it with its content."""
    folder.mkdir()
    try:
        yield
    finally:
        shutil.rmtree(folder)


def write_batch(folder: Path) -> Path:
    """Write one sender's images: noise, which nothing on the way can compress."""
    folder.mkdir()
    pixels = np.random.default_rng().integers(0, 4096, (ROWS, COLUMNS), np.uint16)
    for number in range(IMAGES_PER_SENDER):
        ds = radiograph(pixels)
        ds.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return folder


def radiograph(pixels: np.ndarray[tuple[int, int], np.dtype[np.uint16]]) -> Dataset:
    """Return a radiograph with UIDs of its own."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = DigitalXRayImageStorageForPresentation
    ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = (generate_uid(None) for _ in range(3))
    ds.PatientID, ds.PatientName, ds.Modality = "BENCHMARK", "Benchmark", "DX"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelData = pixels.tobytes()
    return ds


def image_mb() -> float:
    """Return the size of one image in MB."""
    return ROWS * COLUMNS * 2 / 1e6


if __name__ == "__main__":
    if sys.argv[1:2] == ["--receive"]:
        receive(Path(sys.argv[2]))
    else:
        main()
