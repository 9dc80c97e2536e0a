"""LEDGER WORK: processor time that an image's rows cost, by SQLite and by PostgreSQL.

`python -m benchmarks.ledger_work` takes images through the ledger as roles do: received, claimed, answered
with an SR and an SC, delivered. Rounds of both databases take turns, so that both meet the same machine. The
difference is what PostgreSQL adds to an image; decoding, network and files are left out, and so are DBOS's
workflows. Round trips are statements, BEGIN and COMMIT.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import process_time
from typing import Annotated, Any

import sqlalchemy as sa
import typer

from benchmarks.processes import processor_ms
from gateway.records import SC, Description, Stage
from gateway.store.database import make_database, open_engine
from gateway.store.entries import StoredInstance
from gateway.store.ledger import Ledger
from gateway.store.migrate import upgrade
from gateway.store.outbox import Outbox
from gateway.worker.ends import Settled
from gateway.worker.outcome import record_outcomes
from tests.support.ledger_rows import answer, claim, received
from tests.support.postgresql import PostgreSQL

WARM_UP = 3  # rounds
_SEEN = Description("Chest PA", "Maker Model", 0.5, 0.2)


class Gateway:
    """The rows of a gateway with one destination.

    Parameters
    ----------
    server
        Process ID of the database server; None where there is none.
    together
        Deliveries are recorded together, as those at a quick destination are; else each alone.
    """

    def __init__(self, url: str, folder: Path, server: int | None, *, together: bool = False) -> None:
        self.engine = open_engine(url)
        self._together = together
        self._folder = folder
        self._server = server
        self._images = 0
        upgrade(self.engine)
        self._ledger = Ledger(self.engine, folder)
        self._outbox = Outbox(self._ledger)
        self._outbox.add_destination("out")
        self._trips = 0
        sa.event.listen(self.engine, "before_cursor_execute", self._count_statement)
        sa.event.listen(self.engine, "commit", self._count_transaction)

    def round(self, batch: int) -> dict[str, float]:
        """Take one batch from C-STORE to delivery; return the processor time of an image in ms."""
        before, trips = self._server_ms(), self._trips
        begun = process_time()
        for _ in range(batch):
            self._images += 1
            self._ledger.record_received(received(self._folder, self._images), 0.1)
        self._answer(claim(self._ledger, f"batch-{self._images}", batch))
        self._deliver()
        client = 1000 * (process_time() - begun) / batch
        server = (self._server_ms() - before) / batch
        return {"client": client, "server": server, "trips": (self._trips - trips) / batch}

    def _answer(self, claimed: list[StoredInstance]) -> None:
        stages = dict.fromkeys((Stage.DECODE, Stage.INFER, Stage.ENCODE), 0.1)
        with self._ledger.session() as session:
            record_outcomes([self._settled(each, stages) for each in claimed], self._ledger, session)

    def _settled(self, image: StoredInstance, stages: dict[Stage, float]) -> Settled:
        given = answer(self._folder, "out", uid=f"2.25.{image.id}")
        (sr,) = given.results
        uid = f"2.25.{image.id}.1"
        sc = replace(sr, kind=SC, sop_instance_uid=uid, path=sr.path.with_name(f"{uid}.dcm"))
        return Settled(image, (replace(given, results=(sr, sc)),), _SEEN, stages)

    def _deliver(self) -> None:
        while self._outbox.has_due("out"):
            claimed = self._outbox.claim("out", "worker", 100)
            for stored in [claimed] if self._together else [[each] for each in claimed]:
                self._outbox.record_stored(*stored)
            self._outbox.failures("out")
            self._outbox.release("worker", "out")

    def _count_statement(self, *_: Any) -> None:
        self._trips += 1

    def _count_transaction(self, _: sa.Connection) -> None:
        self._trips += 2  # BEGIN and COMMIT

    def _server_ms(self) -> float:
        return float(sum(processor_ms(self._server).values())) if self._server else 0.0


def main(
    rounds: Annotated[int, typer.Option(help="Rounds of each database.")] = 40,
    batch: Annotated[int, typer.Option(help="Images of a round.")] = 4,
    together: Annotated[bool, typer.Option("--together", help="As at a quick destination.")] = False,
) -> None:
    """Print the median round of each database."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as temporary:
        root = Path(temporary)
        root.chmod(0o711)  # the database server is another user
        make_database(root / "ledger.sqlite")
        with PostgreSQL(root, data=root) as server:
            url = server.url.replace("postgresql://", "postgresql+psycopg://")
            gateways = {
                "SQLite": Gateway(f"sqlite:///{root}/ledger.sqlite", root, None, together=together),
                "PostgreSQL": Gateway(url, root, server.pid, together=together),
            }
            spent: dict[str, list[dict[str, float]]] = {name: [] for name in gateways}
            for _ in range(WARM_UP + rounds):
                for name, gateway in gateways.items():
                    spent[name].append(gateway.round(batch))
            for gateway in gateways.values():
                gateway.engine.dispose()
    for name, each in spent.items():
        counted = each[WARM_UP:]
        client = median(one["client"] for one in counted)
        total = sum(one["server"] for one in counted) / rounds  # its clock ticks only every 10 ms
        trips = sum(one["trips"] for one in counted) / rounds
        print(f"{name}: gateway {client:.1f} ms an image, server {total:.1f} ms; {trips:.1f} round trips")


if __name__ == "__main__":
    typer.run(main)
