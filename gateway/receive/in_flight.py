"""The associations that owe a C-STORE response: a stop waits until every response has left.

Called by `storage_scp`.
"""

from __future__ import annotations

from threading import Condition

from pynetdicom.association import Association
from pynetdicom.events import Event


class InFlight:
    """The associations whose request is served but not yet answered on the wire."""

    def __init__(self) -> None:
        self._owing: set[Association] = set()
        self._changed = Condition()

    def begin(self, assoc: Association) -> None:
        """Note that a response is owed."""
        with self._changed:
            self._owing.add(assoc)

    def owes(self, assoc: Association) -> bool:
        """Tell whether a response is owed."""
        with self._changed:
            return assoc in self._owing

    def end(self, event: Event) -> None:
        """Note that a PDU has left, or that the connection has gone."""
        with self._changed:
            self._owing.discard(event.assoc)
            self._changed.notify_all()

    def wait_until_none(self, timeout_seconds: float) -> bool:
        """Wait until nothing is owed; False if it takes longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._owing, timeout_seconds)
