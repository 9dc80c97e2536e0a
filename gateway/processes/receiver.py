"""The composition root of the role `receive`: builds the DICOM listener and everything it works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from time import sleep

import sqlalchemy as sa

from gateway.deliver.attempt import delay_seconds
from gateway.deliver.commitment_report import answer_report
from gateway.errors import Retry
from gateway.files.answering import Answering
from gateway.processes.stores import open_role_stores
from gateway.receive.all_hosts import PlacesOfAllHosts
from gateway.receive.association import Admission
from gateway.receive.c_store import CStore
from gateway.receive.capacity import Capacity
from gateway.receive.connections import Connections
from gateway.receive.disk_waits import DiskWaits
from gateway.receive.health import HealthPort
from gateway.receive.hosts import Hosts
from gateway.receive.in_flight import InFlight
from gateway.receive.intake import Intake
from gateway.receive.memory import Memory, return_what_is_freed
from gateway.receive.places import Places
from gateway.receive.port import ALONE, Share
from gateway.receive.refusals import (
    AUDITED_PER_ADDRESS,
    LINES_PER_ADDRESS,
    RefusalReporter,
    audit_refusal,
    log_refusal,
)
from gateway.receive.storage_scp import StorageSCP
from gateway.settings import SCP, Delivery, Settings
from gateway.store.commitments import Commitments
from gateway.store.ledger import Ledger
from gateway.store.objects import Objects
from gateway.store.receivers import Receivers
from gateway.store.refusals import RefusalRecorder, Refusals
from gateway.telemetry.repeats import Repeats


@dataclass(frozen=True, slots=True)
class Receiver:
    """The role `receive`."""

    settings: Settings
    scp: StorageSCP
    recorder: RefusalRecorder
    health: HealthPort | None = None
    all_hosts: PlacesOfAllHosts | None = None

    def start(self) -> Mapping[str, object]:
        """Listen; see `Role`."""
        self.recorder.start()
        return_what_is_freed()
        if self.all_hosts is not None:
            self.all_hosts.start()
        self.scp.start()
        host, port = self.scp.address
        about = {"ae_title": self.settings.scp.ae_title, "host": host, "port": port}
        if self.health is None:
            return about
        self.health.start()
        return about | {"health_port": self.health.address[1]}

    def stop(self) -> None:
        """Be not ready, take no new connection, let associations that send finish; see `Role`."""
        if self.health is not None:
            self.health.leave()
        sleep(self.settings.scp.drain_notice_seconds)
        self.scp.stop(self.settings.shutdown_seconds)
        self.recorder.stop()
        if self.all_hosts is not None:
            self.all_hosts.stop()
        if self.health is not None:
            self.health.stop()


def build(settings: Settings, _: sa.Engine, ledger: Ledger, *, share: Share) -> Receiver:
    """Build the role; the store may come later."""
    store = open_role_stores(settings, ledger).received
    all_hosts = places_of_all_hosts(settings, ledger, share)
    data_dir = Answering(settings.directory.root)
    scp = storage_scp(settings.scp, store, ledger, share, all_hosts, data_dir, settings.delivery)
    recorder = RefusalRecorder(Refusals(ledger))
    health = _health_port(settings.scp, store, ledger, data_dir, share)
    return Receiver(settings, scp, recorder, health, all_hosts)


def places_of_all_hosts(settings: Settings, ledger: Ledger, share: Share) -> PlacesOfAllHosts | None:
    """Return the places over all hosts; None where the database is SQLite, which is of one host."""
    if settings.database == "sqlite":
        return None
    rows = Receivers(ledger, share.host, share.number)
    return PlacesOfAllHosts(settings.scp, Places(settings.scp, share), rows)


def _health_port(
    settings: SCP, store: Objects, ledger: Ledger, data_dir: Answering, share: Share
) -> HealthPort | None:
    """Return the health port, which the first of several receivers has."""
    if settings.health_port is None or share.number:
        return None
    capacity = Capacity(settings, store, ledger)

    def problem() -> str | None:
        try:
            data_dir.check()
            store.check()
        except (Retry, OSError) as away:
            return str(away)
        return "less disk is free than scp.reject_below_disk_mb" if capacity.is_exhausted() else None

    return HealthPort(settings, problem)


def storage_scp(
    settings: SCP,
    store: Objects,
    ledger: Ledger,
    share: Share = ALONE,
    all_hosts: PlacesOfAllHosts | None = None,
    data_dir: Answering | None = None,
    retries: Delivery | None = None,
) -> StorageSCP:
    """Build the listener over a store and a ledger that are ready to be used."""
    capacity = Capacity(settings, store, ledger, data_dir)
    commitments = Commitments(ledger, partial(delay_seconds, rules=retries or Delivery()))
    disk_waits = DiskWaits(Answering(store.root), *filter(None, [data_dir]))
    refusals = RefusalReporter(
        Repeats(log_refusal, LINES_PER_ADDRESS), Repeats(audit_refusal, AUDITED_PER_ADDRESS)
    )
    hosts = Hosts(peer.host for peer in settings.peers)
    connections = Connections(settings, hosts if settings.peers else None, share)
    places = all_hosts or Places(settings, share)
    return StorageSCP(
        settings,
        listen=partial(share.listen, settings),
        admission=Admission(settings, capacity, connections, places, hosts, refusals),
        c_store=CStore(Intake(capacity, store, ledger), disk_waits),
        answer_report=partial(answer_report, commitments=commitments),
        connections=connections,
        hosts=hosts,
        in_flight=InFlight(),
        disk_waits=disk_waits,
        memory=Memory(share.of(settings.max_memory_mb << 20)),
        refusals=refusals,
    )
