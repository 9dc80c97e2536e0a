"""The course of an experiment: sends images while things go wrong, then waits until no work is left.

`conduct` and `cluster.conduct` run it, each with a gateway and faults of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from gateway.errors import ConfigurationError, GatewayError, Retry
from gateway.proof.archive import Archive
from gateway.proof.reconcile import Entry
from gateway.proof.senders import Senders
from gateway.records import State
from gateway.store.queries.images import Images

LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 180.0
LOST_SECONDS = 30.0  # without progress for so long, more images are released
AHEAD = 8  # images in flight at any time, as a rule
SHARE_WHILE_KILLING = 0.8  # share of the images for planned faults; the others are for starved ones
UNDER_WAY = {State.RECEIVED, State.INFERRED}


class Served(Protocol):
    """A gateway under proof."""

    def start(self) -> None:
        """Start it; return before it is ready."""

    def revive(self) -> None:
        """Start again what has ended; `GatewayError` if it ended by itself."""

    def stop(self) -> Sequence[str]:
        """Stop it in order; return what went wrong, a sentence each."""

    def end(self) -> None:
        """End what is left of it."""


class Fault(Protocol):
    """Something that went wrong; both names are for the table."""

    @property
    def place(self) -> str:
        """The fault, and its place in the course of the work."""

    @property
    def whom(self) -> str:
        """The process or host that it happened to."""


class FaultLane(Protocol):
    """Faults one after another."""

    @property
    def begun(self) -> int:
        """The number of faults that have begun or ended."""

    @property
    def done(self) -> Sequence[Fault]:
        """The faults that have ended."""

    @property
    def ended(self) -> bool:
        """True once no fault is left."""

    def look(self, *, starved: bool, acknowledged: int, answered: int) -> None:
        """Go on; both counts are of images so far, `starved` is set where no image will pass any more."""


class Course:
    """One course.

    Parameters
    ----------
    images
        File → SOP Instance UID.
    faults
        The number of all faults in the lanes.
    tell
        Called with the finished share, 0–1.
    ahead
        Images in flight at any time.

    Raises
    ------
    ConfigurationError
        If the database holds images.
    """

    def __init__(
        self,
        images: Mapping[Path, str],
        faults: int,
        *,
        senders: Senders,
        archive: Archive,
        recorded: Images,
        served: Served,
        lanes: Sequence[FaultLane],
        tell: Callable[[float], None],
        ahead: int = AHEAD,
    ) -> None:
        if recorded.states():
            raise ConfigurationError("--database: the database holds images; name an empty database")
        self._images = images
        self._faults = faults
        self._senders = senders
        self._archive = archive
        self._recorded = recorded
        self._served = served
        self._lanes = lanes
        self._tell = tell
        self._ahead = ahead
        self._released_more_at = 0.0

    def to_its_end(self) -> tuple[str, ...]:
        """Send until no fault and no work is left; return what went wrong at the end.

        Raises
        ------
        GatewayError
            When the gateway ends by itself or makes no progress.
        """
        self._served.start()
        self._senders.start()
        try:
            self._until(self._all_faults_done)
            self._senders.release(len(self._images))
            self._until(self._all_settled)
            self._senders.stop()
            return tuple(self._served.stop())
        finally:
            self._senders.stop()
            self._served.end()

    def done(self) -> tuple[Fault, ...]:
        """Return the faults that have ended, in the order of each lane."""
        return tuple(fault for lane in self._lanes for fault in lane.done)

    def entries(self) -> Iterator[Entry]:
        """Yield the ledger's rows."""
        for uid in self._images.values():
            for row in self._recorded.versions(uid):
                results = tuple(result.sop_instance_uid or "" for result in row.results)
                yield Entry(uid, row.state, row.reason, results)

    def _until(self, ended: Callable[[], bool]) -> None:
        progress, self._since = self._progress(), time.monotonic()
        while not ended():
            self._served.revive()
            time.sleep(LOOK_SECONDS)
            if progress != self._progress():
                progress, self._since = self._progress(), time.monotonic()
                self._tell(sum(progress) / (self._faults + 2 * len(self._images)))
            elif self._quiet_seconds() > PATIENCE_SECONDS:
                raise GatewayError(
                    f"the gateway makes no progress: nothing happened for {PATIENCE_SECONDS:g} s"
                )

    def _quiet_seconds(self) -> float:
        return time.monotonic() - self._since

    def _progress(self) -> tuple[int, int, int]:
        return len(self.done()), len(self._senders.acknowledged), self._archive.complete()

    def _all_faults_done(self) -> bool:
        """Release images as faults proceed, more where an order starves; tell whether all faults are done."""
        _, acknowledged, complete = self._progress()
        images, begun = len(self._images), sum(lane.begun for lane in self._lanes)
        self._senders.release(self._ahead + int(SHARE_WHILE_KILLING * images * begun / max(1, self._faults)))
        quiet = time.monotonic() - max(self._since, self._released_more_at)
        idle = complete == self._senders.released or quiet > LOST_SECONDS
        if idle:
            self._senders.release(self._senders.released + self._ahead)
            self._released_more_at = time.monotonic()
        for lane in self._lanes:
            lane.look(starved=idle and acknowledged == images, acknowledged=acknowledged, answered=complete)
        return all(lane.ended for lane in self._lanes)

    def _all_settled(self) -> bool:
        if len(self._senders.acknowledged) < len(self._images):
            return False
        try:
            return not UNDER_WAY.intersection(self._recorded.states())
        except Retry:  # the database server is restarting
            return False
