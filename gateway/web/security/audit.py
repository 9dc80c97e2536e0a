"""Audits the pages: what was viewed, listed, searched for and exported, and sign-ins that were refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import Lock
from time import monotonic

from starlette.requests import Request

from gateway.records import Patient
from gateway.store.queries.views import ImageView
from gateway.telemetry.audit import trail
from gateway.telemetry.audit.message import Person, Subject
from gateway.telemetry.audit.subject import subject_of
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event
from gateway.web.bounded import Bounded
from gateway.web.security.access import client_of

ANYBODY = "anybody on this machine"  # the reader without authentication in the settings

LOOK_SECONDS = 3600.0
"""A reader who goes on looking at a list that renews itself has looked at a patient once an hour."""
_MOST_LOOKS = 100_000


class Looks:
    """Looks at patients in the worklist and searches for them; a list that renews itself tells hourly."""

    def __init__(self) -> None:
        self._seen = Bounded[tuple[str, str, str, str], float](_MOST_LOOKS)
        self._lock = Lock()

    def record_searched(self, request: Request, question: str, *, renewed: bool) -> None:
        """Record that a reader searched for a patient (PS3.15 A.5.3, Query), or still does (`renewed`)."""
        user, address = _reader(request), client_of(request)
        is_new = self._is_new((user, address, "", question))
        if is_new or not renewed:
            trail.searched(question, user=user, address=address)

    def record_shown(self, request: Request, shown: Iterable[Patient]) -> None:
        """Record that a reader saw who these patients are (PS3.15 A.5.3, Patient Record)."""
        user, address = _reader(request), client_of(request)
        for patient in shown:
            if self._is_new((user, address, patient.patient_id or "-", patient.name)):
                trail.patient_shown(Person(patient.patient_id, patient.name), user=user, address=address)

    def _is_new(self, look: tuple[str, str, str, str]) -> bool:
        with self._lock:
            since = self._seen.get(look)
            if since is not None and monotonic() - since < LOOK_SECONDS:
                return False
            self._seen[look] = monotonic()
            return True


def record_viewed(request: Request, image: ImageView) -> None:
    """Record that a reader opened the report of an image (PS3.15 A.5.3, Instances Accessed)."""
    _log(Event.VIEWED, request, image)
    trail.viewed(subject_of(image.source), user=_reader(request), address=client_of(request))


def record_exported(request: Request, image: ImageView, what: str) -> None:
    """Record that a reader downloaded an object of an image (PS3.15 A.5.3, Export)."""
    _log(Event.EXPORTED, request, image, what=what)
    subject = subject_of(image.source)
    url = f"{client_of(request)}{request.url.path}"
    trail.exported(subject, destination=url, user=_reader(request), address=client_of(request))


def record_study_exported(request: Request, study_instance_uid: str, subject: Subject) -> None:
    """Record that a reader downloaded a study as a whole (PS3.15 A.5.3, Export)."""
    reader, address = _reader(request), client_of(request)
    log_event(
        Event.EXPORTED, study_instance_uid=study_instance_uid, reader=reader, address=address, what="zip"
    )
    url = f"{address}{request.url.path}"
    trail.exported(subject, destination=url, user=reader, address=address)


def record_list_exported(request: Request, rows: int, fields: Mapping[str, str]) -> None:
    """Record that a reader downloaded the worklist (PS3.15 A.5.3, Export); `Looks` records whom it shows."""
    reader, address = _reader(request), client_of(request)
    log_event(Event.EXPORTED, reader=reader, address=address, what="csv", rows=rows)
    told = f"{rows} images {in_words(fields)}"
    url = f"{address}{request.url.path}"
    trail.list_exported(destination=url, user=reader, address=address, told=told)


def record_requeued(request: Request, event: Event, count: int, which: str) -> None:
    """Record that a person had many images begin anew at once (PS3.15 A.5.3, Instances Accessed)."""
    reader, address = _reader(request), client_of(request)
    log_event(event, reader=reader, address=address, images=count)
    trail.requeued(user=reader, address=address, told=f"{event.replace('_', ' ')}: {count} images {which}")


def record_asked_again(request: Request, source: str, study_instance_uid: str) -> None:
    """Log that a person has a study of a source fetched again; its images are audited as they come."""
    about = {"source": source, "study_instance_uid": study_instance_uid}
    log_event(Event.STUDY_ASKED_AGAIN, **about, reader=_reader(request), address=client_of(request))


def record_turned_away(request: Request, name: str) -> None:
    """Record a wrong password or token (PS3.15 A.5.3, Security Alert)."""
    log_event(Event.SIGN_IN_REFUSED, reader=name or None, address=client_of(request))
    trail.rejected(peer=name, peer_address=client_of(request), why="wrong password or token")


def in_words(fields: Mapping[str, str]) -> str:
    """Return the filters of a search for an audit entry."""
    return ", ".join(f"{name} {value}" for name, value in fields.items()) or "of all"


def _log(event: Event, request: Request, image: ImageView, **data: str) -> None:
    log_event(
        event,
        sop_instance_uid=image.sop_instance_uid,
        study_instance_uid=image.study_instance_uid,
        reader=_reader(request),
        address=client_of(request),
        **data,
    )


def _reader(request: Request) -> str:
    return getattr(request.state, "reader", "") or ANYBODY
