"""Opens the stores of images and results that the settings name; roles and commands call it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gateway.settings import S3Store, Settings
from gateway.store.copies import Copies, forget_earlier_boots
from gateway.store.ledger import Ledger
from gateway.store.marks import known_id, known_mark, remember
from gateway.store.objects import Stores
from gateway.store.spool import Spool, open_spool

if TYPE_CHECKING:
    from gateway.store.s3 import S3Objects

RECEIVED, RESULTS = "received", "results"
"""The parts of a bucket."""


def open_stores(settings: Settings, ledger: Ledger) -> Stores:
    """Open both stores for a role; the first start of a gateway marks them.

    Raises
    ------
    ConfigurationError
        If the library for the kind of store is missing, or a folder without a mark does not hold the ledger's
        files.
    Retry
        If the database is away, or a store that has no mark yet.
    OSError
        If a mark cannot be written.
    """
    directory = settings.directory
    if isinstance(settings.store, S3Store):
        forget_earlier_boots(directory.objects)
        return _in_bucket(settings, ledger)
    return Stores(open_spool(directory.spool, ledger), open_spool(directory.results, ledger))


def look_into_stores(settings: Settings, ledger: Ledger) -> Stores | None:
    """Return both stores for a command, None before a role has marked them; nothing is made.

    Raises
    ------
    ConfigurationError, Retry
        As `open_stores`.
    """
    directory = settings.directory
    if isinstance(settings.store, S3Store):
        is_marked = known_id(directory.spool.name, ledger) and known_id(directory.results.name, ledger)
        return _in_bucket(settings, ledger) if is_marked else None
    received, results = known_mark(directory.spool, ledger), known_mark(directory.results, ledger)
    if received is None or results is None:
        return None
    return Stores(Spool(directory.spool, received), Spool(directory.results, results))


def _in_bucket(settings: Settings, ledger: Ledger) -> Stores:
    from gateway.store.bucket import Bucket  # an optional extra
    from gateway.store.s3 import S3Objects, S3Rules, mark_in

    store, directory = settings.store, settings.directory
    assert isinstance(store, S3Store)  # noqa: S101 - its callers have seen it
    bucket = Bucket(store)
    rules = S3Rules(
        conditional_put=store.conditional_put,
        reads_back=store.confirm == "read",
        cache_bytes=store.cache_mb << 20,
        orphan_hours=store.orphan_hours,
    )

    def part(name: str, root: Path, *, is_part_10: bool) -> S3Objects:
        mark = known_id(root.name, ledger) or mark_in(
            bucket, name, lambda found: remember(root.name, found, ledger)
        )
        return S3Objects(Copies(root), bucket, name, mark, rules, is_part_10=is_part_10)

    return Stores(
        part(RECEIVED, directory.spool, is_part_10=True), part(RESULTS, directory.results, is_part_10=False)
    )
