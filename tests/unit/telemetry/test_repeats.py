"""Equal messages are told once, then counted."""

from __future__ import annotations

import pytest

from gateway.telemetry import repeats
from gateway.telemetry.repeats import Repeats

STRANGER = {"why": "unknown", "calling_ae_title": "STRANGER"}


class Told(list[tuple[str, int]]):
    def __call__(self, message: repeats.Message, repeated: int) -> None:
        self.append((message["calling_ae_title"], repeated))


def test_the_first_is_told_at_once_the_others_with_their_count() -> None:
    told = Told()
    thinned = Repeats(told, kinds_per_address=10)
    for _ in range(100):
        thinned.note("192.0.2.1", STRANGER)
    assert told == [("STRANGER", 0)]
    thinned.flush()
    assert told == [("STRANGER", 0)]  # the minute is not over
    thinned.flush(everything=True)
    assert told == [("STRANGER", 0), ("STRANGER", 99)]
    thinned.flush(everything=True)
    assert len(told) == 2


def test_a_storm_is_counted_every_minute_and_forgotten_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "WINDOW_SECONDS", -1.0)  # over at once
    told = Told()
    thinned = Repeats(told, kinds_per_address=10)
    for _ in range(3):
        thinned.note("192.0.2.1", STRANGER)
        thinned.flush()
    assert told == [("STRANGER", 0)] * 3  # nothing was repeated within a window
    thinned.note("192.0.2.1", STRANGER)
    thinned.note("192.0.2.1", STRANGER)
    thinned.flush()
    thinned.note("192.0.2.1", STRANGER)  # still the same storm
    assert told == [("STRANGER", 0)] * 4 + [("STRANGER", 1)]


def test_one_address_cannot_fill_the_log_with_different_messages() -> None:
    told = Told()
    thinned = Repeats(told, kinds_per_address=10)
    for number in range(1000):
        thinned.note("192.0.2.1", STRANGER | {"calling_ae_title": f"TITLE_{number}"})
    thinned.note("192.0.2.2", STRANGER)
    assert len(told) == 12  # ten, one for all others, and the other address
    thinned.flush(everything=True)
    assert told[-1] == ("TITLE_10", 989)


def test_many_addresses_cannot_use_up_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "MAX_KINDS", 5)
    told = Told()
    thinned = Repeats(told, kinds_per_address=10)
    for number in range(100):
        thinned.note(f"192.0.2.{number}", STRANGER)
    assert len(told) == 6
