"""Every role is opened, announced and drained in the same order."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest
import sqlalchemy as sa
import structlog

from gateway.errors import ConfigurationError
from gateway.processes import roles
from gateway.processes.lifetime import Lifetime
from gateway.settings import Settings
from gateway.store.ledger import Ledger
from gateway.store.opening import open_database


class Ended(BaseException):
    """The process would have ended."""


class FakeLifetime:
    """Is told to end as soon as the role serves."""

    is_supervised = True

    def __init__(self, steps: list[str]) -> None:
        self._steps = steps

    def announce(self, **about: object) -> None:
        self._steps.append(f"announced {about}")

    def wait(self) -> None:
        self._steps.append("waited")


class FakeRole:
    """Notes what is asked of it."""

    def __init__(self, steps: list[str]) -> None:
        self._steps = steps

    def start(self) -> Mapping[str, object]:
        self._steps.append("started")
        return {"port": 4242}

    def stop(self) -> None:
        self._steps.append("stopped")


@pytest.fixture(autouse=True)
def _one_process(monkeypatch: pytest.MonkeyPatch) -> object:
    def end(status: int) -> None:
        raise Ended(status)

    monkeypatch.setattr(os, "_exit", end)
    yield
    structlog.reset_defaults()


def begun(folder: Path) -> Settings:
    """Return settings whose database a supervisor has made."""
    settings = Settings(data_dir=folder / "var")
    open_database(settings)[0].dispose()
    return settings


def test_a_role_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    steps: list[str] = []
    settings = begun(tmp_path)

    def build(given: Settings, engine: sa.Engine, ledger: Ledger) -> FakeRole:
        assert given is settings
        assert ledger.next_due() is None  # the database is open, and of this version
        engine.dispose()
        return FakeRole(steps)

    with pytest.raises(Ended, match="0"):
        roles._run("receive", build, settings, cast(Lifetime, FakeLifetime(steps)))
    assert steps == ["started", "announced {'port': 4242}", "waited", "stopped"]
    events = [json.loads(line) for line in settings.directory.log.read_text().splitlines()]
    assert [(each["event"], each["role"], each["port"]) for each in events] == [("stopped", "receive", 4242)]
    (audit,) = settings.directory.audit.glob("audit-*.log")
    assert len(audit.read_text().splitlines()) == 2  # it was started and stopped


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    def build(_: Settings, engine: sa.Engine, __: Ledger) -> FakeRole:
        engine.dispose()
        raise PermissionError(13, "Permission denied", str(tmp_path / "spool"))

    with pytest.raises(ConfigurationError, match=r"data_dir: .*spool: Permission denied"):
        roles._run("receive", build, begun(tmp_path), cast(Lifetime, FakeLifetime([])))
