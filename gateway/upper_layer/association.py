"""Associations in both directions: pynetdicom's, with a provider and messages of our own.

An exception in an association's thread closes its connection; pynetdicom would leave it open for ever.

Private names of pynetdicom used here: `Association._abort_blocking`, `_is_paused`, `_kill`,
`_reactor_checkpoint`, `_sent_abort`.
"""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from copy import deepcopy

from pynetdicom import evt
from pynetdicom._globals import MODE_REQUESTOR
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association as PynetdicomAssociation
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AddressInformation

from gateway.log import log_bug
from gateway.upper_layer.endings import Ending
from gateway.upper_layer.messages import Messages
from gateway.upper_layer.provider import Provider
from gateway.upper_layer.transport import PDUSocket

logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # endings are told by our own events


class Association(PynetdicomAssociation):
    """One association.

    Attributes
    ----------
    message_timeout
        The longest silence within a message, in seconds; `network_timeout` is for the silence between two.
    """

    dul: Provider
    dimse: Messages

    def __init__(self, ae: ApplicationEntity, mode: str) -> None:
        super().__init__(ae, mode)
        self.message_timeout = ae.network_timeout
        self.dul = Provider(self)
        self.dimse = Messages(self)
        self.acse_timeout, self.network_timeout = ae.acse_timeout, ae.network_timeout  # sets the new timers

    @property
    def ending(self) -> Ending | None:
        """Why the association ended, or never was; None while it lives, and after a release."""
        return self.dul.ending

    def may_read(self) -> bool:
        """Tell whether there is room for more data: a message that waits is served first."""
        return self.dimse.msg_queue.empty()

    def abort_because(self, cause: str) -> None:
        """Abort the association, and say why."""
        self.dul.end(cause)
        self._abort_blocking(block=False)

    def _abort_blocking(self, block: bool = True) -> None:
        """Abort the association; within the handling of an exception, because of it."""
        error = sys.exc_info()[1]
        if error is not None and not self.dul.is_over:
            log_bug("bug", error=repr(error))
            self.dul.end(f"a bug in the gateway ({error!r})")
        super()._abort_blocking(block)

    def _handle_no_response(self) -> None:
        """Abort the association because its peer did not answer a request."""
        if self.is_established:
            self.dul.end(f"the peer did not answer within {self.dimse_timeout or 0:g} s")
        super()._handle_no_response()

    def run_reactor(self) -> None:
        """Serve the association; whatever ends this thread ends the connection."""
        try:
            super().run_reactor()
        except Exception:
            with suppress(Exception):
                self._abort_blocking(block=False)
        finally:
            self._is_paused = self._kill = True  # `release` waits for the pause
            self._reactor_checkpoint.set()
            self.dul.finish()


def associate(
    ae: ApplicationEntity,
    connection: socket.socket,
    called_ae_title: str,
    contexts: Sequence[PresentationContext],
    handlers: Sequence[evt.EventHandlerType] = (),
    *,
    timeout_seconds: float,
) -> Association:
    """Request an association over a connection that stands (`transport.connect`), and wait for the answer.

    The association owns the connection from now on. Where `is_established` is false, `ending` says why, or
    `rejected_contexts` hold all that was proposed. Every wait on it is bounded by `timeout_seconds`.
    """
    assoc = Association(ae, MODE_REQUESTOR)
    assoc.name = f"RequestorThread@{called_ae_title}"
    assoc.acse_timeout = assoc.dimse_timeout = assoc.network_timeout = timeout_seconds
    assoc.message_timeout = timeout_seconds
    assoc.acceptor.ae_title = called_ae_title
    assoc.acceptor.address_info = AddressInformation.from_tuple(connection.getpeername())
    assoc.requestor.address_info = AddressInformation.from_tuple(connection.getsockname())
    assoc.requestor.ae_title = ae.ae_title
    assoc.requestor.maximum_length = ae.maximum_pdu_size
    assoc.requestor.implementation_class_uid = ae.implementation_class_uid
    assoc.requestor.implementation_version_name = ae.implementation_version_name
    assoc.requestor.requested_contexts = [
        _numbered(context, number) for number, context in enumerate(contexts)
    ]
    for handler in handlers:
        assoc.bind(*handler)
    assoc.set_socket(PDUSocket(assoc, connection, timeout_seconds))
    assoc.dul.event_queue.get()  # Evt5, which is the acceptor's
    assoc.request()
    if assoc.is_established:
        assoc.start()
    return assoc


def _numbered(context: PresentationContext, number: int) -> PresentationContext:
    numbered = deepcopy(context)
    numbered.context_id = 2 * number + 1  # odd (PS3.8 Table 9-13)
    return numbered
