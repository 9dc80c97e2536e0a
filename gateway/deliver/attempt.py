"""One attempt at a destination, with what the ledger and the log must know of it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from time import monotonic

from pydicom.uid import generate_uid

from gateway.client.connection import LEAST_BYTES_PER_SECOND
from gateway.deliver.destination import Destination
from gateway.deliver.outcome import Outcome, Verdict
from gateway.errors import Missing, Retry
from gateway.files.page_cache import leave_page_cache
from gateway.peer_text import clean
from gateway.records import DICOM
from gateway.requestor.storage_scu import Unsupported
from gateway.settings import Delivery
from gateway.store.clock import now
from gateway.store.commitments import Commitments
from gateway.store.entries import DeliveryState, PendingDelivery
from gateway.store.objects import Stores
from gateway.store.outbox import Outbox
from gateway.store.session import AuditEntry
from gateway.telemetry.audit import trail
from gateway.telemetry.audit.subject import subject_of
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_bug, log_event

TIMEOUTS_IN_HAND = 3  # connecting, sending, waiting for the answer
ENDED = {Verdict.DELIVERED, Verdict.NEVER}
MISSING_SECONDS = 60.0  # interval of looking for a result that the store does not have
AWAY_SECONDS = 5.0  # of looking for a store that is away
TOGETHER_SECONDS = 0.05  # objects that a destination takes within this time are recorded together
LONGEST_REPORT_SECONDS = 86_400.0  # an archive may commit at night
ATTEMPTS_AT_LEAST = 10  # before anything is given up for its age: clocks jump, machines stand still for days


def delay_seconds(attempts: int, rules: Delivery) -> float:
    """Return how long to wait after so many failed attempts: doubling, bounded, with jitter of ±20 %."""
    return _nominal_delay(attempts, rules) * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load


def _nominal_delay(attempts: int, rules: Delivery) -> float:
    return min(rules.longest_retry_seconds, rules.first_retry_seconds * 2.0 ** min(attempts - 1, 30))


def least_attempts(rules: Delivery, delay: Callable[[int], float] | None = None) -> int:
    """Return how many attempts must have failed besides, where an object is given up for its age.

    The age alone may be a clock's error, or time for which the gateway was off.

    Parameters
    ----------
    delay
        Returns the seconds after so many attempts, where they are not those of `delay_seconds`.
    """
    delay = delay or partial(_nominal_delay, rules=rules)
    within, attempts = 1800 * rules.give_up_after_hours, 1  # half of the time, in seconds
    while attempts < ATTEMPTS_AT_LEAST and (within := within - delay(attempts)) > 0:
        attempts += 1
    return attempts


@dataclass(frozen=True, slots=True)
class InHand:
    """The object that an attempt has in hand, and since when (monotonic seconds)."""

    delivery: PendingDelivery
    since: float


class Attempt:
    """Sends what a destination does not have yet, and asks it to commit what it has.

    Whatever is raised over one object, the others go on; each has its own back-off.

    Parameters
    ----------
    destination
        Takes the results.
    rules
        How long a destination is tried, and how often.
    stores
        Where results lie, which the destination reads as files.
    stopping
        Once set, nothing more is begun, and an exchange under way is ended within seconds.
    """

    def __init__(
        self,
        destination: Destination,
        rules: Delivery,
        outbox: Outbox,
        commitments: Commitments,
        stores: Stores,
        stopping: threading.Event,
    ) -> None:
        self._name = destination.name
        self._destination = destination
        self._rules = rules
        self._outbox = outbox
        self._commitments = commitments
        self._stores = stores
        self._stopping = stopping
        self._delivered: list[PendingDelivery] = []  # and not recorded yet
        self._recorded_at = 0.0  # monotonic seconds
        self.in_hand: InHand | None = None

    def run(self, claimed: Sequence[PendingDelivery]) -> None:
        """Do for each what is due. What is not begun stays as it is."""
        try:
            self._send(self._readable([each for each in claimed if each.state is DeliveryState.PENDING]))
            if not self._stopping.is_set():
                self._ask([each for each in claimed if each.state is DeliveryState.STORED])
        finally:
            self.in_hand = None

    @property
    def hanging(self) -> InHand | None:
        """The object in hand, if it has been there for longer than three timeouts and a slow link's time."""
        held = self.in_hand
        return held if held and monotonic() - held.since > self._longest_seconds(held.delivery) else None

    def _longest_seconds(self, delivery: PendingDelivery) -> float:
        timeout = self._destination.timeout_seconds
        with suppress(OSError):
            return TIMEOUTS_IN_HAND * timeout + delivery.path.stat().st_size / LEAST_BYTES_PER_SECOND
        return TIMEOUTS_IN_HAND * timeout

    def _take_in_hand(self, left: Iterable[PendingDelivery]) -> None:
        first = next(iter(left), None)
        self.in_hand = InHand(first, monotonic()) if first else None

    def give_back(self, delivery: PendingDelivery, error: str) -> None:
        """Record an object whose attempt was ended from outside."""
        self._record(Outcome(delivery, Verdict.LATER, error, unsure=True))

    # --- sending

    def _readable(self, pending: Sequence[PendingDelivery]) -> list[PendingDelivery]:
        """Fetch each result; without its file it waits, which is no attempt and ends nothing."""
        readable: list[PendingDelivery] = []
        for number, delivery in enumerate(pending):
            try:
                self._fetch(delivery)
                readable.append(delivery)
            except Missing as problem:
                self._wait([delivery], problem, MISSING_SECONDS)
            except Retry as problem:  # the store is away for all of them
                self._wait(pending[number:], problem, AWAY_SECONDS)
                break
        return readable

    def _fetch(self, delivery: PendingDelivery) -> None:
        self._stores.results.fetch(delivery.path)
        if delivery.media_type != DICOM:  # of which the audit trail names the image
            with suppress(Missing):
                self._stores.received.fetch(delivery.source_path)

    def _wait(self, pending: Sequence[PendingDelivery], problem: Retry, seconds: float) -> None:
        log_event(Event.WAITING, destination=self._name, reason=str(problem))
        for delivery in pending:
            self._outbox.record_waiting(delivery, str(problem), seconds)

    def _send(self, pending: Sequence[PendingDelivery]) -> None:
        away: list[Outcome] = []
        error, pause = "", 0.0
        reached = False
        self._recorded_at = monotonic()
        try:
            with closing(self._outcomes(pending)) as outcomes:
                for outcome in outcomes:
                    if outcome.verdict is Verdict.AWAY:
                        away.append(outcome)
                        error = outcome.error or ""
                        pause = max(pause, outcome.retry_after or 0.0)
                    else:
                        self._settle_together(outcome)
                        reached |= outcome.verdict in ENDED
                    if self._stopping.is_set():
                        return
        finally:
            self._record_delivered()
        if reached and not pause:
            self._note_reached()
        elif away:
            self._postpone([each.delivery for each in away], error, pause, in_hand=not away[0].is_left)

    def _outcomes(self, pending: Sequence[PendingDelivery]) -> Generator[Outcome]:
        """One outcome for each, also where a bug ends the attempt."""
        left = {delivery.id: delivery for delivery in pending}
        self._take_in_hand(pending)
        try:
            for outcome in self._destination.deliver(pending, self._stopping):
                del left[outcome.delivery.id]
                yield outcome
                self._take_in_hand(left.values())
        except Exception as error:
            log_bug(Event.BUG, destination=self._name)
            told = f"a bug in the gateway: its log has the traceback of {error!r}"
            for delivery in left.values():
                yield Outcome(delivery, Verdict.LATER, told, unsure=True)

    # --- asking

    def _ask(self, stored: Sequence[PendingDelivery]) -> None:
        least = least_attempts(self._rules, self._report_seconds)
        young = [each for each in stored if each.asked < least or self._seconds_left(each) > 0]
        for delivery in stored:
            if delivery not in young:
                hours = self._rules.give_up_after_hours
                self._give_up(
                    delivery, f"stored, but not committed within {hours:g} h; {delivery.last_error}"
                )
        self._take_in_hand(young)
        try:
            if young:
                self._request_commitment(young)
        except Unsupported as problem:
            for delivery in young:
                self._give_up(delivery, f"stored, but not committed: {clean(problem)}")
        except Retry as problem:
            self._postpone(young, clean(problem))

    def _request_commitment(self, stored: Sequence[PendingDelivery]) -> None:
        destination = self._destination
        transaction_uid = str(generate_uid(prefix=None))
        for delivery in stored:
            wait, left = self._report_seconds(delivery.asked + 1), self._seconds_left(delivery)
            self._commitments.record_asked(delivery, transaction_uid, min(wait, left) if left > 0 else wait)
        destination.commit(stored, transaction_uid, self._commitments, self._stopping)
        self._commitments.record_taken(transaction_uid)

    def _report_seconds(self, requests: int) -> float:
        """Return how long a report may take, doubled with each request: only one on the last counts."""
        first = self._destination.commitment_timeout_seconds
        return max(first, min(LONGEST_REPORT_SECONDS, first * 2.0 ** min(requests - 1, 30)))

    # --- recording

    def _settle_together(self, outcome: Outcome) -> None:
        """Settle an outcome, or let it wait for those of the next moment where sending twice does no harm.

        What is delivered and not recorded is sent again after a kill. A destination that takes longer over an
        object than `TOGETHER_SECONDS` has each recorded at once.
        """
        if outcome.verdict is not Verdict.DELIVERED or not self._destination.takes_again:
            self._settle(outcome)
            return
        self._delivered.append(outcome.delivery)
        if not outcome.more_follow and monotonic() - self._recorded_at > TOGETHER_SECONDS:
            self._record_delivered()

    def _record_delivered(self) -> None:
        """Record what was delivered since the last time, each alone where all together cannot be."""
        delivered, self._delivered = self._delivered, []
        try:
            if delivered:
                commits = self._destination.commits
                self._outbox.record_stored(*delivered, to_be_committed=commits, audit=self._audit_later)
        except Retry:
            raise
        except Exception:
            for delivery in delivered:
                self._settle(Outcome(delivery, Verdict.DELIVERED))
        finally:
            self._recorded_at = monotonic()
        for delivery in delivered:
            leave_page_cache(delivery.path)

    def _audit_later(self, delivery: PendingDelivery) -> AuditEntry:
        return partial(self._audit, delivery)

    def _settle(self, outcome: Outcome) -> None:
        """Record what became of one object, or else that it is not known: the others must not wait for it.

        Raises
        ------
        Retry
            If the database takes nothing at all: then nothing more should be sent.
        """
        try:
            self._record(outcome)
        except Retry:
            raise
        except Exception:
            log_bug(Event.BUG, destination=self._name)
            told = "its outcome could not be recorded; the log has the traceback"
            delay = delay_seconds(outcome.delivery.attempts + 1, self._rules)
            self._outbox.record_failure(outcome.delivery, told, delay, unsure=True)

    def _record(self, outcome: Outcome) -> None:
        delivery, error = outcome.delivery, outcome.error or ""
        if outcome.verdict is Verdict.DELIVERED:
            commits = self._destination.commits
            self._outbox.record_stored(delivery, to_be_committed=commits, audit=self._audit_later)
            return
        attempts = delivery.attempts + 1
        unsure = outcome.unsure
        self._outbox.record_failure(delivery, error, delay_seconds(attempts, self._rules), unsure=unsure)
        if outcome.verdict is Verdict.NEVER or self._is_too_old(delivery, attempts):
            self._give_up(delivery, error)

    def _note_reached(self) -> None:
        if self._outbox.failures(self._name):
            self._outbox.record_reached(self._name)

    def _postpone(
        self,
        tried: Sequence[PendingDelivery],
        error: str,
        at_least: float = 0.0,
        *,
        in_hand: bool = True,
    ) -> None:
        """Leave the destination alone for a while: nothing else waits for its timeout in the meantime.

        Parameters
        ----------
        at_least
            Seconds for which the destination itself asks to be left alone.
        in_hand
            The first one was sent when the destination was away; else another one before it was.
        """
        failures = self._outbox.failures(self._name) + 1
        delay = max(at_least, delay_seconds(failures, self._rules))
        for number, delivery in enumerate(tried):
            # due with the others, and behind them: it may be what fails there
            is_first = in_hand and number == 0
            is_asked = delivery.state is DeliveryState.STORED  # no report on that request will come
            self._outbox.record_failure(delivery, error, delay if is_first or is_asked else 0)
        self._outbox.record_away(self._name, error, delay)
        limit = now() - timedelta(hours=self._rules.give_up_after_hours)
        for delivery in self._outbox.overdue(self._name, limit):
            if self._is_too_old(delivery, max(failures, delivery.attempts)):
                self._give_up(delivery, error)

    def _is_too_old(self, delivery: PendingDelivery, attempts: int) -> bool:
        return self._seconds_left(delivery) < 0 and attempts >= least_attempts(self._rules)

    def _seconds_left(self, delivery: PendingDelivery) -> float:
        limit = timedelta(hours=self._rules.give_up_after_hours)
        return (delivery.begun_at + limit - now()).total_seconds()

    def _give_up(self, delivery: PendingDelivery, error: str) -> None:
        was_sent = delivery.state is not DeliveryState.PENDING  # only its commitment is missing
        audit = None if was_sent else partial(self._audit, delivery, error)
        self._outbox.record_dead(delivery, error, audit=audit)

    def _audit(self, delivery: PendingDelivery, error: str | None = None) -> None:
        subject = subject_of(delivery.path if delivery.media_type == DICOM else delivery.source_path)
        target = self._destination.audit_target
        if not target.is_node:
            trail.exported(subject, destination=target.name, error=error)
            return
        trail.sent(
            subject,
            destination=target.name,
            ae_title=target.ae_title,
            address=target.address,
            error=error,
        )
