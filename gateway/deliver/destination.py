"""A destination: a place that takes results. One class for each kind of place implements `Destination`.

Couriers deliver through it, the doctor examines through it, the encode step and `gateway resend` ask which
results it accepts. Nothing outside a destination's own module knows of which kind it is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.deliver.outcome import Outcome
from gateway.doctor.finding import Finding
from gateway.requestor.storage_scu import Unsupported
from gateway.store.commitments import Commitments
from gateway.store.entries import PendingDelivery


@dataclass(frozen=True, slots=True)
class AuditTarget:
    """Name of a destination in the audit trail (PS3.15 A.5.3).

    Attributes
    ----------
    name
        A path, a URL or an AE title.
    is_node
        The destination is another system on the network; else a delivery is an export to media.
    """

    name: str
    ae_title: str | None = None
    address: str | None = None
    is_node: bool = True


class Destination(Protocol):
    """Takes results; the class for one kind of destination inherits from this one for its defaults.

    A destination is called by one thread at a time, and keeps nothing between two calls.

    Attributes
    ----------
    name
        In the settings and in the ledger.
    timeout_seconds
        How long one step of an exchange may take; a delivery that takes longer than three steps hangs.
    commits
        Storage commitment is asked for what was stored.
    takes_again
        An object that was stored may be sent once more at any time: the destination keeps one of that UID.
    commitment_timeout_seconds
        How long a report may take before the destination is asked again.
    certificate
        The client certificate that is shown to the destination; the doctor sees whether it expires.
    """

    name: str
    timeout_seconds: float
    commits: bool = False
    takes_again: bool = False
    commitment_timeout_seconds: float = 0.0
    certificate: Path | None = None

    @property
    def title(self) -> str:
        """The destination in the doctor's findings."""
        return f"destination {self.name}"

    def accepts(self, kind: str, media_type: str) -> bool:
        """Tell whether the destination takes such results; no delivery of another one is ever made."""
        ...

    def deliver(
        self, pending: Sequence[PendingDelivery], stopping: threading.Event | None = None
    ) -> Iterator[Outcome]:
        """Send each result; yield the outcome of each as soon as it is known.

        An earlier attempt whose end is unknown may have delivered a result (`unsure`): two deliveries must
        leave one object. A problem is an outcome, not an exception.

        Parameters
        ----------
        stopping
            Once set, nothing more is begun, and an exchange under way ends within seconds.
        """
        ...

    def commit(
        self,
        stored: Sequence[PendingDelivery],  # noqa: ARG002 - for destinations that commit
        transaction_uid: str,  # noqa: ARG002
        commitments: Commitments,  # noqa: ARG002
        stopping: threading.Event | None = None,  # noqa: ARG002
    ) -> None:
        """Ask the destination to keep what it has stored; `commitments` records the report.

        Raises
        ------
        Retry
            If the destination is away, or does not take the request now.
        Unsupported
            If the destination offers no storage commitment.
        """
        raise Unsupported("the destination is no DICOM node any more")

    def examine(self, sop_classes: Mapping[str, str]) -> Iterator[Finding]:  # noqa: ARG002
        """Yield what the doctor finds, and store nothing.

        Parameters
        ----------
        sop_classes
            Of the DICOM results that the destination will get, each with the advice for a destination that
            does not take it.
        """
        yield from ()

    @property
    def audit_target(self) -> AuditTarget:
        """Name of the destination in the audit trail."""
        ...
