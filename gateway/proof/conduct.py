"""The experiment on one machine: images are sent, processes killed, and three lists compared.

`gateway prove` calls `conduct`. The experiment uses a data directory, a database and a port of its own.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.proof.archive import AE_TITLE, listening_archive
from gateway.proof.course import Course, Fault
from gateway.proof.images import write_images
from gateway.proof.injection import Orders
from gateway.proof.lane import Lane
from gateway.proof.object_store import ObjectStore
from gateway.proof.plan import DATABASE, RECEIVE, WORK, plan_kills
from gateway.proof.reconcile import Reconciliation, reconcile
from gateway.proof.senders import Senders
from gateway.proof.server import PostgresServer
from gateway.proof.serving import NO_DATABASE, Serving, free_port
from gateway.requestor.storage_scu import DicomNode
from gateway.settings import SCP, Delivery, DicomDestination, FolderStore, Route, Settings, Store, Web
from gateway.store.opening import open_database
from gateway.store.queries.images import Images

SENDERS_WAIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Experiment:
    """Size and seed of the experiment.

    Attributes
    ----------
    database_kills
        Kills of the PostgreSQL server.
    s3
        Command of an S3 server for images and results; None: they lie in the data directory.
    """

    images: int
    kills: int
    senders: int
    seed: int
    database_kills: int = 0
    s3: str | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """Findings of an experiment.

    Attributes
    ----------
    kills
        Kills and other faults that were carried out, in the order of each lane.
    verdict
        Comparison of the three lists.
    mishaps
        Sentences: processes that ended without a kill, and bugs in the log.
    seconds
        Duration of the experiment.
    """

    kills: tuple[Fault, ...]
    verdict: Reconciliation
    mishaps: tuple[str, ...]
    seconds: float

    @property
    def proven(self) -> bool:
        """True where no image was lost or answered twice, and no process ended by itself."""
        return self.verdict.holds and not self.mishaps


def settings_for_proof(
    given: Settings, data_dir: Path, database: str, archive_port: int, seed: int, store: Store
) -> Settings:
    """Return settings with the given model and receivers; peers, folders and database are the proof's."""
    port = free_port(random.Random(seed))  # noqa: S311 - keeps no secret
    destination = DicomDestination(
        name="archive", kind="dicom", ae_title=AE_TITLE, host="127.0.0.1", port=archive_port
    )
    defaults = {name: field.get_default() for name, field in Settings.model_fields.items()}
    changed = {
        "model": given.model,
        "data_dir": data_dir,
        "database": database,
        "store": store,
        "scp": SCP(port=port, processes=given.scp.processes),
        "destinations": (destination,),
        "routes": (Route(calling_ae_title="*", to=("archive",)),),
        "delivery": Delivery(first_retry_seconds=0.5, longest_retry_seconds=5),
        "web": Web(enabled=False),
    }
    return given.model_copy(update=defaults | changed)


def conduct(
    experiment: Experiment, given: Settings, database: str, folder: Path, tell: Callable[[float], None]
) -> Findings:
    """Run the experiment.

    Parameters
    ----------
    given
        Settings of the caller; only the model and the number of receivers are used.
    database
        `sqlite` or the URL of a PostgreSQL database without images.
    folder
        Empty folder for all files.
    tell
        Called with the finished share, 0–1.

    Raises
    ------
    ConfigurationError
        When the database cannot be opened or holds images.
    GatewayError
        When the gateway ends by itself or makes no progress.
    """
    begun = time.monotonic()
    (folder / "images").mkdir()
    images = {path: uid for uid, path in write_images(folder / "images", experiment.images, experiment.seed)}
    with ExitStack() as stack:
        archive = stack.enter_context(listening_archive())
        store = stack.enter_context(_store(experiment, folder))
        settings = settings_for_proof(given, folder / "var", database, archive.port, experiment.seed, store)
        engine, ledger = open_database(settings)
        stack.callback(engine.dispose)
        orders = folder / "orders"
        serving = Serving(
            settings, folder, orders, PostgresServer(engine) if experiment.database_kills else None
        )
        scp = settings.scp
        node = DicomNode(scp.ae_title, scp.bind, scp.port, "PROVE", SENDERS_WAIT_SECONDS)
        senders = Senders(images, node, experiment.senders)
        course = Course(
            images,
            experiment.kills + experiment.database_kills,
            senders=senders,
            archive=archive,
            recorded=Images(ledger),
            served=serving,
            lanes=_lanes(experiment, Orders(orders), serving),
            tell=tell,
        )
        mishaps = course.to_its_end()
        verdict = reconcile(senders.acknowledged, course.entries(), archive.arrivals)
    mishaps += tuple(_mishaps_in_log(serving, _expected_ends(experiment)))
    return Findings(course.done(), verdict, mishaps, time.monotonic() - begun)


@contextmanager
def _store(experiment: Experiment, folder: Path) -> Iterator[Store]:
    """Yield the setting `store`; an S3 server runs for the length of the block, where one is wanted."""
    if experiment.s3 is None:
        yield FolderStore()
        return
    port = free_port(random.Random(f"s3 {experiment.seed}"))  # noqa: S311 - keeps no secret
    objects = ObjectStore(experiment.s3, "127.0.0.1", port, folder / "s3.log")
    with objects.running():
        yield objects.settings


def _lanes(experiment: Experiment, orders: Orders, serving: Serving) -> Sequence[Lane]:
    over_s3 = experiment.s3 is not None
    plan = plan_kills(experiment.kills, experiment.seed, experiment.database_kills, over_s3=over_s3)
    return [
        Lane([kill for kill in plan if kill.lane == lane], orders, serving)
        for lane in (RECEIVE, WORK, DATABASE)
    ]


def _expected_ends(experiment: Experiment) -> set[int]:
    """Return the expected exit statuses: a role that starts without its database ends by itself."""
    return {-signal.SIGKILL, 1, NO_DATABASE} if experiment.database_kills else {-signal.SIGKILL}


def _mishaps_in_log(serving: Serving, expected: set[int]) -> Iterator[str]:
    for event in serving.events():
        if event["event"] == "role_died" and event["exit_status"] not in expected:
            yield f"{event['died']} ended by itself with status {event['exit_status']}"
        if bug := bug_in(event):
            yield bug


def bug_in(event: Mapping[str, Any]) -> str:
    """Return a sentence where an event of the log is a bug, else nothing."""
    if "exception" not in event:
        return ""
    return f"a bug is in the log, {event['time']}: {event['exception'].splitlines()[-1]}"
