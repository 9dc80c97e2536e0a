"""What limits over all hosts add to an association: `python -m benchmarks.limits` prints it.

Two hosts share one PostgreSQL on this machine; places are taken and freed at one of them, beside places of
one host alone. Wall time is that of an association; processor time is that of the receiver's process.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from gateway.receive.all_hosts import PlacesOfAllHosts
from gateway.receive.places import Places
from gateway.receive.port import Share
from gateway.settings import SCP
from gateway.store.database import open_engine
from gateway.store.ledger import Ledger
from gateway.store.migrate import upgrade
from gateway.store.receivers import Receivers
from tests.support.postgresql import postgresql

ASSOCIATIONS = 500


def measured(places: Places | PlacesOfAllHosts) -> tuple[float, float]:
    """Return the median wall time and the mean processor time of taking and freeing a place, in ms."""
    walls, begun = [], process_time()
    for _ in range(ASSOCIATIONS):
        since = perf_counter()
        place = places.take("192.0.2.1")
        walls.append(perf_counter() - since)
        assert isinstance(place, int)
        places.free(place)
    return 1000 * median(walls), 1000 * (process_time() - begun) / ASSOCIATIONS


def main() -> None:
    """Measure, and print both figures of both ways."""
    scp = SCP()
    with tempfile.TemporaryDirectory() as folder, postgresql(Path(folder)) as url:
        engine = open_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        upgrade(engine)
        ledger = Ledger(engine, Path(folder))
        hosts = [_host(scp, ledger) for _ in range(2)]
        ways: dict[str, Callable[[], Places | PlacesOfAllHosts]] = {
            "one host": lambda: Places(scp, Share()),
            "all hosts": lambda: hosts[0],
        }
        for host in hosts:
            host.start()
        for name, way in ways.items():
            wall, processor = measured(way())
            print(f"{name}: {wall:.2f} ms an association, {processor:.2f} ms of processor time")
        for host in hosts:
            host.stop()
        engine.dispose()


def _host(scp: SCP, ledger: Ledger) -> PlacesOfAllHosts:
    share = Share()
    return PlacesOfAllHosts(scp, Places(scp, share), Receivers(ledger, share.host, share.number))


if __name__ == "__main__":
    main()
