"""Results to a DICOMweb server by STOW-RS (PS3.18 10.5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any, cast

import requests
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from urllib3.exceptions import MaxRetryError

from gateway.deliver.c_store import verdict_of
from gateway.deliver.outcome import Outcome, Verdict
from gateway.settings import StowDestination
from gateway.store.entries import PendingDelivery

ABOUT_THE_OBJECT = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.CONFLICT,  # none of the objects was stored
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}
"""Everything else that is no success is about the server: its state, its address, our credentials."""

UNLIMITED = 2**31  # one body with its length: not every server takes chunks


def deliver_by_stow(destination: StowDestination, pending: Sequence[PendingDelivery]) -> Iterator[Outcome]:
    """Send each object in a request of its own, over one connection."""
    client = client_of(destination)
    for number, delivery in enumerate(pending):
        outcome, goes_on = _send(client, delivery)
        yield outcome
        if not goes_on:
            for left in pending[number + 1 :]:
                yield Outcome(left, Verdict.AWAY, outcome.error)
            return


def _send(client: DICOMwebClient, delivery: PendingDelivery) -> tuple[Outcome, bool]:
    """Return what became of the object, and whether the server takes another one."""
    try:
        result = dcmread(delivery.path)
    except InvalidDicomError:
        return Outcome(delivery, Verdict.NEVER, f"{delivery.path}: no longer a DICOM file"), True
    except OSError as error:
        return Outcome(delivery, Verdict.LATER, f"{delivery.path}: {error.strerror or error}"), True
    try:
        answer = client.store_instances([result])
    except requests.HTTPError as error:
        return _refused(delivery, cast(requests.Response, error.response))
    except requests.RequestException as error:
        return _not_answered(delivery, error)
    except OSError as error:  # certificate files that are not there
        return Outcome(delivery, Verdict.AWAY, str(error)), False
    return _judge(delivery, answer), True


def _judge(delivery: PendingDelivery, answer: Dataset) -> Outcome:
    """Read the Store Instances Response Module (PS3.18 10.5.3, PS3.3 C.14)."""
    for item in answer.get("FailedSOPSequence") or ():
        if item.get("ReferencedSOPInstanceUID") == delivery.sop_instance_uid:
            reason = int(item.get("FailureReason") or 0xC000)
            return Outcome(delivery, _never_stored(reason), f"not stored: failure reason 0x{reason:04X}")
    return Outcome(delivery, Verdict.DELIVERED)


def _never_stored(reason: int) -> Verdict:
    """Failure reasons are C-STORE's statuses; an object in the list of failures was not stored."""
    verdict = verdict_of(reason)
    return Verdict.LATER if verdict is Verdict.DELIVERED else verdict


def _refused(delivery: PendingDelivery, response: requests.Response) -> tuple[Outcome, bool]:
    told = f"{response.url}: {response.status_code} {response.reason}".rstrip()
    if response.status_code not in ABOUT_THE_OBJECT:
        return Outcome(delivery, Verdict.AWAY, told), False
    judged = _judge(delivery, _answer_of(response))
    if judged.verdict is Verdict.DELIVERED:  # no reason given
        return Outcome(delivery, Verdict.NEVER, told), True
    return Outcome(delivery, judged.verdict, f"{told}, {judged.error}"), True


def _not_answered(delivery: PendingDelivery, error: requests.RequestException) -> tuple[Outcome, bool]:
    """Without a connection it is nobody's turn; an answer that stays away may be this object's fault."""
    connected = not any(isinstance(cause, MaxRetryError) for cause in error.args)
    connected &= not isinstance(error, requests.ConnectTimeout)
    told = " ".join(str(error).split())
    if "SSLEOFError" in told:  # with TLS 1.3 its alert comes while we send, and is not read
        told += ": the server may have refused our certificate, or want one"
    return Outcome(delivery, Verdict.LATER if connected else Verdict.AWAY, told), False


def _answer_of(response: requests.Response) -> Dataset:
    try:
        return Dataset.from_json(response.json())
    except Exception:  # any server's words about an error
        return Dataset()


def client_of(destination: StowDestination) -> DICOMwebClient:
    """Return a client with the destination's credentials and trust, which tries each request once."""
    session = requests.Session()
    session.max_redirects = 0  # a redirected POST would become a GET, and its 200 look like success
    session.hooks["response"] = [_without_parameters]
    if destination.ca is not None:
        session.verify = str(destination.ca)
        session.trust_env = False  # else REQUESTS_CA_BUNDLE would win
    if destination.certificate is not None:
        session.cert = (str(destination.certificate), str(destination.key))
    if destination.username is not None:
        password = destination.password.get_secret_value() if destination.password else ""
        session.auth = (destination.username, password)
    session.headers["Accept"] = "application/dicom+json"
    if destination.bearer_token is not None:
        session.headers["Authorization"] = f"Bearer {destination.bearer_token.get_secret_value()}"
    client = DICOMwebClient(
        destination.url, session, chunk_size=UNLIMITED, timeout=destination.timeout_seconds
    )
    client.set_http_retry_params(retry=False)  # retrying is the courier's
    return client


def _without_parameters(response: requests.Response, **_: Any) -> None:
    """Leave the bare media type: dicomweb-client ignores answers that come with `; charset=utf-8`."""
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
    response.headers["Content-Type"] = media_type
