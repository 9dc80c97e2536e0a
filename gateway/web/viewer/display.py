"""Renders radiographs for the pages in a sandbox, each once. The routes of `pictures` call it."""

from __future__ import annotations

from pathlib import Path

from anyio import CapacityLimiter, to_thread

from gateway.errors import Missing, Reject, Retry
from gateway.records import Reason
from gateway.sandbox.process import Sandbox
from gateway.store.objects import Objects
from gateway.store.pictures import Kind, Pictures
from gateway.web.bounded import Bounded
from gateway.web.viewer.rendering import begin, render

WAIT_SECONDS = 30.0
MOST_WAITING = 64  # more images than a page of the worklist
_MOST_REMEMBERED = 10_000


class Display:
    """Renders in one sandbox, one file at a time, so that a crash is due to that file.

    Parameters
    ----------
    pictures
        Cache of rendered files.
    received
        Where the images lie.
    """

    def __init__(self, pictures: Pictures, received: Objects) -> None:
        self._pictures = pictures
        self._received = received
        self.process = Sandbox("pictures", begin)
        self._alone = CapacityLimiter(1)  # a thread of its own: rendering delays no other request
        self._waiting = 0
        self._unshowable = Bounded[Path, Reason | None](_MOST_REMEMBERED)
        pictures.make_room()

    async def picture(self, source: Path, kind: Kind) -> Path | None:
        """Return the rendered file of a received image, or None where it cannot be rendered.

        Parameters
        ----------
        source
            The Part 10 file, named by the hash of its content.

        Raises
        ------
        Retry
            If too many requests wait, the store is away, or rendering is not possible now.
        """
        kept = await to_thread.run_sync(self._pictures.find, source, kind)
        if kept or source in self._unshowable:
            return kept
        if self._waiting >= MOST_WAITING:
            raise Retry("too many requests for images wait already")
        self._waiting += 1
        try:
            return await to_thread.run_sync(self._make, source, kind, limiter=self._alone)
        finally:
            self._waiting -= 1

    def rejected(self, source: Path) -> Reason | None:
        """Return why the decoder has rejected a file, None where it has not, or did not say."""
        return self._unshowable.get(source)

    def close(self) -> None:
        """End the spare process, whatever it is at."""
        self.process.close()

    def _make(self, source: Path, kind: Kind) -> Path | None:
        kept = self._pictures.find(source, kind)  # rendered meanwhile
        if kept or source in self._unshowable:
            return kept
        try:
            self._received.fetch(source)
        except Missing:
            return None
        content = self._render(source, kind)
        return None if content is None else self._pictures.keep(source, kind, content)

    def _render(self, source: Path, kind: Kind) -> bytes | None:
        try:
            return self.process.ask(WAIT_SECONDS, render, source, kind)
        except Retry:
            raise
        except (OSError, MemoryError):  # a fault of disk or machine, not of the image
            return None
        except Exception as error:  # the sandbox crashed, or the decoder failed
            self._unshowable[source] = error.reason if isinstance(error, Reject) else None
            return None
