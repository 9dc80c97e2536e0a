"""Pictures of radiographs, rendered once by one spare process."""

from __future__ import annotations

from pathlib import Path

from anyio import CapacityLimiter, to_thread

from gateway.errors import Retry
from gateway.sandbox.process import SpareProcess
from gateway.store.pictures import Kind, Pictures
from gateway.web.bounded import Bounded
from gateway.web.viewer.rendering import begin, render

WAIT_SECONDS = 30.0
MOST_WAITING = 64  # more than a worklist shows
_MOST_REMEMBERED = 10_000


class Display:
    """Renders in one spare process, one picture at a time: it has nothing else in hand when it ends.

    Parameters
    ----------
    pictures
        Where what was rendered is kept.
    """

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures
        self.process = SpareProcess("pictures", begin)
        self._alone = CapacityLimiter(1)  # its own thread: what waits here keeps no other request waiting
        self._waiting = 0
        self._unshowable = Bounded[Path, None](_MOST_REMEMBERED)
        pictures.make_room()

    async def picture(self, source: Path, kind: Kind) -> Path | None:
        """Return the file with the picture of a received image, None where it cannot be shown.

        Parameters
        ----------
        source
            The Part 10 file; its name is the hash of its content.

        Raises
        ------
        Retry
            If too many wait already, or the picture cannot be made now.
        """
        kept = await to_thread.run_sync(self._pictures.find, source, kind)
        if kept or source in self._unshowable:
            return kept
        if self._waiting >= MOST_WAITING:
            raise Retry("too many pictures are waited for")
        self._waiting += 1
        try:
            return await to_thread.run_sync(self._make, source, kind, limiter=self._alone)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the spare process, whatever it is at."""
        self.process.close()

    def _make(self, source: Path, kind: Kind) -> Path | None:
        kept = self._pictures.find(source, kind)  # made while this one waited
        if kept or source in self._unshowable or not source.exists():
            return kept
        content = self._render(source, kind)
        return None if content is None else self._pictures.keep(source, kind, content)

    def _render(self, source: Path, kind: Kind) -> bytes | None:
        try:
            return self.process.ask(WAIT_SECONDS, render, source, kind)
        except Retry:
            raise
        except (OSError, MemoryError):  # the disk's or the machine's fault, not the image's
            return None
        except Exception:  # its process was lost, or whatever a decoder says: there is no picture
            self._unshowable[source] = None
            return None
