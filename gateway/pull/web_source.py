"""A DICOMweb server as a source: QIDO-RS searches (PS3.18 10.6), WADO-RS gives instance by instance (10.4).

An instance is asked for in the coding that it has there (`transfer-syntax=*`); a server that transcodes it
all the same gives other bytes with the same pixels, which are answered once. Answers are files on disk first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from mmap import ACCESS_READ, mmap
from pathlib import Path
from tempfile import TemporaryFile
from typing import TypeVar
from urllib.parse import quote, urlencode, urlsplit

from pydicom.datadict import tag_for_keyword

from gateway.client.exchange import Interrupted, TooLarge, Unanswered, Unreached
from gateway.client.http import Answer, Download, WebClient
from gateway.client.web_data_set import DataSet, Unreadable, data_sets_of, texts
from gateway.dicom.statuses import Refuse, Status
from gateway.errors import Retry
from gateway.files.folders import make_folder
from gateway.pull import answers
from gateway.pull.multipart import part_10_in
from gateway.pull.query import Found, FoundSeries, Query, date_range, time_range
from gateway.pull.source import NoRoom, SourceAway
from gateway.receive.data_set import Header
from gateway.receive.incoming import Sender
from gateway.receive.intake import Intake
from gateway.receive.part_10 import ArrivedFile
from gateway.settings import WebSource
from gateway.store.entries import FoundInstance, FoundStudy
from gateway.telemetry.audit import trail
from gateway.telemetry.audit.message import Asked
from gateway.upper_layer.messages import MAX_MESSAGE_BYTES

PAGE = 100
"""Answers that are asked for at once."""

MAX_STUDIES, MAX_SERIES, MAX_INSTANCES = 2000, 1000, 2000

_MAX_PAGE_BYTES = 8 << 20
_MORE = "299"  # of the header Warning: results remain (PS3.18 8.3.4.4)
_JSON = {"Accept": "application/dicom+json"}
_FILE = 'multipart/related; type="application/dicom"'
_ABOUT_THE_SERVER = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
}
_AnswerT = TypeVar("_AnswerT", FoundStudy, FoundSeries, FoundInstance)


@dataclass(frozen=True, slots=True)
class _Page:
    """A page of answers, or none where there are more than the server gives (413), or than are read."""

    data_sets: Sequence[DataSet] = ()
    says_more: bool = False
    is_cut: bool = False


class WebArchive:
    """A DICOMweb server that is searched.

    Parameters
    ----------
    called_ae_title
        The gateway's AE title: HTTP has none.
    uploads
        Folder for files that are on their way.
    """

    arrival_seconds = 0.0

    def __init__(self, settings: WebSource, called_ae_title: str, intake: Intake, uploads: Path) -> None:
        self.name = settings.name
        self._settings = settings
        self._intake = intake
        self._uploads = uploads
        host = urlsplit(settings.url).hostname or ""
        self._sender = Sender(settings.ae_title, called_ae_title, host[:64], pulled_from=settings.name)

    @contextmanager
    def session(self, stopping: threading.Event) -> Iterator[WebSession]:
        """Open a run of questions; each is a request of its own."""
        make_folder(self._uploads)
        client = WebClient(self._settings, stopping)
        yield WebSession(client, self._settings, self._intake, self._sender, self._uploads)


class WebSession:
    """A run of questions to one server."""

    def __init__(
        self, client: WebClient, settings: WebSource, intake: Intake, sender: Sender, uploads: Path
    ) -> None:
        self._client = client
        self._settings = settings
        self._intake = intake
        self._sender = sender
        self._uploads = uploads

    def studies(self, query: Query) -> Found:
        """Return the studies that match; see `Session`."""
        keys = {
            "StudyDate": date_range(query),
            "StudyTime": time_range(query),
            "AccessionNumber": query.accession_number,
            "PatientID": query.patient_id,
            "StudyInstanceUID": query.study_instance_uid,
        }
        fields = (
            "StudyTime",
            "ModalitiesInStudy",
            "NumberOfStudyRelatedInstances",
            "PatientID",
            "AccessionNumber",
        )
        read = partial(answers.study_in, query=query)
        found, is_cut = self._search("/studies", keys, fields, read, MAX_STUDIES)
        return Found(tuple(found.values()), len(found), is_cut)

    def series(self, study_instance_uid: str) -> list[FoundSeries]:
        """Return the series of a study; see `Session`."""
        read = partial(answers.series_in, study_instance_uid=study_instance_uid)
        fields = ("BodyPartExamined", "SeriesDescription")
        path = f"/studies/{quote(study_instance_uid)}/series"
        found, is_cut = self._search(path, {}, fields, read, MAX_SERIES)
        _check_whole(is_cut, f"more than {MAX_SERIES} series in the study")
        return list(found.values())

    def instances(self, study_instance_uid: str, series_instance_uid: str) -> list[FoundInstance]:
        """Return the instances of a series; see `Session`."""
        asked = {"StudyInstanceUID": study_instance_uid, "SeriesInstanceUID": series_instance_uid}
        path = f"/studies/{quote(study_instance_uid)}/series/{quote(series_instance_uid)}/instances"
        read = partial(answers.instance_in, keys=asked)
        found, is_cut = self._search(path, {}, (), read, MAX_INSTANCES)
        _check_whole(is_cut, f"more than {MAX_INSTANCES} instances in a series")
        return list(found.values())

    def fetch(self, study_instance_uid: str, wanted: Sequence[FoundInstance], *, one_by_one: bool) -> str:
        """Fetch instances; see `Session`. Each is a request of its own in any case."""
        del one_by_one
        problems = []
        for each in wanted:
            try:
                self._fetch(study_instance_uid, each)
            except (SourceAway, NoRoom, Interrupted):
                raise
            except Retry as problem:
                problems.append(str(problem))
        return "; ".join(dict.fromkeys(problems))

    # --- searches

    def _search(
        self,
        path: str,
        keys: Mapping[str, str | None],
        fields: Sequence[str],
        read: Callable[[answers.Told], _AnswerT | None],
        most: int,
    ) -> tuple[dict[str, _AnswerT], bool]:
        """Return the answers of all pages by UID, and whether they were broken off as too many."""
        stated: list[tuple[str, str]] = [(keyword, value) for keyword, value in keys.items() if value]
        stated += [("includefield", _tag(keyword)) for keyword in fields]
        found: dict[str, _AnswerT] = {}
        offset = 0
        while offset <= most:
            page = self._page(f"{path}?{urlencode([*stated, ('limit', PAGE), ('offset', offset)], safe=',')}")
            before = len(found)
            for data_set in page.data_sets:
                answer = read(partial(_values, data_set))
                if answer is not None:
                    found.setdefault(_uid_of(answer), answer)
            if page.is_cut:
                return found, True
            if len(found) == before:
                return found, page.says_more and bool(page.data_sets)
            offset += len(page.data_sets)
        return found, True

    def _page(self, path: str) -> _Page:
        """Ask for a page; `Retry` where the server cannot answer this question."""
        resource, _, query = path.partition("?")
        url = self._settings.url.rstrip("/")
        asked = Asked(f"{url}{resource}", query.encode())
        trail.queried(asked, peer=url, address=urlsplit(url).hostname)
        with TemporaryFile(dir=self._uploads) as file:
            download = Download(file, _MAX_PAGE_BYTES, 2 * self._settings.timeout_seconds)
            try:
                answer = self._ask(path, _JSON, download)
            except TooLarge:
                return _Page(is_cut=True)
            if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                return _Page(is_cut=True)
            if not answer.is_success:
                raise Retry(_refusal(answer))
            file.seek(0)
            try:
                data_sets = data_sets_of(file.read())
            except Unreadable as problem:
                raise Retry(f"{answer.url}: {problem}") from None
            return _Page(data_sets, says_more=answer.headers.get("warning", "").startswith(_MORE))

    # --- instances

    def _fetch(self, study_instance_uid: str, wanted: FoundInstance) -> None:
        path = "/".join(
            (
                f"/studies/{quote(study_instance_uid)}",
                f"series/{quote(wanted.series_instance_uid)}",
                f"instances/{quote(wanted.sop_instance_uid)}",
            )
        )
        with TemporaryFile(dir=self._uploads) as file:
            download = Download(file, MAX_MESSAGE_BYTES, self._settings.retrieve_timeout_seconds)
            answer = self._ask(path, {"Accept": f"{_FILE}; transfer-syntax=*"}, download)
            if answer.status == HTTPStatus.NOT_ACCEPTABLE:
                answer = self._ask(path, {"Accept": _FILE}, download)
            if not answer.is_success:
                raise Retry(_refusal(answer))
            file.flush()
            if not file.tell():
                raise Retry(f"{answer.url}: the answer is empty")
            mapped = mmap(file.fileno(), 0, access=ACCESS_READ)  # closed with the last view of it
            begin, end = part_10_in(mapped, answer.content_type)
            self._keep(memoryview(mapped)[begin:end], study_instance_uid, wanted)

    def _keep(self, content: memoryview, study_instance_uid: str, wanted: FoundInstance) -> None:
        try:
            self._intake.keep(_AskedFor(content, self._sender, study_instance_uid, wanted.sop_instance_uid))
        except Refuse as refusal:
            if refusal.status is Status.OUT_OF_RESOURCES:
                raise NoRoom(refusal.reason) from None
            raise Retry(f"the gateway refused an object: {refusal.status} {refusal.reason}") from None

    def _ask(self, path: str, headers: Mapping[str, str], download: Download) -> Answer:
        try:
            answer = self._client.request("GET", path, headers, download=download)
        except (Interrupted, TooLarge):
            raise
        except (Unreached, Unanswered) as problem:
            raise SourceAway(str(problem)) from None
        if answer.status in _ABOUT_THE_SERVER:
            raise SourceAway(str(answer), answer.retry_after_seconds)
        if (
            answer.status == HTTPStatus.BAD_REQUEST and answer.page
        ):  # of a proxy that takes no client like this
            raise SourceAway(f"{answer}: {answer.page}")
        return answer


class _AskedFor(ArrivedFile):
    """A file that must be the instance that was asked for."""

    def __init__(self, content: memoryview, sender: Sender, study: str, instance: str) -> None:
        super().__init__(content, sender)
        self._asked = study, instance

    def check(self, header: Header) -> None:
        super().check(header)
        if (header.study_instance_uid, header.sop_instance_uid) != self._asked:
            raise Refuse(Status.SOP_CLASS_MISMATCH, "the instance is another one than was asked for")


def _refusal(answer: Answer) -> str:
    return f"{answer}: {answer.redirection}" if answer.redirection else str(answer)


def _values(data_set: DataSet, keyword: str) -> list[str]:
    return [each for each in texts(data_set, _tag(keyword)) if each]


def _tag(keyword: str) -> str:
    tag = tag_for_keyword(keyword)
    assert tag is not None  # noqa: S101 - of the dictionary
    return f"{tag:08X}"


def _uid_of(answer: FoundStudy | FoundSeries | FoundInstance) -> str:
    match answer:
        case FoundStudy():
            return answer.study_instance_uid
        case FoundSeries():
            return answer.series_instance_uid
        case FoundInstance():
            return answer.sop_instance_uid


def _check_whole(is_cut: bool, told: str) -> None:
    if is_cut:
        raise Retry(f"the source names {told}; a study of that size is not fetched")
