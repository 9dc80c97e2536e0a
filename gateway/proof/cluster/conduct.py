"""The experiment on a cluster: images are sent, hosts, cables and servers fail, three lists are compared.

`gateway prove --cluster` calls `conduct_in_cluster`, in network and process namespaces of its own.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from gateway.proof.archive import listening_archive
from gateway.proof.cluster.faults import DATABASES, HOSTS, plan_faults
from gateway.proof.cluster.lanes import ClusterLane
from gateway.proof.cluster.site import CALLING_AE_TITLE, PACS, PACS_PORT, SCP_PORT, Cluster
from gateway.proof.conduct import SENDERS_WAIT_SECONDS, Findings, bug_in
from gateway.proof.course import AHEAD, Course
from gateway.proof.images import write_images
from gateway.proof.injection import Orders
from gateway.proof.reconcile import reconcile
from gateway.proof.senders import Senders
from gateway.proof.serving import NO_DATABASE
from gateway.requestor.storage_scu import DicomNode
from gateway.settings import Settings
from gateway.store.opening import open_database
from gateway.store.queries.images import Images

HEALTHY_SECONDS = 120.0
LOOK_SECONDS = 1.0
ENDS = {-signal.SIGKILL, 1, NO_DATABASE}
"""Expected exit statuses: a role that starts without its database ends, to be started again."""


@dataclass(frozen=True, slots=True)
class ClusterExperiment:
    """Size and seed of the experiment; `s3` is the command of an S3 server."""

    images: int
    faults: int
    senders: int
    seed: int
    s3: str | None = None


def conduct_in_cluster(
    experiment: ClusterExperiment, given: Settings, folder: Path, tell: Callable[[float], None]
) -> Findings:
    """Run the experiment; see `conduct`.

    Raises
    ------
    ConfigurationError
        When a program is missing.
    GatewayError
        When a host does not obey, or the gateway makes no progress.
    """
    begun = time.monotonic()
    (folder / "images").mkdir()
    images = {path: uid for uid, path in write_images(folder / "images", experiment.images, experiment.seed)}
    orders = Orders(folder / "orders")
    cluster = Cluster(given, folder, folder / "orders", experiment.s3)
    plan = plan_faults(experiment.faults, experiment.seed, over_s3=experiment.s3 is not None)
    lanes = [
        ClusterLane([fault for fault in plan if fault.lane == lane], cluster, orders)
        for lane in (HOSTS, DATABASES)
    ]
    node = DicomNode(
        cluster.settings(PACS).scp.ae_title,
        cluster.balancer_address,
        SCP_PORT,
        CALLING_AE_TITLE,
        SENDERS_WAIT_SECONDS,
    )
    senders = Senders(images, node, experiment.senders)
    served = _ServedCluster(cluster, lanes)
    with ExitStack() as stack:
        stack.callback(cluster.end)
        cluster.boot()
        with cluster.network.at(PACS):
            archive = stack.enter_context(listening_archive(cluster.pacs_address, PACS_PORT))
        engine, ledger = open_database(cluster.settings(PACS))
        stack.callback(engine.dispose)
        course = Course(
            images,
            experiment.faults,
            senders=senders,
            archive=archive,
            recorded=Images(ledger),
            served=served,
            lanes=lanes,
            tell=tell,
            ahead=max(2, min(AHEAD, experiment.images // max(1, experiment.faults))),
        )
        mishaps = course.to_its_end()
        verdict = reconcile(senders.acknowledged, course.entries(), archive.arrivals)
    mishaps += tuple(_mishaps(cluster))
    return Findings(course.done(), verdict, mishaps, time.monotonic() - begun)


class _ServedCluster:
    """The cluster as `Course` serves itself of it."""

    def __init__(self, cluster: Cluster, lanes: Sequence[ClusterLane]) -> None:
        self._cluster = cluster
        self._lanes = lanes

    def start(self) -> None:
        """See `Served`."""
        self._cluster.start()

    def revive(self) -> None:
        """See `Served`."""
        self._cluster.revive()

    def stop(self) -> Sequence[str]:
        """Wait until the web host says that all is well."""
        deadline = time.monotonic() + HEALTHY_SECONDS
        while (problem := self._cluster.health()) and time.monotonic() < deadline:
            self._cluster.revive()
            time.sleep(LOOK_SECONDS)
        return [problem] if problem else []

    def end(self) -> None:
        """Begin no further fault; `conduct_in_cluster` switches the hosts off."""
        for lane in self._lanes:
            lane.stop()


def _mishaps(cluster: Cluster) -> Iterator[str]:
    for host, status in cluster.ends():
        if status not in ENDS:
            yield f"{host}: its role ended by itself with status {status}"
    for host, event in cluster.events():
        if bug := bug_in(event):
            yield f"{host}: {bug}"
