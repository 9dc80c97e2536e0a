"""Couriers without the rest of a worker, until a test has what it waits for."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from gateway.deliver.couriers import Couriers
from tests.support.gateway_process import PATIENCE_SECONDS, wait_for


def run_couriers(couriers: Couriers, until: Callable[[], object]) -> None:
    """Let couriers deliver, woken again and again as by a worker, until a condition holds."""
    couriers.start()
    try:
        wake_until(couriers, until)
    finally:
        couriers.stop()
        couriers.join(monotonic() + PATIENCE_SECONDS)


def wake_until(couriers: Couriers, condition: Callable[[], object]) -> None:
    """Wake couriers for whatever is due until a condition holds."""

    def holds() -> object:
        couriers.wake()
        return condition()

    wait_for(holds)
