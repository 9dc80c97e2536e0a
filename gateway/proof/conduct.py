"""The experiment: sends images, kills processes, waits until no work is left, and compares three lists.

`gateway prove` calls `conduct`. The experiment uses a data directory, a database and a port of its own.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.deliver.storage_scu import DicomNode
from gateway.errors import ConfigurationError, GatewayError, Retry
from gateway.proof.archive import AE_TITLE, Archive, listening_archive
from gateway.proof.images import write_images
from gateway.proof.injection import Orders
from gateway.proof.lane import Lane
from gateway.proof.plan import DATABASE, RECEIVE, WORK, Kill, plan_kills
from gateway.proof.reconcile import Entry, Reconciliation, reconcile
from gateway.proof.senders import Senders
from gateway.proof.server import PostgresServer
from gateway.proof.serving import NO_DATABASE, Serving, free_port
from gateway.records import State
from gateway.settings import SCP, Delivery, DicomDestination, Route, Settings, Web
from gateway.store.opening import open_database
from gateway.store.queries.images import Images

LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 180.0
LOST_SECONDS = 30.0  # without progress for so long, more images are released
AHEAD = 8  # images in flight at any time
SHARE_WHILE_KILLING = 0.8  # share of the images for planned kills; the others are for starved kills
SENDERS_WAIT_SECONDS = 5.0
UNDER_WAY = {State.RECEIVED, State.INFERRED}


@dataclass(frozen=True, slots=True)
class Experiment:
    """Size and seed of the experiment; `database_kills` are kills of the PostgreSQL server."""

    images: int
    kills: int
    senders: int
    seed: int
    database_kills: int = 0


@dataclass(frozen=True, slots=True)
class Findings:
    """Findings of an experiment.

    Attributes
    ----------
    kills
        Kills that were carried out, in the order of each lane.
    verdict
        Comparison of the three lists.
    mishaps
        Sentences: processes that ended without a kill, and bugs in the log.
    seconds
        Duration of the experiment.
    """

    kills: tuple[Kill, ...]
    verdict: Reconciliation
    mishaps: tuple[str, ...]
    seconds: float

    @property
    def proven(self) -> bool:
        """True where no image was lost or answered twice, and no process ended by itself."""
        return self.verdict.holds and not self.mishaps


def settings_for_proof(
    given: Settings, data_dir: Path, database: str, archive_port: int, seed: int
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
    with listening_archive() as archive:
        settings = settings_for_proof(given, folder / "var", database, archive.port, experiment.seed)
        engine, ledger = open_database(settings)
        server = PostgresServer(engine) if experiment.database_kills else None
        run = _Run(experiment, settings, folder, archive, Images(ledger), server, tell)
        try:
            kills, mishaps = run.to_its_end()
            verdict = reconcile(run.senders.acknowledged, run.entries(), archive.arrivals)
        finally:
            engine.dispose()
    return Findings(kills, verdict, mishaps, time.monotonic() - begun)


class _Run:
    """One run of an experiment."""

    def __init__(
        self,
        experiment: Experiment,
        settings: Settings,
        folder: Path,
        archive: Archive,
        recorded: Images,
        server: PostgresServer | None,
        tell: Callable[[float], None],
    ) -> None:
        if recorded.states():
            raise ConfigurationError("--database: the database holds images; name an empty database")
        self._experiment = experiment
        self._archive = archive
        self._recorded = recorded
        self._tell = tell
        self._images = {
            p: uid for uid, p in write_images(folder / "images", experiment.images, experiment.seed)
        }
        orders = folder / "orders"
        self._serving = Serving(settings, folder, orders, server)
        scp = settings.scp
        node = DicomNode(scp.ae_title, scp.bind, scp.port, "PROVE", SENDERS_WAIT_SECONDS)
        self.senders = Senders(self._images, node, experiment.senders)
        plan = plan_kills(experiment.kills, experiment.seed, experiment.database_kills)
        self._lanes = [
            Lane([kill for kill in plan if kill.lane == lane], Orders(orders), self._serving)
            for lane in (RECEIVE, WORK, DATABASE)
        ]

    def to_its_end(self) -> tuple[tuple[Kill, ...], tuple[str, ...]]:
        """Send and kill until no work is left; return the kills and the mishaps."""
        self._serving.start()
        self.senders.start()
        try:
            self._until(self._all_killed)
            self.senders.release(self._experiment.images)
            self._until(self._all_settled)
            self.senders.stop()
            status = self._serving.stop()
        finally:
            self.senders.stop()
            self._serving.end()
        mishaps = [f"the gateway ended with status {status}"] if status else []
        return self._killed(), (*mishaps, *self._mishaps_in_log())

    def entries(self) -> Iterator[Entry]:
        """Yield the ledger's rows."""
        for uid in self._images.values():
            for row in self._recorded.versions(uid):
                results = tuple(result.sop_instance_uid or "" for result in row.results)
                yield Entry(uid, row.state, row.reason, results)

    def _until(self, ended: Callable[[], bool]) -> None:
        progress, self._since = self._progress(), time.monotonic()
        while not ended():
            self._serving.revive()
            time.sleep(LOOK_SECONDS)
            if progress != self._progress():
                progress, self._since = self._progress(), time.monotonic()
                self._tell(sum(progress) / (self._kills + 2 * self._experiment.images))
            elif self._quiet_seconds() > PATIENCE_SECONDS:
                raise GatewayError(
                    f"the gateway makes no progress: nothing happened for {PATIENCE_SECONDS:g} s"
                )

    def _quiet_seconds(self) -> float:
        return time.monotonic() - self._since

    def _progress(self) -> tuple[int, int, int]:
        return len(self._killed()), len(self.senders.acknowledged), self._archive.complete()

    @property
    def _kills(self) -> int:
        return self._experiment.kills + self._experiment.database_kills

    def _killed(self) -> tuple[Kill, ...]:
        return tuple(kill for lane in self._lanes for kill in lane.carried_out)

    def _all_killed(self) -> bool:
        """Release images as kills proceed, more where an order starves; return whether all kills are done."""
        killed, acknowledged, complete = self._progress()
        images, kills = self._experiment.images, max(1, self._kills)
        self.senders.release(AHEAD + int(SHARE_WHILE_KILLING * images * killed / kills))
        idle = complete == self.senders.released or self._quiet_seconds() > LOST_SECONDS
        if idle:
            self.senders.release(self.senders.released + AHEAD)
        for lane in self._lanes:
            lane.look(starved=idle and acknowledged == images, acknowledged=acknowledged)
        return all(lane.ended for lane in self._lanes)

    def _all_settled(self) -> bool:
        if len(self.senders.acknowledged) < self._experiment.images:
            return False
        try:
            return not UNDER_WAY.intersection(self._recorded.states())
        except Retry:  # the database server is restarting
            return False

    def _expected_ends(self) -> set[int]:
        """Return the expected exit statuses: a role that starts without its database ends by itself."""
        return {-signal.SIGKILL, 1, NO_DATABASE} if self._experiment.database_kills else {-signal.SIGKILL}

    def _mishaps_in_log(self) -> Iterator[str]:
        for event in self._serving.events():
            if event["event"] == "role_died" and event["exit_status"] not in self._expected_ends():
                yield f"{event['died']} ended by itself with status {event['exit_status']}"
            if "exception" in event:
                yield f"a bug is in the log, {event['time']}: {event['exception'].splitlines()[-1]}"
