"""Model servers in tests may be asked again at once."""

from __future__ import annotations

import pytest

from gateway.remote import replica


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that failed may be asked again at once."""
    monkeypatch.setattr(replica, "FIRST_REST_SECONDS", 0.0)
    monkeypatch.setattr(replica, "LONGEST_REST_SECONDS", 0.0)
