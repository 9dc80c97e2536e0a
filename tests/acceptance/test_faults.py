"""Real faults. Whatever was acknowledged has its answer in the end; nothing else is acknowledged."""

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.gateway_process import GatewayProcess, running, wait_for
from tests.support.postgresql import PostgreSQL
from tests.support.sources import dx, encoded
from tests.support.storage_peer import storage_peer

pytestmark = pytest.mark.slow

HOUR = 3600
INSTANT = ["instant"]


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """Mount a file system of its own for the length of a block."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "gateway-test", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a file system cannot be mounted here: run as root")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(folder)], check=True)


def images(folder: Path, first: int, count: int) -> list[Path]:
    """Write so many radiographs, each its own instance."""
    files = [folder / f"{number}.dcm" for number in range(first, first + count)]
    for file in files:
        file.write_bytes(encoded(dx()))
    return files


def stored(gateway: GatewayProcess, files: list[Path]) -> int:
    """Send the files; return how many were acknowledged."""
    return sum(sent.stored for sent in gateway.send(*files))


def wait_until_delivered(gateway: GatewayProcess, count: int) -> None:
    """Wait until so many images have their answer delivered, each its SR and its SC, once."""

    def answered() -> bool:
        return len({event["sop_instance_uid"] for event in gateway.events("inferred")}) == count

    wait_for(answered)
    wait_for(lambda: len(gateway.events("delivered")) >= 2 * count)
    assert len(gateway.images("delivered")) == count


def fill(folder: Path) -> Path:
    """Write until the disk is full; return what to remove."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return filler


def test_a_full_disk(tmp_path: Path) -> None:
    disk, hold = tmp_path / "disk", tmp_path / "hold"
    hold.touch()  # work in hand would leave room again
    doubles, held = ["held", *INSTANT], {"HOLD": str(hold)}
    no_limit = {"min_free_disk_mb": 0, "reject_below_disk_mb": 0}
    with small_disk(disk, 128), running(disk, environment=held, doubles=doubles, scp=no_limit) as gateway:
        assert stored(gateway, images(tmp_path, 0, 4)) == 4
        filler = fill(disk)
        assert stored(gateway, images(tmp_path, 4, 2)) == 0
        hold.unlink()
        filler.unlink()
        wait_until_delivered(gateway, 4)
        assert stored(gateway, images(tmp_path, 4, 2)) == 2
        wait_until_delivered(gateway, 6)


@pytest.mark.parametrize(("folder", "acknowledged"), [("spool", 0), ("results", 2)])
def test_a_read_only_disk(tmp_path: Path, folder: str, acknowledged: int) -> None:
    disk = tmp_path / "var" / folder
    with (
        small_disk(disk, 32),
        running(tmp_path, doubles=INSTANT, scp={"min_free_disk_mb": 1, "reject_below_disk_mb": 1}) as gateway,
    ):
        remount(disk, "ro")
        files = images(tmp_path, 0, 2)
        assert stored(gateway, files) == acknowledged
        wait_for(lambda: gateway.events("refused") or gateway.events("waiting"))
        remount(disk, "rw")
        assert stored(gateway, files) == 2
        wait_until_delivered(gateway, 2)


def test_a_locked_database(tmp_path: Path) -> None:
    with running(tmp_path, doubles=INSTANT) as gateway:
        assert stored(gateway, images(tmp_path, 0, 4)) == 4
        with closing(sqlite3.connect(gateway.data_dir / "gateway.sqlite")) as other:
            other.execute("BEGIN EXCLUSIVE")
            assert stored(gateway, images(tmp_path, 4, 1)) == 0
            assert gateway.events("refused")[-1]["status"] == "0xA700"
            other.rollback()
        assert stored(gateway, images(tmp_path, 4, 1)) == 1
        wait_until_delivered(gateway, 5)


def test_a_database_that_goes_and_comes_back(tmp_path: Path) -> None:
    with (
        PostgreSQL(tmp_path) as server,
        running(tmp_path, doubles=INSTANT, database=server.url) as gateway,
    ):
        assert stored(gateway, images(tmp_path, 0, 4)) == 4
        server.stop()
        assert stored(gateway, images(tmp_path, 4, 1)) == 0
        assert gateway.events("refused")[-1]["status"] == "0xA700"
        wait_for(lambda: gateway.events("waiting"))
        server.start()
        wait_for(lambda: stored(gateway, images(tmp_path, 4, 1)) == 1)
        wait_until_delivered(gateway, 5)
        assert gateway.stop() == 0


def test_a_clock_that_is_set_back(tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    clock.write_text("0")
    environment = {"TEST_CLOCK": str(clock)}
    status = [0xA700]
    with storage_peer(lambda _: status[-1]) as peer:
        pacs = {"name": "pacs", "kind": "dicom", "ae_title": "PACS", "host": peer.host, "port": peer.port}
        settings = {
            "destinations": [pacs],
            "routes": [{"calling_ae_title": "*", "to": ["pacs"]}],
            "delivery": {"first_retry_seconds": 30},
        }
        with running(tmp_path, environment=environment, doubles=["clock", *INSTANT], **settings) as gateway:
            assert stored(gateway, images(tmp_path, 0, 1)) == 1
            wait_for(lambda: gateway.events("delivery_failed"))
            clock.write_text(f"-{HOUR}")
            status.append(0x0000)
            assert stored(gateway, images(tmp_path, 1, 1)) == 1
            wait_until_delivered(gateway, 2)
            assert gateway.events("clock_set_back")
