"""The object store is killed within the PUT of an image: what it has is acknowledged, nothing is lost."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from gateway.configuration.settings_file import load_settings
from gateway.store.opening import open_database
from gateway.store.orphans import sweep
from gateway.store.stores import open_stores
from tests.acceptance.test_object_store import state, store_on, until
from tests.support.gateway_process import running, wait_for
from tests.support.s3_on_disk import S3Process
from tests.support.sources import dx, encoded

pytestmark = pytest.mark.slow
SIDE = 1732


def image(folder: Path) -> tuple[str, Path]:
    """Write an image of 6 MB; return its SOP Instance UID and its file."""
    ds = dx(Rows=SIDE, Columns=SIDE)
    ds.PixelData = np.random.default_rng().integers(0, 4096, (SIDE, SIDE), np.uint16).tobytes()
    file = folder / f"{ds.SOPInstanceUID}.dcm"
    file.write_bytes(encoded(ds))
    return str(ds.SOPInstanceUID), file


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Process]:
    server = S3Process(tmp_path / "s3")
    server.start()
    yield server
    server.kill()


@pytest.mark.parametrize("place", ["half", "kept"])
def test_an_image_whose_put_was_killed_is_acknowledged_only_once_it_is_there(
    server: S3Process, tmp_path: Path, place: str
) -> None:
    with (
        running(tmp_path, doubles=["instant"], store=store_on(server.url)) as gateway,
        ThreadPoolExecutor(1) as sender,
    ):
        uid, file = image(tmp_path)
        server.stop_next_put(place)
        sending = sender.submit(gateway.send, file)
        server.kill_stopped()
        assert not sending.result()[0].stored
        assert gateway.events("refused")[-1]["status"] == "0xA700"
        assert not gateway.images()
        server.start()
        wait_for(lambda: gateway.send(file)[0].stored)  # as a modality does; the store is believed to be away
        until(gateway, uid, "delivered")
        (kept,) = [
            kept.content
            for key, kept in server.objects.items()
            if "/received/" in key and uid.encode() in kept.content
        ]
        assert kept.endswith(file.read_bytes()[-2 * SIDE * SIDE :])
        assert state(gateway, uid) == ("delivered", None)


def test_an_object_that_was_kept_for_no_row_is_swept_and_the_others_stay(
    server: S3Process, tmp_path: Path
) -> None:
    with (
        running(tmp_path, doubles=["instant"], store=store_on(server.url)) as gateway,
        ThreadPoolExecutor(1) as sender,
    ):
        (known, first), (_, second) = image(tmp_path), image(tmp_path)
        assert gateway.send(first)[0].stored
        until(gateway, known, "delivered")
        server.stop_next_put("kept")
        sending = sender.submit(gateway.send, second)
        server.kill_stopped()
        assert not sending.result()[0].stored
        server.start()
        before = set(server.objects)
        long_ago = time.time() - 25 * 3600
        for key in before:
            os.utime(server.objects.path(key), (long_ago, long_ago))
        sweep_now(tmp_path)
        (gone,) = before - set(server.objects)
        assert "/received/" in gone
        assert not gateway.events("failed")


def sweep_now(folder: Path) -> None:
    """Sweep as a worker does once a day."""
    settings = load_settings(folder / "gateway.yaml")
    engine, ledger = open_database(settings)
    sweep(ledger, open_stores(settings, ledger))
    engine.dispose()
