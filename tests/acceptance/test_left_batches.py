"""What a killed worker has left is answered once: by itself when it is back, else by another."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.settings import Settings
from gateway.store.opening import open_database
from gateway.worker.engine import BATCHES_IN_FLIGHT
from tests.support.gateway_process import GatewayProcess, running, wait_for
from tests.support.sources import dx, encoded

IMAGES = 8


@contextmanager
def with_batches_in_hand(folder: Path, workers: int) -> Iterator[tuple[GatewayProcess, Path]]:
    """Run a gateway whose every worker has all batches in hand until the yielded file is removed."""
    hold = folder / "hold"
    hold.touch()
    files = [folder / f"{number}.dcm" for number in range(IMAGES)]
    for number, file in enumerate(files):
        file.write_bytes(encoded(dx(InstanceNumber=number)))
    settings = {"workers": workers, "model": {"batch_size": 1}}
    doubles = ["held", "instant"]
    with running(folder, environment={"HOLD": str(hold)}, doubles=doubles, **settings) as gateway:
        assert all(sent.stored for file in files for sent in gateway.send(file))
        engine, ledger = open_database(Settings(data_dir=gateway.data_dir))
        wait_for(lambda: len(ledger.open_batches()) == BATCHES_IN_FLIGHT * workers)
        engine.dispose()
        yield gateway, hold
        wait_for(lambda: len(gateway.images("delivered")) == IMAGES)
        assert len(gateway.told("encoded", 2 * IMAGES)) == 2 * IMAGES
        assert gateway.stop() == 0


def test_a_worker_is_ready_though_left_batches_are_still_at_work(tmp_path: Path) -> None:
    with with_batches_in_hand(tmp_path, workers=1) as (gateway, hold):
        os.kill(gateway.role("work"), signal.SIGKILL)
        wait_for(lambda: len(gateway.events("started")) == 3)
        assert not gateway.events("inferred")
        hold.unlink()


@pytest.mark.slow
def test_what_a_lost_worker_has_left_is_taken_over_by_another(tmp_path: Path) -> None:
    with with_batches_in_hand(tmp_path, workers=2) as (gateway, hold):
        gateway.process.send_signal(signal.SIGSTOP)  # so that nobody starts the lost one again
        os.kill(gateway.role("work"), signal.SIGKILL)
        hold.unlink()
        wait_for(lambda: gateway.events("taken_over"))
        wait_for(lambda: len(gateway.events("encoded")) == 2 * IMAGES)
        gateway.process.send_signal(signal.SIGCONT)
