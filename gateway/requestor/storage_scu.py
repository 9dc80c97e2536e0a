"""A Storage SCU: one association for many objects; `gateway echo` and the doctor verify by it."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.sop_class import Verification

from gateway.client.connection import Connection, Patience
from gateway.dicom.statuses import Status
from gateway.errors import ConfigurationError, GatewayError, Retry
from gateway.requestor.association import MAX_CONTEXTS, Association, Report
from gateway.requestor.message import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    C_ECHO,
    C_STORE,
    COMMAND_FIELD,
    ERROR_COMMENT,
    PRIORITY,
    STATUS,
)
from gateway.requestor.negotiation import Proposal, Reply
from gateway.requestor.part_10 import Content, DataSet, Unreadable, instance_of
from gateway.settings import ClientTLS, DicomDestination
from gateway.tls import client_context

MEDIUM = 0x0000  # Priority (PS3.7 9.1.1.1.6)

_Assoc = TypeVar("_Assoc", bound=Association)


class Unsupported(GatewayError):  # noqa: N818 - reads as what the node said
    """The node does not know this kind of object: it will not take it tomorrow either."""


class NotNow(Retry):
    """The node takes this kind of object on this association not, without saying that it never does."""


@dataclass(frozen=True, slots=True)
class DicomNode:
    """A receiving node, and the calling AE title towards it."""

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
class Answer:
    """Answer to a C-STORE."""

    status: int
    comment: str = ""


@contextmanager
def associate(
    node: DicomNode,
    contents: Iterable[Content],
    report: Report | None = None,
    stopping: threading.Event | None = None,
) -> Iterator[Association]:
    """Open an association that offers what `contents` need, and release it at the end.

    Parameters
    ----------
    report
        Answers what the node reports of its own accord.
    stopping
        Once set, what goes on is ended soon.

    Raises
    ------
    Retry
        If the node is away, rejects or aborts; the message names node and reason.
    Unsupported
        If it knows nothing of what is offered.
    """
    proposals = _proposals(contents)
    with open_association(
        node, lambda told, connection: Association(told, connection, proposals, report), stopping
    ) as assoc:
        yield assoc


@contextmanager
def open_association(
    node: DicomNode,
    build: Callable[[str, Connection], _Assoc],
    stopping: threading.Event | None = None,
) -> Iterator[_Assoc]:
    """Open the association that `build` makes of the node's name and a connection; release it at the end.

    Raises
    ------
    Retry, Unsupported
        As `associate`.
    """
    tls = _tls_of(node)
    connection = Connection(Patience(node.timeout_seconds, stopping))
    assoc = build(str(node), connection)
    try:
        assoc.connect(node.host, node.port, tls)
        assoc.request(node.ae_title, node.calling_ae_title)
        _check_contexts(assoc, node)
        yield assoc
    finally:
        if assoc.is_open:
            assoc.release()
        connection.close()


def echo(node: DicomNode) -> None:
    """Verify the node by C-ECHO (PS3.4 Annex A).

    Raises
    ------
    Retry, Unsupported
        If it does not answer 0x0000.
    """
    with associate(node, [Content(Verification, ExplicitVRLittleEndian)]) as assoc:
        status = verify(assoc)
        if status != Status.SUCCESS:
            raise Retry(f"{node}: C-ECHO was answered 0x{status:04X}")


def verify(assoc: Association) -> int:
    """Return the status with which C-ECHO is answered on an association that offers it."""
    context_id, _ = context_for(assoc, Content(Verification, ExplicitVRLittleEndian))
    response = assoc.operate(context_id, {COMMAND_FIELD: C_ECHO, AFFECTED_SOP_CLASS_UID: Verification})
    return response.number(STATUS) or 0


def store(assoc: Association, path: Path) -> Answer:
    """Send one file by C-STORE (PS3.4 B.2).

    The bytes go as they are; only where the peer took another plain coding are they converted.

    Raises
    ------
    Unsupported, NotNow
        If the peer accepted no presentation context for it.
    Unreadable, pydicom.errors.InvalidDicomError
        If the file cannot be sent; the association goes on where nothing of it was.
    Ended
        If the association ends without an answer.
    """
    try:
        instance = instance_of(path)
        context_id, transfer_syntax_uid = context_for(assoc, instance.content)
        if transfer_syntax_uid == instance.content.transfer_syntax_uid:
            data_set = DataSet.of(path)
        else:
            data_set = DataSet.converted(path, transfer_syntax_uid)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror or error}") from error
    request: dict[int, int | str] = {
        COMMAND_FIELD: C_STORE,
        AFFECTED_SOP_CLASS_UID: instance.content.sop_class_uid,
        AFFECTED_SOP_INSTANCE_UID: instance.sop_instance_uid,
        PRIORITY: MEDIUM,
    }
    with data_set:
        response = assoc.operate(context_id, request, data_set)
    return Answer(response.number(STATUS) or 0, response.text(ERROR_COMMENT))


def context_for(assoc: Association, content: Content) -> tuple[int, str]:
    """Return ID and transfer syntax of the presentation context that takes the content.

    Raises
    ------
    Unsupported
        If the node says that it knows no such objects, or not in this coding (PS3.8 Table 9-18, 3 and 4).
    NotNow
        If it accepted none for another reason.
    """
    accepted: dict[str, int] = {}
    replies: list[tuple[str, Reply]] = []
    for context_id, proposal in assoc.proposals.items():
        if proposal.abstract_syntax == content.sop_class_uid and _fits(proposal, content):
            reply = assoc.reply_to(context_id)
            replies.append((reply.why_not(proposal), reply))
            if reply.is_usable(proposal):
                accepted.setdefault(reply.transfer_syntax, context_id)
    for syntax in sorted(accepted, key=lambda each: each != content.transfer_syntax_uid):
        return accepted[syntax], syntax
    told = f"no presentation context accepted for {UID(content.sop_class_uid).name}"
    raise _refusal(told, replies)


def _check_contexts(assoc: Association, node: DicomNode) -> None:
    """Raise as `context_for` where the node accepts nothing at all."""
    refused = []
    for context_id, proposal in assoc.proposals.items():
        reply = assoc.reply_to(context_id)
        if reply.is_usable(proposal):
            return
        refused.append((f"{UID(proposal.abstract_syntax).name}: {reply.why_not(proposal)}", reply))
    raise _refusal(f"{node}: accepts none of the offered presentation contexts", refused)


def _refusal(told: str, replies: Sequence[tuple[str, Reply]]) -> GatewayError:
    told = f"{told} ({'; '.join(dict.fromkeys(why for why, _ in replies))})"
    return Unsupported(told) if all(reply.is_for_good for _, reply in replies) else NotNow(told)


def _fits(proposal: Proposal, content: Content) -> bool:
    return content.transfer_syntax_uid in proposal.transfer_syntaxes


def _proposals(contents: Iterable[Content]) -> dict[int, Proposal]:
    """One context per coding; plain ones also offer implicit VR, into which they can be converted."""
    offered = sorted(set(contents), key=lambda each: (each.sop_class_uid, each.transfer_syntax_uid))
    if len(offered) > MAX_CONTEXTS:
        raise ValueError(
            f"{len(offered)} combinations of SOP class and transfer syntax; send at most 128 at once"
        )
    return {2 * number + 1: _proposal(content) for number, content in enumerate(offered)}


def _proposal(content: Content) -> Proposal:
    syntaxes = [content.transfer_syntax_uid]
    if content.transfer_syntax_uid == ExplicitVRLittleEndian:
        syntaxes.append(str(ImplicitVRLittleEndian))
    return Proposal(content.sop_class_uid, tuple(syntaxes))


def _tls_of(node: DicomNode) -> ssl.SSLContext | None:
    try:
        return client_context(node.tls) if node.tls else None
    except ConfigurationError as error:  # a person can mend it, and what waits goes on then
        raise Retry(f"{node}: {error}") from None
