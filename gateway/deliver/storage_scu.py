"""A Storage SCU: one association for many objects."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.filereader import read_file_meta_info
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import _config, evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from pynetdicom.transport import AssociationSocket

from gateway.errors import ConfigurationError, GatewayError, Retry
from gateway.settings import ClientTLS, DicomDestination
from gateway.tls import ClientContext

MAXIMUM_PDU_SIZE = 128 * 1024
MAX_CONTEXTS = 128  # PS3.8 Table 9-11: context IDs are odd and one byte wide

_config.STORE_SEND_CHUNKED_DATASET = True  # a file's own bytes, read as they are sent
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # outcomes are told by our own events


class Unsupported(GatewayError):  # noqa: N818 - reads as what the node said
    """The node does not take this kind of object."""


@dataclass(frozen=True, slots=True)
class DicomNode:
    """Where to send, and as whom."""

    ae_title: str
    host: str
    port: int
    calling_ae_title: str
    timeout_seconds: float = 30
    tls: ClientTLS | None = None

    def __str__(self) -> str:
        return f"{self.ae_title}@{self.host}:{self.port}"


def node_of(destination: DicomDestination, calling_ae_title: str) -> DicomNode:
    """Return where a destination is, and as whom the gateway calls it."""
    return DicomNode(
        destination.ae_title,
        destination.host,
        destination.port,
        calling_ae_title,
        destination.timeout_seconds,
        destination.tls,
    )


@dataclass(frozen=True, slots=True)
class Content:
    """What a presentation context must offer for one file (PS3.8 7.1.1.13)."""

    sop_class_uid: str
    transfer_syntax_uid: str


def content_of(path: Path) -> Content:
    """Read a Part 10 file's meta information (PS3.10 7.1).

    Raises
    ------
    pydicom.errors.InvalidDicomError, OSError
        If `path` is not a readable Part 10 file.
    """
    meta = read_file_meta_info(path)
    return Content(str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID))


class _Requestor(ApplicationEntity):
    """Can close the socket of a failed connection, which pynetdicom leaves to the garbage collector."""

    _socket: socket.socket | None = None

    def _create_socket(self, *arguments: Any) -> AssociationSocket:
        transport = super()._create_socket(*arguments)
        self._socket = transport.socket
        return transport

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()


@contextmanager
def associate(
    node: DicomNode, contents: Iterable[Content], handlers: Sequence[evt.EventHandlerType] = ()
) -> Iterator[Association]:
    """Open an association that offers what `contents` need, and release it at the end.

    `handlers` answer what the node asks on it.

    Raises
    ------
    Retry
        If the node is away, rejects or aborts; the message names node and reason.
    Unsupported
        If it accepts no presentation context at all.
    """
    tls = _tls_of(node)
    ae = _Requestor(ae_title=node.calling_ae_title)
    ae.maximum_pdu_size = MAXIMUM_PDU_SIZE
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = node.timeout_seconds
    for sop_class_uid, transfer_syntaxes in _contexts(contents):
        ae.add_requested_context(sop_class_uid, transfer_syntaxes)
    try:
        assoc = ae.associate(
            node.host,
            node.port,
            ae_title=node.ae_title,
            max_pdu=MAXIMUM_PDU_SIZE,
            evt_handlers=list(handlers),
            tls_args=(tls, node.host) if tls else None,
        )
    except (OSError, UnicodeError) as error:  # a name that cannot be resolved, or is none
        raise Retry(f"{node}: the host is not known ({error})") from error
    try:
        if not assoc.is_established:
            raise _why_not(node, assoc, tls)
        yield assoc
    finally:
        if assoc.is_established:
            assoc.release()
        ae.close()
        if tls is not None:
            tls.close()


def echo(node: DicomNode) -> None:
    """Verify the node by C-ECHO (PS3.4 Annex A).

    Raises
    ------
    Retry
        If it does not answer 0x0000.
    """
    with associate(node, [Content(Verification, ExplicitVRLittleEndian)]) as assoc:
        status = assoc.send_c_echo()
        if "Status" not in status:
            raise Retry(f"{node}: no answer to C-ECHO within {node.timeout_seconds:g} s")
        if status.Status != 0x0000:
            raise Retry(f"{node}: C-ECHO was answered 0x{status.Status:04X}")


def store(assoc: Association, path: Path) -> tuple[int | None, str]:
    """Send one file by C-STORE; return its status and Error Comment, None where no answer came.

    The bytes go as they are; only where the peer took another plain coding are they converted.

    Raises
    ------
    ValueError
        If the peer accepted no presentation context for it.
    """
    try:
        status = _send_as_accepted(assoc, path)
    except RuntimeError:  # the peer aborted after the last look at the association
        return None, "the association ended early"
    if "Status" not in status:
        return None, "no answer"
    return int(status.Status), str(status.get("ErrorComment", "") or "")


def _send_as_accepted(assoc: Association, path: Path) -> Dataset:
    try:
        return assoc.send_c_store(path)
    except ValueError:
        return assoc.send_c_store(dcmread(path))


def _contexts(contents: Iterable[Content]) -> list[tuple[str, list[str]]]:
    """One context per coding; plain ones also offer implicit VR, into which they can be converted."""
    offered = []
    for content in sorted(set(contents), key=lambda c: (c.sop_class_uid, c.transfer_syntax_uid)):
        syntaxes = [content.transfer_syntax_uid]
        if content.transfer_syntax_uid == ExplicitVRLittleEndian:
            syntaxes.append(ImplicitVRLittleEndian)
        offered.append((content.sop_class_uid, syntaxes))
    if len(offered) > MAX_CONTEXTS:
        raise ValueError(
            f"{len(offered)} combinations of SOP class and transfer syntax; send at most 128 at once"
        )
    return offered


def _tls_of(node: DicomNode) -> ClientContext | None:
    try:
        return ClientContext.of(node.tls) if node.tls else None
    except ConfigurationError as error:  # a person can mend it, and what waits goes on then
        raise Retry(f"{node}: {error}") from None


def _why_not(node: DicomNode, assoc: Association, tls: ClientContext | None) -> GatewayError:
    if tls is not None and tls.problem is not None:
        return Retry(f"{node}: {tls.problem}")
    if assoc.is_rejected and assoc.acceptor.primitive:
        return Retry(f"{node}: association rejected: {assoc.acceptor.primitive.reason_str}")
    if assoc.rejected_contexts:
        return Unsupported(f"{node}: accepts none of the offered presentation contexts")
    if assoc.acceptor.primitive is None:
        return Retry(f"{node}: nothing answers there")
    return Retry(f"{node}: association aborted")
