"""Spreads work on many images over processes; threads of one Python wait for each other too much."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from gateway.errors import GatewayError
from gateway.sandbox.process import processes

LEAST = 1000
"""Images for each process: its start costs as much processor time as the work on several hundred."""
_AT_ONCE = 32  # images that a process is given together

Given = TypeVar("Given")
Made = TypeVar("Made")


def spread(work: Callable[[Given], Made], images: Iterable[Given], count: int) -> Iterator[Made]:
    """Yield `work` of each of `count` images, in order; few images are worked on in this process.

    Raises
    ------
    GatewayError
        A process was ended from outside. An error of `work` is raised for the first image that has one.
    """
    number = min(len(os.sched_getaffinity(0)), count // LEAST)
    if number < 2:
        yield from map(work, images)
        return
    with processes(number) as pool:
        try:
            yield from pool.map(work, images, chunksize=_AT_ONCE)
        except BrokenProcessPool:
            raise GatewayError(
                "a process that worked on images was ended from outside; where memory was short, give this "
                "machine more or train on fewer processors (taskset)"
            ) from None
