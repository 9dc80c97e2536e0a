"""An instance that a sender offers, as an adapter hands it to `Intake`; no protocol is known here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Protocol

from gateway.files.draft import Draft
from gateway.receive.data_set import Header, Identity, read_header, read_header_of


@dataclass(frozen=True, slots=True)
class Sender:
    """The peer that offers an instance; a protocol without AE titles has them from the settings.

    Attributes
    ----------
    calling_ae_title, called_ae_title
        At most 16 characters each; routes go by the calling title.
    peer_address
        IP address; empty for a sender on this machine.
    pulled_from
        Name of the source that sends because the gateway asks over the same connection; None for all others.
    """

    calling_ae_title: str
    called_ae_title: str
    peer_address: str
    pulled_from: str | None = None

    def fields(self) -> dict[str, str]:
        """Return the sender as log lines and ledger rows name it."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class Encoded(Protocol):
    """A data set as it came, without preamble and file meta information."""

    @property
    def transfer_syntax_uid(self) -> str:
        """The transfer syntax that the sender states."""

    def header(self) -> Header:
        """Read the header, and check that the data set is whole; `Refuse` as `read_header`."""

    def drafted(self, begin: Callable[[], Draft]) -> Draft:
        """Return the draft that holds the data set; one that comes of `begin` where there is none yet."""


@dataclass(frozen=True, slots=True)
class InHand:
    """A data set whose bytes are at hand."""

    transfer_syntax_uid: str
    data: memoryview

    def header(self) -> Header:
        """See `Encoded`."""
        return read_header(self.data, self.transfer_syntax_uid)

    def drafted(self, begin: Callable[[], Draft]) -> Draft:
        """Write the data set into a new draft."""
        draft = begin()
        draft.write(self.data)
        return draft


@dataclass(frozen=True, slots=True)
class Drafted:
    """A data set that was written as it came."""

    transfer_syntax_uid: str
    draft: Draft

    def header(self) -> Header:
        """See `Encoded`."""
        with self.draft.reader() as file:
            return read_header_of(file, self.transfer_syntax_uid)

    def drafted(self, begin: Callable[[], Draft]) -> Draft:  # noqa: ARG002 - it has one
        """Return the draft."""
        return self.draft


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
