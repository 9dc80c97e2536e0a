"""Images that a model server did not answer though it answers others. `RemotePredictor` asks of each."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass

from gateway.model.engines import Floats

STRIKES = 3
"""Failures of an image that was sent alone, each by a server proven before, until it counts as poison."""

MOST_SUSPECTS = 1000  # the oldest is forgotten, and begins anew


@dataclass(slots=True)
class _Suspect:
    strikes: int
    answered: int  # images that servers had answered by its last strike


class Suspects:
    """Counts failures by image; an image is known by a hash of its tensor. Any thread may call it.

    A worker forgets its suspects when it ends: they are suspected anew.
    """

    def __init__(self) -> None:
        self._found: OrderedDict[bytes, _Suspect] = OrderedDict()
        self._answered = 0
        self._lock = threading.Lock()

    def __contains__(self, image: Floats) -> bool:
        """Tell whether an image has failed alone, and was not answered since."""
        if not self._found:
            return False
        with self._lock:
            return _key(image) in self._found

    def strike(self, image: Floats) -> None:
        """Note that an image was sent alone and not answered.

        It counts only where servers have answered another image since its last strike, or where no other is
        suspected: a server that is proven, and answers none of several images, is itself the cause.
        """
        key = _key(image)
        with self._lock:
            suspect = self._found.setdefault(key, _Suspect(0, self._answered))
            if not suspect.strikes or len(self._found) == 1 or self._answered > suspect.answered:
                suspect.strikes += 1
                suspect.answered = self._answered
            if len(self._found) > MOST_SUSPECTS:
                self._found.popitem(last=False)

    def note_answers(self, images: Floats) -> None:
        """Note that images were answered: none of them is suspected any more."""
        with self._lock:
            self._answered += len(images)
            if self._found:
                for image in images:
                    self._found.pop(_key(image), None)

    def is_poison(self, image: Floats) -> bool:
        """Tell whether an image has failed so often that it is the cause."""
        key = _key(image)
        with self._lock:
            suspect = self._found.get(key)
            return suspect is not None and suspect.strikes >= STRIKES


def _key(image: Floats) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()
