"""Audits the pages: reports that were viewed, objects that were exported, sign-ins that were refused."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request

from gateway.store.queries.views import ImageView
from gateway.telemetry.audit import trail
from gateway.telemetry.audit.message import Subject
from gateway.telemetry.audit.subject import subject_of
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event
from gateway.web.security.access import client_of

ANYBODY = "anybody on this machine"  # the reader without authentication in the settings


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
    """Record that a reader downloaded the worklist, without patients (PS3.15 A.5.3, Export)."""
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
