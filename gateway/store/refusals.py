"""Refusals: images that were refused, associations that were rejected or aborted, each with its reason.

Equal refusals are one row with a count, and the rows are bounded, for one address and for all: a sender that
is refused a hundred times a second fills no database and hides no other refusal.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gateway.errors import Retry
from gateway.peer_text import clean
from gateway.store.clock import now
from gateway.store.ledger import Ledger
from gateway.store.place import Place, newest_behind
from gateway.store.schema import refusals
from gateway.telemetry.events import Event
from gateway.telemetry.log import listen, listen_no_more, log_bug

EVENTS = {Event.REFUSED, Event.ASSOCIATION_REJECTED, Event.ASSOCIATION_ABORTED}
MOST_ROWS = 5000
MOST_OF_ONE_ADDRESS = 500
MOST_PENDING = 500
FLUSH_SECONDS = 1.0
OTHERS = "further refusals, each for another reason"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Fields in which equal refusals agree."""

    event: str
    status: str
    reason: str
    calling_ae_title: str
    called_ae_title: str
    peer_address: str
    sop_instance_uid: str = ""

    @classmethod
    def of(cls, event: Event, fields: Mapping[str, Any]) -> Refusal:
        """Take it out of an event of the log."""
        texts = {
            name: clean(fields.get(name) or "", 64)
            for name in ("calling_ae_title", "called_ae_title", "peer_address", "sop_instance_uid")
        }
        reason = clean(fields.get("reason") or fields.get("why") or "", 300)
        return cls(event, str(fields.get("status") or ""), reason, **texts)

    @property
    def fingerprint(self) -> str:
        """The same for equal refusals."""
        return hashlib.sha256("\0".join(astuple(self)).encode("utf-8", "replace")).hexdigest()

    def coarser(self) -> Refusal:
        """Return what stands for many of this kind from this address."""
        return replace(
            self, status="", reason=OTHERS, calling_ae_title="", called_ae_title="", sop_instance_uid=""
        )


@dataclass(frozen=True, slots=True)
class RefusalView:
    """Equal refusals with how often and when they happened."""

    id: int
    event: str
    status: str
    reason: str
    calling_ae_title: str
    called_ae_title: str
    peer_address: str
    sop_instance_uid: str
    times: int
    first_at: datetime
    last_at: datetime


class Refusals:
    """The table of refusals. Methods raise `Retry` when the database is away or locked."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def record(self, noted: Mapping[Refusal, int], time: datetime | None = None) -> None:
        """Count refusals, each so many times more."""
        at = time or now()
        with self._ledger.transaction() as connection:
            for refusal, times in noted.items():
                if not _count(connection, refusal, times, at):
                    _insert(connection, refusal, times, at)
            _make_room(connection)

    def newest(self, limit: int, *, behind: Place | None = None) -> list[RefusalView]:
        """Return refusals, the last first, from behind a place on."""
        return self._read(newest_behind(_SHOWN, refusals.c.last_at, refusals.c.id, behind, limit))

    def of(self, sop_instance_uid: str) -> list[RefusalView]:
        """Return how an image was refused, the last first."""
        if not sop_instance_uid:
            return []
        wanted = _SHOWN.where(refusals.c.sop_instance_uid == sop_instance_uid)
        return self._read(wanted.order_by(refusals.c.last_at.desc()))

    def _read(self, wanted: sa.Select[Any]) -> list[RefusalView]:
        with self._ledger.transaction() as connection:
            return [RefusalView(**row) for row in connection.execute(wanted).mappings()]


class RefusalRecorder:
    """Hears of refusals in this process's log, and records them once a second: who refuses does not wait."""

    def __init__(self, table: Refusals) -> None:
        self._table = table
        self._pending: Counter[Refusal] = Counter()
        self._lock = threading.Lock()
        self._heard = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="refusals", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        listen(self.hear)
        self._thread.start()

    def stop(self) -> None:
        """Record what is pending, and end."""
        listen_no_more(self.hear)
        self._stopped.set()
        self._heard.set()
        self._thread.join(5)

    def hear(self, event: Event, fields: Mapping[str, Any]) -> None:
        """Note an event that is a refusal."""
        if event not in EVENTS:
            return
        refusal = Refusal.of(event, fields)
        with self._lock:
            if refusal not in self._pending and len(self._pending) >= MOST_PENDING:
                refusal = replace(refusal.coarser(), peer_address="")
            self._pending[refusal] += int(fields.get("repeated", 1))
        self._heard.set()

    def flush(self) -> None:
        """Record what is pending; what cannot be recorded now stays so."""
        with self._lock:
            noted, self._pending = self._pending, Counter()
        if not noted:
            return
        try:
            self._table.record(noted)
        except (Retry, sa.exc.IntegrityError):  # or another process has just counted the same
            with self._lock:
                self._pending.update(noted)  # the same may have been heard meanwhile
            self._heard.set()

    def _run(self) -> None:
        while self._heard.wait() and not self._stopped.wait(FLUSH_SECONDS):
            self._heard.clear()
            self._flush_whatever_happens()
        self._flush_whatever_happens()

    def _flush_whatever_happens(self) -> None:
        try:
            self.flush()
        except Exception:
            log_bug(Event.BUG, task="refusals")


_SHOWN = sa.select(*[column for column in refusals.c if column.name != "fingerprint"])


def _count(connection: sa.Connection, refusal: Refusal, times: int, at: datetime) -> bool:
    there = sa.update(refusals).where(refusals.c.fingerprint == refusal.fingerprint)
    return bool(connection.execute(there.values(times=refusals.c.times + times, last_at=at)).rowcount)


def _insert(connection: sa.Connection, refusal: Refusal, times: int, at: datetime) -> None:
    of_address = sa.select(sa.func.count()).where(refusals.c.peer_address == refusal.peer_address)
    if (connection.scalar(of_address) or 0) >= MOST_OF_ONE_ADDRESS:
        refusal = refusal.coarser()
        if _count(connection, refusal, times, at):
            return
    row = asdict(refusal) | {
        "fingerprint": refusal.fingerprint,
        "times": times,
        "first_at": at,
        "last_at": at,
    }
    connection.execute(sa.insert(refusals).values(row))


def _make_room(connection: sa.Connection) -> None:
    oldest = (
        sa.select(refusals.c.id).order_by(refusals.c.last_at.desc(), refusals.c.id.desc()).offset(MOST_ROWS)
    )
    connection.execute(sa.delete(refusals).where(refusals.c.id.in_(oldest)))
