"""Answers suspect images in a process of its own, so that only what ends that process is blamed.

A worker that was killed proves nothing about the images it had in hand; a process that ends by itself
while it has a single image in hand does.
"""

from __future__ import annotations

import threading

from gateway.errors import ConfigurationError, Retry
from gateway.sandbox.memory_limit import limit_memory
from gateway.sandbox.process import Lost, Sandbox
from gateway.settings import Settings
from gateway.store.entries import StoredInstance
from gateway.store.marks import Marks
from gateway.telemetry.log import open_log
from gateway.worker.pipeline import Pipeline, Settled, open_pipeline

ANSWER_SECONDS = 60.0
"""The longest that one image may take: the largest allowed takes about five."""


class Isolation:
    """A sandbox for suspect images, started at the first use, and again after its end."""

    def __init__(self, settings: Settings, marks: Marks) -> None:
        self._process = Sandbox("suspect images", _open, settings, marks)
        self._one_at_a_time = threading.Lock()

    def answer(self, instance: StoredInstance) -> Settled | None:
        """Return what became of the image, or None if it ended the process or did not end in time.

        Raises
        ------
        Retry
            If the image's files cannot be read or written now, or the process cannot be started.
        """
        try:
            with self._one_at_a_time:
                settled = self._process.ask(ANSWER_SECONDS, _answer, instance)
        except Lost:
            return None
        except ConfigurationError as error:
            raise Retry(f"the process for suspect images does not start: {error}") from error
        if not settled:
            raise Retry("the files of this image cannot be read or written now")
        return settled[0]

    def close(self) -> None:
        """End the process."""
        self._process.close()


_pipelines: list[Pipeline] = []  # of the spare process


def _open(settings: Settings, marks: Marks) -> None:
    open_log(settings.directory, role="work", rules=settings.log)
    _pipelines.append(open_pipeline(settings, marks))
    limit_memory(settings.select.max_megapixels)


def _answer(instance: StoredInstance) -> list[Settled]:
    return _pipelines[0].answer([instance])
