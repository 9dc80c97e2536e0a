"""A PACS as a source: C-FIND, and C-GET or C-MOVE, in the Study Root model (PS3.4 Annex C).

Every level is asked with the unique keys of the levels above, and every answer is read within bounds.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from io import BytesIO
from typing import TypeVar

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from gateway.client.connection import Connection
from gateway.dicom import header
from gateway.dicom.transfer_syntaxes import TRANSFER_SYNTAXES
from gateway.errors import Retry
from gateway.pull import answers, identifier
from gateway.pull.query import Found, FoundSeries, Query
from gateway.pull.source import NoRoom, SourceAway
from gateway.pull.statuses import check_found, problem_of_retrieval
from gateway.pull.sub_operations import SubOperations
from gateway.receive.incoming import Sender
from gateway.receive.intake import Intake
from gateway.requestor.message import (
    AFFECTED_SOP_CLASS_UID,
    C_FIND,
    C_GET,
    C_MOVE,
    COMMAND_FIELD,
    MOVE_DESTINATION,
    PRIORITY,
    STATUS,
    Message,
)
from gateway.requestor.negotiation import Proposal
from gateway.requestor.part_10 import Content, DataSet
from gateway.requestor.query_association import PENDING, QueryAssociation
from gateway.requestor.storage_scu import (
    MEDIUM,
    DicomNode,
    NotNow,
    Unsupported,
    context_for,
    open_association,
)
from gateway.settings import DicomSource
from gateway.store.entries import FoundInstance, FoundStudy
from gateway.telemetry.audit import trail
from gateway.telemetry.audit.message import Asked

MAX_STUDIES = 2000
"""Studies that are read of one answer; a longer answer is broken off, and its period divided."""

MAX_SERIES, MAX_INSTANCES = 1000, 2000
"""Series of a study, instances of a series; beyond them the study is not fetched."""

_ODD_ANSWERS = 200  # answers that name nothing that was asked for, beyond which the source makes no sense

FIND: str = StudyRootQueryRetrieveInformationModelFind
GET: str = StudyRootQueryRetrieveInformationModelGet
MOVE: str = StudyRootQueryRetrieveInformationModelMove
_PLAIN = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))
_Answer = TypeVar("_Answer", FoundStudy, FoundSeries, FoundInstance)


class DicomArchive:
    """A PACS that answers queries.

    Parameters
    ----------
    calling_ae_title
        The gateway's AE title, which is also the destination of C-MOVE.
    sop_classes
        What is fetched; C-GET proposes nothing else.
    """

    def __init__(
        self, settings: DicomSource, calling_ae_title: str, intake: Intake, sop_classes: Sequence[str]
    ) -> None:
        self.name = settings.name
        self.arrival_seconds = settings.arrival_seconds if settings.retrieve == "move" else 0.0
        self._settings = settings
        self._us = calling_ae_title
        self._intake = intake
        self._sop_classes = sop_classes
        self._node = DicomNode(
            settings.ae_title,
            settings.host,
            settings.port,
            calling_ae_title,
            settings.timeout_seconds,
            settings.tls,
        )

    @contextmanager
    def session(self, stopping: threading.Event) -> Iterator[DicomSession]:
        """Open a run of questions over one association, which begins with the first."""
        sender = Sender(self._node.ae_title, self._us, self._node.host[:64], pulled_from=self.name)
        with ExitStack() as stack:
            storage = SubOperations(self._intake, sender)
            yield DicomSession(self._settings, self._node, storage, self._proposals(), stack, stopping)

    def _proposals(self) -> dict[int, Proposal]:
        """One context for queries, one to retrieve, and for C-GET one for each coding of each class.

        A context with several codings would leave the choice to the source, which then transcodes, or fails.
        """
        contexts = [Proposal(FIND, _PLAIN)]
        if self._settings.retrieve == "move":
            contexts.append(Proposal(MOVE, _PLAIN))
        else:
            contexts.append(Proposal(GET, _PLAIN))
            contexts += [
                Proposal(sop_class, (syntax,), is_for_storage_here=True)
                for sop_class in self._sop_classes
                for syntax in TRANSFER_SYNTAXES
            ]
        return {2 * number + 1: proposal for number, proposal in enumerate(contexts)}


class DicomSession:
    """A run of questions over one association; one that has ended is replaced at the next question."""

    def __init__(
        self,
        settings: DicomSource,
        node: DicomNode,
        storage: SubOperations,
        proposals: dict[int, Proposal],
        stack: ExitStack,
        stopping: threading.Event,
    ) -> None:
        self._settings = settings
        self._node = node
        self._storage = storage
        self._proposals = proposals
        self._stack = stack
        self._stopping = stopping
        self._assoc: QueryAssociation | None = None

    # --- questions

    def studies(self, query: Query) -> Found:
        """Return the studies that match; see `Session`."""
        read = partial(answers.study_in, query=query)
        found, is_cut, answered = self._find(identifier.study_keys(query), read, MAX_STUDIES)
        return Found(tuple({each.study_instance_uid: each for each in found}.values()), answered, is_cut)

    def series(self, study_instance_uid: str) -> list[FoundSeries]:
        """Return the series of a study; see `Session`."""
        read = partial(answers.series_in, study_instance_uid=study_instance_uid)
        found, is_cut, _ = self._find(identifier.series_keys(study_instance_uid), read, MAX_SERIES)
        _check_whole(is_cut, f"more than {MAX_SERIES} series in the study")
        return list({each.series_instance_uid: each for each in found}.values())

    def instances(self, study_instance_uid: str, series_instance_uid: str) -> list[FoundInstance]:
        """Return the instances of a series; see `Session`."""
        keys = identifier.instance_keys(study_instance_uid, series_instance_uid)
        asked = {"StudyInstanceUID": study_instance_uid, "SeriesInstanceUID": series_instance_uid}
        found, is_cut, _ = self._find(keys, partial(answers.instance_in, keys=asked), MAX_INSTANCES)
        _check_whole(is_cut, f"more than {MAX_INSTANCES} instances in a series")
        return list({each.sop_instance_uid: each for each in found}.values())

    def fetch(self, study_instance_uid: str, wanted: Sequence[FoundInstance], *, one_by_one: bool) -> str:
        """Fetch instances by C-GET or C-MOVE; see `Session`."""
        self._storage.expect(study_instance_uid)
        series = dict.fromkeys(each.series_instance_uid for each in wanted)
        requests = [identifier.retrieve_keys(study_instance_uid, uid) for uid in series]
        if one_by_one:
            requests = [
                identifier.retrieve_keys(study_instance_uid, each.series_instance_uid, each.sop_instance_uid)
                for each in wanted
            ]
        problems = list(dict.fromkeys(filter(None, map(self._retrieve, requests))))
        if self._storage.lacks_room:
            raise NoRoom(f"the gateway has no room now: {self._storage.refused}")
        if self._storage.refused:
            problems.append(f"the gateway refused an object: {self._storage.refused}")
        return "; ".join(problems)

    # --- exchanges

    def _find(
        self, keys: Dataset, read: Callable[[answers.Told], _Answer | None], most: int
    ) -> tuple[list[_Answer], bool, int]:
        """Return the answers of a C-FIND, whether they were broken off as too many, and their number."""
        found: list[_Answer] = []
        odd = 0
        responses, syntax = self._ask(FIND, {COMMAND_FIELD: C_FIND}, keys, self._settings.timeout_seconds)
        for message in responses:
            status = message.command.number(STATUS)
            if status not in PENDING:
                check_found(message.command)
                break
            ds = identifier.decoded(message.data_set, syntax)
            answer = read(partial(header.texts, ds)) if ds is not None else None
            if answer is not None:
                found.append(answer)
            odd += answer is None
            if len(found) + odd > most or (odd > _ODD_ANSWERS and not found):
                responses.close()
                self._drop()
                return found[:most], True, len(found) + odd
        return found, False, len(found) + odd

    def _retrieve(self, keys: Dataset) -> str:
        """Ask to send; return what the source says to be wrong."""
        if self._settings.retrieve == "move":
            model = MOVE
            request: dict[int, int | str] = {
                COMMAND_FIELD: C_MOVE,
                MOVE_DESTINATION: self._node.calling_ae_title,
            }
        else:
            model, request = GET, {COMMAND_FIELD: C_GET}
        responses, _ = self._ask(model, request, keys, self._settings.retrieve_timeout_seconds)
        (last,) = deque(responses, maxlen=1)  # how many come before is the source's choice
        return problem_of_retrieval(last.command)

    def _ask(
        self, model: str, request: dict[int, int | str], keys: Dataset, silence_seconds: float
    ) -> tuple[Generator[Message, None, None], str]:
        assoc = self._association()
        try:
            context_id, syntax = context_for(assoc, Content(model, _PLAIN[0]))
        except (Unsupported, NotNow) as error:
            raise SourceAway(f"{self._node}: {error}") from None
        told = {AFFECTED_SOP_CLASS_UID: model, PRIORITY: MEDIUM, **request}
        body = identifier.encoded(keys, syntax)
        if model == FIND:
            node = self._node
            asked = Asked(model, body, syntax)
            trail.queried(asked, peer=node.ae_title, ae_title=node.ae_title, address=node.host)
        whole = max(silence_seconds, self._settings.retrieve_timeout_seconds)
        responses = assoc.inquire(
            context_id,
            told,
            DataSet(BytesIO(body), len(body)),
            silence_seconds=silence_seconds,
            whole_seconds=whole,
        )
        return responses, syntax

    def _association(self) -> QueryAssociation:
        if self._assoc is not None and self._assoc.still_stands():
            return self._assoc
        self._drop()

        def build(told: str, connection: Connection) -> QueryAssociation:
            return QueryAssociation(told, connection, self._proposals, self._storage)

        try:
            self._assoc = self._stack.enter_context(open_association(self._node, build, self._stopping))
        except (Retry, Unsupported) as error:
            raise SourceAway(str(error)) from None
        return self._assoc

    def _drop(self) -> None:
        self._assoc = None
        self._stack.close()


def _check_whole(is_cut: bool, told: str) -> None:
    if is_cut:
        raise Retry(f"the source names {told}; a study of that size is not fetched")
