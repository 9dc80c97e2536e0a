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
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from gateway.log import open_log
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

Receiver = Callable[[Path], AbstractContextManager[int]]


def main() -> None:
    """Print MB/s of both receivers and their ratio, for one and for four senders."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        root = Path(temporary)
        batches = [write_batch(root / f"sender-{number}") for number in range(max(SENDERS))]
        print(f"{IMAGES_PER_SENDER} images of {image_mb():.1f} MB per sender, best of {ROUNDS} rounds")
        for count in SENDERS:
            gateway = best(gateway_receiver, root / "gateway", batches[:count])
            dcmtk = best(dcmtk_receiver, root / "dcmtk", batches[:count])
            print(
                f"{count} sender(s): gateway {gateway:6.0f} MB/s (fsynced), "
                f"storescp {dcmtk:6.0f} MB/s (not fsynced), ratio {gateway / dcmtk:.2f}"
            )


def best(receiver: Receiver, folder: Path, batches: Sequence[Path]) -> float:
    """Return the best of a few rounds: what others do on the machine only slows down."""
    return max(rate(receiver, folder, batches) for _ in range(ROUNDS))


def rate(receiver: Receiver, folder: Path, batches: Sequence[Path]) -> float:
    """Return MB/s over all senders together, from the first start to the last end."""
    with emptied(folder), receiver(folder) as port:
        start = time.perf_counter()
        senders = [subprocess.Popen(dcmsend(port, batch)) for batch in batches]
        ended = [sender.wait() for sender in senders]
        seconds = time.perf_counter() - start
        images = len(batches) * IMAGES_PER_SENDER
        assert not any(ended), "a sender failed"
        assert len(kept(folder)) == images, "an image is missing"
        return images * image_mb() / seconds


def dcmsend(port: int, batch: Path) -> list[str]:
    """Return the command that sends one batch on one association."""
    options = ["-q", "-aec", "CXR_GATEWAY", "--scan-directories", "--no-uid-checks"]
    return ["dcmsend", *options, "127.0.0.1", str(port), str(batch)]


def kept(folder: Path) -> list[Path]:
    """Return the images that a receiver has written."""
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size > image_mb() * 1e6]


@contextmanager
def gateway_receiver(folder: Path) -> Iterator[int]:
    """Run the gateway's receiver in a process of its own; yield its port."""
    command = [sys.executable, __file__, "--receive", str(folder)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.communicate()


def receive(folder: Path) -> None:
    """Receive into `folder` until standard input ends; print the port first."""
    open_log(folder, role="receive")
    engine = open_engine(f"sqlite:///{folder / 'gateway.sqlite'}")
    create_tables(engine)
    scp = StorageSCP(SCP(port=0), Spool(folder / "spool"), Ledger(engine, folder))
    scp.start()
    print(scp.address[1], flush=True)
    sys.stdin.read()
    scp.stop()


@contextmanager
def dcmtk_receiver(folder: Path) -> Iterator[int]:
    """Run DCMTK's storescp, one process per association, writing the bytes as they come; yield its port."""
    port = free_port()
    options = ["--fork", "--max-pdu", "131072", "--bit-preserving", "-q", "-od", str(folder)]
    process = subprocess.Popen(["storescp", *options, str(port)])
    wait_until_listening(port)
    yield port
    process.terminate()
    process.wait()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


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
