"""Delays between attempts."""

import pytest

from gateway.deliver.attempt import delay_seconds
from gateway.settings import Delivery

RULES = Delivery(first_retry_seconds=5, longest_retry_seconds=3600, give_up_after_hours=1)


@pytest.mark.parametrize(("attempts", "middle"), [(1, 5), (2, 10), (5, 80), (11, 3600), (1000, 3600)])
def test_the_delay_doubles_up_to_its_bound(attempts: int, middle: float) -> None:
    delays = [delay_seconds(attempts, RULES) for _ in range(50)]
    assert all(0.8 * middle <= delay <= 1.2 * middle for delay in delays)
    assert len(set(delays)) > 1
