"""Reports rejected and aborted connections: all in the log, those that concern security in the audit trail.

Called by `listener`, `association` and `acceptor`. Repetitions are counted instead of written.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.telemetry.audit import trail
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event
from gateway.telemetry.repeats import Message, Repeats

LINES_PER_ADDRESS = 100
AUDITED_PER_ADDRESS = 10
"""Different refusals of one address that are written within a minute; all others are counted."""


class RefusalReporter:
    """Reports each refusal once, and its repetitions once a minute.

    Titles and causes are clean already (`gateway.peer_text`).

    Parameters
    ----------
    log, audit
        The thinned-out ways to the log (`log_refusal`) and to the audit trail (`audit_refusal`).
    """

    def __init__(self, log: Repeats, audit: Repeats) -> None:
        self._log = log
        self._audit = audit

    def tell(self, event: Event, why: str, about: Mapping[str, str], *, audited: bool = False) -> None:
        """Report that a connection was refused or ended.

        Parameters
        ----------
        event
            `association_rejected` before there was an association, `association_aborted` afterwards.
        about
            Titles as far as they are known, and `peer_address`.
        audited
            Whether the node was rejected for its identity.
        """
        address = about["peer_address"]
        self._log.note(address, {"event": event, "why": why, **about})
        if audited:
            peer = about.get("calling_ae_title", "")
            self._audit.note(address, {"peer": peer, "peer_address": address, "why": why})

    def flush(self, *, everything: bool = False) -> None:
        """Write the counts of the minutes that are over, or all counts."""
        self._log.flush(everything=everything)
        self._audit.flush(everything=everything)


def log_refusal(message: Message, repeated: int) -> None:
    """Write a refusal to the log, with how often it was repeated."""
    fields = dict(message)
    event = Event(fields.pop("event"))
    if repeated:
        log_event(event, **fields, repeated=repeated)
    else:
        log_event(event, **fields)


def audit_refusal(message: Message, repeated: int) -> None:
    """Write a refusal of a node to the audit trail, with how often it was repeated."""
    why = message["why"] + (f" (repeated {repeated} times)" if repeated else "")
    trail.rejected(peer=message["peer"], peer_address=message["peer_address"], why=why)
