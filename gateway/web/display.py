"""Pictures of radiographs, rendered once and kept on disk within a bound."""

from __future__ import annotations

import multiprocessing
import os
import threading
import uuid
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path

from gateway.web.rendering import Kind, begin, render

WAIT_SECONDS = 30.0
_CLEAN_EVERY = 64  # pictures


class Display:
    """Renders in one spare process.

    Parameters
    ----------
    folder
        For what was rendered; anything in it may be deleted at any time.
    most_bytes
        Beyond it goes what was not looked at for longest.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most = most_bytes
        self._pool: ProcessPoolExecutor | None = None
        self._harmful: set[Path] = set()
        self._alone = threading.Lock()  # one at a time: the process has nothing else in hand when it ends
        self._made = 0
        folder.mkdir(parents=True, exist_ok=True)

    def picture(self, source: Path, kind: Kind) -> Path | None:
        """Return the file with the picture of a received image, None where it cannot be shown.

        Parameters
        ----------
        source
            The Part 10 file; its name is the hash of its content.
        """
        kept = self._folder / f"{source.stem}.{kind.value}"
        try:
            os.utime(kept)
        except OSError:
            content = self._render(source, kind)
            return None if content is None else self._keep(kept, content)
        return kept

    def close(self) -> None:
        """End the spare process."""
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _render(self, source: Path, kind: Kind) -> bytes | None:
        with self._alone:
            if source in self._harmful or not source.exists():
                return None
            try:
                return self._serving_pool().submit(render, source, kind).result(WAIT_SECONDS)
            except (BrokenProcessPool, TimeoutError):
                self._harmful.add(source)
                self.close()
                return None
            except Exception:  # whatever a decoder says: there is no picture
                return None

    def _serving_pool(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, context, initializer=begin)
        return self._pool

    def _keep(self, path: Path, content: bytes) -> Path | None:
        temporary = path.with_name(uuid.uuid4().hex)
        try:
            temporary.write_bytes(content)
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            return None
        self._made += 1
        if self._made % _CLEAN_EVERY == 0:
            self._make_room()
        return path

    def _make_room(self) -> None:
        files = sorted((each.stat().st_mtime, each.stat().st_size, each) for each in self._folder.iterdir())
        excess = sum(size for _, size, _ in files) - self._most
        for _, size, file in files:
            if excess <= 0:
                return
            with suppress(OSError):
                file.unlink()
            excess -= size
