"""A ledger on a real SQLite file."""

from pathlib import Path

import pytest

from gateway.store.ledger import Ledger
from tests.support.database import database_in


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    engine = database_in(tmp_path)
    yield Ledger(engine, tmp_path)
    engine.dispose()
