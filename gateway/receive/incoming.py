"""An instance that a sender offers, as an adapter hands it to `Intake`; no protocol is known here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Protocol

from gateway.receive.data_set import Header, Identity


@dataclass(frozen=True, slots=True)
class Sender:
    """The peer that offers an instance; a protocol without AE titles has them from the settings.

    Attributes
    ----------
    calling_ae_title, called_ae_title
        At most 16 characters each; routes go by the calling title.
    peer_address
        IP address; empty for a sender on this machine.
    """

    calling_ae_title: str
    called_ae_title: str
    peer_address: str

    def fields(self) -> dict[str, str]:
        """Return the sender as log lines and ledger rows name it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A data set as it came, without preamble and file meta information, and its transfer syntax."""

    transfer_syntax_uid: str
    data: memoryview


class Incoming(Protocol):
    """One offered instance. An adapter provides a class of this shape for its protocol."""

    @property
    def sender(self) -> Sender:
        """The sender."""

    @property
    def claimed(self) -> Identity:
        """The identity that the sender states, as far as it has been read; empty before. Never raises."""

    def encoded(self) -> Encoded:
        """Return the data set.

        Raises
        ------
        Refuse
            If the data set cannot be told apart from what surrounds it.
        """

    def check(self, header: Header) -> None:
        """Compare the data set with what the protocol says of it.

        Raises
        ------
        Refuse
            If they differ.
        """
