"""pynetdicom's association with this package's provider and messages. The receiver derives its own from it.

An exception in an association's thread closes the connection; pynetdicom would leave it open for ever.

Private names of pynetdicom used here: `Association._abort_blocking`, `_is_paused`, `_kill`,
`_reactor_checkpoint`.
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress

from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association as PynetdicomAssociation

from gateway.telemetry.events import Event
from gateway.telemetry.log import log_bug
from gateway.threads import bound_start
from gateway.upper_layer.endings import Ending
from gateway.upper_layer.messages import Messages
from gateway.upper_layer.provider import Provider

logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # the gateway logs endings as its own events


class Association(PynetdicomAssociation):
    """One association.

    Attributes
    ----------
    message_timeout
        Longest silence within a message, in seconds; `network_timeout` limits the silence between messages.
    """

    dul: Provider
    dimse: Messages

    def __init__(self, ae: ApplicationEntity, mode: str) -> None:
        super().__init__(ae, mode)
        bound_start(self)
        self.message_timeout = ae.network_timeout
        self.dul = Provider(self)
        self.dimse = Messages(self)
        self.acse_timeout, self.network_timeout = ae.acse_timeout, ae.network_timeout  # sets the new timers

    @property
    def ending(self) -> Ending | None:
        """The end of the association, or of its request; None while it lives, and after a release."""
        return self.dul.ending

    def may_read(self) -> bool:
        """Tell whether more data may be read: a waiting message is served first."""
        return self.dimse.msg_queue.empty()

    def kill(self) -> None:
        """End both threads."""
        self._kill = True
        self.dimse.wake()
        super().kill()

    def abort_because(self, cause: str) -> None:
        """Abort the association and record `cause`, a sentence without full stop."""
        self.dul.end(cause)
        self._abort_blocking(block=False)

    def _abort_blocking(self, block: bool = True) -> None:
        """Abort the association; within an exception handler, record the exception as the cause."""
        error = sys.exc_info()[1]
        if error is not None and not self.dul.is_over:
            log_bug(Event.BUG, error=repr(error))
            self.dul.end(f"a bug in the gateway ({error!r})")
        super()._abort_blocking(block)

    def run_reactor(self) -> None:
        """Serve the association; the end of this thread, by whatever cause, ends the connection."""
        try:
            super().run_reactor()
        except Exception:
            with suppress(Exception):
                self._abort_blocking(block=False)
        finally:
            self._is_paused = self._kill = True  # `release` waits for the pause
            self._reactor_checkpoint.set()
            self.dul.finish()
