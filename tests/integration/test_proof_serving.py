"""The gateway of a proof: started, and stopped in the same moment."""

from __future__ import annotations

from pathlib import Path

from gateway.proof.serving import Serving
from gateway.settings import Settings


def test_a_gateway_that_was_just_started_ends_well(tmp_path: Path) -> None:
    (tmp_path / "orders").mkdir()
    settings = Settings(data_dir=tmp_path / "var", scp={"port": 0}, web={"enabled": False})
    serving = Serving(settings, tmp_path, tmp_path / "orders")
    serving.start()
    try:
        assert serving.stop() == []
    finally:
        serving.end()
