"""What a killed worker has left does not keep the next one from being ready."""

import os
import signal
from pathlib import Path

from gateway.roles import open_database
from gateway.settings import Settings
from tests.gateway_process import running, wait_for
from tests.sources import dx, encoded

HELD = Path(__file__).parent / "held"
IMAGES = 8


def test_a_worker_is_ready_though_left_batches_are_still_at_work(tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    files = [tmp_path / f"{number}.dcm" for number in range(IMAGES)]
    for number, file in enumerate(files):
        file.write_bytes(encoded(dx(InstanceNumber=number)))
    with running(tmp_path, environment={"PYTHONPATH": str(HELD), "HOLD": str(hold)}) as gateway:
        assert all(sent.stored for sent in gateway.send(*files))
        engine, ledger = open_database(Settings(data_dir=gateway.data_dir))
        wait_for(lambda: len(ledger.open_batches()) == 2)
        engine.dispose()
        os.kill(gateway.role("work"), signal.SIGKILL)
        wait_for(lambda: len(gateway.events("started")) == 3)
        assert not gateway.events("inferred")
        hold.unlink()
        wait_for(lambda: len(gateway.ask("list", "--state", "delivered")) == IMAGES)
        assert gateway.stop() == 0
