"""SCALE: processor time of what the gateway asks of its ledger, with 1,000 and with 1,000,000 images.

Each operation runs in this process, on one SQLite file of each size, in turns; the shortest run counts.
The yardstick of each figure is the same operation on the small ledger.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path

from benchmarks.figure import Effort, Figure, Yardstick
from benchmarks.ledger_rows import DESTINATIONS, fill
from gateway.records import State
from gateway.settings import Retention
from gateway.store import claims
from gateway.store.ledger import Ledger
from gateway.store.outbox import Outbox
from gateway.store.pictures import Pictures
from gateway.store.queries.images import Images
from gateway.store.queries.traffic import Traffic
from gateway.store.queries.worklist import Search, Worklist
from gateway.store.requeue import Requeue, Selection
from gateway.store.retention import LONG_AGO, Cleaner, Rule, candidates_of
from tests.support.ledger_rows import received
from tests.support.worker import folders_in

SIZES = (1_000, 1_000_000)
BATCH = 4
ROWS = 20  # of a page: every search finds so many in the small ledger, too

Operation = Callable[[], object]


def measure(root: Path, effort: Effort) -> list[Figure]:
    """Measure every operation on both ledgers."""
    ledgers = [_open(root / f"ledger-{images}", images) for images in SIZES]
    small, large = (_operations(ledger, root, images) for ledger, images in zip(ledgers, SIZES, strict=True))
    return [_figure(name, small[name], large[name], effort) for name in small]


def _open(folder: Path, images: int) -> Ledger:
    return Ledger(fill(folder, images), folder)


def _figure(name: str, small: Operation, large: Operation, effort: Effort) -> Figure:
    spent = [min(times) for times in zip(*_in_turns((small, large), effort.repeats), strict=True)]
    yardstick = Yardstick("the same with 1,000 images", spent[0])
    return Figure(f"{name}, 1,000,000 images", spent[1], "ms of processor time", yardstick)


def _in_turns(operations: tuple[Operation, ...], repeats: int) -> Iterator[list[float]]:
    for operation in operations:
        operation()  # the first one prepares its statement
    for _ in range(repeats):
        yield [_milliseconds(operation) for operation in operations]


def _milliseconds(operation: Operation) -> float:
    start = time.process_time_ns()
    operation()
    return (time.process_time_ns() - start) / 1e6


def _operations(ledger: Ledger, folder: Path, images: int) -> dict[str, Operation]:
    """Return the operations by name; each leaves as much to do as it found."""
    outbox, worklist, pages, traffic = Outbox(ledger), Worklist(ledger), Images(ledger), Traffic(ledger)
    numbers = count(10 * images)
    middle = f"1.2.826.{images // 2}"
    (delivered,) = (image.sop_instance_uid for image in pages.newest(limit=1, state="delivered"))
    stores = folders_in(folder)
    cleaner = Cleaner(Retention(), ledger, stores, Pictures(folder / "pictures", 1))
    rule = Rule((State.DELIVERED, State.INELIGIBLE), 30, True, True, "")
    searches = [each.after(LONG_AGO, 0).limit(ROWS) for each in candidates_of(rule)]
    due = cleaner._due(rule)

    def look() -> None:
        with ledger.transaction() as connection:
            for search in searches:
                assert len(connection.execute(search).all()) == ROWS

    def receive() -> None:
        ledger.record_received(received(ledger._kept, next(numbers)))

    def claim() -> None:
        with suppress(_UndoneError), ledger.transaction() as connection:
            assert claims.claim(connection, "batch", BATCH) == BATCH
            raise _UndoneError

    def deliver() -> None:
        name = DESTINATIONS[1]
        assert outbox.claim(name, "worker", BATCH)
        outbox.release("worker", name)

    def page(**search: object) -> Operation:
        return lambda: worklist.page(Search(**search), limit=ROWS)

    day = datetime.now(UTC) - timedelta(days=200)
    return {
        "receive: commit the row": receive,
        "worker: what is due": ledger.next_due,
        "worker: claim a batch": claim,
        "worker: batches under way": ledger.open_batches,
        "couriers: what is due": outbox.next_due,
        "couriers: destinations with work": outbox.destinations,
        "couriers: take and give back": deliver,
        "worklist, first page": page(),
        "worklist, an old page": lambda: worklist.page(Search(), before=images // 3, limit=ROWS),
        "worklist by UID": page(uid=middle),
        "worklist by sender and answer": page(calling_ae_title="MODALITY7", label="Normal"),
        "worklist by state": page(state="failed"),
        "worklist by reason": page(reason="not_chest"),
        "worklist by date": page(until=day),
        "report": lambda: pages.versions(middle),
        "retention: look for what is due": look,
        "retention: delete 20 images, with the write lock": lambda: cleaner._delete_these(
            list(islice(due, 20)), rule
        ),
        "resend one image": lambda: Requeue(ledger).resend(Selection(delivered), lambda *_: DESTINATIONS[:1]),
        "health: traffic": lambda: (traffic.queue(), traffic.last_received(), traffic.last_delivered()),
        "metrics: counts by state": lambda: (pages.states(), traffic.destinations()),
    }


class _UndoneError(Exception):
    """Rolls a transaction back."""
