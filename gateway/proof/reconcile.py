"""Compares three lists: acknowledged images, rows of the ledger, and results in the archive. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from gateway.records import State


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the ledger; `results` are SOP Instance UIDs."""

    sop_instance_uid: str
    state: str
    reason: str | None
    results: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ArchivedObject:
    """One C-STORE at the archive; `sha256` is of the encoded data set, `source` the image's UID."""

    sop_instance_uid: str
    sop_class_uid: str
    source: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The result of a comparison; `lost` and `duplicated` hold one sentence for each case."""

    acknowledged: int
    answered: int
    resent: int
    lost: tuple[str, ...]
    duplicated: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """True where no image was lost or answered twice."""
        return not self.lost and not self.duplicated


def reconcile(
    acknowledged: Collection[str], entries: Iterable[Entry], arrivals: Sequence[ArchivedObject]
) -> Reconciliation:
    """Compare the three lists.

    Parameters
    ----------
    acknowledged
        SOP Instance UIDs of the images that were answered 0x0000.

    Returns
    -------
    An acknowledged image is *answered* when its row is `delivered` and all results of the row have arrived,
    else *lost*. *Duplicated* are two objects of one SOP class for one image, an object that arrived with
    different bytes, and two rows for one image. An object that arrived again unchanged is allowed, and
    counted as *resent*.
    """
    rows: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        rows[entry.sop_instance_uid].append(entry)
    arrived = {arrival.sop_instance_uid for arrival in arrivals}
    missing = {uid: why for uid in acknowledged if (why := _why_lost(rows[uid], arrived))}
    return Reconciliation(
        acknowledged=len(acknowledged),
        answered=len(acknowledged) - len(missing),
        resent=len(arrivals) - len(set(arrivals)),
        lost=tuple(f"{uid}: {why}" for uid, why in missing.items()),
        duplicated=(*_rows_twice(rows), *_objects_twice(arrivals), *_bytes_differ(arrivals)),
    )


def _why_lost(rows: list[Entry], arrived: set[str]) -> str | None:
    if not rows:
        return "acknowledged, but not in the ledger"
    for row in rows:
        if row.state != State.DELIVERED:
            return f"is {row.state} ({row.reason or 'no reason'})"
        if not row.results:
            return "is delivered, but has no results"
        if not arrived.issuperset(row.results):
            return "is delivered, but not every result has arrived"
    return None


def _rows_twice(rows: dict[str, list[Entry]]) -> list[str]:
    return [f"{uid}: has {len(entries)} rows in the ledger" for uid, entries in rows.items() if entries[1:]]


def _objects_twice(arrivals: Iterable[ArchivedObject]) -> list[str]:
    objects = {(each.source, each.sop_class_uid, each.sop_instance_uid) for each in arrivals}
    count = Counter((source, sop_class_uid) for source, sop_class_uid, _ in objects)
    return [f"{source}: has {n} objects of {sop_class}" for (source, sop_class), n in count.items() if n > 1]


def _bytes_differ(arrivals: Iterable[ArchivedObject]) -> list[str]:
    count = Counter(uid for uid, _ in {(each.sop_instance_uid, each.sha256) for each in arrivals})
    return [f"{uid}: arrived with {n} different contents" for uid, n in count.items() if n > 1]
