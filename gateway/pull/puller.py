"""The puller: searches a source, and takes each study from found to complete, or gives it up with a list.

The role `pull` and `gateway pull` drive one for each source. Whatever ends the process, the next one goes on
from the rows: a study is listed before it is asked for, and complete only by the received rows of what was
listed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic

from gateway.dicom.statuses import Refuse
from gateway.errors import Retry
from gateway.pull.query import Found, Query
from gateway.pull.selection import Selection
from gateway.pull.source import NoRoom, Session, Source, SourceAway
from gateway.receive.capacity import Capacity
from gateway.records import Reason
from gateway.settings import SourceRules
from gateway.store.entries import FoundInstance, FoundStudy, Pull, PullState
from gateway.store.pulls import Pulls
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event

ROOM_SECONDS = 60.0
"""Time after which a study is tried again that the gateway had no room for."""

MAX_QUESTIONS = 300
"""Questions of one search, after which no period is divided any more: a source may ignore periods."""

SHIFT_SECONDS = 30.0
"""Time after which another process of this gateway may have its turn at the source."""

YIELD_SECONDS = 1.0
"""Pause in which it takes its turn; for longer ones of the throttle the association is released."""

_POLL_SECONDS = 0.25  # interval of looking for images that arrive later


@dataclass
class Listing:
    """The instances of a study: those that are wanted, and the number of refused ones by reason."""

    wanted: list[FoundInstance] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)

    @property
    def why_nothing(self) -> str:
        """Return the reasons for which nothing is wanted."""
        return ", ".join(sorted(self.refused))

    def refuse(self, reason: Reason) -> None:
        """Count one series or instance that is not wanted."""
        self.refused[reason] = self.refused.get(reason, 0) + 1


class Puller:
    """Searches and fetches from one source.

    Parameters
    ----------
    source
        Is asked.
    rules
        Its attempts and throttle.
    selection
        Chooses what is fetched.
    pulls
        The rows of its studies.
    capacity
        The gateway's own limits on disk and queue.
    turn
        Holds the turn at the source: one process of this machine asks it at a time.
    stopping
        Once set, nothing more is begun, and an exchange under way ends within seconds.
    """

    def __init__(
        self,
        source: Source,
        rules: SourceRules,
        selection: Selection,
        pulls: Pulls,
        capacity: Capacity,
        turn: Callable[[], AbstractContextManager[None]],
        stopping: threading.Event,
    ) -> None:
        self.name = source.name
        self._source = source
        self._rules = rules
        self._selection = selection
        self._pulls = pulls
        self._capacity = capacity
        self._turn = turn
        self._stopping = stopping
        self._next_study_at = 0.0

    # --- searches

    def search(self, query: Query) -> list[FoundStudy]:
        """Return the studies that match and may hold radiographs; periods are halved while answers seem cut.

        Raises
        ------
        Retry
            If the source is away or fails to answer.
        """
        found: dict[str, FoundStudy] = {}
        try:
            with self._turn(), self._source.session(self._stopping) as session:
                for part in self._parts(session, query):
                    found |= {each.study_instance_uid: each for each in part.studies}
        except Retry as away:
            log_event(Event.SOURCE_AWAY, source=self.name, reason=str(away))
            raise away if isinstance(away, SourceAway) else SourceAway(str(away)) from None
        return [each for each in found.values() if self._selection.refuse_study(each) is None]

    def find(
        self, query: Query, *, listed_before: datetime | None = None, by_hand: bool = False
    ) -> tuple[int, list[str]]:
        """Search and record; return how many studies may hold radiographs, and the UIDs of those that are
        due.

        Raises
        ------
        Retry
            As `search`, or if the database is away.
        """
        found = self.search(query)
        due = self._pulls.record_found(self.name, found, listed_before=listed_before, by_hand=by_hand)
        log_event(Event.SOURCE_SEARCHED, source=self.name, studies=len(found), due=len(due))
        return len(found), due

    def _parts(self, session: Session, query: Query) -> Iterator[Found]:
        """Yield the answers to a question, and to the halves of its period where they seem cut."""
        queries, asked = [query], 0
        while queries:
            question = queries.pop()
            found = session.studies(question)
            asked += 1
            yield found
            if not found.seems_cut:
                continue
            halves = question.period.halves() if question.period is not None else ()
            if halves and asked < MAX_QUESTIONS:
                queries += [question.within(half) for half in reversed(halves)]
            elif found.is_cut or question.period is not None:
                log_event(Event.SEARCH_CUT, source=self.name, studies=found.answers)

    # --- a look without a trace

    def look_into(self, study_instance_uid: str) -> Listing:
        """Return what a study holds, and record nothing; `Retry` as `search`."""
        with self._turn(), self._source.session(self._stopping) as session:
            return self._list(session, study_instance_uid)

    # --- fetching

    def run(
        self,
        done: Callable[[Pull], None] = lambda _: None,
        studies: Collection[str] | None = None,
        *,
        may_go_on: Callable[[], bool] = lambda: True,
    ) -> None:
        """Take every study that is due in hand, one after the other.

        Parameters
        ----------
        done
            Told of each study after an attempt.
        studies
            Only these, each once; None: all that are due.
        may_go_on
            Asked before each study.

        Raises
        ------
        SourceAway, NoRoom
            If the source takes nothing now, or the gateway has no room; the study in hand waits.
        Retry
            If the database is away.
        """
        claims = self._claims(studies)
        pause = self._pause()
        while not self._stopping.wait(pause) and may_go_on():
            with self._turn(), self._source.session(self._stopping) as session:
                if not self._shift(session, claims, done, may_go_on):
                    return
            pause = max(self._pause(), YIELD_SECONDS)

    def _shift(
        self,
        session: Session,
        claims: Iterator[Pull],
        done: Callable[[Pull], None],
        may_go_on: Callable[[], bool],
    ) -> bool:
        """Take studies in hand for a while; return whether more may be due."""
        end = monotonic() + SHIFT_SECONDS
        while monotonic() < end and (pause := self._pause()) < YIELD_SECONDS:
            if self._stopping.wait(pause) or not may_go_on():
                return False
            pull = next(claims, None)
            if pull is None:
                return False
            if self._rules.studies_per_minute is not None:
                self._next_study_at = monotonic() + 60 / self._rules.studies_per_minute
            done(self._take(session, pull))
        return True

    def _claims(self, studies: Collection[str] | None) -> Iterator[Pull]:
        if studies is not None:
            yield from filter(None, (self._pulls.claim(self.name, uid) for uid in studies))
            return
        while pull := self._pulls.claim(self.name):
            yield pull

    def _pause(self) -> float:
        """Return for how many seconds the throttle lets no study begin."""
        return max(0.0, self._next_study_at - monotonic())

    def _take(self, session: Session, pull: Pull) -> Pull:
        """Bring one study as far as it goes now."""
        if pull.attempts >= self._rules.attempts:
            return self._settle(pull, "the gateway ended whenever it was asked for")
        problem, is_listed = "", False
        try:
            self._capacity.check()
            listing = self._list(session, pull.study_instance_uid)
            if not listing.wanted and listing.refused:
                return self._told(self._pulls.refuse(pull, listing.why_nothing))
            missing = self._pulls.record_listed(pull, listing.wanted)
            is_listed = bool(listing.wanted)
            problem = "" if is_listed else "the source names no series of it, or no instance"
            if missing:
                problem = self._fetch(session, pull, missing)
        except SourceAway as away:
            log_event(Event.SOURCE_AWAY, source=self.name, reason=str(away))
            seconds = 0.0 if self._stopping.is_set() else self._rules.first_retry_seconds
            self._pulls.put_back(pull, str(away), seconds)  # it may fail at that study: the others come first
            raise
        except (NoRoom, Refuse) as full:
            self._pulls.put_back(pull, str(full), ROOM_SECONDS)
            raise NoRoom(str(full)) from None
        except Retry as failure:
            if self._stopping.is_set():
                return self._pulls.put_back(pull, "the gateway stopped")
            problem = str(failure)
        return self._settle(pull, problem, is_listed=is_listed)

    def _list(self, session: Session, study_instance_uid: str) -> Listing:
        listing = Listing()
        for series in session.series(study_instance_uid):
            reason = self._selection.refuse_series(series)
            if reason is not None:
                listing.refuse(reason)
                continue
            for instance in session.instances(study_instance_uid, series.series_instance_uid):
                unwanted = self._selection.refuse_instance(instance)
                if unwanted is None:
                    listing.wanted.append(instance)
                else:
                    listing.refuse(unwanted)
        return listing

    def _fetch(self, session: Session, pull: Pull, missing: list[FoundInstance]) -> str:
        problem = session.fetch(pull.study_instance_uid, missing, one_by_one=pull.attempts % 2 == 1)
        self._await_arrival(pull)
        return problem

    def _await_arrival(self, pull: Pull) -> None:
        """Wait for images that the source has sent to the listener."""
        end = monotonic() + self._source.arrival_seconds
        while monotonic() < end and self._pulls.missing(pull) and not self._stopping.wait(_POLL_SECONDS):
            pass

    def _settle(self, pull: Pull, problem: str, *, is_listed: bool = False) -> Pull:
        """Record the end of an attempt."""
        settled = self._pulls.settle(
            pull,
            problem,
            is_listed=is_listed,
            most_attempts=self._rules.attempts,
            first_retry_seconds=self._rules.first_retry_seconds,
        )
        return self._told(settled)

    def _told(self, pull: Pull) -> Pull:
        event = _EVENTS.get(pull.state)
        if event is not None:
            about = {"source": pull.source, "study_instance_uid": pull.study_instance_uid}
            log_event(event, **about, attempts=pull.attempts, reason=pull.detail)
        return pull


_EVENTS = {
    PullState.COMPLETE: Event.STUDY_COMPLETE,
    PullState.PARTIAL: Event.STUDY_PARTIAL,
    PullState.GIVEN_UP: Event.STUDY_GIVEN_UP,
}
