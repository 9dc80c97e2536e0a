"""A source in memory, which sends at once into a ledger without files."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from gateway.pull.puller import Puller
from gateway.pull.query import Found, FoundSeries, Query
from gateway.pull.selection import Selection
from gateway.records import Received
from gateway.settings import SourceRules
from gateway.store.entries import FoundInstance, FoundStudy
from gateway.store.ledger import Ledger
from gateway.store.pulls import Pulls

CR = "1.2.840.10008.5.1.4.1.1.1"


class Roomy:
    """A capacity without limits."""

    def check(self) -> None:
        """Find room."""


@dataclass
class MemorySource:
    """Studies by UID, each with the UIDs of its instances; `send` may be replaced to go wrong."""

    ledger: Ledger
    folder: Path
    studies: dict[str, list[str]]
    name: str = "pacs"
    arrival_seconds: float = 0.0
    asked: list[Query] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    before: Callable[[str, str], None] = lambda *_: None
    tells_number: bool = True

    @contextmanager
    def session(self, _: threading.Event) -> Iterator[MemorySession]:
        yield MemorySession(self)

    def receive(self, study: str, uid: str) -> None:
        """Record an instance as received."""
        digest = sha256(uid.encode()).hexdigest()
        received = Received(
            sop_class_uid=CR,
            sop_instance_uid=uid,
            study_instance_uid=study,
            series_instance_uid=f"{study}.1",
            transfer_syntax_uid="1.2.840.10008.1.2.1",
            calling_ae_title="PACS",
            called_ae_title="CXR_GATEWAY",
            peer_address="127.0.0.1",
            sha256=digest,
            size_bytes=10,
            path=self.folder / "spool" / "00" / f"{digest}.dcm",
            received_at=datetime.now(UTC),
            pulled_from=self.name,
        )
        self.ledger.record_received(received)

    def puller(self, stopping: threading.Event | None = None, **rules: object) -> Puller:
        """Return a puller for the source."""
        settings = SourceRules.model_validate({"first_retry_seconds": 0.001} | rules)
        ended = stopping or threading.Event()
        return Puller(self, settings, Selection(), Pulls(self.ledger), Roomy(), nullcontext, ended)


@dataclass
class MemorySession:
    """A session of a `MemorySource`."""

    source: MemorySource

    def studies(self, query: Query) -> Found:
        self.source.asked.append(query)
        found = [
            FoundStudy(uid, "20261103", ("CR",), len(instances) if self.source.tells_number else None)
            for uid, instances in self.source.studies.items()
        ]
        return Found(tuple(found), answers=0)  # it never cuts

    def series(self, study_instance_uid: str) -> list[FoundSeries]:
        self.source.before("series", study_instance_uid)
        return [FoundSeries(f"{study_instance_uid}.1", "CR", "CHEST")]

    def instances(self, study_instance_uid: str, series_instance_uid: str) -> list[FoundInstance]:
        self.source.before("instances", study_instance_uid)
        uids = self.source.studies[study_instance_uid]
        return [FoundInstance(uid, series_instance_uid, CR) for uid in uids]

    def fetch(self, study_instance_uid: str, wanted: Sequence[FoundInstance], *, one_by_one: bool) -> str:
        del one_by_one
        for each in wanted:
            self.source.before("receive", study_instance_uid)
            self.source.receive(study_instance_uid, each.sop_instance_uid)
            self.source.fetched.append(each.sop_instance_uid)
        self.source.before("settle", study_instance_uid)
        return ""
