"""Results to a DICOMweb server by STOW-RS (PS3.18 10.5).

An object is delivered once the server names it as stored. Where the answer does not, or none came, the object
is looked up: by a search (QIDO-RS), else by its metadata (WADO-RS).
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from gateway.client.exchange import Interrupted, Unanswered, Unreached
from gateway.client.http import Answer, WebClient
from gateway.client.web_data_set import Unreadable, data_sets_of, items, number, texts
from gateway.deliver.c_store import verdict_of
from gateway.deliver.destination import AuditTarget, Destination
from gateway.deliver.outcome import Outcome, Verdict, each_by_itself
from gateway.doctor.advice import advice_for
from gateway.doctor.finding import Finding, doubtful, good, wrong
from gateway.records import DICOM
from gateway.settings import StowDestination
from gateway.store.entries import PendingDelivery

ABOUT_THE_OBJECT = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.CONFLICT,  # none of the objects was stored
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}
"""Everything else that is no success is about the server: its state, its address, our credentials."""

PERHAPS_STORED = {
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,  # a proxy that lost the server while that worked
    HTTPStatus.GATEWAY_TIMEOUT,
}
"""The server, or what stands before it, broke down over this object."""

ALREADY_THERE = {
    0x0110,  # processing failure: Google's word for it
    0x0111,  # duplicate SOP instance (PS3.7 C.5.6)
    0xB00E,  # Azure's
}
SAYS_SO = {0x0111, 0xB00E}  # and nothing else

# Store Instances Response Module (PS3.18 Table I.1-1)
REFERENCED_SOP_SEQUENCE, FAILED_SOP_SEQUENCE = "00081199", "00081198"
REFERENCED_SOP_INSTANCE_UID, FAILURE_REASON = "00081155", "00081197"
SOP_INSTANCE_UID = "00080018"

_JSON = {"Accept": "application/dicom+json"}
_PREAMBLE_BYTES = 128


class StowClient(Destination):
    """A DICOMweb server that takes DICOM results."""

    takes_again = True

    def __init__(self, destination: StowDestination) -> None:
        self.name = destination.name
        self.timeout_seconds = destination.timeout_seconds
        self.certificate = destination.certificate
        self._settings = destination

    def accepts(self, kind: str, media_type: str) -> bool:  # noqa: ARG002 - every DICOM kind
        """Take what is DICOM."""
        return media_type == DICOM

    def deliver(
        self, pending: Sequence[PendingDelivery], stopping: threading.Event | None = None
    ) -> Iterator[Outcome]:
        """Send each result in a request of its own."""
        server = WebClient(self._settings, stopping)
        yield from each_by_itself(pending, lambda delivery: _deliver(server, delivery))

    def examine(self, sop_classes: Mapping[str, str]) -> Iterator[Finding]:  # noqa: ARG002
        """Search for one study (QIDO-RS): that shows address, trust and credentials, and stores nothing."""
        try:
            answer = WebClient(self._settings).request("GET", "/studies?limit=1", _JSON)
        except (Unreached, Unanswered) as problem:
            yield wrong(self.title, str(problem), advice_for(str(problem)))
        else:
            yield self._judge_search(answer)

    def _judge_search(self, answer: Answer) -> Finding:
        if not answer.is_success:
            return self._refused_search(answer)
        try:
            data_sets_of(answer.content)
        except Unreadable as problem:
            advice = "here: the url; it must lead to DICOMweb, as /dicom-web"
            return wrong(self.title, f"{answer}, but {problem}", advice)
        return good(self.title, f"{self._settings.url} answers a search")

    def _refused_search(self, answer: Answer) -> Finding:
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            advice = "here: username and password, or bearer_token; there: this user's rights"
            return wrong(self.title, str(answer), advice)
        if answer.status == HTTPStatus.NOT_FOUND:
            advice = "here: the url's path, as /dicom-web; there: is DICOMweb enabled?"
            return wrong(self.title, str(answer), advice)
        if answer.location:
            advice = "here: the url, as redirects are not followed"
            return wrong(self.title, f"{answer}, to {answer.location}", advice)
        advice = "nothing, if it only stores: STOW-RS itself is not tried"
        return doubtful(self.title, f"{answer} to a search", advice)

    @property
    def audit_target(self) -> AuditTarget:
        """The server, by URL and host."""
        return AuditTarget(self._settings.url, address=urlsplit(self._settings.url).hostname)


def _deliver(server: WebClient, delivery: PendingDelivery) -> tuple[Outcome, bool]:
    """Return what became of the object, and whether the server takes another one."""
    try:
        content = _read(delivery.path)
        if delivery.unsure and _is_there(server, delivery):
            return Outcome(delivery, Verdict.DELIVERED), True
        answer = _post(server, content)
    except InvalidDicomError:
        return Outcome(delivery, Verdict.NEVER, f"{delivery.path}: no longer a DICOM file"), True
    except OSError as error:
        return Outcome(delivery, Verdict.LATER, f"{delivery.path}: {error.strerror or error}"), True
    except Unreached as problem:
        return Outcome(delivery, Verdict.AWAY, str(problem)), False
    except Interrupted as problem:
        return Outcome(delivery, Verdict.AWAY, str(problem), unsure=True), False
    except Unanswered as problem:
        lost = Outcome(delivery, Verdict.LATER, str(problem), unsure=True)
        return (lost, False) if problem.is_silent else _unless_there(server, lost, goes_on=False)
    return _judge(server, delivery, answer)


def _read(path: Path) -> bytes:
    content = path.read_bytes()
    if content[_PREAMBLE_BYTES : _PREAMBLE_BYTES + 4] != b"DICM":
        raise InvalidDicomError
    return content


def _post(server: WebClient, content: bytes) -> Answer:
    boundary = uuid.uuid4().hex
    media_type = f'multipart/related; type="application/dicom"; boundary={boundary}'
    begin = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    end = f"\r\n--{boundary}--\r\n".encode()
    return server.request("POST", "/studies", _JSON | {"Content-Type": media_type}, (begin, content, end))


# --- the answer


@dataclass(frozen=True, slots=True)
class _Response:
    """A Store Instances Response: which objects were stored, which were not, with their reasons.

    `problem` is the end of a sentence where there is no such response.
    """

    stored: frozenset[str] = frozenset()
    failed: Mapping[str, int | None] | None = None
    problem: str = ""


def _response_of(answer: Answer) -> _Response:
    try:
        modules = data_sets_of(answer.content)
    except Unreadable as problem:
        return _Response(problem=str(problem))
    stored = [item for module in modules for item in items(module, REFERENCED_SOP_SEQUENCE)]
    failed = [item for module in modules for item in items(module, FAILED_SOP_SEQUENCE)]
    return _Response(
        frozenset(uid for item in stored for uid in texts(item, REFERENCED_SOP_INSTANCE_UID)),
        {
            uid: number(item, FAILURE_REASON)
            for item in failed
            for uid in texts(item, REFERENCED_SOP_INSTANCE_UID)
        },
    )


def _judge(server: WebClient, delivery: PendingDelivery, answer: Answer) -> tuple[Outcome, bool]:
    """Tell what an answer means; success needs the object's name (PS3.18 10.5.3, Table I.1-1)."""
    response = _response_of(answer)
    uid = delivery.sop_instance_uid
    if response.failed and uid in response.failed:
        return _refused(server, delivery, answer, response.failed[uid])
    if answer.is_success:
        if uid in response.stored:
            return Outcome(delivery, Verdict.DELIVERED), True
        told = (
            f"{answer}, but {response.problem}" if response.problem else f"{answer} without naming the object"
        )
        return _unless_there(
            server, Outcome(delivery, Verdict.LATER, told, unsure=True), goes_on=not response.problem
        )
    if answer.status in ABOUT_THE_OBJECT:
        return _refused(server, delivery, answer, None)
    if answer.status in PERHAPS_STORED:
        broken = Outcome(delivery, Verdict.LATER, str(answer), unsure=True)
        return _unless_there(server, broken, goes_on=False)
    if answer.redirection:
        return Outcome(delivery, Verdict.LATER, f"{answer}: {answer.redirection}"), False
    return Outcome(delivery, Verdict.AWAY, str(answer), retry_after=answer.retry_after_seconds), False


def _refused(
    server: WebClient, delivery: PendingDelivery, answer: Answer, reason: int | None
) -> tuple[Outcome, bool]:
    """Failure reasons are C-STORE's statuses; one that may mean "it is there already" is looked into.

    Without a reason nothing is final after an attempt whose end is unknown, nor in the words of a web page:
    a proxy writes it, as to a client without the right certificate.
    """
    if reason is None:
        verdict = Verdict.LATER if delivery.unsure or answer.page else Verdict.NEVER
        told = f"{answer}: {answer.page}" if answer.page else str(answer)
        return _unless_there(server, Outcome(delivery, verdict, told), goes_on=True)
    told = f"{answer}: not stored, failure reason 0x{reason:04X}"
    if reason in ALREADY_THERE:
        later = Outcome(delivery, Verdict.LATER, told)
        return _unless_there(server, later, goes_on=True, in_doubt=reason in SAYS_SO)
    verdict = verdict_of(reason)
    return Outcome(delivery, Verdict.LATER if verdict is Verdict.DELIVERED else verdict, told), True


# --- the look-up


def _unless_there(
    server: WebClient, outcome: Outcome, *, goes_on: bool, in_doubt: bool = False
) -> tuple[Outcome, bool]:
    """Return `outcome` unless the server has the object; `in_doubt` counts where that cannot be learnt."""
    try:
        is_there = _is_there(server, outcome.delivery)
    except (Unreached, Unanswered, OSError):
        is_there = None
    if is_there or (is_there is None and in_doubt):
        return Outcome(outcome.delivery, Verdict.DELIVERED), True
    found = "a look-up does not find it" if is_there is False else "it cannot be looked up"
    told = f"{outcome.error}; {found}"
    return Outcome(outcome.delivery, outcome.verdict, told, outcome.unsure), goes_on


def _is_there(server: WebClient, delivery: PendingDelivery) -> bool | None:
    """Tell whether the server has the object; None where it does not say.

    Raises
    ------
    Unreached, Unanswered
    """
    uid = delivery.sop_instance_uid
    found = _holds(server.request("GET", f"/instances?SOPInstanceUID={uid}", _JSON), uid)
    return found or _holds(server.request("GET", _metadata_path(delivery), _JSON), uid) or found


def _metadata_path(delivery: PendingDelivery) -> str:
    head = dcmread(
        delivery.path, specific_tags=["StudyInstanceUID", "SeriesInstanceUID"], stop_before_pixels=True
    )
    return (
        f"/studies/{head.StudyInstanceUID}/series/{head.SeriesInstanceUID}"
        f"/instances/{delivery.sop_instance_uid}/metadata"
    )


def _holds(answer: Answer, uid: str) -> bool | None:
    """Tell whether a search result or metadata holds the object."""
    if not answer.is_success:
        return None
    try:
        return any(uid in texts(each, SOP_INSTANCE_UID) for each in data_sets_of(answer.content))
    except Unreadable:
        return None
