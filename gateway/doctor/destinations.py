"""Where results go: is it there, does it know us, does it take what we send. Nothing is stored."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification  # type: ignore[attr-defined]

from gateway.configuration.routing import gaps
from gateway.deliver.association import Association
from gateway.deliver.http import Answer, Unanswered, Unreached, WebClient
from gateway.deliver.part_10 import Content
from gateway.deliver.storage_scu import (
    DicomNode,
    NotNow,
    Unsupported,
    associate,
    context_for,
    node_of,
    verify,
)
from gateway.deliver.web_data_set import Unreadable, data_sets_of
from gateway.doctor.finding import Finding, doubtful, good, wrong
from gateway.doctor.storage import existing
from gateway.errors import ConfigurationError, Retry
from gateway.results.structured_report import SOP_CLASS
from gateway.settings import DicomDestination, FolderDestination, Settings, StowDestination

ADVICE = {
    "Called AE title not recognised": "here: ae_title of this destination; there: what it calls itself",
    "Calling AE title not recognised": "there: make {us} known as a node, with this machine's address",
    "certificate": "here: the destination's tls or ca; there: its certificate, and whom it trusts",
    "the host is not known": "here: the destination's host, or the DNS",
    "speaks TLS": "here: give the destination its tls, or the port that takes plain DICOM",
    "during the TLS handshake": "here: does the destination's tls fit the port?",
    "before it answered": "here: tls, if it wants that; there: it must know {us} with this machine's address",
    "TLS": "here: does the destination's tls or url fit the port? there: TLS 1.2 or later",
    "nothing answers": "there: is it running and listening there? here: host and port; between: the firewall",
}
ASK = "there: its log says why; it must know {us} with this machine's address"


def destinations(settings: Settings) -> Iterator[Finding]:
    """Look at each destination in turn, and for one that no route leads to."""
    routed = {name for route in settings.routes for name in route.to}
    for destination in settings.destinations:
        what = f"destination {destination.name}"
        match destination:
            case FolderDestination():
                yield _folder(what, destination)
            case DicomDestination():
                yield from _node(what, destination, settings)
            case StowDestination():
                yield _server(what, destination)
        if destination.name not in routed:
            yield doubtful(what, "no route leads to it", "here: name it under routes")


def routes(settings: Settings) -> Iterator[Finding]:
    """Look for senders whose results would go nowhere."""
    for sender in gaps(settings):
        advice = "here: state one under routes; until then answers are kept, and delivered nowhere"
        yield doubtful("routes", f"there is none for {sender}", advice)


def _folder(what: str, folder: FolderDestination) -> Finding:
    there = existing(folder.path)
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            os.fsync(file.fileno())
    except OSError as error:
        told = f"{folder.path} cannot be written: {error.strerror}"
        return wrong(what, told, "here: give this user the right to write there")
    return good(what, f"{folder.path} can be {'written' if there == folder.path else 'made'}")


def _node(what: str, destination: DicomDestination, settings: Settings) -> Iterator[Finding]:
    node = node_of(destination, settings.scp.ae_title)
    wanted = _wanted(destination, settings)
    try:
        with associate(node, [_explicit(uid) for uid in [Verification, *wanted]]) as assoc:
            yield _echo(what, node, assoc)
    except (Retry, Unsupported, ConfigurationError) as problem:
        yield wrong(what, str(problem), advice_for(str(problem), node.calling_ae_title))
        return
    for sop_class_uid, advice in wanted.items():
        yield _takes(what, assoc, sop_class_uid, advice)


def _explicit(sop_class_uid: str) -> Content:
    return Content(sop_class_uid, ExplicitVRLittleEndian)


def _takes(what: str, assoc: Association, sop_class_uid: str, advice: str) -> Finding:
    name = UID(sop_class_uid).name
    try:
        context_for(assoc, _explicit(sop_class_uid))
    except Unsupported:
        return wrong(what, f"does not take {name}", advice)
    except NotNow as problem:
        return wrong(what, f"does not take {name} now: {problem}", advice)
    return good(what, f"takes {name}")


def _wanted(destination: DicomDestination, settings: Settings) -> dict[str, str]:
    """Return the SOP classes that the destination must take, each with what to do if it does not."""
    report = SOP_CLASS[settings.results.sr]
    other = "; here: results.sr: comprehensive" if settings.results.sr == "comprehensive-3d" else ""
    wanted = {str(report): f"there: allow {report.name} from this gateway{other}"}
    if settings.results.secondary_capture:
        advice = "there: allow Secondary Capture Image Storage; here: results.secondary_capture: false"
        wanted[str(SecondaryCaptureImageStorage)] = advice
    if destination.storage_commitment:
        advice = "there: enable Storage Commitment; here: storage_commitment: false"
        wanted[str(StorageCommitmentPushModel)] = advice
    return wanted


def _echo(what: str, node: DicomNode, assoc: Association) -> Finding:
    try:
        status = verify(assoc)
    except (Unsupported, NotNow):
        told = f"{node} takes associations, but no C-ECHO"
        return doubtful(
            what, told, "nothing, if its maker says so: a Storage SCP should support Verification"
        )
    if status == 0x0000:
        return good(what, f"{node} answers C-ECHO")
    return doubtful(what, f"{node} answers C-ECHO with 0x{status:04X}", "there: see its log")


def advice_for(problem: str, us: str) -> str:
    """Return what to change, and on which side, for what an association or a request ended with."""
    return next((advice for words, advice in ADVICE.items() if words in problem), ASK).format(us=us)


def _server(what: str, server: StowDestination) -> Finding:
    """Search for one study (QIDO-RS): that shows address, trust and credentials, and stores nothing."""
    try:
        answer = WebClient(server).request("GET", "/studies?limit=1", {"Accept": "application/dicom+json"})
    except Unreached as problem:
        return wrong(what, str(problem), advice_for(str(problem), ""))
    except Unanswered as problem:
        return wrong(
            what, str(problem), "here: the url and its port; there: its log, and that of a proxy before it"
        )
    if not answer.is_success:
        return _refused(what, answer)
    try:
        data_sets_of(answer.content)
    except Unreadable as problem:
        return wrong(
            what, f"{answer}, but {problem}", "here: the url; it must lead to DICOMweb, as /dicom-web"
        )
    return good(what, f"{server.url} answers a search")


def _refused(what: str, answer: Answer) -> Finding:
    if answer.status in (401, 403):
        advice = "here: username and password, or bearer_token; there: this user's rights"
        return wrong(what, str(answer), advice)
    if answer.status == 404:
        return wrong(what, str(answer), "here: the url's path, as /dicom-web; there: is DICOMweb enabled?")
    if answer.location:
        return wrong(what, f"{answer}, to {answer.location}", "here: the url, as redirects are not followed")
    return doubtful(what, f"{answer} to a search", "nothing, if it only stores: STOW-RS itself is not tried")
