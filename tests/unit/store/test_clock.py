"""The ledger's clock between two looks at the server's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.store import clock


def test_between_two_looks_the_ledgers_clock_counts_on(monkeypatch: pytest.MonkeyPatch) -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    monkeypatch.setattr(clock, "_last", None)
    monkeypatch.setattr(clock, "counter", lambda: 100.0)
    clock.note(noon, 100.0)
    monkeypatch.setattr(clock, "counter", lambda: 107.0)
    assert (clock.now(), clock.is_old()) == (noon + timedelta(seconds=7), False)
    clock.note(noon, 102.0)  # an answer that took 5 s
    assert clock.now() == noon + timedelta(seconds=7)
    monkeypatch.setattr(clock, "counter", lambda: 101.0 + clock.FRESH_SECONDS)
    assert clock.is_old()
