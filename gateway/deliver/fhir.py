"""Results to an EHR by FHIR R4: one transaction Bundle for each answer (R4 3.1.0.11).

A Bundle is delivered once the server has answered every entry with success. A Bundle whose answer did not
come is sent again as it is: each of its entries names what it would make twice.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from gateway.client.exchange import Interrupted, Unanswered, Unreached
from gateway.client.http import Answer, WebClient
from gateway.deliver.access_token import AccessToken
from gateway.deliver.destination import AuditTarget, Destination
from gateway.deliver.fhir_answer import Unreadable, objection_in, resource_in, sentence_of, statuses_in
from gateway.deliver.outcome import SUPERSEDED, Outcome, Verdict, each_by_itself
from gateway.deliver.redaction import redacted
from gateway.doctor.advice import advice_for
from gateway.doctor.finding import Finding, doubtful, good, wrong
from gateway.records import FHIR, FHIR_JSON
from gateway.settings import FHIRDestination
from gateway.store.entries import PendingDelivery
from gateway.telemetry.audit.subject import subject_of

NO_PATIENT = "the image names no Patient ID, and the server could not file the report; correct the image"
SEVERAL_MATCH = "several resources there have an identifier that names one; they must be merged there"

_JSON = {"Accept": FHIR_JSON}
_VERSION = "4."  # of CapabilityStatement.fhirVersion: R4 and R4B

_NEVER = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,  # a resource that the Bundle refers to
    HTTPStatus.PRECONDITION_FAILED,  # several resources match
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}
_LATER = {HTTPStatus.CONFLICT}
_BROKEN = {
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.GATEWAY_TIMEOUT,
}
"""The server, or what stands before it, broke down over this Bundle; everything else is about the server."""


class FhirServer(Destination):
    """A FHIR R4 server that takes transactions."""

    def __init__(self, destination: FHIRDestination) -> None:
        self.name = destination.name
        self.timeout_seconds = destination.timeout_seconds
        self.certificate = destination.certificate
        self._settings = destination

    def accepts(self, kind: str, media_type: str) -> bool:  # noqa: ARG002
        """Take transaction Bundles."""
        return kind == FHIR

    def deliver(
        self, pending: Sequence[PendingDelivery], stopping: threading.Event | None = None
    ) -> Iterator[Outcome]:
        """Send each Bundle in a request of its own."""
        server = _Server(self._settings, stopping)
        yield from each_by_itself(pending, lambda delivery: _deliver(server, delivery))

    def examine(self, sop_classes: Mapping[str, str]) -> Iterator[Finding]:  # noqa: ARG002
        """Get a token where one is needed, and read the CapabilityStatement; nothing is stored."""
        try:
            answer = _Server(self._settings).request("GET", "/metadata", _JSON)
        except (Unreached, Unanswered) as problem:
            yield wrong(self.title, str(problem), advice_for(str(problem)))
        else:
            yield self._judge_metadata(answer)

    def _judge_metadata(self, answer: Answer) -> Finding:
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            advice = "here: username and password, bearer_token, or client_id; there: this client's rights"
            return wrong(self.title, str(answer), advice)
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return wrong(self.title, str(answer), advice_for(str(answer)))
        try:
            statement = resource_in(answer.content, "CapabilityStatement")
        except Unreadable as problem:
            advice = "here: the url; it must lead to the FHIR base, as /fhir"
            return wrong(self.title, f"{answer}, but {problem}", advice)
        version = str(statement.get("fhirVersion", ""))
        if not version.startswith(_VERSION):
            told = f"speaks FHIR {version or 'of no version'}"
            return wrong(self.title, told, "here: the url; it must lead to the FHIR base of R4")
        if "transaction" not in _interactions(statement):
            advice = "there: enable transactions, if its statement is right"
            told = f"{self._settings.url} does not state that it takes transactions"
            return doubtful(self.title, told, advice)
        return good(self.title, f"{self._settings.url} speaks FHIR {version} and takes transactions")

    @property
    def audit_target(self) -> AuditTarget:
        """The server, by URL and host."""
        return AuditTarget(self._settings.url, address=urlsplit(self._settings.url).hostname)


def _interactions(statement: Mapping[str, Any]) -> set[str]:
    rest = _objects(statement.get("rest"))
    return {str(each.get("code")) for one in rest for each in _objects(one.get("interaction"))}


def _objects(found: Any) -> list[Mapping[str, Any]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


class _Server:
    """A server with its token, for one round."""

    def __init__(self, settings: FHIRDestination, stopping: threading.Event | None = None) -> None:
        self._client = WebClient(settings, stopping)
        self._token = AccessToken(settings, stopping) if settings.token_url else None

    def request(
        self, method: str, path: str, headers: Mapping[str, str], body: Sequence[bytes] = ()
    ) -> Answer:
        """Send a request with the token.

        Raises
        ------
        Unreached, Unanswered
        """
        authorization = self._token.header() if self._token else {}
        return self._client.request(method, path, {**headers, **authorization}, body)


def _deliver(server: _Server, delivery: PendingDelivery) -> tuple[Outcome, bool]:
    """Return what became of the Bundle, and whether the server takes another one."""
    if delivery.is_superseded:
        return Outcome(delivery, Verdict.NEVER, SUPERSEDED), True
    try:
        content = delivery.path.read_bytes()
        bundle = resource_in(content, "Bundle")
    except OSError as error:
        return Outcome(delivery, Verdict.LATER, f"{delivery.path}: {error.strerror or error}"), True
    except Unreadable as problem:
        return Outcome(delivery, Verdict.NEVER, f"{delivery.path}: no Bundle: {problem}"), True
    identifiers = _identifiers(bundle)
    if not identifiers:
        return Outcome(delivery, Verdict.NEVER, NO_PATIENT), True
    try:
        answer = _post(server, content)
    except Unreached as problem:
        return Outcome(delivery, Verdict.AWAY, str(problem)), False
    except Interrupted as problem:
        return Outcome(delivery, Verdict.AWAY, str(problem), unsure=True), False
    except Unanswered as problem:
        return Outcome(delivery, Verdict.LATER, str(problem), unsure=True), False
    return _judge(delivery, answer, len(bundle["entry"]), identifiers)


def _post(server: _Server, content: bytes) -> Answer:
    headers = _JSON | {"Content-Type": FHIR_JSON, "Prefer": "return=minimal"}
    return server.request("POST", "", headers, (content,))


def _identifiers(bundle: Mapping[str, Any]) -> set[str]:
    """Return the values by which the Bundle names patient and order; empty where it names no patient."""
    resources = [entry["resource"] for entry in bundle["entry"]]
    patients = {each["subject"].get("identifier", {}).get("value") for each in resources if "subject" in each}
    orders = {
        order["identifier"]["value"] for each in resources for order in each.get("basedOn", ()) if order
    }
    named = patients - {None, ""}
    return named | orders if named else set()


def _judge(
    delivery: PendingDelivery, answer: Answer, entries: int, identifiers: set[str]
) -> tuple[Outcome, bool]:
    """Tell what an answer means; success needs that of every entry."""
    words = _Words(delivery, answer, identifiers)
    if answer.is_success:
        return _judge_entries(words, entries)
    if answer.status == HTTPStatus.NOT_FOUND and objection_in(answer.content) is None:
        return words.outcome(Verdict.AWAY, "nothing FHIR is there; correct the url"), False
    if answer.status in _NEVER and answer.page:  # a proxy's, as to a client without the right certificate
        return words.outcome(Verdict.LATER, answer.page), True
    if answer.status in _NEVER or answer.status in _LATER:
        return words.about_the_bundle(answer.status, objection_in(answer.content)), True
    if answer.redirection:
        return words.outcome(Verdict.AWAY, answer.redirection), False
    verdict = Verdict.LATER if answer.status in _BROKEN else Verdict.AWAY
    is_broken = verdict is Verdict.LATER
    return words.outcome(verdict, sentence_of(objection_in(answer.content)), unsure=is_broken), False


def _judge_entries(words: _Words, entries: int) -> tuple[Outcome, bool]:
    try:
        found = statuses_in(words.answer.content)
    except Unreadable as problem:
        return words.outcome(Verdict.LATER, f"but {problem}", unsure=True), False
    failed = [(status, objection) for status, objection in found if not 200 <= status < 300]
    if failed:
        return words.about_the_bundle(*failed[0]), True
    if len(found) != entries:
        told = f"but it answers {len(found)} of {entries} entries"
        return words.outcome(Verdict.LATER, told, unsure=True), True
    return Outcome(words.delivery, Verdict.DELIVERED), True


class _Words:
    """Says what a server answered, without the patient."""

    def __init__(self, delivery: PendingDelivery, answer: Answer, identifiers: set[str]) -> None:
        self.delivery = delivery
        self.answer = answer
        self._identifiers = identifiers

    def about_the_bundle(self, status: int, objection: Mapping[str, Any] | None) -> Outcome:
        """Return the outcome of a Bundle that was refused with a status, of the answer or of an entry."""
        told = sentence_of(objection)
        if status == HTTPStatus.PRECONDITION_FAILED:
            told = "; ".join(filter(None, [SEVERAL_MATCH, told]))
        stated = told if status == self.answer.status else f"an entry is answered {status}: {told}"
        verdict = Verdict.NEVER if status in _NEVER else Verdict.LATER
        return self.outcome(verdict, stated)

    def outcome(self, verdict: Verdict, told: str, *, unsure: bool = False) -> Outcome:
        """Return an outcome that names the answer."""
        stated = f"{self.answer}: {told}" if told else str(self.answer)
        words = redacted(stated, self._identifiers | _patient_of(self.delivery))
        return Outcome(
            self.delivery, verdict, words, unsure=unsure, retry_after=self.answer.retry_after_seconds
        )


def _patient_of(delivery: PendingDelivery) -> set[str]:
    """Return ID and name of the image's patient: the server may know more than the Bundle says."""
    subject = subject_of(delivery.source_path)
    parts = subject.patient_name.replace("=", "^").split("^")
    return {subject.patient_id, subject.accession_number, *parts} - {""}
