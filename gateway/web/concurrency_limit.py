"""Concurrency limit for slow or large requests: few run, some wait, the others are told to retry.

STOW-RS and `POST /predict` use it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import CapacityLimiter, fail_after

from gateway.errors import Retry

MOST_SECONDS = 60.0
"""Longest wait of a request, in seconds."""


class ConcurrencyLimit:
    """Limits concurrent requests; a waiting request holds no thread and no body in memory.

    Parameters
    ----------
    at_once
        Limit on running requests.
    waiting
        Limit on waiting requests.
    """

    def __init__(self, at_once: int, waiting: int) -> None:
        self._in = CapacityLimiter(at_once)
        self._most = waiting
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a place; the place is free again after the block.

        Raises
        ------
        Retry
            If too many requests wait, or no place becomes free in time.
        """
        if self._waiting >= self._most and not self._in.available_tokens:
            raise Retry("too many requests of this kind wait already")
        self._waiting += 1
        try:
            with fail_after(MOST_SECONDS):
                await self._in.acquire()
        except TimeoutError:
            raise Retry("requests of this kind are answered too slowly") from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._in.release()
