"""Examines a source for `gateway doctor`: a search and a request to send, for a study that does not exist.

An archive that looks at the destination of C-MOVE only once something matches is found good all the same; the
first real request tells then (`source_away`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import NoReturn

from gateway.dicom.statuses import Refuse, Status
from gateway.doctor.advice import advice_for
from gateway.doctor.finding import Finding, good, wrong
from gateway.errors import Retry
from gateway.pull.kinds import open_source
from gateway.pull.query import Query
from gateway.pull.source import Session, SourceAway
from gateway.pull.statuses import DestinationUnknown
from gateway.receive.intake import Intake
from gateway.settings import DicomSource, Settings
from gateway.settings import Source as SourceSettings
from gateway.store.entries import FoundInstance

NOWHERE = "2.25.178627345098712634509871263450987126345"
"""A UID that names nothing anywhere."""

_ADVICE = {  # by what follows an address; a port or a UID may hold the same digits
    ": 401": "here: username and password, or bearer_token; there: this user's rights",
    ": 403": "here: username and password, or bearer_token; there: this user's rights",
    ": 404": "here: the url's path, as /dicom-web; there: is DICOMweb enabled?",
    "redirects": "here: the url, as redirects are not followed",
    "a web page answered": "here: the url; it must lead to DICOMweb, as /dicom-web",
    "syntax not supported": "there: let {us} search and fetch; here: retrieve: move, if C-GET is refused",
    "not authorised": "there: allow {us} to search and to fetch",
}


class TakesNothing(Intake):
    """An intake that refuses everything: an examination keeps no image."""

    def __init__(self) -> None:
        """Need nothing."""

    def keep(self, *_: object) -> NoReturn:
        """Refuse."""
        raise Refuse(Status.OUT_OF_RESOURCES, "an examination keeps nothing")

    def begin(self, *_: object) -> NoReturn:
        """Refuse."""
        raise Refuse(Status.OUT_OF_RESOURCES, "an examination keeps nothing")


def examine_source(source: SourceSettings, settings: Settings) -> Iterator[Finding]:
    """Yield whether a source is searched, and whether it sends; nothing is fetched."""
    us = settings.scp.ae_title
    title = f"source {source.name}"
    with open_source(source, settings, TakesNothing()).session(threading.Event()) as session:
        try:
            session.studies(Query(study_instance_uid=NOWHERE))
        except Retry as problem:
            yield wrong(title, str(problem), advice_on(str(problem), us))
            return
        yield good(title, "answers a search")
        if isinstance(source, DicomSource):
            yield _sending(session, source, settings, title)


def _sending(session: Session, source: DicomSource, settings: Settings, title: str) -> Finding:
    us, port = settings.scp.ae_title, settings.scp.port
    try:
        session.fetch(NOWHERE, [FoundInstance(NOWHERE, NOWHERE)], one_by_one=True)
    except DestinationUnknown as problem:
        advice = (
            f"there: make {us} known as a destination, with this machine's address and port {port};"
            " here: scp.ae_title, or retrieve: get"
        )
        return wrong(title, str(problem), advice)
    except SourceAway as problem:
        return wrong(title, str(problem), advice_on(str(problem), us))
    except Retry as problem:
        return wrong(title, f"a request to send ended: {problem}", advice_on(str(problem), us))
    how = f"by C-MOVE to {us}" if source.retrieve == "move" else "by C-GET"
    return good(title, f"takes requests to send {how}")


def advice_on(problem: str, us: str) -> str:
    """Return what to change, and on which side, for the words in which a request to a source ended."""
    for words, advice in _ADVICE.items():
        if words in problem:
            return advice.format(us=us)
    return advice_for(problem, us).replace("destination", "source")
