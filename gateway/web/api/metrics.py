"""`/metrics` for Prometheus, counted from the ledger: covers all machines and survives restarts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.core import (
    CollectorRegistry,
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from gateway import __version__
from gateway.records import Stage, State
from gateway.store.clock import now
from gateway.store.entries import DeliveryState, PullState
from gateway.store.missing_files import waiting
from gateway.store.pulls import Pulls
from gateway.store.timings import BUCKETS, last_folded, tallies_since
from gateway.telemetry.role_status import read_role_status
from gateway.web.disks import disks
from gateway.web.site import Site


class Stages:
    """The stages' histograms so far; each scrape reads only what is new."""

    def __init__(self, site: Site) -> None:
        self._ledger = site.ledger
        self._lock = threading.Lock()
        self._forget()

    def histogram(self) -> Metric:
        """Return the histogram with what has been added since."""
        family = HistogramMetricFamily(
            "gateway_stage_duration_seconds", "Time that an image spent in a stage", labels=["stage"]
        )
        with self._lock:
            self._read()
            for stage, counts in self._counts.items():
                family.add_metric([stage], list(_cumulated(counts)), self._sums[stage])
        return family

    def _forget(self) -> None:
        self._last = 0
        self._counts = {stage.value: [0] * (len(BUCKETS) + 1) for stage in Stage}
        self._sums = dict.fromkeys(self._counts, 0.0)

    def _read(self) -> None:
        with self._ledger.transaction() as connection:
            last, tallies = tallies_since(connection, self._last)
            if last_folded(connection) > self._last:  # nobody has asked for weeks: some were never counted
                self._forget()
                last, tallies = tallies_since(connection, 0)
        self._last = last
        for tally in tallies:
            if tally.stage in self._counts:
                self._counts[tally.stage][tally.bucket] += tally.runs
                self._sums[tally.stage] += tally.seconds


def _cumulated(counts: list[int]) -> Iterator[tuple[str, float]]:
    total = 0
    for bound, count in zip([*map(str, BUCKETS), "+Inf"], counts, strict=True):
        total += count
        yield bound, total


class LedgerCollector(Collector):
    """Collects all metrics from the ledger at each scrape."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._stages = Stages(site)

    def describe(self) -> list[Metric]:
        """Return nothing: registration must not query the ledger."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        yield from self._build()
        yield self._stages.histogram()
        yield from self._images()
        yield from self._deliveries()
        yield from self._sources()
        yield from self._machine()

    def _build(self) -> Iterator[Metric]:
        family = GaugeMetricFamily("gateway_build_info", "Version of the gateway", labels=["version"])
        family.add_metric([__version__], 1)
        yield family

    def _images(self) -> Iterator[Metric]:
        traffic = self._site.traffic
        states = self._site.images.states()
        family = GaugeMetricFamily("gateway_images", "Images by state", labels=["state"])
        for state in State:
            family.add_metric([state.value], states.get(state.value, 0))
        yield family
        yield CounterMetricFamily("gateway_images_received", "Images received", sum(states.values()))
        yield GaugeMetricFamily(
            "gateway_images_without_file",
            "Images that wait for a file that their store does not have",
            len(waiting(self._site.ledger)),
        )
        _, oldest = traffic.queue()
        yield _age("gateway_queue_age_seconds", "How long the oldest unanswered image has waited", oldest)
        yield _time("gateway_last_received_timestamp_seconds", "Last image", traffic.last_received())
        yield _time("gateway_last_delivered_timestamp_seconds", "Last delivery", traffic.last_delivered())

    def _deliveries(self) -> Iterator[Metric]:
        results = GaugeMetricFamily(
            "gateway_deliveries", "Results by destination and state", labels=["destination", "state"]
        )
        up = GaugeMetricFamily(
            "gateway_destination_up", "0 while a destination is away", labels=["destination"]
        )
        for each in self._site.traffic.destinations():
            up.add_metric([each.name], 0 if each.failures else 1)
            for state in DeliveryState:
                results.add_metric([each.name, state.value], getattr(each, state.value))
        yield results
        yield up

    def _sources(self) -> Iterator[Metric]:
        studies = GaugeMetricFamily(
            "gateway_pull_studies", "Studies of sources by state", labels=["source", "state"]
        )
        for source, states in Pulls(self._site.ledger).counts().items():
            for state in PullState:
                studies.add_metric([source, state.value], states.get(state.value, 0))
        yield studies

    def _machine(self) -> Iterator[Metric]:
        stores = GaugeMetricFamily("gateway_store_up", "0 while a store is away", labels=["store"])
        for store in self._site.stores:
            stores.add_metric([store.root.name], 0 if store.problem() else 1)
        yield stores
        free = GaugeMetricFamily("gateway_disk_free_bytes", "Free space of a disk", labels=["disk"])
        size = GaugeMetricFamily("gateway_disk_size_bytes", "Size of a disk", labels=["disk"])
        for name, disk in disks(self._site).items():
            free.add_metric([name], disk.free)
            size.add_metric([name], disk.total)
        yield free
        yield size
        roles = GaugeMetricFamily("gateway_role_up", "1 while a role of this machine serves", labels=["role"])
        for name, role in read_role_status(self._site.settings.directory.role_status).items():
            roles.add_metric([name], 1 if role.state == "serving" else 0)
        yield roles


def routes(site: Site) -> APIRouter:
    """Return the route `/metrics`."""
    router = APIRouter(tags=["operation"])
    registry = CollectorRegistry()
    registry.register(LedgerCollector(site))

    @router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router


def _age(name: str, documentation: str, since: datetime | None) -> Metric:
    age = (now() - since).total_seconds() if since else 0.0
    return GaugeMetricFamily(name, documentation, age)


def _time(name: str, documentation: str, at: datetime | None) -> Metric:
    return GaugeMetricFamily(name, documentation, at.timestamp() if at else 0.0)
