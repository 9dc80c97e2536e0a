"""A ledger on a real SQLite file."""

from pathlib import Path

import pytest

from gateway.store.database import open_engine
from gateway.store.ledger import Ledger
from gateway.store.migrate import upgrade


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    engine = open_engine(f"sqlite:///{tmp_path}/gateway.sqlite")
    upgrade(engine)
    yield Ledger(engine, tmp_path)
    engine.dispose()
