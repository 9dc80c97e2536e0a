"""A new input is one adapter: the running gateway answers and delivers what a watched folder took in."""

from __future__ import annotations

from pathlib import Path

from gateway.receive.capacity import Capacity
from gateway.receive.intake import Intake
from gateway.settings import SCP
from gateway.store.database import open_engine
from gateway.store.ledger import Ledger
from gateway.store.spool import open_spool
from tests.support.gateway_process import GatewayProcess, wait_for
from tests.support.sources import dx, encoded
from tests.support.watched_folder import WatchedFolder


def test_a_file_put_into_a_folder_is_answered_and_delivered(gateway: GatewayProcess, tmp_path: Path) -> None:
    source, inbox = dx(), tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "radiograph.dcm").write_bytes(encoded(source))
    engine = open_engine(f"sqlite:///{gateway.data_dir / 'gateway.sqlite'}")
    ledger = Ledger(engine, gateway.data_dir)
    spool = open_spool(gateway.data_dir / "spool", ledger)
    WatchedFolder(inbox, Intake(Capacity(SCP(), spool, ledger), spool, ledger)).sweep()
    engine.dispose()
    assert list(inbox.iterdir()) == []
    (image,) = gateway.versions(str(source.SOPInstanceUID))
    assert image["calling_ae_title"] == "FOLDER"
    wait_for(lambda: gateway.versions(str(source.SOPInstanceUID))[0]["state"] == "delivered")
    results = list((gateway.data_dir / "outbox" / source.StudyInstanceUID).iterdir())
    assert len(results) == 2
